//! The listener that applications ask: sockets in, worker threads that answer, an orderly end.
//!
//! One loop accepts connections and hands them to the workers in turn. Each worker is a thread with a runtime of its own, so a
//! request never changes threads. With `SO_REUSEPORT` the kernel would spread connections by a hash, which leaves workers idle
//! beside busy ones when an application keeps only a few connections open; in turn, the spread is even.

mod accept;
mod gather;
mod http1;
mod http2;
mod preface;
mod unix_socket;
mod worker;

pub use super::shadow::Comparer;
use super::{
    aside::Aside,
    callers::Callers,
    desk::{Desk, LISTENER},
    routes,
    self_check::SelfCheck,
};
pub use unix_socket::UnixSocketError;

use crate::{
    audit::Recorder,
    config::{AuthorizeServer, Live},
    identity::Verifier,
    lifecycle::Tasks,
    model::Timestamp,
    reload::Reader,
    telemetry::Metrics,
    tls::Acceptor,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, atomic::AtomicUsize},
};
use tokio::sync::watch;

use unix_socket::UnixSocket;
use worker::Entrance;

/// Connections that the kernel keeps for us while we are busy.
const BACKLOG: u16 = 1024;

/// What the workers answer with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {
    /// The current snapshot.
    pub reader: Reader,
    /// Where requests and decisions are counted.
    pub metrics: Arc<Metrics>,
    /// Tells the time.
    pub now: fn() -> Timestamp,
    /// The settings that count: what requests may take.
    pub settings: Live,
    /// Verifies tokens.
    pub verifier: Arc<Verifier>,
    /// One in so many decisions is compared with plain Cedar's; 0 for none.
    pub verify_one_in: u64,
    /// Puts every question to a second policy set that never answers, where there is one.
    pub comparer: Option<Comparer>,
    /// Agrees with clients on TLS, where it is spoken.
    pub acceptor: Option<Acceptor>,
}

/// Sockets that listen, not served yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    unix: Option<UnixSocket>,
}

/// Why the listener could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be had.
    #[error(
        "`server.authorize.listen`: cannot listen on `{address}`; name another address, or end whoever has this one"
    )]
    Address {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Nor can the Unix socket.
    #[error(transparent)]
    Unix(#[from] UnixSocketError),
}

/// Why the listener could not be served, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No thread, no runtime, or no event queue for the socket.
    #[error("cannot start the workers of the authorize listener")]
    Start(#[source] io::Error),
    /// A worker ended before it was told to.
    #[error("worker {0} of the authorize listener has failed")]
    Worker(usize),
}

impl Bound {
    /// The address, with the port that the system chose where none was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The path of the Unix socket, where there is one.
    #[must_use]
    pub fn unix_socket(&self) -> Option<&Path> {
        self.unix.as_ref().map(UnixSocket::path)
    }
}

/// Binds the listener.
pub fn bind(server: &AuthorizeServer) -> Result<Bound, BindError> {
    let address = server.listen;
    let listener = listen(address).map_err(|source| BindError::Address { address, source })?;
    let address = listener.local_addr().map_err(|source| BindError::Address { address, source })?;
    Ok(Bound { listener, address, unix: UnixSocket::bind(&server.unix_socket)? })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG.into())?;
    Ok(TcpListener::from(socket))
}

/// Serves with one worker for each recorder, until `shutdown` resolves and every connection has ended after it. Open connections are
/// listed among `tasks`.
///
/// Connections that idle end after a moment, others with the answer to their request. How long to wait for them is the caller's to
/// say: dropping the future leaves them to the end of the process.
pub async fn serve(
    bound: Bound,
    services: Services,
    recorders: Vec<Recorder>,
    tasks: Tasks,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let with_callers = !services.settings.load().server.authorize.callers.is_empty();
    let of_callers = with_callers.then(routes::labels_of_callers).into_iter().flatten();
    for (route, codes) in routes::labels().chain(of_callers) {
        services.metrics.http_route(LISTENER, route, codes);
    }
    let intake = recorders.first().and_then(Recorder::intake);
    let check = SelfCheck::start(services.verify_one_in, Arc::clone(&services.metrics), intake);
    let check = check.map_err(ServeError::Start)?;
    let in_flight = Arc::new(AtomicUsize::new(0));
    let aside = Aside::default();
    let callers = Callers::new(services.settings.clone(), Arc::clone(&services.metrics), services.now);
    let (stop, _) = watch::channel(false);
    let mut workers = Vec::with_capacity(recorders.len());
    for (number, recorder) in recorders.into_iter().enumerate() {
        let desk = Desk::new(services.clone(), recorder, check.clone(), Arc::clone(&in_flight), aside.clone());
        let entrance = Entrance {
            callers: Arc::clone(&callers),
            acceptor: services.acceptor.clone(),
            metrics: Arc::clone(&services.metrics),
            tasks: tasks.clone(),
        };
        workers.push(worker::start(number, desk, entrance, stop.subscribe()).map_err(ServeError::Start)?);
    }
    let doors = accept::Doors::open(bound.listener, bound.unix).map_err(ServeError::Start)?;
    let connections = accept::Connections::bounded_by(services.settings.clone(), Arc::clone(&services.metrics));
    let failed = tokio::select! {
        failed = accept::run(&doors, &connections, &workers) => Some(failed),
        () = shutdown => None,
    };
    accept::end(doors, &connections, &workers);
    // The listener is closed, and its Unix socket is gone. Workers that get no more connections end with their last one.
    stop.send_replace(true);
    for worker in workers {
        worker.ended().await?;
    }
    failed.map_or(Ok(()), |number| Err(ServeError::Worker(number)))
}

#[cfg(test)]
mod tests;
