//! The accept loop: connections in, handed to the workers in turn.

use super::{
    unix_socket::{SocketFile, UnixSocket},
    worker::Worker,
};
use crate::{
    config::Live,
    http::{ApiError, ErrorCode, desk::LISTENER, routes::NO_ROUTE},
    telemetry::{Metrics, events},
};
use std::{
    future::pending,
    io::{self, Write as _},
    net::{Shutdown, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

/// How long to wait when the system has no descriptors or memory for another connection.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A connection on its way to a worker, in a form that can move between runtimes.
#[derive(Debug)]
pub(super) enum Accepted {
    /// Through the network, and where it comes from.
    Tcp(std::net::TcpStream, SocketAddr),
    /// Through the Unix socket.
    Unix(std::os::unix::net::UnixStream),
}

/// The sockets that connections come through.
#[derive(Debug)]
pub(super) struct Doors {
    tcp: TcpListener,
    /// The file of the Unix socket goes with it.
    unix: Option<(UnixListener, SocketFile)>,
}

/// A connection as it was accepted.
enum Stream {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Doors {
    /// Needs a runtime with IO around it.
    pub(super) fn open(tcp: std::net::TcpListener, unix: Option<UnixSocket>) -> io::Result<Self> {
        let unix = unix.map(|unix| {
            let (listener, file) = unix.into_parts();
            Ok::<_, io::Error>((UnixListener::from_std(listener)?, file))
        });
        Ok(Self { tcp: TcpListener::from_std(tcp)?, unix: unix.transpose()? })
    }

    async fn accept(&self) -> io::Result<Stream> {
        let unix = async {
            match &self.unix {
                Some((listener, _)) => listener.accept().await,
                None => pending().await,
            }
        };
        tokio::select! {
            tcp = self.tcp.accept() => tcp.map(|(stream, from)| Stream::Tcp(stream, from)),
            unix = unix => unix.map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

impl Stream {
    fn into_accepted(self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(stream, from) => {
                stream.set_nodelay(true)?;
                Ok(Accepted::Tcp(stream.into_std()?, from))
            }
            Self::Unix(stream) => Ok(Accepted::Unix(stream.into_std()?)),
        }
    }

    /// Says one thing, and nothing more.
    fn say(self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream, _) => {
                let mut stream = stream.into_std()?;
                stream.write_all(text)?;
                stream.shutdown(Shutdown::Write)
            }
            Self::Unix(stream) => {
                let mut stream = stream.into_std()?;
                stream.write_all(text)?;
                stream.shutdown(Shutdown::Write)
            }
        }
    }
}

/// The count of open connections.
#[derive(Debug)]
pub(super) struct Connections {
    open: Arc<AtomicUsize>,
    settings: Live,
    metrics: Arc<Metrics>,
}

/// A place among the open connections; given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Connections {
    /// None open yet.
    pub(super) fn bounded_by(settings: Live, metrics: Arc<Metrics>) -> Self {
        Self { open: Arc::default(), settings, metrics }
    }

    fn speaks_tls(&self) -> bool {
        self.settings.load().server.authorize.tls.is_on()
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
pub(super) async fn run(doors: Doors, connections: &Connections, workers: &[Worker]) -> usize {
    let mut turns = workers.iter().enumerate().cycle();
    loop {
        let stream = match doors.accept().await {
            Ok(stream) => stream,
            Err(error) if is_the_clients(&error) => continue,
            Err(error) => {
                events::accept_failed(LISTENER, &error);
                tokio::time::sleep(BACK_OFF).await;
                continue;
            }
        };
        let Some(place) = connections.enter() else {
            // Of its request nothing is known, its route included.
            connections.metrics.http_request(LISTENER, NO_ROUTE, 503, Duration::ZERO);
            turn_away(stream, connections.speaks_tls());
            continue;
        };
        // Whatever cannot be set here fails again, and visibly, in the worker.
        let Ok(accepted) = stream.into_accepted() else { continue };
        if let Some((number, worker)) = turns.next()
            && worker.take(accepted, place).is_err()
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

/// Tells a client that there are too many, without reading what it asks: nothing of it may take up room. A client that wants TLS first
/// understands nothing but the end.
fn turn_away(stream: Stream, speaks_tls: bool) {
    let body = ApiError::new(ErrorCode::Overloaded, "too many connections").body("");
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // A fresh socket takes this much without waiting; a client that has gone already needs no answer.
    let told = match stream {
        Stream::Tcp(..) if speaks_tls => Ok(()),
        stream => stream.say(answer.as_bytes()),
    };
    tracing::debug!(event = "connection_turned_away", told = told.is_ok());
}
