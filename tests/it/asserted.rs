//! Roles that callers vouch for (`subjects.trust_asserted_roles`): off by default, and then worth nothing.

use crate::support::{PolicyDir, Sidecar, repo, wait_for};
use serde_json::{Value, json};
use std::time::Duration;

const TRUSTING: &str = "subjects: { trust_asserted_roles: true }";
const SOON: Duration = Duration::from_secs(30);

fn office(settings: &str) -> Sidecar {
    Sidecar::builder().policies(repo("policies/8move")).config(settings).start()
}

fn evaluation(id: &str, properties: &Value, tenant: Option<&str>) -> Value {
    let context = tenant.map_or(json!({}), |tenant| json!({ "tenant": tenant }));
    json!({ "subject": { "type": "user", "id": id, "properties": properties }, "action": { "name": "edit" },
        "resource": { "type": "order", "id": "o-1" }, "context": context })
}

fn asked(sidecar: &Sidecar, body: &Value) -> (bool, String) {
    let answer = sidecar.post("/access/v1/evaluation", body).json();
    let code = answer["context"]["reason"]["code"].as_str().unwrap_or_else(|| panic!("{body}: {answer}")).to_owned();
    (answer["decision"] == true, code)
}

#[test]
fn roles_in_the_properties_count_only_where_the_operator_says_so() {
    let (plain, trusting) = (office("{}"), office(TRUSTING));
    let north = Some("north");
    for (id, properties, tenant, off, on) in [
        ("sam", json!({}), north, "condition_not_met", "condition_not_met"),
        ("sam", json!({ "roles": ["manager"] }), north, "condition_not_met", "granted"),
        ("sam", json!({ "roles": "manager" }), north, "condition_not_met", "granted"),
        ("sam", json!({ "roles": [] }), north, "condition_not_met", "condition_not_met"),
        ("wes", json!({ "roles": ["manager"] }), None, "not_granted", "granted"),
        // The tenant of the question bounds them.
        ("wes", json!({ "roles": ["manager"], "tenant": "north" }), None, "not_granted", "granted"),
        ("wes", json!({ "roles": ["manager"] }), Some("west"), "tenant_unknown", "tenant_unknown"),
        ("max", json!({ "roles": ["manager"] }), None, "tenant_missing", "tenant_missing"),
        ("max", json!({ "roles": ["manager"] }), Some("south"), "not_granted", "granted"),
        // Who is suspended or has not accepted stays denied, and unknown roles grant nothing.
        ("sue", json!({ "roles": ["admin"] }), north, "user_suspended", "user_suspended"),
        ("ivy", json!({ "roles": ["admin"] }), north, "user_invited", "user_invited"),
        ("zoe", json!({ "roles": ["admin"] }), north, "user_unknown", "granted"),
        ("zoe", json!({ "roles": ["Admin", "root", ""] }), north, "user_unknown", "not_granted"),
        ("zoe", json!({ "roles": [] }), north, "user_unknown", "not_granted"),
        // Nothing else is asserted this way.
        (
            "zoe",
            json!({ "grants": { "orders": "full" }, "status": "active", "gates": ["x"] }),
            north,
            "user_unknown",
            "user_unknown",
        ),
    ] {
        let body = evaluation(id, &properties, tenant);
        assert_eq!(asked(&plain, &body).1, off, "without trust: {body}");
        assert_eq!(asked(&trusting, &body), (on == "granted", on.to_owned()), "with trust: {body}");
    }
    assert_eq!(trusting.count("sidegate_asserted_roles_ignored_total", &["why=\"unknown\""]), 3);
    assert_eq!(plain.count("sidegate_asserted_roles_ignored_total", &[]), 0);
    wait_for("records tell the roles that counted", SOON, || {
        let records = trusting.admin_get("/v1/audit?user=zoe").json();
        let roles: Vec<_> = records["items"].as_array().unwrap().iter().map(|record| record["roles"].clone()).collect();
        roles.contains(&json!(["admin"])) && roles.iter().all(|roles| !roles.to_string().contains("root"))
    });
}

#[test]
fn v1_authorize_takes_roles_in_the_subject() {
    let (plain, trusting) = (office("{}"), office(TRUSTING));
    let question =
        |subject: Value| json!({ "subject": subject, "action": "edit", "tenant": "north", "resource": "order:o-1" });
    let boss = question(json!({ "id": "zoe", "roles": ["manager"] }));
    assert_eq!(trusting.authorize(&boss).1["decision"], "allow");
    let (status, answer) = plain.authorize(&boss);
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("malformed_request")));
    assert!(answer["error"]["message"].as_str().unwrap().contains("subjects.trust_asserted_roles"), "{answer}");
    assert_eq!(
        trusting.authorize(&question(json!({ "id": "sue", "roles": ["admin"] }))).1["reason"]["code"],
        "user_suspended"
    );
    assert_eq!(trusting.authorize(&question(json!({ "id": "wes" }))).1["reason"]["code"], "not_granted");
    assert_eq!(trusting.authorize(&question(json!({ "roles": ["admin"] }))).0, 400, "roles of nobody");
}

#[test]
fn trust_can_be_given_and_taken_while_the_sidecar_runs() {
    let sidecar = office("{}");
    let boss = evaluation("zoe", &json!({ "roles": ["manager"] }), Some("north"));
    assert!(!asked(&sidecar, &boss).0);
    sidecar.configure(TRUSTING);
    wait_for("roles count", SOON, || asked(&sidecar, &boss).0);
    sidecar.configure("subjects: { trust_asserted_roles: false }");
    wait_for("roles count no longer", SOON, || !asked(&sidecar, &boss).0);
}

#[test]
fn malformed_roles_are_told_where_they_would_count() {
    let (plain, trusting) = (office("{}"), office(TRUSTING));
    for roles in [json!(5), json!([5]), json!({ "a": "b" }), json!([["admin"]])] {
        let body = evaluation("wes", &json!({ "roles": roles }), Some("north"));
        assert_eq!(trusting.post("/access/v1/evaluation", &body).status, 400, "{body}");
        assert_eq!(plain.post("/access/v1/evaluation", &body).status, 200, "a property like any other: {body}");
    }
}

/// Nobody could suspend who has no id, and nobody find a record of whoever has one that cannot be seen.
#[test]
fn roles_are_vouched_for_of_somebody_who_can_be_a_user() {
    let trusting = office(TRUSTING);
    let long = "x".repeat(257);
    for id in ["", " ", "zo\u{0}e", "zoe\n", " zoe", &long] {
        let body = evaluation(id, &json!({ "roles": ["manager"] }), Some("north"));
        let answer = trusting.post("/access/v1/evaluation", &body);
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!("malformed_request")), "{id:?}");
        let question = json!({ "subject": { "id": id, "roles": ["manager"] }, "action": "edit", "tenant": "north",
            "resource": "order:o-1" });
        let (status, answer) = trusting.authorize(&question);
        assert_eq!((status, &answer["error"]["code"]), (400, &json!("malformed_request")), "{id:?}");
        let access = json!({ "subject": { "id": id, "roles": ["manager"] }, "tenant": "north" });
        assert_eq!(trusting.post("/v1/access", &access).status, 400, "{id:?}");
        // One who is not vouched for is nobody, whatever the name.
        let plain = evaluation(id, &json!({}), Some("north"));
        assert_eq!(asked(&trusting, &plain), (false, "user_unknown".to_owned()), "{id:?}");
    }
    let longest = evaluation(&"x".repeat(256), &json!({ "roles": ["manager"] }), Some("north"));
    assert!(asked(&trusting, &longest).0);
}

#[test]
fn batches_take_each_items_own_roles() {
    let sidecar = office(TRUSTING);
    let item = |roles: Value| evaluation("zoe", &json!({ "roles": roles }), Some("north"));
    let body = json!({ "evaluations": [item(json!(["manager"])), item(json!(["warehouse"])), item(json!([5])), item(json!(["admin"]))] });
    let answer = sidecar.post("/access/v1/evaluations", &body).json();
    let decisions: Vec<_> =
        answer["evaluations"].as_array().unwrap().iter().map(|item| item["decision"].clone()).collect();
    assert_eq!(decisions, [json!(true), json!(false), json!(false), json!(true)]);
}

#[test]
fn a_set_that_demands_sessions_knows_none_of_users_that_only_the_caller_knows() {
    let policies = PolicyDir::with(&[(
        "set.yaml",
        "policy_set: small\nsessions: required\nlevels: { view: [view] }\nmodules: { orders: { resources: [order] } }\n\
         roles: { clerk: { grants: { orders: view } } }\n",
    )]);
    let sidecar = Sidecar::builder().policies(policies.path()).config(TRUSTING).start();
    let mut body = evaluation("zoe", &json!({ "roles": ["clerk"] }), None);
    body["action"] = json!({ "name": "view" });
    assert_eq!(asked(&sidecar, &body), (false, "session_missing".to_owned()));
}
