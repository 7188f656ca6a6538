//! Sessions, as applications report them.

use super::desk::{Desk, sidecar};
use crate::support::{PolicyDir, Raw, Sidecar, repo, wait_for};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn login(user: &str) -> Value {
    json!({ "user": user, "address": "10.1.2.3", "agent": "curl/8" })
}

/// Rule `backbone-login`: every login is recorded with user, start of the session and, once it ended, its length; the records can be
/// listed and filtered.
#[test]
fn every_login_is_recorded_with_its_length_once_it_ended() {
    let sidecar = sidecar("backbone");
    let (app, bea) = (Desk::operator(&sidecar), Desk::of(&sidecar, "bea"));
    let first = app.send("POST", "/v1/sessions?tenant=acme", Some(&login("bob")));
    assert_eq!(first.status, 201, "{first:?}");
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(first.header("location"), format!("/v1/sessions/{id}"));
    app.ok("POST", "/v1/sessions?tenant=acme", &login("bea"));
    assert_eq!(app.ok("POST", &format!("/v1/sessions/{id}/heartbeat"), &Value::Null)["user"], "bob");
    let ended = app.ok("DELETE", &format!("/v1/sessions/{id}"), &Value::Null);
    assert_eq!(ended["ended"], "logout");
    assert!(ended["seconds"].as_f64().is_some_and(|seconds| (0.0..60.0).contains(&seconds)), "{ended}");
    assert_eq!(app.refused("DELETE", &format!("/v1/sessions/{id}"), &Value::Null), (404, "not_found".to_owned()));

    let listed = bea.get("/v1/sessions?user=bob").json();
    let session = &listed["items"][0];
    assert_eq!(
        (&session["address"], &session["agent"], &session["tenant"]),
        (&json!("10.1.2.3"), &json!("curl/8"), &json!("acme"))
    );
    assert!(session["start"].is_string() && session["end"].is_string(), "{session}");
    for (filter, count) in [
        ("open=true", 1),
        ("open=false", 1),
        ("user=bob", 1),
        ("user=ben", 0),
        ("to=2020-01-01T00:00:00Z", 0),
        ("limit=1", 1),
    ] {
        assert_eq!(bea.ids(&format!("/v1/sessions?{filter}")).len(), count, "{filter}");
    }
    let page = bea.get("/v1/sessions?limit=1").json();
    let next = page["next_cursor"].as_str().expect("more");
    assert_eq!(bea.ids(&format!("/v1/sessions?cursor={next}")), [id]);
    let has = |records: &[Value], action: &str| records.iter().any(|record| record["action"] == action);
    app.records("kind=session", |records| has(records, "login") && has(records, "logout"));
    assert!(Desk::of(&sidecar, "bob").refused("GET", "/v1/sessions", &Value::Null).0 == 403);
}

/// Many clients send the head of a request and its body, be it an empty one in chunks, as two packets, and keep the connection.
#[test]
fn a_body_that_nobody_reads_loses_no_request_on_its_connection() {
    let sidecar = sidecar("backbone");
    let head =
        |framing: &str| format!("POST /v1/sessions/none/heartbeat HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n");
    let mut connection = Raw::connect(sidecar.admin_address());
    for (framing, body) in
        [("Transfer-Encoding: chunked", "0\r\n\r\n"), ("Content-Length: 2", "{}"), ("Content-Length: 0", "")]
    {
        for round in 0..100 {
            let answer = connection.send(head(framing)).send(body).response().expect("an answer");
            assert_eq!((answer.status, answer.header("connection")), (404, ""), "{framing}, round {round}");
        }
    }
    // One that does not come, and one that the client is not told to send.
    for framing in ["Content-Length: 2", "Content-Length: 2\r\nExpect: 100-continue"] {
        let mut connection = Raw::connect(sidecar.admin_address());
        let answer = connection.send(head(framing)).response().expect("an answer");
        assert_eq!((answer.status, answer.header("connection")), (404, "close"), "{framing}");
        assert!(connection.is_closed(), "{framing}");
    }
}

/// Rule `backbone-removal`: a user removed from the organization is denied from the very next request on, and open sessions end.
#[test]
fn whoever_is_removed_is_denied_at_once_and_sessions_end() {
    let sidecar = sidecar("backbone");
    let (bea, operator) = (Desk::of(&sidecar, "bea").at("acme"), Desk::operator(&sidecar));
    let assignments = "/v1/users/ann/assignments?tenant=acme";
    let end = |how: &dyn Fn(), expected: &str| {
        bea.ok("POST", "/v1/sessions?tenant=acme", &login("ann"));
        how();
        let sessions = operator.get("/v1/sessions?user=ann&limit=1").json();
        assert_eq!(sessions["items"][0]["ended"], expected, "{sessions}");
    };
    bea.user("ann");
    bea.ok("PUT", assignments, &json!({ "roles": ["member"] }));
    assert_eq!(bea.asks("ann", Some("acme"), "sales_order", "view").0, "allow");
    end(&|| drop(bea.ok("PUT", assignments, &json!({}))), "removed");
    assert_eq!(bea.asks("ann", Some("acme"), "sales_order", "view").0, "deny");
    bea.ok("PUT", assignments, &json!({ "roles": ["member"] }));
    end(&|| drop(bea.ok("POST", "/v1/users/ann/suspend", &Value::Null)), "suspended");
    assert_eq!(bea.asks("ann", Some("acme"), "sales_order", "view").1, "user_suspended");
    assert_eq!(bea.refused("POST", "/v1/sessions?tenant=acme", &login("ann")), (409, "user_not_active".to_owned()));
    bea.ok("POST", "/v1/users/ann/reactivate", &Value::Null);
    bea.ok("POST", "/v1/sessions?tenant=acme", &login("ann"));
    let open = bea.ids("/v1/sessions?user=ann&open=true");
    assert_eq!(bea.ok("DELETE", &format!("/v1/sessions/{}", open[0]), &Value::Null)["ended"], "administrator");
    end(&|| assert_eq!(bea.send("DELETE", "/v1/users/ann", None).status, 204), "deleted");
    assert_eq!(bea.asks("ann", Some("acme"), "sales_order", "view").1, "user_unknown");
}

/// How long a session lives here without a sign of life.
const IDLE: Duration = Duration::from_millis(1500);

#[test]
fn a_session_lives_by_its_heartbeats_and_ends_without_them() {
    let policies = PolicyDir::copy_of(repo("policies/demo"));
    let set = policies.read("policy-set.yaml").replace("tenancy: none", "tenancy: none\nsessions: required");
    policies.write("policy-set.yaml", &set);
    let idle = format!("directory: {{ sessions: {{ idle: {}ms }} }}", IDLE.as_millis());
    let sidecar = Sidecar::builder().policies(policies.path()).config(&idle).start();
    let app = Desk::operator(&sidecar);
    let asks = || app.asks("bob", None, "order", "view");
    assert_eq!(asks().1, "session_missing");
    let id = app.ok("POST", "/v1/sessions", &login("bob"))["id"].as_str().expect("an id").to_owned();
    let began = Instant::now();
    wait_for("two idle times have passed with signs of life", IDLE * 20, || {
        app.ok("POST", &format!("/v1/sessions/{id}/heartbeat"), &Value::Null);
        assert_eq!(asks().0, "allow", "after {:?}", began.elapsed());
        began.elapsed() > IDLE * 2
    });
    let last = Instant::now();
    wait_for("the session no longer counts", IDLE * 20, || asks().1 == "session_missing");
    assert!(last.elapsed() >= IDLE / 2, "a sign of life counts for a while");
    assert_eq!(app.refused("POST", &format!("/v1/sessions/{id}/heartbeat"), &Value::Null).0, 404, "it is too late");
    wait_for("its end is noted", Duration::from_secs(20), || !app.ids("/v1/sessions?open=false").is_empty());
    let session = app.get("/v1/sessions?user=bob").json()["items"][0].clone();
    assert_eq!((&session["id"], &session["ended"]), (&json!(id), &json!("idle")));
    let seconds = session["seconds"].as_f64().expect("a number");
    assert!(seconds >= (IDLE * 2).as_secs_f64(), "it ended with the last sign of life and the idle time: {seconds}");
    app.records("kind=session&action=idle", |records| records.len() == 1 && records[0]["user"] == "bob");
    app.ok("POST", "/v1/sessions", &login("bob"));
    assert_eq!(asks().0, "allow", "a new login begins anew");
}

#[test]
fn a_report_that_will_not_do_is_refused_with_its_places() {
    let sidecar = sidecar("backbone");
    let app = Desk::operator(&sidecar);
    let places: Vec<String> = app
        .problems("POST", "/v1/sessions", &json!({ "address": 7, "agnet": "x" }))
        .into_iter()
        .map(|(place, _)| place)
        .collect();
    assert_eq!(places, ["/user", "/address", "/agnet"]);
    assert_eq!(app.refused("POST", "/v1/sessions", &login("nobody")), (404, "not_found".to_owned()));
    assert_eq!(app.refused("POST", "/v1/sessions/none/heartbeat", &Value::Null), (404, "not_found".to_owned()));
    assert_eq!(app.refused("GET", "/v1/sessions?from=yesterday", &Value::Null), (400, "malformed_request".to_owned()));
}
