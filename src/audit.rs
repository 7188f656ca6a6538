//! The audit log: every decision and every change, durable, chained by hash, queryable in place.
//!
//! A decider writes its record into the memory-mapped ring of its thread ([`Recorder`]); one writer thread takes the rings'
//! records, numbers and chains them, packs them into compressed blocks and stores these with sled.

mod block;
mod chain;
mod checkpoint;
mod events;
mod export;
mod fields;
mod intake;
mod keeper;
mod log;
mod manifest;
mod notes;
mod open;
mod quarantine;
mod query;
mod reader;
mod record;
mod recorder;
mod redaction;
mod retention;
mod ring;
mod sampling;
mod shared;
mod sight;
mod signature;
mod stats;
mod store;
mod usage;
mod verify;
mod writer;

use crate::storage::files;

pub use crate::config::{Hold, Mode, WhenFailed, WhenFull};
pub use checkpoint::Checkpoints;
pub use export::{Export, ExportError, Format};
pub use fields::{FIELDS, reference};
pub use intake::Intake;
pub use log::{Log, Options, Recovery, Stats};
pub use open::OpenError;
pub(crate) use open::check_owner;
pub use quarantine::Gap;
pub use query::{DEFAULT_LIMIT, MAX_LIMIT, Order, PARAMETERS, Query, QueryError};
pub use reader::{ReadError, Reader};
pub use record::{Entry, JSON_LIMIT, Kind, List, NAME_LIMIT, Origin, Record, Texts};
pub use recorder::{Recorder, Waiter};
pub(crate) use redaction::Members;
pub use redaction::{HASH_MARK, RedactionError};
pub use retention::Retention;
pub use shared::{Health, OnCommit};
pub use sight::{Sight, look};
pub use signature::KeyError;
pub use stats::{Denials, Edge, Figures, Named};
pub use usage::Usage;
pub use verify::{Problem, Removed, Report, Verification, VerifyError, verify};

/// The place of a record in its ring; tells when it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

impl Ticket {
    /// Of a record that was left out, and counted as such. Nobody has to wait for it.
    pub const NONE: Self = Self(0);
}

/// Why a record could not be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The ring is full and the log refuses in that case.
    #[error("the audit queue is full")]
    Full,
    /// The store has failed and the log denies in that case.
    #[error("the audit store has failed")]
    Failed,
}
