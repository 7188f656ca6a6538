//! Bytes on a socket, for what no well-behaved client sends.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// One connection, with no knowledge of what makes a request valid.
#[derive(Debug)]
pub struct Raw {
    stream: BufReader<TcpStream>,
}

/// One response as read from the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawResponse {
    pub status: u16,
    /// Names in lower case, in the order of the wire.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl RawResponse {
    /// A header's text; empty where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }
}

impl Raw {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the listener accepts");
        stream.set_nodelay(true).expect("nodelay");
        stream.set_read_timeout(Some(DEADLINE)).expect("read timeout");
        Self { stream: BufReader::new(stream) }
    }

    /// Sends bytes. A peer that has closed already is not an error: what it answered is still to be read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let stream = self.stream.get_mut();
        drop(stream.write_all(bytes.as_ref()).and_then(|()| stream.flush()));
        self
    }

    /// Sends a well-formed `POST` with this body.
    pub fn post(&mut self, path: &str, body: &str) -> &mut Self {
        let length = body.len();
        self.send(format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"))
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) -> &mut Self {
        drop(self.stream.get_ref().shutdown(Shutdown::Write));
        self
    }

    /// The next response; `None` when the peer has closed the connection instead.
    pub fn response(&mut self) -> Option<RawResponse> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            match self.stream.read_line(&mut line) {
                Ok(0) => return None,
                Ok(_) if line == "\r\n" => break,
                Ok(_) => head.push(line.trim_end().to_owned()),
                Err(error) if head.is_empty() && error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no whole response ({error}), only {head:?}"),
            }
        }
        let status = head[0].split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line");
        let headers: Vec<_> = head[1..]
            .iter()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let mut response = RawResponse { status, headers, body: String::new() };
        let length = response.header("content-length").parse().unwrap_or(0);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("the whole body");
        response.body = String::from_utf8(body).expect("UTF-8");
        Some(response)
    }

    /// Whether the peer has closed the connection with nothing more to say. Waits for that to show.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}
