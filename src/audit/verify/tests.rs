//! Verification over logs that are whole, and over such that were changed.

use super::*;
use crate::{
    audit::{
        Entry, Hold, Kind, Log, Options, Origin as Source, Retention, open::open, signature::Signer, store::Keeping,
    },
    lifecycle::Clock,
    model::{Timestamp, TraceId},
};
use std::{collections::BTreeMap, time::Duration};

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

/// The names of the segments are read once, and a verification takes its time.
#[test]
fn what_retention_removes_meanwhile_is_not_missed() {
    for checked_before in [0, 2] {
        let data = tempfile::tempdir().unwrap();
        log(data.path(), 4);
        let lock = DirectoryLock::create(data.path()).unwrap();
        let (segment_bytes, segment_age) = (u64::MAX, Duration::MAX);
        let (signer, hold, clock) = (Some(Signer::none()), Hold::Nothing, Clock::system());
        let opened = open(&lock, Keeping { segment_bytes, segment_age, signer, hold, clock }).unwrap();
        let scratch = Scratch::new(&std::env::temp_dir()).unwrap();
        let mut check = Check::new(&lock.audit, scratch, true, None);
        let names = segment_numbers(&lock.audit).unwrap();
        assert_eq!(names, [1, 201, 401, 601]);
        let end = check.tombstone().unwrap();
        let (before, after) = names.split_at(checked_before);
        let end = check.segments(before, end).unwrap();
        let retention = Retention { bytes: Some(1), ..Retention::default() };
        assert_eq!(opened.store.retain(&retention, u64::MAX).unwrap().unwrap().last_seq, 600);
        let end = check.segments(after, end).unwrap();
        assert_eq!((&*check.report.problems, end.map(|end| end.seq)), (&[][..], Some(600)), "{checked_before}");
        assert_eq!((check.report.first_seq, check.report.removed.map(|removed| removed.records)), (601, Some(600)));
        // And one that is gone without a word of the tombstone is missed.
        let mut check = Check::new(&lock.audit, Scratch::new(&std::env::temp_dir()).unwrap(), true, None);
        let end = check.tombstone().unwrap();
        fs::remove_file(lock.audit.join("TOMBSTONE")).unwrap();
        assert!(check.segments(&[1, 601], end).is_err() || !check.report.problems.is_empty());
    }
}

/// A file of checkpoints that was damaged must not take the place of what is wrong with the log.
#[test]
fn checkpoints_that_cannot_be_read_are_told_once() {
    let data = tempfile::tempdir().unwrap();
    log(data.path(), 2);
    fs::remove_file(segment_path(&data.path().join("audit"), 1).join("SEALED")).unwrap();
    let checkpoints = data.path().join("checkpoints");
    let lines: Vec<String> = (0..150).map(|n| format!("{{\"statement\":{n}}}\n")).collect();
    fs::write(&checkpoints, lines.concat()).unwrap();
    let scratch = std::env::temp_dir();
    let verification =
        Verification { data: data.path().to_owned(), checkpoints: Some(checkpoints), public_keys: None, scratch };
    let report = verify(&verification).unwrap();
    let told: Vec<(u64, &str)> = report.problems.iter().map(|problem| (problem.seq, &*problem.what)).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0].0, 1, "{told:?}");
    assert!(told[1].1.starts_with("line 1 of the checkpoints: "), "{told:?}");
    assert!(told[1].1.ends_with("; the same holds for 149 more"), "{told:?}");
}
