//! What operators are told of the audit log, one function an event.

use super::log::Recovery;
use std::path::Path;
use tracing::{error, info, warn};

/// The log is open; says what the process before has left.
pub(crate) fn opened(path: &Path, last_seq: u64, recovery: &Recovery) {
    let Recovery { taken_over, torn_bytes, missing_rings, missing, head_differs } = *recovery;
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
