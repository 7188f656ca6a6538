//! A limit on frames that carry no request.
//!
//! Streams, resets, headers and small data frames are bounded by h2; pings, settings, priorities and the like it takes and answers
//! as fast as they come, and a client can send them for ever. Here each of them costs, and requests, answers and time bring in
//! what orderly clients need: far more than they do, and far less than a flood.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The length of the client's preface, which stands before the first frame.
const PREFACE: usize = 24;
/// The length of a frame's head (RFC 9113, section 4.1).
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;

/// On `DATA`: some of it says nothing, and perhaps all.
const PADDED: u8 = 8;

/// What a connection may have in hand, and has at its beginning.
const MOST: u32 = 1000;
/// What a request brings in: clients that measure the network send a ping and some updates of windows with each.
const OF_A_REQUEST: u32 = 8;
/// What each KiB of answers brings in: it takes updates of windows to receive them.
const OF_A_KIB: u32 = 1;
/// What a second brings in.
const OF_A_SECOND: u128 = 100;

/// A stream of HTTP/2 that fails once the client has sent too many frames without a request.
#[derive(Debug)]
pub(super) struct Metered<S> {
    stream: S,
    frames: Frames,
    budget: Budget,
}

/// Finds the heads of frames in what is read.
#[derive(Debug)]
struct Frames {
    /// How much of the current payload is still to come.
    skip: usize,
    head: [u8; HEAD],
    // INVARIANT: less than `HEAD`.
    filled: usize,
}

/// What a connection has in hand.
#[derive(Debug)]
struct Budget {
    left: u32,
    /// Up to when time has been paid for.
    paid: Instant,
    /// Bytes written that have not been paid for yet.
    written: usize,
}

impl<S> Metered<S> {
    /// A stream at its very beginning, the preface included.
    pub(super) fn new(stream: S) -> Self {
        let frames = Frames { skip: PREFACE, head: [0; HEAD], filled: 0 };
        Self { stream, frames, budget: Budget::new(Instant::now()) }
    }
}

impl Frames {
    /// Gives the kind, the flags and the length of every frame that begins in these bytes, or has begun before and is known now.
    fn each(&mut self, mut bytes: &[u8], mut take: impl FnMut(u8, u8, usize)) {
        while !bytes.is_empty() {
            let passed = self.skip.min(bytes.len());
            self.skip -= passed;
            bytes = bytes.get(passed..).unwrap_or_default();
            let missing = self.head.iter_mut().skip(self.filled);
            let copied = missing.zip(bytes).map(|(place, byte)| *place = *byte).count();
            self.filled += copied;
            bytes = bytes.get(copied..).unwrap_or_default();
            if self.filled == HEAD {
                let [high, middle, low, kind, flags, ..] = self.head;
                self.skip = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                self.filled = 0;
                take(kind, flags, self.skip);
            }
        }
    }
}

impl Budget {
    fn new(now: Instant) -> Self {
        Self { left: MOST, paid: now, written: 0 }
    }

    fn earn(&mut self, count: u32) {
        self.left = self.left.saturating_add(count).min(MOST);
    }

    fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written >= 1024 {
            self.earn(OF_A_KIB.saturating_mul(u32::try_from(self.written / 1024).unwrap_or(u32::MAX)));
            self.written %= 1024;
        }
    }

    /// Pays for one frame; `false` where nothing is left to pay with.
    fn pay(&mut self, now: impl FnOnce() -> Instant) -> bool {
        if self.left == 0 {
            let now = now();
            let earned = now.saturating_duration_since(self.paid).as_millis() * OF_A_SECOND / 1000;
            self.paid = now;
            self.earn(u32::try_from(earned).unwrap_or(u32::MAX));
        }
        let paid = self.left.checked_sub(1);
        self.left = paid.unwrap_or_default();
        paid.is_some()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, frames, budget } = self.get_mut();
        let before = into.filled().len();
        ready!(Pin::new(stream).poll_read(context, into))?;
        let mut paid = true;
        frames.each(into.filled().get(before..).unwrap_or_default(), |kind, flags, length| match kind {
            HEADERS => budget.earn(OF_A_REQUEST),
            DATA if length > 0 && flags & PADDED == 0 => {}
            _ => paid &= budget.pay(Instant::now),
        });
        if paid {
            return Poll::Ready(Ok(()));
        }
        // An error means that nothing was read.
        into.set_filled(before);
        let flood = io::Error::new(io::ErrorKind::ConnectionAborted, "too many frames without a request");
        Poll::Ready(Err(flood))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, budget, .. } = self.get_mut();
        let written = ready!(Pin::new(stream).poll_write(context, from))?;
        budget.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, budget, .. } = self.get_mut();
        let written = ready!(Pin::new(stream).poll_write_vectored(context, from))?;
        budget.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let size = u32::try_from(length).unwrap().to_be_bytes();
        [&size[1..], &[kind, 0, 0, 0, 0, 1], &vec![0xff; length]].concat()
    }

    #[test]
    fn frames_are_found_however_their_bytes_are_cut() {
        let wanted = [(4, 0), (HEADERS, 300), (6, 8), (DATA, 0), (DATA, 70_000), (8, 4), (200, 1)];
        let frames = wanted.iter().flat_map(|&(kind, length)| frame(kind, length));
        let bytes: Vec<u8> = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".iter().copied().chain(frames).collect();
        for size in [1, 2, 3, 8, 9, 10, 33, 1000, bytes.len()] {
            let mut frames = Metered::new(()).frames;
            let mut found = Vec::new();
            for piece in bytes.chunks(size) {
                frames.each(piece, |kind, _, length| found.push((kind, length)));
            }
            assert_eq!(found, wanted, "in pieces of {size}");
        }
    }

    #[test]
    fn a_flood_runs_out_of_budget_and_orderly_clients_do_not() {
        let begun = Instant::now();
        let mut budget = Budget::new(begun);
        let paid = (0..10_000).take_while(|_| budget.pay(|| begun)).count();
        assert_eq!(paid, MOST as usize);
        assert!(!budget.pay(|| begun));
        // Time.
        assert!(budget.pay(|| begun + Duration::from_millis(20)));
        assert!(budget.pay(|| begun + Duration::from_millis(20)));
        assert!(!budget.pay(|| begun + Duration::from_millis(20)));
        // Requests, each with as many frames beside it as it brings in.
        for _ in 0..10_000 {
            budget.earn(OF_A_REQUEST);
            assert!((0..OF_A_REQUEST).all(|_| budget.pay(|| begun)));
        }
        // An answer of a megabyte.
        budget.wrote(1 << 20);
        assert!((0..64).all(|_| budget.pay(|| begun)));
        // Nobody saves up for later.
        budget.earn(u32::MAX);
        assert_eq!(budget.left, MOST);
    }

    #[tokio::test]
    async fn a_flooded_stream_fails_and_stays_quiet_about_what_is_orderly() {
        use tokio::io::AsyncReadExt as _;
        let ping = frame(6, 8);
        let flood = [&[0; PREFACE][..], &ping.repeat(MOST as usize + 1)].concat();
        let mut all = Vec::new();
        let read = Metered::new(&flood[..]).read_to_end(&mut all).await;
        assert_eq!(read.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionAborted));
        let mut padded = frame(DATA, 256);
        padded[4] |= PADDED;
        let flood = [&[0; PREFACE][..], &padded.repeat(MOST as usize + 1)].concat();
        let read = Metered::new(&flood[..]).read_to_end(&mut all).await;
        assert_eq!(read.map_err(|error| error.kind()), Err(io::ErrorKind::ConnectionAborted), "padding is no body");
        let with_requests = [&frame(HEADERS, 20)[..], &ping.repeat(4)].concat().repeat(10_000);
        let read = Metered::new(&[&[0; PREFACE][..], &with_requests].concat()[..]).read_to_end(&mut all).await;
        assert!(read.is_ok());
    }
}
