//! The conventions of nginx, Traefik, Caddy and Envoy, spoken to the sidecar itself.

use super::{records, trusting};
use crate::support::{Answer, PolicyDir, Sidecar, repo};
use serde_json::{Value, json};

/// A way of telling a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Convention {
    /// `X-Original-*`
    Nginx,
    /// `X-Forwarded-*`; also Caddy's.
    Traefik,
    /// The request line.
    Envoy,
}

use Convention::{Envoy, Nginx, Traefik};

const ALL: [Convention; 3] = [Nginx, Traefik, Envoy];

#[track_caller]
fn ask(sidecar: &Sidecar, convention: Convention, method: &str, target: &str, more: &[(&str, &str)]) -> Answer {
    let host = more.iter().find(|(name, _)| *name == "host").map_or("shop.example", |(_, host)| host);
    let headers = match convention {
        Nginx => vec![("X-Original-Method", method), ("X-Original-URI", target), ("X-Forwarded-Host", host)],
        Traefik => vec![
            ("X-Forwarded-Method", method),
            ("X-Forwarded-Uri", target),
            ("X-Forwarded-Host", host),
            ("X-Forwarded-Proto", "https"),
        ],
        Envoy => vec![("Host", host)],
    };
    let more = more.iter().filter(|(name, _)| *name != "host").copied();
    let headers: Vec<(&str, &str)> = headers.into_iter().chain(more).collect();
    let (method, path) = match convention {
        Envoy => (method, format!("/ext-authz{target}")),
        Nginx | Traefik => ("GET", "/auth-request".to_owned()),
    };
    let answer = sidecar.client().send(method, sidecar.authorize_address(), &path, &headers, None);
    answer.expect("the authorize listener answers")
}

fn code(answer: &Answer) -> String {
    answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn every_convention_says_the_same_with_the_status_that_a_proxy_knows() {
    let sidecar = trusting().start();
    for convention in ALL {
        for (method, target, user, status, reason) in [
            ("GET", "/orders/o-1", "bob", 200, ""),
            ("HEAD", "/orders/o-1", "bob", 200, ""),
            ("GET", "/orders?page=2", "bob", 200, ""),
            ("GET", "/health", "", 200, ""),
            ("DELETE", "/orders/o-1", "bob", 403, "not_granted"),
            ("GET", "/reps/bob/orders/o-1", "carol", 403, "condition_not_met"),
            ("GET", "/orders/o-1", "dave", 403, "user_suspended"),
            ("GET", "/orders/o-1", "nobody", 403, "user_unknown"),
            ("GET", "/orders/o-1", "", 401, "subject_missing"),
            ("GET", "/nothing", "alice", 403, "route_unknown"),
            ("GET", "/orders//o-1", "alice", 403, "path_not_canonical"),
            ("GET", "/ORDERS", "alice", 403, "path_not_canonical"),
        ] {
            let who = [("X-Demo-User", user)];
            let answer = ask(&sidecar, convention, method, target, if user.is_empty() { &[] } else { &who });
            assert_eq!(answer.status, status, "{convention:?} {method} {target} {user}: {answer:?}");
            assert_eq!(answer.header("sidegate-revision").len(), 12);
            assert!(!answer.header("x-request-id").is_empty());
            assert_eq!(answer.header("sidegate-decision").len(), 26, "{answer:?}");
            if status == 200 {
                assert_eq!((answer.body.as_str(), answer.header("sidegate-user")), ("", user), "{answer:?}");
            } else {
                assert_eq!(code(&answer), reason, "{convention:?} {method} {target} {user}");
                assert_eq!(answer.header("sidegate-user"), "");
            }
            let challenged = !answer.header("www-authenticate").is_empty();
            assert_eq!(challenged, status == 401, "{answer:?}");
        }
    }
}

#[test]
fn the_application_is_told_the_user_the_tenant_the_roles_and_the_record() {
    let sidecar = trusting().policies(repo("policies/8move")).start();
    for (count, convention) in (1..).zip(ALL) {
        let answer = ask(&sidecar, convention, "GET", "/s/north/orders", &[("X-Demo-User", "max")]);
        let header = |name| answer.header(name).to_owned();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            [header("sidegate-user"), header("sidegate-tenant"), header("sidegate-roles")],
            ["max", "north", "manager"]
        );
        assert_eq!(records(&sidecar, "user=max", count)[0]["id"], header("sidegate-decision"));
    }
    // Of a public route nobody is asked, and nobody is told: the names are there to be removed.
    let answer = ask(&sidecar, Envoy, "GET", "/healthz", &[("X-Demo-User", "max")]);
    assert_eq!(answer.header("sidegate-user"), "");
    assert_eq!(answer.header("x-envoy-auth-headers-to-remove"), "sidegate-user,sidegate-tenant,sidegate-roles");
    assert_eq!(answer.headers.get("sidegate-user"), None);
    // What others are to hand on is there, and empty.
    let answer = ask(&sidecar, Traefik, "GET", "/healthz", &[("X-Demo-User", "max")]);
    for name in ["sidegate-user", "sidegate-tenant", "sidegate-roles"] {
        assert_eq!(answer.headers.get(name).map(ureq::http::HeaderValue::as_bytes), Some(&b""[..]), "{name}");
    }
}

#[test]
fn the_settings_name_the_headers_and_keep_reasons_from_clients() {
    let sidecar = Sidecar::builder()
        .config("server: { authorize: { trusted_proxies: [127.0.0.0/8], proxy: { user_header: X-Who, header_prefix: X-Auth- } } }")
        .start();
    let answer = ask(&sidecar, Traefik, "GET", "/orders", &[("X-Who", "bob")]);
    assert_eq!((answer.status, answer.header("x-auth-user"), answer.header("x-auth-roles")), (200, "bob", "clerk"));
    let mut count = 1;
    for (target, user, status, expected) in
        [("/nothing", "bob", 403, "forbidden"), ("/orders", "", 401, "unauthorized")]
    {
        let answer = ask(&sidecar, Traefik, "GET", target, &[("X-Who", user)]);
        assert_eq!((answer.status, code(&answer).as_str()), (status, expected));
        assert!(!answer.body.contains("route"), "{answer:?}");
        let decision = answer.header("x-auth-decision").to_owned();
        count += 1;
        assert_eq!(records(&sidecar, "kind=decision", count)[0]["id"], decision);
    }
    sidecar.configure("server: { authorize: { proxy: { tell_reasons: true } } }");
    crate::support::wait_for("the setting counts", std::time::Duration::from_secs(20), || {
        code(&ask(&sidecar, Traefik, "GET", "/nothing", &[("X-Who", "bob")])) == "route_unknown"
    });
}

#[test]
fn records_say_the_request_the_route_and_the_door() {
    let sidecar = trusting().start();
    let ways = [(Nginx, "forward_auth"), (Traefik, "forward_auth"), (Envoy, "envoy")];
    for (round, (convention, source)) in (0..).zip(ways) {
        // Three records a round.
        let latest = |nth: usize| records(&sidecar, "kind=decision", 3 * round + nth)[0].clone();
        ask(&sidecar, convention, "PUT", "/orders/o-1?secret=x", &[("X-Demo-User", "bob"), ("X-Request-ID", "r-1")]);
        let record = latest(1);
        let shown = |record: &Value, names: &[&str]| names.iter().map(|name| record[name].clone()).collect::<Vec<_>>();
        assert_eq!(
            shown(&record, &["source", "action", "resource_type", "resource_id", "decision", "reason", "request_id"]),
            [source, "edit", "order", "o-1", "allow", "granted", "r-1"]
        );
        let http = serde_json::json!({ "method": "PUT", "host": "shop.example", "path": "/orders/o-1", "route": "PUT,PATCH /orders/{id}" });
        assert_eq!(record["context"]["http"], http, "{record}");
        assert!(!record.to_string().contains("secret"), "{record}");

        ask(&sidecar, convention, "GET", "/health", &[]);
        let record = latest(2);
        assert_eq!(shown(&record, &["source", "user", "reason"]), [json!(source), Value::Null, json!("public")]);
        assert_eq!(record["context"]["http"]["route"], "GET /health");
        ask(&sidecar, convention, "GET", "/%2e%2e/x", &[("X-Demo-User", "bob")]);
        let record = latest(3);
        assert_eq!(
            shown(&record, &["source", "user", "action", "reason"]),
            [source, "bob", "GET", "path_not_canonical"]
        );
        assert_eq!(
            record["context"]["http"],
            serde_json::json!({ "method": "GET", "host": "shop.example", "path": "/%2e%2e/x" })
        );
        assert!(sidecar.count("sidegate_decisions_total", &[&format!("source=\"{source}\"")]) >= 3);
    }
}

#[test]
fn what_a_route_takes_comes_from_the_query_headers_the_host_and_the_address() {
    let set = PolicyDir::with(&[
        (
            "set.yaml",
            "policy_set: shop\ntenancy: required\nlevels: { view: [view] }\n\
             modules:\n  orders: { resources: { order: { channel: String, page: Long } } }\n\
             context: { ip: ipaddr }\n\
             conditions:\n  inside: { cedar: 'context has ip && context.ip.isInRange(ip(\"10.0.0.0/8\")) && resource has channel && resource.channel == \"web\"' }\n\
             roles: { clerk: { grants: { orders: { level: view, when: inside } } } }\n\
             users: { bob: { roles: { north: [clerk], south: [clerk] } } }\n",
        ),
        (
            "routes.yaml",
            "routes:\n  - host: ['*.shop.example']\n    context: { ip: '{request.ip?}' }\n    routes:\n      \
             - path: /orders\n        method: GET\n        action: view\n        resource: order:{query.id?}\n        \
             tenant: '{header.x-tenant?}'\n        attributes: { channel: '{query.channel?}', page: '{query.page?}' }\n",
        ),
    ]);
    let sidecar = trusting().policies(set.path()).start();
    let inside = ("X-Forwarded-For", "10.1.2.3");
    let (bob, north) = (("X-Demo-User", "bob"), ("X-Tenant", "north"));
    for (host, target, headers, expected) in [
        ("a.shop.example", "/orders?channel=web&id=o-1", &[inside, bob, north][..], ""),
        ("A.Shop.Example:8443", "/orders?channel=w%65b", &[inside, bob, north], ""),
        ("a.shop.example", "/orders?channel=web", &[inside, bob, ("X-Tenant", "south")], ""),
        ("a.shop.example", "/orders?channel=web", &[inside, bob], "tenant_missing"),
        ("a.shop.example", "/orders?channel=web", &[inside, bob, ("X-Tenant", "east")], "not_granted"),
        ("a.shop.example", "/orders?channel=web", &[inside, bob, north, ("X-Tenant", "south")], "route_value_invalid"),
        ("a.shop.example", "/orders?channel=web", &[bob, north], "condition_not_met"),
        (
            "a.shop.example",
            "/orders?channel=web",
            &[("X-Forwarded-For", "10.1.2.3, 192.0.2.1"), bob, north],
            "condition_not_met",
        ),
        ("a.shop.example", "/orders", &[inside, bob, north], "condition_not_met"),
        ("a.shop.example", "/orders?channel=web&channel=x", &[inside, bob, north], "route_value_invalid"),
        ("a.shop.example", "/orders?channel=web&page=x", &[inside, bob, north], "route_value_invalid"),
        ("shop.example", "/orders?channel=web", &[inside, bob, north], "route_unknown"),
        ("a.shop.example.", "/orders?channel=web", &[inside, bob, north], "path_not_canonical"),
    ] {
        for convention in ALL {
            let headers: Vec<_> = headers.iter().copied().chain([("host", host)]).collect();
            let answer = ask(&sidecar, convention, "GET", target, &headers);
            let found = if answer.status == 200 { String::new() } else { code(&answer) };
            assert_eq!(found, expected, "{convention:?} {host} {target} {headers:?}: {answer:?}");
        }
    }
}

#[test]
fn a_set_of_plain_cedar_has_routes_too() {
    let set = PolicyDir::with(&[
        ("photos.cedar", r#"permit (principal == User::"bob", action == Action::"view", resource in Album::"trip");"#),
        (
            "entities.json",
            r#"[{"uid":{"type":"Photo","id":"p-1"},"attrs":{},"parents":[{"type":"Album","id":"trip"}]}]"#,
        ),
        ("routes.yaml", "routes: [{ path: '/photos/{id}', method: GET, action: view, resource: 'Photo:{id}' }]\n"),
        (
            "tests/routes.yaml",
            "routes:\n  - { request: GET /photos/p-1, user: bob, expect: allow, resource: 'Photo:p-1' }\n",
        ),
    ]);
    let tested = crate::support::sidegate(["test", set.path().to_str().unwrap()]);
    assert_eq!(tested.code, Some(0), "{tested:?}");
    assert!(tested.stdout.contains("routes 1 of 1"), "{tested:?}");
    let sidecar = trusting().policies(set.path()).start();
    for (target, user, status) in
        [("/photos/p-1", "bob", 200), ("/photos/p-2", "bob", 403), ("/photos/p-1", "eve", 403)]
    {
        let answer = ask(&sidecar, Traefik, "GET", target, &[("X-Demo-User", user)]);
        assert_eq!(answer.status, status, "{target} {user}: {answer:?}");
    }
}

#[test]
fn a_set_without_routes_lets_nothing_through_and_routes_change_with_the_files() {
    let set = PolicyDir::copy_of(repo("policies/demo"));
    let sidecar = trusting().policies(set.path()).start();
    let status = || ask(&sidecar, Nginx, "GET", "/orders", &[("X-Demo-User", "bob")]).status;
    assert_eq!(status(), 200);
    set.remove("tests/routes.yaml");
    set.remove("routes.yaml");
    crate::support::wait_for("the routes are gone", std::time::Duration::from_secs(20), || status() == 403);
    set.write("routes.yaml", "routes: [{ path: /orders, method: GET, public: true }]\n");
    crate::support::wait_for("they are others", std::time::Duration::from_secs(20), || status() == 200);
}

#[test]
fn a_route_whose_test_fails_does_not_go_live() {
    let set = PolicyDir::copy_of(repo("policies/demo"));
    let sidecar = trusting().policies(set.path()).start();
    let revision = |sidecar: &Sidecar| sidecar.admin_get("/v1/policies").json()["revision"].clone();
    let before = revision(&sidecar);
    // Whoever opens this by mistake is told by the test of the suspended user.
    let open = set.read("routes.yaml").replace(
        "path: \"/orders/{id}\", method: GET,          action: view,   resource: \"order:{id}\"",
        "path: \"/orders/{id}\", method: GET, public: true",
    );
    set.write("routes.yaml", &open);
    let reload = sidecar.admin_post("/v1/policies/reload", &Value::Null);
    assert!(reload.body.contains("rejected_tests"), "{reload:?}");
    assert_eq!(revision(&sidecar), before);
    assert_eq!(ask(&sidecar, Nginx, "GET", "/orders/o-1", &[]).status, 401);
}

#[test]
fn bodies_are_not_looked_at_and_bounded() {
    let sidecar = trusting().start();
    let headers = [("X-Demo-User", "bob"), ("content-type", "text/plain")];
    for (length, status) in [(10, 200), (100_000, 413)] {
        let body = "x".repeat(length);
        let answer = sidecar
            .client()
            .send("PUT", sidecar.authorize_address(), "/ext-authz/orders/o-1", &headers, Some(&body))
            .expect("the authorize listener answers");
        assert_eq!(answer.status, status, "{length}");
    }
}
