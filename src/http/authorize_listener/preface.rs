//! Which protocol a client speaks: told by the first bytes that it sends.
//!
//! Whoever speaks HTTP/2, because it knows that it can or because TLS has agreed on it (ALPN), begins with the same preface, and
//! no request of HTTP/1 begins like it. Requests and answers pass by: only the first read of a connection is looked at.

use bytes::{Bytes, BytesMut};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What every connection of HTTP/2 begins with (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Takes the first request of nearly every client at once.
const FIRST_READ: usize = 4096;

/// What a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/1.1 or 1.0, or something that is neither: the parser will say so.
    Http1,
    /// HTTP/2.
    Http2,
}

/// The beginning of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// What is spoken.
    pub(super) protocol: Protocol,
    /// What was read to find out; it is still to be served.
    pub(super) read: Bytes,
}

/// Reads until it is clear what a client speaks. How long to wait is the caller's to say; nothing is lost by giving up.
pub(super) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Opening> {
    let mut read = BytesMut::with_capacity(FIRST_READ);
    loop {
        let ended = stream.read_buf(&mut read).await? == 0;
        let protocol = if read.starts_with(PREFACE) {
            Protocol::Http2
        } else if PREFACE.starts_with(&read) && !ended {
            continue;
        } else {
            Protocol::Http1
        };
        return Ok(Opening { protocol, read: read.freeze() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        future::Future as _,
        pin::pin,
        task::{Context, Poll, Waker},
    };
    use tokio::io::AsyncWriteExt as _;

    /// What is made of these pieces, each sent once the one before has been read; `None` where more is waited for.
    async fn opening(pieces: &[&[u8]], ends: bool) -> Option<Opening> {
        let (mut client, mut server) = tokio::io::duplex(FIRST_READ);
        let mut reading = pin!(read(&mut server));
        let mut context = Context::from_waker(Waker::noop());
        for piece in pieces {
            client.write_all(piece).await.unwrap();
            if let Poll::Ready(read) = reading.as_mut().poll(&mut context) {
                return Some(read.unwrap());
            }
        }
        let _open = (!ends).then_some(client);
        match reading.poll(&mut context) {
            Poll::Ready(read) => Some(read.unwrap()),
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn the_first_bytes_tell_the_protocol_however_they_come() {
        let settings = [PREFACE, b"\0\0\0\x04\0\0\0\0\0"].concat();
        let byte_by_byte: Vec<&[u8]> = PREFACE.chunks(1).collect();
        for (pieces, ends, protocol) in [
            (vec![&b"POST / HTTP/1.1\r\n"[..]], false, Some(Protocol::Http1)),
            (vec![b"P", b"OST"], false, Some(Protocol::Http1)),
            (vec![b"PRI * HTTP/1.1\r\n"], false, Some(Protocol::Http1)),
            (vec![b"\x16\x03\x01"], false, Some(Protocol::Http1)),
            (vec![PREFACE], false, Some(Protocol::Http2)),
            (vec![&settings], false, Some(Protocol::Http2)),
            (byte_by_byte, false, Some(Protocol::Http2)),
            (vec![b"PRI * HT"], false, None),
            (vec![], false, None),
            (vec![b"PRI * HT"], true, Some(Protocol::Http1)),
            (vec![], true, Some(Protocol::Http1)),
        ] {
            let read = opening(&pieces, ends).await;
            assert_eq!(read.as_ref().map(|opening| opening.protocol), protocol, "{pieces:?}");
            if let Some(read) = read {
                assert!(pieces.concat().starts_with(&read.read), "{pieces:?}");
            }
        }
    }
}
