//! The outer form of AuthZEN over HTTP: paths, methods, content types, ids of requests, JSON, errors.

use super::{EVALUATION, EVALUATIONS, METADATA, PATHS, body_of, certification, record, user};
use crate::support::{Answer, PolicyDir, Raw, Sidecar, sidegate};
use serde_json::{Value, json};

const PUBLIC: &str = "server: { authorize: { public_url: https://pdp.example } }";

fn started() -> (PolicyDir, Sidecar) {
    let policies = certification();
    let sidecar = Sidecar::builder().policies(policies.path()).config(PUBLIC).start();
    (policies, sidecar)
}

fn send(sidecar: &Sidecar, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
    sidecar.client().send(method, sidecar.authorize_address(), path, headers, body).expect("an answer")
}

#[test]
fn every_call_is_answered_with_200_and_a_json_object() {
    let (_policies, sidecar) = started();
    let denied = json!({"subject": user("nobody"), "action": {"name": "read"}, "resource": record("record-1")});
    let mut answers: Vec<_> = PATHS.iter().map(|path| sidecar.post(path, &body_of(path))).collect();
    answers.extend([sidecar.post(EVALUATION, &denied), sidecar.get(METADATA)]);
    for answer in answers {
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{answer:?}");
        assert!(answer.json().is_object(), "{answer:?}");
    }
    assert_eq!(sidecar.post(EVALUATION, &denied).json()["decision"], false, "a deny is an answer like any other");
}

#[test]
fn a_content_type_may_have_parameters_and_any_other_is_400() {
    let (_policies, sidecar) = started();
    for path in PATHS {
        let body = body_of(path).to_string();
        let ask = |content_type: &str| {
            sidecar.post_text(path, &[("content-type", content_type), ("x-request-id", "r-1")], &body)
        };
        for content_type in [
            "application/json",
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
            "Application/JSON",
            "application/json ; profile=\"x\"",
        ] {
            assert_eq!(ask(content_type).status, 200, "{path} {content_type}");
        }
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "text/json", "*/*"]
        {
            let answer = ask(content_type);
            assert_eq!((answer.status, answer.header("x-request-id")), (400, "r-1"), "{path} {content_type}");
            assert_eq!(answer.json()["error"]["code"], "unsupported_content_type");
        }
        let bare = Raw::connect(sidecar.authorize_address())
            .send(format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
            .response()
            .expect("an answer");
        assert_eq!(bare.status, 400, "{path} without a content type: {bare:?}");
    }
}

#[test]
fn other_methods_are_405_with_those_that_the_path_has() {
    let (_policies, sidecar) = started();
    for path in PATHS {
        let body = body_of(path).to_string();
        for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"] {
            let body = matches!(method, "PUT" | "PATCH").then_some(&*body);
            let answer = send(&sidecar, method, path, &[("x-request-id", "r-2")], body);
            let facts = (answer.status, answer.header("allow"), answer.header("x-request-id"));
            assert_eq!(facts, (405, "POST", "r-2"), "{method} {path}");
        }
    }
    for method in ["POST", "PUT", "PATCH"] {
        let answer = send(&sidecar, method, METADATA, &[], Some("{}"));
        assert_eq!((answer.status, answer.header("allow")), (405, "GET"), "{method} {METADATA}");
    }
}

#[test]
fn paths_are_what_they_are_to_the_letter() {
    let (_policies, sidecar) = started();
    for path in [
        "/access/v1/evaluation/",
        "//access/v1/evaluation",
        "/access//v1/evaluation",
        "/access/v1/Evaluation",
        "/ACCESS/v1/evaluation",
        "/access/v2/evaluation",
        "/access/v1/search",
        "/access/v1/search/role",
        "/access/v1/%65valuation",
        "/a/b/access/v1/evaluation",
        "/.well-known/authzen-configurations",
        "/.well-known/authzen-configuration/a/b",
    ] {
        let answer = send(&sidecar, "POST", path, &[("x-request-id", "r-3")], Some(&body_of(EVALUATION).to_string()));
        let is_none = answer.status == 404 || (answer.status == 405 && path.starts_with("/.well-known"));
        assert!(is_none && answer.header("x-request-id") == "r-3", "{path}: {answer:?}");
    }
}

#[test]
fn the_id_of_a_request_comes_back_on_every_path_whatever_becomes_of_it() {
    let (_policies, sidecar) = started();
    let long = "x".repeat(4000);
    let mut calls: Vec<(&str, &str, Option<String>, u16)> =
        PATHS.iter().map(|path| ("POST", *path, Some(body_of(path).to_string()), 200)).collect();
    for path in PATHS {
        calls.push(("POST", path, Some("{".to_owned()), 400));
        calls.push(("POST", path, Some("[]".to_owned()), 400));
        calls.push(("GET", path, None, 405));
    }
    calls.push(("POST", EVALUATION, Some(format!(r#"{{"more":"{}"}}"#, "x".repeat(70_000))), 413));
    calls.push(("GET", METADATA, None, 200));
    calls.push(("GET", "/.well-known/authzen-configuration/nowhere", None, 404));
    calls.push(("GET", "/no/such/path", None, 404));
    for (method, path, body, status) in calls {
        for id in ["bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "a, b; \"c\"", "{}", &long] {
            let answer = send(&sidecar, method, path, &[("x-request-id", id)], body.as_deref());
            assert_eq!((answer.status, answer.header("x-request-id")), (status, id), "{method} {path}");
            if status != 200 {
                assert_eq!(answer.json()["error"]["request_id"], id[..id.len().min(256)], "{method} {path}");
            }
        }
        let made_up = send(&sidecar, method, path, &[], body.as_deref());
        assert_eq!(made_up.status, status);
        assert_eq!(made_up.header("x-request-id").len(), 26, "one is made up: {made_up:?}");
    }
}

#[test]
fn members_that_nobody_knows_are_ignored_wherever_they_stand() {
    let (_policies, sidecar) = started();
    let noise = || json!([{"deep": [1.5, null, {"a": 1e300}]}, "x", true]);
    for path in PATHS {
        let plain = sidecar.post(path, &body_of(path)).json();
        let mut body = body_of(path);
        body["page"] = json!({});
        body["options"] = json!({});
        body["evaluations_"] = noise();
        for part in ["subject", "action", "resource", "page", "options"] {
            if let Some(object) = body[part].as_object_mut() {
                object.insert("more".to_owned(), noise());
            }
        }
        for item in body["evaluations"].as_array_mut().into_iter().flatten() {
            item["more"] = noise();
        }
        let mut answer = sidecar.post(path, &body).json();
        assert_eq!(answer.get("error"), None, "{path} {answer}");
        // Pages are told where one is asked for, and ids differ.
        answer.as_object_mut().expect("an object").remove("page");
        assert_eq!(without_ids(answer), without_ids(plain), "{path}");
    }
}

fn without_ids(mut answer: Value) -> Value {
    if let Some(context) = answer.get_mut("context").and_then(Value::as_object_mut) {
        context.remove("id");
    }
    answer
}

#[test]
fn the_order_of_members_does_not_matter() {
    let (_policies, sidecar) = started();
    let first = r#"{"subject":{"type":"user","id":"alice"},"action":{"name":"read"},"resource":{"type":"record","id":"record-1"}}"#;
    let last = r#" { "resource" : { "id" : "record-1" , "type" : "record" } , "context" : { } ,
        "action" : { "properties" : { } , "name" : "read" } , "subject" : { "id" : "alice" , "type" : "user" } } "#;
    for text in [first, last] {
        assert_eq!(sidecar.post_text(EVALUATION, &[], text).json()["decision"], true, "{text}");
    }
}

#[test]
fn what_is_missing_or_of_the_wrong_type_is_400() {
    let (_policies, sidecar) = started();
    let good = body_of(EVALUATION);
    let wrong_entities = [
        json!(null),
        json!("alice"),
        json!(["user", "alice"]),
        json!({}),
        json!({"type": "user"}),
        json!({"id": "alice"}),
        json!({"type": null, "id": "alice"}),
        json!({"type": "user", "id": null}),
        json!({"type": 1, "id": "alice"}),
        json!({"type": "user", "id": 1}),
        json!({"type": "user", "id": "alice", "properties": []}),
        json!({"type": "user", "id": "alice", "properties": "x"}),
    ];
    let wrong_actions = [
        json!(null),
        json!("read"),
        json!(["read"]),
        json!({}),
        json!({"name": null}),
        json!({"name": 1}),
        json!({"name": "read", "properties": 1}),
    ];
    let wrong_contexts = [json!([]), json!("x"), json!(1), json!(true)];
    let mut bodies: Vec<String> = Vec::new();
    for (part, wrong) in [
        ("subject", &wrong_entities[..]),
        ("resource", &wrong_entities),
        ("action", &wrong_actions),
        ("context", &wrong_contexts),
    ] {
        for wrong in wrong {
            let mut body = good.clone();
            body[part] = wrong.clone();
            bodies.push(body.to_string());
        }
        let mut body = good.clone();
        body.as_object_mut().expect("an object").remove(part);
        if part != "context" {
            bodies.push(body.to_string());
        }
    }
    bodies.extend(
        ["", " ", "null", "[]", "\"x\"", "1", "true", "{", "subject=alice", "{}{}", "\u{feff}{}"].map(str::to_owned),
    );
    bodies.push(format!("{good} x"));
    bodies
        .push(Value::from(vec![good["subject"].clone(), good["action"].clone(), good["resource"].clone()]).to_string());
    for body in bodies {
        for path in [EVALUATION, EVALUATIONS] {
            let answer = sidecar.post_text(path, &[], &body);
            assert_eq!(
                (answer.status, &answer.json()["error"]["code"]),
                (400, &json!("malformed_request")),
                "{path} {body}"
            );
        }
    }
}

#[test]
fn an_optional_member_that_is_null_is_absent() {
    let (_policies, sidecar) = started();
    let body = json!({
        "subject": {"type": "user", "id": "alice", "properties": null},
        "action": {"name": "read", "properties": null},
        "resource": {"type": "record", "id": "record-1", "properties": {"status": null}},
        "context": null, "evaluations": null, "options": null,
    });
    for path in [EVALUATION, EVALUATIONS] {
        assert_eq!(sidecar.post(path, &body).json()["decision"], true, "{path}: what is stored stays");
    }
}

#[test]
fn properties_and_context_take_any_json() {
    let (_policies, sidecar) = started();
    let any = json!({"text": "x", "number": 7, "yes": true, "null": null, "list": [1, 2], "object": {"a": {"b": []}}, "": ""});
    let mut body = body_of(EVALUATION);
    for part in ["subject", "action", "resource"] {
        body[part]["properties"] = any.clone();
    }
    body["context"] = any;
    let answer = sidecar.post(EVALUATION, &body);
    assert_eq!((answer.status, &answer.json()["decision"]), (200, &json!(true)), "{answer:?}");
}

#[test]
fn bodies_are_i_json() {
    let (_policies, sidecar) = started();
    let good = body_of(EVALUATION).to_string();
    let with = |more: &str| format!("{},{more}}}", &good[..good.len() - 1]);
    for (body, why) in [
        (with(r#""subject":{"type":"user","id":"bob"}"#), "duplicate field `subject`"),
        (with(r#""context":{"a":1,"a":1}"#), "duplicate member `a`"),
        (with(r#""context":{"a":{"b":1,"\u0062":2}}"#), "duplicate member `b`"),
        (with(r#""context":{"a":"\ud800"}"#), "unexpected end of hex escape"),
        (with(r#""context":{"a":1e999}"#), "number out of range"),
        (with(r#""context":{"a":01}"#), "invalid number"),
        (with(r#""context":{"a":NaN}"#), "expected"),
    ] {
        let answer = sidecar.post_text(EVALUATION, &[], &body);
        let message = answer.json()["error"]["message"].as_str().map(str::to_owned).unwrap_or_default();
        assert!(answer.status == 400 && message.contains(why), "{body}: {answer:?}");
    }
    // Also where nobody looks.
    let mut bytes = with(r#""more":"?""#).into_bytes();
    let at = bytes.iter().rposition(|&byte| byte == b'?').expect("the place");
    bytes[at] = 0xff;
    let head = format!(
        "POST {EVALUATION} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        bytes.len()
    );
    let answer = Raw::connect(sidecar.authorize_address()).send(head).send(&bytes).response().expect("an answer");
    assert_eq!(answer.status, 400, "{answer:?}");
    let text = "\u{e9}\u{1f600}\\u00e9\\ud83d\\ude00";
    let answer = sidecar.post_text(EVALUATION, &[], &with(&format!(r#""context":{{"{text}":"{text}"}}"#)));
    assert_eq!((answer.status, &answer.json()["decision"]), (200, &json!(true)), "{answer:?}");
}

#[test]
fn what_is_too_large_or_too_deep_is_refused() {
    let dir = certification();
    let limits = "server: { authorize: { limits: { body_bytes: 2KiB, batch_bytes: 4KiB } } }";
    let sidecar = Sidecar::builder().policies(dir.path()).config(limits).start();
    let of_length = |length: usize| {
        let mut body = body_of(EVALUATION);
        body["more"] = json!("");
        body["more"] = json!("x".repeat(length - body.to_string().len()));
        body.to_string()
    };
    for (path, longest) in [(EVALUATION, 2048), (EVALUATIONS, 4096)] {
        assert_eq!(sidecar.post_text(path, &[], &of_length(longest)).status, 200, "{path}");
        let answer = sidecar.post_text(path, &[], &of_length(longest + 1));
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (413, &json!("body_too_large")), "{path}");
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains(&longest.to_string()), "{message}");
        let deep = format!(r#"{{"more":{}{}}}"#, "[".repeat(32), "]".repeat(32));
        let answer = sidecar.post_text(path, &[], &deep);
        assert!(answer.status == 400 && answer.body.contains("nested deeper than 32 levels"), "{path} {answer:?}");
    }
}

#[test]
fn an_authorization_that_nobody_asked_for_does_not_matter() {
    let (_policies, sidecar) = started();
    for path in PATHS {
        for value in ["undefined", "Bearer nobody", "Basic Og=="] {
            let answer = sidecar.post_text(path, &[("authorization", value)], &body_of(path).to_string());
            assert_eq!(answer.status, 200, "{path} {value}");
        }
    }
}

#[test]
fn the_same_question_has_the_same_answer() {
    let (_policies, sidecar) = started();
    for path in PATHS {
        let answers: Vec<_> = (0..3).map(|_| sidecar.post(path, &body_of(path))).collect();
        for answer in &answers {
            if path == EVALUATION {
                assert_eq!(without_ids(answer.json()), without_ids(answers[0].json()));
            } else {
                assert_eq!(answer.body, answers[0].body, "{path}: neither times nor ids");
            }
        }
    }
}

#[test]
fn who_does_not_show_who_it_is_is_401_with_the_way_to_do_so() {
    let policies = certification();
    let made = sidegate(["token", "--name", "shop", "--output", "json"]);
    let made: Value = serde_json::from_str(&made.stdout).expect("JSON");
    let (token, digest) =
        (made["token"].as_str().expect("a token"), made["entry"]["sha256"].as_str().expect("a digest"));
    let callers =
        format!("server: {{ authorize: {{ callers: [{{ name: shop, sha256: {digest}, scopes: [decide] }}] }} }}");
    let beyond = Sidecar::builder().policies(policies.path()).listen("authorize", "0.0.0.0:0");
    let sidecar = beyond.config(PUBLIC).config(&callers).start();
    let right = format!("Bearer {token}");
    for path in PATHS {
        let body = body_of(path).to_string();
        for headers in [vec![], vec![("authorization", "Bearer wrong")], vec![("authorization", "undefined")]] {
            let headers = [headers, vec![("x-request-id", "r-4")]].concat();
            let answer = sidecar.post_text(path, &headers, &body);
            assert_eq!((answer.status, answer.header("x-request-id")), (401, "r-4"), "{path} {headers:?}");
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
            assert_eq!(answer.json()["error"]["code"], "unauthorized");
        }
        let answer = sidecar.post_text(path, &[("authorization", &right), ("x-request-id", "r-5")], &body);
        let status = if path.contains("search") { 403 } else { 200 };
        assert_eq!((answer.status, answer.header("x-request-id")), (status, "r-5"), "{path} {answer:?}");
    }
    assert_eq!(sidecar.get(METADATA).status, 200, "who has no token yet must find out where to go");
}
