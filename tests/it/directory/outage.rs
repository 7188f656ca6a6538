//! A directory whose disk fails: what it says, and what goes on.

use super::desk::{Desk, active};
use crate::{
    faults::shim::{EVERY_CALL, Fault, Shim},
    support::{Sidecar, repo},
};
use serde_json::{Value, json};

/// A sidecar whose directory, and nothing else of it, is on the disk of the shim.
fn sidecar(shim: &Shim) -> Sidecar {
    let data = shim.directory();
    let watched = data.join("directory");
    let builder = Sidecar::builder().policies(repo("policies/demo")).data(data);
    let variables = shim.variables().into_iter().filter(|(name, _)| *name != "FAULTS_DIR");
    let variables = variables.chain([("FAULTS_DIR", watched.as_path())]);
    variables.fold(builder, |builder, (name, value)| builder.env(name, value.to_str().expect("UTF-8"))).start()
}

#[test]
fn a_directory_whose_disk_fails_takes_no_changes_and_what_it_knows_decides_on() {
    let scratch = tempfile::tempdir().expect("a directory");
    let shim = Shim::new(scratch.path(), false);
    shim.count(&[]);
    let first = sidecar(&shim);
    let operator = Desk::operator(&first);
    operator.user("nell");
    operator.ok("POST", "/v1/users/nell/assignments/give", &json!({ "roles": ["clerk"] }));
    let status = |sidecar: &Sidecar| sidecar.ops_get("/status").json()["directory"].clone();
    assert_eq!(status(&first), json!({ "takes_changes": true, "failure": null }));
    assert_eq!(first.ops_get("/readyz").json(), json!({ "status": "ready" }));

    shim.fail(EVERY_CALL, 1, u64::MAX, Fault::Io);
    let refused = |body: &Value| operator.refused("POST", "/v1/users", body);
    assert_eq!(refused(&active("nora")), (503, "directory_unavailable".to_owned()));
    assert_eq!(operator.asks("nell", None, "order", "edit").0, "allow", "what was known before decides");
    assert_eq!(operator.send("GET", "/v1/users/nora", None).status, 404, "nothing has changed");
    let ready = first.ops_get("/readyz");
    assert_eq!((ready.status, &ready.json()["status"]), (200, &json!("ready")));
    let note = ready.json()["notes"][0].clone();
    assert_eq!(note["name"], "directory", "{note}");
    let told = note["message"].as_str().expect("a text");
    assert!(told.contains("takes no changes until the process is started again"), "{told}");
    let failure = status(&first);
    assert!(failure["takes_changes"] == false && failure["failure"].is_string(), "{failure}");
    assert_eq!(first.count("sidegate_directory_store_failing", &[]), 1);
    assert!(first.log().contains("directory_failed"), "the log says so");

    every_refusal_is_on_record(&operator);

    shim.heal();
    assert_eq!(refused(&active("nora")), (503, "directory_unavailable".to_owned()), "nobody knows what the disk has");
    first.kill();
    let next = sidecar(&shim);
    let operator = Desk::operator(&next);
    assert_eq!(operator.asks("nell", None, "order", "edit").0, "allow");
    operator.user("nora");
    assert_eq!(status(&next)["takes_changes"], true);
    assert_eq!(next.count("sidegate_directory_store_failing", &[]), 0);
}

/// The log of decisions and calls is on another disk, and has what could not be done.
fn every_refusal_is_on_record(operator: &Desk<'_>) {
    let gives = json!({ "roles": ["clerk"] });
    for (method, path, body, action, about) in [
        ("POST", "/v1/users", active("otto"), "create_user", "otto"),
        ("PATCH", "/v1/users/nell", json!({ "job": "Buyer" }), "change_user", "nell"),
        ("POST", "/v1/users/nell/assignments/take", gives, "take", "nell"),
        ("POST", "/v1/users/nell/suspend", Value::Null, "suspend_user", "nell"),
        (
            "POST",
            "/v1/users/import",
            json!({ "users": [{ "id": "ida", "email": "ida@example.com", "first_name": "I", "last_name": "D", "status": "active" }] }),
            "import_users",
            "",
        ),
        ("POST", "/v1/invitations", json!({ "email": "ann@example.com", "user": "ann" }), "invite", "ann"),
        ("POST", "/v1/sessions", json!({ "user": "nell" }), "login", "nell"),
        ("DELETE", "/v1/users/nell", Value::Null, "delete_user", "nell"),
    ] {
        let refused = operator.and("x-request-id", action).refused(method, path, &body);
        assert_eq!(refused, (503, "directory_unavailable".to_owned()), "{action}");
        let found = operator.records(&format!("action={action}&decision=deny"), |records| {
            records.iter().any(|record| record["request_id"] == action)
        });
        let record = found.iter().find(|record| record["request_id"] == action).expect("it was there");
        for (name, value) in [("reason", "directory_unavailable"), ("user", about)] {
            assert_eq!(record[name].as_str().unwrap_or_default(), value, "{action} {name}: {record}");
        }
        assert!(record["before"].is_null() && record["after"].is_null(), "nothing has changed: {record}");
    }
}
