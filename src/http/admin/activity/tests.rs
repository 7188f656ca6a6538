//! What is taken, what is refused and with which words, and that nothing of a refused batch is kept.

use super::{
    read::{Form, Problem, Refused, read},
    *,
};
use crate::{
    audit::{NAME_LIMIT, Options, Order, Query, Reader},
    http::management::framed,
    telemetry::Metrics,
};
use axum::{body::Body, http::Request};
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use std::ops::ControlFlow;

const NO_ROUTES: [(&str, [u16; 0]); 0] = [];

fn problems(body: &str, form: Form) -> Vec<(String, String)> {
    match read(body.as_bytes(), form) {
        Err(Refused::Problems(problems)) => {
            problems.into_iter().map(|Problem { pointer, message }| (pointer, message)).collect()
        }
        Err(Refused::Malformed(error)) => panic!("malformed: {error}"),
        Ok(activities) => panic!("taken: {activities:?}"),
    }
}

#[test]
fn json_keeps_its_digits_and_its_order_and_loses_its_white_space() {
    let body = "{ \"user\": \"s\\u0061m\", \"action\": \"price_change\",\n \"before\": { \"b\" : 1.10 , \"a\" : \" x \\\" y \" },\n\
                \"after\": 123456789012345678901234567890, \"context\": { \"why\" : [ ] },\r\n \"time\": \"2027-01-31T09:00:00+01:00\", \
                \"tenant\": null }";
    let [activity] = &read(body.as_bytes(), Form::Json).unwrap()[..] else { panic!("one") };
    assert_eq!(
        (activity.user.as_str(), activity.action.as_str(), activity.tenant.as_str()),
        ("sam", "price_change", "")
    );
    assert_eq!(activity.before, r#"{"b":1.10,"a":" x \" y "}"#);
    assert_eq!(activity.after, "123456789012345678901234567890");
    assert_eq!(activity.context, r#"{"time":"2027-01-31T08:00:00.000000Z","why":[]}"#);
    let bare = r#"{"user":"a","action":"b","time":"2027-01-31T08:00:00Z","context":{}}"#;
    let [activity] = &read(bare.as_bytes(), Form::Json).unwrap()[..] else { panic!("one") };
    assert_eq!(activity.context, r#"{"time":"2027-01-31T08:00:00.000000Z"}"#);
}

#[test]
fn an_array_and_lines_say_the_same() {
    let one = r#"{"user":"a","action":"x"}"#;
    let two = r#"{"user":"b","action":"y","module":"orders"}"#;
    let array = read(format!("[{one},{two}]").as_bytes(), Form::Json).unwrap();
    let lines = read(format!("{one}\r\n\n{two}\n").as_bytes(), Form::Ndjson).unwrap();
    assert_eq!(array, lines);
    assert_eq!(array.len(), 2);
}

#[test]
fn every_problem_of_every_item_is_told_with_its_place() {
    let deep = "[".repeat(40) + &"]".repeat(40);
    let long = "x".repeat(1025);
    let body = format!(
        r#"[{{"user":"a","action":"b"}},
            {{"usr":"a","action":""}},
            {{"user":7,"action":null,"module":"{long}","context":[],"time":"yesterday"}},
            "text",
            {{"user":"a","action":"b","user":"c","before":{deep},"after":"{}","no/such~one":1}},
            {{"user":"a","action":"b","time":"2027-01-31T08:00:00Z","context":{{"time":1}}}},
            {{"user":"a","action":"b","before":"\ud800","after":{{"n":1e400}},"context":{{"\ud800":1}}}}]"#,
        "y".repeat(11_000)
    );
    let found = problems(&body, Form::Json);
    let found: Vec<(&str, &str)> = found.iter().map(|(pointer, message)| (&**pointer, &**message)).collect();
    let expected = [
        ("/1/usr", "there is no such field; did you mean `user`?"),
        ("/1/action", "must not be empty"),
        ("/1/user", "is missing"),
        ("/2/user", "must be a text, not a number"),
        ("/2/action", "must be a text, not `null`"),
        ("/2/module", "has 1025 bytes; 1024 is the most"),
        ("/2/context", "must be an object"),
        ("/2/time", "must be a time such as `2027-01-31T08:00:00Z`"),
        ("/3", "an activity must be an object"),
        ("/4/user", "is given twice"),
        ("/4/before", "is nested 40 deep; 32 is the most"),
        ("/4/after", "has 11002 bytes; 10240 is the most"),
        ("/4/no~1such~0one", "there is no such field"),
        ("/5/time", "must not stand in `context` as well"),
        ("/6/before", "cannot be read: unexpected end of hex escape"),
        ("/6/after", "cannot be read: number out of range"),
        ("/6/context", "cannot be read: unexpected end of hex escape"),
    ];
    assert_eq!(found, expected);
    assert_eq!(problems("[]", Form::Json), [(String::new(), "there is no activity".to_owned())]);
    assert_eq!(problems(" \n", Form::Ndjson), [(String::new(), "there is no activity".to_owned())]);
    let many = format!("[{}1]", "1,".repeat(1000));
    assert_eq!(problems(&many, Form::Json)[0].1, "1001 activities are too many at once; 1000 is the most");
    assert_eq!(problems("{\"action\":\"b\"}", Form::Json)[0].0, "/user");
}

#[test]
fn a_body_of_nothing_but_problems_is_given_up_after_the_first_few() {
    // 1 MiB each: looking at each member against all before would take half a minute.
    let names = |name: fn(usize) -> String| {
        let members: Vec<String> = (0..110_000).map(|n| format!("\"{}\":1", name(n))).collect();
        format!("{{{}}}", members.join(","))
    };
    let (distinct, twice) = (names(|n| format!("{n:x}")), names(|_| "user".to_owned()));
    let long = format!("{{\"{}\":1}}", "u".repeat(1_000_000));
    let many = format!("[{}]", vec![r#"{"a":1,"b":2}"#; 1000].join(","));
    let begun = std::time::Instant::now();
    for (body, count) in [(&distinct, 20), (&twice, 20), (&many, 20), (&long, 3)] {
        assert_eq!(problems(body, Form::Json).len(), count);
    }
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(problems(&distinct, Form::Json).iter().all(|(_, why)| why.starts_with("there is no such field")));
}

#[test]
fn what_is_no_json_is_malformed_and_names_the_place() {
    for (body, form, message) in [
        ("{\"user\":", Form::Json, "EOF while parsing a value at line 1 column 8"),
        ("", Form::Json, "EOF while parsing a value at line 1 column 0"),
        ("{}\n{\"a\":}\n", Form::Ndjson, "expected value at line 2 column 6"),
    ] {
        match read(body.as_bytes(), form) {
            Err(Refused::Malformed(error)) => assert_eq!(error.message, message, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

/// Sends one request to the route over this log.
fn send(log: &Log, content_type: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let mut request = Request::post("/v1/activity").header(CONTENT_TYPE, content_type);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let service = TowerToHyperService::new(framed(routes(log.clone()), "admin", &Metrics::new(), &NO_ROUTES));
        let answer = service.call(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    })
}

fn kept(reader: &Reader) -> usize {
    let mut count = 0;
    reader
        .for_each(&Query::all(Order::Ascending), |_| {
            count += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    count
}

#[test]
fn a_batch_is_kept_as_a_whole_or_not_at_all() {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options { ring_bytes: 0, ..Options::new(data.path()) }).unwrap();
    let good = r#"{"user":"sam","action":"edit"}"#;
    let (status, body) = send(&log, "application/json", &[("x-request-id", "r-1")], &format!("[{good},{{}}]"));
    assert_eq!(
        (status, &body["error"]["code"], &body["error"]["request_id"]),
        (422, &"invalid_activity".into(), &"r-1".into())
    );
    assert_eq!(body["error"]["problems"][1], json!({ "pointer": "/1/action", "message": "is missing" }));
    assert_eq!(body["error"]["message"], "`/1/user`: is missing, and 1 more problems; nothing was taken");
    let too_long = "m".repeat(NAME_LIMIT + 1);
    for (content_type, headers, status) in [
        ("text/plain", &[][..], 400),
        ("application/json", &[][..], 200),
        ("application/json; charset=utf-8", &[("sidegate-actor", "mona")][..], 200),
        ("application/json", &[("sidegate-actor", too_long.as_str())][..], 400),
    ] {
        assert_eq!(send(&log, content_type, headers, good).0, status, "{content_type} {headers:?}");
    }
    assert_eq!(send(&log, "application/json", &[], &format!("[{}]", " ".repeat(MOST_BYTES))).0, 413);
    log.settle().unwrap();
    assert_eq!(kept(&log.reader()), 2);
    log.close().unwrap();
    assert_eq!(send(&log, "application/json", &[], good).0, 503);
}
