//! A proxy that counts connections, and a server that answers anything but a yes.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// Passes bytes on to a server.
#[derive(Debug)]
pub struct Counter {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Counter {
    /// In front of a server, until the process ends.
    pub fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::SeqCst);
                let server = TcpStream::connect(server).expect("the server accepts");
                let (from, to) = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
                thread::spawn(move || pass(from, to));
                thread::spawn(move || pass(server, client));
            }
        });
        Self { address, connections }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many there were.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    // Either side may go at any time.
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Write));
}

/// One way not to say yes.
#[derive(Debug)]
pub struct Lie {
    pub name: &'static str,
    /// What is sent before the connection is closed; nothing at all for silence.
    answer: Option<&'static str>,
    pub is_yes: bool,
}

const fn lie(name: &'static str, answer: &'static str) -> Lie {
    Lie { name, answer: Some(answer), is_yes: false }
}

/// All of them, and the one truth that shows that a yes would be taken.
pub const LIES: &[Lie] = &[
    lie("an error", "500\r\n\r\n{\"decision\":true,\"context\":{}}"),
    lie("overload", "503\r\nRetry-After: 1\r\n\r\n{\"decision\":true,\"context\":{}}"),
    lie("who are you", "401\r\nWWW-Authenticate: Bearer\r\n\r\n{\"decision\":true,\"context\":{}}"),
    lie("another success", "202\r\n\r\n{\"decision\":true,\"context\":{}}"),
    lie("elsewhere", "302\r\nLocation: /case-yes\r\n\r\n{\"decision\":true,\"context\":{}}"),
    lie("no", "200\r\n\r\n{\"decision\":false,\"context\":{\"decision\":true}}"),
    lie("a text", "200\r\n\r\n{\"decision\":\"true\"}"),
    lie("a number", "200\r\n\r\n{\"decision\":1}"),
    lie("null", "200\r\n\r\n{\"decision\":null}"),
    lie("further inside", "200\r\n\r\n{\"answer\":{\"decision\":true}}"),
    lie("a list", "200\r\n\r\n[{\"decision\":true}]"),
    lie("nothing in it", "200\r\n\r\n{}"),
    lie("no JSON", "200\r\n\r\n<html>\"decision\":true</html>"),
    lie("no body", "200\r\n\r\n"),
    lie("no answer", ""),
    lie("no HTTP", "true"),
    // Half of an answer is none: the length says that more would come.
    lie("half", "200\r\nContent-Length: 999\r\n\r\n{\"decision\":true,\"context\":{}"),
    Lie { name: "silence", answer: None, is_yes: false },
    Lie { name: "the truth", answer: Some("200\r\n\r\n{\"decision\":true,\"context\":{}}"), is_yes: true },
];

/// A server that answers the question about `case-7` with the seventh lie.
#[derive(Debug)]
pub struct Liar(SocketAddr);

impl Liar {
    /// Runs until the process ends.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || drop(answer(client)));
            }
        });
        Self(address)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.0)
    }
}

fn answer(client: TcpStream) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if client.read_line(&mut line)? == 0 {
            return Ok(());
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body)?;
    let text = head + &String::from_utf8_lossy(&body);
    let case = text.split("case-").nth(1).map(|rest| rest.chars().take_while(char::is_ascii_digit).collect::<String>());
    // Whoever follows a redirect is told yes.
    let lie = case.and_then(|case| case.parse().ok()).and_then(|case: usize| LIES.get(case)).or(LIES.last());
    let Some(Lie { answer: Some(answer), .. }) = lie else {
        // Until the client has had enough.
        return client.read_to_end(&mut body).map(drop);
    };
    let answer = match answer.split_once("\r\n\r\n") {
        Some((head, body)) => {
            let (status, headers) = head.split_once("\r\n").unwrap_or((head, ""));
            let more = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
            let length = if headers.contains("Content-Length") {
                String::new()
            } else {
                format!("Content-Length: {}\r\n", body.len())
            };
            format!(
                "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\n{length}{more}Connection: close\r\n\r\n{body}"
            )
        }
        None => (*answer).to_owned(),
    };
    client.get_mut().write_all(answer.as_bytes())?;
    client.get_mut().shutdown(Shutdown::Both)
}
