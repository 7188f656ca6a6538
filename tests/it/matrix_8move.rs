//! Every cell of the distributor back office's matrix, asked over HTTP of `policies/8move`.
//!
//! The facts come from their neutral form beside the repository; the policy set is the product's own expression of them.

use crate::support::{
    Grid, PolicyDir, Sidecar,
    facts::{Facts, User, expected},
    repo, wait_for,
};
use serde_json::{Value, json};
use std::time::Duration;

/// The shared facts name it so.
const SYSTEM: &str = "8move";
const RELOAD_DEADLINE: Duration = Duration::from_secs(20);

fn start() -> Sidecar {
    Sidecar::builder().policies(repo("policies/8move")).start()
}

/// One way to ask about a module: the resource, the area it is in, and whether the condition of a scoped cell holds.
struct Variant {
    resource: Value,
    area: Option<String>,
    condition_holds: bool,
}

/// The ways that matter for a module.
fn variants(facts: &Facts, module: &str, user: &str) -> Vec<Variant> {
    let ty = facts.resource(module);
    let areas = facts.areas(module);
    if !areas.is_empty() {
        let in_area = |area: String| {
            let resource = json!({ "type": ty, "id": area });
            Variant { resource, area: Some(area), condition_holds: false }
        };
        return areas.into_iter().map(in_area).collect();
    }
    let plain = |attributes: Value, condition_holds| {
        let resource = json!({ "type": ty, "id": format!("{ty}-1"), "attributes": attributes });
        Variant { resource, area: None, condition_holds }
    };
    vec![
        plain(json!({}), false),
        plain(json!({ "account_manager": user }), true),
        plain(json!({ "account_manager": "somebody-else" }), false),
    ]
}

fn user<'f>(users: &'f [User], id: &str) -> &'f User {
    users.iter().find(|user| user.id == id).unwrap_or_else(|| panic!("no sample user `{id}`"))
}

/// Rules 8move-status and 8move-tenant: the status decides first, and roles count in their own tenant alone.
#[test]
fn every_cell_is_answered_as_the_matrix_says() {
    let Some(facts) = Facts::read(SYSTEM) else { return };
    let sidecar = start();
    let mut grid = Grid::new(&sidecar);
    for user in facts.users() {
        for tenant in facts.tenants() {
            for module in facts.modules() {
                let grants = user.grants(&facts, &tenant, &module);
                for variant in variants(&facts, &module, &user.id) {
                    for action in facts.actions(&module) {
                        let want = user.refused_for_status().unwrap_or_else(|| {
                            expected(&grants, &action, variant.area.as_deref(), variant.condition_holds)
                        });
                        let question = json!({
                            "user": user.id, "action": action, "tenant": tenant, "resource": variant.resource,
                        });
                        grid.ask(&question, want);
                    }
                }
            }
        }
    }
    assert!(grid.finish() > 1_000);
}

/// Rule 8move-tenant-missing.
#[test]
fn a_request_that_names_no_tenant_is_taken_to_be_in_the_only_one() {
    let Some(facts) = Facts::read(SYSTEM) else { return };
    let sidecar = start();
    let mut grid = Grid::new(&sidecar);
    for user in facts.users() {
        let tenants: Vec<_> = user.tenants().into_iter().collect();
        for module in facts.modules() {
            let variant = &variants(&facts, &module, &user.id)[0];
            for action in facts.actions(&module) {
                let want = user.refused_for_status().unwrap_or_else(|| match tenants[..] {
                    [only] => expected(&user.grants(&facts, only, &module), &action, variant.area.as_deref(), false),
                    _ => ("deny", "tenant_missing"),
                });
                grid.ask(&json!({ "user": user.id, "action": action, "resource": variant.resource }), want);
            }
        }
    }
    grid.finish();
}

/// Rule 8move-cross-tenant.
#[test]
fn a_resource_of_another_tenant_is_never_allowed() {
    let Some(facts) = Facts::read(SYSTEM) else { return };
    let sidecar = start();
    let mut grid = Grid::new(&sidecar);
    let tenants = facts.tenants();
    for user in facts.users().iter().filter(|user| user.refused_for_status().is_none()) {
        for asked_in in user.tenants() {
            for belongs_to in &tenants {
                for module in facts.modules() {
                    let mut variant = variants(&facts, &module, &user.id).swap_remove(0);
                    variant.resource["attributes"]["tenant"] = json!(belongs_to);
                    for action in facts.actions(&module) {
                        let want = if belongs_to == asked_in {
                            let grants = user.grants(&facts, asked_in, &module);
                            expected(&grants, &action, variant.area.as_deref(), false)
                        } else {
                            ("deny", "tenant_mismatch")
                        };
                        let question = json!({
                            "user": user.id, "action": action, "tenant": asked_in, "resource": variant.resource,
                        });
                        grid.ask(&question, want);
                    }
                }
            }
        }
    }
    grid.finish();
}

#[test]
fn a_resource_of_another_tenant_is_refused_where_the_tenant_is_only_implied() {
    let Some(facts) = Facts::read(SYSTEM) else { return };
    let users = facts.users();
    let mona = user(&users, "mona");
    assert_eq!(mona.tenants().into_iter().collect::<Vec<_>>(), ["north"]);
    let sidecar = start();
    let mut grid = Grid::new(&sidecar);
    let product = |tenant: &str| json!({ "type": "product", "id": "p-1", "attributes": { "tenant": tenant } });
    grid.ask(&json!({ "user": "mona", "action": "edit", "resource": product("north") }), ("allow", "granted"));
    grid.ask(&json!({ "user": "mona", "action": "edit", "resource": product("south") }), ("deny", "tenant_mismatch"));
    grid.finish();
}

#[test]
fn what_the_policy_set_does_not_know_is_denied_with_its_own_reason() {
    let Some(_) = Facts::read(SYSTEM) else { return };
    let sidecar = start();
    let mut grid = Grid::new(&sidecar);
    let order = json!({ "type": "order", "id": "o-1" });
    for (question, code) in [
        (json!({ "user": "nobody", "action": "view", "tenant": "north", "resource": order }), "user_unknown"),
        (json!({ "user": "ada", "action": "view", "tenant": "east", "resource": order }), "tenant_unknown"),
        (
            json!({ "user": "ada", "action": "view", "tenant": "north", "resource": { "type": "ship" } }),
            "module_unknown",
        ),
        (json!({ "user": "ada", "action": "sink", "tenant": "north", "resource": order }), "action_unknown"),
    ] {
        grid.ask(&question, ("deny", code));
    }
    grid.finish();
}

#[test]
fn attributes_that_are_not_declared_change_nothing() {
    let Some(_) = Facts::read(SYSTEM) else { return };
    let sidecar = start();
    let mut grid = Grid::new(&sidecar);
    let with = |attributes: Value| json!({ "user": "sam", "action": "edit", "tenant": "north", "resource": { "type": "client", "attributes": attributes } });
    grid.ask(&with(json!({ "account_manager": "sam", "colour": "red", "nested": { "a": [1] } })), ("allow", "granted"));
    grid.ask(&with(json!({ "manager": "sam" })), ("deny", "condition_not_met"));
    grid.finish();
}

/// Rule 8move-custom-role.
#[test]
fn a_new_role_is_live_after_one_file_changes() {
    let policies = PolicyDir::copy_of(repo("policies/8move"));
    let sidecar = Sidecar::builder().policies(policies.path()).start();
    let process = sidecar.pid();
    let question = |action: &str, resource: &str| json!({ "user": "nina", "action": action, "tenant": "north", "resource": { "type": resource, "id": "x-1" } });
    let before = sidecar.authorize(&question("view", "product")).1;
    assert_eq!(before["reason"]["code"], "user_unknown", "{before}");

    policies.write(
        "stock-auditor.yaml",
        "roles:\n  stock-auditor:\n    name: Stock auditor\n    grants:\n      catalog: view\n      orders: [view, update_status]\n\
         users:\n  nina:\n    name: Nina Auer\n    email: nina@8move.example\n    roles:\n      north: [stock-auditor]\n",
    );
    wait_for("the new role decides", RELOAD_DEADLINE, || {
        sidecar.authorize(&question("view", "product")).1["decision"] == "allow"
    });

    let mut grid = Grid::new(&sidecar);
    grid.ask(&question("update_status", "order"), ("allow", "granted"));
    grid.ask(&question("edit", "order"), ("deny", "not_granted"));
    grid.ask(&question("view", "invoice"), ("deny", "not_granted"));
    grid.finish();
    let after = sidecar.authorize(&question("view", "product")).1;
    assert_ne!(after["revision"], before["revision"]);
    assert_eq!(after["reason"]["policies"], json!(["role/stock-auditor/catalog"]));
    assert_eq!(sidecar.pid(), process);

    policies.remove("stock-auditor.yaml");
    wait_for("the role is gone again", RELOAD_DEADLINE, || {
        sidecar.authorize(&question("view", "product")).1["reason"]["code"] == "user_unknown"
    });
    assert_eq!(sidecar.authorize(&question("view", "product")).1["revision"], before["revision"]);
}
