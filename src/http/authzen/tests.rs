//! Evaluations, batches, and what is ignored in them.

use super::*;
use crate::{
    config::Limits,
    engine::Dialect,
    http::testing::{call, declared, recorder, services},
};
use serde_json::{Value, json};

fn desk(dialect: Dialect, batch_items: usize) -> Desk {
    let limits = Limits { batch_items, ..Limits::default() };
    let services = services(dialect, limits);
    Desk::new(services, recorder(), None, std::sync::Arc::default(), crate::http::aside::Aside::default())
}

fn run(dialect: Dialect, batch: bool, body: &str) -> Result<Value, String> {
    let desk = desk(dialect, 5);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answer = runtime.block_on(async {
        if batch {
            evaluations(&desk, "", body.as_bytes(), call()).await
        } else {
            evaluation(&desk, "", body.as_bytes(), call()).await
        }
    });
    answer.map(|answer| serde_json::from_str(&answer.body).unwrap()).map_err(|error| error.message.into_owned())
}

fn single(body: &Value) -> Result<Value, String> {
    run(declared(), false, &body.to_string())
}

fn batch(body: &Value) -> Result<Value, String> {
    run(declared(), true, &body.to_string())
}

fn user(id: &str) -> Value {
    json!({"type": "user", "id": id})
}

fn order() -> Value {
    json!({"type": "order", "id": "o-1"})
}

#[test]
fn an_evaluation_is_answered_with_its_reason_in_the_context() {
    let body = json!({"subject": user("sam"), "action": {"name": "view"}, "resource": order()});
    let mut answer = single(&body).unwrap();
    assert_eq!(answer["context"]["id"].take().as_str().map(str::len), Some(26));
    assert_eq!(
        answer,
        json!({"decision": true, "context": {
            "reason": {"code": "granted", "message": "reader grants \"view\"", "policies": ["role/reader/view"]},
            "revision": "3f3f3f3f3f3f",
            "id": null,
        }})
    );
}

#[test]
fn members_that_are_not_named_by_the_specification_are_ignored() {
    let body = json!({
        "subject": {"type": "user", "id": "sam", "more": [1.5, null]},
        "action": {"name": "view", "more": {}},
        "resource": {"type": "order", "id": "o-1", "more": "x", "properties": {"undeclared": 1}},
        "context": null,
        "evaluation": 1,
        "options": "ignored here",
    });
    assert_eq!(single(&body).unwrap()["decision"], true);
}

#[test]
fn only_users_are_users() {
    for (ty, decision) in [("user", true), ("User", true), ("USER", true), ("robot", false), ("", false)] {
        let body = json!({"subject": {"type": ty, "id": "sam"}, "action": {"name": "view"}, "resource": order()});
        let answer = single(&body).unwrap();
        assert_eq!(answer["decision"], decision, "{ty}");
        if !decision {
            assert_eq!(answer["context"]["reason"]["code"], "user_unknown");
        }
    }
}

#[test]
fn in_plain_cedar_the_subject_is_an_entity_of_its_type() {
    let plain = Dialect::PlainCedar { principal_type: "User".to_owned() };
    let body = json!({"subject": {"type": "mcp-tool", "id": "x"}, "action": {"name": "view"}, "resource": order(),
        "context": {"tenant": 5}});
    assert_eq!(run(plain, false, &body.to_string()).unwrap()["decision"], false);
}

#[test]
fn the_properties_of_the_action_cannot_be_forged_through_the_context() {
    let ask = |action: Value, context: Value| {
        single(&json!({"subject": user("sam"), "action": action, "resource": order(), "context": context})).unwrap()
            ["decision"]
            .clone()
    };
    let soft = json!({"soft": true});
    assert_eq!(ask(json!({"name": "edit", "properties": soft}), json!({})), true);
    assert_eq!(ask(json!({"name": "edit", "properties": soft}), json!({"action_properties": {"soft": false}})), true);
    assert_eq!(ask(json!({"name": "edit"}), json!({"action_properties": {"soft": true}})), false);
    assert_eq!(
        ask(json!({"name": "edit", "properties": {"soft": false}}), json!({"action_properties": {"soft": true}})),
        false
    );
}

#[test]
fn what_is_wrong_with_an_evaluation_is_said_with_its_place() {
    for (body, message) in [
        ("{}", "missing field `subject` at line 1 column 2"),
        (r#"{"subject":null}"#, "missing field `subject` at line 1 column 16"),
        (r#"{"subject":{"type":"user"}}"#, "missing field `id` at line 1 column 26"),
        (r#"{"subject":{"type":"user","id":5}}"#, "invalid type: integer `5`, expected a string at line 1 column 32"),
        (r#"{"subject":"sam"}"#, "invalid type: string \"sam\", expected an object at line 1 column 16"),
        (r#"{"subject":{"type":"user","id":"sam"},"action":{}}"#, "missing field `name` at line 1 column 49"),
        (r#"{"context":[]}"#, "invalid type: array, expected an object at line 1 column 11"),
        ("[]", "invalid type: array, expected an object at line 1 column 0"),
    ] {
        assert_eq!(run(declared(), false, body), Err(message.to_owned()), "{body}");
    }
    let tenant =
        json!({"subject": user("sam"), "action": {"name": "view"}, "resource": order(), "context": {"tenant": 5}});
    assert_eq!(single(&tenant), Err("`tenant` must be a string".to_owned()));
}

#[test]
fn a_batch_without_evaluations_is_a_single_evaluation() {
    for evaluations in [json!([]), json!(null)] {
        let body = json!({"subject": user("sam"), "action": {"name": "view"}, "resource": order(), "evaluations": evaluations});
        let answer = batch(&body).unwrap();
        assert_eq!(answer["decision"], true);
        assert_eq!(answer.get("evaluations"), None);
    }
    assert_eq!(batch(&json!({})), Err("missing field `subject` at line 1 column 2".to_owned()));
}

#[test]
fn items_take_what_they_lack_from_the_defaults_whole() {
    let cases = [
        // Nothing of its own, its own action, its own subject.
        (json!({}), true),
        (json!({"action": {"name": "fly"}}), false),
        (json!({"subject": user("nobody")}), false),
        (json!({"subject": null, "action": null}), true),
        // An action of its own brings its own properties: the default's are not merged into it.
        (json!({"action": {"name": "edit"}}), false),
    ];
    for (item, decision) in cases {
        let body = json!({
            "subject": user("sam"), "action": {"name": "view", "properties": {"soft": true}}, "resource": order(),
            "context": {"a": 1}, "evaluations": [item],
        });
        assert_eq!(batch(&body).unwrap(), json!({"evaluations": [{"decision": decision}]}), "{item}");
    }
}

#[test]
fn defaults_are_looked_at_only_where_they_are_needed() {
    let whole = json!({"subject": user("sam"), "action": {"name": "view"}, "resource": order()});
    let body = json!({"subject": {}, "action": 5, "resource": {}, "evaluations": [whole, {}]});
    assert_eq!(batch(&body).unwrap(), json!({"evaluations": [{"decision": true}, {"decision": false}]}));
}

#[test]
fn a_fault_of_an_item_makes_that_item_false_and_no_other() {
    let view = json!({"name": "view"});
    let body = json!({
        "subject": user("sam"), "resource": order(),
        "options": {"reasons": true},
        "evaluations": [{}, 5, {"action": view, "resource": []}, {"action": view, "context": {"tenant": 1}}, {"action": view}],
    });
    let answer = batch(&body).unwrap();
    let error = |index: usize| answer["evaluations"][index]["context"]["error"].clone();
    assert_eq!(error(0), json!({"status": 400, "message": "missing field `action`"}));
    assert_eq!(error(1), json!({"status": 400, "message": "invalid type: integer `5`, expected an object"}));
    assert_eq!(error(2), json!({"status": 400, "message": "invalid type: array, expected an object"}));
    assert_eq!(error(3), json!({"status": 400, "message": "`tenant` must be a string"}));
    assert_eq!(
        answer["evaluations"][4],
        json!({"decision": true, "context": {
            "reason": {"code": "granted", "message": "reader grants \"view\"", "policies": ["role/reader/view"]}}})
    );
}

#[test]
fn a_batch_stops_where_its_semantic_says() {
    let (yes, no, broken) =
        (json!({"action": {"name": "view"}}), json!({"action": {"name": "edit"}}), json!({"action": 1}));
    for (semantic, items, decisions) in [
        (json!({}), vec![&no, &yes, &broken, &yes], vec![false, true, false, true]),
        (json!({"evaluations_semantic": null}), vec![&no, &yes], vec![false, true]),
        (json!({"evaluations_semantic": "execute_all", "other": 1}), vec![&no, &yes], vec![false, true]),
        (json!({"evaluations_semantic": "deny_on_first_deny"}), vec![&yes, &no, &yes], vec![true, false]),
        (json!({"evaluations_semantic": "deny_on_first_deny"}), vec![&yes, &broken, &yes], vec![true, false]),
        (json!({"evaluations_semantic": "deny_on_first_deny"}), vec![&yes, &yes], vec![true, true]),
        (
            json!({"evaluations_semantic": "permit_on_first_permit"}),
            vec![&no, &broken, &yes, &no],
            vec![false, false, true],
        ),
        (json!({"evaluations_semantic": "permit_on_first_permit"}), vec![&no, &no], vec![false, false]),
    ] {
        let body = json!({"subject": user("sam"), "resource": order(), "options": semantic, "evaluations": items});
        let expected: Vec<Value> = decisions.iter().map(|decision| json!({"decision": decision})).collect();
        assert_eq!(batch(&body).unwrap(), json!({"evaluations": expected}), "{body}");
        assert_eq!(batch(&body), batch(&body), "the same question, the same answer");
    }
}

#[test]
fn a_fault_of_the_whole_batch_is_an_error() {
    for (body, message) in [
        (json!({"evaluations": {}}), "invalid type: object, expected an array at line 1 column 15"),
        (json!({"options": [], "evaluations": [{}]}), "expected an object"),
        (
            json!({"options": {"evaluations_semantic": "any"}, "evaluations": [{}]}),
            "unknown `evaluations_semantic` `any`",
        ),
        (json!({"options": {"reasons": "yes"}, "evaluations": [{}]}), "expected a boolean"),
        (
            json!({"evaluations": [{}, {}, {}, {}, {}, {}]}),
            "a batch may hold at most 5 evaluations (`server.authorize.limits.batch_items`), this one has 6",
        ),
    ] {
        let error = batch(&body).unwrap_err();
        assert!(error.contains(message), "{body}: {error}");
    }
    let deep = format!(r#"{{"evaluations":[{}{}]}}"#, "[".repeat(40), "]".repeat(40));
    assert!(run(declared(), true, &deep).unwrap_err().starts_with("nested deeper than 32 levels"));
}

#[test]
fn a_long_batch_gives_others_their_turn() {
    const ITEMS: usize = 1000;
    let desk = desk(declared(), ITEMS);
    let body = json!({"subject": user("sam"), "action": {"name": "view"}, "resource": order(), "evaluations": vec![json!({}); ITEMS]});
    let body = body.to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let turns = std::rc::Rc::new(std::cell::Cell::new(0));
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let counted = std::rc::Rc::clone(&turns);
        let other = tokio::task::spawn_local(async move {
            loop {
                counted.set(counted.get() + 1);
                tokio::task::yield_now().await;
            }
        });
        let answer = evaluations(&desk, "", body.as_bytes(), call()).await.unwrap();
        assert_eq!(answer.body.matches("true").count(), ITEMS);
        other.abort();
    });
    // After every 64 items at the latest.
    assert!(turns.get() >= ITEMS / 64 - 1, "{} turns", turns.get());
}

#[test]
fn the_tenant_of_an_address_is_none_in_a_set_without_tenants() {
    let desk = desk(declared(), 5);
    let body = json!({"subject": user("sam"), "action": {"name": "view"}, "resource": order()}).to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let refused = runtime.block_on(evaluation(&desk, "north", body.as_bytes(), call()));
    assert_eq!(refused.map(|answer| answer.body).map_err(|error| error.code), Err(ErrorCode::NotFound));
}
