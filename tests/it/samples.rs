//! The policy sets that are shipped compile without a warning, and their tests pass.

use sidegate::{
    document::Diagnostics,
    policy::{self, Options, Snapshot},
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("policies")
}

#[track_caller]
fn load(name: &str) -> Snapshot {
    policy::load(&root().join(name), &Options::default())
        .unwrap_or_else(|error| panic!("{}", Diagnostics::from(error).render(false)))
}

/// Every shipped set.
fn sets() -> Vec<String> {
    let entries = std::fs::read_dir(root()).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_shipped_set_compiles_without_a_warning() {
    for name in sets() {
        let snapshot = load(&name);
        assert_eq!(snapshot.name, name);
        assert!(snapshot.description.is_some(), "{name} has no description");
        assert!(snapshot.warnings.is_empty(), "{name}: {:?}", snapshot.warnings);
        assert!(!snapshot.tests.is_empty(), "{name} has no tests");
    }
}

#[test]
fn every_test_of_every_shipped_set_passes() {
    for name in sets() {
        let report = policy::run_tests(&load(&name));
        let failures: Vec<_> = report.failures().map(ToString::to_string).collect();
        assert!(
            failures.is_empty(),
            "{name}: {} of {}:\n{}",
            failures.len(),
            report.results.len(),
            failures.join("\n")
        );
    }
}

#[test]
fn every_rule_of_8move_that_policies_decide_is_named_by_a_test() {
    let snapshot = load("8move");
    let named: BTreeSet<_> = snapshot.tests.iter().flat_map(|test| &test.rules).map(String::as_str).collect();
    let decided = ["8move-cross-tenant", "8move-custom-role", "8move-status", "8move-tenant", "8move-tenant-missing"];
    assert_eq!(named, BTreeSet::from(decided));
}

#[test]
fn the_tests_of_8move_ask_every_role_for_every_action_of_every_module() {
    let snapshot = load("8move");
    let roles = [
        ("ada", "admin"),
        ("mona", "manager"),
        ("sam", "sales-rep"),
        ("wes", "warehouse"),
        ("fin", "finance"),
        ("cat", "catalog-manager"),
    ];
    for (user, role) in roles {
        for module in &snapshot.catalog.modules {
            for action in &module.actions {
                if action == "update_status" && module.id != "orders" {
                    continue;
                }
                let asked = snapshot.tests.iter().any(|test| {
                    test.user == user
                        && test.action == *action
                        && (test.resource_type == module.id || module.resource_types.contains(&test.resource_type))
                });
                assert!(asked, "no test asks whether {role} may {action} on {}", module.id);
            }
        }
    }
}

#[test]
fn the_printed_cedar_of_every_shipped_set_is_cedar() {
    for name in sets() {
        let snapshot = load(&name);
        let printed: cedar_policy::PolicySet = snapshot.to_cedar().parse().unwrap();
        assert_eq!(printed.policies().count(), snapshot.program.policies().len());
        for (policy, facts) in printed.policies().zip(snapshot.program.policies()) {
            assert_eq!(policy.annotation("id"), Some(&*facts.id));
            assert_eq!(policy.annotation("source"), facts.location.as_ref().map(ToString::to_string).as_deref());
        }
    }
}
