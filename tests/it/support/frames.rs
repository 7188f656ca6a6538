//! Frames of HTTP/2 on a socket, for what no well-behaved client sends.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const DEADLINE: Duration = Duration::from_secs(20);

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// On `DATA` and `HEADERS`; on `SETTINGS` and `PING` the same bit means an acknowledgement.
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame as read from the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of a `GOAWAY` or a `RST_STREAM`.
    pub fn code(&self) -> Option<u32> {
        let at = match self.kind {
            GOAWAY => 4,
            RST_STREAM => 0,
            _ => return None,
        };
        Some(u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("four bytes")))
    }
}

/// The bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header that neither side is to remember, without compression.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    [&[0][..], &text(name), &text(value)].concat()
}

/// A header that the other side is to remember as the first of its table.
pub fn remembered(name: &str, value: &str) -> Vec<u8> {
    [&[0x40][..], &text(name), &text(value)].concat()
}

/// The first header of the other side's table.
pub const FIRST_REMEMBERED: u8 = 0x80 | 0x3e;

fn text(text: &str) -> Vec<u8> {
    let mut length = text.len();
    let mut out = Vec::new();
    if length < 127 {
        out.push(u8::try_from(length).expect("small"));
    } else {
        out.push(127);
        length -= 127;
        while length >= 128 {
            out.push(u8::try_from(length % 128).expect("small") | 0x80);
            length /= 128;
        }
        out.push(u8::try_from(length).expect("small"));
    }
    out.extend_from_slice(text.as_bytes());
    out
}

/// The head of a request.
pub fn request_head(method: &str, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "test")];
    pseudo.iter().chain(headers).flat_map(|(name, value)| literal(name, value)).collect()
}

/// One connection of HTTP/2, with no knowledge of what makes a frame valid.
#[derive(Debug)]
pub struct Frames {
    stream: TcpStream,
    /// Set once the other side takes nothing more.
    refused: bool,
}

impl Frames {
    /// Connects, and sends the preface and the settings.
    pub fn connect(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut frames = Self::silent(address);
        let settings: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        frames.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").send(frame(SETTINGS, 0, 0, &settings));
        frames
    }

    /// Connects, and says nothing.
    pub fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the listener accepts");
        stream.set_nodelay(true).expect("nodelay");
        stream.set_read_timeout(Some(DEADLINE)).expect("read timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("write timeout");
        Self { stream, refused: false }
    }

    /// Sends bytes. A peer that has closed already is not an error: what it said before is still to be read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.refused |= self.stream.write_all(bytes.as_ref()).is_err();
        self
    }

    /// Whether the peer takes nothing more.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// The next frame; `None` once the connection is closed.
    pub fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.read(&mut head)?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.read(&mut payload)?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes(id) & 0x7fff_ffff, payload })
    }

    /// The next frame that is of this kind.
    pub fn next_of(&mut self, kind: u8) -> Option<Frame> {
        std::iter::from_fn(|| self.next()).find(|frame| frame.kind == kind)
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> Vec<Frame> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// A second handle of the same connection, to read while the other one sends.
    pub fn again(&self) -> Self {
        Self { stream: self.stream.try_clone().expect("a second handle"), refused: false }
    }

    fn read(&mut self, into: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(into) {
            Ok(()) => Some(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => None,
            Err(error) => panic!("the connection is neither closed nor used: {error}"),
        }
    }
}
