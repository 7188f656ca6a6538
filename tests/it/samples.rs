//! The policy sets that are shipped compile without a warning, and their tests pass.

use cedar_policy::{Entities, EntityUid};
use serde_json::json;
use sidegate::{
    document::Diagnostics,
    engine::{AttributeType, Dialect},
    model::{ReasonCode, Value},
    policy::{self, DecisionTest, Expectation, Options, PolicyTest, Snapshot},
};
use std::path::{Path, PathBuf};

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
fn the_tests_of_every_shipped_set_cover_all_of_it() {
    for name in sets() {
        let coverage = policy::run_tests(&load(&name)).coverage;
        let missing: Vec<_> = coverage.counts().into_iter().flat_map(|(_, count)| &count.missing).collect();
        assert!(missing.is_empty(), "{name}: {} %: {missing:#?}", coverage.percent());
        assert!((coverage.percent() - 100.0).abs() < f64::EPSILON);
        assert!(coverage.policies.total > 5, "{name}");
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

/// An attribute in Cedar's JSON: what is declared as an entity is given by its id.
fn as_json(value: &Value<'_>, ty: Option<&AttributeType>) -> serde_json::Value {
    match (value, ty) {
        (Value::String(id), Some(AttributeType::Entity(ty))) => json!({ "__entity": { "type": ty, "id": id } }),
        (Value::Entity { ty, id }, _) => json!({ "__entity": { "type": ty, "id": id } }),
        (Value::Set(items), Some(AttributeType::Set(ty))) => {
            items.iter().map(|item| as_json(item, Some(ty))).collect::<Vec<_>>().into()
        }
        (Value::String(text), _) => json!(text),
        (Value::Long(number), _) => json!(number),
        (Value::Bool(value), _) => json!(value),
        _ => panic!("no shipped set has such a value: {value:?}"),
    }
}

fn attributes(given: &[(String, Value<'static>)], types: &[(String, AttributeType)]) -> serde_json::Value {
    let ty = |name: &str| types.iter().find(|(known, _)| known == name).map(|(_, ty)| ty);
    let fields = given.iter().map(|(name, value)| (name.clone(), as_json(value, ty(name))));
    serde_json::Value::Object(fields.collect())
}

/// What the compiled text and entities say, decided by Cedar alone, without the engine.
fn decide_in_plain_cedar(
    snapshot: &Snapshot,
    policies: &cedar_policy::PolicySet,
    test: &PolicyTest,
    question: &DecisionTest,
) -> Option<bool> {
    let Dialect::Declared(vocabulary) = snapshot.program.dialect() else { panic!("a set with modules") };
    let user = snapshot.users.iter().chain(&snapshot.test_users).find(|user| user.id == test.user)?;
    let given = user.assignments(test.tenant.as_deref(), test.at);
    let parents: Vec<_> = given.map(|one| json!({ "type": one.kind.entity_type(), "id": one.name })).collect();
    let (ty, id) = (&question.resource_type, &question.resource_id);
    let of_type = vocabulary.resource_types.iter().find(|known| known.name == *ty).map(|known| known.module);
    let module = of_type.or_else(|| vocabulary.modules.iter().position(|module| module.id == *ty))?;
    let module = &vocabulary.modules[module];
    let area = module.areas.contains(id).then(|| format!("{}/{}", module.id, id));
    let above = match &area {
        Some(area) => json!({ "type": "Area", "id": area }),
        None => json!({ "type": "Module", "id": module.id }),
    };
    let whole = module.id == *ty;
    let resource = if whole { above.clone() } else { json!({ "type": ty, "id": id }) };
    let mut entities: Vec<serde_json::Value> = serde_json::from_str(&snapshot.entities_json()).unwrap();
    let own = attributes(&user.attributes, &vocabulary.user_attributes);
    entities.push(json!({ "uid": { "type": "User", "id": test.user }, "attrs": own, "parents": parents }));
    if !whole {
        let declared = vocabulary.resource_types.iter().find(|known| known.name == *ty)?;
        let attributes = attributes(&question.attributes, &declared.attributes);
        entities.push(json!({ "uid": resource, "attrs": attributes, "parents": [above] }));
    }
    let entities = Entities::from_json_value(serde_json::Value::Array(entities), None).unwrap();
    let uid = |value: serde_json::Value| EntityUid::from_json(value).unwrap();
    let request = cedar_policy::Request::new(
        uid(json!({ "type": "User", "id": test.user })),
        uid(json!({ "type": "Action", "id": question.action })),
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
    let by_policies =
        [ReasonCode::Granted, ReasonCode::NotGranted, ReasonCode::ConditionNotMet, ReasonCode::GateClosed];
    for name in sets() {
        let snapshot = load(&name);
        let printed: cedar_policy::PolicySet = snapshot.to_cedar().parse().unwrap();
        let mut decided = 0;
        for test in &snapshot.tests {
            let Expectation::Decision(question) = &test.expectation else { continue };
            if question.reason.is_some_and(|code| by_policies.contains(&code)) {
                let allowed = decide_in_plain_cedar(&snapshot, &printed, test, question).unwrap();
                assert_eq!(allowed, question.expect.is_allow(), "{name}: {}: {}", test.location, test.name);
                decided += 1;
            }
        }
        assert!(decided > 50, "{name}: {decided}");
    }
}
