//! `POST /v1/authorize` on a policy set of plain Cedar: forms of a question, reasons, revisions.

use crate::support::{PolicyDir, Sidecar, sidegate};
use serde_json::{Value, json};

const POLICIES: &str = r#"
@id("view") permit (principal is User, action == Action::"view", resource is order);
@id("own") permit (principal is User, action == Action::"edit", resource is order)
    when { resource has account_manager && resource.account_manager == principal };
@id("closed") forbid (principal, action == Action::"edit", resource is order)
    when { resource has status && resource.status == "closed" };
@id("network") permit (principal is User, action == Action::"export", resource)
    when { context has ip && context.ip.isInRange(ip("10.0.0.0/8")) };
@id("level") permit (principal is User, action == Action::"approve", resource is order)
    when { resource.amount < 1000 };
"#;

fn sidecar(dir: &PolicyDir) -> Sidecar {
    Sidecar::builder().policies(dir.path()).start()
}

fn policies() -> PolicyDir {
    PolicyDir::with(&[("policies.cedar", POLICIES)])
}

fn sam() -> Value {
    json!({"__entity": {"type": "User", "id": "sam"}})
}

/// The short form ends a type at the first single colon, as routes and policy tests do: where it ended in the middle of `::`, a forbid
/// on the type was not met.
#[test]
fn a_type_with_a_namespace_is_one_type_in_the_short_form_too() {
    const NAMED: &str = r#"
@id("all") permit (principal, action, resource);
@id("closed") forbid (principal, action, resource is App::Doc);
"#;
    let dir = PolicyDir::with(&[("policies.cedar", NAMED)]);
    let sidecar = sidecar(&dir);
    let path = dir.path().to_str().expect("UTF-8");
    for (resource, decision, code) in [
        ("App::Doc:1", "deny", 2),
        ("App::Doc", "deny", 2),
        ("App::Doc:a::b", "deny", 2),
        ("App::Note:1", "allow", 0),
        ("App:Doc:1", "allow", 0),
    ] {
        let short = json!({ "user": "sam", "action": "view", "resource": resource });
        assert_eq!(sidecar.authorize(&short).1["decision"], decision, "{short}");
        // In escapes it is read by another path, with the same end.
        let escaped = short.to_string().replace("App", "\\u0041pp");
        let answer = sidecar.post_text("/v1/authorize", &[("content-type", "application/json")], &escaped).json();
        assert_eq!(answer["decision"], decision, "{escaped}: {answer}");
        for more in [&[][..], &["--attribute", "a=1"]] {
            let base = ["authorize", path, "--user", "sam", "--action", "view", "--resource", resource];
            let exited = sidegate(base.iter().chain(more));
            assert_eq!(exited.code, Some(code), "{resource} {more:?}: {exited:?}");
        }
    }
}

#[test]
fn every_form_of_a_question_is_answered_with_decision_and_reason() {
    let dir = policies();
    let sidecar = sidecar(&dir);
    let order = |attributes: Value| json!({"type": "order", "id": "o-1", "attributes": attributes});
    let ip = |address: &str| json!({"ip": {"__extn": {"fn": "ip", "arg": address}}});
    for (action, resource, context, decision, code, policies) in [
        ("view", json!("order:o-1"), json!({}), "allow", "granted", json!(["view"])),
        ("view", json!("order"), json!({}), "allow", "granted", json!(["view"])),
        ("view", json!({"type": "order"}), json!(null), "allow", "granted", json!(["view"])),
        ("view", json!("plane"), json!({}), "deny", "not_granted", json!([])),
        ("fly", json!("order"), json!({}), "deny", "not_granted", json!([])),
        ("view", json!("not a type:x"), json!({}), "deny", "module_unknown", json!([])),
        ("edit", order(json!({"account_manager": sam()})), json!({}), "allow", "granted", json!(["own"])),
        ("edit", order(json!({"account_manager": null})), json!({}), "deny", "condition_not_met", json!([])),
        (
            "edit",
            order(json!({"account_manager": sam(), "status": "closed"})),
            json!({}),
            "deny",
            "forbidden",
            json!(["closed"]),
        ),
        ("export", json!("order"), ip("10.1.2.3"), "allow", "granted", json!(["network"])),
        ("export", json!("order"), ip("11.1.2.3"), "deny", "condition_not_met", json!([])),
        ("approve", order(json!({"amount": 999})), json!({}), "allow", "granted", json!(["level"])),
        ("approve", order(json!({})), json!({}), "deny", "policy_error", json!([])),
        // What policies have no value for denies, whatever else is true.
        ("view", order(json!({"amount": 1.5})), json!({}), "deny", "policy_error", json!([])),
        ("view", order(json!({})), json!({"n": 9_223_372_036_854_775_808_u64}), "deny", "policy_error", json!([])),
    ] {
        let question = json!({"user": "sam", "action": action, "resource": resource, "context": context});
        let (status, answer) = sidecar.authorize(&question);
        let got = (status, &answer["decision"], &answer["reason"]["code"], &answer["reason"]["policies"]);
        assert_eq!(got, (200, &json!(decision), &json!(code), &policies), "{question} {answer}");
        assert!(answer["reason"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
    }
}

#[test]
fn an_answer_has_the_contracts_members_in_their_order_and_names_the_revision_twice() {
    let dir = policies();
    let sidecar = sidecar(&dir);
    let answer = sidecar.post("/v1/authorize", &json!({"user": "sam", "action": "view", "resource": "order"}));
    let body = answer.json();
    let (revision, id) = (body["revision"].as_str().expect("a revision"), body["id"].as_str().expect("an id"));
    assert_eq!((revision.len(), id.len()), (12, 26));
    assert_eq!(answer.header("sidegate-revision"), revision);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-request-id").len(), 26);
    let message = &body["reason"]["message"];
    assert_eq!(
        answer.body,
        format!(
            r#"{{"decision":"allow","reason":{{"code":"granted","message":{message},"policies":["view"]}},"revision":"{revision}","id":"{id}"}}"#
        )
    );
}

#[test]
fn ids_are_unique_and_sort_by_time() {
    let dir = policies();
    let sidecar = sidecar(&dir);
    let question = json!({"user": "sam", "action": "view", "resource": "order"});
    let ids: Vec<String> =
        (0..50).map(|_| sidecar.authorize(&question).1["id"].as_str().expect("an id").to_owned()).collect();
    let unique: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len());
    assert!(ids.first().map(|id| &id[..10]) <= ids.last().map(|id| &id[..10]), "{ids:?}");
}

#[test]
fn answers_are_counted_by_route_and_code() {
    let dir = policies();
    let sidecar = sidecar(&dir);
    let question = json!({"user": "sam", "action": "view", "resource": "order"});
    for _ in 0..3 {
        sidecar.authorize(&question);
    }
    sidecar.post("/v1/authorize", &json!({}));
    sidecar.get("/nowhere");
    let count = |labels: &[&str]| sidecar.count("sidegate_http_request_duration_seconds_count", labels);
    assert_eq!(count(&[r#"listener="authorize""#, r#"route="/v1/authorize""#, r#"code="200""#]), 3);
    assert_eq!(count(&[r#"listener="authorize""#, r#"route="/v1/authorize""#, r#"code="400""#]), 1);
    assert_eq!(count(&[r#"listener="authorize""#, r#"route="other""#, r#"code="404""#]), 1);
    assert_eq!(sidecar.count("sidegate_decisions_total", &[r#"decision="allow""#, r#"source="native""#]), 3);
}
