//! Every cell of the smallest example, asked over HTTP of `policies/demo`, the set that the README shows.

use crate::support::{
    Grid, Sidecar,
    facts::{Facts, expected},
    repo, run,
};
use serde_json::json;
use std::process::Command;

#[test]
fn every_cell_of_the_demo_is_answered_as_the_facts_say() {
    let Some(facts) = Facts::read("demo") else { return };
    let sidecar = Sidecar::builder().start();
    let mut grid = Grid::new(&sidecar);
    for user in facts.users() {
        for module in facts.modules() {
            let ty = facts.resource(&module);
            let grants = user.grants(&facts, "", &module);
            for action in facts.actions(&module) {
                for (attributes, own) in
                    [(json!({}), false), (json!({ "owner": user.id }), true), (json!({ "owner": "nobody" }), false)]
                {
                    let want = user.refused_for_status().unwrap_or_else(|| expected(&grants, &action, None, own));
                    let resource = json!({ "type": ty, "id": format!("{ty}-1"), "attributes": attributes });
                    grid.ask(&json!({ "user": user.id, "action": action, "resource": resource }), want);
                    // The id of a resource is optional.
                    let resource = json!({ "type": ty, "attributes": attributes });
                    grid.ask(&json!({ "user": user.id, "action": action, "resource": resource }), want);
                }
            }
        }
    }
    assert!(grid.finish() >= 6 * 2 * 4 * 3 * 2);
}

#[test]
fn the_short_form_of_a_resource_means_the_same() {
    let sidecar = Sidecar::builder().start();
    let mut grid = Grid::new(&sidecar);
    for (user, action, want) in [
        ("alice", "delete", ("allow", "granted")),
        ("bob", "edit", ("allow", "granted")),
        ("bob", "delete", ("deny", "not_granted")),
        ("carol", "edit", ("deny", "condition_not_met")),
        ("dave", "view", ("deny", "user_suspended")),
        ("erin", "view", ("deny", "user_invited")),
        ("frank", "view", ("deny", "not_granted")),
    ] {
        grid.ask(&json!({ "user": user, "action": action, "resource": "order:o-1" }), want);
    }
    grid.finish();
}

#[test]
fn a_module_as_a_whole_can_be_asked_for() {
    let sidecar = Sidecar::builder().start();
    let mut grid = Grid::new(&sidecar);
    for (user, action, want) in [
        ("alice", "create", ("allow", "granted")),
        ("bob", "edit", ("allow", "granted")),
        ("bob", "create", ("deny", "not_granted")),
        ("frank", "view", ("deny", "not_granted")),
    ] {
        grid.ask(&json!({ "user": user, "action": action, "resource": { "type": "orders" } }), want);
    }
    grid.finish();
}

#[test]
fn what_the_demo_does_not_know_is_denied_with_its_own_reason() {
    let sidecar = Sidecar::builder().start();
    let mut grid = Grid::new(&sidecar);
    for (user, action, ty, code) in [
        ("zoe", "view", "order", "user_unknown"),
        ("alice", "view", "invoice", "module_unknown"),
        ("alice", "approve", "order", "action_unknown"),
    ] {
        grid.ask(&json!({ "user": user, "action": action, "resource": { "type": ty, "id": "x" } }), ("deny", code));
    }
    grid.finish();
}

/// Its users are in no other set.
#[test]
fn make_run_prints_its_first_question_for_this_set_alone() {
    let lines = "echo 'listening listener=authorize address=127.0.0.1:8480' >&2; echo ready >&2";
    for (set, is_asked) in [("policies/demo", true), ("policies/8move", false)] {
        let mut command = Command::new(repo("scripts/run"));
        command.args(["sh", "-c", lines, "serve", "--policies", set, "--data", "./data"]);
        let exited = run(command);
        assert!(exited.code == Some(0) && exited.stderr.contains("ready"), "{exited:?}");
        assert_eq!(exited.stderr.contains(r#""user":"bob""#), is_asked, "{set}: {exited:?}");
    }
}
