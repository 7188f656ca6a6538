//! The policy sets that are shipped compile without a warning, and their tests pass.

use cedar_policy::{Entities, EntityUid};
use serde_json::json;
use sidegate::{
    document::Diagnostics,
    model::{ReasonCode, Value},
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

/// What the compiled text and entities say, decided by Cedar alone, without the engine.
fn decide_in_plain_cedar(
    snapshot: &Snapshot,
    policies: &cedar_policy::PolicySet,
    test: &policy::PolicyTest,
) -> Option<bool> {
    let user = snapshot.users.iter().find(|user| user.id == test.user)?;
    let given = user
        .memberships
        .iter()
        .filter(|membership| user.memberships.len() == 1 && test.tenant.is_none() || membership.tenant == test.tenant);
    let given: Vec<_> = given.flat_map(|membership| &membership.assignments).collect();
    let parents: Vec<_> = given.iter().map(|one| json!({ "type": one.kind.entity_type(), "id": one.name })).collect();
    let module = snapshot
        .catalog
        .modules
        .iter()
        .find(|module| module.id == test.resource_type || module.resource_types.contains(&test.resource_type))?;
    let area = module.areas.contains(&test.resource_id).then(|| format!("{}/{}", module.id, test.resource_id));
    let above = match &area {
        Some(area) => json!({ "type": "Area", "id": area }),
        None => json!({ "type": "Module", "id": module.id }),
    };
    let whole = module.id == test.resource_type;
    let resource = if whole { above.clone() } else { json!({ "type": test.resource_type, "id": test.resource_id }) };
    let attributes: serde_json::Map<_, _> = test
        .attributes
        .iter()
        .map(|(name, value)| {
            let Value::String(given) = value else { panic!("only texts here") };
            let is_user = name == "owner" || name == "account_manager";
            (name.clone(), if is_user { json!({ "__entity": { "type": "User", "id": given } }) } else { json!(given) })
        })
        .collect();
    let mut entities: Vec<serde_json::Value> = serde_json::from_str(&snapshot.entities_json()).unwrap();
    entities.push(json!({ "uid": { "type": "User", "id": test.user }, "attrs": {}, "parents": parents }));
    if !whole {
        entities.push(json!({ "uid": resource, "attrs": attributes, "parents": [above] }));
    }
    let entities = Entities::from_json_value(serde_json::Value::Array(entities), None).unwrap();
    let uid = |value: serde_json::Value| EntityUid::from_json(value).unwrap();
    let request = cedar_policy::Request::new(
        uid(json!({ "type": "User", "id": test.user })),
        uid(json!({ "type": "Action", "id": test.action })),
        uid(resource),
        cedar_policy::Context::empty(),
        None,
    )
    .unwrap();
    let response = cedar_policy::Authorizer::new().is_authorized(&request, policies, &entities);
    assert_eq!(response.diagnostics().errors().count(), 0, "{}", test.name);
    Some(response.decision() == cedar_policy::Decision::Allow)
}

#[test]
fn the_printed_cedar_decides_what_the_tests_expect_where_no_structure_decides_first() {
    let structural = [ReasonCode::Granted, ReasonCode::NotGranted, ReasonCode::ConditionNotMet];
    for name in sets() {
        let snapshot = load(&name);
        let printed: cedar_policy::PolicySet = snapshot.to_cedar().parse().unwrap();
        let decided = snapshot.tests.iter().filter(|test| test.reason.is_some_and(|code| structural.contains(&code)));
        for test in decided {
            let allowed = decide_in_plain_cedar(&snapshot, &printed, test).unwrap();
            assert_eq!(allowed, test.expect.is_allow(), "{}: {}", test.location, test.name);
        }
    }
}
