//! Every call of the directory is in the audit log once, allowed or refused, with who made it.

use super::desk::{Desk, active, sidecar};
use crate::support::{Sidecar, wait_for};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A call: method, path, body, and the action that its record names.
type Row = (&'static str, &'static str, Value, &'static str);

/// What leaves no record: a sign of life changes nothing but a time, and the roles of the set are told to whoever has the scope.
const UNRECORDED: [(&str, &str); 2] = [("POST", "/v1/sessions/{id}/heartbeat"), ("GET", "/v1/roles")];

/// Where the directory's calls are.
const AREAS: [&str; 6] = ["users", "roles", "invitations", "sessions", "review", "directory"];

/// Every call that leaves a record, in an order in which an operator can make all of them: whoever has lost everything has no session.
fn rows() -> Vec<Row> {
    let role = || json!({ "grants": { "pricing": "viewer" }, "gates": ["backoffice"] });
    let given = || json!({ "gates": ["backoffice"] });
    let accept = json!({ "token": "{token}", "first_name": "Ann", "last_name": "Doe" });
    vec![
        ("GET", "/v1/users", Value::Null, "list_users"),
        ("POST", "/v1/users", active("one"), "create_user"),
        ("GET", "/v1/users/{id}", Value::Null, "read_user"),
        ("PATCH", "/v1/users/{id}", json!({ "job": "Buyer" }), "change_user"),
        ("GET", "/v1/users/{id}/assignments", Value::Null, "read_user"),
        ("GET", "/v1/sessions", Value::Null, "list_sessions"),
        ("POST", "/v1/sessions", json!({ "user": "pat" }), "login"),
        ("DELETE", "/v1/sessions/{id}", Value::Null, "logout"),
        ("PUT", "/v1/users/{id}/assignments", given(), "set_assignments"),
        ("POST", "/v1/users/{id}/assignments/take", given(), "take"),
        ("POST", "/v1/users/{id}/assignments/give", given(), "give"),
        ("POST", "/v1/users/import", json!({ "users": [] }), "import_users"),
        ("GET", "/v1/users/export", Value::Null, "export_users"),
        ("PUT", "/v1/roles/{id}", role(), "put_role"),
        ("GET", "/v1/roles/{id}", Value::Null, "read_role"),
        ("DELETE", "/v1/roles/{id}", Value::Null, "delete_role"),
        ("GET", "/v1/invitations", Value::Null, "list_invitations"),
        ("POST", "/v1/invitations", json!({ "email": "two@example.com" }), "invite"),
        ("PATCH", "/v1/invitations/{id}", json!({ "assignments": given() }), "change_invitation"),
        ("POST", "/v1/invitations/{id}/resend", Value::Null, "resend_invitation"),
        ("POST", "/v1/invitations/{id}/revoke", Value::Null, "revoke_invitation"),
        ("POST", "/v1/invitations/accept", accept, "accept_invitation"),
        ("GET", "/v1/review", Value::Null, "review"),
        ("GET", "/v1/directory/backup", Value::Null, "backup"),
        ("POST", "/v1/directory/restore", json!("{backup}"), "restore"),
        ("POST", "/v1/users/{id}/suspend", Value::Null, "suspend_user"),
        ("POST", "/v1/users/{id}/reactivate", Value::Null, "reactivate_user"),
        ("DELETE", "/v1/users/{id}", Value::Null, "delete_user"),
    ]
}

/// What the calls are about.
struct Things {
    invitation: String,
    session: String,
    token: String,
}

impl Things {
    fn make(operator: &Desk<'_>) -> Self {
        let id = |made: &Value| made["id"].as_str().expect("an id").to_owned();
        operator.user("pat");
        let invitation = id(&operator.ok("POST", "/v1/invitations", &json!({ "email": "joe@example.com" })));
        let session = id(&operator.ok("POST", "/v1/sessions", &json!({ "user": "pat" })));
        operator.ok("POST", "/v1/invitations", &json!({ "email": "ann@example.com" }));
        let token = operator.tokens("ann@example.com", 1).remove(0);
        Self { invitation, session, token }
    }

    fn path(&self, path: &str) -> String {
        let id = match path.split('/').nth(2) {
            Some("invitations") => &self.invitation,
            Some("sessions") => &self.session,
            Some("roles") => "desk",
            _ => "pat",
        };
        path.replace("{id}", id)
    }
}

/// Sends a call under an id of its own; gives the status.
fn send(sidecar: &Sidecar, (verb, path, body): (&str, &str, Option<&str>), actor: Option<&str>, id: &str) -> u16 {
    let headers: Vec<_> =
        [("x-request-id", id)].into_iter().chain(actor.map(|actor| ("sidegate-actor", actor))).collect();
    let sent = sidecar.client().send(verb, sidecar.admin_address(), path, &headers, body);
    sent.expect("the admin listener answers").status
}

#[test]
fn the_table_has_every_operation_of_the_directory() {
    let sidecar = sidecar("propeller");
    let document = sidecar.admin_get("/openapi.json").json();
    let paths = document["paths"].as_object().expect("paths");
    let is_ours = |path: &str| path.split('/').nth(2).is_some_and(|area| AREAS.contains(&area));
    let operations = paths.iter().filter(|(path, _)| is_ours(path)).flat_map(|(path, operations)| {
        operations.as_object().expect("operations").keys().map(|verb| (verb.to_uppercase(), path.clone()))
    });
    let known = rows().into_iter().map(|(verb, path, ..)| (verb, path)).chain(UNRECORDED);
    let known = known.map(|(verb, path)| (verb.to_owned(), path.to_owned()));
    assert_eq!(operations.collect::<BTreeSet<_>>(), known.collect::<BTreeSet<_>>());
}

#[test]
fn every_call_is_in_the_log_once_whoever_makes_it() {
    let sidecar = sidecar("propeller");
    let operator = Desk::operator(&sidecar);
    let things = Things::make(&operator);
    let mut wanted = BTreeMap::new();
    for (number, (verb, path, body, action)) in rows().into_iter().enumerate() {
        let body = match body.as_str() {
            Some(_) => operator.get("/v1/directory/backup").body,
            None if body.is_null() => String::new(),
            None => body.to_string().replace("{token}", &things.token),
        };
        let path = things.path(path);
        for actor in [Some("ned"), None] {
            let id = format!("call-{number}-{}", actor.unwrap_or("operator"));
            let body = Some(body.as_str()).filter(|body| !body.is_empty());
            let status = send(&sidecar, (verb, &path, body), actor, &id);
            assert_eq!(status < 400, actor.is_none(), "{verb} {path} by {actor:?}: {status}");
            // What an application says about its users is its own word.
            let is_report = ["login", "logout", "accept_invitation"].contains(&action);
            let (action, actor, decision) = match actor {
                Some(actor) => (if action == "logout" { "end_session" } else { action }, actor, "deny"),
                None => (action, if is_report { "application:local" } else { "operator:local" }, "allow"),
            };
            wanted.insert(id, vec![[action, actor, decision].map(str::to_owned)]);
        }
    }
    let mut found: BTreeMap<String, Vec<[String; 3]>> = BTreeMap::new();
    wait_for("every call is in the log", Duration::from_secs(20), || {
        found.clear();
        let exported = sidecar.admin_get("/v1/audit/export?format=ndjson&order=asc&module=directory").body;
        for line in exported.lines() {
            let record: Value = serde_json::from_str(line).expect("a record");
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            if wanted.contains_key(&text("request_id")) {
                found.entry(text("request_id")).or_default().push(["action", "actor", "decision"].map(text));
            }
        }
        found.len() == wanted.len()
    });
    assert_eq!(found, wanted);
}

#[test]
fn what_cannot_be_read_and_who_names_nobody_are_in_the_log_too() {
    let token = crate::support::sidegate(["token", "--name", "app", "--scopes", "read,directory,audit"]);
    let line = |head: &str| token.stdout.lines().find_map(|line| line.strip_prefix(head)).expect("a line").to_owned();
    let config = format!("server: {{ admin: {{ auth: tokens, tokens: [{}] }} }}", line("entry: "));
    let sidecar = super::desk::with("propeller", &config);
    let app = Desk::operator(&sidecar).and("authorization", &format!("Bearer {}", line("token: ")));
    let olga = app.and("sidegate-actor", "olga");
    assert_eq!(olga.refused("POST", "/v1/users/import", &json!({ "users": 7 })).0, 422);
    assert_eq!(app.refused("POST", "/v1/sessions", &json!({ "usr": "pia" })).0, 422);
    assert_eq!(app.refused("DELETE", "/v1/users/pia", &Value::Null), (403, "actor_missing".to_owned()));
    assert_eq!(app.refused("POST", "/v1/directory/restore", &json!({})), (403, "actor_missing".to_owned()));
    for (action, actor, reason) in [
        ("import_users", "olga", "invalid"),
        ("login", "application:app", "invalid"),
        ("delete_user", "application:app", "actor_missing"),
        ("restore", "application:app", "actor_missing"),
    ] {
        let records = app.records(&format!("action={action}"), |records| !records.is_empty());
        let found = ["actor", "reason", "decision"].map(|name| records[0][name].as_str().expect("a text").to_owned());
        assert_eq!(found, [actor, reason, "deny"], "{action}");
    }
}

#[test]
fn whoever_is_named_reads_of_the_log_what_the_policies_allow() {
    let sidecar = sidecar("backbone");
    for (user, tenant) in [("bob", "acme"), ("ben", "bolt")] {
        let path = format!("/v1/sessions?tenant={tenant}");
        Desk::operator(&sidecar).ok("POST", &path, &json!({ "user": user }));
    }
    let operator = Desk::operator(&sidecar);
    operator.records("kind=session", |records| records.len() == 2);
    let bea = Desk::of(&sidecar, "bea");
    for query in ["kind=session", "kind=session&tenant=acme"] {
        let users: Vec<_> = bea.get(&format!("/v1/audit?{query}")).json()["items"].as_array().expect("items").clone();
        assert_eq!(users.iter().map(|record| record["user"].clone()).collect::<Vec<_>>(), ["bob"], "{query}");
        assert_eq!(bea.get(&format!("/v1/audit/stats?{query}")).json()["records"], 1);
        assert_eq!(bea.get(&format!("/v1/audit/export?format=ndjson&{query}")).body.lines().count(), 1);
    }
    for path in ["/v1/audit", "/v1/audit/stats", "/v1/audit/export"] {
        for (desk, query) in [(&bea, "?tenant=bolt"), (&Desk::of(&sidecar, "bob"), ""), (&Desk::of(&sidecar, "no"), "")]
        {
            assert_eq!(desk.refused("GET", &format!("{path}{query}"), &Value::Null).0, 403, "{path}{query}");
        }
    }
    operator.records("action=read_log&decision=deny&actor=bob", |records| records.len() == 3);
}

#[test]
fn nobody_is_named_in_a_report_who_is_not_known() {
    let sidecar = sidecar("propeller");
    let report = json!({ "user": "pia", "action": "edit" });
    Desk::of(&sidecar, "olga").ok("POST", "/v1/activity", &report);
    let refused = Desk::of(&sidecar, "nobody").refused("POST", "/v1/activity", &report);
    assert_eq!(refused, (403, "actor_unknown".to_owned()));
    Desk::operator(&sidecar).ok("POST", "/v1/activity", &report);
}
