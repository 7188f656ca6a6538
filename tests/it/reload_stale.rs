//! Starts with files that are no good, and policies that grow old.

use crate::support::{PolicyDir, Sidecar, decides, generation, wait_decides, wait_for};
use serde_json::{Value, json};
use std::{fs, path::Path, time::Duration};

const SOON: Duration = Duration::from_secs(20);
const QUICK: &str = "policies: { poll_interval: 100ms, debounce: 20ms }";
const BROKEN: &str = "roles: { reader: [";

fn status(sidecar: &Sidecar) -> Value {
    sidecar.ops_get("/status").json()["policies"].clone()
}

/// Runs once on generation 0, so that it is kept.
fn run_once(policies: &Path, data: &Path) {
    let sidecar = Sidecar::builder().policies(policies).data(data).config(QUICK).start();
    wait_for("the set is kept", SOON, || data.join("policies/last-good.json").exists());
    assert_eq!(sidecar.stop().code, Some(0));
}

/// Does something to a policy directory.
type Break = fn(&Path);

#[test]
fn a_restart_with_files_that_are_no_good_comes_up_on_the_last_good_ones_and_says_so() {
    let ways: [(&str, &str, Break); 4] = [
        ("broken", "rejected_syntax", |set| fs::write(set.join("set.yaml"), BROKEN).expect("written")),
        ("empty", "rejected_validation", |set| fs::remove_file(set.join("set.yaml")).expect("removed")),
        ("gone", "read_error", |set| fs::remove_dir_all(set).expect("removed")),
        ("not UTF-8", "read_error", |set| fs::write(set.join("set.yaml"), b"\xe9").expect("written")),
    ];
    for (name, outcome, break_it) in ways {
        let base = PolicyDir::with(&[("set/set.yaml", &generation(0))]);
        let data = tempfile::tempdir().expect("a temporary directory");
        let set = base.path().join("set");
        run_once(&set, data.path());
        break_it(&set);

        let sidecar = Sidecar::builder().policies(&set).data(data.path()).config(QUICK).start();
        assert!(decides(&sidecar, 0), "{name}");
        let state = status(&sidecar);
        assert_eq!((&state["stale"], &state["from_last_good"]), (&json!(true), &json!(true)), "{name}: {state}");
        assert_eq!(state["last_failure"]["outcome"], outcome, "{name}: {state}");
        assert!(!state["last_failure"]["diagnostics"].as_array().expect("a list").is_empty(), "{name}: {state}");
        assert_eq!(sidecar.count("sidegate_policies_stale", &[]), 1, "{name}");
        assert_eq!(sidecar.events("policy_start_from_last_good").len(), 1, "{name}");
        wait_for("the audit log tells why", SOON, || {
            let records = sidecar.admin_get("/v1/audit?kind=policy").json();
            records["items"].as_array().expect("a list").iter().any(|record| record["reason"] == outcome)
        });

        base.write("set/set.yaml", &generation(1));
        wait_decides(&sidecar, 1);
        let state = status(&sidecar);
        assert_eq!((&state["stale"], &state["from_last_good"]), (&json!(false), &json!(false)), "{name}: {state}");
        wait_for("the metric follows", SOON, || sidecar.count("sidegate_policies_stale", &[]) == 0);
        let kept = data.path().join("policies/last-good.json");
        let revision = state["revision"].as_str().expect("a revision");
        wait_for("the set is kept", SOON, || fs::read_to_string(&kept).is_ok_and(|kept| kept.contains(revision)));
        sidecar.kill();

        // What decided last is kept again, also when the process was killed.
        break_it(&set);
        let sidecar = Sidecar::builder().policies(&set).data(data.path()).config(QUICK).start();
        assert!(decides(&sidecar, 1), "{name}");
    }
}

#[test]
fn files_that_are_put_back_as_they_were_are_no_longer_stale() {
    let policies = PolicyDir::with(&[("set.yaml", &generation(0))]);
    let data = tempfile::tempdir().expect("a temporary directory");
    run_once(policies.path(), data.path());
    policies.write("set.yaml", BROKEN);
    let sidecar = Sidecar::builder().policies(policies.path()).data(data.path()).config(QUICK).start();
    policies.write("set.yaml", &generation(0));
    wait_for("it is fresh again", SOON, || status(&sidecar)["stale"] == false);
    assert_eq!(sidecar.count("sidegate_policy_reloads_total", &[r#"outcome="swapped""#]), 0);
}

#[test]
fn without_a_copy_that_can_be_trusted_broken_files_stop_the_start() {
    let cases: [(&str, &str, Break); 3] = [
        ("switched off", "policies: { start_from_last_good: false }", |_| {}),
        ("changed", "{}", |data| {
            let path = data.join("policies/last-good.json");
            let text = fs::read_to_string(&path).expect("the copy");
            fs::write(&path, text.replace("gen-0", "gen-9")).expect("written");
        }),
        ("removed", "{}", |data| fs::remove_file(data.join("policies/last-good.json")).expect("removed")),
    ];
    for (name, config, prepare) in cases {
        let policies = PolicyDir::with(&[("set.yaml", &generation(0))]);
        let data = tempfile::tempdir().expect("a temporary directory");
        run_once(policies.path(), data.path());
        policies.write("set.yaml", BROKEN);
        prepare(data.path());
        let exited =
            Sidecar::builder().policies(policies.path()).data(data.path()).config(QUICK).config(config).start_failing();
        assert_eq!(exited.code, Some(3), "{name}: {exited:?}");
        assert!(exited.stderr.contains("set.yaml"), "{name}: {exited:?}");
        assert_eq!(exited.stderr.contains("last_good_failed"), name == "changed", "{name}: {exited:?}");

        // The log of the start that failed is there for the next one.
        policies.write("set.yaml", &generation(1));
        let sidecar = Sidecar::builder().policies(policies.path()).data(data.path()).config(QUICK).start();
        let told = || reasons(&sidecar).iter().any(|reason| reason == "last_good_not_used");
        if name == "changed" {
            wait_for("the audit log tells of the copy", SOON, told);
        } else {
            wait_for("the audit log tells of the start", SOON, || {
                reasons(&sidecar).iter().any(|reason| reason == "swapped")
            });
            assert!(!told(), "{name}");
        }
    }
}

/// The reasons of the records of policies.
fn reasons(sidecar: &Sidecar) -> Vec<String> {
    let records = sidecar.admin_get("/v1/audit?kind=policy").json();
    let items = records["items"].as_array().expect("a list").iter();
    items.map(|record| record["reason"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn a_set_that_cannot_be_kept_decides_and_is_told_until_one_can() {
    let policies = PolicyDir::with(&[("set.yaml", &generation(0))]);
    let data = tempfile::tempdir().expect("a temporary directory");
    // A file stands where the directory of the copy would be; that holds back root too.
    fs::write(data.path().join("policies"), "").expect("written");
    let sidecar = Sidecar::builder().policies(policies.path()).data(data.path()).config(QUICK).start();
    assert!(decides(&sidecar, 0));
    wait_for("the status tells", SOON, || !status(&sidecar)["copy_failure"].is_null());
    let failure = status(&sidecar)["copy_failure"].clone();
    assert_eq!(failure["outcome"], "last_good_not_kept", "{failure}");
    assert!(failure["problems"][0].as_str().is_some_and(|text| text.contains("last-good.json")), "{failure}");
    wait_for("the audit log tells", SOON, || reasons(&sidecar).iter().any(|reason| reason == "last_good_not_kept"));
    assert_eq!(sidecar.events("last_good_failed").len(), 1);

    fs::remove_file(data.path().join("policies")).expect("removed");
    policies.write("set.yaml", &generation(1));
    wait_decides(&sidecar, 1);
    wait_for("the status is at ease", SOON, || status(&sidecar)["copy_failure"].is_null());
}

#[test]
fn policies_that_are_too_old_have_the_consequence_that_was_chosen() {
    for (when_stale, ready, code) in
        [("warn", 200, "granted"), ("not_ready", 503, "granted"), ("deny", 503, "policies_stale")]
    {
        let policies = PolicyDir::with(&[("set.yaml", &generation(0))]);
        let config = format!("policies: {{ max_staleness: 2s, when_stale: {when_stale} }}");
        let sidecar = Sidecar::builder().policies(policies.path()).config(QUICK).config(&config).start();
        let asked = json!({ "user": "gen-0", "action": "view", "resource": "order:o-1" });
        policies.write("set.yaml", BROKEN);
        wait_for("the policies are stale", SOON, || status(&sidecar)["stale"] == true);
        sidecar.wait_event("policies_stale", SOON, |_| true);
        let mut explained = asked.clone();
        explained["explain"] = json!(true);
        let answer = sidecar.authorize(&explained).1;
        assert_eq!(answer["reason"]["code"], code, "{when_stale}: {answer}");
        // An explanation is of what the policies decided, and they did not.
        assert_eq!(answer["explanation"].is_null(), code == "policies_stale", "{when_stale}: {answer}");
        assert_eq!(answer["decision"], if code == "granted" { "allow" } else { "deny" }, "{when_stale}: {answer}");
        let readiness = sidecar.ops_get("/readyz");
        assert_eq!(readiness.status, ready, "{when_stale}: {readiness:?}");
        assert_eq!(readiness.body.contains("policies"), ready == 503, "{when_stale}: {readiness:?}");
        assert_eq!(sidecar.count("sidegate_policies_stale", &[]), 1);
        if code == "policies_stale" {
            wait_for("the deny is recorded", SOON, || {
                let records = sidecar.admin_get("/v1/audit?user=gen-0").json();
                records["items"].as_array().expect("a list").iter().any(|record| {
                    record["reason"] == code && record["decision"] == "deny" && record["module"] == "orders"
                })
            });
        }

        // Refused files do not confirm what decides; good ones do, changed or not.
        policies.write("set.yaml", &generation(0));
        wait_for("the policies are fresh", SOON, || status(&sidecar)["stale"] == false);
        assert_eq!(sidecar.authorize(&asked).1["reason"]["code"], "granted");
        assert_eq!(sidecar.ops_get("/readyz").status, 200);
        sidecar.wait_event("policies_fresh", SOON, |_| true);
    }
}
