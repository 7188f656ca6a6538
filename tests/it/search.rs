//! AuthZEN search over HTTP: the vectors, pages and their tokens, agreement with evaluations.

use crate::support::{PolicyDir, Sidecar, repo, shared};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

const POLICIES: &str = r#"
permit (principal is user, action == Action::"view", resource is record)
    when { resource.owner == principal.id || resource.department == principal.department || principal.role == "manager" };
permit (principal is user, action == Action::"edit", resource is record)
    when { resource.owner == principal.id || (principal.role == "manager" && resource.department == principal.department) };
permit (principal is user, action == Action::"delete", resource is record)
    when { resource.owner == principal.id };
"#;

fn read(file: &str) -> Option<Value> {
    let path = shared(&format!("authzen/search/{file}.json"))?;
    serde_json::from_str(&fs::read_to_string(path).expect("readable")).ok()
}

/// The scenario's users and records as stored entities; `None` where the facts are not on this machine.
fn scenario() -> Option<PolicyDir> {
    let entity = |ty: &str, id: String, attributes: &Value| json!({ "uid": { "type": ty, "id": id }, "attrs": attributes, "parents": [] });
    let mut entities = Vec::new();
    for user in read("users")?.as_array().expect("users") {
        entities.push(entity("user", user["id"].as_str().expect("an id").to_owned(), user));
    }
    for record in read("records")?.as_array().expect("records") {
        let attributes =
            json!({ "title": record["title"], "department": record["department"], "owner": record["owner"] });
        entities.push(entity("record", record["id"].to_string(), &attributes));
    }
    Some(PolicyDir::with(&[("policies.cedar", POLICIES), ("entities.json", &Value::from(entities).to_string())]))
}

fn search(sidecar: &Sidecar, kind: &str, body: &Value) -> Value {
    let answer = sidecar.post(&format!("/access/v1/search/{kind}"), body);
    assert_eq!(answer.status, 200, "{kind} {body}: {answer:?}");
    answer.json()
}

fn set(results: &Value) -> BTreeSet<String> {
    results.as_array().expect("results").iter().map(ToString::to_string).collect()
}

#[test]
fn the_search_vectors_are_answered_as_they_say() {
    let Some(dir) = scenario() else { return };
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let mut checked = 0;
    for kind in ["subject", "resource", "action"] {
        let vectors = read(&format!("{kind}-results")).expect("the scenario was there");
        for case in vectors["evaluation"].as_array().expect("cases") {
            let answer = search(&sidecar, kind, &case["request"]);
            assert_eq!(set(&answer["results"]), set(&case["expected"]["results"]), "{kind} {}", case["request"]);
            // Nothing but results, of members in their order, and the same once more.
            assert_eq!(answer.as_object().map(serde_json::Map::len), Some(1), "{answer}");
            assert_eq!(search(&sidecar, kind, &case["request"]).to_string(), answer.to_string());
            checked += 1;
        }
    }
    assert!(checked > 60, "{checked} vectors");
}

#[test]
fn what_nobody_knows_gives_no_results_and_what_is_missing_is_400() {
    let set = PolicyDir::with(&[
        ("policies.cedar", "permit (principal is user, action == Action::\"view\", resource is record);"),
        (
            "entities.json",
            r#"[{"uid":{"type":"user","id":"a"},"attrs":{},"parents":[]},{"uid":{"type":"record","id":"1"},"attrs":{},"parents":[]}]"#,
        ),
    ]);
    let sidecar = Sidecar::builder().policies(set.path()).start();
    let (user, record, view) =
        (json!({"type":"user","id":"a"}), json!({"type":"record","id":"1"}), json!({"name":"view"}));
    for (kind, body, found) in [
        ("subject", json!({ "subject": {"type":"user"}, "action": view, "resource": record }), 1),
        ("subject", json!({ "subject": {"type":"user","id":"ignored"}, "action": view, "resource": record }), 1),
        ("subject", json!({ "subject": {"type":"mcp-tool"}, "action": view, "resource": record }), 0),
        ("subject", json!({ "subject": {"type":"user"}, "action": {"name":"fly"}, "resource": record }), 0),
        ("subject", json!({ "subject": {"type":"user"}, "action": view, "resource": {"type":"urn:x","id":"1"} }), 0),
        (
            "resource",
            json!({ "subject": user, "action": view, "resource": {"type":"record"}, "page": {} , "more": 1}),
            1,
        ),
        ("resource", json!({ "subject": user, "action": view, "resource": {"type":""} }), 0),
        ("action", json!({ "subject": user, "resource": record, "action": {"stray": true} }), 1),
        ("action", json!({ "subject": {"type":"in","id":""}, "resource": record }), 0),
    ] {
        assert_eq!(search(&sidecar, kind, &body)["results"].as_array().map(Vec::len), Some(found), "{kind} {body}");
    }
    for (kind, body) in [
        ("subject", json!({ "action": view, "resource": record })),
        ("subject", json!({ "subject": {}, "action": view, "resource": record })),
        ("subject", json!({ "subject": {"type":"user"}, "action": {}, "resource": record })),
        ("subject", json!({ "subject": {"type":"user"}, "action": view, "resource": {"type":"record"} })),
        ("resource", json!({ "subject": {"type":"user"}, "action": view, "resource": {"type":"record"} })),
        ("resource", json!({ "subject": user, "resource": {"type":"record"} })),
        ("action", json!({ "subject": user })),
        ("action", json!({ "subject": user, "resource": record, "page": { "limit": -1 } })),
        ("action", json!({ "subject": user, "resource": record, "context": [] })),
        ("action", json!([])),
    ] {
        let answer = sidecar.post(&format!("/access/v1/search/{kind}"), &body);
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (400, &json!("malformed_request")),
            "{kind} {body}"
        );
    }
}

const SHOP: &str = "policy_set: shop
tenancy: none
levels: { view: [view], full: { includes: [view], actions: [edit] } }
modules:
  orders: { resources: { order: { owner: User } } }
  settings: { resources: [setting], areas: [general, billing] }
conditions: { own: { description: d, cedar: resource has owner && resource.owner == principal } }
roles:
  reader: { grants: { orders: view } }
  owner: { grants: { orders: { level: full, when: own } } }
  billing: { grants: { settings: { level: full, areas: [billing] } } }
users:
";

fn shop(readers: usize) -> PolicyDir {
    let users: String = (0..readers)
        .map(|n| format!("  u{n:04}: {{ roles: [{}] }}\n", if n % 3 == 0 { "reader" } else { "owner, billing" }))
        .collect();
    PolicyDir::with(&[("set.yaml", &(SHOP.to_owned() + &users))])
}

#[test]
fn pages_together_are_the_whole_and_each_token_leads_on_in_its_own_search_only() {
    let dir = shop(100);
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let order = json!({"type":"order","id":"o-1","properties":{"owner":"u0001"}});
    let body = json!({ "subject": {"type":"user"}, "action": {"name":"view"}, "resource": order });
    let whole = search(&sidecar, "subject", &body)["results"].clone();
    assert_eq!(whole.as_array().map(Vec::len), Some(35), "34 readers and the owner");
    for limit in [1, 7, 34, 35, 36] {
        let (mut results, mut next) = (Vec::new(), body.clone());
        next["page"] = json!({ "limit": limit });
        let mut pages = 0;
        loop {
            let answer = search(&sidecar, "subject", &next);
            assert_eq!(answer.as_object().and_then(|members| members.keys().next()).map(String::as_str), Some("page"));
            let page = answer["results"].as_array().expect("results");
            assert_eq!(answer["page"]["count"], page.len());
            assert!(page.len() <= limit);
            results.extend(page.clone());
            pages += 1;
            match answer["page"]["next_token"].as_str().expect("a token") {
                "" => break,
                token => next["page"] = json!({ "token": token }),
            }
        }
        assert_eq!((&json!(results), pages), (&whole, 35_usize.div_ceil(limit)), "limit {limit}");
    }
    let first = |limit: u64| {
        let mut first = body.clone();
        first["page"] = json!({ "limit": limit });
        search(&sidecar, "subject", &first)
    };
    let token = first(7)["page"]["next_token"].clone();
    let nothing = first(0);
    assert_eq!((&nothing["results"], &nothing["page"]["count"]), (&json!([]), &json!(0)));
    assert_ne!(nothing["page"]["next_token"], "");
    let mut other = body.clone();
    other["action"] = json!({"name":"edit"});
    let mut longer = body.clone();
    longer["page"] = json!({ "token": token, "limit": 8 });
    for (body, page) in [
        (&other, json!({ "token": token })),
        (&longer, longer["page"].clone()),
        (&body, json!({ "token": "garbage" })),
        (&body, json!({ "token": format!("{}00", token.as_str().expect("a token")) })),
    ] {
        let mut asked = body.clone();
        asked["page"] = page;
        let answer = sidecar.post("/access/v1/search/subject", &asked);
        let refused = answer.status == 400;
        // A token with more behind its end names another place in the list, which harms nobody.
        assert!(
            refused || asked["page"]["token"].as_str().is_some_and(|given| given.ends_with("00")),
            "{asked}: {answer:?}"
        );
    }
    let equal = {
        let mut equal = body.clone();
        equal["page"] = json!({ "token": token, "limit": 7 });
        equal
    };
    assert_eq!(search(&sidecar, "subject", &equal)["page"]["count"], 7);

    // After a change of the policies the token is of no use.
    dir.write(
        "set.yaml",
        &(fs::read_to_string(dir.path().join("set.yaml")).expect("the set") + "  zoe: { roles: [reader] }\n"),
    );
    sidecar.admin_post("/v1/policies/reload", &json!({}));
    assert_eq!(sidecar.post("/access/v1/search/subject", &equal).status, 400);
}

#[test]
fn what_a_request_says_of_pages_is_checked() {
    let dir = shop(5);
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let body =
        json!({ "subject": {"type":"user"}, "action": {"name":"view"}, "resource": {"type":"order","id":"o-1"} });
    let ask = |page: Value| {
        let mut body = body.clone();
        body["page"] = page;
        sidecar.post("/access/v1/search/subject", &body)
    };
    for page in [
        json!({ "limit": -1 }),
        json!({ "limit": 1.5 }),
        json!({ "limit": "1" }),
        json!({ "limit": true }),
        json!({ "token": 5 }),
        json!({ "token": "g" }),
        json!({ "properties": [] }),
        json!({ "properties": "x" }),
        json!([]),
        json!([null, 1]),
        json!("x"),
        json!(1),
    ] {
        let answer = ask(page.clone());
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!("malformed_request")), "{page}");
    }
    for (page, results, ends) in [
        (json!(null), 2, true),
        (json!({}), 2, true),
        (json!({ "limit": null, "token": null, "properties": null }), 2, true),
        (json!({ "limit": 100, "properties": {"more": [1]}, "more": 1 }), 2, true),
        (json!({ "limit": u64::MAX }), 2, true),
        (json!({ "limit": 2 }), 2, true),
        (json!({ "limit": 1 }), 1, false),
        (json!({ "limit": 0 }), 0, false),
        // The end of a list leads back to its beginning.
        (json!({ "token": "" }), 2, true),
    ] {
        let answer = ask(page.clone());
        assert_eq!(answer.status, 200, "{page}: {answer:?}");
        let said = answer.json();
        assert_eq!(said["results"].as_array().map(Vec::len), Some(results), "{page}");
        if page.is_null() {
            assert_eq!(said.get("page"), None, "nobody asked for pages, and nothing is missing");
            continue;
        }
        assert!(answer.body.starts_with("{\"page\":"), "{answer:?}");
        assert_eq!(said["page"]["count"], results, "{page}");
        assert_eq!(said["page"]["next_token"].as_str().map(str::is_empty), Some(ends), "{page}");
    }

    // Behind a page of nothing the token alone leads to the end, instead of to page after page of nothing.
    let nothing = ask(json!({ "limit": 0 })).json();
    let token = &nothing["page"]["next_token"];
    let rest = ask(json!({ "token": token })).json();
    assert_eq!(rest["results"].as_array().map(Vec::len), Some(2), "{rest}");
    assert_eq!(rest["page"]["next_token"], "", "{rest}");
    assert_eq!(ask(json!({ "token": token, "limit": 0 })).json()["results"], json!([]), "who asks for nothing again");
}

#[test]
fn every_result_evaluates_to_true_and_what_is_left_out_to_false() {
    let dir = shop(30);
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let evaluate = |subject: &Value, action: &Value, resource: &Value| {
        let body = json!({ "subject": subject, "action": action, "resource": resource });
        sidecar.post("/access/v1/evaluation", &body).json()["decision"] == true
    };
    let order = json!({"type":"order","id":"o-1","properties":{"owner":"u0002"}});
    for action in ["view", "edit", "fly"] {
        let action = json!({ "name": action });
        let body = json!({ "subject": {"type":"user"}, "action": action, "resource": order });
        let found = set(&search(&sidecar, "subject", &body)["results"]);
        for n in 0..30 {
            let user = json!({"type":"user","id":format!("u{n:04}")});
            assert_eq!(found.contains(&user.to_string()), evaluate(&user, &action, &order), "{user} {action}");
        }
    }
    for user in ["u0000", "u0002", "nobody"] {
        let user = json!({"type":"user","id":user});
        let names = set(&search(&sidecar, "action", &json!({ "subject": user, "resource": order }))["results"]);
        for action in ["view", "edit"] {
            let action = json!({ "name": action });
            assert_eq!(names.contains(&action.to_string()), evaluate(&user, &action, &order), "{user} {action}");
        }
        for ty in ["setting", "settings", "orders"] {
            let body = json!({ "subject": user, "action": {"name":"edit"}, "resource": {"type":ty} });
            for result in search(&sidecar, "resource", &body)["results"].as_array().expect("results") {
                assert!(evaluate(&user, &json!({"name":"edit"}), result), "{user} {result}");
            }
        }
    }
    let billing =
        json!({ "subject": {"type":"user","id":"u0001"}, "action": {"name":"edit"}, "resource": {"type":"setting"} });
    assert_eq!(search(&sidecar, "resource", &billing)["results"], json!([{"type":"setting","id":"billing"}]));
    let mut reasons = billing;
    reasons["options"] = json!({ "reasons": true });
    let answer = search(&sidecar, "resource", &reasons);
    assert_eq!(answer["results"][0]["context"]["reason"]["code"], "granted", "{answer}");
}

#[test]
fn a_search_is_within_the_tenant_that_is_asked_about() {
    let sidecar = Sidecar::builder().policies(repo("policies/8move")).start();
    let body = |tenant: &str| {
        json!({ "subject": {"type":"user"}, "action": {"name":"view"}, "resource": {"type":"order","id":"o-1"},
        "context": { "tenant": tenant } })
    };
    let ids = |tenant: &str| -> Vec<String> {
        let found = search(&sidecar, "subject", &body(tenant));
        found["results"]
            .as_array()
            .expect("results")
            .iter()
            .map(|one| one["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    assert_eq!(ids("south"), ["ada", "max"]);
    assert_eq!(
        ids("north"),
        ["ada", "cat", "fin", "max", "mona", "wes"],
        "not sam, whose orders are those of his clients"
    );
    assert!(ids("west").is_empty());
}
