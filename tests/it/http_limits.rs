//! What no well-behaved client sends: the listener answers it, or closes, and others are not disturbed.

use crate::support::{PolicyDir, Raw, Sidecar};
use serde_json::{Value, json};

const OK: &str = r#"{"user":"sam","action":"view","resource":"order:o-1"}"#;

/// Short limits, so that nobody waits; long enough that only those who are silent run into them.
const LIMITS: &str = "server: { authorize: { limits: { header_timeout: 1s, body_timeout: 1s } } }";

fn policies() -> PolicyDir {
    PolicyDir::with(&[(
        "orders.cedar",
        r#"@id("anyone-views") permit (principal is User, action == Action::"view", resource is order);"#,
    )])
}

fn check(name: &str, send: impl Into<Vec<u8>>, status: u16, code: &str, message: &str) -> (Vec<u8>, Expected) {
    let expected = Expected { name: name.to_owned(), status, code: code.to_owned(), message: message.to_owned() };
    (send.into(), expected)
}

struct Expected {
    name: String,
    status: u16,
    code: String,
    message: String,
}

fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nX-Request-ID: r-1\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn json_post(path: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    post(path, "Content-Type: application/json\r\n", body.as_ref())
}

fn assert_still_answers(sidecar: &Sidecar) {
    let (status, answer) = sidecar.authorize(&serde_json::from_str(OK).expect("JSON"));
    assert_eq!((status, answer["decision"].as_str()), (200, Some("allow")));
}

fn wrong_requests() -> Vec<(Vec<u8>, Expected)> {
    let at = |body: &str| json_post("/v1/authorize", body);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let deep = format!(r#"{{"user":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
    let long = format!(r#"{{"user":"{}"}}"#, "x".repeat(70_000));
    vec![
        check("no body", at(""), 400, "malformed_request", "the body is empty"),
        check("no JSON", at("user=sam"), 400, "malformed_request", "expected value at line 1 column 1"),
        check("half of it", at(&OK[..12]), 400, "malformed_request", "EOF while parsing a string at line 1 column 12"),
        check(
            "no object",
            at("[]"),
            400,
            "malformed_request",
            "invalid type: array, expected an object at line 1 column 0",
        ),
        check("missing field", at("{}"), 400, "malformed_request", "missing field `user` at line 1 column 2"),
        check(
            "unknown field",
            at(r#"{"usr":"sam"}"#),
            400,
            "malformed_request",
            "unknown field `usr`, the nearest is `user` at line 1 column 6",
        ),
        check(
            "wrong type",
            at(r#"{"user":5}"#),
            400,
            "malformed_request",
            "invalid type: integer `5`, expected a string at line 1 column 9",
        ),
        check("deep", at(&deep), 400, "malformed_request", "nested deeper than 32 levels at line 1 column 40"),
        check(
            "not UTF-8",
            json_post("/v1/authorize", b"{\"user\":\"\xff\"}"),
            400,
            "malformed_request",
            "invalid unicode code point at line 1 column 10",
        ),
        check(
            "wrong content type",
            post("/v1/authorize", form, OK.as_bytes()),
            400,
            "unsupported_content_type",
            "the content type must be `application/json`, it is `application/x-www-form-urlencoded`",
        ),
        check(
            "no content type",
            post("/v1/authorize", "", OK.as_bytes()),
            400,
            "unsupported_content_type",
            "the header `content-type` is missing, it must be `application/json`",
        ),
        check("too long", at(&long), 413, "body_too_large", "the body is longer than 65536 bytes"),
        check("unknown path", at("").replace(b"/v1/authorize", b"/v1/authorise"), 404, "not_found", "no such path"),
        check("root", at("").replace(b"/v1/authorize", b"/"), 404, "not_found", "no such path"),
        check("wrong method", at(OK).replace(b"POST", b"PUT"), 405, "method_not_allowed", "this path takes POST only"),
        check(
            "AuthZEN, wrong method",
            json_post("/access/v1/evaluation", OK).replace(b"POST", b"GET"),
            405,
            "method_not_allowed",
            "this path takes POST only",
        ),
        check(
            "AuthZEN, no subject",
            json_post("/access/v1/evaluation", "{}"),
            400,
            "malformed_request",
            "missing field `subject` at line 1 column 2",
        ),
        check(
            "AuthZEN, no array",
            json_post("/access/v1/evaluations", r#"{"evaluations":1}"#),
            400,
            "malformed_request",
            "invalid type: integer `1`, expected an array at line 1 column 16",
        ),
    ]
}

#[test]
fn what_is_wrong_with_a_request_is_answered_with_the_contracts_error() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(LIMITS).start();
    for (request, expected) in wrong_requests() {
        let mut raw = sidecar.raw();
        let answer = raw.send(&request).response().unwrap_or_else(|| panic!("{}: no answer", expected.name));
        let body: Value = serde_json::from_str(&answer.body).expect("JSON");
        let error = json!({"code": expected.code, "message": expected.message, "request_id": "r-1"});
        assert_eq!((answer.status, &body), (expected.status, &json!({ "error": error })), "{}", expected.name);
        assert_eq!(answer.header("x-request-id"), "r-1", "{}", expected.name);
        assert_eq!(answer.header("content-type"), "application/json", "{}", expected.name);
        if expected.status == 405 {
            assert_eq!(answer.header("allow"), "POST", "{}", expected.name);
        }
        if expected.status == 413 {
            assert_eq!(answer.header("connection"), "close");
            assert!(raw.is_closed(), "{}", expected.name);
        } else {
            // The connection is as good as new.
            assert_eq!(
                raw.post("/v1/authorize", OK).response().map(|answer| answer.status),
                Some(200),
                "{}",
                expected.name
            );
        }
    }
    assert_still_answers(&sidecar);
}

/// Replacing a text in the bytes of a request.
trait Replace {
    fn replace(self, from: &[u8], to: &[u8]) -> Vec<u8>;
}

impl Replace for Vec<u8> {
    fn replace(self, from: &[u8], to: &[u8]) -> Vec<u8> {
        let place = self.windows(from.len()).position(|window| window == from).expect("the text is there");
        [&self[..place], to, &self[place + from.len()..]].concat()
    }
}

#[test]
fn what_is_not_http_is_refused_and_the_connection_closed() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(LIMITS).start();
    let many = (0..120).map(|n| format!("X-{n}: 1\r\n")).collect::<Vec<_>>().concat();
    let huge = format!("X-Huge: {}\r\n", "x".repeat(40_000));
    let lengths = "Content-Type: application/json\r\nContent-Length: 5\r\n";
    for (name, request, status) in [
        (
            "more than 100 headers",
            json_post("/v1/authorize", OK).replace(b"Host: test\r\n", format!("Host: test\r\n{many}").as_bytes()),
            431,
        ),
        (
            "a head of 40 KB",
            json_post("/v1/authorize", OK).replace(b"Host: test\r\n", format!("Host: test\r\n{huge}").as_bytes()),
            431,
        ),
        ("two lengths", post("/v1/authorize", lengths, OK.as_bytes()), 400),
        ("length and chunks", post("/v1/authorize", "Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"), 400),
        ("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and more\r\n\r\n".to_vec(), 400),
        ("a header without a colon", b"POST /v1/authorize HTTP/1.1\r\nnonsense\r\n\r\n".to_vec(), 400),
        ("another version", b"POST /v1/authorize HTTP/9.9\r\n\r\n".to_vec(), 400),
    ] {
        let mut raw = sidecar.raw();
        let answer = raw.send(&request).response().map(|answer| answer.status);
        assert_eq!(answer, Some(status), "{name}");
        assert!(raw.is_closed(), "{name}");
    }
    assert_still_answers(&sidecar);
}

#[test]
fn who_falls_silent_is_cut_off() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).config(LIMITS).start();
    let request = json_post("/v1/authorize", OK);

    let mut head_only = sidecar.raw();
    head_only.send(&request[..40]);
    let mut idle = sidecar.raw();
    assert_eq!(idle.post("/v1/authorize", OK).response().map(|answer| answer.status), Some(200));
    let mut body = sidecar.raw();
    let answer = body.send(&request[..request.len() - 10]).response().expect("an answer");
    let error = json!({"error": {"code": "request_timeout", "message": "the body did not arrive within 1s", "request_id": "r-1"}});
    assert_eq!((answer.status, serde_json::from_str(&answer.body).ok()), (400, Some(error)));
    assert_eq!(answer.header("connection"), "close");
    assert!(body.is_closed());
    assert!(head_only.response().is_none_or(|answer| answer.status == 408), "half a head gets no answer from us");
    assert!(idle.is_closed());
    assert_still_answers(&sidecar);
}

#[test]
fn connections_are_kept_and_requests_may_be_pipelined() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let mut raw = sidecar.raw();
    for _ in 0..3 {
        assert_eq!(raw.post("/v1/authorize", OK).response().map(|answer| answer.status), Some(200));
    }
    let pipelined: Vec<u8> =
        (0..16).flat_map(|n| json_post("/v1/authorize", OK).replace(b"r-1", format!("r-{n}").as_bytes())).collect();
    raw.send(&pipelined);
    for n in 0..16 {
        let answer = raw.response().expect("an answer");
        assert_eq!((answer.status, answer.header("x-request-id")), (200, &*format!("r-{n}")));
    }
    // Chunked, byte by byte, and with a question before the body.
    let head = "POST /v1/authorize HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n";
    let chunks = OK.chars().map(|byte| format!("1\r\n{byte}\r\n")).collect::<Vec<_>>().concat();
    raw.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"));
    assert_eq!(raw.response().map(|answer| answer.status), Some(200));
    raw.send(format!("{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", OK.len()));
    assert_eq!(raw.response().map(|answer| answer.status), Some(100));
    assert_eq!(raw.send(OK).response().map(|answer| answer.status), Some(200));
    // Who announces too much and asks first is told before sending.
    raw.send(format!("{head}Expect: 100-continue\r\nContent-Length: 70000\r\n\r\n"));
    assert_eq!(raw.response().map(|answer| answer.status), Some(413));
    assert!(raw.is_closed());
}

#[test]
fn a_request_id_comes_back_as_it_was_whatever_it_was() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let long = "x".repeat(1000);
    for id in ["r-1", "", "with spaces, \"quotes\" and {braces}", "7f3d5a1e-9d55-4b49-9a40-8a1f4f2f7c11", &long] {
        for path in ["/v1/authorize", "/nowhere"] {
            let request = json_post(path, OK).replace(b"X-Request-ID: r-1", format!("X-Request-ID: {id}").as_bytes());
            let answer = sidecar.raw().send(&request).response().expect("an answer");
            assert_eq!(answer.header("x-request-id"), id);
        }
    }
    // None given: one is made.
    let made = sidecar.get("/nowhere");
    assert_eq!(made.header("x-request-id").len(), 26);
    assert_eq!(made.json()["error"]["request_id"], made.header("x-request-id"));
    // In an error body, which is bounded, a long one is cut.
    let request = json_post("/nowhere", "").replace(b"r-1", long.as_bytes());
    let answer = sidecar.raw().send(&request).response().expect("an answer");
    let body: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(body["error"]["request_id"].as_str().map(str::len), Some(256));
}

#[test]
fn a_client_that_closes_its_half_still_gets_its_answers() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let mut raw = sidecar.raw();
    raw.post("/v1/authorize", OK).post("/v1/authorize", OK).finish_sending();
    assert_eq!(raw.response().map(|answer| answer.status), Some(200));
    assert_eq!(raw.response().map(|answer| answer.status), Some(200));
    assert!(raw.is_closed());
}

#[test]
fn a_crowd_of_silent_connections_disturbs_nobody() {
    let dir = policies();
    let sidecar = Sidecar::builder().policies(dir.path()).start();
    let request = json_post("/v1/authorize", OK);
    let crowd: Vec<Raw> = (0..300)
        .map(|n| {
            let mut raw = sidecar.raw();
            raw.send(&request[..n % request.len()]);
            raw
        })
        .collect();
    for _ in 0..50 {
        assert_still_answers(&sidecar);
    }
    drop(crowd);
    assert_still_answers(&sidecar);
}
