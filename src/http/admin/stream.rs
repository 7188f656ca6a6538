//! Answers that are streamed: the writer waits for the client, and what is in memory at any time is a few chunks.
//!
//! A client that hangs up, or takes nothing for a while, ends the writing.

use crate::http::{ApiError, ErrorCode};
use axum::body::Body;
use bytes::Bytes;
use hyper::body::Frame;
use std::{
    io::{self, Write},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::timeout,
};

/// Bytes of one chunk.
pub(super) const CHUNK: usize = 64 * 1024;
/// Chunks between the reader and the client.
pub(super) const CHUNKS: usize = 4;

/// Files that are on their way at once, of whichever kind: each keeps a thread that may block for as long as its client takes.
pub(super) const FILES: usize = 4;

/// How long a client may take nothing.
pub(super) const STALLED: Duration = Duration::from_secs(30);

/// Where a writer on a thread that may block writes to, and the body of the answer that comes of it. To be called on the runtime.
/// A client that takes nothing for `stalled` has gone.
pub(super) fn begin(place: OwnedSemaphorePermit, stalled: Duration) -> (Chunks, Body) {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let whole = Arc::new(AtomicBool::new(false));
    let body = Stream { receiver, whole: Arc::clone(&whole) };
    let chunk = Vec::with_capacity(CHUNK);
    let chunks = Chunks { chunk, sender, stalled, runtime: Handle::current(), whole, _place: place };
    (chunks, Body::new(body))
}

/// A place for one more file; or what is said where all are taken.
pub(super) fn place(files: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ApiError> {
    let message = || format!("{FILES} exports and backups are running already");
    Arc::clone(files).try_acquire_owned().map_err(|_| ApiError::new(ErrorCode::Overloaded, message()))
}

/// Collects what is written into chunks.
pub(super) struct Chunks {
    chunk: Vec<u8>,
    sender: mpsc::Sender<Bytes>,
    /// How long the client may take nothing.
    stalled: Duration,
    runtime: Handle,
    /// Whether everything was sent.
    whole: Arc<AtomicBool>,
    _place: OwnedSemaphorePermit,
}

impl Chunks {
    /// Says that everything was written and sent.
    pub(super) fn end(&self) {
        self.whole.store(true, Ordering::Release);
    }

    /// Waits until the client has taken enough of what was sent before.
    fn send(&self, chunk: Bytes) -> io::Result<()> {
        match self.runtime.block_on(timeout(self.stalled, self.sender.send(chunk))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        self.send(chunk.into())
    }
}

/// The body of an export. Ends with an error where the export did not come to its end, so that nobody takes a part for the whole.
struct Stream {
    receiver: mpsc::Receiver<Bytes>,
    whole: Arc<AtomicBool>,
}

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.receiver.poll_recv(context).map(|chunk| match chunk {
            Some(chunk) => Some(Ok(Frame::data(chunk))),
            None if self.whole.load(Ordering::Acquire) => None,
            None => Some(Err(io::Error::other("the export broke off"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn only_an_export_that_came_to_its_end_ends_well() {
        for is_whole in [true, false] {
            let (sender, receiver) = mpsc::channel(CHUNKS);
            let whole = Arc::new(AtomicBool::new(false));
            let body = Stream { receiver, whole: Arc::clone(&whole) };
            sender.send(Bytes::from_static(b"a record\n")).await.unwrap();
            whole.store(is_whole, Ordering::Release);
            drop(sender);
            assert_eq!(body.collect().await.is_ok(), is_whole);
        }
    }
}
