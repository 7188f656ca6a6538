//! Verification over logs that are whole, and over such that were changed.

use super::*;
use crate::{
    audit::{Entry, Kind, Log, Options, Origin as Source},
    model::{Timestamp, TraceId},
};
use std::collections::BTreeMap;

fn entry(n: u64) -> Entry<'static> {
    Entry {
        time: Timestamp::from_micros(1_800_000_000_000_000 + i64::try_from(n).unwrap()),
        kind: Kind::Activity,
        id: [1; 16],
        request_id: "",
        tenant: "north",
        user: "sam",
        roles: &[],
        action: "edit",
        module: "",
        resource_type: "",
        resource_id: "",
        decision: None,
        reason: "",
        policies: &NOTHING,
        errors: &NOTHING,
        revision: "",
        duration_ns: 0,
        origin: Source::Native,
        actor: "",
        before: "",
        after: "",
        context: "",
        trace_id: TraceId::NONE,
    }
}

const NOTHING: [&str; 0] = [];

/// A log of so many segments with 200 records each.
fn log(data: &Path, segments: u64) {
    for n in 0..segments {
        // Each start rotates once the first commit is there.
        let log =
            Log::open(Options { segment_bytes: if n == 0 { u64::MAX } else { 1 }, ..Options::new(data) }).unwrap();
        if n > 0 {
            log.settle().unwrap();
        }
        drop(log);
        let log = Log::open(Options { segment_bytes: u64::MAX, ..Options::new(data) }).unwrap();
        for record in 0..200 {
            log.append(&entry(n * 200 + record)).unwrap();
        }
        log.close().unwrap();
    }
}

fn report(data: &Path) -> Report {
    let verification =
        Verification { data: data.to_owned(), checkpoints: None, public_keys: None, scratch: std::env::temp_dir() };
    verify(&verification).unwrap()
}

#[test]
fn a_log_that_was_not_changed_is_intact_and_stays_as_it_is() {
    let data = tempfile::tempdir().unwrap();
    log(data.path(), 3);
    let before = contents(data.path());
    let report = report(data.path());
    assert_eq!(report.problems, []);
    assert_eq!(report.warnings, Vec::<String>::new());
    assert_eq!((report.first_seq, report.last_seq, report.records), (1, 600, 600));
    assert_eq!((report.segments, report.manifests, report.signed), (3, 2, 0));
    assert!(report.complete);
    assert_eq!(contents(data.path()), before, "nothing was written");
}

fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn the_closed_segments_of_a_log_that_runs_can_be_checked() {
    let data = tempfile::tempdir().unwrap();
    log(data.path(), 2);
    let running = Log::open(Options::new(data.path())).unwrap();
    let report = report(data.path());
    assert_eq!(report.problems, []);
    assert!(!report.complete);
    assert_eq!((report.last_seq, report.records), (200, 200));
    drop(running);
}

#[test]
fn a_clock_that_went_back_is_told_and_no_problem() {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options::new(data.path())).unwrap();
    for n in [0, 100_000_000, 1, 2, 200_000_000] {
        log.append(&entry(n)).unwrap();
    }
    drop(log);
    let report = report(data.path());
    assert_eq!((report.problems, report.clock_jumps), (vec![], 1));
    assert_eq!(report.warnings, ["the clock went back by 99 s before record 3"]);
}
