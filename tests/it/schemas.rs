//! The JSON Schemas in `schemas/` are those that the tables of fields make, and the shipped files follow them.

use sidegate::policy;
use std::{fs, path::Path};

fn check(name: &str, schema: &serde_json::Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    let actual = format!("{schema:#}\n");
    if std::env::var_os("SIDEGATE_UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &actual).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == actual, "schemas/{name} is stale: run SIDEGATE_UPDATE=1 cargo test --test it schemas");
}

#[test]
fn the_schema_of_policy_files_is_up_to_date() {
    check("policy-set.schema.json", &policy::set_schema());
}

#[test]
fn the_schema_of_policy_tests_is_up_to_date() {
    check("policy-tests.schema.json", &policy::tests_schema());
}

/// Every reference within a schema leads somewhere.
#[test]
fn references_within_the_schemas_resolve() {
    fn walk(value: &serde_json::Value, root: &serde_json::Value) {
        if let Some(pointer) = value.get("$ref").and_then(serde_json::Value::as_str) {
            let target = root.pointer(pointer.trim_start_matches('#'));
            assert!(target.is_some_and(serde_json::Value::is_object), "{pointer} leads nowhere");
        }
        let children: Vec<_> = match value {
            serde_json::Value::Array(items) => items.iter().collect(),
            serde_json::Value::Object(map) => map.values().collect(),
            _ => Vec::new(),
        };
        for child in children {
            walk(child, root);
        }
    }
    for schema in [policy::set_schema(), policy::tests_schema()] {
        walk(&schema, &schema);
    }
}
