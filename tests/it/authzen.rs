//! AuthZEN 1.0 over HTTP: the interoperability scenarios, the certification fixture, batches.

use crate::support::{PolicyDir, Sidecar, shared};
use serde_json::{Value, json};
use std::fs;

const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";

const TASKS: &str = r#"
permit (principal is user, action in [Action::"can_read_user", Action::"can_read_todos"], resource);
permit (principal is user, action == Action::"can_create_todo", resource)
    when { principal has roles && principal.roles.containsAny(["admin", "editor"]) };
permit (principal is user, action == Action::"can_update_todo", resource)
    when { principal has roles && (principal.roles.contains("evil_genius") || (principal.roles.contains("editor")
        && resource has ownerID && resource.ownerID == principal.email)) };
permit (principal is user, action == Action::"can_delete_todo", resource)
    when { principal has roles && (principal.roles.contains("admin") || (principal.roles.contains("editor")
        && resource has ownerID && resource.ownerID == principal.email)) };
"#;

const GATEWAY: &str = r#"
permit (principal is identity, action == Action::"GET", resource == route::"/users/{userId}");
permit (principal is identity, action == Action::"GET", resource == route::"/todos");
permit (principal is identity, action == Action::"POST", resource == route::"/todos")
    when { principal has roles && principal.roles.containsAny(["admin", "editor"]) };
permit (principal is identity, action == Action::"PUT", resource == route::"/todos/{todoId}")
    when { principal has roles && principal.roles.containsAny(["evil_genius", "editor"]) };
permit (principal is identity, action == Action::"DELETE", resource == route::"/todos/{todoId}")
    when { principal has roles && principal.roles.containsAny(["admin", "editor"]) };
"#;

const CERTIFICATION: &str = r#"
permit (principal is user, action == Action::"read", resource is record)
    when { principal in [user::"alice", user::"bob"] && resource has status };
permit (principal == user::"alice", action == Action::"write", resource is record)
    when { resource has status && resource.status != "archived" };
permit (principal is user, action == Action::"write", resource is record)
    when { principal has role && principal.role == "admin" && resource has status && resource.status == "archived" };
permit (principal == user::"alice", action == Action::"delete", resource is record)
    when { context has action_properties && context.action_properties has soft && context.action_properties.soft };
"#;

fn entity(ty: &str, id: &str, attributes: &Value) -> Value {
    json!({"uid": {"type": ty, "id": id}, "attrs": attributes, "parents": []})
}

/// The people of the todo scenario as entities of one type; `None` where the facts are not on this machine.
fn people(ty: &str) -> Option<Vec<Value>> {
    let users = read(&["authzen/todo/users.json"])?;
    let person =
        |(id, user): (&String, &Value)| entity(ty, id, &json!({"email": user["email"], "roles": user["roles"]}));
    Some(users[0].as_object().expect("users").iter().map(person).collect())
}

fn read(files: &[&str]) -> Option<Vec<Value>> {
    let text = |file: &&str| Some(fs::read_to_string(shared(file)?).expect("readable"));
    files.iter().map(|file| Some(serde_json::from_str(&text(file)?).expect("JSON"))).collect()
}

fn policy_set(policies: &str, entities: Vec<Value>) -> PolicyDir {
    PolicyDir::with(&[("policies.cedar", policies), ("entities.json", &Value::from(entities).to_string())])
}

fn certification() -> PolicyDir {
    let entities = vec![
        entity("user", "alice", &json!({})),
        entity("user", "bob", &json!({"role": "admin"})),
        entity("record", "record-1", &json!({"status": "active"})),
        entity("record", "record-2", &json!({"status": "archived"})),
    ];
    policy_set(CERTIFICATION, entities)
}

fn check_vectors(sidecar: &Sidecar, vectors: &Value) -> usize {
    let cases = |name: &str| vectors[name].as_array().cloned().unwrap_or_default();
    for case in cases("evaluation") {
        let answer = sidecar.post(EVALUATION, &case["request"]);
        assert_eq!((answer.status, &answer.json()["decision"]), (200, &case["expected"]), "{case}");
    }
    for case in cases("evaluations") {
        let answer = sidecar.post(EVALUATIONS, &case["request"]);
        // Items compare as exactly `{"decision": ...}`.
        assert_eq!((answer.status, answer.json()), (200, json!({"evaluations": case["expected"]})), "{case}");
    }
    cases("evaluation").len() + cases("evaluations").len()
}

#[test]
fn the_todo_scenario_is_answered_as_its_vectors_say() {
    let Some(people) = people("user") else { return };
    let dir = policy_set(TASKS, people);
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let files = ["01", "02"].map(|version| format!("authzen/todo/decisions-authorization-api-1_0-{version}.json"));
    let vectors = read(&files.each_ref().map(String::as_str)).expect("the users were there");
    let checked: usize = vectors.iter().map(|vectors| check_vectors(&sidecar, vectors)).sum();
    assert_eq!(checked, 83);
}

#[test]
fn the_api_gateway_scenario_is_answered_as_its_vectors_say() {
    let Some(people) = people("identity") else { return };
    let dir = policy_set(GATEWAY, people);
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let vectors = read(&["authzen/api-gateway/decisions.json"]).expect("the users were there");
    assert_eq!(check_vectors(&sidecar, &vectors[0]), 25);
}

fn user(id: &str) -> Value {
    json!({"type": "user", "id": id})
}

fn record(id: &str) -> Value {
    json!({"type": "record", "id": id})
}

#[test]
fn the_rules_of_the_certification_fixture_hold() {
    let dir = certification();
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let name = |action: &str| json!({"name": action});
    let archived = json!({"type": "record", "id": "record-1", "properties": {"status": "archived"}});
    let delete = |soft: bool| json!({"name": "delete", "properties": {"soft": soft}});
    for (subject, action, resource, decision) in [
        (user("alice"), name("read"), record("record-1"), true),
        (user("alice"), name("read"), record("record-2"), true),
        (user("alice"), name("write"), record("record-1"), true),
        (user("bob"), name("read"), record("record-1"), true),
        (user("bob"), name("write"), record("record-1"), false),
        (user("alice"), name("write"), archived.clone(), false),
        (
            json!({"type": "user", "id": "alice", "properties": {"role": "admin"}}),
            name("write"),
            archived.clone(),
            true,
        ),
        (user("bob"), name("write"), archived, true),
        (user("alice"), delete(true), record("record-1"), true),
        (user("alice"), delete(false), record("record-1"), false),
        (user("alice"), name("delete"), record("record-1"), false),
        // Nobody and nothing that exists; types that are none.
        (user("nobody"), name("read"), record("record-1"), false),
        (user("alice"), name("read"), record("record-9"), false),
        (json!({"type": "mcp-tool", "id": "x"}), name("read"), record("record-1"), false),
        (json!({"type": "", "id": ""}), name(""), json!({"type": "in", "id": ""}), false),
        (user("alice"), name("read"), json!({"type": "urn:x", "id": "record-1"}), false),
    ] {
        let question = json!({"subject": subject, "action": action, "resource": resource});
        let answer = sidecar.post(EVALUATION, &question);
        assert_eq!((answer.status, &answer.json()["decision"]), (200, &json!(decision)), "{question} {answer:?}");
        let again = sidecar.post(EVALUATION, &question).json();
        assert_eq!(again["decision"], decision, "the same question, the same decision");
    }
    // A context cannot pass for the action's properties.
    let forged = json!({"subject": user("alice"), "action": {"name": "delete"}, "resource": record("record-1"),
        "context": {"action_properties": {"soft": true}}});
    assert_eq!(sidecar.post(EVALUATION, &forged).json()["decision"], false);
}

#[test]
fn batches_inherit_whole_members_and_stop_where_they_are_told_to() {
    let dir = certification();
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let read = json!({"subject": user("alice"), "action": {"name": "read"}, "resource": record("record-1")});
    let (yes, no, broken) = (json!({}), json!({"subject": user("nobody")}), json!({"resource": {"type": "record"}}));
    for (semantic, items, decisions) in [
        ("execute_all", vec![&yes, &no, &broken, &yes], vec![true, false, false, true]),
        ("deny_on_first_deny", vec![&yes, &no, &yes], vec![true, false]),
        ("deny_on_first_deny", vec![&broken, &yes], vec![false]),
        ("permit_on_first_permit", vec![&no, &broken, &yes, &no], vec![false, false, true]),
        ("permit_on_first_permit", vec![&no, &no], vec![false, false]),
    ] {
        let mut body = read.clone();
        body["evaluations"] = json!(items);
        body["options"] = json!({"evaluations_semantic": semantic, "unknown": {"ignored": true}});
        let answer = sidecar.post(EVALUATIONS, &body);
        let expected: Vec<Value> = decisions.iter().map(|decision| json!({"decision": decision})).collect();
        assert_eq!((answer.status, answer.json()), (200, json!({"evaluations": expected})), "{body}");
        assert_eq!(sidecar.post(EVALUATIONS, &body).body, answer.body, "the identical body on repeat");
    }
    // A subject of an item's own brings its own properties: those of the default are not merged into it.
    let body = json!({
        "subject": {"type": "user", "id": "alice", "properties": {"role": "admin"}},
        "action": {"name": "write"}, "resource": record("record-2"),
        "evaluations": [{}, {"subject": user("alice")}],
    });
    assert_eq!(
        sidecar.post(EVALUATIONS, &body).json(),
        json!({"evaluations": [{"decision": true}, {"decision": false}]})
    );
    // A batch of one broken item, with no defaults anywhere.
    let lone = json!({"evaluations": [{"action": {"name": "read"}, "resource": record("record-1")}]});
    assert_eq!(sidecar.post(EVALUATIONS, &lone).json(), json!({"evaluations": [{"decision": false}]}));
    // Without items it is a single evaluation.
    let mut body = read;
    body["evaluations"] = json!([]);
    let answer = sidecar.post(EVALUATIONS, &body).json();
    assert_eq!((&answer["decision"], answer.get("evaluations")), (&json!(true), None));
}

#[test]
fn faults_of_a_whole_payload_are_400_and_headers_do_not_matter() {
    let dir = certification();
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let good = json!({"subject": user("alice"), "action": {"name": "read"}, "resource": record("record-1")});
    for (path, body) in [
        (EVALUATION, String::new()),
        (EVALUATION, "null".to_owned()),
        (EVALUATION, "[]".to_owned()),
        (EVALUATION, "{\"subject\"".to_owned()),
        (EVALUATION, json!({"subject": user("alice"), "action": {"name": "read"}}).to_string()),
        (
            EVALUATION,
            json!({"subject": "alice", "action": {"name": "read"}, "resource": record("record-1")}).to_string(),
        ),
        (
            EVALUATION,
            json!({"subject": {"id": "alice"}, "action": {"name": "read"}, "resource": record("r")}).to_string(),
        ),
        (EVALUATION, json!({"subject": user("alice"), "action": {"name": 1}, "resource": record("r")}).to_string()),
        (
            EVALUATION,
            json!({"subject": user("alice"), "action": {"name": "read"}, "resource": record("r"), "context": 1})
                .to_string(),
        ),
        (EVALUATIONS, String::new()),
        (EVALUATIONS, json!({"evaluations": "x"}).to_string()),
        (EVALUATIONS, json!({"evaluations": [{}], "options": {"evaluations_semantic": "some"}}).to_string()),
        (EVALUATIONS, json!({"evaluations": []}).to_string()),
    ] {
        let answer = sidecar.post_text(path, &[("x-request-id", "r-9")], &body);
        assert_eq!((answer.status, answer.header("x-request-id")), (400, "r-9"), "{path} {body}");
        assert_eq!(answer.json()["error"]["code"], "malformed_request", "{path} {body}");
    }
    let answer = sidecar.post_text(EVALUATION, &[("authorization", "undefined")], &good.to_string());
    assert_eq!((answer.status, &answer.json()["decision"]), (200, &json!(true)));
}

#[test]
fn reasons_of_batch_items_are_given_to_those_who_ask_for_them() {
    let dir = certification();
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let body = json!({
        "subject": user("alice"), "action": {"name": "read"}, "resource": record("record-1"),
        "options": {"reasons": true},
        "evaluations": [{}, {"subject": user("nobody")}, {"action": {}}],
    });
    let answer = sidecar.post(EVALUATIONS, &body).json();
    let items = &answer["evaluations"];
    assert_eq!(items[0]["context"]["reason"]["code"], "granted");
    assert_eq!(items[1]["context"]["reason"]["code"], "condition_not_met");
    assert_eq!(
        items[2],
        json!({"decision": false, "context": {"error": {"status": 400, "message": "missing field `name`"}}})
    );
    assert_eq!(sidecar.post(EVALUATIONS, &body).json(), answer);
}
