//! What operators are told of the audit log, one function an event.

use super::{
    log::Recovery,
    quarantine::{Gap, Quarantined},
};
use crate::{model::Timestamp, telemetry::events::Chain};
use std::{error::Error, path::Path, time::Duration};
use tracing::{error, info, warn};

/// The log is open; says what the process before has left.
pub(crate) fn opened(path: &Path, last_seq: u64, recovery: &Recovery) {
    let Recovery { taken_over, torn_bytes, missing_rings, missing, head_differs, head_lost, .. } = *recovery;
    info!(event = "audit_opened", path = %path.display(), last_seq, taken_over, "the audit log is open");
    if torn_bytes > 0 {
        warn!(
            event = "audit_ring_torn",
            torn_bytes,
            "a ring holds bytes that were published and cannot be read: power was lost before they reached the disk"
        );
    }
    if missing_rings > 0 {
        error!(
            event = "audit_rings_missing",
            missing_rings,
            "rings that the log knows are gone or damaged: what they held and the log does not is lost with them"
        );
    }
    if missing > 0 {
        error!(
            event = "audit_records_missing",
            missing,
            "the log is shorter than its anchor says: records were lost with the power, or its files were changed"
        );
    }
    if head_lost {
        error!(
            event = "audit_head_lost",
            "the log's anchor is missing or cannot be read: whether the log is whole is not known"
        );
    }
    if head_differs {
        error!(
            event = "audit_head_differs",
            "the record that the log's anchor names has another hash: its files were changed"
        );
    }
}

/// The store takes no more records.
pub(crate) fn store_failed(why: &str) {
    error!(event = "audit_store_failed", error = why, "the audit store has failed");
}

/// The store goes on.
pub(crate) fn store_recovered(first_seq: u64, after: Duration) {
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    info!(event = "audit_store_recovered", first_seq, after_ms, "the audit store goes on in a new segment");
}

/// A segment was put aside.
pub(crate) fn quarantined(segment: &Quarantined) {
    let Quarantined { first_seq, kept_as, why } = segment;
    error!(
        event = "audit_segment_quarantined",
        first_seq,
        kept_as,
        why,
        "a damaged segment of the audit log was put aside; its records are missing from the log"
    );
}

/// A segment was opened from a copy, or its manifest was written anew.
pub(crate) fn repaired(first_seq: u64) {
    warn!(event = "audit_segment_repaired", first_seq, "a segment of the audit log was repaired, with all its records");
}

/// The file of a segment's summaries was damaged, and is whole again.
pub(crate) fn summarised_anew(first_seq: u64) {
    warn!(
        event = "audit_summaries_damaged",
        first_seq, "the summaries of a segment were not as they were written; they were made anew from the segment"
    );
}

/// The log does not have these records.
pub(crate) fn gap(gap: &Gap) {
    let Gap { first_seq, last_seq, why, kept_as } = gap;
    error!(event = "audit_gap", first_seq, last_seq, why, kept_as, "the audit log has a gap");
}

/// What says what was removed cannot be read.
pub(crate) fn tombstone_lost(why: &str) {
    error!(
        event = "audit_tombstone_lost",
        why, "what retention has removed is not known any more: the tombstone cannot be read"
    );
}

/// Retention has removed records.
pub(crate) fn removed(last_seq: u64, records: u64) {
    info!(
        event = "audit_retention",
        last_seq, records, "old records of the audit log were removed; the figures count all that ever were"
    );
}

/// The clock stands far ahead of where it should be.
pub(crate) fn clock_jumped(clock: Timestamp, time: Timestamp) {
    warn!(
        event = "audit_clock_jumped",
        %clock,
        %time,
        "the clock has jumped ahead: retention by age goes by it once that has lasted for an hour"
    );
}

/// Where the log ended at this moment. The line is what a copy of the log can be checked against.
pub(crate) fn checkpoint(seq: u64, line: &str) {
    info!(event = "audit_checkpoint", seq, checkpoint = line, "a checkpoint of the audit log");
}

/// A checkpoint did not get where it should go.
pub(crate) fn checkpoint_failed(to: &str, error: &str) {
    warn!(event = "audit_checkpoint_failed", to, error, "a checkpoint was not delivered");
}

/// Something beside the writing failed; it is tried again.
pub(crate) fn chore_failed(what: &str, error: &(dyn Error + 'static)) {
    warn!(event = "audit_chore_failed", what, error = %Chain(error), "the audit log could not {what}");
}
