//! The accept loop: connections in, handed to the workers in turn.

use super::{
    BACKLOG,
    unix_socket::{SocketFile, UnixSocket},
    worker::{Gone, Worker},
};
use crate::{
    config::Live,
    http::{ApiError, ErrorCode, desk::LISTENER, routes::NO_ROUTE},
    telemetry::{Metrics, events},
};
use std::{
    future::pending,
    io::{self, Write as _},
    iter,
    net::{Shutdown, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::net::{TcpListener, UnixListener};

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

impl Doors {
    /// Needs a runtime with IO around it.
    pub(super) fn open(tcp: std::net::TcpListener, unix: Option<UnixSocket>) -> io::Result<Self> {
        let unix = unix.map(|unix| {
            let (listener, file) = unix.into_parts();
            Ok::<_, io::Error>((UnixListener::from_std(listener)?, file))
        });
        Ok(Self { tcp: TcpListener::from_std(tcp)?, unix: unix.transpose()? })
    }

    async fn accept(&self) -> io::Result<Accepted> {
        let unix = async {
            match &self.unix {
                Some((listener, _)) => listener.accept().await,
                None => pending().await,
            }
        };
        tokio::select! {
            tcp = self.tcp.accept() => tcp.and_then(|(stream, from)| Ok(Accepted::Tcp(stream.into_std()?, from))),
            unix = unix => unix.and_then(|(stream, _)| Ok(Accepted::Unix(stream.into_std()?))),
        }
    }

    /// Closes the doors. Who stands before them is let in: the kernel has told these clients that they are connected.
    fn close(self) -> Vec<Accepted> {
        let Self { tcp, unix } = self;
        let tcp = tcp.into_std().map(|tcp| {
            iter::from_fn(move || waiting(|| tcp.accept())).filter_map(|(stream, from)| {
                stream.set_nonblocking(true).ok()?;
                Some(Accepted::Tcp(stream, from))
            })
        });
        // Its file is there until nobody is let in any more.
        let (unix, _file) = unix.map_or((None, None), |(listener, file)| (listener.into_std().ok(), Some(file)));
        let unix = unix.into_iter().flat_map(|unix| {
            iter::from_fn(move || waiting(|| unix.accept())).filter_map(|(stream, _)| {
                stream.set_nonblocking(true).ok()?;
                Some(Accepted::Unix(stream))
            })
        });
        // No more than the kernel keeps for us: a flood does not keep a door open.
        let most = usize::from(BACKLOG);
        tcp.into_iter().flatten().take(most).chain(unix.take(most)).collect()
    }
}

/// The next connection that waits, if there is one.
fn waiting<T>(accept: impl Fn() -> io::Result<T>) -> Option<T> {
    loop {
        match accept() {
            Ok(accepted) => return Some(accepted),
            Err(error) if is_the_clients(&error) => {}
            Err(_) => return None,
        }
    }
}

impl Accepted {
    /// Answers leave at once.
    fn at_once(self) -> io::Result<Self> {
        if let Self::Tcp(stream, _) = &self {
            stream.set_nodelay(true)?;
        }
        Ok(self)
    }

    /// Says one thing, and nothing more.
    fn say(self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(mut stream, _) => {
                stream.write_all(text)?;
                stream.shutdown(Shutdown::Write)
            }
            Self::Unix(mut stream) => {
                stream.write_all(text)?;
                stream.shutdown(Shutdown::Write)
            }
        }
    }
}

/// The count of open connections: one for each door, so that strangers on the network keep nobody of this machine out.
#[derive(Debug)]
pub(super) struct Connections {
    tcp: Arc<AtomicUsize>,
    unix: Arc<AtomicUsize>,
    settings: Live,
    metrics: Arc<Metrics>,
}

/// A place among the open connections; given back when dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<AtomicUsize>);

impl Connections {
    /// None open yet.
    pub(super) fn bounded_by(settings: Live, metrics: Arc<Metrics>) -> Self {
        Self { tcp: Arc::default(), unix: Arc::default(), settings, metrics }
    }

    fn speaks_tls(&self) -> bool {
        self.settings.load().server.authorize.tls.is_on()
    }

    fn enter(&self, accepted: &Accepted) -> Option<Place> {
        let open = match accepted {
            Accepted::Tcp(..) => &self.tcp,
            Accepted::Unix(_) => &self.unix,
        };
        let place = Place(Arc::clone(open));
        let most = self.settings.load().server.authorize.limits.connections;
        // Relaxed: the count guards nothing but itself.
        (open.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Accepts until it is dropped, or until a worker is gone; then it says which.
pub(super) async fn run(doors: &Doors, connections: &Connections, workers: &[Worker]) -> usize {
    let mut turns = workers.iter().cycle();
    loop {
        match doors.accept().await {
            Ok(accepted) => {
                if let Err(number) = hand_over(accepted, connections, &mut turns) {
                    return number;
                }
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                events::accept_failed(LISTENER, &error);
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

/// Closes the doors, and gives the last connections to the workers.
pub(super) fn end(doors: Doors, connections: &Connections, workers: &[Worker]) {
    let mut turns = workers.iter().cycle();
    for accepted in doors.close() {
        // A worker that is gone has been told of, or is told of where its end is waited for.
        hand_over(accepted, connections, &mut turns).ok();
    }
}

/// Gives a connection to the worker whose turn it is. An error is the number of one that is gone.
fn hand_over<'w>(
    accepted: Accepted,
    connections: &Connections,
    turns: &mut impl Iterator<Item = &'w Worker>,
) -> Result<(), usize> {
    let Some(place) = connections.enter(&accepted) else {
        // Of its request nothing is known, its route included.
        connections.metrics.http_request(LISTENER, NO_ROUTE, 503, Duration::ZERO);
        turn_away(accepted, connections.speaks_tls());
        return Ok(());
    };
    // Whatever cannot be set here fails again, and visibly, in the worker.
    let Ok(accepted) = accepted.at_once() else { return Ok(()) };
    let Some(worker) = turns.next() else { return Ok(()) };
    worker.take(accepted, place).map_err(|Gone| worker.number())
}

/// Whether accepting failed because of one client, so that the next may be tried at once.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Tells a client that there are too many, without reading what it asks: nothing of it may take up room. A client that wants TLS first
/// understands nothing but the end.
fn turn_away(accepted: Accepted, speaks_tls: bool) {
    let body = ApiError::new(ErrorCode::Overloaded, "too many connections").body("");
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // A fresh socket takes this much without waiting; a client that has gone already needs no answer.
    let told = match accepted {
        Accepted::Tcp(..) if speaks_tls => Ok(()),
        accepted => accepted.say(answer.as_bytes()),
    };
    tracing::debug!(event = "connection_turned_away", told = told.is_ok());
}
