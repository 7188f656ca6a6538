//! The directory of an instance that is stopped.

use crate::{
    audit::{OpenError, ReadError, Reader, Usage},
    directory::{Actor, Call, Directory, Event, FOLDER, Options, Policies, StoreError, Subjects, Witness},
    lifecycle::Clock,
    model::{Timestamp, TraceId},
    policy::Snapshot,
};
use std::{collections::HashSet, path::Path, sync::Arc};

/// Nobody takes records: what has to be recorded is kept in the store, and the next start records it.
#[derive(Debug)]
pub(super) struct Unheard;

impl Witness for Unheard {
    fn is_ready(&self) -> bool {
        true
    }

    fn record_all(&self, _: &[Event]) -> usize {
        0
    }

    fn known_since(&self, _: Timestamp) -> HashSet<String> {
        HashSet::new()
    }
}

/// A call of whoever has the files.
pub(in crate::cli) fn call() -> Call<'static> {
    let now = Clock::system().now();
    Call {
        actor: Actor::Operator("cli"),
        tenant: None,
        request_id: "",
        trace_id: TraceId::NONE,
        now,
        if_match: None,
        barred: None,
    }
}

/// A directory, its audit log, and the policies through which it is looked at.
pub(in crate::cli) struct Offline {
    pub(in crate::cli) directory: Directory,
    pub(in crate::cli) reader: Reader,
    pub(in crate::cli) usage: Usage,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum OfflineError {
    /// The log.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The directory.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug)]
struct Fixed(Arc<Snapshot>, Arc<Subjects>);

impl Policies for Fixed {
    fn current(&self) -> (Arc<Snapshot>, Arc<Subjects>) {
        (Arc::clone(&self.0), Arc::clone(&self.1))
    }
}

impl Offline {
    /// Opens the files of a data directory, and reads what was used.
    pub(in crate::cli) fn open(data: &Path, snapshot: Snapshot) -> Result<Self, OfflineError> {
        let reader = Reader::open(data)?;
        let directory = Directory::open(Options::new(&data.join(FOLDER)), Arc::new(Unheard))?;
        let snapshot = Arc::new(snapshot);
        let subjects = Arc::new(directory.roster().bind(&snapshot).subjects);
        directory.attach(Arc::new(Fixed(snapshot, subjects)), Vec::new());
        let mut usage = Usage::default();
        usage.catch_up(&reader, |user| directory.knows(user))?;
        Ok(Self { directory, reader, usage })
    }
}
