//! Members and administrators of the manufacturing ERP, asked over HTTP of `policies/backbone`.

use crate::support::{
    Grid, Sidecar,
    facts::{Expected, Facts, keys, text, texts},
    repo,
};
use serde_json::json;
use std::collections::BTreeSet;

/// The actions of a role on a module.
fn granted(facts: &Facts, role: &str, module: &str) -> Vec<String> {
    let cells = &facts.root()["cells"][role];
    if cells.is_string() {
        return facts.actions(module);
    }
    let cell = &cells[module];
    if cell.is_sequence() {
        texts(cell)
    } else {
        cell.as_str().map_or_else(Vec::new, |level| texts(&facts.root()["levels"][level]))
    }
}

/// Rules backbone-org and backbone-list.
#[test]
fn every_cell_is_answered_as_the_facts_say_in_both_organizations() {
    let Some(facts) = Facts::read("backbone") else { return };
    let users = &facts.root()["users"];
    let organizations: BTreeSet<_> =
        keys(users).iter().map(|user| text(&users[user.as_str()]["organization"])).collect();
    let sidecar = Sidecar::builder().policies(repo("policies/backbone")).start();
    let mut grid = Grid::new(&sidecar);
    for user in keys(users) {
        let (role, own) = (text(&users[user.as_str()]["role"]), text(&users[user.as_str()]["organization"]));
        for module in facts.modules() {
            let allowed = granted(&facts, &role, &module);
            let types = texts(&facts.root()["modules"][module.as_str()]["resources"]);
            for action in facts.actions(&module) {
                let by_role: Expected =
                    if allowed.contains(&action) { ("allow", "granted") } else { ("deny", "not_granted") };
                for ty in types.iter().chain([&module]) {
                    let ask = |attributes: serde_json::Value| json!({ "user": user, "action": action, "resource": { "type": ty, "id": "x", "attributes": attributes } });
                    grid.ask(&ask(json!({})), by_role);
                    for organization in &organizations {
                        let is_own = *organization == own;
                        let mut question = ask(json!({}));
                        question["tenant"] = json!(organization);
                        grid.ask(&question, if is_own { by_role } else { ("deny", "not_granted") });
                        // What belongs to another organization is closed also to whoever says to be in it.
                        let record = ask(json!({ "tenant": organization }));
                        grid.ask(&record, if is_own { by_role } else { ("deny", "tenant_mismatch") });
                    }
                }
            }
        }
    }
    assert!(grid.finish() > 1_000);
}
