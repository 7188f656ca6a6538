//! The stop under load: whoever asks while it happens gets a whole answer or learns beforehand that there will be none.

use super::{SOON, question};
use crate::support::{Http2, Raw, Sidecar, Signal, sidegate, wait_for};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

/// Clients of each protocol; together as many connections as the product promises to stop under.
const HTTP_1: usize = 24;
const HTTP_2: usize = 8;

/// The longest that a stop under this load may take.
const MOST: Duration = Duration::from_secs(2);

/// Decisions before the stop begins: every client is at work by then.
const WARM: u64 = 500;

/// What a client has seen until it was told to go.
#[derive(Default)]
struct Seen {
    /// The ids of the decisions that it was given.
    ids: Vec<String>,
    /// Whether an answer said that it is the last.
    was_told: bool,
    /// Requests that were sent and never answered.
    cut_off: usize,
}

/// The id of a decision, which is allowed.
fn id(body: &[u8]) -> String {
    let answer: Value = serde_json::from_slice(body).expect("a whole answer");
    assert_eq!(answer["decision"], "allow", "{answer}");
    answer["id"].as_str().expect("an id").to_owned()
}

/// Asks one question after another on one connection, as a client does that keeps its connections.
fn ask_over_http_1(address: SocketAddr) -> Seen {
    let mut seen = Seen::default();
    let mut raw = Raw::connect(address);
    // Whoever sees the end asks nothing more on this connection.
    while !has_ended(&raw) {
        let Some(answer) = raw.post("/v1/authorize", &question()).response() else {
            seen.cut_off += 1;
            break;
        };
        assert_eq!(answer.status, 200, "{answer:?}");
        seen.ids.push(id(answer.body.as_bytes()));
        if answer.header("connection") == "close" {
            seen.was_told = true;
            assert!(raw.is_closed(), "an answer that says that it is the last is not");
            break;
        }
    }
    seen
}

/// Whether the end of the connection has come, without waiting for it.
fn has_ended(raw: &Raw) -> bool {
    let stream = raw.stream();
    stream.set_nonblocking(true).expect("non-blocking");
    let ended = matches!(stream.peek(&mut [0]), Ok(0));
    stream.set_nonblocking(false).expect("blocking");
    ended
}

/// The same over HTTP/2, whose connections tell by themselves which request was the last that they have taken.
fn ask_over_http_2(address: SocketAddr) -> Seen {
    let mut seen = Seen::default();
    let client = Http2::connect(address);
    loop {
        let request = Request::post("http://test/v1/authorize").header("content-type", "application/json");
        let request = request.body(Full::new(Bytes::from(question()))).expect("a request");
        match client.send_all(vec![request]).remove(0) {
            Ok(answer) => seen.ids.push(id(&answer.body)),
            Err(_) => return Seen { was_told: true, ..seen },
        }
    }
}

#[test]
fn under_load_nobody_is_cut_off_and_every_answer_is_in_the_log() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let sidecar = Sidecar::builder().data(data.path()).start();
    let address = sidecar.authorize_address();
    let (seen, took) = thread::scope(|scope| {
        let clients: Vec<_> = std::iter::repeat_n(ask_over_http_1 as fn(SocketAddr) -> Seen, HTTP_1)
            .chain(std::iter::repeat_n(ask_over_http_2 as fn(SocketAddr) -> Seen, HTTP_2))
            .map(|ask| scope.spawn(move || ask(address)))
            .collect();
        wait_for("a load of decisions", SOON, || sidecar.count("sidegate_decisions_total", &[]) >= WARM);
        let began = Instant::now();
        sidecar.signal(Signal::TERM);
        let exited = sidecar.wait_exit(SOON);
        let took = began.elapsed();
        assert_eq!(exited.code, Some(0), "{exited:?}");
        let seen: Vec<Seen> = clients.into_iter().map(|client| client.join().expect("a client")).collect();
        (seen, took)
    });
    assert!(took < MOST, "the stop took {took:?}");
    assert_eq!(seen.iter().map(|seen| seen.cut_off).sum::<usize>(), 0, "requests were sent and never answered");
    assert!(seen.iter().any(|seen| seen.was_told));
    assert!(seen.iter().all(|seen| !seen.ids.is_empty()), "every client was at work");

    // Nobody has a decision that is not in the log, and the log has none that nobody was given.
    let answered: BTreeSet<&str> = seen.iter().flat_map(|seen| &seen.ids).map(String::as_str).collect();
    let directory = data.path().display().to_string();
    let export = sidegate(["audit", "export", "--data", &directory, "--kind", "decision"]);
    assert_eq!(export.code, Some(0), "{}", export.stderr);
    let records: Vec<Value> = export.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let recorded: BTreeSet<&str> = records.iter().filter_map(|record| record["id"].as_str()).collect();
    assert_eq!(recorded.len(), records.len(), "a decision is recorded twice");
    let missing: Vec<_> = answered.difference(&recorded).collect();
    assert!(missing.is_empty(), "answered and not recorded: {missing:?}");
    let unanswered: Vec<_> = recorded.difference(&answered).collect();
    assert!(unanswered.is_empty(), "decided and not answered: {unanswered:?}");
}
