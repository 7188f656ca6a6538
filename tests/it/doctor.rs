//! `sidegate doctor`: each check finds what it is for, broken for real, and a healthy instance has a short answer.

mod house;
mod running;
mod stopped;

use crate::support::{Sidecar, repo, run, sidegate};
use house::House;
use std::collections::BTreeSet;

#[test]
fn a_healthy_instance_has_a_short_answer_whether_it_runs_or_not() {
    let house = House::new();
    let report = house.doctor();
    assert!(report.wrong().is_empty(), "before the first start: {:#}", report.json);
    house.live(|sidecar| {
        let report = running::look(&house, sidecar);
        assert!(report.wrong().is_empty(), "while it runs: {:#}", report.json);
        assert_eq!(report.json["instance"], "running");
        let text = running::text(&house, sidecar, &[]);
        assert!(text.lines().count() <= 5, "more than a glance takes:\n{text}");
    });
    let report = house.doctor();
    assert!(report.wrong().is_empty(), "after the stop: {:#}", report.json);
    assert_eq!(report.json["instance"], "silent");
    let is_at_fault = report.json["level"] == "warning" || report.json["level"] == "error";
    assert_eq!(report.code, Some(i32::from(is_at_fault)), "{:#}", report.json);
}

/// Which also says that the reference lists every check, and nothing else.
#[test]
fn every_check_of_the_reference_has_its_say() {
    let reference = sidegate::cli::doctor_reference();
    let listed: BTreeSet<&str> =
        reference.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let house = House::new();
    let mut said = BTreeSet::new();
    house.live(|sidecar| {
        let report = running::look(&house, sidecar);
        said.extend(
            report.json["findings"].as_array().expect("a list").iter().map(|finding| finding["check"].to_string()),
        );
        assert_eq!(report.json["checks"], listed.len(), "{:#}", report.json);
    });
    let said: BTreeSet<&str> = said.iter().map(|name| name.trim_matches('"')).collect();
    assert_eq!(said, listed);
}

#[test]
fn it_changes_nothing_and_leaves_nothing() {
    let house = House::new();
    house.live(|_| ());
    let files = |house: &House| {
        let mut command = std::process::Command::new("find");
        command.arg(house.path("data")).args(["-printf", "%p %s %m %T@\n"]);
        let listed = crate::support::run(command).stdout;
        let mut lines: Vec<_> = listed.lines().map(str::to_owned).collect();
        // A file that comes and goes shows in the time of the directory.
        lines.retain(|line| !line.starts_with(&format!("{} ", house.text("data"))));
        lines.sort();
        lines
    };
    let before = files(&house);
    house.doctor();
    assert_eq!(files(&house), before);
}

/// Silence where somebody is said to be is no good news, and a check that was not made is none that says so.
#[test]
fn nobody_at_an_address_that_was_named_is_an_error_and_elsewhere_a_note() {
    const NOBODY: &str = "http://127.0.0.1:9";
    let house = House::new();
    let silent = house.doctor();
    silent.assert("not named", "instance", "note", &["no instance answers at", "checks were not made", "readiness"]);
    let not_made = silent.json["not_made"].as_array().expect("a list").len();
    let all = sidegate::cli::doctor_reference().lines().filter(|line| line.starts_with("| `")).count();
    assert!(not_made > 5 && silent.json["checks"] == all - not_made, "{:#}", silent.json);
    assert!(silent.wrong().is_empty(), "{:#}", silent.json);
    for (flag, check) in [("--ops", "instance"), ("--admin", "admin")] {
        let mut house = House::new();
        house.argument(flag);
        house.argument(NOBODY);
        let report = house.doctor();
        report.assert(flag, check, "error", &["answers at `127.0.0.1:9`", flag]);
        assert_eq!(report.code, Some(1), "{:#}", report.json);
    }
}

/// What tells whether a mend has helped looks at what was looked at.
#[test]
fn the_command_that_it_advises_has_the_flags_that_it_was_given() {
    let house = House::new();
    house.configure("audit: { mode: sometimes }");
    let advised = format!(
        "`sidegate serve --check-config --config {} --policies {} --data {} --authorize-listen 127.0.0.1:0 ",
        house.text("sidegate.yaml"),
        house.text("set"),
        house.text("data")
    );
    house.doctor().assert("a wrong word", "configuration", "error", &[&advised, "says whether it is mended"]);
}

#[test]
fn stretches_of_time_are_told_as_people_write_them() {
    let text = run(House::new().command(&["--verbose"])).stdout;
    assert!(text.contains("what is older than 90d goes"), "{text}");
}

#[test]
fn what_was_typed_wrong_is_a_usage_error() {
    for (argument, says) in [("--admin", "no address"), ("--ops", "no address")] {
        let exited = sidegate(["doctor", argument, "ftp://x"]);
        assert_eq!(exited.code, Some(64), "{exited:?}");
        assert!(exited.stderr.contains(says), "{exited:?}");
    }
}

/// The shipped configurations are good ones to start from.
#[test]
fn it_finds_the_demo_in_order() {
    let data = tempfile::tempdir().expect("a temporary directory");
    let sidecar = Sidecar::builder().policies(repo("policies/demo")).data(data.path().join("data")).start();
    let ops = format!("http://{}", sidecar.ops_address());
    let config = repo("config/sidegate.yaml");
    let data = data.path().join("data");
    let text = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let exited = sidegate([
        "doctor",
        "--config",
        &text(&config),
        "--policies",
        &text(&repo("policies/demo")),
        "--data",
        &text(&data),
        "--ops",
        &ops,
        "--admin",
        &format!("http://{}", sidecar.admin_address()),
    ]);
    assert!(!exited.stdout.contains("error  "), "{exited:?}");
}
