//! The metadata: what is named, for whom, and that nobody but the operator says where callers go.

use super::{EVALUATION, METADATA, certification};
use crate::support::{Answer, PolicyDir, Sidecar, repo};
use serde_json::{Value, json};

fn get(sidecar: &Sidecar, path: &str, headers: &[(&str, &str)]) -> Answer {
    sidecar.client().get(sidecar.authorize_address(), path, headers).expect("an answer")
}

fn with_url(policies: &PolicyDir, url: &str) -> Sidecar {
    let config = format!("server: {{ authorize: {{ public_url: {url:?} }} }}");
    Sidecar::builder().policies(policies.path()).config(&config).start()
}

fn endpoints(identifier: &str, base: &str) -> Value {
    json!({
        "policy_decision_point": identifier,
        "access_evaluation_endpoint": format!("{base}/access/v1/evaluation"),
        "access_evaluations_endpoint": format!("{base}/access/v1/evaluations"),
        "search_subject_endpoint": format!("{base}/access/v1/search/subject"),
        "search_resource_endpoint": format!("{base}/access/v1/search/resource"),
        "search_action_endpoint": format!("{base}/access/v1/search/action"),
    })
}

#[test]
fn the_metadata_names_every_endpoint_under_the_configured_address() {
    let policies = certification();
    for (url, base, path) in [
        ("https://pdp.example", "https://pdp.example", METADATA.to_owned()),
        ("https://pdp.example:8443/", "https://pdp.example:8443", METADATA.to_owned()),
        ("https://pdp.example/a/b", "https://pdp.example/a/b", format!("{METADATA}/a/b")),
        ("https://[::1]:1/a/", "https://[::1]:1/a", format!("{METADATA}/a")),
    ] {
        let sidecar = with_url(&policies, url);
        let answer = get(&sidecar, &path, &[]);
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{answer:?}");
        // The identifier is what was configured, to the letter.
        assert_eq!(answer.json(), endpoints(url, base));
        assert!(answer.json().as_object().expect("an object").values().all(|value| {
            value.as_str().is_some_and(|url| url.starts_with("https://") && !url.contains(['?', '#']))
        }));
        let other = if path == METADATA { format!("{METADATA}/a") } else { METADATA.to_owned() };
        assert_eq!(get(&sidecar, &other, &[]).status, 404, "{url}: the identifier of somebody else");
    }
}

#[test]
fn nothing_that_a_request_says_changes_the_metadata() {
    let policies = certification();
    let sidecar = with_url(&policies, "https://pdp.example");
    let plain = get(&sidecar, METADATA, &[]).body;
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.example;proto=http"),
        ("x-original-url", "https://evil.example/"),
    ] {
        assert_eq!(get(&sidecar, METADATA, &[(name, value)]).body, plain, "{name}");
    }
    assert_eq!(get(&sidecar, &format!("{METADATA}?host=evil.example"), &[]).body, plain);
}

#[test]
fn without_a_public_address_there_is_no_metadata() {
    let policies = certification();
    let sidecar = Sidecar::builder().policies(policies.path()).start();
    let answer = sidecar.get(METADATA);
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["error"]["message"], "no metadata: `server.authorize.public_url` is not configured");
}

#[test]
fn an_address_that_is_not_https_stops_the_start() {
    for url in ["http://pdp.example", "https://pdp.example?x", "pdp.example"] {
        let failed =
            Sidecar::builder().config(&format!("server: {{ authorize: {{ public_url: {url:?} }} }}")).start_failing();
        assert_eq!(failed.code, Some(64), "{url}: {failed:?}");
    }
}

#[test]
fn a_tenant_has_an_identifier_of_its_own_that_decides_in_that_tenant() {
    let config = "server: { authorize: { public_url: https://pdp.example/sg } }";
    let sidecar = Sidecar::builder().policies(repo("policies/8move")).config(config).start();
    let answer = get(&sidecar, &format!("{METADATA}/sg/north"), &[]);
    assert_eq!(answer.json(), endpoints("https://pdp.example/sg/north", "https://pdp.example/sg/north"));
    // It is open to all, and does not tell which tenants there are.
    for (path, status) in [("sg/west", 200), ("sg/", 200), ("sg/north/x", 404), ("north", 404)] {
        assert_eq!(get(&sidecar, &format!("{METADATA}/{path}"), &[]).status, status, "{path}");
    }

    // Max is a manager in the north, and works in the warehouse of the south.
    let ask = |tenant: &str, context: Value| {
        let body = json!({ "subject": {"type": "user", "id": "max"}, "action": {"name": "edit"},
            "resource": {"type": "order", "id": "o-1"}, "context": context });
        sidecar.post(&format!("{tenant}{EVALUATION}"), &body)
    };
    for (tenant, context, decision, code) in [
        ("", json!({}), false, "tenant_missing"),
        ("/north", json!({}), true, "granted"),
        ("/n%6frth", json!({}), true, "granted"),
        ("/north", json!({"tenant": "north"}), true, "granted"),
        ("/south", json!({}), false, "not_granted"),
        ("/west", json!({}), false, "tenant_unknown"),
    ] {
        let answer = ask(tenant, context).json();
        let said = (&answer["decision"], &answer["context"]["reason"]["code"]);
        assert_eq!(said, (&json!(decision), &json!(code)), "{tenant}: {answer}");
    }
    let two = ask("/north", json!({"tenant": "south"}));
    assert_eq!((two.status, &two.json()["error"]["code"]), (400, &json!("malformed_request")), "{two:?}");
    assert!(two.body.contains("`tenant` is `south`, but the address names the tenant `north`"), "{two:?}");

    // In a batch the one item is false; a search is within the tenant.
    let item = |context: Value| json!({ "action": {"name": "edit"}, "context": context });
    let batch = json!({ "subject": {"type": "user", "id": "max"}, "resource": {"type": "order", "id": "o-1"},
        "evaluations": [item(json!({})), item(json!({"tenant": "south"}))] });
    let answer = sidecar.post("/north/access/v1/evaluations", &batch).json();
    assert_eq!(answer, json!({"evaluations": [{"decision": true}, {"decision": false}]}));
    let mut search = json!({ "subject": {"type": "user"}, "action": {"name": "edit"},
        "resource": {"type": "order", "id": "o-1"}, "page": {"limit": 1} });
    let found = sidecar.post("/north/access/v1/search/subject", &search).json();
    assert_eq!(found["results"], json!([{"type": "user", "id": "ada"}]));
    search["page"] = json!({"token": found["page"]["next_token"]});
    assert_eq!(sidecar.post("/north/access/v1/search/subject", &search).status, 200);
    assert_eq!(sidecar.post("/south/access/v1/search/subject", &search).status, 400, "a page of another search");
}

#[test]
fn a_set_without_tenants_has_no_addresses_of_tenants() {
    let policies = certification();
    for sidecar in [with_url(&policies, "https://pdp.example"), Sidecar::builder().start()] {
        assert_eq!(get(&sidecar, &format!("{METADATA}/north"), &[]).status, 404);
        for path in super::PATHS {
            let answer = sidecar.post(&format!("/north{path}"), &super::body_of(path));
            assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &json!("not_found")), "{path}");
        }
    }
}

#[test]
fn the_public_address_changes_while_the_process_runs() {
    let policies = certification();
    let sidecar = with_url(&policies, "https://pdp.example");
    sidecar.configure("server: { authorize: { public_url: https://other.example } }");
    sidecar.signal(crate::support::Signal::HUP);
    sidecar.wait_event("config_changed", std::time::Duration::from_secs(20), |_| true);
    assert_eq!(get(&sidecar, METADATA, &[]).json(), endpoints("https://other.example", "https://other.example"));
}
