//! gRPC on the authorize listener, asked by a real client of it, and by one that says exactly what it is told to.

use crate::support::{
    Authority, Http2, PolicyDir, Raw, Safe, Sidecar, SigningKey, TlsClient,
    ext_authz::{CHECK, CheckRequest, CheckResponse, HealthRequest, HealthResponse},
    frames::{DATA, END_HEADERS, END_STREAM, Frames, HEADERS, frame, request_head},
    http2::request,
    jwks, seconds_now, sidegate, wait_until,
};
use prost::Message;
use serde_json::json;
use std::{net::SocketAddr, time::Duration};
use tonic::{client::Grpc, codegen::http::uri::PathAndQuery, transport::Endpoint};
use tonic_prost::ProstCodec;

const DEADLINE: Duration = Duration::from_secs(20);

const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// Sam may look at orders, and nobody may delete any.
const SET: &str = "policy_set: shop\ntenancy: none\nlevels: { view: [view], full: { includes: [view], actions: [delete] } }\n\
    modules: { orders: { name: Orders, resources: [order] } }\n\
    roles: { reader: { name: Reader, grants: { orders: view } } }\n\
    users: { sam: { name: Sam, email: sam@demo.example, roles: [reader] } }\n\
    routes:\n\
    \x20 - { method: GET, path: \"/orders/{id}\", action: view, resource: \"order:{id}\" }\n\
    \x20 - { method: DELETE, path: \"/orders/{id}\", action: delete, resource: \"order:{id}\" }\n";

/// This machine is a proxy that says who the user is.
const PROXY: &str = "server: { authorize: { trusted_proxies: [127.0.0.1], proxy: { user_header: x-user } } }";

fn policies() -> PolicyDir {
    PolicyDir::with(&[("set.yaml", SET)])
}

/// A message with its prefix.
fn framed(message: &impl Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).expect("a short message").to_be_bytes();
    [&[0][..], &length, &message].concat()
}

/// Calls once, with tonic's client.
async fn call<Q, A>(address: SocketAddr, path: &'static str, message: Q) -> Result<(A, Vec<String>), tonic::Status>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    let channel = Endpoint::from_shared(format!("http://{address}")).expect("an address").connect().await;
    let mut client = Grpc::new(channel.expect("the listener accepts"));
    client.ready().await.expect("a client that is ready");
    let mut request = tonic::Request::new(message);
    request.set_timeout(std::time::Duration::from_secs(20));
    request.metadata_mut().insert("x-request-id", "r-call".parse().expect("text"));
    let answer = client.unary(request, PathAndQuery::from_static(path), ProstCodec::<Q, A>::default()).await?;
    let ids = answer.metadata().get_all("x-request-id").iter();
    let ids = ids.map(|id| id.to_str().expect("text").to_owned()).collect();
    Ok((answer.into_inner(), ids))
}

fn check(sidecar: &Sidecar, request: CheckRequest) -> CheckResponse {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answered = runtime.block_on(call::<_, CheckResponse>(sidecar.authorize_address(), CHECK, request));
    let (answer, ids) = answered.expect("an answer");
    assert_eq!(ids, ["r-call"]);
    answer
}

#[test]
fn an_allow_tells_the_application_who_asks_and_takes_away_what_the_client_said() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(PROXY).start();
    let answer = check(&sidecar, CheckRequest::about("GET", "/orders/o-1?full", &[("x-user", "sam")]));
    assert_eq!(answer.status.as_ref().map(|status| status.code), Some(0), "{answer:?}");
    assert!(answer.denied_response.is_none());
    assert!(answer.headers().contains(&("sidegate-user", "sam")), "{answer:?}");
    let removed = &answer.ok_response.as_ref().expect("an answer to the application").headers_to_remove;
    let told = answer.headers();
    assert!(removed.iter().all(|name| told.iter().all(|(told, _)| told != name)), "{answer:?}");
    assert!(removed.contains(&"sidegate-tenant".to_owned()), "{answer:?}");

    let record = sidecar.wait_decision();
    assert_eq!((record["source"].as_str(), record["user"].as_str()), (Some("envoy"), Some("sam")), "{record}");
    assert_eq!((record["resource_id"].as_str(), record["action"].as_str()), (Some("o-1"), Some("view")), "{record}");
    assert_eq!(record["request_id"], "r-envoy", "the id of the request that is asked about");
    for (name, wanted) in [("decision", "allow"), ("reason", "granted"), ("route", "GET /orders/{id}")] {
        assert_eq!(answer.metadata(name), wanted);
    }
    assert_eq!(record["id"], answer.metadata("id"));
    assert_eq!(record["revision"], answer.metadata("revision"));
    assert_eq!(sidecar.count("sidegate_decisions_total", &[r#"source="envoy""#, r#"decision="allow""#]), 1);
    let route = format!(r#"route="{CHECK}""#);
    assert_eq!(sidecar.count("sidegate_http_request_duration_seconds_count", &[&route, r#"code="200""#]), 1);
}

#[test]
fn a_deny_tells_the_client_a_status_and_a_body_and_why_stands_in_the_metadata() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(PROXY).start();
    for (method, path, headers, status, code, reason) in [
        ("DELETE", "/orders/o-1", &[("x-user", "sam")][..], 403, 7, "not_granted"),
        ("GET", "/orders/o-1", &[("x-user", "nobody")], 403, 7, "user_unknown"),
        ("GET", "/orders/o-1", &[], 401, 16, "subject_missing"),
        ("GET", "/nowhere", &[("x-user", "sam")], 403, 7, "route_unknown"),
        ("GET", "/orders/%2e%2e/o-1", &[("x-user", "sam")], 403, 7, "path_not_canonical"),
    ] {
        let answer = check(&sidecar, CheckRequest::about(method, path, headers));
        let name = format!("{method} {path} {headers:?}: {answer:?}");
        assert_eq!(answer.status.as_ref().map(|status| status.code), Some(code), "{name}");
        let denied = answer.denied_response.as_ref().expect("an answer to the client");
        assert_eq!(denied.status.as_ref().map(|status| status.code), Some(status), "{name}");
        assert!(answer.ok_response.is_none(), "{name}");
        assert_eq!((answer.metadata("decision"), answer.metadata("reason")), ("deny", reason), "{name}");
        let body: serde_json::Value = serde_json::from_str(&denied.body).expect("JSON");
        assert!(body["error"]["code"].is_string(), "{name}");
        let types = answer.headers().iter().filter(|(header, _)| *header == "content-type").count();
        assert_eq!(types, 1, "{name}");
        assert_eq!(answer.metadata("id").len(), 26, "{name}");
    }
}

#[test]
fn the_subject_may_come_from_a_token_that_envoy_has_verified() {
    let dir = policies();
    let claim = "server: { authorize: { proxy: { user_claim: sub } } }";
    let sidecar = Sidecar::builder().policies(dir.path()).config(PROXY).config(claim).start();
    let about = || CheckRequest::about("GET", "/orders/o-1", &[]);
    for (claims, reason) in [
        (&[("sub", "sam")][..], "granted"),
        (&[("sub", "nobody")], "user_unknown"),
        (&[("name", "Sam")], "subject_missing"),
        (&[("sub", "")], "subject_missing"),
    ] {
        let answer = check(&sidecar, about().with_claims(claims));
        assert_eq!(answer.metadata("reason"), reason, "{claims:?}: {answer:?}");
    }
    // Where a token says it, no header is asked.
    let both = CheckRequest::about("GET", "/orders/o-1", &[("x-user", "sam")]).with_claims(&[("sub", "nobody")]);
    assert_eq!(check(&sidecar, both).metadata("reason"), "user_unknown");
    // From somebody who is no trusted proxy, neither token nor header says anything.
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    for request in
        [about().with_claims(&[("sub", "sam")]), CheckRequest::about("GET", "/orders/o-1", &[("x-user", "sam")])]
    {
        assert_eq!(check(&sidecar, request).metadata("decision"), "deny");
    }
}

/// What Envoy's filter has verified tells the resource where Envoy is trusted; the payload of anybody else tells nothing, not even
/// beside a token that counts.
#[test]
fn the_payload_of_a_verified_token_tells_the_resource_where_envoy_is_trusted() {
    let set =
        format!("{SET}\x20 - {{ method: GET, path: \"/mine\", action: view, resource: \"order:{{claim.order}}\" }}\n");
    let (dir, key) = (PolicyDir::with(&[("set.yaml", &set)]), SigningKey::p256("k"));
    let keys = PolicyDir::with(&[("keys.json", &jwks(&[&key]).to_string())]);
    let issuer = format!(
        "subjects: {{ tokens: [{{ issuer: 'https://id.example', audiences: shop, jwks: '{}' }}] }}",
        keys.path().join("keys.json").display()
    );
    let token = |claims: serde_json::Value| {
        let mut all = json!({
            "iss": "https://id.example", "aud": "shop", "exp": seconds_now() + 300, "sub": "sam"
        });
        let all_of = all.as_object_mut().expect("an object");
        all_of.extend(claims.as_object().expect("an object").clone());
        format!("Bearer {}", key.sign(&all))
    };
    let trusting = Sidecar::builder().policies(dir.path()).config(PROXY).config(&issuer).start();
    let untrusting = Sidecar::builder().policies(dir.path()).config(&issuer).start();
    let (bare, own) = (token(json!({})), token(json!({ "order": "o-9" })));
    let payload = &[("order", "o-7")][..];
    for (sidecar, who, claims, reason, resource) in [
        (&trusting, ("x-user", "sam"), payload, "granted", "o-7"),
        (&trusting, ("x-user", "sam"), &[], "route_value_invalid", ""),
        // The token that says who asks is the one whose claims count.
        (&trusting, ("authorization", &own), payload, "granted", "o-9"),
        (&untrusting, ("authorization", &own), payload, "granted", "o-9"),
        (&untrusting, ("authorization", &bare), payload, "route_value_invalid", ""),
    ] {
        let name = format!("{who:?} {claims:?}");
        let answer = check(sidecar, CheckRequest::about("GET", "/mine", &[who]).with_claims(claims));
        assert_eq!(answer.metadata("reason"), reason, "{name}: {answer:?}");
        let record = wait_until(DEADLINE, || {
            let found = sidecar.admin_get("/v1/audit?kind=decision").json()["items"].clone();
            found.as_array()?.iter().find(|record| record["id"] == answer.metadata("id")).cloned()
        });
        let record = record.expect("a record");
        assert_eq!(record["resource_id"].as_str().unwrap_or_default(), resource, "{name}: {record}");
        assert_eq!(record["user"], "sam", "{name}: {record}");
        if !resource.is_empty() {
            assert_eq!(record["action"], "view", "{name}: {record}");
        }
    }
}

#[test]
fn calls_that_cannot_be_answered_end_with_a_status_that_says_why() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(PROXY).start();
    let http2 = Http2::connect(sidecar.authorize_address());
    let whole = framed(&CheckRequest::about("GET", "/orders/o-1", &[("x-user", "sam")]));
    let at = |offset: usize, byte: u8| {
        let mut message = whole.clone();
        message[offset] = byte;
        message
    };
    let huge = framed(&HealthRequest { service: "x".repeat(1025) });
    let deep = {
        // Lists within lists, as values of metadata, without end.
        let mut value = Vec::new();
        for _ in 0..5000 {
            let list = [&[0x0a][..], &varint(value.len()), &value].concat();
            value = [&[0x32][..], &varint(list.len()), &list].concat();
        }
        let nested = |tag: u8, inner: Vec<u8>| [&[tag][..], &varint(inner.len()), &inner].concat();
        let entry = |key: &str, inner: Vec<u8>| {
            nested(0x0a, [nested(0x0a, key.as_bytes().to_vec()), nested(0x12, inner)].concat())
        };
        let message = nested(0x0a, nested(0x5a, entry("filter", entry("key", value))));
        let length = u32::try_from(message.len()).expect("short").to_be_bytes();
        [&[0][..], &length, &message].concat()
    };
    let empty = [0, 0, 0, 0, 0];
    for (name, path, headers, body, code, message) in [
        (
            "an unknown method",
            "/envoy.service.auth.v3.Authorization/Ask",
            &[][..],
            whole.clone(),
            12,
            "there is no method",
        ),
        ("no message", CHECK, &[], vec![], 3, "no message"),
        ("half a prefix", CHECK, &[], vec![0, 0], 3, "within its prefix"),
        ("half a message", CHECK, &[], whole[..40].to_vec(), 3, "is said to have"),
        ("two messages", CHECK, &[], whole.repeat(2), 3, "takes one message"),
        ("no message of this kind", CHECK, &[], at(5, 0xff), 3, "the message is no `CheckRequest`"),
        ("an empty message", CHECK, &[], empty.to_vec(), 3, "`attributes` is missing"),
        ("a message about no HTTP", CHECK, &[], vec![0, 0, 0, 0, 2, 0x0a, 0], 3, "only HTTP is decided about"),
        ("a message without end", CHECK, &[], deep, 3, "recursion limit"),
        ("a compressed message", CHECK, &[("grpc-encoding", "gzip")], at(0, 1), 12, "compressed"),
        ("a question about health that is too long", HEALTH, &[], huge, 8, "longer than"),
        ("a timeout that is none", CHECK, &[("grpc-timeout", "soon")], whole.clone(), 3, "is no `grpc-timeout`"),
        ("a timeout that has passed", CHECK, &[("grpc-timeout", "0m")], whole.clone(), 4, "the deadline of the call"),
        (
            "health of what is not here",
            HEALTH,
            &[],
            framed(&HealthRequest { service: "shop".to_owned() }),
            5,
            "there is no service",
        ),
    ] {
        let answer = http2.call(path, headers, body);
        let (found, why) = answer.grpc();
        assert_eq!((answer.status, found), (200, code), "{name}: {answer:?}");
        assert!(why.contains(message), "{name}: {why}");
        assert_eq!(answer.header("content-type"), "application/grpc", "{name}");
        assert_eq!(answer.header("x-request-id").len(), 26, "{name}");
        assert!(answer.body.is_empty(), "{name}");
    }
    // Nothing of it was a decision, and the connection goes on.
    assert_eq!(sidecar.count("sidegate_decisions_total", &[]), 0);
    let answer = http2.call(CHECK, &[], whole.clone());
    assert_eq!((answer.grpc().0, answer.trailers.contains_key("grpc-status")), (0, true));
    // A service that is not here is a path that does not exist, and clients of gRPC know what that means.
    for path in ["/shop.Orders/List", "/envoy.service.auth.v2.Authorization/Check", "/"] {
        let answer = http2.call(path, &[], whole.clone());
        assert_eq!((answer.status, answer.grpc().0), (404, 12), "{path}: {answer:?}");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let asked = call::<_, HealthResponse>(sidecar.authorize_address(), "/shop.Orders/List", HealthRequest::default());
    assert_eq!(runtime.block_on(asked).expect_err("no answer").code(), tonic::Code::Unimplemented);
    // Another content type is a request to a path that does not exist, and so is a call by HTTP/1.
    let answer = http2.send(request(CHECK, &[("content-type", "application/grpc-web")], whole.clone()));
    assert_eq!(answer.status, 404);
    let head = format!(
        "POST {CHECK} HTTP/1.1\r\nHost: test\r\nContent-Type: application/grpc\r\nContent-Length: {}\r\n\r\n",
        whole.len()
    );
    let mut raw: Raw = sidecar.raw();
    let answer = raw.send([head.as_bytes(), &whole].concat()).response();
    assert_eq!(answer.map(|answer| answer.status), Some(404));
}

/// A proxy takes every `2xx` of a door for an allow, and may hand on the content type of its client.
#[test]
fn no_content_type_makes_a_call_of_what_is_asked_at_a_door_or_a_route() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(PROXY).start();
    let http2 = Http2::connect(sidecar.authorize_address());
    let types = ["application/grpc", "application/grpc+proto", "application/grpc;x=1", "application/grpc-web"];
    let mut decided = 0;
    for content_type in types {
        for (method, path, told, status) in [
            ("GET", "/auth-request", &[("x-forwarded-method", "DELETE"), ("x-forwarded-uri", "/orders/o-1")][..], 403),
            ("POST", "/auth-request", &[("x-forwarded-method", "GET"), ("x-forwarded-uri", "/orders/o-1")], 200),
            ("GET", "/auth-request", &[], 403),
            ("DELETE", "/ext-authz/orders/o-1", &[], 403),
            ("GET", "/ext-authz/orders/o-1", &[], 200),
            ("POST", "/ext-authz/envoy.service.auth.v3.Authorization/Check", &[], 403),
            ("POST", "/ext-authz/grpc.health.v1.Health/Check", &[], 403),
        ] {
            let mut request = request(path, &[("content-type", content_type), ("x-user", "sam")], "");
            *request.method_mut() = method.parse().expect("a method");
            for (name, value) in told {
                request.headers_mut().insert(*name, value.parse().expect("a value"));
            }
            let answer = http2.send(request);
            assert_eq!(answer.status, status, "{content_type} {method} {path}: {answer:?}");
            assert_eq!(answer.header("sidegate-decision").len(), 26, "{content_type} {method} {path}: {answer:?}");
            assert_eq!(answer.grpc().0, -1, "{content_type} {method} {path}: {answer:?}");
            decided += 1;
        }
        for path in ["/v1/authorize", "/access/v1/evaluation", "/v1/menu"] {
            let answer = http2.send(request(path, &[("content-type", content_type)], "{}"));
            assert_eq!((answer.status, answer.grpc().0), (400, -1), "{content_type} {path}: {answer:?}");
        }
    }
    assert_eq!(sidecar.count("sidegate_decisions_total", &[]), decided);
}

#[test]
fn what_a_client_can_bring_about_is_a_deny_with_a_record_and_no_error() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(PROXY).start();
    let http2 = Http2::connect(sidecar.authorize_address());
    let about = |target: &str, headers: &[(&str, &str)]| {
        let headers: Vec<_> = headers.iter().copied().chain([("x-user", "sam")]).collect();
        framed(&CheckRequest::about("GET", target, &headers))
    };
    let (long, longer) = ("x".repeat(33_000), "x".repeat(300_000));
    // A message of a field with as many empty headers in it as no map can hold.
    let hollow = {
        let headers = [0x1a, 0].repeat(24_577);
        let within = |tag: u8, inner: Vec<u8>| [&[tag][..], &varint(inner.len()), &inner].concat();
        let message = within(0x0a, within(0x22, within(0x12, headers)));
        [&[0][..], &u32::try_from(message.len()).expect("short").to_be_bytes(), &message].concat()
    };
    for (count, (name, message, reason)) in (1..).zip([
        ("a long query", about(&format!("/orders/o-1?{long}"), &[]), "path_not_canonical"),
        ("a long header", about("/orders/o-1", &[("x-long", &long)]), "granted"),
        ("a header that is none", about("/orders/o-1", &[("x bad", "1")]), "proxy_headers_invalid"),
        ("a header with a value that is none", about("/orders/o-1", &[("x-bad", "a\0b")]), "proxy_headers_invalid"),
        ("more headers than there can be", hollow, "proxy_headers_invalid"),
        ("a message that is too long", about("/orders/o-1", &[("x-longer", &longer)]), "proxy_headers_invalid"),
    ]) {
        let answer = http2.call(CHECK, &[], message);
        assert_eq!((answer.status, answer.grpc().0), (200, 0), "{name}: {answer:?}");
        let check = CheckResponse::decode(&answer.body[5..]).expect("an answer");
        assert_eq!(check.metadata("reason"), reason, "{name}: {check:?}");
        assert_eq!(check.denied_response.is_none(), reason == "granted", "{name}: {check:?}");
        assert_eq!(sidecar.count("sidegate_decisions_total", &[r#"source="envoy""#]), count, "{name}");
    }
    let record = wait_until(DEADLINE, || {
        let found = sidecar.admin_get("/v1/audit?kind=decision").json()["items"].clone();
        (found.as_array().map_or(0, Vec::len) == 6).then(|| found[0].clone())
    });
    assert_eq!(record.expect("six records")["reason"], "proxy_headers_invalid");
}

#[test]
fn health_checks_take_no_place_from_decisions() {
    let dir = policies();
    let few = "server: { authorize: { limits: { in_flight: 2 } } }";
    let sidecar = Sidecar::builder().policies(dir.path()).config(few).start();
    let mut frames = Frames::connect(sidecar.authorize_address(), &[]);
    let head = request_head("POST", HEALTH, &[("content-type", "application/grpc"), ("te", "trailers")]);
    // Two that are never asked to the end, and one that is: its answer says that the others have been looked at.
    for stream in [1, 3, 5] {
        frames.send(frame(HEADERS, END_HEADERS, stream, &head));
    }
    frames.send(frame(DATA, END_STREAM, 5, &framed(&HealthRequest::default())));
    assert!(std::iter::from_fn(|| frames.next()).any(|frame| frame.stream == 5 && frame.kind == DATA));
    let question = json!({ "user": "sam", "action": "view", "resource": "order:o-1" });
    for _ in 0..3 {
        assert_eq!(sidecar.authorize(&question).0, 200);
    }
}

fn varint(mut number: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while number >= 128 {
        out.push(u8::try_from(number % 128).expect("small") | 0x80);
        number /= 128;
    }
    out.push(u8::try_from(number).expect("small"));
    out
}

#[test]
fn too_many_calls_at_once_are_unavailable() {
    let dir = policies();
    let one = "server: { authorize: { limits: { in_flight: 1 } } }";
    let sidecar = Sidecar::builder().policies(dir.path()).config(PROXY).config(one).start();
    // A question whose body is still to come takes the only place.
    let mut raw = sidecar.raw();
    raw.send("POST /v1/authorize HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(raw.response().map(|answer| answer.status), Some(100));
    let http2 = Http2::connect(sidecar.authorize_address());
    let whole = framed(&CheckRequest::about("GET", "/orders/o-1", &[("x-user", "sam")]));
    let answer = http2.call(CHECK, &[], whole.clone());
    assert_eq!(answer.grpc(), (14, "too many requests at once"));
    raw.send("{}");
    assert_eq!(raw.response().map(|answer| answer.status), Some(400));
    assert_eq!(http2.call(CHECK, &[], whole).grpc().0, 0);
}

#[test]
fn many_calls_share_one_connection_and_each_gets_its_own_answer() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(PROXY).start();
    let http2 = Http2::connect(sidecar.authorize_address());
    let headers = [("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "20S")];
    let user = |n: usize| if n.is_multiple_of(3) { "nobody" } else { "sam" };
    let asked = (0..1000).map(|n| {
        let check = CheckRequest::about("GET", &format!("/orders/o-{n}"), &[("x-user", user(n))]);
        request(CHECK, &headers, framed(&check))
    });
    for (n, answer) in http2.send_all(asked.collect()).into_iter().enumerate() {
        let answer = answer.expect("an answer");
        assert_eq!(answer.grpc().0, 0, "{answer:?}");
        let check = CheckResponse::decode(&answer.body[5..]).expect("an answer");
        let wanted = if user(n) == "sam" { "granted" } else { "user_unknown" };
        assert_eq!(check.metadata("reason"), wanted, "{n}: {check:?}");
    }
    assert_eq!(sidecar.count("sidegate_decisions_total", &[r#"source="envoy""#]), 1000);
}

#[test]
fn calls_are_taken_in_tls_where_http_2_is_agreed_on() {
    let (dir, authority, safe) = (policies(), Authority::new("test CA"), Safe::new());
    safe.put(&authority.issue(&["localhost"]));
    let sidecar = Sidecar::builder().policies(dir.path()).config(PROXY).config(&safe.settings("authorize", "")).start();
    let http2 = Http2::connect_tls(sidecar.authorize_address(), &TlsClient::trusting(&authority));
    let asked = framed(&CheckRequest::about("GET", "/orders/o-1", &[("x-user", "sam")]));
    let answer = http2.call(CHECK, &[], asked);
    assert_eq!(answer.grpc().0, 0, "{answer:?}");
    let check = CheckResponse::decode(&answer.body[5..]).expect("an answer");
    assert_eq!(check.metadata("reason"), "granted");
}

#[test]
fn callers_are_told_by_their_tokens_and_held_to_their_scopes() {
    let dir = policies();
    let made = ["envoy", "reports"].map(|name| {
        let made = sidegate(["token", "--name", name, "--output", "json"]).stdout;
        let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
        [&made["token"], &made["entry"]["sha256"]].map(|text| text.as_str().expect("a text").to_owned())
    });
    let [[envoy, envoys], [reports, of_reports]] = made;
    let callers = format!(
        "server: {{ authorize: {{ callers: [{{ name: envoy, sha256: {envoys} }}, \
         {{ name: reports, sha256: {of_reports}, scopes: [access] }}] }} }}"
    );
    let builder = Sidecar::builder().policies(dir.path()).listen("authorize", "0.0.0.0:0").config(PROXY);
    let sidecar = builder.config(&callers).start();
    let http2 = Http2::connect(sidecar.authorize_address());
    let asked = framed(&CheckRequest::about("GET", "/orders/o-1", &[("x-user", "sam")]));
    let bearer = |token: &str| format!("Bearer {token}");
    for (headers, code) in [
        (vec![], 16),
        (vec![("authorization", bearer("wrong"))], 16),
        (vec![("authorization", bearer(&reports))], 7),
        (vec![("authorization", bearer(&envoy))], 0),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = http2.call(CHECK, &headers, asked.clone());
        assert_eq!(answer.grpc().0, code, "{answer:?}");
    }
    // An orchestrator knows no token.
    assert_eq!(http2.call(HEALTH, &[], framed(&HealthRequest::default())).grpc().0, 0);
}

#[test]
fn health_is_told_of_the_server_and_of_its_services() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for service in ["", "envoy.service.auth.v3.Authorization"] {
        let asked = HealthRequest { service: service.to_owned() };
        let answer = runtime.block_on(call::<_, HealthResponse>(sidecar.authorize_address(), HEALTH, asked));
        assert_eq!(answer.expect("an answer").0.status, 1, "{service}: serving");
    }
}
