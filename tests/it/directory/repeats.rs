//! Calls that are repeated because their answer was lost, and what a refusal says about its place.

use super::desk::{Desk, active, sidecar};
use serde_json::{Value, json};

/// Every `POST` that makes something, with a body, another one, where the number of what it has made is told, and what records call it.
fn makers() -> Vec<(&'static str, Value, Value, &'static str, &'static str)> {
    let invite = |email: &str| json!({ "email": email, "assignments": { "roles": ["sales-rep"] } });
    vec![
        ("/v1/users", active("nell"), active("nora"), "/v1/users?search=nell", "create_user"),
        ("/v1/invitations", invite("ina@x.example"), invite("ida@x.example"), "/v1/invitations?state=open", "invite"),
        ("/v1/sessions", json!({ "user": "sam" }), json!({ "user": "mona" }), "/v1/sessions?user=sam", "login"),
    ]
}

#[test]
fn a_call_that_is_repeated_by_its_key_is_made_once_and_answered_as_it_was() {
    let sidecar = sidecar("8move");
    let operator = Desk::operator(&sidecar).at("north");
    for (path, body, other, list, action) in makers() {
        let keyed = operator.and("idempotency-key", &format!("key-of{}", path.replace('/', "-")));
        let first = keyed.send("POST", path, Some(&body));
        assert_eq!(first.status, 201, "{path}: {first:?}");
        assert_eq!(first.header("idempotent-replayed"), "");
        let again = keyed.send("POST", path, Some(&body));
        assert_eq!((again.status, &again.body), (201, &first.body), "{path}");
        assert_eq!(again.header("idempotent-replayed"), "true");
        for name in ["location", "etag"] {
            assert_eq!(again.header(name), first.header(name), "{path} {name}");
        }
        assert_ne!(again.header("x-request-id"), first.header("x-request-id"), "it is another request all the same");
        assert_eq!(operator.ids(list).len(), 1, "{path}: it was made once");
        assert_eq!(keyed.refused("POST", path, &other), (422, "idempotency_key_reused".to_owned()));
        assert_eq!(operator.ids(list).len(), 1, "{path}: nothing was made of the other");
        let refused = operator.records(&format!("action={action}&decision=deny"), |records| !records.is_empty());
        assert_eq!(refused.len(), 1, "{path}: {refused:?}");
        assert_eq!(refused[0]["reason"], "idempotency_key_reused", "{path}");
        // Somebody else's key is somebody else's.
        let mona =
            Desk::of(&sidecar, "mona").at("north").and("idempotency-key", &format!("key-of{}", path.replace('/', "-")));
        assert_ne!(mona.send("POST", path, Some(&body)).header("idempotent-replayed"), "true");
    }
    assert_eq!(operator.and("idempotency-key", "a b").refused("POST", "/v1/users", &active("ned")).0, 400);
}

#[test]
fn what_was_given_is_given_once_and_a_refusal_is_an_answer_too() {
    let sidecar = sidecar("8move");
    let operator = Desk::operator(&sidecar).at("north");
    operator.user("nell");
    let (give, body) = ("/v1/users/nell/assignments/give", json!({ "roles": ["sales-rep"] }));
    let keyed = operator.and("idempotency-key", "k1");
    let first = keyed.ok("POST", give, &body);
    operator.ok("POST", "/v1/users/nell/assignments/take", &body);
    assert_eq!(keyed.ok("POST", give, &body), first, "the answer is that of the time");
    let now = operator.get("/v1/users/nell/assignments").json();
    assert!(!now.to_string().contains("sales-rep"), "nothing was given a second time: {now}");
    let keyed = operator.and("idempotency-key", "k2");
    assert_eq!(keyed.refused("POST", "/v1/users", &active("nell")), (409, "user_exists".to_owned()));
    assert_eq!(operator.send("DELETE", "/v1/users/nell", None).status, 204);
    assert_eq!(keyed.refused("POST", "/v1/users", &active("nell")), (409, "user_exists".to_owned()));
    operator.ok("POST", "/v1/users", &active("nell"));
}

#[test]
fn a_refusal_names_what_may_not_be_given_and_where_it_stands() {
    let sidecar = sidecar("propeller");
    let operator = Desk::operator(&sidecar);
    operator.user("dee");
    operator.user("pat");
    let deputy = json!({ "gates": ["backoffice"], "grants": { "roles-permissions": "owner", "pricing": "viewer" } });
    operator.ok("PUT", "/v1/users/dee/assignments", &deputy);
    let dee = Desk::of(&sidecar, "dee");
    for (path, body, pointer, what) in [
        (
            "/v1/users/pat/assignments/give",
            json!({ "grants": { "pricing": "viewer", "logistics": "owner" } }),
            "/grants/logistics",
            "the grant `logistics/owner`",
        ),
        (
            "/v1/invitations",
            json!({ "email": "new@x.example", "assignments": { "grants": { "pricing": "owner" } } }),
            "",
            "",
        ),
    ] {
        let answer = dee.send("POST", path, Some(&body));
        assert_eq!(answer.status, 403, "{answer:?}");
        let error = answer.json()["error"].clone();
        assert!(error["message"].as_str().is_some_and(|message| message.starts_with(what)), "{error}");
        if !what.is_empty() {
            assert_eq!(error["problems"][0]["pointer"], pointer, "{error}");
        }
    }
    let records = operator.records("kind=directory&action=give&decision=deny", |records| !records.is_empty());
    assert!(records[0]["context"].to_string().contains("the grant `logistics/owner`"), "{records:?}");
}
