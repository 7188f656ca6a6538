//! The exposition: what is there, under which names and labels.

use crate::support::{Sidecar, repo, wait_for};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::Duration,
};

/// The families of an exposition with their series, histograms under the name of the family.
fn families(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            rest.split(' ').next().expect("a name").clone_into(&mut family);
            found.entry(family.clone()).or_default();
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').expect("a series and its value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(series.starts_with(&family), "{line} does not belong to {family}");
            found.get_mut(&family).expect("announced").push(series.to_owned());
        }
    }
    found
}

#[test]
fn the_names_are_those_of_the_reference_and_all_are_there_from_the_start() {
    let sidecar = Sidecar::builder().start();
    let answer = sidecar.ops_get("/metrics");
    assert!(answer.header("content-type").starts_with("text/plain; version=0.0.4"), "{answer:?}");
    let found = families(&answer.body);
    let own: BTreeSet<&str> = found.keys().map(String::as_str).filter(|name| !name.starts_with("process_")).collect();
    let reference = fs::read_to_string(repo("docs/reference/metrics.md")).expect("the reference");
    let listed: BTreeSet<&str> =
        reference.lines().filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`')).collect();
    assert_eq!(own, listed);
    assert!(found.contains_key("process_resident_memory_bytes"));
    for outcome in ["swapped", "unchanged", "rejected_syntax", "rejected_validation", "rejected_tests", "read_error"] {
        let series = format!("sidegate_policy_reloads_total{{outcome=\"{outcome}\"}}");
        assert!(found["sidegate_policy_reloads_total"].contains(&series), "no {series}");
    }
}

#[test]
fn labels_are_bounded_whatever_is_asked() {
    let sidecar = Sidecar::builder().start();
    let series = || families(&sidecar.ops_get("/metrics").body).values().map(Vec::len).sum::<usize>();
    sidecar.ops_get("/status");
    let before = series();
    for n in 0..50 {
        let asked = json!({ "user": format!("u{n}"), "action": format!("a{n}"), "resource": format!("t{n}:{n}"), "tenant": n.to_string() });
        sidecar.authorize(&asked);
        sidecar.get(&format!("/no/such/path/{n}"));
        sidecar.ops_get(&format!("/none/{n}"));
        sidecar.admin_get(&format!("/none/{n}"));
    }
    assert_eq!(series(), before);
    assert_eq!(
        sidecar.count("sidegate_http_request_duration_seconds_count", &[r#"listener="admin""#, r#"route="other""#]),
        50
    );
}

#[test]
fn the_snapshot_that_decides_is_named() {
    let sidecar = Sidecar::builder().start();
    let status = sidecar.ops_get("/status").json();
    let revision = status["policies"]["revision"].as_str().expect("a revision");
    let series = format!("sidegate_policy_info{{policy_set=\"demo\",revision=\"{revision}\"}}");
    assert_eq!(sidecar.count("sidegate_policy_info", &[]), 1);
    assert!((sidecar.metric(&series) - 1.0).abs() < f64::EPSILON);
    assert_eq!(
        sidecar.count("sidegate_policies_loaded", &[]),
        status["policies"]["policies"].as_u64().expect("a count")
    );
    assert_eq!(sidecar.count("sidegate_directory_users", &[r#"status="active""#]), 4);
}

#[test]
fn the_self_check_compares_decisions_with_plain_cedar() {
    let sidecar = Sidecar::builder().policies(repo("policies/8move")).config("engine: { verify_one_in: 1 }").start();
    let same = || sidecar.count("sidegate_self_checks_total", &[r#"outcome="same""#]);
    assert_eq!(same(), 0);
    let question = json!({ "user": "sam", "action": "edit", "tenant": "north",
        "resource": { "type": "order", "id": "o-1", "attributes": { "account_manager": "sam" } } });
    assert_eq!(sidecar.authorize(&question).1["decision"], "allow");
    wait_for("the first check", Duration::from_secs(10), || same() > 0);
    assert_eq!(sidecar.count("sidegate_self_checks_total", &[r#"outcome="different""#]), 0);
}
