//! The accept loop: connections in, handed to the workers in turn.

use super::worker::Worker;
use crate::{
    config::Live,
    http::{ApiError, ErrorCode, desk::LISTENER},
    telemetry::events,
};
use std::{
    io::{self, Write as _},
    net::{Shutdown, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};

/// How long to wait when the system has no descriptors or memory for another connection.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A connection on its way to a worker. Other kinds of sockets become further variants.
#[derive(Debug)]
pub(super) enum Accepted {
    /// TCP, in the form that can move between runtimes, and where it comes from.
    Tcp(std::net::TcpStream, SocketAddr),
}

/// The count of open connections.
#[derive(Debug)]
pub(super) struct Connections {
    open: Arc<AtomicUsize>,
    settings: Live,
}

/// A place among the open connections; given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Connections {
    /// None open yet.
    pub(super) fn bounded_by(settings: Live) -> Self {
        Self { open: Arc::default(), settings }
    }

    fn enter(&self) -> Option<Place> {
        let place = Place(Arc::clone(&self.open));
        let most = self.settings.load().server.authorize.limits.connections;
        // Relaxed: the count guards nothing but itself.
        (self.open.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Accepts until it is dropped, or until a worker is gone; then it says which.
pub(super) async fn run(listener: TcpListener, connections: &Connections, workers: &[Worker]) -> usize {
    let mut turns = workers.iter().enumerate().cycle();
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_the_clients(&error) => continue,
            Err(error) => {
                events::accept_failed(LISTENER, &error);
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        let Some(place) = connections.enter() else {
            turn_away(stream);
            continue;
        };
        // Whatever cannot be set here fails again, and visibly, in the worker.
        let Ok(stream) = stream.set_nodelay(true).and_then(|()| stream.into_std()) else { continue };
        if let Some((number, worker)) = turns.next()
            && worker.take(Accepted::Tcp(stream, from), place).is_err()
        {
            return number;
        }
    }
}

/// Whether accepting failed because of one client, so that the next may be tried at once.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Tells a client that there are too many, without reading what it asks: nothing of it may take up room.
fn turn_away(stream: TcpStream) {
    let body = ApiError::new(ErrorCode::Overloaded, "too many connections").body("");
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // A fresh socket takes this much without waiting; a client that has gone already needs no answer.
    let told = stream.into_std().and_then(|mut stream| {
        stream.write_all(answer.as_bytes())?;
        stream.shutdown(Shutdown::Write)
    });
    tracing::debug!(event = "connection_turned_away", told = told.is_ok());
}
