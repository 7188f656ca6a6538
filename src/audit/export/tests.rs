//! Exact bytes of JSON and CSV.

use super::*;
use crate::{
    audit::{
        Entry, Kind, Origin,
        record::{Marks, encode},
    },
    model::{Timestamp, TraceId},
};

const TIME: Timestamp = Timestamp::from_micros(1_800_000_000_123_456);

fn entry(roles: &[String]) -> Entry<'_> {
    Entry {
        time: TIME,
        kind: Kind::Decision,
        id: *b"0123456789abcdef",
        request_id: "req-1",
        tenant: "north",
        user: "sam",
        roles,
        action: "edit",
        module: "orders",
        resource_type: "order",
        resource_id: "o-1",
        decision: Some(Decision::Deny),
        reason: "condition_not_met",
        policies: &["role/a", "role/b"],
        errors: &["role/x: \"quoted\",\nbroken"],
        revision: "3f9c01d2a7b4",
        duration_ns: 1_204_005,
        origin: Origin::ForwardAuth,
        actor: "mona",
        before: "",
        after: "",
        context: r#"{"ip":"10.1.2.3"}"#,
        trace_id: TraceId::from_bytes(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes()),
    }
}

fn csv(entry: &Entry<'_>) -> String {
    let mut scratch = Vec::new();
    let bytes = encode(entry, Marks::default(), &mut scratch);
    let mut out = Vec::new();
    let mut writer = RecordWriter::new(Export { format: Format::Csv, after_seq: None }, &mut out).unwrap();
    writer.write(&Record::decode(7, bytes).unwrap()).unwrap();
    writer.finish().unwrap();
    String::from_utf8(out).unwrap()
}

fn json(entry: &Entry<'_>) -> String {
    let (mut scratch, mut out) = (Vec::new(), Vec::new());
    let bytes = encode(entry, Marks::default(), &mut scratch);
    write_json(&Record::decode(7, bytes).unwrap(), &mut out);
    String::from_utf8(out).unwrap()
}

const HEAD: &str = "seq,time,kind,id,request_id,tenant,user,roles,action,module,resource_type,resource_id,decision,reason,policies,\
                    errors,revision,duration_us,source,actor,before,after,context,redacted,kept_one_in,trace_id\r\n";

#[test]
fn csv_is_rfc_4180_to_the_byte() {
    let roles = ["sales-rep".to_owned(), "manager".to_owned()];
    assert_eq!(
        csv(&entry(&roles)),
        format!(
            "{HEAD}7,2027-01-15T08:00:00.123456Z,decision,1G64S36D1N6RVKGE9G64S36D1N6,req-1,north,sam,sales-rep manager,edit,orders,\
             order,o-1,deny,condition_not_met,role/a role/b,\"role/x: \"\"quoted\"\",\nbroken\",3f9c01d2a7b4,1204.005,forward_auth,\
             mona,,,\"{{\"\"ip\"\":\"\"10.1.2.3\"\"}}\",,,0af7651916cd43dd8448eb211c80319c\r\n"
        )
        .replace("1G64S36D1N6RVKGE9G64S36D1N6", &ulid::Ulid::from_bytes(*b"0123456789abcdef").to_string())
    );
}

#[test]
fn formulas_are_defused() {
    for (user, cell) in [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@sum", "'@sum"),
        ("\tx", "'\tx"),
        ("\rx", "\"'\rx\""),
        ("\nx", "\"'\nx\""),
        ("＝1+1", "'＝1+1"),
        ("＠sum", "'＠sum"),
        ("a=1", "a=1"),
        // So that taking one apostrophe off gives back what was there.
        ("'=1", "''=1"),
        ("'", "''"),
    ] {
        let line = csv(&Entry { user, ..entry(&[]) }).split_off(HEAD.len());
        assert!(line.contains(&format!(",north,{cell},,edit,")), "{user:?}: {line:?}");
    }
    let roles = ["=cmd".to_owned()];
    assert!(csv(&entry(&roles)).contains(",'=cmd,"), "lists as well");
}

#[test]
fn json_has_every_field_in_order() {
    let roles = ["sales-rep".to_owned()];
    assert_eq!(
        json(&entry(&roles)),
        concat!(
            r#"{"seq":7,"time":"2027-01-15T08:00:00.123456Z","kind":"decision","id":"1G64S36D1N6RVKGEBA7RRP6RB6","#,
            r#""request_id":"req-1","tenant":"north","user":"sam","roles":["sales-rep"],"action":"edit","module":"orders","#,
            r#""resource_type":"order","resource_id":"o-1","decision":"deny","reason":"condition_not_met","#,
            r#""policies":["role/a","role/b"],"errors":["role/x: \"quoted\",\nbroken"],"revision":"3f9c01d2a7b4","#,
            r#""duration_us":1204.005,"source":"forward_auth","actor":"mona","before":null,"after":null,"#,
            r#""context":{"ip":"10.1.2.3"},"redacted":[],"kept_one_in":null,"trace_id":"0af7651916cd43dd8448eb211c80319c"}"#
        )
        .replace("1G64S36D1N6RVKGEBA7RRP6RB6", &ulid::Ulid::from_bytes(*b"0123456789abcdef").to_string())
    );
}

#[test]
fn a_json_text_that_is_none_stays_within_its_field_and_line() {
    for context in ["{\"a\":", "{}}", "{\"a\":\n1}", "nonsense\u{1}"] {
        let line = json(&Entry { context, ..entry(&[]) });
        assert!(!line.contains('\n'), "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value.pointer("/context").and_then(|text| text.as_str()), Some(context));
    }
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(50_000));
    let value: serde_json::Value = serde_json::from_str(&json(&Entry { context: &long, ..entry(&[]) })).unwrap();
    assert!(value.pointer("/context").and_then(|text| text.as_str()).is_some_and(|text| text.ends_with("…[cut]")));
}

#[test]
fn absent_texts_are_null_and_lists_are_lists() {
    let bare = Entry {
        request_id: "",
        tenant: "",
        user: "",
        decision: None,
        policies: &[],
        errors: &[],
        revision: "",
        actor: "",
        context: "",
        trace_id: TraceId::NONE,
        ..entry(&[])
    };
    let value: serde_json::Value = serde_json::from_str(&json(&bare)).unwrap();
    for field in [
        "request_id",
        "tenant",
        "user",
        "decision",
        "revision",
        "actor",
        "before",
        "after",
        "context",
        "kept_one_in",
        "trace_id",
    ] {
        assert!(value.get(field).unwrap().is_null(), "{field}");
    }
    for field in ["roles", "policies", "errors", "redacted"] {
        assert_eq!(value.get(field).unwrap().as_array().unwrap().len(), 0, "{field}");
    }
}
