//! Log lines: the access log, the trace in others, and those that are held back.

use super::{PARENT, TRACE, ask};
use crate::support::{Sidecar, wait_for};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);

/// The SHA-256 of `hunter2`.
const HUNTER2: &str = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";

#[test]
fn a_line_tells_of_each_request_once_it_is_wanted() {
    let callers = format!("server: {{ authorize: {{ callers: [{{ name: shop, sha256: {HUNTER2} }}] }} }}");
    let sidecar = Sidecar::builder().config(&callers).start();
    ask(&sidecar, &[("x-request-id", "before")]);
    sidecar.configure("telemetry: { log: { access: true } }");
    sidecar.wait_event("config_changed", SOON, |change| change["applied"] == "telemetry.log.access");

    let headers = [("x-request-id", "r-1"), ("traceparent", PARENT), ("authorization", "Bearer hunter2")];
    ask(&sidecar, &headers);
    let line = sidecar.wait_event("request", SOON, |line| line["request_id"] == "r-1");
    assert!(line["duration_us"].as_u64().is_some_and(|took| took > 0), "{line}");
    assert!(line["response_bytes"].as_u64().is_some_and(|bytes| bytes > 100), "{line}");
    assert_eq!(line["request_bytes"], super::question().to_string().len(), "{line}");
    for (field, value) in [
        ("level", json!("INFO")),
        ("target", json!("sidegate::access")),
        ("listener", json!("authorize")),
        ("method", json!("POST")),
        ("route", json!("/v1/authorize")),
        ("status", json!(200)),
        ("trace_id", json!(TRACE)),
        ("peer", json!("127.0.0.1")),
        ("caller", json!("shop")),
    ] {
        assert_eq!(line[field], value, "{field}: {line}");
    }
    assert!(!line.to_string().contains("hunter2"), "{line}");

    sidecar.get("/v1/users/alice/menu");
    sidecar.get("/nowhere/alice");
    sidecar.admin_get("/v1/policies");
    sidecar.ops_get("/healthz");
    for (listener, route, status) in [
        ("authorize", "/v1/users/{id}/menu", None),
        ("authorize", "other", Some(404)),
        ("admin", "/v1/policies", Some(200)),
        ("ops", "/healthz", Some(200)),
    ] {
        let line = sidecar.wait_event("request", SOON, |line| line["listener"] == listener && line["route"] == route);
        assert!(status.is_none_or(|status| line["status"] == status), "{line}");
        assert!(!line.to_string().contains("alice"), "no line names a user: {line}");
    }
    assert!(sidecar.events("request").iter().all(|line| line["request_id"] != "before"), "it was off");

    // A filter picks them out, and off is off.
    sidecar.configure("telemetry: { log: { level: \"info,sidegate::access=off\" } }");
    sidecar.wait_event("log_level_changed", SOON, |_| true);
    ask(&sidecar, &[("x-request-id", "filtered")]);
    sidecar.configure("telemetry: { log: { level: info, access: false } }");
    wait_for("both have changed back", SOON, || sidecar.events("log_level_changed").len() == 2);
    ask(&sidecar, &[("x-request-id", "after")]);
    sidecar.stop();
    let told: Vec<Value> = sidecar.events("request");
    assert!(told.iter().all(|line| line["request_id"] != "filtered" && line["request_id"] != "after"), "{told:?}");
}

#[test]
fn all_lines_of_the_access_log_are_written_before_the_end() {
    let sidecar = Sidecar::builder().config("telemetry: { log: { access: true } }").start();
    let ids: Vec<String> = (0..300).map(|number| format!("r-{number}")).collect();
    for id in &ids {
        ask(&sidecar, &[("x-request-id", id)]);
    }
    sidecar.stop();
    let told = sidecar.events("request");
    let missing: Vec<_> = ids.iter().filter(|id| !told.iter().any(|line| line["request_id"] == id.as_str())).collect();
    assert!(missing.is_empty(), "no line of {missing:?}");
    assert!(sidecar.events("log_lines_held_back").is_empty(), "whoever wants them wants all");
}

/// `GET` of the admin listener with an unknown token, from an address of its own.
fn guess(listener: SocketAddr, last: u8) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 1, last), 0)).into()).expect("a loopback address");
    socket.connect(&listener.into()).expect("the listener accepts");
    let mut stream = TcpStream::from(socket);
    let request = format!(
        "GET /v1/policies HTTP/1.1\r\nhost: test\r\nauthorization: Bearer guess\r\ntraceparent: {PARENT}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[test]
fn a_flood_of_one_sort_of_line_is_held_back_and_told() {
    let config = format!("server: {{ admin: {{ auth: tokens, tokens: [{{ name: ops, sha256: {HUNTER2} }}] }} }}");
    let sidecar = Sidecar::builder().config(&config).start();
    for last in 1..=130 {
        guess(sidecar.admin_address(), last);
    }
    sidecar.stop();
    let written = sidecar.events("admin_token_unknown");
    let held = sidecar.events("log_lines_held_back");
    let count: u64 = held.iter().filter_map(|line| line["count"].as_u64()).sum();
    assert!(held.iter().all(|line| line["what"] == "admin_token_unknown"), "{held:?}");
    // Each interval writes fifty; a slow machine may need two.
    assert!(count > 0 && (50..=100).contains(&written.len()), "{} written, {count} held back", written.len());
    assert_eq!(written.len() as u64 + count, 130, "every line is written or counted");
    assert_eq!(written[0]["trace_id"], TRACE, "a line that a request has caused names its trace: {}", written[0]);
}
