//! Queries over a log that runs, or over one whose process has stopped.
//!
//! A reader sees the log up to the record that was durable when it began, and never waits for the writer. Where a record lies changes
//! under it only one way: a block replaces hot commits, and is stored before these are removed. So it looks for a
//! commit first and for a block then, and finds the record in one of the two.

mod source;

use super::{
    OpenError, Record,
    block::Block,
    events,
    open::{self, DirectoryLock},
    query::{Order, Query},
    record::Malformed,
    shared::Durable,
    store::{Keeping, Store, StoreError, Stretch, segment_path},
};
use crate::{config::Hold, lifecycle::Clock, model::Timestamp, telemetry::events::Chain};
use source::Source;
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Reads a log. Cheap to clone. Blocks its thread while it reads.
#[derive(Debug, Clone)]
pub struct Reader {
    store: Arc<Store>,
    durable: Arc<Durable>,
    // While a reader lives, no other process writes.
    _lock: Arc<DirectoryLock>,
}

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The store's files.
    #[error("the audit log cannot be read: {why}")]
    Store {
        /// What happened.
        why: String,
    },
    /// A record, or all from it on, cannot be read.
    #[error(
        "record {seq} cannot be read: the segment `{}` of the audit log is damaged; run `sidegate audit verify`, which says what is wrong",
        path.display()
    )]
    Damaged {
        /// Its number.
        seq: u64,
        /// The directory of its segment.
        path: PathBuf,
    },
    /// A segment cannot be read.
    #[error("the segment `{}` of the audit log is damaged; run `sidegate audit verify`, which says what is wrong", path.display())]
    Segment {
        /// Its directory.
        path: PathBuf,
    },
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        let is_damage = error.is_damage();
        match error {
            StoreError::Segment { path, .. } | StoreError::Panicked { path } | StoreError::Damaged { path, .. }
                if is_damage =>
            {
                Self::Segment { path }
            }
            error => Self::Store { why: Chain(&error).to_string() },
        }
    }
}

impl Reader {
    pub(crate) const fn new(store: Arc<Store>, durable: Arc<Durable>, lock: Arc<DirectoryLock>) -> Self {
        Self { store, durable, _lock: lock }
    }

    /// Opens the log of an instance that has stopped, whichever way it did: what its rings still hold is stored first.
    pub fn open(data: &Path) -> Result<Self, OpenError> {
        let lock = Arc::new(DirectoryLock::existing(data)?);
        // A reader closes no segment.
        let (segment_bytes, segment_age) = (u64::MAX, Duration::MAX);
        let hold = Hold::Nothing;
        let keeping = Keeping { segment_bytes, segment_age, signer: None, hold, clock: Clock::system() };
        let opened = open::open(&lock, keeping)?;
        events::opened(&lock.audit, opened.writer.end().seq, &opened.recovery);
        let durable = Arc::new(Durable::default());
        durable.set(opened.writer.end().seq);
        Ok(Self::new(opened.store, durable, lock))
    }

    /// Bytes on disk of the whole log.
    pub(super) fn store_bytes(&self) -> u64 {
        self.store.bytes()
    }

    /// The time of the oldest record held.
    pub fn oldest(&self) -> Option<Timestamp> {
        let mut oldest = None;
        if let Ok(Some(summary)) = self.store.first_summary() {
            return Some(summary.min_time);
        }
        let query = Query::all(Order::Ascending);
        let look = self.for_each(&query, |record| {
            oldest = Some(record.time);
            ControlFlow::Break(())
        });
        look.ok().and(oldest)
    }

    /// The number of the last record that can be read.
    pub fn last_seq(&self) -> u64 {
        self.durable.get()
    }

    /// The time of the last record up to this number. What cannot be read says nothing.
    pub(super) fn newest(&self, seq: u64) -> Option<Timestamp> {
        let mut query = Query::all(Order::Descending);
        query.cursor = Some(seq.checked_add(1)?);
        let mut newest = None;
        let looked = self.for_each(&query, |record| {
            newest = Some(record.time);
            ControlFlow::Break(())
        });
        looked.ok().and(newest)
    }

    /// Calls `visit` with each record that the query asks for, in its order, until it breaks off. Follows the query's cursor;
    /// its limit is the caller's business.
    pub fn for_each(
        &self,
        query: &Query,
        mut visit: impl FnMut(&Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let (first, last) = (self.store.first_seq(), self.durable.get());
        let range = match (query.order, query.cursor) {
            (_, None) => first..=last,
            (Order::Ascending, Some(cursor)) => first.max(cursor.saturating_add(1))..=last,
            (Order::Descending, Some(cursor)) => first..=last.min(cursor.saturating_sub(1)),
        };
        if range.is_empty() {
            return Ok(());
        }
        let (first, last) = (*range.start(), *range.end());
        let mut scan = Scan { store: &self.store, query, first, last };
        let done = match query.order {
            Order::Ascending => scan.up(&mut visit),
            Order::Descending => scan.down(&mut visit),
        };
        match done {
            Ok(()) | Err(Stop::Enough | Stop::Removed) => Ok(()),
            Err(Stop::Failed(error)) => Err(error),
        }
    }
}

/// Why a scan ends early.
enum Stop {
    Enough,
    /// Retention has removed the segment just now: it has nothing more to say, and the next one may.
    Removed,
    Failed(ReadError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

type Visit<'v> = dyn FnMut(&Record<'_>) -> ControlFlow<()> + 'v;

/// One pass over the records from `first` to `last`.
struct Scan<'s> {
    store: &'s Store,
    query: &'s Query,
    first: u64,
    last: u64,
}

impl Scan<'_> {
    fn up(&mut self, visit: &mut Visit<'_>) -> Result<(), Stop> {
        let mut next = self.first;
        while next <= self.last {
            // What lies in none is missing, or was removed meanwhile.
            let Some(stretch) = self.store.catalog().at_or_after(next) else { return Ok(()) };
            next = next.max(stretch.first_seq);
            let last = self.last.min(stretch.last_seq);
            if next <= last && self.may_match(&stretch) {
                self.segment_up(&mut Source::new(self.store, stretch.clone()), next, last, visit)
                    .or_else(unless_removed)?;
            }
            let Some(after) = stretch.last_seq.checked_add(1) else { return Ok(()) };
            next = after;
        }
        Ok(())
    }

    fn segment_up(&self, source: &mut Source<'_>, first: u64, last: u64, visit: &mut Visit<'_>) -> Result<(), Stop> {
        let sieve = self.query.sieve();
        let mut next = first;
        while next <= last {
            // A commit first: if a block replaces it now, the block is found below.
            if let Some(block) = source.commit_with(next)? {
                self.visit_up(&block, next, last, visit)?;
                next = block.header.last_seq() + 1;
                continue;
            }
            let begun_at = next;
            for summary in source.summaries_from(next)? {
                if next > last || summary.first_seq > next {
                    break;
                }
                if sieve.passes(&summary) {
                    self.visit_up(&source.block(summary.first_seq)?, next, last, visit)?;
                }
                next = summary.last_seq() + 1;
            }
            if next == begun_at {
                return Err(self.damaged(next));
            }
        }
        Ok(())
    }

    fn down(&mut self, visit: &mut Visit<'_>) -> Result<(), Stop> {
        let mut next = self.last;
        while next >= self.first {
            let Some(stretch) = self.store.catalog().at_or_before(next) else { return Ok(()) };
            next = next.min(stretch.last_seq);
            let first = self.first.max(stretch.first_seq);
            if next >= first && self.may_match(&stretch) {
                self.segment_down(&mut Source::new(self.store, stretch.clone()), first, next, visit)
                    .or_else(unless_removed)?;
            }
            // Numbers begin with one.
            next = stretch.first_seq - 1;
        }
        Ok(())
    }

    fn segment_down(&self, source: &mut Source<'_>, first: u64, last: u64, visit: &mut Visit<'_>) -> Result<(), Stop> {
        let sieve = self.query.sieve();
        let mut next = last;
        while next >= first {
            if let Some(block) = source.commit_with(next)? {
                self.visit_down(&block, first, next, visit)?;
                next = block.header.first_seq - 1;
                continue;
            }
            let begun_at = next;
            for summary in source.summaries_back_from(next)? {
                if next < first || summary.last_seq() < next {
                    break;
                }
                if sieve.passes(&summary) {
                    self.visit_down(&source.block(summary.first_seq)?, first, next, visit)?;
                }
                next = summary.first_seq - 1;
            }
            if next == begun_at {
                return Err(self.damaged(next));
            }
        }
        Ok(())
    }

    fn damaged(&self, seq: u64) -> Stop {
        let first_seq = self.store.catalog().at_or_before(seq).map_or(seq, |stretch| stretch.first_seq);
        damaged(self.store, first_seq, seq)
    }

    /// Whether a segment may hold what is looked for, as far as its manifest says.
    fn may_match(&self, stretch: &Stretch) -> bool {
        stretch
            .manifest
            .as_ref()
            .is_none_or(|manifest| self.query.overlaps(manifest.says.min_time, manifest.says.max_time))
    }

    fn visit_up(&self, block: &Block, from: u64, to: u64, visit: &mut Visit<'_>) -> Result<(), Stop> {
        for (seq, record) in (block.header.first_seq..).zip(block.records()) {
            if seq >= from && seq <= to {
                self.visit(seq, &record, visit)?;
            }
        }
        Ok(())
    }

    fn visit_down(&self, block: &Block, to: u64, from: u64, visit: &mut Visit<'_>) -> Result<(), Stop> {
        let bytes: Vec<&[u8]> = block.bytes().collect();
        for (seq, bytes) in (block.header.first_seq..=block.header.last_seq()).rev().zip(bytes.into_iter().rev()) {
            if seq <= from && seq >= to {
                self.visit(seq, &Record::decode(seq, bytes), visit)?;
            }
        }
        Ok(())
    }

    fn visit(&self, seq: u64, record: &Result<Record<'_>, Malformed>, visit: &mut Visit<'_>) -> Result<(), Stop> {
        let Ok(record) = record else {
            return Err(self.damaged(seq));
        };
        if self.query.matches(record) && visit(record).is_break() {
            return Err(Stop::Enough);
        }
        Ok(())
    }
}

/// A record of the segment that begins with `first_seq` cannot be read.
fn damaged(store: &Store, first_seq: u64, seq: u64) -> Stop {
    Stop::Failed(ReadError::Damaged { seq, path: segment_path(store.directory(), first_seq) })
}

/// A segment that is gone ends its own part of the scan only.
fn unless_removed(stop: Stop) -> Result<(), Stop> {
    if matches!(stop, Stop::Removed) { Ok(()) } else { Err(stop) }
}
