//! The ops and the admin listener: who is let in, the frame around every answer.

use crate::support::{Raw, Sidecar, sidegate};
use serde_json::json;
use std::{net::TcpListener, time::Duration};

/// The SHA-256 of `hunter2`.
const HUNTER2: &str = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";

#[test]
fn every_answer_carries_the_id_of_its_request_and_errors_have_one_shape() {
    let sidecar = Sidecar::builder().start();
    let id = [("x-request-id", "given-1")];
    for (address, path, status, code) in [
        (sidecar.ops_address(), "/healthz", 200, ""),
        (sidecar.ops_address(), "/nowhere", 404, "not_found"),
        (sidecar.admin_address(), "/v1/policies", 200, ""),
        (sidecar.admin_address(), "/nowhere", 404, "not_found"),
        (sidecar.admin_address(), "/v1/audit?limit=x", 400, "malformed_request"),
        (sidecar.admin_address(), "/v1/policies/reload", 405, "method_not_allowed"),
    ] {
        let answer = sidecar.client().get(address, path, &id).expect("an answer");
        assert_eq!((answer.status, answer.header("x-request-id")), (status, "given-1"), "{path}: {answer:?}");
        if status != 200 {
            let error = &answer.json()["error"];
            assert_eq!((&error["code"], &error["request_id"]), (&json!(code), &json!("given-1")), "{answer:?}");
        }
        if status == 405 {
            assert_eq!(answer.header("allow"), "POST", "{answer:?}");
        }
        let made_up = sidecar.client().get(address, path, &[]).expect("an answer");
        assert_eq!(made_up.header("x-request-id").len(), 26, "a ULID: {made_up:?}");
    }
}

/// More connections than there are places: silent ones, half heads, and such as never read what they ask for.
#[test]
fn whoever_keeps_connections_for_nothing_keeps_nobody_out() {
    let sidecar = Sidecar::builder().start();
    for address in [sidecar.ops_address(), sidecar.admin_address()] {
        let path = if address == sidecar.ops_address() { "/healthz" } else { "/v1/policies" };
        for said in ["", "GET /healthz HT", "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n"] {
            let idle: Vec<Raw> = (0..300)
                .map(|_| {
                    let mut raw = Raw::connect(address);
                    raw.send(said);
                    raw
                })
                .collect();
            for _ in 0..3 {
                let answer = Raw::connect(address).ask("GET", path, &[], "").expect("an answer");
                assert_eq!(answer.status, 200, "{path} beside {said:.20}");
            }
            drop(idle);
        }
    }
}

#[test]
fn the_admin_listener_wants_a_token_and_says_so() {
    let config = format!("server: {{ admin: {{ auth: tokens, tokens: [{{ name: ops, sha256: {HUNTER2} }}] }} }}");
    let sidecar = Sidecar::builder().config(&config).start();
    for (token, status) in [(None, 401), (Some("Bearer hunter3"), 401), (Some("Bearer hunter2"), 200)] {
        for path in ["/v1/policies", "/v1/audit"] {
            let headers: Vec<_> = token.iter().map(|token| ("authorization", *token)).collect();
            let answer = sidecar.client().get(sidecar.admin_address(), path, &headers).expect("an answer");
            assert_eq!(answer.status, status, "{token:?} {path}: {answer:?}");
            if status == 401 {
                assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
                assert_eq!(answer.json()["error"]["code"], "unauthorized");
            }
        }
    }
    let admin = format!("http://{}", sidecar.admin_address());
    for (token, said) in [
        (&[][..], "wants a bearer token; give one with `--token` or in `SIDEGATE_TOKEN`"),
        (&["--token", "hunter3"], "does not know the token that was given with `--token` or in `SIDEGATE_TOKEN`"),
    ] {
        let exited = sidegate([&["audit", "list", "--admin", &admin], token].concat());
        assert_eq!(exited.code, Some(1), "{exited:?}");
        assert!(exited.stderr.contains(said), "{exited:?}");
    }
    assert_eq!(sidecar.ops_get("/metrics").status, 200, "operators need none");
    assert!(!sidecar.log().contains("hunter"), "no token in the log");
}

#[test]
fn who_tries_unknown_tokens_is_told_to_wait() {
    let config = format!("server: {{ admin: {{ auth: tokens, tokens: [{{ name: ops, sha256: {HUNTER2} }}] }} }}");
    let sidecar = Sidecar::builder().config(&config).start();
    let ask = |token: &str| {
        let headers = [("authorization", format!("Bearer {token}"))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        sidecar.client().get(sidecar.admin_address(), "/v1/policies", &headers).expect("an answer")
    };
    let refused = (0..1000).map(|n| ask(&format!("guess-{n}"))).find(|answer| answer.status != 401).expect("a limit");
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (429, &json!("too_many_failures")), "{refused:?}");
    let wait: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=3).contains(&wait), "{refused:?}");
    sidecar.wait_event("admin_token_unknown", Duration::from_secs(20), |told| told["is_last"] == true);
    let told = sidecar.events("admin_token_unknown");
    assert!(told.len() == 2 && told[1]["is_last"] == true && told[1]["from"] == "127.0.0.1", "{told:?}");
    assert_eq!(ask("hunter2").status, 200, "the right token is taken at once");
}

#[test]
fn without_any_token_the_admin_listener_is_closed_and_the_log_says_how_to_open_it() {
    let sidecar = Sidecar::builder().config("server: { admin: { auth: tokens } }").start();
    assert_eq!(sidecar.admin_get("/v1/policies").status, 401);
    let line = sidecar.wait_event("admin_has_no_tokens", Duration::from_secs(20), |_| true);
    assert!(line["help"].as_str().is_some_and(|help| help.contains("server.admin.tokens")), "{line}");
}

#[test]
fn pages_of_other_sites_cannot_administer_through_a_browser_on_the_same_machine() {
    let sidecar = Sidecar::builder().start();
    for headers in
        [[("origin", "https://evil.example")], [("sec-fetch-site", "cross-site")], [("host", "rebound.example")]]
    {
        let answer =
            sidecar.client().post(sidecar.admin_address(), "/v1/policies/reload", &headers, "{}").expect("an answer");
        assert_eq!(answer.status, 403, "{headers:?}: {answer:?}");
    }
}

#[test]
fn the_policies_that_decide_are_listed_with_their_places() {
    let sidecar = Sidecar::builder().start();
    let listed = sidecar.admin_get("/v1/policies").json();
    assert_eq!(listed["policy_set"], "demo");
    let clerk =
        listed["policies"].as_array().expect("a list").iter().find(|policy| policy["id"] == "role/clerk/orders");
    let clerk = clerk.unwrap_or_else(|| panic!("no role/clerk/orders in {listed}"));
    assert!(clerk["source"].as_str().is_some_and(|source| source.starts_with("roles.yaml:")), "{clerk}");
    assert!(clerk["summary"].as_str().is_some_and(|summary| summary.contains("clerk")), "{clerk}");
}

#[test]
fn a_port_that_is_taken_stops_the_start_and_names_setting_and_address() {
    for listener in ["authorize", "admin", "ops"] {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("an address").to_string();
        let exited = Sidecar::builder().listen(listener, &address).start_failing();
        assert_eq!(exited.code, Some(1), "{listener}: {exited:?}");
        for part in [format!("server.{listener}.listen"), address] {
            assert!(exited.stderr.contains(&part), "{listener}: no {part} in {exited:?}");
        }
    }
}
