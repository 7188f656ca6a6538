//! A set beside the live one: compared, told of, never answered with.

use crate::support::{PolicyDir, Sidecar, generation, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn start(live: &PolicyDir, shadow: &PolicyDir) -> Sidecar {
    let directory = shadow.path().to_str().expect("UTF-8");
    let config = format!("policies: {{ shadow: {directory}, poll_interval: 100ms, debounce: 20ms }}");
    Sidecar::builder().policies(live.path()).config(&config).start()
}

fn ask(sidecar: &Sidecar, n: usize) -> Value {
    sidecar.authorize(&json!({ "user": format!("gen-{n}"), "action": "view", "resource": "order:o-1" })).1
}

fn shadow(sidecar: &Sidecar) -> Value {
    sidecar.ops_get("/status").json()["shadow"].clone()
}

fn compared(sidecar: &Sidecar) -> [u64; 3] {
    ["same", "widened", "narrowed"]
        .map(|outcome| sidecar.count("sidegate_shadow_decisions_total", &[&format!("outcome=\"{outcome}\"")]))
}

#[test]
fn what_a_change_would_do_is_counted_and_recorded_and_never_answered() {
    let (live, beside) =
        (PolicyDir::with(&[("set.yaml", &generation(0))]), PolicyDir::with(&[("set.yaml", &generation(1))]));
    let sidecar = start(&live, &beside);
    wait_for("the shadow set is evaluated", SOON, || shadow(&sidecar)["revision"].is_string());
    assert_eq!(compared(&sidecar), [0, 0, 0], "every series is there from the start");
    let answers = [ask(&sidecar, 0), ask(&sidecar, 1), ask(&sidecar, 2)];
    let codes = answers.each_ref().map(|answer| answer["reason"]["code"].as_str().expect("a code"));
    assert_eq!(codes, ["granted", "user_unknown", "user_unknown"]);
    wait_for("all three are compared", SOON, || compared(&sidecar) == [1, 1, 1]);

    let differences = || {
        let records = sidecar.admin_get("/v1/audit?kind=policy").json()["items"].clone();
        let records = records.as_array().expect("a list").clone().into_iter();
        records
            .filter(|record| record["reason"].as_str().is_some_and(|reason| reason.starts_with("shadow_")))
            .collect::<Vec<_>>()
    };
    wait_for("both differences are recorded", SOON, || differences().len() == 2);
    let mut found = differences();
    found.sort_by_key(|record| record["user"].to_string());
    for (record, (user, reason, before, after)) in
        found.iter().zip([("gen-0", "shadow_narrowed", "allow", "deny"), ("gen-1", "shadow_widened", "deny", "allow")])
    {
        assert_eq!((&record["user"], &record["reason"]), (&json!(user), &json!(reason)), "{record}");
        assert_eq!((&record["before"]["decision"], &record["after"]["decision"]), (&json!(before), &json!(after)));
        assert_eq!(record["revision"], answers[0]["revision"], "the one that answered: {record}");
        assert_eq!(record["after"]["revision"], shadow(&sidecar)["revision"], "{record}");
        assert!(record["decision"].is_null(), "it is no decision: {record}");
    }
    let decisions = sidecar.admin_get("/v1/audit?kind=decision").json();
    assert_eq!(decisions["items"].as_array().expect("a list").len(), 3, "each answer is one decision: {decisions}");

    beside.write("set.yaml", &generation(0));
    wait_for("the shadow set follows its files", SOON, || shadow(&sidecar)["revision"] == answers[0]["revision"]);
    ask(&sidecar, 0);
    wait_for("both say the same now", SOON, || compared(&sidecar) == [2, 1, 1]);
}

#[test]
fn a_broken_shadow_set_says_so_and_the_live_one_goes_on() {
    let (live, beside) =
        (PolicyDir::with(&[("set.yaml", &generation(0))]), PolicyDir::with(&[("set.yaml", "roles: [")]));
    let sidecar = start(&live, &beside);
    wait_for("the failure is told", SOON, || shadow(&sidecar)["failure"]["outcome"] == "rejected_syntax");
    sidecar.wait_event("shadow_rejected", SOON, |_| true);
    assert_eq!(ask(&sidecar, 0)["decision"], "allow");
    assert_eq!(compared(&sidecar), [0, 0, 0]);
    assert_eq!(sidecar.count("sidegate_policy_consecutive_failures", &[]), 0, "nothing is wrong with the live set");

    beside.write("set.yaml", &generation(1));
    wait_for("it is evaluated once it is mended", SOON, || shadow(&sidecar)["revision"].is_string());
    let revision = shadow(&sidecar)["revision"].clone();
    beside.write("set.yaml", "roles: [");
    wait_for("the failure is told again", SOON, || shadow(&sidecar)["failure"]["outcome"] == "rejected_syntax");
    assert_eq!(shadow(&sidecar)["revision"], revision, "the one before is evaluated on");
    live.write("set.yaml", &generation(5));
    wait_for("the live set changes", SOON, || ask(&sidecar, 5)["decision"] == "allow");
}
