//! The process's own configuration, changed while it runs.

use crate::support::{PolicyDir, Sidecar, Signal, decides, generation, wait_decides, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// The SHA-256 of `hunter2` and of `hunter3`.
const HUNTER2: &str = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";
const HUNTER3: &str = "fb8c2e2b85ca81eb4350199faddd983cb26af3064614e737ea9f479621cfa57a";

fn outcomes(sidecar: &Sidecar, outcome: &str) -> u64 {
    sidecar.count("sidegate_config_reloads_total", &[&format!("outcome=\"{outcome}\"")])
}

fn configuration(sidecar: &Sidecar) -> Value {
    sidecar.ops_get("/status").json()["configuration"].clone()
}

#[test]
fn limits_and_the_log_level_change_while_it_runs() {
    let sidecar = Sidecar::builder().start();
    let ask = || sidecar.post("/v1/authorize", &json!({ "user": "bob", "action": "view", "resource": "order:o-1" }));
    assert_eq!(ask().status, 200);
    sidecar.configure("server: { authorize: { limits: { body_bytes: 10B } } }\ntelemetry: { log: { level: error } }");
    wait_for("the limit counts", SOON, || ask().status == 413);
    let change = sidecar.wait_event("config_changed", SOON, |_| true);
    assert_eq!(change["applied"], "server.authorize.limits.body_bytes, telemetry.log.level", "{change}");
    sidecar.configure("server: { authorize: { limits: { body_bytes: 64KiB } } }\ntelemetry: { log: { level: info } }");
    wait_for("the old limit counts again", SOON, || ask().status == 200);
    let level = sidecar.wait_event("log_level_changed", SOON, |_| true);
    assert_eq!(level["filter"], "info", "{level}");
    wait_for("it is counted", SOON, || outcomes(&sidecar, "applied") == 2);
    assert_eq!(sidecar.events("config_changed").len(), 1, "the second change was made while only errors were logged");
}

#[test]
fn a_token_that_is_taken_off_the_list_no_longer_lets_in() {
    let tokens =
        |digest: &str| format!("server: {{ admin: {{ auth: tokens, tokens: [{{ name: ops, sha256: {digest} }}] }} }}");
    let sidecar = Sidecar::builder().config(&tokens(HUNTER2)).start();
    let status = |token: &str| {
        let bearer = format!("Bearer {token}");
        sidecar
            .client()
            .get(sidecar.admin_address(), "/v1/policies", &[("authorization", &bearer)])
            .expect("an answer")
            .status
    };
    assert_eq!((status("hunter2"), status("hunter3")), (200, 401));
    sidecar.configure(&tokens(HUNTER3));
    wait_for("the new token lets in", SOON, || status("hunter3") == 200);
    // The new one may have been asked for too often until it was known.
    assert!(matches!(status("hunter2"), 401 | 429));
    assert!(!sidecar.log().contains(HUNTER3), "no digest in the log");
}

#[test]
fn what_waits_for_a_restart_is_named() {
    let sidecar = Sidecar::builder().start();
    sidecar.configure("audit: { mode: synced }\npolicies: { poll_interval: 100ms }");
    let change = sidecar.wait_event("config_changed", SOON, |_| true);
    assert_eq!((&change["waiting"], &change["applied"]), (&json!("audit.mode"), &json!("policies.poll_interval")));
    assert_eq!(change["level"], "WARN");
    assert_eq!(configuration(&sidecar)["waiting_for_restart"], json!(["audit.mode"]));
    wait_for("the audit log knows", SOON, || {
        let records = sidecar.admin_get("/v1/audit?kind=system").json();
        records["items"]
            .as_array()
            .expect("a list")
            .iter()
            .any(|record| record["reason"] == "config_applied" && record["after"]["waiting"] == json!(["audit.mode"]))
    });
    sidecar.configure("audit: { mode: durable }");
    wait_for("nothing waits any more", SOON, || configuration(&sidecar)["waiting_for_restart"] == json!([]));
}

#[test]
fn a_file_with_errors_keeps_the_running_settings_and_says_so_once() {
    let policies = PolicyDir::with(&[("set.yaml", &generation(0))]);
    let sidecar = Sidecar::builder().policies(policies.path()).config("policies: { poll_interval: 100ms }").start();
    let good = sidecar.config_text();
    sidecar.write_config(&format!("{good}sever: {{}}\n"));
    let refusal = sidecar.wait_event("config_rejected", SOON, |_| true);
    assert_eq!(refusal["errors"], 1, "{refusal}");
    let state = configuration(&sidecar);
    assert!(state["diagnostics"][0]["help"].as_str().is_some_and(|help| help.contains("server")), "{state}");
    assert_eq!(outcomes(&sidecar, "rejected"), 1);
    assert_eq!(sidecar.count("sidegate_config_rejected", &[]), 1, "for as long as it is so");
    assert_eq!(sidecar.ops_get("/readyz").status, 200);
    // Asked for by name, it is looked at again, and not told again.
    sidecar.signal(Signal::HUP);
    sidecar.write_config(&good);
    sidecar.wait_event("config_recovered", SOON, |_| true);
    assert_eq!(sidecar.events("config_rejected").len(), 1);
    assert_eq!(sidecar.count("sidegate_config_rejected", &[]), 0);
    assert_eq!(configuration(&sidecar)["diagnostics"], json!([]));
}

#[test]
fn flags_and_the_environment_still_win() {
    let sidecar = Sidecar::builder()
        .config("policies: { watch: false, poll_interval: 1h }")
        .env("SIDEGATE_SERVER__AUTHORIZE__LIMITS__BODY_BYTES", "10B")
        .start();
    let ask = || sidecar.post("/v1/authorize", &json!({ "user": "bob", "action": "view", "resource": "order:o-1" }));
    assert_eq!(ask().status, 413);
    sidecar.configure("server: { authorize: { limits: { body_bytes: 64KiB, batch_items: 3 } } }");
    sidecar.signal(Signal::HUP);
    let change = sidecar.wait_event("config_changed", SOON, |_| true);
    assert_eq!(
        (&change["applied"], &change["cause"]),
        (&json!("server.authorize.limits.batch_items"), &json!("sighup"))
    );
    assert_eq!(ask().status, 413);
}

#[test]
fn a_set_that_was_refused_for_its_tests_goes_live_once_they_are_not_required() {
    let tests = "cases:\n  - { user: gen-0, action: view, resource: order:o-1, expect: allow }\n";
    let policies = PolicyDir::with(&[("set.yaml", &generation(0)), ("tests/first.yaml", tests)]);
    let quick = "policies: { poll_interval: 100ms, debounce: 20ms }";
    let sidecar = Sidecar::builder().policies(policies.path()).config(quick).start();
    let known = "users: { gen-0: { name: R, email: r@demo.example },";
    policies.write("set.yaml", &generation(1).replace("users: {", known));
    sidecar.wait_event("policy_rejected", SOON, |line| line["outcome"] == "rejected_tests");
    assert!(decides(&sidecar, 0));
    sidecar.configure("policies: { activation_tests: warn }");
    wait_decides(&sidecar, 1);
}
