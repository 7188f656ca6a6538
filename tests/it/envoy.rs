//! The real Envoy on `config/envoy.yaml`, in front of a small application, asking by gRPC.

use crate::support::{Envoy, PolicyDir, Sidecar, Signal, Upstream, generation, seed, wait_for};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(30);

/// Sam may look at orders, and nobody may delete any.
const SET: &str = "policy_set: shop\ntenancy: none\nlevels: { view: [view], full: { includes: [view], actions: [delete] } }\n\
    modules: { orders: { name: Orders, resources: [order] } }\n\
    roles: { reader: { name: Reader, grants: { orders: view } } }\n\
    users: { sam: { name: Sam, email: sam@demo.example, roles: [reader] } }\n";

const ROUTES: &str = "routes:\n\
    \x20 - { method: GET, path: \"/orders/{id}\", action: view, resource: \"order:{id}\" }\n\
    \x20 - { method: DELETE, path: \"/orders/{id}\", action: delete, resource: \"order:{id}\" }\n\
    \x20 - { method: GET, path: /health, public: true }\n";

const ROUTES_OF_GENERATIONS: &str =
    "routes: [{ method: GET, path: \"/orders/{id}\", action: view, resource: \"order:{id}\" }]\n";

/// Envoy is on this machine, and says who the user is: here by whatever header the test sends.
const PROXY: &str = "server: { authorize: { trusted_proxies: [127.0.0.1], proxy: { user_header: x-user } } }";

const SAM: (&str, &str) = ("x-user", "sam");

fn policies() -> PolicyDir {
    PolicyDir::with(&[("set.yaml", SET), ("routes.yaml", ROUTES)])
}

fn as_it_is(config: String) -> String {
    config
}

#[test]
fn what_is_allowed_passes_with_what_the_application_is_told_and_nothing_that_the_client_made_up() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(PROXY).start();
    let application = Upstream::start();
    let envoy = Envoy::start(application.address(), sidecar.authorize_address(), as_it_is);
    let own =
        [SAM, ("sidegate-user", "max"), ("sidegate-tenant", "north"), ("sidegate-roles", "admin"), ("x-own", "kept")];
    let answer = envoy.get("/orders/o-1?a=b", &own);
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = answer.json();
    assert_eq!((&seen["method"], &seen["target"]), (&json!("GET"), &json!("/orders/o-1?a=b")));
    let headers = &seen["headers"];
    assert_eq!(headers["sidegate-user"], json!(["sam"]), "once, and not what the client said: {seen}");
    assert!(headers["sidegate-tenant"].is_null(), "{seen}");
    assert_ne!(headers["sidegate-roles"], json!(["admin"]), "{seen}");
    assert_eq!(headers["x-own"], json!(["kept"]));

    let log = envoy.wait_logged(1, |line| line["path"] == "/orders/o-1?a=b").remove(0);
    let record = sidecar.wait_decision();
    assert_eq!((log["decision"].as_str(), log["reason"].as_str()), (Some("allow"), Some("granted")), "{log}");
    assert_eq!(log["route"], "GET /orders/{id}", "{log}");
    for field in ["id", "revision", "request_id"] {
        assert_eq!(log[field], record[field], "{field}: {log}, {record}");
    }
    assert_eq!((record["source"].as_str(), record["user"].as_str()), (Some("envoy"), Some("sam")));
    assert_eq!(headers["x-request-id"], json!([record["request_id"]]), "one id from end to end");

    // A route that is public asks nobody.
    assert_eq!(envoy.get("/health", &[]).status, 200);
    assert_eq!(application.served(), 2);
}

#[test]
fn what_is_denied_does_not_pass_and_the_client_is_told() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(PROXY).start();
    let application = Upstream::start();
    let envoy = Envoy::start(application.address(), sidecar.authorize_address(), as_it_is);
    for (method, path, headers, status, reason) in [
        ("DELETE", "/orders/o-1", &[SAM][..], 403, "not_granted"),
        ("GET", "/orders/o-1", &[("x-user", "nobody")], 403, "user_unknown"),
        ("GET", "/orders/o-1", &[], 401, "subject_missing"),
        ("GET", "/nowhere", &[SAM], 403, "route_unknown"),
        ("GET", "//orders/o-1", &[SAM], 403, "path_not_canonical"),
        ("GET", "/orders%2fo-1", &[SAM], 403, "path_not_canonical"),
        ("GET", "/health/%2e%2e/orders/o-1", &[SAM], 403, "path_not_canonical"),
        ("GET", "/Orders/o-1", &[SAM], 403, "path_not_canonical"),
        ("GET", "/orders/o-1.", &[SAM], 403, "path_not_canonical"),
    ] {
        let answer = envoy.send(method, path, headers);
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_eq!(answer.header("content-type"), "application/json", "{method} {path}: {answer:?}");
        assert!(answer.json()["error"]["code"].is_string(), "{method} {path}: {answer:?}");
        let log =
            envoy.wait_logged(1, |line| line["path"] == path && line["method"] == method && line["reason"] == reason);
        assert_eq!(
            (log[0]["decision"].as_str(), log[0]["status"].as_u64()),
            (Some("deny"), Some(status.into())),
            "{log:?}"
        );
    }
    assert_eq!(application.served(), 0, "something has passed");
    assert_eq!(sidecar.count("sidegate_decisions_total", &[r#"source="envoy""#, r#"decision="allow""#]), 0);
}

/// Envoy's own filter for tokens, before the question.
fn with_tokens(config: &str) -> String {
    let filter = r#"                  - name: envoy.filters.http.jwt_authn
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
                      providers:
                        issuer:
                          issuer: https://issuer.example
                          payload_in_metadata: jwt_payload
                          header_in_metadata: jwt_header
                          local_jwks:
                            inline_string: '{"keys":[{"kty":"oct","alg":"HS256","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ"}]}'
                      rules: [{ match: { prefix: / }, requires: { provider_name: issuer } }]
"#;
    let place = "                  - name: envoy.filters.http.ext_authz\n";
    assert_eq!(config.matches(place).count(), 1);
    config.replace(place, &format!("{filter}{place}"))
}

fn token(user: &str) -> String {
    let claims = json!({ "iss": "https://issuer.example", "sub": user, "exp": 4_000_000_000_u64 }).to_string();
    let signed = format!("{}.{}", base64url(br#"{"alg":"HS256","typ":"JWT"}"#), base64url(claims.as_bytes()));
    let mut signature = Hmac::<Sha256>::new_from_slice(b"secret-secret-secret-secret-1234").expect("a key");
    signature.update(signed.as_bytes());
    format!("{signed}.{}", base64url(&signature.finalize().into_bytes()))
}

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letters = bytes.chunks(3).flat_map(|chunk| {
        let bits = chunk.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len()).map(move |n| char::from(LETTERS[(bits >> (18 - 6 * n)) as usize & 63]))
    });
    letters.collect()
}

#[test]
fn who_asks_may_be_told_by_a_token_that_envoy_verifies() {
    let dir = policies();
    let local = "server: { authorize: { trusted_proxies: [127.0.0.1], proxy: { user_claim: sub } } }";
    let sidecar = Sidecar::builder().policies(dir.path()).config(local).start();
    let application = Upstream::start();
    let envoy = Envoy::start(application.address(), sidecar.authorize_address(), |config| with_tokens(&config));
    let get = |token: &str| envoy.get("/orders/o-1", &[("authorization", &format!("Bearer {token}")), SAM]);
    let allowed = get(&token("sam"));
    assert_eq!((allowed.status, &allowed.json()["headers"]["sidegate-user"]), (200, &json!(["sam"])), "{allowed:?}");
    let denied = get(&token("nobody"));
    assert_eq!(denied.status, 403, "{denied:?}");
    // What Envoy does not take as a token does not even come to the question.
    let broken = get(&token("sam").replace('.', ".x"));
    assert_eq!(broken.status, 401, "{broken:?}");
    assert_eq!(application.served(), 1);
    assert_eq!(sidecar.count("sidegate_decisions_total", &[r#"source="envoy""#]), 2);
}

#[test]
fn nothing_passes_while_the_sidecar_is_down_or_does_not_answer_in_time() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(PROXY).start();
    let address = sidecar.authorize_address();
    let application = Upstream::start();
    let envoy = Envoy::start(application.address(), address, as_it_is);
    assert_eq!(envoy.get("/orders/o-1", &[SAM]).status, 200);

    // Slow: it stands still, with its connections open.
    sidecar.signal(Signal::STOP);
    for _ in 0..3 {
        assert_eq!(envoy.get("/orders/slow", &[SAM]).status, 503);
    }
    let log = envoy.wait_logged(3, |line| line["path"] == "/orders/slow");
    assert!(log.iter().all(|line| line["details"] == "ext_authz_error"), "{log:?}");
    sidecar.signal(Signal::CONT);
    wait_for("requests pass again", SOON, || envoy.get("/orders/o-1", &[SAM]).status == 200);

    // Down: nobody listens.
    let before = application.served();
    sidecar.kill();
    for _ in 0..3 {
        assert_eq!(envoy.get("/orders/down", &[SAM]).status, 503);
    }
    assert_eq!(application.served(), before, "something has passed");

    // Up again.
    let _sidecar =
        Sidecar::builder().policies(dir.path()).config(PROXY).listen("authorize", &address.to_string()).start();
    wait_for("requests pass again", SOON, || envoy.get("/orders/o-1", &[SAM]).status == 200);
}

#[test]
fn ten_thousand_requests_in_a_reload_storm_are_all_answered_each_by_the_revision_it_names() {
    const REQUESTS: usize = 10_000;
    const CLIENTS: usize = 4;
    const GENERATIONS: usize = 20;
    let dir = PolicyDir::with(&[("set.yaml", &generation(0)), ("routes.yaml", ROUTES_OF_GENERATIONS)]);
    let quick = "policies: { poll_interval: 100ms, debounce: 5ms }";
    let sidecar = Sidecar::builder().policies(dir.path()).config(PROXY).config(quick).start();
    let application = Upstream::start();
    let envoy = Envoy::start(application.address(), sidecar.authorize_address(), as_it_is);
    let reload = || sidecar.admin_post("/v1/policies/reload", &json!({})).json();
    let revision = |answer: &Value| answer["revision"].as_str().expect("a revision").to_owned();
    // Which generation each revision is.
    let mut known = BTreeMap::from([(revision(&reload()), 0)]);

    let seed = seed("envoy");
    let left = AtomicUsize::new(REQUESTS);
    let take = || left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).ok();
    let statuses: Vec<(usize, u16)> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (envoy, take) = (&envoy, &take);
                scope.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(seed ^ client as u64);
                    let mut statuses = Vec::new();
                    while let Some(left) = take() {
                        // About what is live now, so that both answers occur.
                        let asked = (REQUESTS - left) * GENERATIONS / REQUESTS;
                        let asked = if random.bool() { asked } else { random.usize(..GENERATIONS) };
                        let user = format!("gen-{asked}");
                        let path = format!("/orders/{user}_{client}_{left}");
                        let status = envoy.get(&path, &[("x-user", &user)]).status;
                        statuses.push((asked, status));
                    }
                    statuses
                })
            })
            .collect();
        for n in 1..GENERATIONS {
            // As far as the requests are: each generation answers its share.
            wait_for("the requests go on", Duration::from_mins(5), || {
                (REQUESTS - left.load(Relaxed)) * GENERATIONS / REQUESTS >= n
            });
            if n % 3 == 0 {
                dir.write("set.yaml", "roles: { reader: [");
                assert_eq!(reload()["outcome"], "rejected_syntax");
            }
            dir.write("set.yaml", &generation(n));
            known.insert(revision(&reload()), n);
        }
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });

    assert_eq!((statuses.len(), known.len()), (REQUESTS, GENERATIONS));
    let odd = statuses.iter().find(|(_, status)| ![200, 403].contains(status));
    assert_eq!(odd, None, "a request that was neither allowed nor denied");
    let allowed = statuses.iter().filter(|(_, status)| *status == 200).count();
    assert_eq!(application.served(), allowed, "what passes is what is allowed");
    let log = envoy.wait_logged(REQUESTS, |_| true);
    assert_eq!(log.len(), REQUESTS);
    let mut generations = BTreeSet::new();
    for entry in &log {
        let newest = known.get(entry["revision"].as_str().expect("a revision"));
        let newest = newest.unwrap_or_else(|| panic!("a revision that never was: {entry}"));
        let about_live = entry["path"].as_str().is_some_and(|path| path.starts_with(&format!("/orders/gen-{newest}_")));
        let wanted = if about_live { ("allow", 200) } else { ("deny", 403) };
        assert_eq!(
            (entry["decision"].as_str(), entry["status"].as_u64()),
            (Some(wanted.0), Some(wanted.1)),
            "{newest}: {entry}"
        );
        generations.insert(*newest);
    }
    assert!(generations.len() > GENERATIONS / 2, "the storm passed unseen: {generations:?}");
    assert!(allowed > REQUESTS / 10, "only {allowed} were allowed");
    assert_eq!(envoy.counter("http.http.ext_authz.error"), 0);
}
