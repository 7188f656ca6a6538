//! What a set has to give.

use super::desk::{Desk, sidecar};
use serde_json::json;

#[test]
fn roles_and_presets_are_listed_as_the_files_have_them() {
    let omc = sidecar("omc");
    let roles = Desk::operator(&omc).get("/v1/roles").json();
    let first = &roles["items"][0];
    assert_eq!(
        (&first["id"], &first["name"], &first["rank"], &first["family"]),
        (&json!("client_admin"), &json!("Client administrator"), &json!(0), &json!("backoffice"))
    );
    assert!(!first["grants"].as_array().expect("grants").is_empty());
    let propeller = sidecar("propeller");
    let operator = Desk::operator(&propeller);
    let presets = operator.get("/v1/presets").json();
    let preset = presets["items"].as_array().expect("presets").iter().find(|preset| preset["id"] == "full-admin");
    let preset = preset.expect("a preset");
    assert_eq!(preset["gates"].as_array().map(Vec::len), Some(2));
    assert_eq!(preset["grants"]["pricing"], "owner");
    assert_eq!(operator.get("/v1/roles").json()["items"].as_array().map(Vec::len), Some(0));
}
