//! Callers of the authorize listener: who must say who it is, how it is told, what it may ask and how often.

use crate::support::{
    Authority, Http2, Raw, Safe, Sidecar, SidecarBuilder, TlsClient, ext_authz::CHECK, sidegate, wait_for, wait_until,
};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);

/// A token, and its digest as `sidegate token` has it.
fn token(name: &str) -> (String, String) {
    let made = sidegate(["token", "--name", name, "--output", "json"]);
    let made: Value = serde_json::from_str(&made.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&made["token"]), text(&made["entry"]["sha256"]))
}

fn question() -> Value {
    json!({ "user": "bob", "action": "edit", "resource": "order:o-1" })
}

/// Listens on every address of the machine, for these callers.
fn beyond(callers: &str) -> SidecarBuilder {
    Sidecar::builder()
        .listen("authorize", "0.0.0.0:0")
        .config(&format!("server: {{ authorize: {{ callers: [{callers}] }} }}"))
}

/// The record of a request, once it is in the log.
fn record(sidecar: &Sidecar, request_id: &str) -> Value {
    let found = wait_until(SOON, || {
        let page = sidecar.admin_get("/v1/audit?kind=decision").json();
        let items = page["items"].as_array().expect("items");
        items.iter().find(|record| record["request_id"] == request_id).cloned()
    });
    found.expect("a record")
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[test]
fn beyond_this_machine_nobody_is_served_who_is_not_known() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let exited = Sidecar::builder().listen("authorize", listen).start_failing();
        assert_eq!(exited.code, Some(64), "{exited:?}");
        assert!(exited.stderr.contains("server.authorize.callers"), "{}", exited.stderr);
    }
    let (shop, digest) = token("shop");
    let sidecar = beyond(&format!("{{ name: shop, sha256: {digest} }}")).start();
    let warning = sidecar.wait_event("tokens_in_the_open", SOON, |_| true);
    assert_eq!(warning["listener"], "authorize");

    let paths = [
        ("POST", "/v1/authorize", question().to_string()),
        ("POST", "/access/v1/evaluation", "{}".to_owned()),
        ("POST", "/access/v1/evaluations", "{}".to_owned()),
        ("POST", "/access/v1/search/subject", "{}".to_owned()),
        ("GET", "/v1/users/bob/menu", String::new()),
        ("POST", "/v1/menu", "{}".to_owned()),
    ];
    for (method, path, body) in &paths {
        for (headers, says) in [
            (vec![], "no bearer token and no client certificate"),
            (vec![("authorization", "Bearer wrong")], "the bearer token is not known"),
            (vec![("authorization", "Basic c2hvcDpzaG9w")], "no bearer token and no client certificate"),
        ] {
            let answer =
                Raw::connect(sidecar.authorize_address()).ask(method, path, &headers, body).expect("an answer");
            assert_eq!(answer.status, 401, "{path} {headers:?}");
            assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="sidegate""#);
            assert!(!answer.header("x-request-id").is_empty() && answer.header("content-type") == "application/json");
            let error: Value = serde_json::from_str(&answer.body).expect("JSON");
            assert_eq!(error["error"]["code"], "unauthorized");
            assert_eq!(error["error"]["message"], says);
            assert_eq!(error["error"]["request_id"], answer.header("x-request-id"));
        }
        let right = bearer(&shop);
        let headers = [("authorization", right.as_str())];
        let answer = Raw::connect(sidecar.authorize_address()).ask(method, path, &headers, body).expect("an answer");
        assert_ne!(answer.status, 401, "{path}: {answer:?}");
    }
    let last = [("sidegate-token", shop.as_str()), ("x-request-id", "r-last")];
    assert_eq!(sidecar.post_text("/v1/authorize", &last, &question().to_string()).status, 200);
    // Decisions that nobody was allowed to ask for are in no record.
    assert_eq!(record(&sidecar, "r-last")["actor"], "shop");
    let records = sidecar.admin_get("/v1/audit?kind=decision").json();
    assert_eq!(records["items"].as_array().map(Vec::len), Some(2), "{records}");
}

#[test]
fn loopback_is_open_and_who_says_who_it_is_stands_in_the_record() {
    let (shop, digest) = token("shop");
    let callers = format!("server: {{ authorize: {{ callers: [{{ name: shop, sha256: {digest} }}] }} }}");
    let sidecar = Sidecar::builder().config(&callers).start();
    let header = bearer(&shop);
    for (headers, actor) in [
        (&[][..], ""),
        (&[("authorization", header.as_str())], "shop"),
        (&[("authorization", "Bearer of-a-user")], ""),
        (&[("authorization", "Bearer of-a-user"), ("sidegate-token", shop.as_str())], "shop"),
    ] {
        let id = format!("r-{headers:?}").replace(['"', ' '], "");
        let headers = [headers, &[("x-request-id", id.as_str())]].concat();
        assert_eq!(sidecar.post_text("/v1/authorize", &headers, &question().to_string()).status, 200);
        assert_eq!(record(&sidecar, &id)["actor"].as_str().unwrap_or_default(), actor);
    }
    let admitted = r#"sidegate_caller_requests_total{caller="shop",outcome="admitted"}"#;
    assert_eq!(sidecar.count(admitted, &[]), 2);
    let found = sidecar.admin_get("/v1/audit?actor=shop").json();
    assert_eq!(found["items"].as_array().map(Vec::len), Some(2), "{found}");
}

#[test]
fn a_caller_is_held_to_its_scopes() {
    let (digests, tokens): (Vec<_>, Vec<_>) =
        ["decide", "search", "access"].map(token).into_iter().map(|(token, digest)| (digest, token)).unzip();
    let entry = |scope: &str, digest: &str| format!("{{ name: {scope}, sha256: {digest}, scopes: [{scope}] }}");
    let callers = [entry("decide", &digests[0]), entry("search", &digests[1]), entry("access", &digests[2])].join(", ");
    let sidecar = beyond(&callers).start();
    let paths = [
        ("decide", "/v1/authorize"),
        ("decide", "/access/v1/evaluation"),
        ("decide", "/access/v1/evaluations"),
        ("search", "/access/v1/search/subject"),
        ("search", "/access/v1/search/resource"),
        ("search", "/access/v1/search/action"),
        ("access", "/v1/access"),
        ("access", "/v1/menu"),
    ];
    for (scope, token) in ["decide", "search", "access"].into_iter().zip(&tokens) {
        let header = bearer(token);
        for (wanted, path) in paths {
            let answer = sidecar.post_text(path, &[("authorization", &header)], "{}");
            if scope == wanted {
                assert!(![401, 403].contains(&answer.status), "{scope} {path}: {answer:?}");
            } else {
                let error = answer.json()["error"].clone();
                assert_eq!((answer.status, error["code"].as_str()), (403, Some("scope_missing")), "{scope} {path}");
                assert_eq!(error["message"], format!("the caller `{scope}` lacks the scope `{wanted}`"));
            }
        }
    }
    assert_eq!(sidecar.count(r#"sidegate_caller_requests_total{caller="search",outcome="out_of_scope"}"#, &[]), 5);
}

#[test]
fn a_caller_that_asks_too_often_is_told_when_to_come_again_and_others_are_not_slowed() {
    let ((fast, fast_digest), (free, free_digest)) = (token("fast"), token("free"));
    let sidecar = beyond(&format!(
        "{{ name: fast, sha256: {fast_digest}, requests_per_second: 3 }}, {{ name: free, sha256: {free_digest} }}"
    ))
    .start();
    let ask =
        |token: &str| sidecar.post_text("/v1/authorize", &[("authorization", &bearer(token))], &question().to_string());
    // Far more than come back meanwhile.
    let answers: Vec<_> = (0..60).map(|_| ask(&fast)).collect();
    let limited: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(limited.len() > 20 && answers[..3].iter().all(|answer| answer.status == 200), "{}", limited.len());
    for answer in &limited {
        assert_eq!(answer.header("retry-after"), "1");
        let error = answer.json()["error"].clone();
        assert_eq!(error["code"], "too_many_requests");
        assert_eq!(error["message"], "the caller `fast` may send 3 requests a second");
    }
    assert_eq!(ask(&free).status, 200);
    let series = r#"sidegate_caller_requests_total{caller="fast",outcome="limited"}"#;
    assert_eq!(sidecar.count(series, &[]), limited.len() as u64);
    wait_for("some come back", SOON, || ask(&fast).status == 200);
}

#[test]
fn a_batch_counts_as_many_requests_as_it_has_items() {
    let (fast, digest) = token("fast");
    let sidecar = beyond(&format!("{{ name: fast, sha256: {digest}, requests_per_second: 5 }}")).start();
    let ask = |path: &str, body: Value| sidecar.post_text(path, &[("sidegate-token", &fast)], &body.to_string());
    let item = json!({ "subject": { "type": "user", "id": "bob" }, "action": { "name": "edit" }, "resource": { "type": "order", "id": "o-1" } });
    assert_eq!(ask("/access/v1/evaluations", json!({ "evaluations": vec![item; 200] })).status, 200);
    let next = ask("/v1/authorize", question());
    assert_eq!(next.status, 429);
    assert!(next.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 10), "{next:?}");
}

#[test]
fn limits_and_scopes_hold_at_the_doors_of_proxies_and_nobody_is_named_there() {
    let ((wide, wide_digest), (narrow, narrow_digest)) = (token("wide"), token("narrow"));
    let sidecar = beyond(&format!(
        "{{ name: wide, sha256: {wide_digest}, in_flight: 1 }}, {{ name: narrow, sha256: {narrow_digest}, scopes: [search] }}"
    ))
    .start();
    let body = question().to_string();
    let mut slow = sidecar.raw();
    slow.send(format!(
        "POST /v1/authorize HTTP/1.1\r\nhost: x\r\nsidegate-token: {wide}\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    assert_eq!(slow.response().expect("an interim answer").status, 100);
    let http2 = Http2::connect(sidecar.authorize_address());
    for (token, status, code, grpc) in [
        (wide.as_str(), 429, "too_many_requests", 8),
        (&narrow, 403, "scope_missing", 7),
        ("unheard-of", 401, "unauthorized", 16),
    ] {
        for path in ["/auth-request", "/ext-authz/orders"] {
            let answer = sidecar.raw().ask("GET", path, &[("sidegate-token", token)], "").expect("an answer");
            let error: Value = serde_json::from_str(&answer.body).expect("JSON");
            assert_eq!((answer.status, error["error"]["code"].as_str()), (status, Some(code)), "{path}: {answer:?}");
            assert!(!answer.body.contains("`wide`") && !answer.body.contains("`narrow`"), "{path}: {answer:?}");
        }
        assert_eq!(http2.call(CHECK, &[("sidegate-token", token)], vec![0; 5]).grpc().0, grpc, "{code}");
    }
    slow.send(&body);
    assert_eq!(slow.response().expect("an answer").status, 200);
}

#[test]
fn a_caller_that_asks_too_much_at_once_is_told_so() {
    let (wide, digest) = token("wide");
    let sidecar = beyond(&format!("{{ name: wide, sha256: {digest}, in_flight: 1 }}")).start();
    let body = question().to_string();
    let mut slow = sidecar.raw();
    slow.send(format!(
        "POST /v1/authorize HTTP/1.1\r\nhost: x\r\nsidegate-token: {wide}\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    assert_eq!(slow.response().expect("an interim answer").status, 100);
    let ask = || sidecar.post_text("/v1/authorize", &[("sidegate-token", &wide)], &body);
    let refused = ask();
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    assert_eq!(refused.json()["error"]["message"], "the caller `wide` has too many requests at once");
    slow.send(&body);
    assert_eq!(slow.response().expect("an answer").status, 200);
    assert_eq!(ask().status, 200);
}

#[test]
fn guessing_is_slowed_down_and_told() {
    let (shop, digest) = token("shop");
    let sidecar = beyond(&format!("{{ name: shop, sha256: {digest} }}")).start();
    // Its connection has brought the right token before.
    let mut known = sidecar.raw();
    let right = [("sidegate-token", shop.as_str())];
    let mut ask = || known.ask("POST", "/v1/authorize", &right, &question().to_string()).expect("an answer").status;
    assert_eq!(ask(), 200);
    let guess = |n: usize| {
        let guess = format!("Bearer guess-{n}");
        Raw::connect(sidecar.authorize_address())
            .ask("POST", "/v1/authorize", &[("authorization", guess.as_str())], "{}")
            .expect("an answer")
    };
    let answers: Vec<_> = (0..40).map(guess).collect();
    assert_eq!(answers[0].status, 401);
    let last = answers.last().expect("many");
    assert_eq!(last.status, 429, "{last:?}");
    assert!(last.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    assert!(last.body.contains("too_many_failures"), "{last:?}");
    assert_eq!(ask(), 200, "who is known goes on");
    let told = sidecar.wait_event("caller_token_unknown", SOON, |event| event["is_last"] == true);
    assert_eq!(told["from"], "127.0.0.1");
}

#[test]
fn callers_change_while_it_runs_and_connections_that_are_there_feel_it() {
    let ((one, one_digest), (two, two_digest)) = (token("one"), token("two"));
    let sidecar = beyond(&format!("{{ name: one, sha256: {one_digest} }}")).start();
    let mut kept = sidecar.raw();
    let body = question().to_string();
    let mut ask =
        |token: &str| kept.ask("POST", "/v1/authorize", &[("sidegate-token", token)], &body).expect("an answer").status;
    assert_eq!((ask(&one), ask(&two)), (200, 401));
    sidecar.configure(&format!("server: {{ authorize: {{ callers: [{{ name: two, sha256: {two_digest} }}] }} }}"));
    sidecar.wait_event("config_changed", SOON, |event| {
        event["applied"].as_str().is_some_and(|keys| keys.contains("server.authorize.callers"))
    });
    assert_eq!((ask(&two), ask(&one)), (200, 401));
    // The last one cannot be taken away: nobody would be left who may ask.
    sidecar.configure("server: { authorize: { callers: [] } }");
    sidecar.wait_event("config_rejected", SOON, |_| true);
    assert_eq!(ask(&two), 200);
}

#[test]
fn a_caller_is_told_by_the_names_of_its_certificate() {
    let (authority, clients, safe) = (Authority::new("test CA"), Authority::new("clients"), Safe::new());
    safe.put(&authority.issue(&["localhost"]));
    safe.write("clients.pem", &clients.pem());
    let (shop, digest) = token("shop");
    let callers = format!(
        "{{ name: shop, sha256: {digest} }}, {{ name: erp, certificates: [\"spiffe://cluster/ns/erp\", ERP.internal] }}, \
         {{ name: old, certificates: [old tool] }}"
    );
    let sidecar = beyond(&callers).config(&safe.settings_for_clients("authorize", "optional")).start();
    assert!(sidecar.events("tokens_in_the_open").is_empty());
    let client = || TlsClient::trusting(&authority);
    let asked = AtomicUsize::new(0);
    let ask = |client: &TlsClient, headers: &[(&str, &str)]| {
        let id = format!("r-{}", asked.fetch_add(1, Ordering::Relaxed));
        let headers = &[headers, &[("x-request-id", id.as_str())]].concat();
        let answer = client
            .connect(sidecar.authorize_address())
            .and_then(|mut raw| raw.ask("POST", "/v1/authorize", headers, &question().to_string()));
        let answer = answer.map_err(|error| error.to_string())?;
        let actor = if answer.status == 200 { record(&sidecar, &id)["actor"].clone() } else { Value::Null };
        Ok::<_, String>((answer.status, actor.as_str().unwrap_or_default().to_owned(), answer.body))
    };
    let as_of = |names: &[&str]| ask(&client().showing(&clients.issue(names)), &[]).expect("an answer");
    // The names of a certificate without any are its common name; nobody who has others is told by that.
    let common = clients.issue_with(&[], |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Old Tool");
    });
    let both = clients.issue_with(&["x.internal"], |params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "old tool");
    });
    for (name, (status, actor, _)) in [
        ("erp", as_of(&["spiffe://cluster/ns/erp"])),
        ("erp", as_of(&["x.internal", "erp.internal"])),
        ("old", ask(&client().showing(&common), &[]).expect("an answer")),
        ("shop", ask(&client(), &[("authorization", &bearer(&shop))]).expect("an answer")),
        ("shop", ask(&client().showing(&both), &[("authorization", &bearer(&shop))]).expect("an answer")),
    ] {
        assert_eq!((status, actor.as_str()), (200, name));
    }
    for (names, says) in [
        (&["spiffe://cluster/ns/other"][..], "no caller has the certificate of `spiffe://cluster/ns/other`"),
        (&["SPIFFE://cluster/ns/erp"], "no caller has the certificate of `SPIFFE://cluster/ns/erp`"),
    ] {
        let (status, _, body) = as_of(names);
        assert!(status == 401 && body.contains(says), "{names:?}: {body}");
    }
    let (status, _, body) = ask(&client().showing(&both), &[]).expect("an answer");
    assert!(status == 401 && body.contains("no caller has the certificate of `x.internal`"), "{body}");
    assert_eq!(ask(&client(), &[]).expect("an answer").0, 401);
    // A certificate that nobody who is trusted has signed is no certificate.
    let forged = Authority::new("clients").issue(&["erp.internal"]);
    assert!(ask(&client().showing(&forged), &[]).is_err());
}

#[test]
fn where_certificates_are_required_there_is_no_connection_without() {
    let (authority, clients, safe) = (Authority::new("test CA"), Authority::new("clients"), Safe::new());
    safe.put(&authority.issue(&["localhost"]));
    safe.write("clients.pem", &clients.pem());
    let sidecar = beyond("{ name: erp, certificates: [erp.internal] }")
        .config(&safe.settings_for_clients("authorize", "required"))
        .start();
    let ask =
        |client: &TlsClient| client.status(sidecar.authorize_address(), "/v1/authorize", &[], &question().to_string());
    let client = || TlsClient::trusting(&authority);
    assert_eq!(ask(&client().showing(&clients.issue(&["erp.internal"]))), Ok(200));
    let old = |params: &mut rcgen::CertificateParams| params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    for (refused, alert) in [
        (client(), "CertificateRequired"),
        (client().showing(&authority.issue(&["erp.internal"])), ""),
        (client().showing(&clients.issue_with(&["erp.internal"], old)), "CertificateExpired"),
    ] {
        let error = ask(&refused).unwrap_err();
        assert!(error.contains("received fatal alert") && error.contains(alert), "{error}");
    }
    assert_eq!(sidecar.count(r#"sidegate_tls_handshakes_total{listener="authorize",outcome="failed"}"#, &[]), 3);
}

#[test]
fn lists_that_would_tell_nobody_are_refused_at_their_place() {
    let (_, digest) = token("shop");
    for (callers, says) in [
        ("{ name: shop }".to_owned(), "a caller needs `sha256`, `certificates`, or both"),
        (format!("{{ sha256: {digest} }}"), "a caller needs `name`"),
        ("{ name: shop, sha256: hunter2 }".to_owned(), "`sha256` of a caller is 64 hexadecimal digits"),
        (format!("{{ name: shop, sha256: {digest}, scopes: [] }}"), "`scopes` of a caller is a list of `decide`"),
        (format!("{{ name: shop, sha256: {digest}, scopes: [read] }}"), "`scopes` of a caller is a list of `decide`"),
        (
            format!("{{ name: shop, sha256: {digest}, in_flight: 0 }}"),
            "`in_flight` of a caller is a whole number from 1",
        ),
        (format!("{{ name: shop, sha256: {digest}, rate: 5 }}"), "there is no `rate` in `server.authorize.callers`"),
        (
            format!("{{ name: a, sha256: {digest} }}, {{ name: b, sha256: {digest} }}"),
            "`a` and `b` have the same digest",
        ),
        (
            "{ name: a, certificates: [x] }, { name: b, certificates: [y, X] }".to_owned(),
            "`a` and `b` have the certificate `x` both",
        ),
        ("{ name: a, certificates: [x] }".to_owned(), "the certificates of `a` have no effect"),
        ("shop".to_owned(), "a caller is a mapping such as"),
    ] {
        let exited = beyond(&callers).arg("--check-config").start_failing();
        let said: String = exited.stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert!(exited.code == Some(64) && said.contains(says), "{callers}: {}", exited.stderr);
    }
}

#[test]
fn the_environment_lists_callers_too() {
    let (shop, digest) = token("shop");
    let list =
        format!("name=shop sha256={digest} scopes=decide requests_per_second=100, name=erp sha256={}", "0".repeat(64));
    let sidecar =
        Sidecar::builder().listen("authorize", "0.0.0.0:0").env("SIDEGATE_SERVER__AUTHORIZE__CALLERS", &list).start();
    let header = bearer(&shop);
    let ask = |path| sidecar.post_text(path, &[("authorization", &header)], &question().to_string()).status;
    assert_eq!((ask("/v1/authorize"), ask("/v1/menu")), (200, 403));
    let exited = Sidecar::builder().env("SIDEGATE_SERVER__AUTHORIZE__CALLERS", "name=shop sha256=x").start_failing();
    assert!(exited.code == Some(64) && exited.stderr.contains("what is given does not fit"), "{exited:?}");
}

#[test]
fn an_entry_that_a_command_makes_is_taken_as_it_is() {
    let made = sidegate(["token", "--caller", "--name", "shop", "--scopes", "search,decide"]);
    let line = |name: &str| made.stdout.lines().find_map(|line| line.strip_prefix(name)).expect("a line").trim();
    let (token, entry) = (line("token:"), line("entry:"));
    let sidecar = beyond(entry).start();
    let ask = |path| sidecar.post_text(path, &[("sidegate-token", token)], &question().to_string()).status;
    assert_eq!((ask("/v1/authorize"), ask("/v1/menu")), (200, 403));
    // Nobody who names nothing gets more than what most callers want.
    let plain = sidegate(["token", "--caller"]).stdout;
    assert!(plain.contains("{ name: application, ") && plain.contains("scopes: [decide] }"), "{plain}");
    let ops = sidegate(["token"]).stdout;
    assert!(ops.contains("{ name: ops, "), "{ops}");
    for (scopes, says) in [
        (&["--caller", "--scopes", "read"][..], "`read` is no scope of a caller"),
        (&["--scopes", "decide"], "`decide` is no scope of the admin listener"),
    ] {
        let refused = sidegate([&["token"][..], scopes].concat());
        assert!(refused.code == Some(64) && refused.stderr.contains(says), "{refused:?}");
    }
}
