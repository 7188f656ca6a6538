//! Records and filters by chance.

use super::naive::Filter;
use fastrand::Rng;
use serde_json::{Value, json};
use sidegate::{
    audit::{Entry, Kind, Log, Origin},
    model::{Decision, Timestamp, TraceId},
};

const START: i64 = 1_800_000_000_000_000;

/// Names that a table, an address, a shell or a spreadsheet might take for something else.
const NAMES: [&str; 14] = [
    "sam",
    "alice",
    "sam ",
    "a,b",
    "say \"hi\"",
    "=1+1",
    "+49",
    "-x",
    "@me",
    "'quoted",
    "two\r\nlines",
    "é&=%+#?/ü",
    "{\"a\":1}",
    "＝wide",
];
const WORDS: [&str; 5] = ["orders", "catalog", "view", "edit", "x"];
const JSON: [&str; 5] = ["{\"ip\":\"10.1.2.3\"}", "{\"=\":\"a,\\\"b\\\"\"}", "[1,2.50]", "\"=cmd\"", "-17"];

fn name(rng: &mut Rng) -> Value {
    if rng.u8(..5) == 0 { Value::Null } else { NAMES[rng.usize(..NAMES.len())].into() }
}

fn word(rng: &mut Rng) -> Value {
    WORDS[rng.usize(..WORDS.len())].into()
}

fn list(rng: &mut Rng) -> Value {
    (0..rng.usize(..3)).map(|_| Value::from(NAMES[rng.usize(..NAMES.len())])).collect()
}

fn json(rng: &mut Rng) -> Value {
    if rng.bool() { Value::Null } else { serde_json::from_str(JSON[rng.usize(..JSON.len())]).expect("JSON") }
}

/// A record as the log is to give it back.
pub(super) fn record(rng: &mut Rng, seq: u64) -> Value {
    let decision = [Value::Null, "allow".into(), "deny".into()][rng.usize(..3)].clone();
    let id = ulid::Ulid::from_parts(seq, rng.u128(..));
    let kind = Kind::ALL[rng.usize(..Kind::ALL.len())];
    let nanoseconds = rng.u32(..10_000_000);
    // Only decisions are measured.
    let duration = if kind == Kind::Decision { json!(f64::from(nanoseconds) / 1000.0) } else { Value::Null };
    json!({
        "seq": seq,
        // Not quite in order, as those of several threads.
        "time": Timestamp::from_micros(START + i64::try_from(seq).expect("few") * 1_000_000 + rng.i64(0..3_000_000)).to_string(),
        "kind": kind.as_str(),
        "id": id.to_string(),
        "request_id": name(rng), "tenant": name(rng), "user": name(rng), "roles": list(rng), "action": word(rng), "module": word(rng),
        "resource_type": word(rng), "resource_id": name(rng), "decision": decision, "reason": word(rng), "policies": list(rng),
        "errors": list(rng), "revision": "3f9c01d2a7b4",
        "duration_us": duration,
        "source": Origin::ALL[rng.usize(..Origin::ALL.len())].as_str(),
        "actor": name(rng), "before": json(rng), "after": json(rng), "context": json(rng), "redacted": [], "kept_one_in": null,
        "trace_id": rng.bool().then(|| format!("{:032x}", rng.u128(1..))),
    })
}

/// What an application reports.
pub(super) fn activity(rng: &mut Rng) -> Value {
    let user = NAMES[rng.usize(..NAMES.len())];
    json!({
        "user": user, "action": word(rng), "module": word(rng), "resource_type": word(rng), "resource_id": name(rng), "tenant": name(rng),
        "before": json(rng), "after": json(rng), "context": { "ip": "10.1.2.3", "=": rng.u8(..) },
    })
}

/// Writes a record.
pub(super) fn append(log: &Log, record: &Value) {
    let text = |name: &str| record[name].as_str().unwrap_or_default();
    let texts = |name: &str| -> Vec<String> {
        record[name].as_array().expect("a list").iter().map(|item| item.as_str().expect("a text").to_owned()).collect()
    };
    let json = |name: &str| if record[name].is_null() { String::new() } else { record[name].to_string() };
    let (roles, policies, errors) = (texts("roles"), texts("policies"), texts("errors"));
    let (before, after, context) = (json("before"), json("after"), json("context"));
    let nanoseconds = format!("{:.3}", record["duration_us"].as_f64().unwrap_or_default()).replace('.', "");
    log.append(&Entry {
        time: Timestamp::parse(text("time")).expect("a time"),
        kind: Kind::parse(text("kind")).expect("a kind"),
        id: ulid::Ulid::from_string(text("id")).expect("a ULID").to_bytes(),
        request_id: text("request_id"),
        tenant: text("tenant"),
        user: text("user"),
        roles: &roles,
        action: text("action"),
        module: text("module"),
        resource_type: text("resource_type"),
        resource_id: text("resource_id"),
        decision: [Decision::Allow, Decision::Deny].into_iter().find(|word| word.as_str() == text("decision")),
        reason: text("reason"),
        policies: &policies,
        errors: &errors,
        revision: text("revision"),
        duration_ns: nanoseconds.parse().expect("digits"),
        origin: Origin::parse(text("source")).expect("an origin"),
        actor: text("actor"),
        before: &before,
        after: &after,
        context: &context,
        trace_id: TraceId::from_bytes(u128::from_str_radix(text("trace_id"), 16).unwrap_or_default().to_be_bytes()),
    })
    .expect("the log takes it");
}

/// A filter that mostly fits something: its values come from the records.
pub(super) fn filter(rng: &mut Rng, records: &[Value]) -> Filter {
    let mut filter = Filter { ascending: rng.bool(), ..Filter::default() };
    if records.is_empty() {
        return filter;
    }
    let seldom = rng.u8(2..7);
    for name in
        ["user", "actor", "tenant", "module", "action", "resource_type", "resource_id", "decision", "kind", "revision"]
    {
        let value = &records[rng.usize(..records.len())][name];
        if rng.u8(..seldom) == 0
            && let Some(text) = value.as_str()
        {
            filter.texts.push((name, text.to_owned()));
        }
    }
    let policies = records[rng.usize(..records.len())]["policies"].as_array().expect("a list");
    if rng.u8(..seldom) == 0
        && let Some(policy) = policies.first()
    {
        filter.texts.push(("policy", policy.as_str().expect("a text").to_owned()));
    }
    let time = |rng: &mut Rng| records[rng.usize(..records.len())]["time"].as_str().expect("a time").to_owned();
    if rng.u8(..3) == 0 {
        let mut times = [time(rng), time(rng)];
        times.sort();
        let [from, to] = times;
        match rng.u8(..3) {
            0 => filter.from = Some(from),
            1 => filter.to = Some(to),
            _ if from < to => (filter.from, filter.to) = (Some(from), Some(to)),
            _ => {}
        }
    }
    filter
}
