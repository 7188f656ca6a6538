//! Calls over kept connections, on one thread, in a closed loop: so many at once on each connection.

use super::{
    super::load::Figures,
    ext_authz::{CHECK, CheckResponse},
};
use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, client::conn::http2::SendRequest, header::CONTENT_TYPE};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, task::LocalSet};

/// What is asked, where, and how many at once.
#[derive(Debug, Clone, Copy)]
pub struct Calls<'a> {
    pub address: SocketAddr,
    pub message: &'a [u8],
    pub connections: usize,
    pub at_once: usize,
}

impl Calls<'_> {
    /// Runs for so long.
    pub fn run(self, duration: Duration) -> Figures {
        let mut body = BytesMut::new();
        body.put_u8(0);
        body.put_u32(self.message.len() as u32);
        body.put_slice(self.message);
        let body = body.freeze();
        let latencies = Rc::new(RefCell::new(Vec::with_capacity(1 << 20)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let took = LocalSet::new().block_on(&runtime, async {
            let mut senders = Vec::new();
            for _ in 0..self.connections {
                senders.push(connect(self.address).await);
            }
            let started = Instant::now();
            let clients: Vec<_> = senders
                .iter()
                .flat_map(|sender| std::iter::repeat_n(sender, self.at_once))
                .map(|sender| {
                    let calls = caller(sender.clone(), body.clone(), started + duration, Rc::clone(&latencies));
                    tokio::task::spawn_local(calls)
                })
                .collect();
            for client in clients {
                client.await.expect("a client");
            }
            started.elapsed()
        });
        let mut latencies = latencies.borrow_mut();
        latencies.sort_unstable();
        let at = |part: f64| f64::from(latencies[((latencies.len() - 1) as f64 * part) as usize]) / 1000.0;
        Figures { per_second: latencies.len() as f64 / took.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
    }
}

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("nodelay");
    let made = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = made.expect("HTTP/2");
    tokio::task::spawn_local(connection);
    sender
}

async fn caller(mut sender: SendRequest<Full<Bytes>>, body: Bytes, end: Instant, latencies: Rc<RefCell<Vec<u32>>>) {
    let mut is_checked = false;
    while Instant::now() < end {
        let request = Request::post(format!("http://localhost{CHECK}"))
            .header(CONTENT_TYPE, "application/grpc")
            .header("te", "trailers")
            .header("grpc-timeout", "250m")
            .body(Full::new(body.clone()))
            .expect("a request");
        let sent = Instant::now();
        let answer =
            sender.send_request(request).await.expect("an answer").into_body().collect().await.expect("a body");
        latencies.borrow_mut().push(sent.elapsed().as_nanos() as u32);
        let status =
            answer.trailers().and_then(|trailers| trailers.get("grpc-status")).map(hyper::http::HeaderValue::as_bytes);
        assert_eq!(status, Some(&b"0"[..]));
        if !is_checked {
            let message = answer.to_bytes().slice(5..);
            let answer = CheckResponse::decode(message).expect("an answer");
            assert_eq!(answer.status.as_ref().map(|status| status.code), Some(0), "{answer:?}");
            is_checked = true;
        }
    }
}
