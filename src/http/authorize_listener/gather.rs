//! One write for all answers of one turn.
//!
//! hyper writes each answer on its own, which is a system call for every request of a pipelining client; its option
//! `pipeline_flush` gathers them, but holds an answer back while anything of the next request is in its buffer, and loses its
//! own error answers that way. Here writing and flushing only fill a buffer, and who drives the connection empties it
//! whenever the connection has nothing more to do at once: nothing is held back beyond one turn.

use bytes::Bytes;
use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io::{self, IoSlice},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// From here on, a client that does not read its answers is waited for.
const MOST: usize = 64 * 1024;

/// A stream whose writes are gathered.
#[derive(Debug)]
pub(super) struct Gathered<S>(Rc<RefCell<Inner<S>>>);

/// Empties the buffer of a [`Gathered`] stream.
#[derive(Debug)]
pub(super) struct Outlet<S>(Rc<RefCell<Inner<S>>>);

#[derive(Debug)]
struct Inner<S> {
    stream: S,
    /// What has been read from the stream before, and not been read from here yet.
    ahead: Bytes,
    buffer: Vec<u8>,
    // INVARIANT: at most `buffer.len()`.
    written: usize,
    // How often the stream has taken something.
    taken: u64,
    // Whether the stream may still hold something of what it was given: TLS does.
    unflushed: bool,
    // Whether the end has been begun and waits for the peer.
    ending: bool,
}

/// Splits a stream into what a connection uses and what its driver keeps. `ahead` is read before what the stream still holds.
pub(super) fn gather<S>(stream: S, ahead: Bytes) -> (Gathered<S>, Outlet<S>) {
    let inner = Inner { stream, ahead, buffer: Vec::new(), written: 0, taken: 0, unflushed: false, ending: false };
    let inner = Rc::new(RefCell::new(inner));
    (Gathered(Rc::clone(&inner)), Outlet(inner))
}

impl<S: AsyncWrite + Unpin> Outlet<S> {
    /// Runs a connection to its end, and empties the buffer after each of its turns.
    ///
    /// A client that takes nothing of what is in the buffer for as long as `patience` is given up: it would keep its place for
    /// ever otherwise. One that reads slowly is not.
    pub(super) async fn drive<F, E>(&self, connection: F, patience: Duration) -> Result<(), E>
    where
        F: Future<Output = Result<(), E>>,
    {
        let mut connection = pin!(connection);
        let mut ended = None;
        let mut stalled: Option<(u64, Pin<Box<Sleep>>)> = None;
        poll_fn(|context| {
            if ended.is_none()
                && let Poll::Ready(end) = connection.as_mut().poll(context)
            {
                ended = Some(end);
            }
            // A failed write shows itself to the connection with its next read; it is no news to anybody else.
            let (is_idle, taken) = {
                let inner = &mut *self.0.borrow_mut();
                (inner.poll_empty(context).is_ready() && !(inner.ending && ended.is_none()), inner.taken)
            };
            if is_idle {
                stalled = None;
                return ended.take().map_or(Poll::Pending, Poll::Ready);
            }
            if stalled.as_ref().is_none_or(|(before, _)| *before != taken) {
                stalled = Some((taken, Box::pin(tokio::time::sleep(patience))));
            }
            let waited = stalled.as_mut().map_or(Poll::Pending, |(_, sleep)| sleep.as_mut().poll(context));
            waited.map(|()| Ok(()))
        })
        .await
    }
}

impl<S: AsyncWrite + Unpin> Inner<S> {
    fn poll_empty(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.buffer.get(self.written..)
            && !rest.is_empty()
        {
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest)) {
                Ok(0) => return self.give_up(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.written += count;
                    self.taken = self.taken.wrapping_add(1);
                    self.unflushed = true;
                }
                Err(error) => return self.give_up(error),
            }
        }
        self.buffer.clear();
        // What one large answer took would be kept for as long as the connection lives.
        self.buffer.shrink_to(MOST);
        self.written = 0;
        if self.unflushed {
            if let Err(error) = ready!(Pin::new(&mut self.stream).poll_flush(context)) {
                return self.give_up(error);
            }
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// What could not be written will not be: the peer is gone.
    fn give_up(&mut self, error: io::Error) -> Poll<io::Result<()>> {
        self.buffer.clear();
        self.written = 0;
        self.unflushed = false;
        Poll::Ready(Err(error))
    }

    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.buffer.len() < MOST { Poll::Ready(Ok(())) } else { self.poll_empty(context) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.borrow_mut();
        if inner.ahead.is_empty() {
            return Pin::new(&mut inner.stream).poll_read(context, into);
        }
        let count = inner.ahead.len().min(into.remaining());
        into.put_slice(&inner.ahead.split_to(count));
        if inner.ahead.is_empty() {
            // The buffer behind it would be kept for as long as the connection lives.
            inner.ahead = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let inner = &mut *self.0.borrow_mut();
        ready!(inner.poll_room(context))?;
        inner.buffer.extend_from_slice(from);
        Poll::Ready(Ok(from.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let inner = &mut *self.0.borrow_mut();
        ready!(inner.poll_room(context))?;
        let before = inner.buffer.len();
        for slice in from {
            inner.buffer.extend_from_slice(slice);
        }
        Poll::Ready(Ok(inner.buffer.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.0.borrow_mut();
        inner.ending = true;
        ready!(inner.poll_empty(context))?;
        Pin::new(&mut inner.stream).poll_shutdown(context)
    }
}
