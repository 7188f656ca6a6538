//! Records that the log writes about itself: `system` records whose `reason` says what happened and whose `after` says more.

use super::{Entry, Kind, quarantine::Gap};
use crate::model::Timestamp;
use serde_json::{Value, json};
use ulid::Ulid;

/// Something that happened to the log.
#[derive(Debug, Clone)]
pub(crate) enum Note {
    /// Records are missing.
    Gap(Gap),
    /// The store failed, and goes on in a new segment.
    Recovered {
        /// Why it failed.
        why: String,
        /// When.
        failed_at: Timestamp,
    },
    /// Retention has removed records.
    Removed {
        /// The first of all that are gone.
        first_seq: u64,
        /// The last.
        last_seq: u64,
    },
    /// The clock was set.
    ClockSet {
        /// By how many seconds: back where they are less than none.
        seconds: i64,
    },
}

impl Note {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Gap(_) => "audit_gap",
            Self::Recovered { .. } => "audit_store_recovered",
            Self::Removed { .. } => "audit_retention",
            Self::ClockSet { .. } => "clock_set",
        }
    }

    fn detail(&self) -> Value {
        match self {
            Self::Gap(Gap { first_seq, last_seq, why, kept_as }) => {
                json!({ "first_seq": first_seq, "last_seq": last_seq, "why": why, "kept_as": kept_as })
            }
            Self::Recovered { why, failed_at } => json!({ "failed_at": failed_at.to_string(), "why": why }),
            Self::Removed { first_seq, last_seq } => json!({ "first_seq": first_seq, "last_seq": last_seq }),
            Self::ClockSet { seconds } => json!({ "seconds": seconds }),
        }
    }

    /// Calls `take` with the record.
    pub(crate) fn record<T>(&self, time: Timestamp, take: impl FnOnce(&Entry<'_>) -> T) -> T {
        let milliseconds = u64::try_from(time.as_micros() / 1000).unwrap_or_default();
        let after = self.detail().to_string();
        let id = Ulid::from_parts(milliseconds, fastrand::u128(..)).to_bytes();
        take(&Entry { reason: self.reason(), after: &after, ..Entry::blank(Kind::System, time, id) })
    }
}
