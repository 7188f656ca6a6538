//! Headers of proxies from those who are none, and paths that may be taken for others: nothing of it opens anything.

use super::{records, trusting};
use crate::support::{PolicyDir, Raw, Sidecar, seed};

/// Sends one request as it is written, and gives the status.
#[track_caller]
fn status(sidecar: &Sidecar, method: &str, target: &[u8], headers: &[(&str, &[u8])]) -> u16 {
    let mut request = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\nHost: shop.example\r\n"].concat();
    for (name, value) in headers {
        request.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    request.extend(b"\r\n");
    let mut raw: Raw = sidecar.raw();
    raw.send(request).response().map_or(0, |response| response.status)
}

const ORDERS: [(&str, &[u8]); 4] = [
    ("X-Forwarded-Method", b"GET"),
    ("X-Forwarded-Uri", b"/orders"),
    ("X-Demo-User", b"bob"),
    ("X-Forwarded-For", b"10.1.2.3"),
];

#[test]
fn whoever_is_no_trusted_proxy_is_not_believed() {
    for trusted in ["[]", "[10.0.0.0/8]", "[unix]", "[127.0.0.2, '::1']"] {
        let header = if trusted == "[]" { "" } else { ", proxy: { user_header: X-Demo-User }" };
        let sidecar = Sidecar::builder()
            .config(&format!("server: {{ authorize: {{ trusted_proxies: {trusted}{header} }} }}"))
            .start();
        // Nothing that the headers say counts, not even the path of a public route.
        assert_eq!(status(&sidecar, "GET", b"/auth-request", &ORDERS), 403, "{trusted}");
        let health = [("X-Forwarded-Method", &b"GET"[..]), ("X-Forwarded-Uri", b"/health")];
        assert_eq!(status(&sidecar, "GET", b"/auth-request", &health), 403, "{trusted}");
        assert_eq!(status(&sidecar, "GET", b"/auth-request", &[]), 403, "{trusted}");
        // Of Envoy's door the request line counts, and who the user is does not.
        assert_eq!(status(&sidecar, "GET", b"/ext-authz/orders", &ORDERS), 401, "{trusted}");
        assert_eq!(status(&sidecar, "GET", b"/ext-authz/health", &ORDERS), 200, "{trusted}");
        let records = records(&sidecar, "decision=deny", 4);
        let reasons: Vec<_> = records.iter().map(|record| record["reason"].clone()).collect();
        assert_eq!(reasons, ["subject_missing", "proxy_untrusted", "proxy_untrusted", "proxy_untrusted"]);
        assert_eq!(records[0]["user"], serde_json::Value::Null, "who is not believed is not in the log either");
    }
    let trusting = trusting().start();
    assert_eq!(status(&trusting, "GET", b"/auth-request", &ORDERS), 200);
}

#[test]
fn a_user_header_without_a_trusted_proxy_stops_the_start() {
    let failed = Sidecar::builder().config("server: { authorize: { proxy: { user_header: X-Who } } }").start_failing();
    assert_eq!(failed.code, Some(64), "{failed:?}");
    assert!((failed.stderr + &failed.stdout).contains("no proxy is trusted to send it"));
}

#[test]
fn headers_that_contradict_each_other_or_come_twice_are_denied() {
    let sidecar = trusting().start();
    for more in [
        ("X-Original-URI", &b"/health"[..]),
        ("X-Forwarded-Uri", b"/health"),
        ("X-Original-Method", b"DELETE"),
        ("X-Forwarded-Method", b"DELETE"),
        ("X-Forwarded-Uri", b"http://shop.example/orders"),
        ("X-Original-URI", b"/orders "),
        ("X-Original-URI", b"/orders\xff"),
    ] {
        let headers: Vec<_> = ORDERS.into_iter().chain([more]).collect();
        // A blank at the end of a value is no part of it.
        let expected = if more.1 == b"/orders " { 200 } else { 403 };
        assert_eq!(status(&sidecar, "GET", b"/auth-request", &headers), expected, "{more:?}");
    }
    for more in [("X-Demo-User", &b"alice"[..]), ("X-Demo-User", b"bob"), ("X-Demo-User", b"")] {
        let headers: Vec<_> = ORDERS.into_iter().chain([more]).collect();
        assert_eq!(status(&sidecar, "GET", b"/auth-request", &headers), 401, "{more:?}");
        assert_eq!(status(&sidecar, "GET", b"/ext-authz/orders", &headers), 401, "{more:?}");
    }
    for user in [&b""[..], b"\xc3\xa9", b"a\tb", &[b'a'; 300]] {
        let headers: Vec<_> =
            ORDERS.into_iter().filter(|(name, _)| *name != "X-Demo-User").chain([("X-Demo-User", user)]).collect();
        assert_eq!(status(&sidecar, "GET", b"/auth-request", &headers), 401, "{user:?}");
    }
    for missing in ["X-Forwarded-Method", "X-Forwarded-Uri"] {
        let headers: Vec<_> = ORDERS.into_iter().filter(|(name, _)| *name != missing).collect();
        assert_eq!(status(&sidecar, "GET", b"/auth-request", &headers), 403, "without {missing}");
    }
}

#[test]
fn a_method_that_is_written_otherwise_is_none_through_either_door() {
    let set = "policy_set: shop\ntenancy: none\nlevels: { view: [view], full: { includes: [view], actions: [delete] } }\n\
        modules: { orders: { name: Orders, resources: [order] } }\n\
        roles: { reader: { name: Reader, grants: { orders: view } } }\n\
        users: { sam: { name: Sam, email: sam@demo.example, roles: [reader] } }\n\
        routes:\n\
        \x20 - { method: DELETE, path: \"/orders/{id}\", action: delete, resource: \"order:{id}\" }\n\
        \x20 - { method: \"*\", path: \"/orders/{id}\", action: view, resource: \"order:{id}\" }\n";
    let policies = PolicyDir::with(&[("set.yaml", set)]);
    let sidecar = trusting().policies(policies.path()).start();
    let sam = ("X-Demo-User", &b"sam"[..]);
    for (method, expected) in
        [("GET", 200), ("PATCH", 200), ("DELETE", 403), ("delete", 403), ("Delete", 403), ("get", 403), ("D-LETe", 403)]
    {
        let headers = [("X-Forwarded-Method", method.as_bytes()), ("X-Forwarded-Uri", b"/orders/o-1"), sam];
        assert_eq!(status(&sidecar, "GET", b"/auth-request", &headers), expected, "{method}");
        let headers = [("X-Original-Method", method.as_bytes()), ("X-Original-URI", b"/orders/o-1"), sam];
        assert_eq!(status(&sidecar, "GET", b"/auth-request", &headers), expected, "{method}");
        assert_eq!(status(&sidecar, method, b"/ext-authz/orders/o-1", &[sam]), expected, "{method}");
    }
    let told = records(&sidecar, "decision=deny&limit=50", 15);
    let told: Vec<_> = told.iter().filter(|record| record["reason"] == "route_unknown").collect();
    assert_eq!(told.len(), 12, "of the four that are no methods");
}

/// Ways of writing a path that some server takes for another path.
const TRICKS: &[&[u8]] = &[
    b"//orders/o-1",
    b"/orders//o-1",
    b"/orders/o-1/",
    b"/orders/o-1//",
    b"/./orders/o-1",
    b"/orders/./o-1",
    b"/health/../orders/o-1",
    b"/orders/o-1/..",
    b"/orders/o-1/../o-1",
    b"/health/%2e%2e/orders/o-1",
    b"/health/.%2E/orders/o-1",
    b"/health/..%2forders/o-1",
    b"/health%2F..%2Forders/o-1",
    b"/orders%2fo-1",
    b"/orders/o-1%2f",
    b"/orders%5co-1",
    b"/orders\\o-1",
    b"/health\\..\\orders/o-1",
    b"/Orders/o-1",
    b"/ORDERS/o-1",
    b"/oRDERS/o-1",
    b"/%4frders/o-1",
    b"/%6frders/o-1",
    b"/orders./o-1",
    b"/orders.../o-1",
    b"/orders/o-1.",
    b"/orders/o-1%2e",
    b"/orders/o-1%20",
    b"/orders%20/o-1",
    b"/orders;jsessionid=1/o-1",
    b"/orders/o-1;x=y",
    b"/orders/o-1;",
    b"/orders%3bx/o-1",
    b"/orders/o-1%00",
    b"/orders/o-1%00.png",
    b"/orders/o-1%0d%0a",
    b"/orders/o-1%3Fx",
    b"/orders/o-1%23",
    b"/orders/%252e%252e/o-1",
    b"/orders/o-1%25",
    b"/orders/%c0%afo-1",
    b"/orders/%e0%80%afo-1",
    b"/orders/%ff",
    b"/orders/%",
    b"/orders/%2",
    b"/orders/%zz",
    b"/orders/%u002e",
    b"/%ef%bc%8f/o-1",
    b"/ord%C4%B1rs/o-1%",
    b"orders/o-1",
    b"*",
    b"shop.example:443",
    b"http://shop.example/orders/o-1",
    b"https://shop.example/orders/o-1",
];

#[test]
fn tricks_with_paths_open_nothing_through_either_door() {
    let sidecar = trusting().start();
    let alice = ("X-Demo-User", &b"alice"[..]);
    for trick in TRICKS {
        for (uri, method) in [("X-Original-URI", "X-Original-Method"), ("X-Forwarded-Uri", "X-Forwarded-Method")] {
            let headers = [(uri, *trick), (method, b"GET"), alice];
            let found = status(&sidecar, "GET", b"/auth-request", &headers);
            assert_eq!(found, 403, "{uri}: {}", String::from_utf8_lossy(trick));
        }
        if trick.starts_with(b"/") {
            let found = status(&sidecar, "GET", &[b"/ext-authz", *trick].concat(), &[alice]);
            assert!(matches!(found, 400 | 403), "{found}: {}", String::from_utf8_lossy(trick));
        }
    }
    // What is no ASCII, or no text, does not even get that far, or is denied.
    for odd in [&b"/orders/\xff"[..], b"/orders/caf\xc3\xa9", b"/orders\to-1", b"/orders/\x01", b"/orders/\0"] {
        let headers = [("X-Original-URI", odd), ("X-Original-Method", b"GET"), alice];
        let found = status(&sidecar, "GET", b"/auth-request", &headers);
        assert!(matches!(found, 400 | 403), "{found}: {odd:?}");
        let found = status(&sidecar, "GET", &[b"/ext-authz", odd].concat(), &[alice]);
        assert!(matches!(found, 400 | 403), "{found}: {odd:?}");
    }
    let allowed = sidecar.admin_get("/v1/audit?decision=allow").json();
    assert_eq!(allowed["items"], serde_json::json!([]), "nothing was let through");
}

#[test]
fn very_long_paths_are_denied() {
    let sidecar = trusting().start();
    for length in [8_193, 12_000, 20_000, 70_000] {
        let path = [&b"/products/"[..], &vec![b'a'; length - 10]].concat();
        let headers = [("X-Original-URI", &path[..]), ("X-Original-Method", b"GET"), ("X-Demo-User", b"alice")];
        let found = status(&sidecar, "GET", b"/auth-request", &headers);
        assert!(matches!(found, 403 | 431), "{length}: {found}");
        let found = status(&sidecar, "GET", &[b"/ext-authz", &path[..]].concat(), &[("X-Demo-User", b"alice")]);
        assert!(matches!(found, 403 | 414 | 431), "{length}: {found}");
    }
    let path = [&b"/products/"[..], &[b'a'; 8_000]].concat();
    assert_eq!(status(&sidecar, "GET", &[b"/ext-authz", &path[..]].concat(), &[("X-Demo-User", b"alice")]), 200);
}

/// What a lenient server may make of a path: everything decoded twice, parameters and dots left out, no notice taken of case.
fn lenient(target: &[u8]) -> Vec<String> {
    let path = target.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    let mut text = String::from_utf8_lossy(path).to_lowercase();
    for _ in 0..2 {
        text = decoded(&text);
    }
    let text = text.replace('\\', "/").replace('\0', "");
    let mut segments: Vec<String> = Vec::new();
    for segment in text.split('/') {
        let segment = segment.split(';').next().unwrap_or_default().trim();
        match segment.trim_end_matches(['.', ' ']) {
            "" if segment == ".." => drop(segments.pop()),
            "" => {}
            segment => segments.push(segment.to_owned()),
        }
    }
    segments
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex =
            bytes.get(at + 1..at + 3).and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).to_lowercase()
}

/// Whatever is put together of what servers stumble over: who may see products alone gets no path through that some server takes for
/// one of orders.
#[test]
fn no_mixture_of_tricks_leads_to_what_is_not_allowed() {
    const PARTS: [&str; 30] = [
        "/", "/", "/", "orders", "Orders", "products", "products", "health", "o-1", "..", ".", "%2e", "%2E%2e", "%2f",
        "%5c", "\\", ";", ";x=1", "%3b", "%00", "%20", "%252e", "%252f", "?", "#", "%6f", "rders", "reps", "carol",
        "%",
    ];
    const ROUNDS: u32 = 2000;
    let mut random = fastrand::Rng::with_seed(seed("proxies::spoofed"));
    let sidecar = trusting().start();
    let mut raw = sidecar.raw();
    let (mut allowed, mut denied) = (0, 0);
    for _ in 0..ROUNDS {
        let mut target = String::from("/");
        target.push_str(random.choice(["products", "health", "orders"]).unwrap());
        for _ in 0..random.usize(0..6) {
            target.push_str(random.choice(PARTS).unwrap());
        }
        // Frank has no role: nothing but the public route is his, and carol's products are carol's.
        raw.send(format!(
            "GET /auth-request HTTP/1.1\r\nHost: x\r\nX-Original-URI: {target}\r\nX-Original-Method: GET\r\nX-Demo-User: carol\r\n\r\n"
        ));
        let response = raw.response().expect("an answer");
        if response.status == 200 {
            allowed += 1;
            let meant = lenient(target.as_bytes());
            let first = meant.first().map_or("", String::as_str);
            assert!(matches!(first, "products" | "health"), "{target} was let through, and may be taken for {meant:?}");
        } else {
            assert_eq!(response.status, 403, "{target}");
            denied += 1;
        }
    }
    assert!(allowed > ROUNDS / 20 && denied > ROUNDS / 4, "{allowed} allowed, {denied} denied");
}
