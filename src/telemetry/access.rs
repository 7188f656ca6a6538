//! The access log: a line for each request, where it is wanted.
//!
//! Lines go to the log like any other, under a target of their own. They are written by a thread of their own: a request hands its
//! line over and goes on, and where standard error is slower than requests come, lines are left out and counted.

use crate::model::TraceId;
use std::{
    io,
    net::IpAddr,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, SyncSender},
    },
    thread,
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};

/// The target, by which a filter can pick the lines.
pub const TARGET: &str = "sidegate::access";

/// Lines that wait to be written at the most.
const WAITING: usize = 4096;

/// How long the last lines may take once the process stops.
const LAST: Duration = Duration::from_millis(500);

static ON: AtomicBool = AtomicBool::new(false);
static WRITER: OnceLock<SyncSender<Message>> = OnceLock::new();
static LOST: AtomicU64 = AtomicU64::new(0);

/// One request and its answer.
#[derive(Debug)]
pub struct Line {
    /// Which listener.
    pub listener: &'static str,
    /// The method.
    pub method: String,
    /// The route's pattern.
    pub route: &'static str,
    /// The status of the answer; of a call of gRPC, the one that its own corresponds to.
    pub status: u16,
    /// How long it took to answer.
    pub took: Duration,
    /// `X-Request-ID`.
    pub request_id: String,
    /// The trace that it belongs to.
    pub trace_id: TraceId,
    /// Who is at the other end; `None` for the Unix socket.
    pub peer: Option<IpAddr>,
    /// The name of the caller, of the token or of the client; empty where nobody needs to be known.
    pub caller: String,
    /// Bytes of the request's body, where its head says so.
    pub request_bytes: Option<u64>,
    /// Bytes of the answer's body, where they are known before it is sent.
    pub response_bytes: Option<u64>,
}

enum Message {
    Line(Box<Line>),
    /// Everything before it is written.
    Written(oneshot::Sender<()>),
}

/// Whether lines are wanted.
#[must_use]
pub fn is_on() -> bool {
    // Relaxed: a line more or less around the change is nothing to anybody.
    ON.load(Ordering::Relaxed)
}

/// Wants lines from now on, or none.
///
/// # Errors
/// Fails where there is no thread to write them.
pub fn turn(on: bool) -> io::Result<()> {
    if on && WRITER.get().is_none() {
        let (writer, lines) = mpsc::sync_channel(WAITING);
        thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            for message in lines {
                match message {
                    Message::Line(line) => write(&line),
                    // Nobody has to wait for it any more if the receiver is gone.
                    Message::Written(told) => drop(told.send(())),
                }
            }
        })?;
        // Only one thread turns it on and off.
        drop(WRITER.set(writer));
    }
    ON.store(on, Ordering::Relaxed);
    Ok(())
}

/// Hands a line over.
pub fn record(line: Line) {
    let Some(writer) = WRITER.get() else { return };
    if writer.try_send(Message::Line(Box::new(line))).is_err() {
        LOST.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many lines were left out since it was asked last.
pub(super) fn take_lost() -> u64 {
    LOST.swap(0, Ordering::Relaxed)
}

/// Waits until all lines are written that were handed over, for a moment.
pub async fn flush() {
    let Some(writer) = WRITER.get() else { return };
    let (told, written) = oneshot::channel();
    if writer.try_send(Message::Written(told)).is_ok() {
        // Whoever reads standard error too slowly goes without the last lines.
        drop(timeout(LAST, written).await);
    }
}

fn write(line: &Line) {
    let trace_id = (!line.trace_id.is_none()).then(|| line.trace_id.to_string());
    tracing::info!(
        target: TARGET,
        event = "request",
        listener = line.listener,
        method = line.method,
        route = line.route,
        status = line.status,
        duration_us = u64::try_from(line.took.as_micros()).unwrap_or(u64::MAX),
        request_id = line.request_id,
        trace_id,
        peer = line.peer.map(|peer| peer.to_string()),
        caller = Some(line.caller.as_str()).filter(|caller| !caller.is_empty()),
        request_bytes = line.request_bytes,
        response_bytes = line.response_bytes,
        "a request was answered"
    );
}
