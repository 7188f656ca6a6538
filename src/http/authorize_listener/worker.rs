//! A worker: a thread with a runtime of its own, on which its connections live and die.

use super::{
    ServeError,
    accept::{Accepted, Place},
    gather::gather,
    http1, http2,
    preface::{self, Protocol},
};
use crate::{
    http::{
        callers::{Callers, Visit},
        desk::{Desk, LISTENER},
        peer::{Peer, PeerAddress},
        tls,
    },
    telemetry::{Metrics, events},
    tls::{Acceptor, Greeted},
};
use std::{io, rc::Rc, sync::Arc, thread, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::{mpsc, oneshot, watch},
    task::{JoinSet, LocalSet},
};

/// The handle of a worker.
#[derive(Debug)]
pub(super) struct Worker {
    number: usize,
    connections: mpsc::UnboundedSender<(Accepted, Place)>,
    ended: oneshot::Receiver<()>,
    thread: thread::JoinHandle<()>,
}

/// How connections begin.
#[derive(Debug)]
pub(super) struct Entrance {
    /// Who may come in.
    pub(super) callers: Arc<Callers>,
    /// Agrees with clients on TLS, where it is spoken.
    pub(super) acceptor: Option<Acceptor>,
    /// Where handshakes are counted.
    pub(super) metrics: Arc<Metrics>,
}

/// The worker is gone.
#[derive(Debug)]
pub(super) struct Gone;

/// Why a connection has ended before its time.
#[derive(Debug, thiserror::Error)]
enum ConnectionError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("the client has said nothing for {0:?}")]
    Silent(Duration),
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

/// Starts a worker.
pub(super) fn start(number: usize, desk: Desk, entrance: Entrance, stop: watch::Receiver<bool>) -> io::Result<Worker> {
    // Connections are bounded where they are accepted.
    let (connections, accepted) = mpsc::unbounded_channel();
    let (end, ended) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = thread::Builder::new().name(format!("decide-{number}")).spawn(move || {
        LocalSet::new().block_on(&runtime, run(Rc::new(desk), Rc::new(entrance), accepted, stop));
        // Nobody listens any more if the end was not waited for.
        end.send(()).ok();
    })?;
    Ok(Worker { number, connections, ended, thread })
}

impl Worker {
    /// Gives the worker a connection.
    pub(super) fn take(&self, accepted: Accepted, place: Place) -> Result<(), Gone> {
        self.connections.send((accepted, place)).map_err(|_| Gone)
    }

    /// Resolves when the last connection of the worker has ended and its thread is gone. No more are given to it.
    pub(super) async fn ended(self) -> Result<(), ServeError> {
        drop(self.connections);
        let orderly = self.ended.await.is_ok();
        // The thread has nothing left to do but to end.
        match self.thread.join() {
            Ok(()) if orderly => Ok(()),
            _ => Err(ServeError::Worker(self.number)),
        }
    }
}

async fn run(
    desk: Rc<Desk>,
    entrance: Rc<Entrance>,
    mut accepted: mpsc::UnboundedReceiver<(Accepted, Place)>,
    stop: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            next = accepted.recv() => {
                let Some((accepted, place)) = next else { break };
                open.spawn_local(connection(Rc::clone(&desk), Rc::clone(&entrance), accepted, place, stop.clone()));
            }
            // Ended connections are taken off the set; what went wrong on them is said where it happened.
            Some(_) = open.join_next() => {}
        }
    }
    while open.join_next().await.is_some() {}
}

async fn connection(
    desk: Rc<Desk>,
    entrance: Rc<Entrance>,
    accepted: Accepted,
    _place: Place,
    stop: watch::Receiver<bool>,
) {
    let begun = match accepted {
        Accepted::Tcp(stream, from) => match TcpStream::from_std(stream) {
            Ok(stream) => through_network(desk, &entrance, stream, Peer::at(PeerAddress::Ip(from)), stop).await,
            Err(error) => return events::accept_failed(LISTENER, &error),
        },
        Accepted::Unix(stream) => match UnixStream::from_std(stream) {
            Ok(stream) => serve(desk, entrance.callers.visit(Peer::at(PeerAddress::Unix)), stream, stop).await,
            Err(error) => return events::accept_failed(LISTENER, &error),
        },
    };
    if let Err(error) = begun {
        // Clients hang up, send garbage and fall silent: nothing of it is news to an operator.
        tracing::debug!(event = "connection_failed", error = %error);
    }
}

async fn through_network(
    desk: Rc<Desk>,
    entrance: &Entrance,
    stream: TcpStream,
    peer: Peer,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ConnectionError> {
    let Some(acceptor) = &entrance.acceptor else {
        return serve(desk, entrance.callers.visit(peer), stream, stop).await;
    };
    let greeted = tokio::select! {
        greeted = tls::greet(acceptor, stream, LISTENER, &entrance.metrics) => greeted,
        // Nothing was asked yet.
        _ = stop.wait_for(|stopped| *stopped) => None,
    };
    let Some(Greeted { stream, names }) = greeted else { return Ok(()) };
    serve(desk, entrance.callers.visit(Peer { names, is_secure: true, ..peer }), stream, stop).await
}

async fn serve<S>(
    desk: Rc<Desk>,
    visit: Visit,
    mut stream: S,
    mut stop: watch::Receiver<bool>,
) -> Result<(), ConnectionError>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let patience = desk.limits().header_timeout;
    let opening = tokio::select! {
        biased;
        opening = tokio::time::timeout(patience, preface::read(&mut stream)) => match opening {
            Ok(opening) => opening?,
            Err(_) => return Err(ConnectionError::Silent(patience)),
        },
        // Nothing has been asked yet. An error means that the sender is gone, which is a stop as well.
        _ = stop.wait_for(|stopped| *stopped) => return Ok(()),
    };
    let (stream, outlet) = gather(stream, opening.read);
    let visit = Rc::new(visit);
    match opening.protocol {
        Protocol::Http1 => outlet.drive(http1::serve(desk, visit, stream, stop), patience).await?,
        // Boxed: it is larger, and most connections are of the other kind.
        Protocol::Http2 => outlet.drive(Box::pin(http2::serve(desk, visit, stream, stop)), patience).await?,
    }
    Ok(())
}
