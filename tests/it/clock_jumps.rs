//! A clock that is set while the sidecar runs, ahead and back: by a library in front of libc, which leaves alone the clock that nobody can set.

use crate::support::{
    MailServer, PolicyDir, SetClock, Sidecar, SidecarBuilder, SigningKey, jwks, repo, seconds_now, sidegate, wait_for,
    wait_until,
};
use serde_json::{Value, json};
use std::{fs, path::Path, time::Duration};

const SOON: Duration = Duration::from_secs(30);
const YEAR: i64 = 365 * 24 * 3600;

fn by(clock: &SetClock, builder: SidecarBuilder) -> SidecarBuilder {
    clock.variables().into_iter().fold(builder, |builder, (name, value)| builder.env(name, &value))
}

fn ask(sidecar: &Sidecar) -> Value {
    sidecar.authorize(&json!({ "user": "bob", "action": "edit", "resource": "order:o-1" })).1
}

/// Records in the order of the log.
fn records(sidecar: &Sidecar, query: &str) -> Vec<Value> {
    let export = sidecar.admin_get(&format!("/v1/audit/export?format=ndjson&order=asc{query}"));
    export.body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The year of the last decision in the log, where there is one.
fn year(sidecar: &Sidecar) -> Option<i64> {
    let decisions = records(sidecar, "&kind=decision");
    let time = decisions.last()?["time"].as_str().expect("a time");
    Some(time.split('-').next().expect("a year").parse().expect("a number"))
}

fn closed(data: &Path) -> usize {
    let entries = fs::read_dir(data.join("audit")).expect("the log").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.join("SEALED").exists()).count()
}

/// Asks until one more segment is closed, which the keeper looks at then.
fn close_one(sidecar: &Sidecar) {
    let before = closed(sidecar.data());
    wait_for("a segment is closed", SOON, || {
        ask(sidecar);
        closed(sidecar.data()) > before
    });
}

#[test]
fn a_jump_ahead_and_back_removes_nothing_and_leaves_the_log_in_order() {
    let (clock, scratch) = (SetClock::new(), tempfile::tempdir().expect("a temporary directory"));
    let config = "audit: { segment: { age: 1s }, retention: { age: 90d } }";
    let builder = || by(&clock, Sidecar::builder().data(scratch.path().join("data")).config(config));
    let sidecar = builder().start();
    close_one(&sidecar);
    let now = wait_until(SOON, || year(&sidecar)).expect("a decision in the log");

    clock.set(YEAR);
    let told = sidecar.wait_event("clock_set", SOON, |_| true);
    assert!(told["seconds"].as_i64().is_some_and(|by| (by - YEAR).abs() < 60), "{told}");
    assert!(told["help"].as_str().is_some_and(|help| help.contains("nothing is removed")), "{told}");
    assert_eq!(ask(&sidecar)["decision"], "allow");
    wait_for("decisions have the time of the clock", SOON, || year(&sidecar) == Some(now + 1));
    for _ in 0..2 {
        close_one(&sidecar);
    }
    assert!(sidecar.events("audit_retention").is_empty(), "{}", sidecar.log());
    assert_eq!(records(&sidecar, "")[0]["seq"], 1, "nothing was removed");
    assert_eq!(sidecar.ops_get("/readyz").status, 200);

    clock.set(-3600);
    let told = sidecar.wait_event("clock_set", SOON, |told| told["seconds"].as_i64() < Some(0));
    assert_eq!(told["help"], "", "{told}");
    assert_eq!(ask(&sidecar)["decision"], "allow");
    wait_for("decisions have the time of the clock again", SOON, || year(&sidecar) <= Some(now));
    wait_for("both jumps are in the log", SOON, || {
        records(&sidecar, "&kind=system").iter().filter(|record| record["reason"] == "clock_set").count() == 2
    });
    let all = records(&sidecar, "");
    assert!((1..).zip(&all).all(|(seq, record)| record["seq"] == seq), "the order is that of the numbers");
    let times: Vec<&str> = all.iter().filter_map(|record| record["time"].as_str()).collect();
    assert!(!times.is_sorted(), "the times tell of the jump");
    assert_eq!(sidecar.stop().code, Some(0));

    let data = scratch.path().join("data");
    let verified = sidegate(["audit", "verify", "--data", data.to_str().expect("UTF-8")]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!((verified.stdout + &verified.stderr).contains("the clock went back"), "the verifier tells of the jump");

    // A start with a clock that is far ahead removes nothing either, before somebody could have seen it.
    clock.set(YEAR * 2);
    let sidecar = builder().start();
    sidecar.wait_event("clock_doubted", SOON, |_| true);
    close_one(&sidecar);
    assert!(sidecar.events("audit_retention").is_empty(), "{}", sidecar.log());
    assert_eq!(records(&sidecar, "")[0]["seq"], 1, "nothing was removed");
}

#[test]
fn a_token_expires_by_the_clock_as_it_is() {
    let (clock, key) = (SetClock::new(), SigningKey::p256("k"));
    let folder = PolicyDir::with(&[("keys.json", &jwks(&[&key]).to_string())]);
    let keys = folder.path().join("keys.json");
    let config = format!(
        "subjects: {{ tokens: [{{ issuer: https://id.example, audiences: shop, jwks: '{}' }}], keys: {{ refresh: 1s, max_age: 20s }} }}",
        keys.display()
    );
    let sidecar = by(&clock, Sidecar::builder().config(&config)).start();
    let claims = json!({ "iss": "https://id.example", "aud": "shop", "sub": "bob", "exp": seconds_now() + 3600 });
    let token = key.sign(&claims);
    let code = || {
        let asked = json!({ "subject": { "token": token }, "action": "edit", "resource": "order:o-1" });
        sidecar.authorize(&asked).1["reason"]["code"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(code(), "granted");
    // The keys are as old as the clock says, until they are looked at again; the token stays expired.
    clock.set(YEAR);
    assert!(["token_keys_stale", "token_expired"].contains(&code().as_str()));
    wait_for("the keys are confirmed again, and the token has expired", SOON, || code() == "token_expired");
    clock.set(0);
    wait_for("the token counts again", SOON, || code() == "granted");
}

#[test]
fn policies_that_a_jump_makes_stale_are_confirmed_by_the_next_look() {
    for jump in [YEAR, -YEAR] {
        let clock = SetClock::new();
        let config = "policies: { poll_interval: 100ms, max_staleness: 5s, when_stale: deny }";
        let sidecar = by(&clock, Sidecar::builder().config(config)).start();
        assert_eq!(ask(&sidecar)["reason"]["code"], "granted");
        clock.set(jump);
        // Denied for a moment at most, and never allowed by policies that are in fact too old.
        assert!(["granted", "policies_stale"].contains(&ask(&sidecar)["reason"]["code"].as_str().unwrap_or_default()));
        wait_for("the files are confirmed", SOON, || ask(&sidecar)["reason"]["code"] == "granted");
        wait_for("the process is ready", SOON, || sidecar.ops_get("/readyz").status == 200);
        assert_eq!(sidecar.stop().code, Some(0));
    }
}

#[test]
fn sessions_and_invitations_outlive_a_jump_ahead() {
    let clock = SetClock::new();
    let config = "directory: { sessions: { idle: 1s, keep: 90d } }";
    let sidecar = by(&clock, Sidecar::builder().config(config)).start();
    let ended = || {
        let sessions = sidecar.admin_get("/v1/sessions?open=false").json();
        sessions["items"].as_array().expect("a list").len()
    };
    assert_eq!(sidecar.admin_post("/v1/sessions", &json!({ "user": "bob" })).status, 201);
    wait_for("the session has ended", SOON, || ended() == 1);
    clock.set(YEAR);
    let told = sidecar.wait_event("directory_rests", SOON, |_| true);
    assert!(told["seconds"].as_i64().is_some_and(|by| (by - YEAR).abs() < 60), "{told}");
    assert_eq!(ended(), 1, "a year has passed by the clock alone");
    clock.set(0);
    assert_eq!(sidecar.admin_post("/v1/sessions", &json!({ "user": "bob" })).status, 201);
    wait_for("sessions end again", SOON, || ended() == 2);
    assert_eq!(sidecar.events("directory_rests").len(), 1, "it is told once");
}

#[test]
fn a_letter_that_a_jump_makes_too_old_waits_for_the_clock() {
    let (clock, port) = (SetClock::new(), MailServer::free_port());
    let config = format!(
        "directory: {{ invitations: {{ link: 'https://app.example.com/accept#{{token}}' }} }}\n\
         mail:\n\
         \x20 transport: smtp\n\
         \x20 from: 8Move <no-reply@8move.example>\n\
         \x20 smtp: {{ host: localhost, port: {port}, tls: none, timeout: 5s }}\n\
         \x20 retry: {{ first: 50ms, longest: 200ms, give_up_after: 1h }}\n"
    );
    let sidecar = by(&clock, Sidecar::builder().policies(repo("policies/8move")).config(&config)).start();
    let invite = |email: &str| {
        let invitation = json!({ "email": email, "assignments": { "roles": ["sales-rep"] } });
        assert_eq!(sidecar.admin_post("/v1/invitations?tenant=north", &invitation).status, 201);
    };
    invite("nell@8move.example");
    sidecar.wait_event("letter_failed", SOON, |_| true);
    clock.set(YEAR);
    sidecar.wait_event("letters_rest", SOON, |_| true);
    clock.set(0);
    let server = MailServer::builder().port(port).start();
    invite("abel@8move.example");
    for email in ["nell@8move.example", "abel@8move.example"] {
        server.wait_mail(email);
    }
    assert!(sidecar.events("letter_given_up").is_empty(), "{}", sidecar.log());
}
