//! The accept loop and the life of one connection.

use super::Bound;
use crate::{
    http::{
        peer::{Peer, PeerAddress},
        tls,
    },
    lifecycle::{Stop, Tasks},
    telemetry::{Metrics, events},
    tls::{Acceptor, Greeted},
};
use axum::Router;
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{io, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Semaphore,
    time::sleep,
};

/// Connections at once; more wait in the kernel.
const MOST_CONNECTIONS: usize = 256;

/// Time to send a head, and how long an idle connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_mins(1);

/// Longest head of a request.
const MOST_HEADER_BYTES: usize = 16 * 1024;

/// How long to wait when the system has no descriptors or memory for another connection.
const BACK_OFF: Duration = Duration::from_millis(100);

/// How a listener serves.
#[derive(Debug, Clone)]
pub struct Serving {
    /// The name in logs and metrics.
    pub name: &'static str,
    /// Agrees with clients on TLS, where it is spoken.
    pub acceptor: Option<Acceptor>,
    /// Where handshakes are counted.
    pub metrics: Arc<Metrics>,
    /// What is served.
    pub router: Router,
}

/// Serves a router until the stop; requests in flight are answered, and their connections are tasks that can be waited for.
pub async fn serve(bound: Bound, serving: Serving, tasks: Tasks, stop: Stop) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let name = serving.name;
    let accept = async {
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (stream, from) = match bound.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    back_off(name, &error).await;
                    continue;
                }
            };
            let (serving, stop) = (serving.clone(), stop.clone());
            tasks.spawn(format!("{name} connection"), async move {
                begin(stream, Peer::at(PeerAddress::Ip(from)), serving, stop).await;
                drop(place);
            });
        }
    };
    tokio::select! {
        () = accept => {}
        () = stop.stopped() => {}
    }
}

async fn back_off(name: &str, error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    // What only one client has to do with needs no line and no pause.
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        events::listener_failed(name, error);
        sleep(BACK_OFF).await;
    }
}

async fn begin(stream: TcpStream, peer: Peer, serving: Serving, stop: Stop) {
    let Serving { name, acceptor, metrics, router } = serving;
    let Some(acceptor) = acceptor else { return connection(stream, peer, router, stop).await };
    let greeted = tokio::select! {
        greeted = tls::greet(&acceptor, stream, name, &metrics) => greeted,
        // Nothing was asked yet.
        () = stop.stopped() => return,
    };
    if let Some(Greeted { stream, names }) = greeted {
        connection(stream, Peer { names, is_secure: true, ..peer }, router, stop).await;
    }
}

async fn connection<S>(stream: S, peer: Peer, router: Router, stop: Stop)
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let peer = Arc::new(peer);
    let service = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Arc::clone(&peer));
        service.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MOST_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.stopped() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(event = "connection_failed", error = %events::Chain(&error));
    }
}
