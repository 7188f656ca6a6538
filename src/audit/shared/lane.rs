//! A ring with all that belongs to it.

use super::{RingFiles, lock};
use crate::audit::{
    OpenError,
    chain::End,
    ring::{Label, Mapping, MappingError, Ring, bytes_for},
};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;

/// A ring with all that belongs to it.
#[derive(Debug)]
pub(crate) struct Lane {
    /// The number in the file's name and in the stored positions.
    pub(crate) number: usize,
    pub(crate) ring: Arc<Ring<Mapping>>,
    /// Told after each commit.
    pub(crate) changed: Notify,
    /// How many of its records are in the store.
    pub(crate) stored: AtomicU64,
    // Positions of entries whose callers were told that they are not in the log: after the first, up to the second.
    withdrawn: Mutex<Vec<(u64, u64)>>,
}

impl Lane {
    /// Makes the ring's file.
    pub(crate) fn create(files: &RingFiles, number: usize) -> Result<Self, OpenError> {
        let &RingFiles { capacity, generation, records, .. } = files;
        let path = ring_path(&files.directory, number);
        let bytes = bytes_for(capacity);
        let label = Label { generation, number: number as u64, records };
        let mapping = Mapping::create(&path, bytes).map_err(|error| match error {
            MappingError::NoSpace => OpenError::NoSpace { path: path.clone(), bytes },
            MappingError::Io(source) => OpenError::io(&path, source),
        })?;
        let ring = Ring::create(mapping, capacity, label).ok_or(OpenError::RingSize { capacity })?;
        Ok(Self {
            number,
            ring: Arc::new(ring),
            changed: Notify::new(),
            stored: AtomicU64::new(0),
            withdrawn: Mutex::new(Vec::new()),
        })
    }

    /// Whether the entry that ends at this position was withdrawn.
    pub(super) fn is_withdrawn(&self, position: u64) -> bool {
        // The ring knows the last range only; a task that slept through two failures must learn of the first as well.
        self.ring.withdrawn().is_some()
            && lock(&self.withdrawn).iter().any(|&(from, to)| from < position && position <= to)
    }

    /// The store has failed: whatever was not committed is withdrawn, what is still to come included. The log ends with `end`.
    pub(super) fn withdraw(&self, committed: u64, end: End) {
        let mut withdrawn = lock(&self.withdrawn);
        self.ring.withdraw(committed, u64::MAX, end);
        withdrawn.push((committed, u64::MAX));
    }

    /// The store goes on: what is published from here on is not withdrawn. The disk knows when this returns: else, after a loss of power,
    /// the next start would take the log back to where it failed, with all that was committed since.
    pub(super) fn end_withdrawal(&self) -> io::Result<()> {
        let mut withdrawn = lock(&self.withdrawn);
        if let Some((_, to)) = withdrawn.last_mut()
            && *to == u64::MAX
        {
            let produced = self.ring.produced();
            self.ring.withdraw_up_to(produced);
            self.ring.sync().inspect_err(|_| self.ring.withdraw_up_to(u64::MAX))?;
            *to = produced;
        }
        Ok(())
    }

    /// Published records that are not in the store yet.
    pub(crate) fn waiting(&self) -> u64 {
        let stored = self.stored.load(Ordering::Acquire);
        self.ring.count().saturating_sub(stored)
    }
}

pub(crate) fn ring_path(directory: &Path, number: usize) -> PathBuf {
    directory.join(format!("ring-{number}"))
}
