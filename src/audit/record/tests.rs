//! The record's bytes: frozen, total, cut where they must be.

use super::{encode::CUT_MARK, *};
use proptest::prelude::*;

const GOLDEN: &str = include_str!("../../../tests/cases/audit/record-v1.hex");
const GOLDEN_TRACED: &str = include_str!("../../../tests/cases/audit/record-v2.hex");

const TRACE: TraceId = TraceId::from_bytes(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());

fn full(roles: &[String]) -> Entry<'_> {
    Entry {
        time: Timestamp::from_micros(1_800_000_000_123_456),
        kind: Kind::Directory,
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
        policies: &["role/sales-rep/orders", ""],
        errors: &["role/x: überlauf"],
        revision: "3f9c01d2a7b4",
        duration_ns: 1_234,
        origin: Origin::ForwardAuth,
        actor: "mona",
        before: r#"{"a":1}"#,
        after: "{}",
        context: r#"{"ip":"10.1.2.3"}"#,
        trace_id: TraceId::NONE,
    }
}

fn bytes(entry: &Entry<'_>) -> Vec<u8> {
    let redacted = ["/user:mask".to_owned(), "/context/ip:hash".to_owned()];
    encode(entry, Marks { redacted: &redacted, kept_one_in: 100 }, &mut Vec::new()).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.chunks(32) {
        text.extend(line.iter().map(|byte| format!("{byte:02x}")));
        text.push('\n');
    }
    text
}

#[test]
fn both_versions_are_frozen() {
    let roles = ["sales-rep".to_owned(), "manager".to_owned()];
    let plain = full(&roles);
    for (entry, golden) in [(&plain, GOLDEN), (&Entry { trace_id: TRACE, ..full(&roles) }, GOLDEN_TRACED)] {
        assert_eq!(hex(&bytes(entry)), golden, "the encoding has changed; a new form needs a new version");
    }
}

#[test]
fn what_was_encoded_is_decoded() {
    let roles = ["sales-rep".to_owned(), "manager".to_owned()];
    for trace_id in [TraceId::NONE, TRACE] {
        decodes(&Entry { trace_id, ..full(&roles) }, &roles);
    }
}

fn decodes(entry: &Entry<'_>, roles: &[String]) {
    let bytes = bytes(entry);
    let record = Record::decode(7, &bytes).unwrap();
    assert_eq!((record.seq, record.time.as_micros(), record.kind), (7, 1_800_000_000_123_456, Kind::Directory));
    assert_eq!(record.id, *b"0123456789abcdef");
    assert_eq!((record.request_id, record.tenant, record.user), ("req-1", "north", "sam"));
    assert_eq!(record.roles.iter().collect::<Vec<_>>(), roles);
    assert_eq!((record.action, record.module), ("edit", "orders"));
    assert_eq!((record.resource_type, record.resource_id), ("order", "o-1"));
    assert_eq!((record.decision, record.reason), (Some(Decision::Deny), "condition_not_met"));
    assert_eq!(record.policies.iter().collect::<Vec<_>>(), ["role/sales-rep/orders", ""]);
    assert_eq!(record.errors.iter().collect::<Vec<_>>(), ["role/x: überlauf"]);
    assert_eq!((record.revision, record.duration_ns), ("3f9c01d2a7b4", 1_234));
    assert_eq!((record.origin, record.actor), (Origin::ForwardAuth, "mona"));
    assert_eq!((record.before, record.after, record.context), (r#"{"a":1}"#, "{}", r#"{"ip":"10.1.2.3"}"#));
    assert_eq!(record.redacted.iter().collect::<Vec<_>>(), ["/user:mask", "/context/ip:hash"]);
    assert_eq!((record.kept_one_in, record.size, record.trace_id), (100, bytes.len(), entry.trace_id));
    assert_eq!(time_of(&bytes), Some(record.time));
}

#[test]
fn texts_beyond_their_limit_are_cut_at_a_character_and_marked() {
    let long = "ü".repeat(20_000);
    let roles = vec![long.clone(); 3];
    let mut entry = full(&roles);
    let policies = [long.as_str(); 5];
    (entry.request_id, entry.tenant, entry.user, entry.action) = (&long, &long, &long, &long);
    (entry.module, entry.resource_type, entry.resource_id, entry.reason) = (&long, &long, &long, &long);
    (entry.revision, entry.actor, entry.before, entry.after, entry.context) = (&long, &long, &long, &long, &long);
    (entry.policies, entry.errors) = (&policies, &policies);
    let bytes = bytes(&entry);
    assert!(bytes.len() <= MAX_RECORD, "{}", bytes.len());
    let record = Record::decode(1, &bytes).unwrap();
    assert_eq!(record.user, format!("{}{CUT_MARK}", "ü".repeat((1024 - CUT_MARK.len()) / 2)));
    assert!(record.context.len() > 10_000 && record.context.ends_with(CUT_MARK));
    assert_eq!(record.roles.iter().count(), 1);
    assert!(record.roles.iter().all(|role| role.ends_with(CUT_MARK)));
}

struct All<'a>(&'a [&'a str]);

impl Texts for All<'_> {
    fn each(&self, take: &mut dyn FnMut(&str)) {
        self.0.each(take);
    }
}

#[test]
fn a_list_that_is_full_leaves_out_the_rest() {
    let items: Vec<String> = (0..5_000).map(|n| format!("policy-{n}")).collect();
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let mut entry = full(&[]);
    let slice: &[&str] = &items;
    let all = All(slice);
    entry.policies = &all;
    let bytes = bytes(&entry);
    let record = Record::decode(1, &bytes).unwrap();
    let kept: Vec<&str> = record.policies.iter().collect();
    assert!(kept.len() > 500 && kept.len() < 1_000, "{}", kept.len());
    assert_eq!(kept[..kept.len() - 1], items[..kept.len() - 1]);
}

#[test]
fn codes_and_words_lead_back_to_the_same() {
    for &kind in Kind::ALL {
        assert_eq!((Kind::from_code(kind.code()), Kind::parse(kind.as_str())), (Some(kind), Some(kind)));
    }
    for &origin in Origin::ALL {
        assert_eq!((Origin::from_code(origin.code()), Origin::parse(origin.as_str())), (Some(origin), Some(origin)));
    }
}

proptest! {
    #[test]
    fn damaged_bytes_never_panic(at in 0usize..300, byte: u8, cut in 0usize..300, traced: bool) {
        let roles = ["sales-rep".to_owned()];
        let trace_id = if traced { TRACE } else { TraceId::NONE };
        let mut bytes = bytes(&Entry { trace_id, ..full(&roles) });
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.truncate(cut);
        if let Ok(record) = Record::decode(1, &bytes) {
            prop_assert!(record.policies.iter().count() <= bytes.len());
        }
    }
}
