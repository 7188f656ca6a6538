//! HTTP/2 on one connection: hyper's server with every limit named, and an end for connections on which nothing moves.
//!
//! Routes, bodies, limits on requests and answers are those of HTTP/1. What one client can make the server keep is bounded: so
//! many streams, so much of each head and of what nobody has read yet, so many frames that carry no request.

mod activity;
mod meter;

use super::gather::Gathered;
use crate::{
    config::Limits,
    http::{callers::Visit, desk::Desk, service},
};
use activity::Activity;
use hyper::{rt::Executor, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use meter::Metered;
use std::{
    future::Future,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    task::{coop, spawn_local},
};

/// Requests of one connection at once. Proxies open another connection for more.
const STREAMS: u32 = 256;
/// Streams that a client has taken back before they were looked at: beyond it, the connection ends ("rapid reset").
const RESET_BEFORE_ACCEPTED: usize = 20;
/// Streams of one connection that were refused or broke the protocol: beyond it, the connection ends.
const RESET_BY_SERVER: usize = 1024;
/// The least that a client may send of a body before it must wait, as the protocol has it.
const SMALLEST_WINDOW: usize = 65_535;
/// What a client may send of all bodies together before some of it is read.
const CONNECTION_WINDOW: u32 = 1 << 20;
/// The smallest that the protocol allows: requests are small.
const FRAME: u32 = 16 * 1024;
/// What is kept of one answer for a client that does not take it, beside the answer itself.
const SEND_BUFFER: usize = 64 * 1024;
/// What each side remembers of headers that come again and again.
const HEADER_TABLE: u32 = 4096;
/// How often to ask whether a client is still there, and how long to wait for its word.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(15));
/// How long a client that was told to go may be silent before the connection is cut.
const GRACE: Duration = Duration::from_secs(2);

/// Serves a connection until the client closes it, nothing has moved on it for too long, or the listener stops.
pub(super) async fn serve<S>(
    desk: Rc<Desk>,
    visit: Rc<Visit>,
    stream: Gathered<S>,
    mut stop: watch::Receiver<bool>,
) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let limits = desk.limits();
    let activity = Activity::begin();
    let requests = Rc::clone(&activity);
    let (guest, host) = (Rc::clone(&visit), Rc::clone(&desk));
    let service = service_fn(move |request| {
        let moving = requests.moving();
        let answer = service::answer(Rc::clone(&desk), Rc::clone(&visit), request);
        async move {
            let answer = answer.await;
            drop(moving);
            answer
        }
    });
    let mut connection = pin!(builder(&limits).serve_connection(TokioIo::new(Metered::new(stream)), service));
    tokio::select! {
        biased;
        served = connection.as_mut() => return served,
        // An error means that the sender is gone, which is a stop as well.
        _ = stop.wait_for(|stopped| *stopped) => {}
        () = activity.rested(limits.header_timeout) => {}
        () = guest.peer.expired(|| host.now()) => {}
    }
    // Requests that are on their way are answered still; a client that never takes the hint is not waited for.
    connection.as_mut().graceful_shutdown();
    activity.touch();
    tokio::select! {
        biased;
        served = connection => served,
        () = activity.rested(GRACE) => Ok(()),
    }
}

fn builder(limits: &Limits) -> http2::Builder<AtOnce> {
    let (ask_after, wait_for) = KEEP_ALIVE;
    let window = u32::try_from(limits.body_bytes.max(SMALLEST_WINDOW)).unwrap_or(u32::MAX).min(CONNECTION_WINDOW);
    let mut builder = http2::Builder::new(AtOnce);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESET_BEFORE_ACCEPTED)
        .max_local_error_reset_streams(RESET_BY_SERVER)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .header_table_size(HEADER_TABLE)
        .max_frame_size(FRAME)
        .initial_stream_window_size(window)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(ask_after)
        .keep_alive_timeout(wait_for);
    builder
}

/// Runs the streams of a connection on its own thread; most of them to their end in the turn that brought the request.
///
/// Nearly every request comes as a whole and is answered without waiting, so that a task for it would cost more than it does.
#[derive(Debug, Clone, Copy)]
struct AtOnce;

impl<F> Executor<F> for AtOnce
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, stream: F) {
        let mut stream = Box::pin(stream);
        let mut context = Context::from_waker(Waker::noop());
        // One client's requests must not keep others from their turn: they spend what tokio allows a task at a time.
        if let Poll::Ready(spent) = coop::poll_proceed(&mut context) {
            spent.made_progress();
            if stream.as_mut().poll(&mut context).is_ready() {
                return;
            }
        }
        // As a task it is polled again, and then with a waker. It ends with its stream, or with the thread.
        spawn_local(stream);
    }
}
