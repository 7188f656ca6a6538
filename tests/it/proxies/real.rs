//! Real proxies in front of a small application, with the configurations that are shipped.

use super::Issuer;
use crate::support::{Program, Proxy, RawResponse, Sidecar, Signal, Upstream, repo, wait_for};
use serde_json::{Value, json};
use std::{fs, time::Duration};

const SOON: Duration = Duration::from_secs(30);

/// The sidecar trusts whoever is on this machine, also about the user: the configuration must keep a client's word out.
const TRUSTING: &str =
    "server: { authorize: { trusted_proxies: [127.0.0.1], proxy: { user_header: X-Forwarded-User } } }";

/// A sidecar, an application, and a proxy in front of both.
struct Scene {
    issuer: Issuer,
    sidecar: Sidecar,
    application: Upstream,
    proxy: Proxy,
}

impl Scene {
    fn of(program: Program) -> Self {
        Self::with(program, |config| config)
    }

    /// The same, with something changed in the proxy's configuration.
    fn with(program: Program, change: impl FnOnce(String) -> String) -> Self {
        let issuer = Issuer::new();
        let sidecar = Sidecar::builder().config(TRUSTING).config(&issuer.settings()).start();
        let application = Upstream::start();
        let proxy = Proxy::start(program, sidecar.authorize_address(), application.address(), change);
        Self { issuer, sidecar, application, proxy }
    }

    /// The headers with which a client says who it is.
    fn user(&self, id: &str) -> Vec<(&'static str, String)> {
        if id.is_empty() { Vec::new() } else { vec![("Authorization", self.issuer.bearer(id))] }
    }

    /// What the application says has reached it; nothing where the proxy has answered itself.
    #[track_caller]
    fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> (RawResponse, Option<Value>) {
        let before = self.application.served();
        let response = self.proxy.send(method, target, headers);
        let reached = self.application.served() - before;
        assert!(reached <= 1, "{method} {target} has reached the application {reached} times");
        assert_eq!(reached == 1, response.status == 200, "{method} {target}: {response:?}");
        let seen = (reached == 1).then(|| serde_json::from_str(&response.body).expect("JSON"));
        (response, seen)
    }
}

/// The values of a header that has reached the application. Caddy sends those empty that Sidegate does not set.
fn values(seen: &Value, name: &str) -> Value {
    let all = seen["headers"][name].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|value| value != "").collect()
}

fn what_is_allowed_passes_and_what_is_not_does_not(program: Program) {
    let scene = Scene::of(program);
    for (method, target, who, status) in [
        ("GET", "/orders/o-1", "bob", 200),
        ("GET", "/orders/o-1?page=2&q=a%20b", "bob", 200),
        ("GET", "/orders/o%201", "bob", 200),
        ("PUT", "/orders/o-1", "bob", 200),
        ("DELETE", "/orders/o-1", "alice", 200),
        ("GET", "/products/p-1/pictures/", "carol", 200),
        ("GET", "/reps/carol/orders/o-1", "carol", 200),
        ("GET", "/health", "", 200),
        ("DELETE", "/orders/o-1", "bob", 403),
        ("GET", "/reps/bob/orders/o-1", "carol", 403),
        ("GET", "/orders/o-1", "dave", 403),
        ("GET", "/nothing", "alice", 403),
        ("POST", "/health", "", 403),
        ("GET", "/orders/o-1", "", 401),
        ("GET", "/orders/o-1", "nobody", 403),
    ] {
        let more = scene.user(who);
        let headers: Vec<(&str, &str)> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (response, seen) = scene.send(method, target, &headers);
        assert_eq!(response.status, status, "{method} {target} {who}: {response:?}\n{}", scene.proxy.log());
        if let Some(seen) = seen {
            assert_eq!((&seen["method"], &seen["target"]), (&json!(method), &json!(target)));
            let public = target == "/health";
            let expected = if public { json!([]) } else { json!([who]) };
            assert_eq!(values(&seen, "sidegate-user"), expected, "{method} {target} {who}");
            assert_eq!(values(&seen, "sidegate-decision").as_array().unwrap().len(), 1, "{seen}");
        }
        let challenged = !response.header("www-authenticate").is_empty();
        assert_eq!(challenged, status == 401, "{response:?}");
    }
}

fn what_a_client_says_in_the_name_of_others_counts_for_nothing(program: Program) {
    let scene = Scene::of(program);
    let another = Issuer::new();
    for token in [another.bearer("alice"), "Bearer x".to_owned(), "Bearer".to_owned(), "Basic YWxpY2U6eA==".to_owned()]
    {
        let headers = [("Authorization", token.as_str()), ("X-Forwarded-User", "alice")];
        let (response, _) = scene.send("GET", "/orders", &headers);
        assert_eq!(response.status, 401, "{token}: {response:?}");
    }
    let spoofed = [
        ("Sidegate-User", "alice"),
        ("Sidegate-Roles", "admin"),
        ("Sidegate-Tenant", "north"),
        ("Sidegate-Decision", "x"),
        ("X-Forwarded-User", "alice"),
        ("X-Original-URL", "/admin"),
        ("X-Rewrite-URL", "/admin"),
        ("X-HTTP-Method-Override", "DELETE"),
    ];
    for (target, who, expected) in [("/health", "", json!([])), ("/orders", "bob", json!(["bob"]))] {
        let more = scene.user(who);
        let headers: Vec<(&str, &str)> =
            spoofed.into_iter().chain(more.iter().map(|(name, value)| (*name, value.as_str()))).collect();
        let (response, seen) = scene.send("GET", target, &headers);
        let seen = seen.unwrap_or_else(|| panic!("{target}: {response:?}\n{}", scene.proxy.log()));
        assert_eq!(values(&seen, "sidegate-user"), expected, "{target}: {seen}");
        let roles = if who.is_empty() { json!([]) } else { json!(["clerk"]) };
        assert_eq!(values(&seen, "sidegate-roles"), roles, "{target}: {seen}");
        assert_eq!(values(&seen, "sidegate-tenant"), json!([]), "{target}: {seen}");
        let decision = values(&seen, "sidegate-decision");
        assert_eq!(decision[0].as_str().map(str::len), Some(26), "{target}: {seen}");
        for removed in ["x-forwarded-user", "x-original-url", "x-rewrite-url", "x-http-method-override"] {
            assert_eq!(values(&seen, removed), json!([]), "{target}: {removed}: {seen}");
        }
    }
    // The path and the method are those of the request line, whatever else is said. A word that contradicts the proxy's own may
    // be denied as well.
    for (target, who, claimed, status) in [
        ("/orders/o-1", "carol", "/health", 403),
        ("/orders/o-1", "", "/health", 401),
        ("/orders/o-1", "", "/orders/o-1", 401),
        ("/health", "", "/orders", 200),
    ] {
        for names in [
            ("X-Original-URI", "X-Original-Method"),
            ("X-Forwarded-Uri", "X-Forwarded-Method"),
            ("x-envoy-original-path", "x-envoy-original-method"),
        ] {
            let more = scene.user(who);
            let headers = [
                (names.0, claimed),
                (names.1, "GET"),
                ("X-Forwarded-Host", "other.example"),
                ("X-Forwarded-User", "alice"),
            ];
            let headers: Vec<(&str, &str)> =
                headers.into_iter().chain(more.iter().map(|(name, value)| (*name, value.as_str()))).collect();
            let (response, _) = scene.send("GET", target, &headers);
            assert_eq!(response.status, status, "{target} {who} {names:?}: {response:?}");
        }
    }
}

fn what_is_the_same_with_an_underscore_does_not_reach_the_application(program: Program) {
    let scene = Scene::of(program);
    let more = scene.user("bob");
    for name in ["Sidegate_User", "SIDEGATE_ROLES", "sidegate_tenant"] {
        let headers: Vec<(&str, &str)> =
            more.iter().map(|(name, value)| (*name, value.as_str())).chain([(name, "alice")]).collect();
        let (response, seen) = scene.send("GET", "/orders", &headers);
        match seen {
            Some(seen) => assert_eq!(values(&seen, &name.to_lowercase()), json!([]), "{name}: {seen}"),
            None => assert_eq!(response.status, 400, "{name}: {response:?}"),
        }
    }
}

/// A proxy must drop what its client names in `Connection`, and must not drop what it was told after that.
fn what_a_client_names_in_connection_is_told_to_the_application_all_the_same(program: Program) {
    let scene = Scene::of(program);
    let more = scene.user("bob");
    for connection in [
        &["close, Sidegate-User, Sidegate-Roles"][..],
        &["sidegate-user"],
        &["keep-alive", "SIDEGATE-USER,x"],
        &["Authorization, Sidegate-Decision"],
    ] {
        let named = connection.iter().map(|value| ("Connection", *value));
        let headers: Vec<(&str, &str)> =
            more.iter().map(|(name, value)| (*name, value.as_str())).chain(named).collect();
        let (response, seen) = scene.send("GET", "/orders", &headers);
        match seen {
            Some(seen) => {
                assert_eq!(values(&seen, "sidegate-user"), json!(["bob"]), "{connection:?}: {seen}");
                assert_eq!(values(&seen, "sidegate-roles"), json!(["clerk"]), "{connection:?}: {seen}");
                assert_eq!(values(&seen, "sidegate-decision").as_array().map(Vec::len), Some(1), "{connection:?}");
            }
            None => assert!(matches!(response.status, 400 | 401), "{connection:?}: {response:?}"),
        }
    }
    let headers: Vec<(&str, &str)> =
        more.iter().map(|(name, value)| (*name, value.as_str())).chain([("Connection", "close")]).collect();
    assert_eq!(scene.send("GET", "/orders", &headers).0.status, 200, "what every client says");
}

fn tricks_with_paths_reach_nothing(program: Program) {
    let scene = Scene::of(program);
    let more = scene.user("alice");
    let headers: Vec<(&str, &str)> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for trick in [
        "//orders/o-1",
        "/orders//o-1",
        "/orders/o-1/",
        "/orders/./o-1",
        "/health/../orders/o-1",
        "/health/%2e%2e/orders/o-1",
        "/health/..%2forders/o-1",
        "/orders%2fo-1",
        "/orders%5co-1",
        "/orders\\o-1",
        "/Orders/o-1",
        "/ORDERS/o-1",
        "/%6frders/o-1",
        "/orders./o-1",
        "/orders/o-1.",
        "/orders/o-1%20",
        "/orders;x=1/o-1",
        "/orders/o-1;x=1",
        "/orders%3bx/o-1",
        "/orders/o-1%00",
        "/orders/o-1%3Fx",
        "/orders/%252e%252e/o-1",
        "/orders/%c0%afo-1",
        "/orders/%ff",
        "/orders/%zz",
        "/health/..;/orders/o-1",
        "/products/..%5corders",
        "/auth-request",
        "/ext-authz/health",
    ] {
        let (response, seen) = scene.send("GET", trick, &headers);
        assert!(matches!(response.status, 400 | 403 | 404), "{trick}: {response:?}");
        assert_eq!(seen, None, "{trick}");
    }
    for odd in [&b"/orders/\xff"[..], b"/orders/caf\xc3\xa9", b"/orders/\x01"] {
        let before = scene.application.served();
        let response = scene.proxy.send_bytes("GET", odd, &headers);
        if response.status == 200 {
            // Caddy encodes letters that are not, for Sidegate and for the application alike.
            let seen: Value = serde_json::from_str(&response.body).expect("JSON");
            assert_eq!((program, &seen["target"]), (Program::Caddy, &json!("/orders/caf%C3%A9")));
            continue;
        }
        assert!(matches!(response.status, 400 | 403 | 404), "{odd:?}: {response:?}");
        assert_eq!(scene.application.served(), before, "{odd:?}");
    }
    let long = format!("/products/{}", "a".repeat(9000));
    let (response, _) = scene.send("GET", &long, &headers);
    assert!(matches!(response.status, 400 | 403 | 414 | 431 | 500), "{}", response.status);
    // An absolute target is the request of its path; proxies differ in whether they take it.
    let (response, seen) = scene.send("GET", "http://shop.example/nothing", &headers);
    assert!(matches!(response.status, 400 | 403 | 404), "{response:?} {seen:?}");
}

fn without_the_sidecar_nothing_passes(program: Program) {
    let scene = Scene::of(program);
    let more = scene.user("alice");
    let headers: Vec<(&str, &str)> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(scene.send("GET", "/orders", &headers).0.status, 200);
    scene.sidecar.kill();
    for target in ["/orders", "/health", "/orders/o-1"] {
        let (response, _) = scene.send("GET", target, &headers);
        assert!(response.status >= 500, "{target}: {response:?}");
    }
}

/// Envoy asks for a second, and then answers itself. Every process of the sidecar stands still for as long as the test likes.
#[test]
fn envoy_lets_nothing_pass_while_the_sidecar_does_not_answer() {
    let scene = Scene::of(Program::Envoy);
    let more = scene.user("alice");
    let headers: Vec<(&str, &str)> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(scene.send("GET", "/orders", &headers).0.status, 200);
    scene.sidecar.signal(Signal::STOP);
    for target in ["/orders", "/health", "/orders/o-1"] {
        let (response, seen) = scene.send("GET", target, &headers);
        assert_eq!((response.status, seen), (503, None), "{target}: {response:?}");
    }
    scene.sidecar.signal(Signal::CONT);
    wait_for("Envoy lets requests pass again", SOON, || scene.send("GET", "/orders", &headers).0.status == 200);
}

/// What Traefik does cannot be tried here; its sample must say what Caddy's says, which is tried.
#[test]
fn the_sample_for_traefik_says_what_that_for_caddy_says() {
    let read = |path: &str| fs::read_to_string(repo(path)).expect("a sample");
    let caddy = read("config/Caddyfile");
    let said = |directive: &str| -> Vec<String> {
        let lines = caddy.lines().filter_map(|line| line.trim().strip_prefix(directive));
        lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
    };
    let told = said("copy_headers ");
    assert_eq!(told.len(), 4, "{told:?}");

    let sample: Value = serde_yaml::from_str(&read("config/traefik.yaml")).expect("YAML");
    let http = &sample["http"];
    assert_eq!(http["routers"]["application"]["middlewares"], json!(["client-headers", "sidegate"]), "in this order");
    let forward = &http["middlewares"]["sidegate"]["forwardAuth"];
    assert_eq!(forward["address"], "http://127.0.0.1:8480/auth-request");
    assert_eq!(forward["trustForwardHeader"], false);
    assert_eq!(forward["authResponseHeaders"], json!(told));
    let emptied = http["middlewares"]["client-headers"]["headers"]["customRequestHeaders"].as_object();
    let emptied = emptied.expect("headers that are removed");
    assert!(emptied.values().all(|value| value == ""), "an empty value removes the header: {emptied:?}");
    for removed in said("request_header -") {
        // Traefik knows no `*`.
        let names = match removed.strip_suffix('*') {
            Some(start) => {
                let twins = told.iter().map(|name| name.replace('-', "_"));
                twins.inspect(|name| assert!(name.starts_with(start), "{name}")).collect()
            }
            None => vec![removed],
        };
        for name in names {
            assert!(emptied.contains_key(&name), "`{name}` is not removed");
        }
    }
    assert_eq!(http["services"]["application"]["loadBalancer"]["servers"], json!([{ "url": "http://127.0.0.1:3000" }]));
}

/// The proxy hands on what its client says of the body, and `200` is an allow to it.
#[test]
fn a_content_type_of_grpc_opens_nothing_where_caddy_asks_by_http_2() {
    let scene = Scene::with(Program::Caddy, |config| {
        let changed = config.replace("forward_auth 127", "forward_auth h2c://127");
        assert_ne!(changed, config);
        changed
    });
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc; x=1", "text/plain"] {
        for (method, target, who, status) in [
            ("GET", "/orders/o-1", "bob", 200),
            ("DELETE", "/orders/o-1", "bob", 403),
            ("GET", "/nothing", "bob", 403),
            ("GET", "/orders/o-1", "", 401),
        ] {
            let more = scene.user(who);
            let headers: Vec<(&str, &str)> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let headers = [&headers[..], &[("Content-Type", content_type)]].concat();
            let (response, _) = scene.send(method, target, &headers);
            assert_eq!(response.status, status, "{content_type} {method} {target} {who}: {response:?}");
        }
    }
}

macro_rules! with_each_proxy {
    ($($test:ident),*) => {
        mod nginx {
            $(#[test]
            fn $test() {
                super::$test(super::Program::Nginx);
            })*
        }
        mod caddy {
            $(#[test]
            fn $test() {
                super::$test(super::Program::Caddy);
            })*
        }
        mod envoy {
            $(#[test]
            fn $test() {
                super::$test(super::Program::Envoy);
            })*
        }
    };
}

with_each_proxy!(
    what_is_allowed_passes_and_what_is_not_does_not,
    what_a_client_says_in_the_name_of_others_counts_for_nothing,
    what_is_the_same_with_an_underscore_does_not_reach_the_application,
    what_a_client_names_in_connection_is_told_to_the_application_all_the_same,
    tricks_with_paths_reach_nothing,
    without_the_sidecar_nothing_passes
);
