//! The listener's limits and its end, with real sockets.

use super::*;
use crate::{
    config::{Limits, Settings},
    http::testing,
};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

const PATIENCE: Duration = Duration::from_secs(20);
const QUESTION: &str = r#"{"user":"sam","action":"view","resource":"order"}"#;

struct Server {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<Result<(), ServeError>>,
}

impl Server {
    fn start(limits: Limits, now: Option<fn() -> Timestamp>) -> Self {
        let bound = bind(&at("127.0.0.1:0".parse().unwrap())).unwrap();
        let address = bound.address();
        let mut services = testing::services(testing::declared(), limits);
        services.now = now.unwrap_or(services.now);
        let metrics = Arc::clone(&services.metrics);
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let recorders = vec![testing::recorder(), testing::recorder()];
            runtime.block_on(serve(bound, services, recorders, Tasks::new(), async { drop(stopped.await) }))
        });
        Self { address, metrics, stop, thread }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(stream)
    }
}

struct Client(TcpStream);

impl Client {
    fn send(&mut self, text: &str) -> &mut Self {
        self.0.write_all(text.as_bytes()).unwrap();
        self
    }

    fn ask(&mut self) -> String {
        self.send(&head("")).send(QUESTION).answer()
    }

    /// Reads until a whole answer with a body is there, or until the end of the connection.
    fn answer(&mut self) -> String {
        self.read_until(|text| {
            let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(usize::MAX);
            text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length)
        })
    }

    fn read_until(&mut self, complete: impl Fn(&str) -> bool) -> String {
        let mut text = String::new();
        let mut chunk = [0; 4096];
        while !complete(&text) {
            match self.0.read(&mut chunk).unwrap() {
                0 => break,
                length => text.push_str(str::from_utf8(&chunk[..length]).unwrap()),
            }
        }
        text
    }

    fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0))
    }
}

fn at(listen: SocketAddr) -> AuthorizeServer {
    AuthorizeServer { listen, ..Settings::default().server.authorize }
}

fn head(more: &str) -> String {
    format!(
        "POST /v1/authorize HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{more}\r\n",
        QUESTION.len()
    )
}

#[test]
fn a_port_that_is_taken_is_named_in_the_error() {
    let first = bind(&at("127.0.0.1:0".parse().unwrap())).unwrap();
    let error = bind(&at(first.address())).unwrap_err();
    let BindError::Address { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(
        error.to_string(),
        format!(
            "`server.authorize.listen`: cannot listen on `{}`; name another address, or end whoever has this one",
            first.address()
        )
    );
}

#[test]
fn a_stop_ends_idle_connections_soon_and_others_with_their_answer() {
    let server = Server::start(Limits::default(), None);
    let mut fresh = server.connect();
    let mut idle = server.connect();
    assert!(idle.ask().starts_with("HTTP/1.1 200"));
    // The interim answer shows that the request is being answered.
    let mut busy = server.connect();
    let interim = busy.send(&head("expect: 100-continue\r\n")).read_until(|text| text.ends_with("\r\n\r\n"));
    assert!(interim.starts_with("HTTP/1.1 100"), "{interim}");

    server.stop.send(()).unwrap();
    assert!(idle.is_closed());
    assert!(fresh.is_closed());
    assert!(TcpStream::connect(server.address).is_err(), "nobody listens any more");
    let answer = busy.send(QUESTION).answer();
    // Its worker may hear of the stop only after the head of the answer: that the connection ends is what counts.
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(busy.is_closed());
    server.thread.join().unwrap().unwrap();
}

#[test]
fn connections_beyond_the_limit_are_told_so_and_closed() {
    let server = Server::start(Limits { connections: 2, ..Limits::default() }, None);
    let (mut one, mut two) = (server.connect(), server.connect());
    assert!(one.ask().starts_with("HTTP/1.1 200"));
    assert!(two.ask().starts_with("HTTP/1.1 200"));

    let mut third = server.connect();
    let answer = third.answer();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1\r\n"), "{answer}");
    assert!(answer.ends_with(r#"{"error":{"code":"overloaded","message":"too many connections","request_id":""}}"#));
    assert!(third.is_closed());
    let counted = r#"sidegate_http_request_duration_seconds_count{code="503",listener="authorize",route="other"} 1"#;
    assert!(server.metrics.render().contains(counted), "who was turned away is counted");
    assert!(one.ask().starts_with("HTTP/1.1 200"), "others are not disturbed");

    drop(one);
    // When the server sees the end of the connection is up to the system, so this asks until it has.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut next = server.connect();
        if next.0.write_all(format!("{}{QUESTION}", head("")).as_bytes()).is_ok()
            && matches!(next.0.peek(&mut [0; 12]), Ok(1..))
            && next.answer().starts_with("HTTP/1.1 200")
        {
            break;
        }
        assert!(Instant::now() < deadline, "a place that became free is not given again");
    }
}

#[test]
fn requests_beyond_the_limit_are_refused_and_the_connection_goes_on() {
    let server = Server::start(Limits { in_flight: 1, ..Limits::default() }, None);
    let mut slow = server.connect();
    let interim = slow.send(&head("expect: 100-continue\r\n")).read_until(|text| text.ends_with("\r\n\r\n"));
    assert!(interim.starts_with("HTTP/1.1 100"), "{interim}");

    let mut other = server.connect();
    let answer = other.send(&(head("x-request-id: r-7\r\n") + QUESTION)).answer();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1\r\n"), "{answer}");
    assert!(answer.contains("x-request-id: r-7\r\n"), "{answer}");
    assert!(
        answer.ends_with(r#"{"error":{"code":"overloaded","message":"too many requests at once","request_id":"r-7"}}"#)
    );

    // In two packets, as many clients send it; only where the second does not come, the connection ends, and says so.
    for round in 0..20 {
        let answer = other.send(&head("")).send(QUESTION).answer();
        assert!(answer.starts_with("HTTP/1.1 503") && !answer.contains("connection: close"), "{round}: {answer}");
    }
    let mut silent = server.connect();
    let answer = silent.send(&head("")).answer();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("connection: close\r\n"), "{answer}");
    assert!(silent.is_closed());

    assert!(slow.send(QUESTION).answer().starts_with("HTTP/1.1 200"));
    assert!(other.ask().starts_with("HTTP/1.1 200"));
}

#[test]
fn a_panic_becomes_an_answer_and_disturbs_nothing_else() {
    let server = Server::start(Limits::default(), Some(|| panic!("on purpose")));
    let mut client = server.connect();
    for id in ["r-1", "r-2"] {
        let answer = client.send(&head(&format!("x-request-id: {id}\r\n"))).send(QUESTION).answer();
        assert!(answer.starts_with("HTTP/1.1 500") && answer.contains(&format!("x-request-id: {id}\r\n")), "{answer}");
        let body = format!(r#"{{"error":{{"code":"internal","message":"internal error","request_id":"{id}"}}}}"#);
        assert!(answer.ends_with(&body), "{answer}");
    }
    drop(client);
    server.stop.send(()).unwrap();
    server.thread.join().unwrap().unwrap();
}

#[test]
fn a_client_that_finished_sending_still_gets_its_answer() {
    let server = Server::start(Limits::default(), None);
    let mut client = server.connect();
    client.send(&head("")).send(QUESTION);
    client.0.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(client.answer().starts_with("HTTP/1.1 200"));
    assert!(client.is_closed());
}

#[test]
fn a_client_that_does_not_take_its_answers_is_given_up() {
    let limits = Limits { header_timeout: Duration::from_millis(500), connections: 1, ..Limits::default() };
    let server = Server::start(limits, None);
    let mut client = server.connect();
    client.0.set_write_timeout(Some(PATIENCE)).unwrap();
    let requests = format!("{}{QUESTION}", head("")).repeat(100);
    // Writing stalls once all buffers on the way are full, and fails once the server has had enough.
    let error = loop {
        if let Err(error) = client.0.write_all(requests.as_bytes()) {
            break error;
        }
    };
    assert!(matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe), "{error}");
}
