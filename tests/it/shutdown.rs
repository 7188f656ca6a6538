//! The stop: phases, what is answered to the end, what forces it.

use crate::support::{Sidecar, Signal, wait_for};
use serde_json::json;
use std::{
    net::TcpStream,
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(20);

fn question() -> String {
    json!({ "user": "bob", "action": "edit", "resource": "order:o-1" }).to_string()
}

#[test]
fn a_request_that_has_begun_is_answered_and_idle_connections_end() {
    let sidecar = Sidecar::builder().start();
    let mut idle = sidecar.raw();
    idle.post("/v1/authorize", &question());
    assert_eq!(idle.response().expect("an answer").status, 200);
    let body = question();
    let mut slow = sidecar.raw();
    let head = format!(
        "POST /v1/authorize HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    slow.send(head).send(&body[..10]);
    // The request counts as begun once it was counted in; another one on the same worker comes after it.
    sidecar.post_text("/v1/authorize", &[], &question());

    sidecar.signal(Signal::TERM);
    sidecar.wait_event("stop_phase", SOON, |phase| phase["phase"] == "finish requests");
    assert!(idle.is_closed(), "a connection that idles is closed at once");
    slow.send(&body[10..]);
    assert_eq!(slow.response().expect("an answer in spite of the stop").status, 200);
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
    stalled.send(
        "POST /v1/authorize HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
    );
    sidecar.post_text("/v1/authorize", &[], &question());
    let exited = sidecar.stop();
    assert_eq!(exited.code, Some(75), "{exited:?}");
    assert!(exited.stderr.contains("stop_forced") && exited.stderr.contains("authorize listener"), "{exited:?}");
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
