//! Where the log lies: segments, each a sled directory of its own, and `HEAD`, the anchor outside of sled.
//!
//! The only module that names sled. It keeps bytes under sequence numbers and knows nothing of records: what a value means is
//! the business of `block`. One thread writes; any number reads meanwhile.
//!
//! Why segments: a sled file never shrinks, a directory that is removed gives its space back at once. Why `HEAD`: a sled file that
//! was cut short opens as an empty one without an error; the anchor tells.

mod head;
mod segment;
#[cfg(test)]
mod tests;

pub(crate) use head::{Anchor, Head};
pub(crate) use segment::{Origin, PART_BYTES, Segment};

use super::{
    block::{Block, Positions, Sealed, Summary},
    chain::Hash,
    files,
};
use arc_swap::ArcSwap;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// Why the store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The file system.
    #[error("`{}` cannot be used", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// sled.
    #[error("the segment `{}` failed", path.display())]
    Segment { path: PathBuf, source: sled::Error },
    /// sled panicked, which it does on some damaged files.
    #[error("the segment `{}` cannot be opened: its files are damaged", path.display())]
    Panicked { path: PathBuf },
    /// A value is not what was written.
    #[error("the segment `{}` is damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: &'static str },
}

/// All segments of a log.
#[derive(Debug)]
pub(crate) struct Store {
    directory: PathBuf,
    segment_bytes: u64,
    // Every segment by its first sequence number; one that nobody reads or writes is closed.
    segments: Mutex<BTreeMap<u64, Weak<Segment>>>,
    // The last one, which is written to.
    active: ArcSwap<Segment>,
    head: Mutex<Head>,
}

/// The end of the log, where writing goes on.
#[derive(Debug)]
pub(crate) struct Tail {
    /// The number that the first record after the sealed blocks has or gets.
    pub(crate) next_seq: u64,
    /// The hash before that record.
    pub(crate) hash: Hash,
    /// Up to where the rings are contained in the log, the hot commits included.
    pub(crate) positions: Positions,
    /// Commits after the last sealed block, in order, with the numbers they are stored under.
    pub(crate) hot: Vec<Block>,
}

impl Store {
    /// Opens the store in a directory, or begins one.
    pub(crate) fn open(directory: &Path, segment_bytes: u64) -> Result<Self, StoreError> {
        let head = Head::open(&directory.join("HEAD"))?;
        let mut names = segment_numbers(directory)?;
        let active = loop {
            let Some(&last) = names.last() else {
                break Segment::create(&segment_path(directory, 1), &Origin::first())?;
            };
            match Segment::open(&segment_path(directory, last))? {
                Some(segment) => break segment,
                // The process died while it made this segment; nothing was written to it.
                None => files::remove_directory(&segment_path(directory, last))?,
            }
            names.pop();
        };
        let active = Arc::new(active);
        let mut segments: BTreeMap<u64, Weak<Segment>> = names.into_iter().map(|name| (name, Weak::new())).collect();
        segments.insert(active.origin().first_seq, Arc::downgrade(&active));
        Ok(Self {
            directory: directory.to_owned(),
            segment_bytes,
            segments: Mutex::new(segments),
            active: ArcSwap::new(active),
            head: Mutex::new(head),
        })
    }

    /// The end of the log. Removes hot commits that a sealed block has replaced.
    pub(crate) fn tail(&self) -> Result<Tail, StoreError> {
        let active = self.active.load();
        let damaged = |what| active.damaged(what);
        let origin = active.origin();
        let (mut next_seq, mut hash, mut positions) = (origin.first_seq, origin.before, origin.positions.clone());
        if let Some(first_seq) = active.last_block()? {
            let block = active.block(first_seq)?.ok_or_else(|| damaged("a block is missing"))?;
            let block = Block::decode(&block).map_err(|_| damaged("a block is malformed"))?;
            (next_seq, hash, positions) = (block.header.last_seq() + 1, block.header.end, block.header.positions);
        }
        let (mut end, mut end_hash, mut hot) = (next_seq, hash, Vec::new());
        for (first_seq, bytes) in active.hot_commits()? {
            if first_seq < next_seq {
                active.remove_hot(first_seq)?;
                continue;
            }
            let block = Block::decode(&bytes).map_err(|_| damaged("a commit is malformed"))?;
            if block.header.first_seq != end || block.header.before != end_hash {
                return Err(damaged("its last commits do not follow each other"));
            }
            (end, end_hash) = (block.header.last_seq() + 1, block.header.end);
            positions = block.header.positions.clone();
            hot.push(block);
        }
        Ok(Tail { next_seq, hash, positions, hot })
    }

    /// Stores a commit that a block will replace.
    pub(crate) fn put_hot(&self, first_seq: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.active.load().put_hot(first_seq, bytes)
    }

    /// Stores a block.
    pub(crate) fn put_block(&self, block: &Sealed) -> Result<(), StoreError> {
        self.active.load().put_block(block.first_seq, &block.bytes, &block.summary)
    }

    /// Removes commits that a stored and flushed block has replaced.
    pub(crate) fn remove_hot(&self, first_seqs: &[u64]) -> Result<(), StoreError> {
        let active = self.active.load();
        first_seqs.iter().try_for_each(|&first_seq| active.remove_hot(first_seq))
    }

    /// Hands everything stored so far to the operating system: it survives the death of the process.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.active.load().flush()
    }

    /// Hands everything flushed so far to the disk: it survives power loss. An error must not be tried again: the system may
    /// have dropped the pages that it could not write, and would report success.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.active.load().sync()
    }

    /// Notes the end of the log in `HEAD`; `sync` also hands it to the disk.
    pub(crate) fn anchor(&self, seq: u64, hash: Hash, sync: bool) -> Result<(), StoreError> {
        let segment = self.active.load().origin().first_seq;
        self.head.lock().unwrap_or_else(PoisonError::into_inner).write(Anchor { seq, hash, segment }, sync)
    }

    /// What `HEAD` said when the store was opened, or has been told since.
    pub(crate) fn anchored(&self) -> Option<Anchor> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner).anchor()
    }

    /// Whether the active segment has reached its size.
    pub(crate) fn is_segment_full(&self) -> bool {
        self.active.load().bytes() >= self.segment_bytes
    }

    /// Goes on in a new segment. Everything before must be sealed and flushed.
    pub(crate) fn rotate(&self, origin: &Origin) -> Result<(), StoreError> {
        if origin.first_seq == self.active.load().origin().first_seq {
            // Nothing is in it yet, however small segments are to be.
            return Ok(());
        }
        self.flush()?;
        self.sync()?;
        let segment = Segment::create(&segment_path(&self.directory, origin.first_seq), origin)?;
        let segment = Arc::new(segment);
        self.lock().insert(origin.first_seq, Arc::downgrade(&segment));
        self.active.store(segment);
        Ok(())
    }

    /// The segment that holds this sequence number, or would.
    pub(crate) fn segment_of(&self, seq: u64) -> Result<Option<Arc<Segment>>, StoreError> {
        let mut segments = self.lock();
        let Some((&first_seq, weak)) = segments.range_mut(..=seq).next_back() else {
            return Ok(None);
        };
        if let Some(open) = weak.upgrade() {
            return Ok(Some(open));
        }
        // Under the lock, so that two readers do not open the same files.
        let path = segment_path(&self.directory, first_seq);
        let segment = Segment::open(&path)?
            .ok_or_else(|| StoreError::Damaged { path: path.clone(), what: "it does not say where it begins" })?;
        let segment = Arc::new(segment);
        *weak = Arc::downgrade(&segment);
        Ok(Some(segment))
    }

    /// The first sequence number that is held.
    pub(crate) fn first_seq(&self) -> u64 {
        self.lock().keys().next().copied().unwrap_or(1)
    }

    /// The summary of the first block.
    pub(crate) fn first_summary(&self) -> Result<Option<Summary>, StoreError> {
        let Some(segment) = self.segment_of(self.first_seq())? else {
            return Ok(None);
        };
        Ok(segment.summaries_from(segment.origin().first_seq, 1)?.into_iter().next())
    }

    /// Bytes on disk, all segments together.
    pub(crate) fn bytes(&self) -> u64 {
        let first_seqs: Vec<u64> = self.lock().keys().copied().collect();
        first_seqs.into_iter().map(|first_seq| files::directory_bytes(&segment_path(&self.directory, first_seq))).sum()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Weak<Segment>>> {
        // Whole after every statement.
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn segment_path(directory: &Path, first_seq: u64) -> PathBuf {
    directory.join(format!("seg-{first_seq:020}"))
}

/// The first sequence numbers of the segments in a directory, in order.
fn segment_numbers(directory: &Path) -> Result<Vec<u64>, StoreError> {
    let failed = |source| StoreError::Io { path: directory.to_owned(), source };
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.strip_prefix("seg-")).and_then(|n| n.parse::<u64>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}
