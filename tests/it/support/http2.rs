//! A client of HTTP/2, by prior knowledge or in TLS, which says exactly what it is told to.

use super::TlsClient;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, client::conn::http2, http::HeaderMap};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    runtime::Runtime,
};
use tokio_rustls::TlsConnector;

const DEADLINE: Duration = Duration::from_secs(20);

/// One connection.
#[derive(Debug)]
pub struct Http2 {
    runtime: Runtime,
    sender: http2::SendRequest<Full<Bytes>>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Http2Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Http2Answer {
    /// A header's text; empty where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// The code and the message of a call's end, wherever they stand.
    pub fn grpc(&self) -> (i32, &str) {
        let of = |name| self.trailers.get(name).or_else(|| self.headers.get(name)).map(|value| value.to_str());
        let code = of("grpc-status").and_then(Result::ok).and_then(|code| code.parse().ok());
        (code.unwrap_or(-1), of("grpc-message").and_then(Result::ok).unwrap_or(""))
    }
}

impl Http2 {
    /// Connects, and begins with the preface.
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(address, |stream| async { stream })
    }

    /// Connects by TLS, in which HTTP/2 is agreed on.
    pub fn connect_tls(address: SocketAddr, client: &TlsClient) -> Self {
        let connector = TlsConnector::from(Arc::new(client.clone().speaking(&["h2", "http/1.1"]).config()));
        Self::over(address, |stream| async move {
            let name = ServerName::try_from("localhost").expect("a name");
            let stream = connector.connect(name, stream).await.expect("TLS is agreed on");
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            stream
        })
    }

    fn over<S, F>(address: SocketAddr, wrap: impl FnOnce(TcpStream) -> F) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = S>,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (sender, connection) = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.expect("the listener accepts");
            stream.set_nodelay(true).expect("nodelay");
            let stream = TokioIo::new(wrap(stream).await);
            http2::handshake(TokioExecutor::new(), stream).await.expect("HTTP/2 is spoken")
        });
        // It ends with the connection, or with the runtime.
        drop(runtime.spawn(connection));
        Self { runtime, sender }
    }

    /// Sends requests at once and waits for all answers, in the order of the requests.
    pub fn send_all(&self, requests: Vec<Request<Full<Bytes>>>) -> Vec<Result<Http2Answer, hyper::Error>> {
        let one = |request| {
            let sent = self.sender.clone().send_request(request);
            self.runtime.spawn(async move {
                let (head, body) = sent.await?.into_parts();
                let body = body.collect().await?;
                let trailers = body.trailers().cloned().unwrap_or_default();
                let (status, headers) = (head.status.as_u16(), head.headers);
                Ok(Http2Answer { status, headers, body: body.to_bytes(), trailers })
            })
        };
        let sent: Vec<_> = requests.into_iter().map(one).collect();
        let answers = sent.into_iter().map(|answer| {
            let answer = self.runtime.block_on(async { tokio::time::timeout(DEADLINE, answer).await });
            answer.expect("an answer in time").expect("a client that does not panic")
        });
        answers.collect()
    }

    /// Sends a request.
    #[track_caller]
    pub fn send(&self, request: Request<Full<Bytes>>) -> Http2Answer {
        self.send_all(vec![request]).remove(0).expect("an answer")
    }

    /// Sends JSON.
    #[track_caller]
    pub fn post(&self, path: &str, body: &str) -> Http2Answer {
        self.send(request(path, &[("content-type", "application/json"), ("x-request-id", "r-1")], body.to_owned()))
    }

    /// Makes a call with whatever bytes for a message.
    #[track_caller]
    pub fn call(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Http2Answer {
        let all = [&[("content-type", "application/grpc"), ("te", "trailers")], headers].concat();
        self.send(request(path, &all, body))
    }

    /// Whether the connection has come to its end. Waits for that.
    pub fn is_closed(&self) -> bool {
        super::wait_until(DEADLINE, || self.sender.is_closed().then_some(())).is_some()
    }
}

/// A `POST`.
pub fn request(path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = Request::post(format!("http://test{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).expect("a request")
}
