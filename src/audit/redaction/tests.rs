//! What is redacted is gone, is marked, and equal values stay equal.

use super::*;
use crate::{
    audit::{Kind, Record, record::Marks, record::encode},
    model::{Decision, Timestamp},
};
use proptest::prelude::*;

fn rule(place: &str, action: RedactAction) -> RedactRule {
    let mut steps = place.split('/').skip(1);
    let name = steps.next().unwrap();
    let field = RedactField::ALL.iter().copied().find(|field| field.as_str() == name).unwrap();
    RedactRule { field, below: steps.map(str::to_owned).collect(), action }
}

fn redaction(rules: &[(&str, RedactAction)]) -> Redaction {
    let rules: Vec<RedactRule> = rules.iter().map(|(place, action)| rule(place, *action)).collect();
    Redaction::new(&rules, RedactKey::new(&[7; 32]).as_ref()).unwrap()
}

fn entry<'a>() -> Entry<'a> {
    Entry {
        user: "sam@8move.example",
        tenant: "north",
        decision: Some(Decision::Allow),
        context: r#"{"ip":"10.1.2.3","customer":{"email":"ann@example.org","no":17}}"#,
        ..Entry::blank(Kind::Decision, Timestamp::from_micros(0), [0; 16])
    }
}

/// The record as it is written: user, context, errors, and what was redacted.
fn written(redaction: &Redaction, entry: &Entry<'_>) -> (String, String, Vec<String>, Vec<String>) {
    let redacted = redaction.apply(entry);
    let marks = Marks { redacted: redacted.marks(), kept_one_in: 0 };
    let bytes = redacted.with(entry, |entry| encode(entry, marks, &mut Vec::new()).to_vec());
    let record = Record::decode(1, &bytes).unwrap();
    let owned = |list: crate::audit::List<'_>| list.iter().map(str::to_owned).collect::<Vec<_>>();
    (record.user.to_owned(), record.context.to_owned(), owned(record.errors), owned(record.redacted))
}

use RedactAction::{Drop, Hash, Mask};

#[test]
fn each_action_does_what_it_says_at_its_place() {
    // HMAC-SHA-256 with the key 07..07, as `openssl dgst -sha256 -mac HMAC -macopt hexkey:...` gives it, the first half.
    let sam = "hmac:0a94bb213241c431a28f7d6a7864d9aa";
    let whole = r#"{"ip":"10.1.2.3","customer":{"email":"ann@example.org","no":17}}"#;
    let cases: [(&str, RedactAction, &str, &str); 10] = [
        ("/user", Drop, "", whole),
        ("/user", Mask, "s***e", whole),
        ("/tenant", Mask, "sam@8move.example", whole),
        ("/context/ip", Drop, "sam@8move.example", r#"{"customer":{"email":"ann@example.org","no":17}}"#),
        ("/context/ip", Mask, "sam@8move.example", r#"{"customer":{"email":"ann@example.org","no":17},"ip":"1***3"}"#),
        (
            "/context/customer/no",
            Mask,
            "sam@8move.example",
            r#"{"customer":{"email":"ann@example.org","no":"***"},"ip":"10.1.2.3"}"#,
        ),
        ("/context/customer", Mask, "sam@8move.example", r#"{"customer":"***","ip":"10.1.2.3"}"#),
        ("/context", Mask, "sam@8move.example", r#""***""#),
        ("/context", Drop, "sam@8move.example", ""),
        ("/user", Hash, sam, whole),
    ];
    for (place, action, user, context) in cases {
        let (got_user, got_context, _, marks) = written(&redaction(&[(place, action)]), &entry());
        // JSON is compared by what it says, other texts as they are.
        let value = |text: &str| {
            serde_json::from_str::<serde_json::Value>(text)
                .unwrap_or_else(|_| serde_json::Value::String(text.to_owned()))
        };
        assert_eq!(got_user, user, "{place} {action:?}");
        assert_eq!(value(&got_context), value(context), "{place} {action:?}");
        assert_eq!(marks, [format!("{place}:{}", action.as_str())]);
    }
}

#[test]
fn what_is_not_there_is_neither_redacted_nor_marked() {
    let places =
        ["/actor", "/before", "/context/port", "/context/ip/x", "/context/customer/0", "/after/a", "/roles", "/errors"];
    for place in places {
        let (user, context, _, marks) = written(&redaction(&[(place, Drop)]), &entry());
        assert_eq!((user.as_str(), context.as_str()), (entry().user, entry().context), "{place}");
        assert!(marks.is_empty(), "{place}: {marks:?}");
    }
}

#[test]
fn equal_values_have_equal_hashes_wherever_they_stand_and_another_key_gives_others() {
    let rules = [rule("/user", Hash), rule("/context/by", Hash)];
    let entry = Entry { context: r#"{"by":"sam@8move.example"}"#, ..entry() };
    let with_key = |byte| {
        let redaction = Redaction::new(&rules, RedactKey::new(&[byte; 32]).as_ref()).unwrap();
        let (user, context, ..) = written(&redaction, &entry);
        assert_eq!(context, format!(r#"{{"by":"{user}"}}"#));
        user
    };
    assert_eq!(with_key(1), with_key(1));
    assert_ne!(with_key(1), with_key(2));
}

#[test]
fn without_a_key_nothing_is_hashed_and_nothing_starts() {
    assert_eq!(Redaction::new(&[rule("/user", Hash)], None).unwrap_err(), RedactionError::NoKey);
    assert!(RedactKey::new(&[0; 31]).is_none());
    assert_eq!(format!("{:?}", RedactKey::new(&[0xab; 32]).unwrap()), "RedactKey");
}

#[test]
fn items_of_lists_are_reached_by_number_or_all_at_once_and_keep_their_places() {
    let before = r#"{"to":[{"mail":"a@x","n":1},{"mail":"b@x"},7]}"#;
    for (place, action, expected) in [
        ("/before/to/*/mail", Drop, r#"{"to":[{"n":1},{},7]}"#),
        ("/before/to/1", Drop, r#"{"to":[{"mail":"a@x","n":1},null,7]}"#),
        ("/before/to/0/mail", Mask, r#"{"to":[{"mail":"***","n":1},{"mail":"b@x"},7]}"#),
    ] {
        let redacted = redaction(&[(place, action)]).apply(&Entry { before, ..entry() });
        redacted.with(&Entry { before, ..entry() }, |entry| assert_eq!(entry.before, expected, "{place}"));
    }
}

#[test]
fn what_stands_beside_a_redacted_value_stays_as_it_was_written() {
    for (after, place, action, expected) in [
        (
            r#"{"email":"x","n":123456789012345678901234567890,"p":1.10,"e":1E2,"a":"\u00e9"}"#,
            "/after/email",
            Drop,
            r#"{"n":123456789012345678901234567890,"p":1.10,"e":1E2,"a":"\u00e9"}"#,
        ),
        (r#"{"b":1.10,"a":{"x":1,"n":0.30}}"#, "/after/a/x", Mask, r#"{"b":1.10,"a":{"x":"***","n":0.30}}"#),
        (r#"[{"x":1},1.10,{"x":2}]"#, "/after/*/x", Drop, "[{},1.10,{}]"),
        // Which of the two a reader takes is the reader's choice.
        (r#"{"x":"one","y":2,"x":"two"}"#, "/after/x", Drop, r#"{"y":2}"#),
        (r#"{"\u0078":"one","q\"":2}"#, "/after/x", Drop, r#"{"q\"":2}"#),
        (r#"{"x":1e400,"n":1e400}"#, "/after/x", Mask, r#"{"x":"***","n":1e400}"#),
    ] {
        let entry = Entry { after, ..entry() };
        redaction(&[(place, action)]).apply(&entry).with(&entry, |entry| assert_eq!(entry.after, expected));
    }
    let hashed = |after| {
        let entry = Entry { after, ..entry() };
        redaction(&[("/after/x", Hash)]).apply(&entry).with(&entry, |entry| entry.after.to_owned())
    };
    assert_eq!(hashed(r#"{"x":{"a":1,"b":2}}"#), hashed(r#"{"x":{ "a" : 1, "b":2 }}"#));
}

#[test]
fn json_that_cannot_be_read_is_left_out_as_a_whole() {
    let broken = Entry { context: r#"{"ip":"10.1.2.3""#, ..entry() };
    let (_, context, _, marks) = written(&redaction(&[("/context/ip", Mask)]), &broken);
    assert_eq!((context.as_str(), marks), ("", vec!["/context/ip:mask".to_owned()]));
}

#[test]
fn roles_and_errors_are_redacted_item_by_item() {
    let roles = ["sales-rep".to_owned(), "admin".to_owned()];
    let redaction = redaction(&[("/roles", Mask), ("/errors", Drop)]);
    let entry = Entry { roles: &roles, errors: &["role/x: broken"], ..entry() };
    redaction.apply(&entry).with(&entry, |entry| assert_eq!(entry.roles, ["s***p", "***"]));
    let (_, _, errors, marks) = written(&redaction, &entry);
    assert!(errors.is_empty());
    assert_eq!(marks, ["/roles:mask", "/errors:drop"]);
}

#[test]
fn an_error_that_repeats_a_redacted_value_is_cut_down_to_its_policy() {
    let entry = Entry {
        user: "o'sam\"x",
        errors: &[
            "role/a: `User::\"o\\'sam\\\"x\"` does not have the attribute `b`",
            "role/b: invalid IP address: 10.1.2.3",
            "role/c: integer overflow",
        ],
        ..entry()
    };
    let (_, _, errors, marks) = written(&redaction(&[("/user", Mask), ("/context/ip", Drop)]), &entry);
    assert_eq!(errors, ["role/a: ***", "role/b: ***", "role/c: integer overflow"]);
    assert_eq!(marks, ["/user:mask", "/context/ip:drop", "/errors:mask"]);
}

proptest! {
    /// Whatever a value looks like, the bytes that are written do not hold it.
    #[test]
    fn no_byte_of_a_record_holds_a_redacted_value(secret in "[a-zA-Z0-9\"\\\\éß/ ]{6,40}", action in 0..3usize) {
        let action = RedactAction::ALL[action];
        let quoted = serde_json::to_string(&secret).unwrap();
        let context = format!("{{\"a\":[1,{{\"b\":{quoted}}}],\"c\":{quoted},\"keep\":true}}");
        let error = format!("role/x: {secret}");
        let entry = Entry { user: &secret, resource_id: &secret, errors: &[error.as_str()], context: &context, ..entry() };
        let redaction = redaction(&[
            ("/user", action), ("/resource_id", action), ("/context/a", action), ("/context/c", action),
        ]);
        let redacted = redaction.apply(&entry);
        let marks = Marks { redacted: redacted.marks(), kept_one_in: 0 };
        let bytes = redacted.with(&entry, |entry| encode(entry, marks, &mut Vec::new()).to_vec());
        let text = String::from_utf8_lossy(&bytes).into_owned();
        prop_assert!(!text.contains(&secret), "{text}");
        prop_assert!(!text.contains(quoted.trim_matches('"')), "{text}");
        prop_assert!(text.contains(r#""keep":true"#), "{text}");
    }
}
