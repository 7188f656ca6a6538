//! Queries, exports and figures against a naive model: the records as a list of JSON objects, looked through one by one.
//!
//! Over the library with records of every shape, and through the doors of users: HTTP and the command line, on an instance that runs and
//! on one that has stopped.

mod generator;
mod naive;

use crate::support::{Sidecar, seed, sidegate, wait_for};
use fastrand::Rng;
use generator::{append, filter, record};
use naive::{Filter, csv, expected, figures, ndjson, undo_csv};
use serde_json::{Value, json};
use sidegate::audit::{Export, Format, Log, Mode, Options, Query, Reader};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn query(parameters: &[(&'static str, String)]) -> Query {
    Query::parse(parameters.iter().map(|(name, value)| (*name, value.as_str()))).expect("a query")
}

/// Goes through all pages, and calls `between` after each.
fn paged(reader: &Reader, filter: &Filter, limit: usize, mut between: impl FnMut()) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let mut parameters = filter.parameters();
        parameters.push(("limit", limit.to_string()));
        parameters.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        let page = reader.page(&query(&parameters).for_page().expect("a page")).expect("a page");
        let page: Value = serde_json::from_slice(&page).expect("JSON");
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= limit);
        found.extend(items.iter().cloned());
        between();
        match page["next_cursor"].as_str() {
            Some(next) => {
                assert_eq!(items.len(), limit, "only a full page has another one behind it");
                cursor = Some(next.to_owned());
            }
            None => return found,
        }
    }
}

fn exported(reader: &Reader, filter: &Filter, export: Export, limit: Option<usize>) -> String {
    let mut parameters = filter.parameters();
    parameters.extend(limit.map(|limit| ("limit", limit.to_string())));
    let mut out = Vec::new();
    reader.export(&query(&parameters), export, &mut out).expect("an export");
    String::from_utf8(out).expect("UTF-8")
}

/// Everything that a reader can be asked, beside what the model says.
fn check(reader: &Reader, records: &[Value], filter: &Filter, rng: &mut Rng, what: &str) {
    let expected = expected(records, filter);
    let limit = rng.usize(1..80);
    assert_eq!(paged(reader, filter, limit, || {}), expected, "{what}, pages of {limit}, {filter:?}");

    let whole = |format| Export { format, after_seq: None };
    assert_eq!(exported(reader, filter, whole(Format::Ndjson), None), ndjson(&expected), "{what}, {filter:?}");
    let table = exported(reader, filter, whole(Format::Csv), None);
    assert_eq!(table, csv(&expected, true), "{what}, {filter:?}");
    assert_eq!(undo_csv(&table), expected.iter().map(naive::cells).collect::<Vec<_>>(), "{what}, {filter:?}");

    // Broken off anywhere, and taken up again.
    let taken = rng.usize(..=expected.len());
    if let Some(last) = taken.checked_sub(1).and_then(|last| expected.get(last)) {
        let after_seq = last["seq"].as_u64();
        for format in [Format::Ndjson, Format::Csv] {
            let first = exported(reader, filter, whole(format), Some(taken));
            let rest = exported(reader, filter, Export { format, after_seq }, None);
            assert_eq!(first + &rest, exported(reader, filter, whole(format), None), "{what}, {taken} of {filter:?}");
        }
    }
    let mut parameters = filter.parameters();
    parameters.retain(|(name, _)| *name != "order");
    let found = serde_json::to_value(reader.figures(&query(&parameters)).expect("figures")).expect("JSON");
    let wanted = figures(&expected);
    for (name, figure) in wanted.as_object().expect("an object") {
        assert_eq!(&found[name], figure, "{what}, {name} of {filter:?}");
    }
}

#[test]
fn every_query_finds_what_a_naive_look_finds() {
    let mut rng = Rng::with_seed(seed("every_query_finds_what_a_naive_look_finds"));
    for case in 0..6 {
        let data = tempfile::tempdir().expect("a directory");
        let segment_bytes = if rng.bool() { 1 } else { u64::MAX };
        let open = || Log::open(Options { ring_bytes: 0, segment_bytes, ..Options::new(data.path()) }).expect("a log");
        // Written in several goes with restarts between them: blocks of all sizes, hot commits, segments.
        let (mut records, mut log) = (Vec::new(), open());
        for _ in 0..rng.usize(1..5) {
            for _ in 0..rng.usize(..250) {
                let record = record(&mut rng, records.len() as u64 + 1);
                append(&log, &record);
                records.push(record);
            }
            log.settle().expect("the records are stored");
            if rng.bool() {
                drop(log);
                log = open();
            }
        }
        let filters: Vec<Filter> = (0..10).map(|_| filter(&mut rng, &records)).collect();
        for filter in &filters {
            check(&log.reader(), &records, filter, &mut rng, &format!("case {case}, running"));
        }
        drop(log);
        let reader = Reader::open(data.path()).expect("a reader");
        for filter in &filters {
            check(&reader, &records, filter, &mut rng, &format!("case {case}, stopped"));
        }
    }
}

#[test]
fn cursors_stay_where_they_are_while_writing_goes_on() {
    let mut rng = Rng::with_seed(seed("cursors_stay_where_they_are_while_writing_goes_on"));
    for _ in 0..12 {
        let data = tempfile::tempdir().expect("a directory");
        let mode = if rng.bool() { Mode::Synced } else { Mode::Durable };
        let log = Log::open(Options { ring_bytes: 0, mode, ..Options::new(data.path()) }).expect("a log");
        let mut records: Vec<Value> = (1..rng.u64(2..400)).map(|seq| record(&mut rng, seq)).collect();
        for record in &records {
            append(&log, record);
        }
        log.settle().expect("the records are stored");
        let before = records.clone();
        let filter = filter(&mut rng, &records);
        let mut writing = rng.fork();
        let found = paged(&log.reader(), &filter, 20, || {
            if records.len() < before.len() + 300 {
                for _ in 0..writing.usize(..50) {
                    let record = record(&mut writing, records.len() as u64 + 1);
                    append(&log, &record);
                    records.push(record);
                }
                log.settle().expect("the records are stored");
            }
        });
        if filter.ascending {
            // What was written meanwhile may be seen as well, but nothing twice, nothing out of order, nothing left out.
            assert_eq!(found[..], expected(&records, &filter)[..found.len()], "{filter:?}");
            assert!(found.len() >= expected(&before, &filter).len(), "{filter:?}");
        } else {
            assert_eq!(found, expected(&before, &filter), "{filter:?}");
        }
    }
}

/// What is sent, and found again with what only the log knows: number, time, ids, how long it took.
struct Sent {
    fields: Value,
}

fn report(sidecar: &Sidecar, rng: &mut Rng, sent: &mut Vec<Sent>) {
    let actor = rng.choice(["", "alice", "carol"]).expect("one");
    let batch: Vec<Value> = (0..rng.usize(1..40)).map(|_| generator::activity(rng)).collect();
    let headers: &[(&str, &str)] = if actor.is_empty() { &[] } else { &[("sidegate-actor", actor)] };
    let body = Value::from(batch.clone()).to_string();
    let answer = sidecar.client().post(sidecar.admin_address(), "/v1/activity", headers, &body).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    let ids = answer.json()["ids"].as_array().expect("ids").clone();
    assert_eq!(ids.len(), batch.len());
    for (mut fields, id) in batch.into_iter().zip(ids) {
        fields["id"] = id;
        fields["kind"] = "activity".into();
        fields["source"] = "admin".into();
        fields["actor"] = if actor.is_empty() { Value::Null } else { actor.into() };
        sent.push(Sent { fields });
    }
}

fn ask(sidecar: &Sidecar, rng: &mut Rng, sent: &mut Vec<Sent>) {
    let user = *rng.choice(["alice", "bob", "carol", "dave", "=nobody"].as_slice()).expect("one");
    let action = *rng.choice(["view", "edit", "delete"].as_slice()).expect("one");
    let question = json!({ "user": user, "action": action, "resource": "order:o-1" });
    let (status, answer) = sidecar.authorize(&question);
    assert_eq!(status, 200);
    sent.push(Sent {
        fields: json!({
            "id": answer["id"], "kind": "decision", "user": user, "action": action, "module": "orders", "resource_type": "order",
            "resource_id": "o-1", "decision": answer["decision"], "reason": answer["reason"]["code"],
            "policies": answer["reason"]["policies"], "revision": answer["revision"], "source": "native",
        }),
    });
}

/// Rules `8move-log-filter` and `8move-log-export`: by user, action, module, date range and entity, alone and together; and what a
/// filter shows as CSV, byte for byte.
#[test]
fn http_and_the_command_line_find_what_a_naive_look_finds() {
    let mut rng = Rng::with_seed(seed("http_and_the_command_line_find_what_a_naive_look_finds"));
    let data = tempfile::tempdir().expect("a directory");
    let sidecar = Sidecar::builder().data(data.path()).start();
    let mut sent = Vec::new();
    for _ in 0..12 {
        if rng.bool() { report(&sidecar, &mut rng, &mut sent) } else { ask(&sidecar, &mut rng, &mut sent) }
    }
    report(&sidecar, &mut rng, &mut sent);
    let all = || -> Vec<Value> {
        let export = sidecar.admin_get("/v1/audit/export?order=asc").body;
        export.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let of_ours =
        |records: &[Value]| records.iter().filter(|r| r["kind"] == "decision" || r["kind"] == "activity").count();
    wait_for("everything that was sent is in the log", SOON, || of_ours(&all()) == sent.len());
    let records = all();
    for Sent { fields } in &sent {
        let mut found = records.iter().filter(|record| record["id"] == fields["id"]);
        let record = found.next().expect("what was sent is in the log");
        for (name, value) in fields.as_object().expect("an object") {
            assert_eq!(&record[name], value, "{name} of {record}");
        }
        assert!(found.next().is_none(), "it is there once");
    }
    assert!(records.iter().zip(1..).all(|(record, seq)| record["seq"] == seq));

    let admin = format!("http://{}", sidecar.admin_address());
    let directory = data.path().display().to_string();
    let filters: Vec<Filter> = (0..10).map(|_| filter(&mut rng, &records)).collect();
    for filter in &filters {
        let expected = expected(&records, filter);
        for (format, text) in [("ndjson", ndjson(&expected)), ("csv", csv(&expected, true))] {
            let path = format!("/v1/audit/export?format={format}{}", filter.address());
            assert_eq!(sidecar.admin_get(&path).body, text, "{path}");
        }
        let page = sidecar.admin_get(&format!("/v1/audit?limit=1000{}", filter.address())).json();
        assert_eq!(page["items"].as_array().expect("items"), &expected, "{filter:?}");
        on_the_command_line(&["--admin", &admin], filter, &expected);
    }
    assert_eq!(sidecar.stop().code, Some(0));
    for filter in &filters {
        // The stop has a record of its own.
        let before = Some(records.len() as u64 + 1);
        let filter = Filter { before, ..filter.clone() };
        on_the_command_line(&["--data", &directory], &filter, &expected(&records, &filter));
    }
}

fn on_the_command_line(source: &[&str], filter: &Filter, expected: &[Value]) {
    let flags = filter.flags();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let run = |command: &[&str]| {
        let done = sidegate([&["audit"], command, source, &flags].concat());
        assert_eq!(done.code, Some(0), "{command:?} {flags:?}: {}", done.stderr);
        done.stdout
    };
    let kept = |record: &Value| filter.before.is_none_or(|before| record["seq"].as_u64() < Some(before));
    let lines = run(&["export"]);
    let found: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).filter(kept).collect();
    assert_eq!(found, expected, "{source:?} {flags:?}");
    let page: Value = serde_json::from_str(&run(&["list", "--output", "json", "--limit", "1000"])).expect("JSON");
    let items: Vec<Value> = page["items"].as_array().expect("items").iter().filter(|r| kept(r)).cloned().collect();
    assert_eq!(items, expected, "{source:?} {flags:?}");
}
