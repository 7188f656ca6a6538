//! The accept loop and the life of one connection.

use super::Bound;
use crate::{
    http::peer::{Peer, PeerAddress},
    lifecycle::{Stop, Tasks},
    telemetry::events,
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
use tokio::{net::TcpStream, sync::Semaphore, time::sleep};

/// Connections at once; more wait in the kernel.
const MOST_CONNECTIONS: usize = 256;

/// Time to send a head, and how long an idle connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_mins(1);

/// Longest head of a request.
const MOST_HEADER_BYTES: usize = 16 * 1024;

/// How long to wait when the system has no descriptors or memory for another connection.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Serves a router until the stop; requests in flight are answered, and their connections are tasks that can be waited for.
pub async fn serve(bound: Bound, name: &'static str, router: Router, tasks: Tasks, stop: Stop) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let accept = async {
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let (stream, peer) = match bound.listener.accept().await {
                Ok((stream, from)) => (stream, Arc::new(Peer::at(PeerAddress::Ip(from)))),
                Err(error) => {
                    back_off(name, &error).await;
                    continue;
                }
            };
            let (router, stop) = (router.clone(), stop.clone());
            tasks.spawn(format!("{name} connection"), async move {
                connection(stream, peer, router, stop).await;
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

async fn connection(stream: TcpStream, peer: Arc<Peer>, router: Router, stop: Stop) {
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
