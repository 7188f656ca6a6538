//! What the readers make of JSON.

use super::*;

fn members(json: &str) -> Result<String, String> {
    let Members(members) = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let mut out = String::new();
    write::members(&mut out, members.iter().map(|(name, value)| (&**name, value)));
    Ok(out)
}

#[test]
fn values_are_read_as_policies_know_them() {
    for (json, read) in [
        ("{}", "{}"),
        (r#"{"a":true,"b":-7,"c":"x\ny \u00e9"}"#, "{\"a\":true,\"b\":-7,\"c\":\"x\\ny é\"}"),
        (r#"{"a":[1,[2],{}]}"#, r#"{"a":[1,[2],{}]}"#),
        (r#"{"a":9223372036854775807}"#, r#"{"a":9223372036854775807}"#),
        // A member that is null is absent.
        (r#"{"a":null,"b":{"c":null}}"#, r#"{"b":{}}"#),
        // What has no value is not left out: that could disarm a `forbid`.
        (r#"{"a":9223372036854775808}"#, r#"{"a":{"__unrepresentable":"an integer beyond 64 bits"}}"#),
        (r#"{"a":1e99}"#, r#"{"a":{"__unrepresentable":"a number that is not a 64-bit integer"}}"#),
        (r#"{"a":1.5}"#, r#"{"a":{"__unrepresentable":"a number that is not a 64-bit integer"}}"#),
        (r#"{"a":[1,null]}"#, r#"{"a":[1,{"__unrepresentable":"a null inside a set"}]}"#),
        // Cedar's escapes.
        (r#"{"a":{"__entity":{"id":"s","type":"User"}}}"#, r#"{"a":{"__entity":{"type":"User","id":"s"}}}"#),
        (r#"{"a":{"__extn":{"fn":"ip","arg":"10.0.0.1"}}}"#, r#"{"a":{"__extn":{"fn":"ip","arg":"10.0.0.1"}}}"#),
        (
            r#"{"a":{"__extn":{"fn":"offset","args":["2026-01-01","1d"]}}}"#,
            r#"{"a":{"__extn":{"fn":"offset","args":["2026-01-01","1d"]}}}"#,
        ),
        (r#"{"a":{"__entity":5}}"#, r#"{"a":{"__unrepresentable":"an escape that is not Cedar's"}}"#),
        (
            r#"{"a":{"__entity":{"id":"s","type":"User"},"b":1}}"#,
            r#"{"a":{"__unrepresentable":"an escape that is not Cedar's"}}"#,
        ),
        (r#"{"a":{"__expr":"1"}}"#, r#"{"a":{"__unrepresentable":"an escape that is not Cedar's"}}"#),
        // As the name of an attribute an escape is just a name.
        (r#"{"__entity":1}"#, r#"{"__entity":1}"#),
    ] {
        assert_eq!(members(json).as_deref(), Ok(read), "{json}");
    }
}

#[test]
fn texts_are_borrowed_unless_they_have_escapes() {
    let Members(read) = serde_json::from_str(r#"{"a":"plain","b":"with \" quote"}"#).unwrap();
    assert!(matches!(&read[0], (Cow::Borrowed("a"), Value::String(Cow::Borrowed("plain")))));
    assert!(matches!(&read[1].1, Value::String(Cow::Owned(_))));
}

#[test]
fn names_within_an_object_are_unique_however_many_there_are() {
    for json in [r#"{"a":1,"a":1}"#, r#"{"a":null,"a":1}"#, r#"{"b":{"a":1,"c":2,"a":3}}"#, r#"{"a":1,"\u0061":2}"#] {
        let error = members(json).unwrap_err();
        assert!(error.starts_with("duplicate member `a` at line 1 column "), "{error}");
    }
    let many = (0..100).map(|n| format!(r#""m{n}":{n},"#)).collect::<Vec<_>>().concat();
    assert!(members(&format!("{{{many}\"last\":1}}")).is_ok());
    let error = members(&format!("{{{many}\"m42\":1}}")).unwrap_err();
    assert!(error.starts_with("duplicate member `m42`"), "{error}");
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(check(nested(DEEPEST).as_bytes()).is_ok());
    let error = check(nested(DEEPEST + 1).as_bytes()).unwrap_err();
    assert_eq!(error.message, "nested deeper than 32 levels at line 1 column 33");
    // Many brackets that are not nested, or that are text, are fine.
    assert!(check(format!("[{}0]", "[],".repeat(100)).as_bytes()).is_ok());
    assert!(check(format!("[\"{}\\\"[\"]", "[".repeat(100)).as_bytes()).is_ok());
    assert_eq!(check(b"").unwrap_err().message, "the body is empty");
}

#[test]
fn what_is_not_utf8_is_refused_with_its_place_wherever_it_stands() {
    for (body, place) in [
        (&b"\xff"[..], "line 1 column 1"),
        (b"{\"a\":\"\xc3\x28\"}", "line 1 column 7"),
        (b"{\n \"\xed\xa0\x80\":1}", "line 2 column 3"),
    ] {
        let error = check(body).unwrap_err();
        assert_eq!(error.message, format!("invalid unicode code point at {place}"));
    }
    assert_eq!(check("{\"é\":1}".as_bytes()).unwrap(), "{\"é\":1}");
}

#[test]
fn the_nearest_known_field_is_named() {
    let known = ["user", "action", "tenant", "resource", "context"];
    for (name, message) in [
        ("usr", "unknown field `usr`, the nearest is `user`"),
        ("resources", "unknown field `resources`, the nearest is `resource`"),
        ("Context", "unknown field `Context`, the nearest is `context`"),
        (
            "explain_everything",
            "unknown field `explain_everything`, the fields are `user`, `action`, `tenant`, `resource`, `context`",
        ),
    ] {
        let error: serde_json::Error = unknown_field(name, &known);
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn written_texts_are_escaped() {
    let mut out = String::new();
    write::text(&mut out, "a\"b\\c\n\r\t\u{1}\u{1f}é\u{2028}/");
    assert_eq!(out, "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001fé\u{2028}/\"");
    assert_eq!(serde_json::from_str::<String>(&out).unwrap(), "a\"b\\c\n\r\t\u{1}\u{1f}é\u{2028}/");
    out.clear();
    write::display(&mut out, format_args!("{}-{}", "a\"", 1));
    assert_eq!(out, r#""a\"-1""#);
}
