//! Bodies of `POST /v1/authorize` and what is answered to them.

use super::*;
use crate::{
    config::Limits,
    http::{
        aside::Aside,
        testing::{call, declared, recorder, services},
    },
};
use std::sync::Arc;

fn ask(body: &str) -> Result<String, String> {
    let desk = Desk::new(services(declared(), Limits::default()), recorder(), None, Arc::default(), Aside::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime
        .block_on(answer(&desk, &Bytes::copy_from_slice(body.as_bytes()), call()))
        .map(|answer| answer.body)
        .map_err(|error| error.message.into_owned())
}

#[test]
fn an_answer_is_written_as_the_contract_has_it() {
    let body = ask(r#"{"user":"sam","action":"view","resource":{"type":"order","id":"o-1"}}"#).unwrap();
    let (known, id) = body.split_at(body.len() - 28);
    assert_eq!(
        known,
        concat!(
            r#"{"decision":"allow","reason":{"code":"granted","message":"reader grants \"view\"","#,
            r#""policies":["role/reader/view"]},"revision":"3f3f3f3f3f3f","id":""#
        )
    );
    // The clock of these tests stands still, so the time part of the id is known.
    assert!(id.starts_with("01MCC5RM00"), "{id}");
}

#[test]
fn every_form_of_a_question_is_understood() {
    for (body, decision, code) in [
        (r#"{"user":"sam","action":"view","resource":"order:o-1"}"#, "allow", "granted"),
        (r#"{"user":"sam","action":"view","resource":"order"}"#, "allow", "granted"),
        (r#"{"user":"sam","action":"view","resource":"order:o:1:2"}"#, "allow", "granted"),
        (r#" { "resource" : "order" , "action" : "view" , "user" : "sam" } "#, "allow", "granted"),
        (r#"{"\u0075ser":"s\u0061m","action":"view","resource":"ord\u0065r"}"#, "allow", "granted"),
        (
            r#"{"user":"sam","action":"view","tenant":null,"context":null,"resource":{"type":"order","id":null,"attributes":null}}"#,
            "allow",
            "granted",
        ),
        (r#"{"user":"sam","action":"edit","resource":"order"}"#, "deny", "condition_not_met"),
        (r#"{"user":"nobody","action":"view","resource":"order"}"#, "deny", "user_unknown"),
        (r#"{"user":"sam","action":"fly","resource":"order"}"#, "deny", "action_unknown"),
        (r#"{"user":"sam","action":"view","resource":"plane"}"#, "deny", "module_unknown"),
        (r#"{"user":"","action":"","resource":""}"#, "deny", "user_unknown"),
    ] {
        let answer: serde_json::Value = serde_json::from_str(&ask(body).unwrap()).unwrap();
        assert_eq!(
            (answer["decision"].as_str(), answer["reason"]["code"].as_str()),
            (Some(decision), Some(code)),
            "{body}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_body_is_said_with_its_place() {
    for (body, message) in [
        ("", "the body is empty"),
        ("{}", "missing field `user` at line 1 column 2"),
        ("{\"user\":\"sam\",\n \"action\":\"view\"}", "missing field `resource` at line 2 column 17"),
        (r#"{"user":"sam","resource":"order"}"#, "missing field `action` at line 1 column 33"),
        (r#"{"user":5}"#, "invalid type: integer `5`, expected a string at line 1 column 9"),
        (r#"{"user":null}"#, "invalid type: null, expected a string at line 1 column 12"),
        (r#"{"usr":"sam"}"#, "unknown field `usr`, the nearest is `user` at line 1 column 6"),
        (r#"{"user":"sam","user":"max"}"#, "duplicate field `user` at line 1 column 27"),
        ("[]", "invalid type: array, expected an object at line 1 column 0"),
        (r#""sam""#, "invalid type: string \"sam\", expected an object at line 1 column 5"),
        ("{", "EOF while parsing an object at line 1 column 1"),
        ("nonsense", "expected ident at line 1 column 2"),
        (r#"{"user":"sam","action":"view","resource":"order"} x"#, "trailing characters at line 1 column 51"),
        (
            r#"{"user":"sam","action":"view","resource":7}"#,
            "invalid type: integer `7`, expected an object or a string at line 1 column 42",
        ),
        (r#"{"user":"sam","action":"view","resource":{"id":"o-1"}}"#, "missing field `type` at line 1 column 53"),
        (
            r#"{"user":"sam","action":"view","resource":{"typ":"order"}}"#,
            "unknown field `typ`, the nearest is `type` at line 1 column 47",
        ),
        (
            r#"{"user":"sam","action":"view","resource":{"type":"order","attributes":[]}}"#,
            "invalid type: array, expected an object at line 1 column 70",
        ),
        (
            r#"{"user":"sam","action":"view","resource":"order","context":{"a":1,"a":2}}"#,
            "duplicate member `a` at line 1 column 69",
        ),
    ] {
        assert_eq!(ask(body), Err(message.to_owned()), "{body}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_refused() {
    let desk = Desk::new(services(declared(), Limits::default()), recorder(), None, Arc::default(), Aside::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = b"{\"user\":\"s\xffm\",\"action\":\"view\",\"resource\":\"order\"}";
    let error = runtime.block_on(answer(&desk, &Bytes::from_static(body), call())).unwrap_err();
    assert_eq!(error.message, "invalid unicode code point at line 1 column 11");
}
