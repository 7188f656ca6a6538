//! Bytes on a socket, for what no well-behaved client sends.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// One connection, with no knowledge of what makes a request valid.
#[derive(Debug)]
pub struct Raw<S: Read + Write = TcpStream> {
    stream: BufReader<S>,
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

impl Raw<TcpStream> {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the listener accepts");
        stream.set_nodelay(true).expect("nodelay");
        stream.set_read_timeout(Some(DEADLINE)).expect("read timeout");
        Self::over(stream)
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) -> &mut Self {
        drop(self.stream.get_ref().shutdown(Shutdown::Write));
        self
    }
}

impl<S: Read + Write> Raw<S> {
    /// A connection that is there.
    pub fn over(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// The connection itself.
    pub fn stream(&self) -> &S {
        self.stream.get_ref()
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

    /// Sends a well-formed request with these headers, and gives what is answered.
    pub fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> io::Result<RawResponse> {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        self.try_response()?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// The next response; `None` when the peer has closed the connection instead.
    pub fn response(&mut self) -> Option<RawResponse> {
        match self.try_response() {
            Ok(response) => response,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no whole response: {error}"),
        }
    }

    fn try_response(&mut self) -> io::Result<Option<RawResponse>> {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            match self.stream.read_line(&mut line)? {
                0 if head.is_empty() => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ if line == "\r\n" => break,
                _ => head.push(line.trim_end().to_owned()),
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
        self.stream.read_exact(&mut body)?;
        response.body = String::from_utf8(body).expect("UTF-8");
        Ok(Some(response))
    }

    /// Whether the peer has closed the connection with nothing more to say. Waits for that to show.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(read) => read == 0,
            // Over TLS, an end without a word is an error.
            Err(error) => matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof),
        }
    }
}
