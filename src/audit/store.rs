//! Where the log lies: segments, each a sled directory of its own, and `HEAD`, the anchor outside of sled.
//!
//! The only module that names sled. It keeps bytes under sequence numbers and knows nothing of records: what a value means is
//! the business of `block`. One thread writes; any number reads meanwhile.
//!
//! Why segments: a sled file never shrinks, a directory that is removed gives its space back at once. Why `HEAD`: a sled file that
//! was cut short opens as an empty one without an error; the anchor tells.
//!
//! ```text
//! HEAD                 the last record, noted with each commit
//! KEY                  who signs, and in which epoch, where somebody does
//! TOMBSTONE            what retention has removed
//! GAPS                 runs of numbers that are missing and of which the log has a record
//! seg-<first seq>/     ORIGIN, sled's files, SUMMARIES, and SEALED once it is closed
//! seg-….corrupt-<time> a segment that was put aside
//! seg-….deleting       a segment that is being removed
//! ```

mod burial;
mod catalog;
mod head;
mod opening;
mod origin;
mod seal;
mod segment;
mod summaries;
#[cfg(test)]
mod tests;
mod upkeep;

pub(crate) use catalog::{Catalog, Stretch};
pub(crate) use head::{Anchor, Head, Looked};
pub(crate) use opening::{Noted, noted_key};
pub(crate) use origin::Origin;
pub(crate) use seal::Tail;
pub(crate) use segment::{PART_BYTES, Segment};
pub(crate) use summaries::{Comparison, Expected, Gathered, Summaries};

use super::{
    block::{Sealed, Summary},
    chain::{End, GENESIS, Hash},
    files,
    manifest::{self, ManifestError},
    retention::{self, Tombstone},
    signature::{Says, Signer},
};
use crate::{config::Hold, lifecycle::Clock, model::Timestamp, storage};
use arc_swap::ArcSwapOption;
use catalog::Slot;
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Why the store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The file system.
    #[error("`{}` cannot be used", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// sled. What it says of damage are words of its own making, so a log of `debug` has them and nobody else.
    #[error("the segment `{}` {}", path.display(), said(error))]
    Segment { path: PathBuf, error: sled::Error },
    /// sled panicked, which it does on some damaged files.
    #[error("the segment `{}` cannot be read: its files are damaged", path.display())]
    Panicked { path: PathBuf },
    /// A value is not what was written.
    #[error("the segment `{}` is damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: &'static str },
    /// A manifest cannot be written or read.
    #[error("the segment `{}` cannot be closed", path.display())]
    Manifest { path: PathBuf, source: ManifestError },
    /// A query still reads what would have to be put away.
    #[error("the segment `{}` is still being read", path.display())]
    Busy { path: PathBuf },
    /// Somebody has taken away what is written to.
    #[error("`{}` was removed or replaced while it was in use; put it back, or start again", path.display())]
    Gone { path: PathBuf },
    /// Nothing can be written until the store has gone on in a new segment.
    #[error("no segment is open")]
    Closed,
}

impl From<storage::OpenError> for StoreError {
    fn from(error: storage::OpenError) -> Self {
        match error {
            storage::OpenError::Io { path, source } => Self::Io { path, source },
            storage::OpenError::Sled { path, source } => Self::Segment { path, error: source },
            storage::OpenError::Panicked { path } => Self::Panicked { path },
        }
    }
}

impl StoreError {
    /// Whether files are not what they should be, and trying again would not help.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Segment { error: sled::Error::Io(error), .. } => is_made_up(error),
            Self::Panicked { .. } | Self::Damaged { .. } | Self::Segment { .. } => true,
            Self::Io { .. } | Self::Manifest { .. } | Self::Busy { .. } | Self::Gone { .. } | Self::Closed => false,
        }
    }

    /// Whether there is no room left.
    pub(crate) fn is_full(&self) -> bool {
        let (Self::Io { source, .. }
        | Self::Manifest { source: ManifestError::Io(source), .. }
        | Self::Segment { error: sled::Error::Io(source), .. }) = self
        else {
            return false;
        };
        matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// What sled makes up itself has one of these kinds and no number of the operating system. What a call has answered it hands
/// on in copies, which have lost the number too.
fn is_made_up(error: &io::Error) -> bool {
    let kinds = [io::ErrorKind::Other, io::ErrorKind::UnexpectedEof, io::ErrorKind::InvalidData];
    kinds.contains(&error.kind()) && error.raw_os_error().is_none() && !storage::is_lock(error)
}

fn said(error: &sled::Error) -> String {
    match error {
        sled::Error::Io(error) if !is_made_up(error) => format!("cannot be used: {error}"),
        _ => "cannot be read: its files are damaged".to_owned(),
    }
}

/// How a store is kept.
#[derive(Debug, Clone)]
pub(crate) struct Keeping {
    /// A segment that has reached so many bytes is followed by a new one.
    pub(crate) segment_bytes: u64,
    /// So is one that was begun so long ago and holds something.
    pub(crate) segment_age: Duration,
    /// Signs manifests and tombstones. `None` for those who only read: they close nothing.
    pub(crate) signer: Option<Signer>,
    /// What no tombstone may make the opening remove.
    pub(crate) hold: Hold,
    /// Tells when segments were begun.
    pub(crate) clock: Clock,
}

/// All segments of a log.
#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    keeping: Keeping,
    catalog: Catalog,
    // The last one, which is written to. `None` between a failure and the segment that goes on.
    active: ArcSwapOption<Segment>,
    head: Mutex<Head>,
    tombstone: Mutex<Option<Tombstone>>,
    // The active segment was begun under another key: it is closed, so that a key and an epoch belong together.
    key_changed: AtomicBool,
}

/// The writer's part.
impl Store {
    /// The end of the log. Removes hot commits that a sealed block has replaced.
    pub(crate) fn tail(&self) -> Result<Tail, StoreError> {
        let active = self.active()?;
        let tail = active.tail()?;
        active.remove_replaced(&tail)?;
        Ok(tail)
    }

    /// Stores a commit that a block will replace.
    pub(crate) fn put_hot(&self, first_seq: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.active()?.put_hot(first_seq, bytes)
    }

    /// Stores a block.
    pub(crate) fn put_block(&self, block: &Sealed) -> Result<(), StoreError> {
        self.active()?.put_block(block.first_seq, &block.bytes, &block.summary)
    }

    /// Removes commits that a stored and flushed block has replaced.
    pub(crate) fn remove_hot(&self, first_seqs: &[u64]) -> Result<(), StoreError> {
        let active = self.active()?;
        first_seqs.iter().try_for_each(|&first_seq| active.remove_hot(first_seq))
    }

    /// Hands everything stored so far to the operating system: it survives the death of the process.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.active()?.flush()
    }

    /// Hands everything flushed so far to the disk: it survives power loss. An error must not be tried again: the system may
    /// have dropped the pages that it could not write, and would report success.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.active()?.sync()
    }

    /// Notes the end of the log in `HEAD`; `sync` also hands it to the disk.
    pub(crate) fn anchor(&self, end: End, sync: bool) -> Result<(), StoreError> {
        let segment = self.active()?.origin().first_seq;
        lock(&self.head).write(Anchor { seq: end.seq, hash: end.hash, segment }, sync)
    }

    /// What `HEAD` said when the store was opened, or has been told since.
    pub(crate) fn anchored(&self) -> Option<Anchor> {
        lock(&self.head).anchor()
    }

    /// Whether the active segment has reached its size or its age, or belongs to another key than what comes now.
    pub(crate) fn is_segment_due(&self) -> bool {
        if self.key_changed.load(Ordering::Relaxed) {
            return true;
        }
        let Ok(active) = self.active() else { return false };
        let age = self.now().as_micros().saturating_sub(active.origin().created.as_micros());
        let due = i64::try_from(self.keeping.segment_age.as_micros()).unwrap_or(i64::MAX);
        age >= due || active.bytes() >= self.keeping.segment_bytes
    }

    /// Closes the active segment, which ends with this record, and goes on in a new one. Everything before must be sealed and flushed.
    /// `false` where there was nothing in it.
    pub(crate) fn rotate(&self, end: End, origin: &Origin) -> Result<bool, StoreError> {
        let active = self.active()?;
        self.key_changed.store(false, Ordering::Relaxed);
        if end.seq < active.origin().first_seq {
            if origin.first_seq == active.origin().first_seq {
                // Nothing is in it yet, however small segments are to be.
                return Ok(false);
            }
            drop(active);
            return self.replace(end, origin).map(|()| true);
        }
        active.flush()?;
        active.sync()?;
        self.seal(&active, end)?;
        self.begin(origin)?;
        Ok(true)
    }

    /// Goes on in a new segment after a failure: the log ends with this record, and whatever the present segment holds beyond it
    /// is no part of the log.
    pub(crate) fn replace(&self, end: End, origin: &Origin) -> Result<(), StoreError> {
        // sled's own background work ends with it. A query may still hold it.
        drop(self.active.swap(None));
        let mut slots = self.catalog.lock();
        if let Some((&first_seq, slot)) = slots.iter_mut().next_back().filter(|(_, slot)| slot.end.is_none()) {
            if end.seq >= first_seq {
                slot.end = Some(end);
                slot.open = Weak::new();
            } else {
                // Nothing of the log is in it.
                let path = segment_path(&self.directory, first_seq);
                if slot.open.upgrade().is_some() {
                    return Err(StoreError::Busy { path });
                }
                retention::remove(&path).map_err(|source| StoreError::Io { path, source })?;
                slots.remove(&first_seq);
            }
        }
        drop(slots);
        self.begin(origin)?;
        // What was written to it may not have reached the disk, and a second sync of the same file would not say so.
        let head = Head::open(&self.directory.join("HEAD"))?;
        *lock(&self.head) = head;
        self.anchor(End { seq: origin.first_seq - 1, hash: origin.before }, true)
    }

    /// Writes the manifests of segments that a failure has closed.
    pub(crate) fn seal_closed(&self) -> Result<(), StoreError> {
        let unsealed: Vec<(u64, End)> = {
            let slots = self.catalog.lock();
            let closed =
                slots.iter().filter(|(_, slot)| slot.manifest.is_none() && slot.damage.is_none() && !slot.is_short);
            closed.filter_map(|(first_seq, slot)| Some((*first_seq, slot.end?))).collect()
        };
        for (first_seq, end) in unsealed {
            let Some(segment) = self.catalog.open(first_seq)? else { continue };
            if let Err(error) = self.seal(&segment, end) {
                if let Some(slot) = self.catalog.lock().get_mut(&first_seq) {
                    slot.is_short = error.is_damage();
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn seal(&self, segment: &Segment, end: End) -> Result<(), StoreError> {
        let first_seq = segment.origin().first_seq;
        let path = segment_path(&self.directory, first_seq);
        let failed = |source| StoreError::Manifest { path: path.clone(), source };
        let statement = match &self.keeping.signer {
            Some(signer) => {
                let manifest = segment.manifest(end, self.previous_manifest())?;
                Some(Arc::new(manifest::write(&path, &manifest, signer).map_err(failed)?))
            }
            None => None,
        };
        if let Some(slot) = self.catalog.lock().get_mut(&first_seq) {
            slot.end = Some(end);
            slot.manifest = statement;
        }
        Ok(())
    }

    fn previous_manifest(&self) -> Hash {
        let removed = lock(&self.tombstone).as_ref().map(|tombstone| tombstone.manifest);
        self.catalog.last_manifest().or(removed).unwrap_or(GENESIS)
    }

    fn begin(&self, origin: &Origin) -> Result<(), StoreError> {
        let segment = create(&self.directory, origin)?;
        let slot = Slot { open: Arc::downgrade(&segment), ..Slot::default() };
        self.catalog.lock().insert(origin.first_seq, slot);
        self.active.store(Some(segment));
        Ok(())
    }

    fn active(&self) -> Result<Arc<Segment>, StoreError> {
        self.active.load_full().ok_or(StoreError::Closed)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.keeping.clock.now()
    }
}

/// What everyone may ask.
impl Store {
    pub(crate) const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a statement about the log, signed where it signs.
    pub(crate) fn state(&self, says: &impl Says) -> String {
        self.keeping.signer.as_ref().unwrap_or(&Signer::none()).state(says)
    }

    /// The first sequence number that is held.
    pub(crate) fn first_seq(&self) -> u64 {
        self.catalog.first_seq()
    }

    /// The hash of a record that is held.
    pub(crate) fn hash_at(&self, seq: u64) -> Result<Option<Hash>, StoreError> {
        let Some(stretch) = self.catalog.at_or_after(seq).filter(|stretch| stretch.first_seq <= seq) else {
            return Ok(None);
        };
        self.catalog.open(stretch.first_seq)?.map_or(Ok(None), |segment| segment.hash_at(seq))
    }

    /// The summary of the first block.
    pub(crate) fn first_summary(&self) -> Result<Option<Summary>, StoreError> {
        let first_seq = self.first_seq();
        let Some(segment) = self.catalog.open(first_seq)? else { return Ok(None) };
        Ok(segment.summaries_from(first_seq, 1)?.into_iter().next())
    }

    /// Whether what is written to is still where it was opened.
    pub(crate) fn check_place(&self) -> Result<(), StoreError> {
        lock(&self.head).check_place()?;
        // Without one, the store has failed already.
        self.active.load_full().map_or(Ok(()), |active| active.check_place())
    }

    /// The number of the last record that retention has removed.
    pub(crate) fn removed(&self) -> u64 {
        lock(&self.tombstone).as_ref().map_or(0, |tombstone| tombstone.last_seq)
    }

    /// Bytes on disk, all segments together.
    pub(crate) fn bytes(&self) -> u64 {
        self.catalog.stretches().iter().map(|stretch| self.catalog.bytes_of(stretch.first_seq)).sum()
    }
}

/// Makes a segment; what an attempt that was not finished has left is removed first.
fn create(directory: &Path, origin: &Origin) -> Result<Arc<Segment>, StoreError> {
    let path = segment_path(directory, origin.first_seq);
    let failed = |source| StoreError::Io { path: path.clone(), source };
    if path.exists() {
        // An attempt may have failed at its very last call, when everything was in place.
        if Origin::read(&path).map_err(failed)?.is_some()
            && let Some(segment) = Segment::open(&path)?
            && segment.tail()?.end().seq >= segment.origin().first_seq
        {
            return Err(StoreError::Damaged { path, what: "it is there already" });
        }
        files::remove_if_there(&path).map_err(failed)?;
    }
    Segment::create(&path, origin).map(Arc::new)
}

pub(crate) fn segment_path(directory: &Path, first_seq: u64) -> PathBuf {
    directory.join(format!("seg-{first_seq:020}"))
}

/// The first sequence numbers of the segments in a directory, in order.
pub(crate) fn segment_numbers(directory: &Path) -> Result<Vec<u64>, StoreError> {
    let failed = |source| StoreError::Io { path: directory.to_owned(), source };
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.strip_prefix("seg-")).and_then(|n| n.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What these guard is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
