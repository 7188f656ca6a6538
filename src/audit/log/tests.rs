//! What the keeper of a log notes of what it has recorded.

use super::*;
use crate::audit::{Kind, quarantine};

/// The keeper of a log, beside its thread.
fn keeper(log: &Log) -> Keeper {
    Keeper {
        shared: Arc::clone(&log.inner.shared),
        common: Arc::clone(&log.inner.common),
        checkpoints: Checkpoints::default(),
        webhook: None,
        begun_at: 0,
        told: RefCell::default(),
        pace: RefCell::default(),
    }
}

#[test]
fn a_gap_counts_as_recorded_only_where_its_record_is_kept() {
    let gap = Gap { first_seq: 1, last_seq: 7, why: "its files are damaged".to_owned(), kept_as: None };
    for (when_failed, is_stopped, is_full, is_kept) in [
        (WhenFailed::Deny, false, false, true),
        (WhenFailed::Deny, true, false, false),
        // It waits in the ring for the next start.
        (WhenFailed::AllowAndCount, true, false, true),
        // It is counted.
        (WhenFailed::AllowAndCount, true, true, false),
    ] {
        let data = tempfile::tempdir().unwrap();
        let log = Log::open(Options { ring_bytes: 0, when_failed, ..Options::new(data.path()) }).unwrap();
        if is_stopped {
            log.close().unwrap();
        }
        let entry = Entry::blank(Kind::System, Timestamp::from_micros(0), [0; 16]);
        while is_full && log.append(&entry).unwrap() != Ticket::NONE {}
        keeper(&log).record_gaps(std::slice::from_ref(&gap));
        let recorded = quarantine::recorded(&data.path().join("audit"));
        let expected = if is_kept { vec![gap.clone()] } else { Vec::new() };
        assert_eq!(recorded, expected, "{when_failed:?}, stopped: {is_stopped}, full: {is_full}");
    }
}
