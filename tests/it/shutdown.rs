//! The stop: phases, what is answered to the end, what forces it.

/// Thirty-two connections that never stop asking.
mod load;

use crate::support::{Raw, Sidecar, Signal, wait_for};
use serde_json::{Value, json};
use std::{
    io::Read as _,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(20);

/// What a record holds of JSON at least.
const JSON_BYTES: usize = 20_000;

fn question() -> String {
    json!({ "user": "bob", "action": "edit", "resource": "order:o-1" }).to_string()
}

/// The client's end of a connection, as the sidecar names it.
fn name(raw: &Raw) -> SocketAddr {
    raw.stream().local_addr().expect("an address")
}

/// Sends the head and the first byte of a question. What is still to come is returned.
fn begin(raw: &mut Raw) -> String {
    let body = question();
    let length = body.len();
    raw.send(format!(
        "POST /v1/authorize HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    ));
    raw.send(&body[..1]);
    body[1..].to_owned()
}

#[test]
fn a_request_that_has_begun_is_answered_and_idle_connections_end() {
    let sidecar = Sidecar::builder().start();
    let mut idle = sidecar.raw();
    idle.post("/v1/authorize", &question());
    assert_eq!(idle.response().expect("an answer").status, 200);
    let mut slow = sidecar.raw();
    let rest = begin(&mut slow);
    // The request counts as begun once it was counted in; another one on the same worker comes after it.
    sidecar.post_text("/v1/authorize", &[], &question());

    sidecar.signal(Signal::TERM);
    sidecar.wait_event("stop_phase", SOON, |phase| phase["phase"] == "finish requests");
    assert!(idle.is_closed(), "a connection that idles is closed");
    slow.send(rest);
    let answer = slow.response().expect("an answer in spite of the stop");
    assert_eq!((answer.status, answer.header("connection")), (200, "close"), "{answer:?}");
    assert!(slow.is_closed());
    let exited = sidecar.wait_exit(SOON);
    assert_eq!(exited.code, Some(0), "{exited:?}");
    assert!(exited.stderr.contains("\"event\":\"stopped\""), "{exited:?}");
}

#[test]
fn while_others_notice_it_is_not_ready_but_answers() {
    let sidecar = Sidecar::builder().config("shutdown: { delay: 1s, deadline: 20s }").start();
    let began = Instant::now();
    sidecar.signal(Signal::TERM);
    wait_for("/readyz says no", SOON, || sidecar.ops_get("/readyz").status == 503);
    let reasons = sidecar.ops_get("/readyz").json();
    assert_eq!(reasons["reasons"][0]["name"], "stopping", "{reasons}");
    assert_eq!(sidecar.ops_get("/healthz").status, 200);
    assert_eq!(sidecar.post_text("/v1/authorize", &[], &question()).status, 200);
    let exited = sidecar.wait_exit(SOON);
    assert_eq!(exited.code, Some(0), "{exited:?}");
    assert!(began.elapsed() >= Duration::from_secs(1));
    assert!(TcpStream::connect(sidecar.authorize_address()).is_err());
}

#[test]
fn the_deadline_forces_the_end_and_names_what_lingers() {
    let limits = "server: { authorize: { limits: { body_timeout: 1h } } }";
    let sidecar = Sidecar::builder().config(limits).config("shutdown: { deadline: 300ms }").start();
    let mut stalled = sidecar.raw();
    begin(&mut stalled);
    sidecar.post_text("/v1/authorize", &[], &question());
    let exited = sidecar.stop();
    assert_eq!(exited.code, Some(75), "{exited:?}");
    let lingers = format!("authorize connection from {}", name(&stalled));
    let forced = exited.stderr.lines().find(|line| line.contains("\"stop_forced\"")).expect("a line about it");
    assert!(forced.contains("authorize listener") && forced.contains(&lingers), "{forced}");
}

#[test]
fn who_lingers_is_named_and_waited_for() {
    let limits = "server: { authorize: { limits: { body_timeout: 1h } } }";
    let sidecar = Sidecar::builder().config(limits).config("shutdown: { deadline: 60s }").start();
    // More than the sockets of both sides hold, so that an export waits for its client.
    let half = "x".repeat(JSON_BYTES / 2);
    let entry = json!({ "user": "bob", "action": "edit", "module": "orders", "before": half, "after": half });
    let batch = Value::from(vec![entry; 45]);
    for _ in 0..10 {
        assert_eq!(sidecar.admin_post("/v1/activity", &batch).status, 200);
    }
    wait_for("all of them can be read", SOON, || {
        sidecar.count("sidegate_audit_records_total", &["outcome=\"written\""]) >= 450
    });
    let mut half_sent = sidecar.raw();
    let rest = begin(&mut half_sent);
    let mut export = Raw::connect(sidecar.admin_address());
    export.send("GET /v1/audit/export HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut status = [0; 12];
    export.stream().peek(&mut status).expect("the export has begun");
    assert_eq!(&status, b"HTTP/1.1 200");

    sidecar.signal(Signal::TERM);
    let lingering = [
        format!("authorize connection from {}", name(&half_sent)),
        format!("admin connection from {} (GET /v1/audit/export)", name(&export)),
    ];
    sidecar.wait_event("stragglers", SOON, |event| {
        event["tasks"].as_str().is_some_and(|tasks| lingering.iter().all(|lingers| tasks.contains(lingers)))
    });
    half_sent.send(rest);
    assert_eq!(half_sent.response().expect("an answer in spite of the stop").status, 200);
    let mut exported = Vec::new();
    export.stream().read_to_end(&mut exported).expect("the export");
    assert!(exported.len() > 450 * JSON_BYTES && exported.ends_with(b"\r\n0\r\n\r\n"), "{} bytes", exported.len());
    let exited = sidecar.wait_exit(SOON);
    assert_eq!(exited.code, Some(0), "{exited:?}");
}

#[test]
fn a_second_signal_forces_the_end() {
    let sidecar = Sidecar::builder().config("shutdown: { delay: 30s, deadline: 60s }").start();
    sidecar.signal(Signal::TERM);
    sidecar.wait_event("stopping", SOON, |_| true);
    sidecar.signal(Signal::HUP);
    sidecar.signal(Signal::TERM);
    let exited = sidecar.wait_exit(SOON);
    assert_eq!(exited.code, Some(75), "{exited:?}");
}

#[test]
fn start_and_stop_are_in_the_log() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let sidecar = Sidecar::builder().data(data.path()).start();
    assert_eq!(sidecar.stop().code, Some(0));
    let sidecar = Sidecar::builder().data(data.path()).start();
    let mut said = Vec::new();
    wait_for("the records of both starts and the stop", SOON, || {
        let records = sidecar.admin_get("/v1/audit?kind=system&order=asc").json();
        let items = records["items"].as_array().expect("records");
        said = items.iter().map(|record| record["reason"].to_string()).collect();
        said.len() >= 3
    });
    assert_eq!(said, [r#""started""#, r#""stopped""#, r#""started""#]);
}
