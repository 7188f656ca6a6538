//! The accept loop and the life of one connection.

use super::{
    Bound,
    patient::Patient,
    places::{Moving, Place, Places},
    unread,
};
use crate::{
    http::{
        last_call,
        peer::{Peer, PeerAddress},
        tls,
    },
    lifecycle::{Clock, Stop, Task, Tasks},
    telemetry::{Metrics, events},
    tls::{Acceptor, Greeted},
};
use axum::{Router, body::Body};
use bytes::Bytes;
use hyper::{
    Request,
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    convert::Infallible,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::sleep,
};

/// Connections at once. Who comes on top takes the place of one that is idle, or waits.
const MOST_CONNECTIONS: usize = 256;

/// Time to send a head, and how long an idle connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may take nothing of what is answered.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

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
    let places = Places::new(MOST_CONNECTIONS);
    let name = serving.name;
    let accept = async {
        loop {
            let (stream, from) = match bound.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    back_off(name, &error).await;
                    continue;
                }
            };
            let Some(place) = places.take().await else { return };
            let doing = Doing { listener: name, from, task: tasks.enter("") };
            doing.tell(format_args!("nothing asked yet"));
            let (serving, stop, place) = (serving.clone(), stop.clone(), Arc::new(place));
            doing.task.clone().spawn(async move {
                tokio::select! {
                    () = begin(stream, doing, serving, Arc::clone(&place), stop) => {}
                    () = place.wanted() => tracing::debug!(event = "connection_sent_away"),
                }
            });
        }
    };
    tokio::select! {
        () = accept => {}
        () = stop.stopped() => {}
    }
}

/// The body of an answer: until it has been handed over, its request is being answered.
#[derive(Debug)]
struct Answering {
    body: Body,
    _moving: Moving,
}

impl hyper::body::Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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

/// What a connection is about, told to whoever waits for its end.
#[derive(Debug)]
struct Doing {
    listener: &'static str,
    from: SocketAddr,
    task: Task,
}

impl Doing {
    fn tell(&self, what: fmt::Arguments<'_>) {
        let Self { listener, from, task } = self;
        task.rename(format!("{listener} connection from {from} ({what})"));
    }
}

async fn begin(stream: TcpStream, doing: Doing, serving: Serving, place: Arc<Place>, stop: Stop) {
    let Serving { name, acceptor, metrics, router } = serving;
    let peer = Peer::at(PeerAddress::Ip(doing.from));
    let Some(acceptor) = acceptor else { return connection(stream, peer, doing, router, place, stop).await };
    let greeted = tokio::select! {
        greeted = tls::greet(&acceptor, stream, name, &metrics) => greeted,
        // Nothing was asked yet.
        () = last_call::is_over(stop.stopped()) => return,
    };
    if let Some(Greeted { stream, shown }) = greeted {
        connection(stream, Peer { shown, is_secure: true, ..peer }, doing, router, place, stop).await;
    }
}

async fn connection<S>(stream: S, peer: Peer, doing: Doing, router: Router, place: Arc<Place>, stop: Stop)
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let peer = Arc::new(peer);
    let guest = Arc::clone(&peer);
    let service = TowerToHyperService::new(router);
    let stopping = Arc::new(AtomicBool::new(stop.is_stopped()));
    let is_last = Arc::clone(&stopping);
    let service = service_fn(move |request: Request<Incoming>| {
        let (mut request, rest) = unread::lend(request);
        // An answer may take long after its head has left, so this is not taken back: the last request is what it is about.
        doing.tell(format_args!("{} {}", request.method(), request.uri().path()));
        request.extensions_mut().insert(Arc::clone(&peer));
        let moving = place.moving();
        let answer = service.call(request);
        let is_last = Arc::clone(&is_last);
        async move {
            let mut answer = answer.await?.map(|body| Answering { body, _moving: moving });
            if !rest.take().await || is_last.load(Ordering::Relaxed) {
                last_call::close(&mut answer);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MOST_HEADER_BYTES)
        .serve_connection(TokioIo::new(Patient::new(stream, WRITE_TIMEOUT)), service);
    let ended = last_call::serve(served, async move {
        tokio::select! {
            () = stop.stopped() => {}
            () = guest.expired(|| Clock::system().now()) => {}
        }
        stopping.store(true, Ordering::Relaxed);
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(event = "connection_failed", error = %events::Chain(&error));
    }
}
