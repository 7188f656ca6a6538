//! The trace of a request in audit records, with and without spans.

use super::{PARENT, TRACE, ask, question};
use crate::support::{
    Http2, Sidecar,
    ext_authz::{CHECK, CheckRequest},
    wait_until,
};
use prost::Message as _;
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// This machine is a proxy that says who the user is.
const PROXY: &str = "server: { authorize: { trusted_proxies: [127.0.0.1], proxy: { user_header: x-user } } }";

/// The record of a request, once it is there.
#[track_caller]
fn record(sidecar: &Sidecar, request_id: &str) -> Value {
    let found = wait_until(SOON, || {
        let page = sidecar.admin_get("/v1/audit?limit=200").json();
        page["items"].as_array()?.iter().find(|record| record["request_id"] == request_id).cloned()
    });
    found.unwrap_or_else(|| panic!("no record of the request {request_id}"))
}

#[test]
fn a_record_names_the_trace_that_its_request_belongs_to_through_every_door() {
    // No variable asks for spans.
    let sidecar = Sidecar::builder().config(PROXY).env("OTEL_SERVICE_NAME", "shop").start();
    let of_trace = |id| [("x-request-id", id), ("traceparent", PARENT), ("x-user", "alice")];

    sidecar.post_text("/v1/authorize", &of_trace("native"), &question().to_string());
    let evaluation = json!({
        "subject": { "type": "user", "id": "alice" }, "action": { "name": "view" }, "resource": { "type": "order", "id": "o-1" },
    });
    sidecar.post_text("/access/v1/evaluation", &of_trace("authzen"), &evaluation.to_string());
    let batch = json!({ "evaluations": [evaluation] });
    sidecar.post_text("/access/v1/evaluations", &of_trace("batch"), &batch.to_string());
    let forwarded =
        [&of_trace("forward")[..], &[("x-original-method", "GET"), ("x-original-uri", "/orders/o-1")]].concat();
    let get = |path: &str, headers: &[(&str, &str)]| {
        sidecar.client().get(sidecar.authorize_address(), path, headers).expect("an answer")
    };
    get("/auth-request", &forwarded);
    get("/ext-authz/orders/o-1", &of_trace("ext-authz"));

    let framed = |message: &CheckRequest| {
        let message = message.encode_to_vec();
        [&[0][..], &u32::try_from(message.len()).expect("short").to_be_bytes(), &message].concat()
    };
    let http2 = Http2::connect(sidecar.authorize_address());
    let about = |headers: &[(&str, &str)]| {
        let mut request = CheckRequest::about("GET", "/orders/o-1", headers);
        let http = request.attributes.as_mut().and_then(|all| all.request.as_mut()?.http.as_mut()).expect("a request");
        http.headers.remove("x-request-id");
        framed(&request)
    };
    // The call's own, and before it nothing; else that of the request that is asked about.
    let other = PARENT.replace(TRACE, "00000000000000000000000000000007");
    let asked = about(&[("x-user", "alice"), ("traceparent", &other)]);
    assert_eq!(http2.call(CHECK, &[("x-request-id", "grpc"), ("traceparent", PARENT)], asked).grpc().0, 0);
    let asked = about(&[("x-user", "alice"), ("traceparent", PARENT)]);
    assert_eq!(http2.call(CHECK, &[("x-request-id", "grpc-inner")], asked).grpc().0, 0);

    let administer = |path: &str, headers: &[(&str, &str)], body: &Value| {
        sidecar.client().post(sidecar.admin_address(), path, headers, &body.to_string()).expect("an answer")
    };
    let activity = json!({ "user": "alice", "action": "export", "module": "orders" });
    assert_eq!(administer("/v1/activity", &of_trace("activity"), &activity).status, 200);
    let user = json!({ "id": "dora", "email": "dora@demo.example", "first_name": "Dora", "activation": "none" });
    administer("/v1/users", &of_trace("directory"), &user);

    for id in ["native", "authzen", "batch", "forward", "ext-authz", "grpc", "grpc-inner", "activity", "directory"] {
        assert_eq!(record(&sidecar, id)["trace_id"], TRACE, "{id}");
    }
    // The trace leads to all of it.
    let found = sidecar.admin_get(&format!("/v1/audit?trace_id={TRACE}&limit=200")).json();
    let found = found["items"].as_array().expect("records").len();
    assert_eq!(found, 9);
    let none = sidecar.admin_get("/v1/audit?trace_id=00000000000000000000000000000001").json();
    assert_eq!(none["items"], json!([]));
    assert_eq!(sidecar.count("sidegate_trace_spans_total", &[]), 0, "none was made");
    assert!(sidecar.events("spans_exported").is_empty());
}

#[test]
fn what_is_no_traceparent_says_nothing_and_harms_nothing() {
    let sidecar = Sidecar::builder().start();
    for (id, header) in [
        ("none", None),
        ("upper", Some(PARENT.to_uppercase())),
        ("zero", Some(PARENT.replace(TRACE, &"0".repeat(32)))),
        ("short", Some("00-1-2-01".to_owned())),
        ("long", Some(format!("{PARENT}-more"))),
        ("version", Some(PARENT.replacen("00", "ff", 1))),
    ] {
        let mut headers = vec![("x-request-id", id)];
        headers.extend(header.as_deref().map(|header| ("traceparent", header)));
        ask(&sidecar, &headers);
        assert!(record(&sidecar, id)["trace_id"].is_null(), "{id}");
    }
    // Two of them are none; a later version may say more.
    let raw = |id: &str, headers: &str| {
        let body = question().to_string();
        let head = format!(
            "POST /v1/authorize HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\nx-request-id: {id}\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        let mut raw = sidecar.raw();
        raw.send(format!("{head}{body}"));
        assert_eq!(raw.response().map(|answer| answer.status), Some(200));
        record(&sidecar, id)["trace_id"].clone()
    };
    assert!(raw("twice", &format!("traceparent: {PARENT}\r\ntraceparent: {PARENT}\r\n")).is_null());
    let later = PARENT.replacen("00", "01", 1);
    assert_eq!(raw("later", &format!("traceparent: {later}-more\r\n")), TRACE);
}

#[test]
fn the_command_line_shows_the_trace_as_well() {
    let sidecar = Sidecar::builder().start();
    ask(&sidecar, &[("traceparent", PARENT)]);
    sidecar.stop();
    let data = sidecar.data().to_str().expect("UTF-8");
    let listed = crate::support::sidegate(["audit", "export", "--data", data, "--kind", "decision"]);
    let record: Value = serde_json::from_str(&listed.stdout).expect("one record");
    assert_eq!(record["trace_id"], TRACE, "{record}");
    let csv = crate::support::sidegate(["audit", "export", "--data", data, "--kind", "decision", "--format", "csv"]);
    assert!(csv.stdout.trim_end().ends_with(&format!(",{TRACE}")), "{}", csv.stdout);
    assert_eq!(crate::support::sidegate(["audit", "verify", "--data", data]).code, Some(0));
}
