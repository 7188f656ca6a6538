use super::*;
use crate::{
    http::grpc::wire::{check as wire, structure::List},
    model::{ReasonCode, Revision},
};
use prost::Message as _;
use serde_json::json;
use ulid::Ulid;

fn header(key: &'static str, value: &'static [u8]) -> Header {
    Header { key: Bytes::from_static(key.as_bytes()), value: Bytes::from_static(value), raw_value: Bytes::new() }
}

fn object(fields: Vec<(&str, Value)>) -> Struct {
    Struct { fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() }
}

fn payload(user: &str) -> Value {
    Value { kind: Some(Kind::Object(object(vec![("sub", Value::text(user))]))) }
}

fn verdict(decision: Decision, status: u16) -> Verdict {
    let name = |name: &str| HeaderName::try_from(name).unwrap();
    Verdict {
        decision,
        status: StatusCode::from_u16(status).unwrap(),
        headers: vec![(name("x-user"), HeaderValue::from_bytes("Zoë".as_bytes()).unwrap())],
        remove: vec![name("x-user"), name("x-tenant")],
        body: if decision == Decision::Allow { String::new() } else { "{}".to_owned() },
        id: Ulid::from_parts(1, 2),
        revision: Revision::new([0x3f; 32]),
        reason: if decision == Decision::Allow { ReasonCode::Granted } else { ReasonCode::NotGranted },
        route: "GET /orders/{id}".to_owned(),
    }
}

fn texts(headers: &[HeaderValueOption]) -> Vec<String> {
    headers
        .iter()
        .map(|option| {
            let header = option.header.as_ref().unwrap();
            assert_eq!((option.append, option.append_action), (Some(BoolValue { value: false }), OVERWRITE));
            format!("{}: {}", str::from_utf8(&header.key).unwrap(), str::from_utf8(&header.value).unwrap())
        })
        .collect()
}

#[test]
fn headers_are_taken_from_either_list_without_those_of_the_protocol() {
    let plain = vec![header(":path", b"/x"), header("accept", b"*/*"), header("x-user", b"sam")];
    let raw = Header { raw_value: Bytes::from_static(b"\xe4"), ..header("x-name", b"") };
    let map = wire::HeaderMap { headers: vec![header("cookie", b"a=1"), header("cookie", b"b=2"), raw] };
    for (http, wanted) in [
        (HttpRequest { headers: plain, ..HttpRequest::default() }, vec![("accept", &b"*/*"[..]), ("x-user", b"sam")]),
        (
            HttpRequest { header_map: Some(map), ..HttpRequest::default() },
            vec![("cookie", b"a=1"), ("cookie", b"b=2"), ("x-name", b"\xe4")],
        ),
        (HttpRequest::default(), vec![]),
    ] {
        let headers = headers(&http).unwrap();
        let found: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(found, wanted);
    }
    for wrong in [header("", b"x"), header("a b", b"x"), header("x-user", b"a\nb"), header("x-user", b"a\0")] {
        let http = HttpRequest { headers: vec![wrong], ..HttpRequest::default() };
        assert!(headers(&http).unwrap_err().contains("no header can have"));
    }
    // More than a map of headers can hold, or has room for at first.
    for many in [24_577, 40_000] {
        let http = HttpRequest { headers: vec![header("", b""); many], ..HttpRequest::default() };
        assert!(headers(&http).is_err());
    }
}

#[test]
fn claims_are_the_only_payload_or_the_one_of_the_agreed_name() {
    let list = Value { kind: Some(Kind::List(List { values: vec![] })) };
    let in_filter = |filter: &str, fields: Vec<(&str, Value)>| {
        claims(Metadata { filter_metadata: [(filter.to_owned(), object(fields))].into() })
    };
    let sub = |found: Option<Map<String, serde_json::Value>>| found.map(|claims| claims.get("sub").cloned().unwrap());
    for (fields, wanted) in [
        (vec![], None),
        (vec![("any", payload("sam"))], Some("sam")),
        (vec![("any", payload("sam")), ("text", Value::text("x")), ("list", list)], Some("sam")),
        (vec![("a", payload("sam")), ("b", payload("max"))], None),
        (vec![("a", payload("sam")), ("jwt_payload", payload("max"))], Some("max")),
    ] {
        assert_eq!(sub(in_filter(JWT_FILTER, fields)), wanted.map(|user| json!(user)));
    }
    assert_eq!(in_filter("another.filter", vec![("jwt_payload", payload("sam"))]), None);
}

#[test]
fn an_allow_is_ok_and_what_it_adds_stands_in_place_of_what_the_client_sent() {
    let response = response(verdict(Decision::Allow, 200));
    assert_eq!(response.status, Some(RpcStatus { code: 0, message: "granted".to_owned() }));
    let Some(HttpResponse::Ok(ok)) = &response.http_response else { panic!("{response:?}") };
    assert_eq!(texts(&ok.headers), ["x-user: Zoë"]);
    assert_eq!(ok.headers_to_remove, ["x-tenant"], "Envoy would remove what it has added");
    assert_eq!(CheckResponse::decode(&*response.encode_to_vec()).unwrap(), response);
}

#[test]
fn a_deny_is_never_ok_and_tells_status_headers_and_body() {
    for (status, code) in [(403, Code::PermissionDenied), (401, Code::Unauthenticated), (200, Code::PermissionDenied)] {
        let response = response(verdict(Decision::Deny, status));
        assert_eq!(response.status.as_ref().map(|status| status.code), Some(code.number()));
        let Some(HttpResponse::Denied(denied)) = &response.http_response else { panic!("{response:?}") };
        assert_eq!(denied.status, Some(HttpStatus { code: i32::from(status) }));
        assert_eq!(texts(&denied.headers), ["x-user: Zoë", "content-type: application/json"]);
        assert_eq!(denied.body, "{}");
    }
}

#[test]
fn every_answer_names_its_decision_in_the_metadata() {
    for (decision, status, reason) in [(Decision::Allow, 200, "granted"), (Decision::Deny, 403, "not_granted")] {
        let metadata = response(verdict(decision, status)).dynamic_metadata.unwrap();
        assert_eq!(
            serde_json::Value::Object(metadata.into()),
            json!({"decision": decision.as_str(), "reason": reason, "route": "GET /orders/{id}",
                   "revision": "3f3f3f3f3f3f", "id": Ulid::from_parts(1, 2).to_string()})
        );
    }
}
