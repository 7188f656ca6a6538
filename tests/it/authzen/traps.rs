//! What a Cedar implementation may stumble over: names that are none, values that have no form, errors in policies, overlays.

use super::{EVALUATION, certification, entity, policy_set, record, user};
use crate::support::{PolicyDir, Sidecar, repo};
use serde_json::{Value, json};

fn started() -> (PolicyDir, Sidecar) {
    let policies = certification();
    let sidecar = Sidecar::builder().policies(policies.path()).start();
    (policies, sidecar)
}

#[track_caller]
fn decision(sidecar: &Sidecar, body: &Value) -> (bool, String) {
    let answer = sidecar.post(EVALUATION, body);
    assert_eq!(answer.status, 200, "{body}: {answer:?}");
    let answer = answer.json();
    let code = answer["context"]["reason"]["code"].as_str().expect("a code").to_owned();
    (answer["decision"].as_bool().expect("a decision"), code)
}

#[expect(clippy::needless_pass_by_value, reason = "it is put into the question")]
fn question(subject: Value, action: &str, resource: Value) -> Value {
    json!({"subject": subject, "action": {"name": action}, "resource": resource})
}

#[test]
fn types_that_are_no_names_of_cedar_are_denied_and_find_nothing() {
    let (_policies, sidecar) = started();
    for ty in ["mcp-tool", "urn:x", "in", "", "a b", "User::", "::", "é", "__cedar::x", "\"", "\u{0}"] {
        let named = json!({"type": ty, "id": "record-1"});
        assert!(!decision(&sidecar, &question(named.clone(), "read", record("record-1"))).0, "{ty:?}");
        assert!(!decision(&sidecar, &question(user("alice"), "read", named.clone())).0, "{ty:?}");
        for (kind, body) in [
            ("subject", question(named.clone(), "read", record("record-1"))),
            ("resource", question(user("alice"), "read", named.clone())),
            ("action", question(named.clone(), "read", record("record-1"))),
            ("action", question(user("alice"), "read", named)),
        ] {
            let answer = sidecar.post(&format!("/access/v1/search/{kind}"), &body);
            assert_eq!((answer.status, &answer.json()["results"]), (200, &json!([])), "{kind} {ty:?}");
        }
    }
}

#[test]
fn unknown_ids_types_and_actions_are_denied_and_find_nothing() {
    let (_policies, fixture) = started();
    let demo = Sidecar::builder().start();
    let order = json!({"type": "order", "id": "o-1"});
    for (sidecar, subject, action, resource) in
        [(&fixture, user("alice"), "read", record("record-1")), (&demo, user("bob"), "edit", order)]
    {
        assert!(decision(sidecar, &question(subject.clone(), action, resource.clone())).0);
        let nobody = json!({"type": subject["type"], "id": "nobody"});
        let stranger = json!({"type": "stranger", "id": subject["id"]});
        let nothing = json!({"type": "nothing", "id": resource["id"]});
        for (subject, action, resource) in [
            (&nobody, action, &resource),
            (&stranger, action, &resource),
            (&subject, "fly", &resource),
            (&subject, "", &resource),
            (&subject, action, &nothing),
        ] {
            let body = question(subject.clone(), action, resource.clone());
            assert!(!decision(sidecar, &body).0, "{body}");
            for kind in ["subject", "resource", "action"] {
                let skips = match kind {
                    "subject" => subject == &nobody,
                    "resource" => false,
                    _ => action == "fly" || action.is_empty(),
                };
                if skips {
                    continue; // What is looked for is not what is unknown.
                }
                let answer = sidecar.post(&format!("/access/v1/search/{kind}"), &body);
                assert_eq!((answer.status, &answer.json()["results"]), (200, &json!([])), "{kind} {body}");
            }
        }
    }
}

#[test]
fn undeclared_properties_are_accepted() {
    let (_policies, fixture) = started();
    let demo = Sidecar::builder().start();
    let more = json!({"clearance": "secret", "n": 1.5, "list": [1, "a"]});
    for (sidecar, subject, action, resource) in [
        // Policies of plain Cedar see everything, so a value without a form denies there.
        (&fixture, user("alice"), "read", record("record-1")),
        (&demo, user("bob"), "edit", json!({"type": "order", "id": "o-1"})),
    ] {
        let mut body = question(subject, action, resource);
        for part in ["subject", "action", "resource"] {
            body[part]["properties"] = json!({"clearance": "secret", "list": ["a"]});
        }
        assert!(decision(sidecar, &body).0, "{body}");
    }
    let mut body = question(user("bob"), "edit", json!({"type": "order", "id": "o-1"}));
    body["resource"]["properties"] = more;
    assert!(decision(&demo, &body).0, "what the set does not declare is not looked at");
}

#[test]
fn properties_of_a_request_lie_over_stored_ones_and_parents_stay() {
    let member = json!({"uid": {"type": "user", "id": "a"}, "attrs": {"role": "reader", "desk": "north"},
        "parents": [{"type": "team", "id": "t"}]});
    let team = entity("team", "t", &json!({}));
    let policies = policy_set(
        r#"permit (principal in team::"t", action == Action::"view", resource)
            when { principal.role == "editor" && principal.desk == "north" };"#,
        vec![member, team],
    );
    let sidecar = Sidecar::builder().policies(policies.path()).start();
    let with =
        |properties: Value| question(json!({"type": "user", "id": "a", "properties": properties}), "view", record("1"));
    for (properties, allowed) in [
        (json!({}), false),
        (json!({"role": "editor"}), true),
        (json!({"role": "editor", "desk": "south"}), false),
        (json!({"role": "editor", "more": {"x": [1]}}), true),
        (json!({"role": null}), false),
    ] {
        assert_eq!(decision(&sidecar, &with(properties.clone())).0, allowed, "{properties}");
    }
}

#[test]
fn what_policies_have_no_value_for_fails_closed_and_says_so() {
    let policies = policy_set(
        r#"permit (principal, action == Action::"view", resource);
            forbid (principal, action == Action::"view", resource) when { resource has level && resource.level > 3 };"#,
        vec![],
    );
    let sidecar = Sidecar::builder().policies(policies.path()).start();
    for value in ["1.5", "1e99", "9223372036854775808", "-9223372036854775809", "[1,null]", "{\"a\":0.1}"] {
        for place in ["resource", "subject", "context"] {
            let mut body = question(user("a"), "view", record("1"));
            let members = json!({"level": serde_json::from_str::<Value>(value).expect("JSON")});
            if place == "context" {
                body["context"] = members;
            } else {
                body[place]["properties"] = members;
            }
            let answer = sidecar.post(EVALUATION, &body).json();
            let reason = &answer["context"]["reason"];
            assert_eq!((&answer["decision"], &reason["code"]), (&json!(false), &json!("policy_error")), "{body}");
            assert!(reason["message"].as_str().is_some_and(|message| message.contains("`level` is ")), "{answer}");
        }
    }
    for (level, allowed) in [(json!(3), true), (json!(4), false), (json!(null), true)] {
        let body = question(user("a"), "view", json!({"type": "record", "id": "1", "properties": {"level": level}}));
        assert_eq!(decision(&sidecar, &body).0, allowed, "{body}");
    }
}

#[test]
fn a_forbid_that_cannot_be_evaluated_denies_unless_the_operator_says_otherwise() {
    let policies = policy_set(
        r#"permit (principal, action == Action::"view", resource);
            forbid (principal, action == Action::"view", resource) when { principal.banned };"#,
        vec![],
    );
    let body = question(user("a"), "view", record("1"));
    let sidecar = Sidecar::builder().policies(policies.path()).start();
    assert_eq!(decision(&sidecar, &body), (false, "policy_error".to_owned()));
    let sidecar = Sidecar::builder().policies(policies.path()).config("policies: { forbid_errors: skip }").start();
    assert_eq!(decision(&sidecar, &body), (true, "granted".to_owned()));
}

#[test]
fn a_context_cannot_pass_for_the_properties_of_the_action() {
    let (_policies, sidecar) = started();
    let ask = |properties: Value, context: Value| {
        let mut body = question(user("alice"), "delete", record("record-1"));
        body["action"]["properties"] = properties;
        body["context"] = context;
        decision(&sidecar, &body).0
    };
    let forged = |soft: bool| json!({"action_properties": {"soft": soft}});
    assert!(ask(json!({"soft": true}), json!({})));
    assert!(ask(json!({"soft": true}), forged(false)));
    assert!(!ask(json!({}), forged(true)));
    assert!(!ask(json!(null), forged(true)));
    assert!(!ask(json!({"soft": false}), forged(true)));
}

#[test]
fn a_search_sees_the_properties_that_an_evaluation_sees() {
    let (_policies, sidecar) = started();
    let admin = json!({"type": "user", "id": "alice", "properties": {"role": "admin"}});
    let archived = json!({"type": "record", "id": "record-1", "properties": {"status": "archived"}});
    let soft = json!({"name": "delete", "properties": {"soft": true}});
    for (kind, body, found) in [
        // Properties of what is looked for count for every candidate.
        (
            "subject",
            json!({"subject": {"type": "user", "properties": {"role": "admin"}}, "action": {"name": "write"}, "resource": archived}),
            vec!["alice", "bob"],
        ),
        (
            "subject",
            json!({"subject": {"type": "user"}, "action": {"name": "write"}, "resource": archived}),
            vec!["bob"],
        ),
        (
            "subject",
            json!({"subject": {"type": "user"}, "action": soft, "resource": record("record-1")}),
            vec!["alice"],
        ),
        (
            "resource",
            json!({"subject": admin, "action": {"name": "write"}, "resource": {"type": "record", "properties": {"status": "archived"}}}),
            vec!["record-1", "record-2"],
        ),
        ("action", json!({"subject": admin, "resource": archived}), vec!["read", "write"]),
    ] {
        let answer = sidecar.post(&format!("/access/v1/search/{kind}"), &body).json();
        let name = if kind == "action" { "name" } else { "id" };
        let results: Vec<&str> =
            answer["results"].as_array().expect("results").iter().filter_map(|one| one[name].as_str()).collect();
        assert_eq!(results, found, "{kind} {body}");
        for result in results {
            let mut single = body.clone();
            match kind {
                "action" => single["action"] = json!({ "name": result }),
                _ => single[kind]["id"] = json!(result),
            }
            assert!(decision(&sidecar, &single).0, "{single}");
        }
    }
}

#[test]
fn payloads_of_drafts_are_not_taken_for_questions() {
    let (_policies, sidecar) = started();
    for body in [
        json!({"subject": {"type": "user", "identity": "alice"}, "action": {"name": "read"}, "resource": record("record-1")}),
        json!({"subject": {"identity": "alice"}, "action": {"name": "read"}, "resource": record("record-1")}),
    ] {
        assert_eq!(sidecar.post(EVALUATION, &body).status, 400, "{body}");
    }
    // At the top of an entity a member is no property.
    let body = json!({"subject": user("alice"), "action": {"name": "write"},
        "resource": {"type": "record", "id": "record-9", "status": "active"}});
    assert!(!decision(&sidecar, &body).0);
}

#[test]
fn in_a_set_with_users_a_subject_of_another_type_is_nobody() {
    let sidecar = Sidecar::builder().policies(repo("policies/demo")).start();
    let order = json!({"type": "order", "id": "o-1"});
    for (ty, allowed) in [("user", true), ("User", true), ("identity", false), ("group", false), ("", false)] {
        let body = question(json!({"type": ty, "id": "bob"}), "edit", order.clone());
        assert_eq!(decision(&sidecar, &body).0, allowed, "{ty}");
    }
}
