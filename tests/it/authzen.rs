//! AuthZEN 1.0 over HTTP: the interoperability scenarios, the certification fixture, and every point of the specification.

/// Batches: what they inherit, where they stop, how they compare with single calls.
mod batch;
/// A client that nobody here wrote, over TLS.
mod client;
/// Where callers are led.
mod metadata;
/// Every point of the specification with the tests that hold it.
mod points;
/// The outer form.
mod transport;
/// What a Cedar implementation may stumble over.
mod traps;

use crate::support::{PolicyDir, Sidecar, shared};
use serde_json::{Value, json};
use std::fs;

const EVALUATION: &str = "/access/v1/evaluation";
const EVALUATIONS: &str = "/access/v1/evaluations";
const METADATA: &str = "/.well-known/authzen-configuration";
/// Every path that takes a question.
const PATHS: [&str; 5] =
    [EVALUATION, EVALUATIONS, "/access/v1/search/subject", "/access/v1/search/resource", "/access/v1/search/action"];

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

/// A question for each of the paths that the fixture answers with yes, or with results.
fn body_of(path: &str) -> Value {
    let (alice, read, first) = (user("alice"), json!({"name": "read"}), record("record-1"));
    match path.rsplit('/').next().expect("a path") {
        "evaluations" => {
            json!({"subject": alice, "action": read, "evaluations": [{"resource": first}, {"resource": record("record-2")}]})
        }
        "subject" => json!({"subject": {"type": "user"}, "action": read, "resource": first}),
        "resource" => json!({"subject": alice, "action": read, "resource": {"type": "record"}}),
        "action" => json!({"subject": alice, "resource": first}),
        _ => json!({"subject": alice, "action": read, "resource": first}),
    }
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
