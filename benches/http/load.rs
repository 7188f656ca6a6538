//! A load generator over kept connections, on one thread: a closed loop, or so many requests a second.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::LocalSet,
};

/// What is sent, where, and over how many connections.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    pub address: SocketAddr,
    pub path: &'a str,
    pub body: &'a str,
    pub connections: usize,
    /// Requests a second over all connections; as many as there are answers where there is none.
    pub rate: Option<u32>,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    pub per_second: f64,
    /// Microseconds.
    pub p50: f64,
    pub p99: f64,
}

impl Load<'_> {
    /// Runs for so long.
    pub fn run(self, duration: Duration) -> Figures {
        let request = Rc::new(
            format!(
                "POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{}",
                self.path,
                self.body.len(),
                self.body
            )
            .into_bytes(),
        );
        let latencies = Rc::new(RefCell::new(Vec::with_capacity(1 << 20)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let started = Instant::now();
        LocalSet::new().block_on(&runtime, async {
            let clients: Vec<_> = (0..self.connections)
                .map(|number| {
                    let pace = self.rate.map(|rate| Pace::of(rate, self.connections, number, started));
                    let end = started + duration;
                    tokio::task::spawn_local(client(
                        self.address,
                        Rc::clone(&request),
                        end,
                        pace,
                        Rc::clone(&latencies),
                    ))
                })
                .collect();
            for client in clients {
                client.await.expect("a client");
            }
        });
        let took = started.elapsed();
        let mut latencies = latencies.borrow_mut();
        latencies.sort_unstable();
        let at = |part: f64| f64::from(latencies[((latencies.len() - 1) as f64 * part) as usize]) / 1000.0;
        Figures { per_second: latencies.len() as f64 / took.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
    }
}

/// When one connection sends.
#[derive(Debug, Clone, Copy)]
struct Pace {
    next: Instant,
    every: Duration,
}

impl Pace {
    /// The connections take turns.
    fn of(rate: u32, connections: usize, number: usize, started: Instant) -> Self {
        let apart = Duration::from_secs(1) / rate;
        let connections = u32::try_from(connections).expect("few");
        Self { next: started + apart * u32::try_from(number).expect("few"), every: apart * connections }
    }
}

async fn client(
    address: SocketAddr,
    request: Rc<Vec<u8>>,
    end: Instant,
    mut pace: Option<Pace>,
    latencies: Rc<RefCell<Vec<u32>>>,
) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("nodelay");
    // As long as the answer to a thousand items.
    let mut buffer = vec![0; 64 * 1024];
    // All answers to one question have one length: ids and times have fixed widths. The first one tells it.
    stream.write_all(&request).await.expect("a write");
    let mut length = stream.read(&mut buffer).await.expect("an answer");
    while !is_whole(&buffer[..length]) {
        length += stream.read(&mut buffer[length..]).await.expect("an answer");
    }
    loop {
        let mut sent = Instant::now();
        if let Some(pace) = &mut pace {
            // Where the last answer came after this request was due, it has waited since then: a stall costs all behind it.
            let due = (sent > pace.next).then_some(pace.next);
            tokio::time::sleep_until(pace.next.into()).await;
            sent = due.unwrap_or_else(Instant::now);
            pace.next += pace.every;
        }
        if sent >= end {
            return;
        }
        stream.write_all(&request).await.expect("a write");
        let mut read = 0;
        while read < length {
            read += stream.read(&mut buffer[read..]).await.expect("an answer");
        }
        assert!(read == length && buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..read]));
        latencies.borrow_mut().push(sent.elapsed().as_nanos() as u32);
    }
}

/// Whether a whole answer has come.
pub fn is_whole(answer: &[u8]) -> bool {
    let text = std::str::from_utf8(answer).expect("text");
    assert!(text.len() < 12 || text.starts_with("HTTP/1.1 200"), "{text}");
    let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    text.split_once("\r\n\r\n").is_some_and(|(_, body)| Some(body.len()) == length)
}
