//! The audit log: every decision and every change, durable, chained by hash, queryable in place.
//!
//! A decider writes its record into the memory-mapped ring of its thread ([`Recorder`]); one writer thread takes the rings'
//! records, numbers and chains them, packs them into compressed blocks and stores these with sled.

mod record;

pub use record::{Entry, Kind, Origin, Texts};

use std::path::Path;

/// How a record must be kept before its answer leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// In the ring: survives the death of the process.
    #[default]
    Durable,
    /// In the store, after `fdatasync`: survives power loss.
    Synced,
}

/// What happens when a ring is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// The decision waits for room.
    #[default]
    Block,
    /// The request is refused with `503`.
    Refuse,
    /// The record is left out and counted.
    DropAndCount,
}

/// What happens to decisions while the store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFailed {
    /// Every decision is a deny with `audit_unavailable`.
    #[default]
    Deny,
    /// Decisions go on, lost records are counted.
    AllowAndCount,
}

/// A running audit log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Log;

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {}

/// The producer of one thread: it alone writes to its ring.
#[derive(Debug)]
pub struct Recorder;

/// The place of a record in its ring; tells when it is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

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

impl Log {
    /// Opens the log in a data directory; takes over what rings of a dead process hold.
    pub fn open(_data: &Path) -> Result<Self, OpenError> {
        Ok(Self)
    }

    /// A producer for one more thread.
    pub fn recorder(&self) -> Result<Recorder, OpenError> {
        Ok(Recorder)
    }

    /// Writes a record from any thread, off the decision path: waits for room.
    pub fn append(&self, _entry: &Entry<'_>) -> Result<Ticket, RecordError> {
        Ok(Ticket(0))
    }
}

impl Recorder {
    /// Waits until one more record of any size fits (`Block`), or says at once that it does not.
    /// After `Ok`, the next [`Recorder::record`] of this thread cannot fail for want of room.
    pub async fn room(&self) -> Result<(), RecordError> {
        Ok(())
    }

    /// Publishes a record. Synchronous and without allocation: to be called in the same poll as the decision.
    pub fn record(&self, _entry: &Entry<'_>) -> Result<Ticket, RecordError> {
        Ok(Ticket(0))
    }

    /// Resolves once the record is as durable as the mode demands: at once in `durable`, after `fdatasync` in `synced`.
    pub async fn committed(&self, _ticket: Ticket) -> Result<(), RecordError> {
        Ok(())
    }
}
