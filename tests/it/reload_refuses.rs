//! Changes that must not go live: the last good policies decide on, and everybody who wants to know is told why.

use crate::support::{PolicyDir, Sidecar, decides, generation, wait_decides, wait_for};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);
const QUICK: &str = "policies: { poll_interval: 100ms, debounce: 20ms }";

fn start(policies: &PolicyDir) -> Sidecar {
    Sidecar::builder().policies(policies.path()).config(QUICK).start()
}

fn outcomes(sidecar: &Sidecar, outcome: &str) -> u64 {
    sidecar.count("sidegate_policy_reloads_total", &[&format!("outcome=\"{outcome}\"")])
}

/// Waits until one outcome is counted, and gives the failure that `/status` tells.
#[track_caller]
fn wait_failure(sidecar: &Sidecar, outcome: &str) -> Value {
    wait_for(&format!("a look ends as {outcome}"), SOON, || outcomes(sidecar, outcome) > 0);
    let status = sidecar.ops_get("/status").json();
    assert_eq!(status["policies"]["last_failure"]["outcome"], outcome, "{status}");
    assert!(status["policies"]["consecutive_failures"].as_u64().is_some_and(|count| count > 0), "{status}");
    assert_eq!(sidecar.ops_get("/readyz").status, 200, "the last good policies decide on");
    status["policies"]["last_failure"].clone()
}

#[test]
fn a_broken_set_is_refused_and_a_mended_one_goes_live() {
    for (broken, outcome, place) in [
        ("roles: { reader: [", "rejected_syntax", "set.yaml"),
        (
            "policy_set: x\nroles: { reader: { name: R, grants: { ordres: view } } }\n",
            "rejected_validation",
            "set.yaml",
        ),
    ] {
        let policies = PolicyDir::with(&[("set.yaml", &generation(0))]);
        let sidecar = start(&policies);
        policies.write("set.yaml", broken);
        let failure = wait_failure(&sidecar, outcome);
        assert_eq!(failure["diagnostics"][0]["file"], place, "{failure}");
        assert!(failure["diagnostics"][0]["line"].is_u64(), "{failure}");
        assert!(decides(&sidecar, 0));

        policies.write("set.yaml", &generation(1));
        wait_decides(&sidecar, 1);
        wait_for("the failure is over", SOON, || sidecar.count("sidegate_policy_consecutive_failures", &[]) == 0);
        let last = &sidecar.ops_get("/status").json()["policies"]["last_failure"];
        assert_eq!(last["outcome"], outcome, "it is still told what the last failure was");
    }
}

#[test]
fn a_refused_set_is_told_once_however_often_it_is_seen() {
    let policies = PolicyDir::with(&[("set.yaml", &generation(0))]);
    let sidecar = start(&policies);
    policies.write("set.yaml", "policy_set: x\nroles: { reader: { name: R, grants: { ordres: view } } }\n");
    let failure = wait_failure(&sidecar, "rejected_validation");
    // A hidden file changes nothing of the content, but it makes the sidecar look; so do polls in between.
    let seen = || sidecar.ops_get("/status").json()["policies"]["last_look"]["at"].clone();
    for _ in 0..3 {
        let before = seen();
        wait_for("one more look", SOON, || seen() != before);
    }
    assert_eq!(outcomes(&sidecar, "rejected_validation"), 1);
    assert_eq!(sidecar.events("policy_rejected").len(), 1);
    let lines = sidecar.events("policy_diagnostic");
    let diagnostics = failure["diagnostics"].as_array().expect("a list").len();
    assert_eq!(lines.len(), diagnostics, "each problem has its line: {lines:?}");
    assert!(lines[0]["place"].as_str().is_some_and(|place| place.starts_with("set.yaml:")), "{lines:?}");
    let records = sidecar.admin_get("/v1/audit?kind=policy").json();
    let refusals =
        records["items"].as_array().expect("records").iter().filter(|r| r["reason"] == "rejected_validation");
    let refusals: Vec<&Value> = refusals.collect();
    assert_eq!(refusals.len(), 1, "{records}");
    assert!(refusals[0]["errors"][0].as_str().is_some_and(|line| line.contains("ordres")), "{records}");
}

#[test]
fn files_that_are_put_back_end_the_failure_without_a_swap() {
    let policies = PolicyDir::with(&[("set.yaml", &generation(0))]);
    let sidecar = start(&policies);
    policies.write("extra.yaml", "rolls: {}\n");
    wait_failure(&sidecar, "rejected_validation");
    policies.remove("extra.yaml");
    sidecar.wait_event("policy_recovered", SOON, |_| true);
    assert_eq!(sidecar.count("sidegate_policy_consecutive_failures", &[]), 0);
    assert_eq!(outcomes(&sidecar, "swapped"), 0);
}

#[test]
fn an_empty_directory_never_replaces_a_good_set() {
    let policies = PolicyDir::with(&[("set.yaml", &generation(0))]);
    let sidecar = start(&policies);
    policies.remove("set.yaml");
    wait_failure(&sidecar, "rejected_validation");
    assert!(decides(&sidecar, 0));
}

#[test]
fn a_directory_that_vanishes_never_replaces_a_good_set() {
    let policies = PolicyDir::with(&[("set/set.yaml", &generation(0))]);
    let root = policies.path().join("set");
    let sidecar = Sidecar::builder().policies(&root).config(QUICK).start();
    fs::remove_dir_all(&root).expect("removed");
    let failure = wait_failure(&sidecar, "read_error");
    let root = root.to_str().expect("UTF-8");
    assert!(failure["diagnostics"].to_string().contains(root), "{failure}");
    assert!(decides(&sidecar, 0));
    wait_for("it is tried again", SOON, || outcomes(&sidecar, "read_error") > 2);
    assert_eq!(sidecar.events("policy_read_error").len(), 1, "the same reason is told once");
}

/// Puts something in the place of a file.
type Make = fn(&Path);

fn make_pipe(path: &Path) {
    use rustix::fs::{CWD, FileType, mknodat};
    mknodat(CWD, path, FileType::Fifo, 0o600.into(), 0).expect("made");
}

#[test]
fn files_that_cannot_be_read_are_named_and_tried_again() {
    let make: [(&str, Make); 4] = [
        ("pipe.yaml", make_pipe),
        ("latin.yaml", |path| fs::write(path, b"# caf\xe9\n").expect("written")),
        ("large.yaml", |path| fs::write(path, "#".repeat(2 << 20)).expect("written")),
        ("loop.yaml", |path| symlink("loop.yaml", path).expect("linked")),
    ];
    for (name, make) in make {
        let policies = PolicyDir::with(&[("set.yaml", &generation(0))]);
        let sidecar = start(&policies);
        let path = policies.path().join(name);
        make(&path);
        let failure = wait_failure(&sidecar, "read_error");
        assert_eq!(failure["diagnostics"][0]["file"], name, "{failure}");
        assert!(decides(&sidecar, 0));
        fs::remove_file(&path).expect("removed");
        wait_for("the failure is over", SOON, || sidecar.count("sidegate_policy_consecutive_failures", &[]) == 0);
    }
}

#[test]
fn a_file_without_permission_is_a_read_error() {
    let policies = PolicyDir::with(&[("set.yaml", &generation(0))]);
    let mut builder = Sidecar::builder().policies(policies.path()).config(QUICK);
    if rustix::process::geteuid().is_root() {
        // Root without the rights for which permissions do not count.
        let without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"];
        let program = [&without[..], &[env!("CARGO_BIN_EXE_sidegate")]].concat();
        builder = builder.through(program.into_iter().map(str::to_owned).collect());
    }
    let sidecar = builder.start();
    let path = policies.path().join("secret.yaml");
    policies.write("secret.yaml", "roles: {}\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("permissions");
    let failure = wait_failure(&sidecar, "read_error");
    assert_eq!(failure["diagnostics"][0]["file"], "secret.yaml", "{failure}");
    assert!(decides(&sidecar, 0));
}

/// A policy test that generation 0 passes and no other.
const TESTS: &str = "cases:\n  - { user: gen-0, action: view, resource: order:o-1, expect: allow }\n";

#[test]
fn a_set_whose_own_tests_fail_goes_live_only_where_they_are_not_required() {
    for (setting, goes_live, warned) in [("required", false, false), ("warn", true, true), ("off", true, false)] {
        let policies = PolicyDir::with(&[("set.yaml", &generation(0)), ("tests/first.yaml", TESTS)]);
        let config = format!("policies: {{ activation_tests: {setting} }}");
        let sidecar = Sidecar::builder().policies(policies.path()).config(QUICK).config(&config).start();
        policies.write("more.yaml", "# one file more\n");
        wait_for("a set whose tests pass goes live", SOON, || outcomes(&sidecar, "swapped") == 1);
        // The user of the test stays known, so that the set is sound without its tests.
        let known = "users: { gen-0: { name: R, email: r@demo.example },";
        policies.write("set.yaml", &generation(1).replace("users: {", known));
        if goes_live {
            wait_decides(&sidecar, 1);
        } else {
            let failure = wait_failure(&sidecar, "rejected_tests");
            let problem = &failure["diagnostics"][0];
            assert_eq!((&problem["file"], &problem["line"]), (&"tests/first.yaml".into(), &2.into()), "{failure}");
            assert!(problem["message"].as_str().is_some_and(|text| text.contains("expected allow")), "{failure}");
            assert!(decides(&sidecar, 0) && !decides(&sidecar, 1));
        }
        let told = || sidecar.events("policy_diagnostic").iter().any(|line| line["severity"] == "warning");
        if warned {
            // It decides a moment before it is told.
            wait_for("the failure is a warning", SOON, told);
        } else {
            assert!(!told(), "{setting}");
        }
    }
}

#[test]
fn tests_that_fail_at_the_start_stop_it() {
    let policies =
        PolicyDir::with(&[("set.yaml", &generation(0)), ("tests/first.yaml", &TESTS.replace("allow", "deny"))]);
    let exited = Sidecar::builder().policies(policies.path()).start_failing();
    assert_eq!(exited.code, Some(3), "{exited:?}");
    assert!(exited.stderr.contains("tests/first.yaml:2:"), "{exited:?}");
}

#[test]
fn every_problem_of_a_refused_set_is_in_the_audit_log_however_many_there_are() {
    const PROBLEMS: usize = 300;
    let policies = PolicyDir::with(&[("set.yaml", &generation(0))]);
    let sidecar = start(&policies);
    let grants: String = (0..PROBLEMS).map(|n| format!("      unheard-of-{n}: view\n")).collect();
    policies.write("more.yaml", &format!("roles:\n  other:\n    name: Other\n    grants:\n{grants}"));
    let failure = wait_failure(&sidecar, "rejected_validation");
    let told = failure["diagnostics"].as_array().expect("a list").len();
    assert!(told >= PROBLEMS, "{told}");
    wait_for("the audit log has all of them", SOON, || {
        let records = sidecar.admin_get("/v1/audit?kind=policy&limit=200").json();
        let refusals = records["items"].as_array().expect("a list").iter();
        let lines = refusals.filter(|record| record["reason"] == "rejected_validation");
        lines.map(|record| record["errors"].as_array().map_or(0, Vec::len)).sum::<usize>() == told
    });
    assert_eq!(sidecar.events("policy_rejected").len(), 1);
}
