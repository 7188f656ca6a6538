//! The writer: takes the rings' records, numbers and chains them, and stores them in group commits.
//!
//! One thread, so that numbers and hashes need no lock. [`Writer`] is the work itself, with nothing of threads in it; [`run()`] is
//! the thread. Its processor time is taken from the deciders, so it works in large steps: in `durable` it sleeps until a
//! ring has filled up by a part or a moment has passed, and stores full blocks; what is left at the end of a step is stored as a
//! hot commit only when it has waited for that moment. In `synced` every step stores everything, and what
//! arrives meanwhile is the next step: the batches size themselves.

mod run;
#[cfg(test)]
mod tests;
mod withdraw;

pub(crate) use run::run;

use super::{
    Entry,
    block::{Builder, Packer, Positions, Sealed},
    chain::End,
    record::{Marks, encode},
    ring::{Consumer, Next, Ring},
    store::{Origin, PART_BYTES, Store, StoreError, Tail},
};
use crate::model::Timestamp;
use std::sync::{Arc, atomic::AtomicU64};

/// Records taken in one step, all rings together: bounds what sled holds unflushed.
pub(crate) const STEP: usize = 4096;
/// Bytes of a hot commit beside its records and positions.
const HOT_HEAD: usize = 160;

/// What the writer asks of a store; [`Store`] says what each means.
pub(crate) trait Storage {
    fn put_hot(&self, first_seq: u64, bytes: &[u8]) -> Result<(), StoreError>;
    fn put_block(&self, block: &Sealed) -> Result<(), StoreError>;
    fn remove_hot(&self, first_seqs: &[u64]) -> Result<(), StoreError>;
    fn flush(&self) -> Result<(), StoreError>;
    fn sync(&self) -> Result<(), StoreError>;
    fn anchor(&self, end: End, sync: bool) -> Result<(), StoreError>;
    fn is_segment_due(&self) -> bool;
    fn rotate(&self, end: End, origin: &Origin) -> Result<bool, StoreError>;
    fn replace(&self, end: End, origin: &Origin) -> Result<(), StoreError>;
    fn now(&self) -> Timestamp;
}

/// Why the writer cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Published bytes are not those that were written: something else writes to the ring.
    #[error("ring {number} is damaged at {position}")]
    Ring { number: usize, position: u64 },
    /// A record that cannot be read back.
    #[error("a record in a ring is malformed")]
    Record,
}

impl WriteError {
    /// Whether a new segment may help.
    pub(crate) const fn is_of_the_store(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}

/// The end of the log and the rings that flow into it.
#[derive(Debug)]
pub(crate) struct Writer<S, M> {
    storage: Arc<S>,
    builder: Builder,
    packer: Packer,
    inlets: Vec<Inlet<M>>,
    // Up to where the rings are contained in the builder, in the store, and in what was made durable.
    taken: Positions,
    stored: Positions,
    stored_end: End,
    committed: Positions,
    committed_end: End,
    // Commits in the store that the builder's block will replace, and those that a stored block has replaced.
    hot: Vec<u64>,
    replaced: Vec<u64>,
    unflushed: bool,
    // This process has handed `HEAD` to the disk.
    anchored: bool,
    scratch: Vec<u8>,
}

/// A ring as the writer sees it.
#[derive(Debug)]
struct Inlet<M> {
    number: usize,
    consumer: Consumer<M>,
    // Records taken, and how many of these are stored, and made durable.
    taken: u64,
    stored: u64,
    committed: u64,
}

impl<S: Storage, M: AsRef<[AtomicU64]>> Writer<S, M> {
    /// Goes on at the end of a log.
    pub(crate) fn new(storage: Arc<S>, tail: Tail) -> Self {
        let mut builder = Builder::new(tail.next_seq, tail.hash);
        let hot = tail.hot.iter().map(|block| block.header.first_seq).collect();
        tail.hot.iter().for_each(|block| builder.resume(block));
        let stored_end = End { seq: builder.next_seq() - 1, hash: builder.hash() };
        Self {
            storage,
            builder,
            packer: Packer::new(),
            inlets: Vec::new(),
            taken: tail.positions.clone(),
            stored: tail.positions.clone(),
            stored_end,
            committed: tail.positions,
            committed_end: stored_end,
            hot,
            replaced: Vec::new(),
            unflushed: false,
            anchored: false,
            scratch: Vec::new(),
        }
    }

    /// The last record that is stored.
    pub(crate) const fn end(&self) -> End {
        self.stored_end
    }

    /// Up to where the rings are contained in what is stored.
    pub(crate) const fn stored(&self) -> &Positions {
        &self.stored
    }

    /// From here on the rings of this generation are read, from these positions on.
    pub(crate) fn begin(&mut self, positions: Positions) {
        self.inlets.clear();
        self.stored.clone_from(&positions);
        self.committed.clone_from(&positions);
        self.taken = positions;
    }

    /// Reads one more ring, from where it is contained in the log.
    pub(crate) fn attach(&mut self, number: usize, ring: Arc<Ring<M>>) {
        let position = self.taken.of(number);
        self.taken.set(number, position);
        self.stored.set(number, position);
        self.committed.set(number, position);
        let consumer = Consumer::new(ring, position);
        self.inlets.push(Inlet { number, consumer, taken: 0, stored: 0, committed: 0 });
    }

    /// No ring is read any more.
    pub(crate) fn detach(&mut self) {
        self.inlets.clear();
    }

    /// Up to where a ring was read; rings by the order in which they were attached.
    pub(crate) fn taken(&self, index: usize) -> u64 {
        self.inlets.get(index).map_or(0, |inlet| inlet.consumer.position())
    }

    /// Reads a ring on from a later position.
    pub(crate) fn skip_to(&mut self, index: usize, position: u64) {
        if let Some(inlet) = self.inlets.get_mut(index) {
            inlet.consumer = Consumer::new(Arc::clone(inlet.consumer.ring()), position);
        }
    }

    /// How many rings are read.
    pub(crate) fn attached(&self) -> usize {
        self.inlets.len()
    }

    /// Whether a ring holds something that was not taken.
    pub(crate) fn has_work(&self) -> bool {
        self.inlets.iter().any(|inlet| inlet.consumer.has_next())
    }

    /// Takes what the rings hold, at most [`STEP`] records, and stores the blocks that are full. Answers how many were taken.
    pub(crate) fn take(&mut self) -> Result<usize, WriteError> {
        let share = STEP / self.inlets.len().max(1);
        let mut taken = 0;
        for index in 0..self.inlets.len() {
            for _ in 0..share {
                if !self.take_from(index)? {
                    break;
                }
                taken += 1;
            }
        }
        Ok(taken)
    }

    /// Takes one record of a ring. `false` where there is none.
    pub(crate) fn take_from(&mut self, index: usize) -> Result<bool, WriteError> {
        let Some(inlet) = self.inlets.get_mut(index) else { return Ok(false) };
        let number = inlet.number;
        match inlet.consumer.next(&mut self.scratch) {
            Next::Nothing => return Ok(false),
            Next::Torn => return Err(WriteError::Ring { number, position: inlet.consumer.position() }),
            Next::Entry => {}
        }
        let position = inlet.consumer.position();
        if inlet.consumer.ring().is_withdrawn(position) {
            withdraw::rewrite(&mut self.scratch);
        }
        if !self.builder.takes(self.scratch.len()) {
            self.seal()?;
        }
        self.builder.push(&self.scratch);
        // After the push: a block that was sealed just now does not hold this record.
        self.taken.set(number, position);
        if let Some(inlet) = self.inlets.get_mut(index) {
            inlet.taken += 1;
        }
        Ok(true)
    }

    /// Adds a record of the log's own, which comes through no ring.
    pub(crate) fn add(&mut self, entry: &Entry<'_>) -> Result<(), WriteError> {
        let mut scratch = Vec::new();
        let bytes = encode(entry, Marks::default(), &mut scratch);
        if !self.builder.takes(bytes.len()) {
            self.seal()?;
        }
        self.builder.push(bytes);
        Ok(())
    }

    /// Stores what was taken and is in no block yet: as a hot commit where it fits into one value, else as a block.
    pub(crate) fn store_rest(&mut self) -> Result<(), WriteError> {
        if self.builder.is_stored() {
            return Ok(());
        }
        if self.builder.unstored_bytes() + HOT_HEAD + 8 * self.taken.by_ring.len() > PART_BYTES {
            return self.seal();
        }
        let (first_seq, bytes) = self.builder.hot(&self.taken);
        self.storage.put_hot(first_seq, &bytes)?;
        self.hot.push(first_seq);
        self.note_stored();
        Ok(())
    }

    /// Makes what was stored durable. `true` where there was something.
    pub(crate) fn commit(&mut self, sync: bool) -> Result<bool, WriteError> {
        if !self.unflushed {
            return Ok(false);
        }
        self.storage.flush()?;
        if sync {
            self.storage.sync()?;
        }
        // Only now: until it was flushed, the block might have been lost, and these not.
        self.storage.remove_hot(&self.replaced)?;
        self.replaced.clear();
        // The first note reaches the disk before anybody is told of a record: from then on a `HEAD` that says nothing is a lost one. The
        // first of each process: the one before may have died before its own was there.
        self.storage.anchor(self.stored_end, sync && !self.anchored)?;
        self.anchored |= sync;
        self.unflushed = false;
        self.committed.clone_from(&self.stored);
        self.committed_end = self.stored_end;
        for inlet in &mut self.inlets {
            inlet.committed = inlet.stored;
        }
        Ok(true)
    }

    /// How many records of each ring are stored, in the order in which the rings were attached.
    pub(crate) fn stored_counts(&self) -> impl Iterator<Item = u64> {
        self.inlets.iter().map(|inlet| inlet.stored)
    }

    /// Hands `HEAD` to the disk.
    pub(crate) fn anchor(&self) -> Result<(), WriteError> {
        Ok(self.storage.anchor(self.stored_end, true)?)
    }

    /// Hands all that is stored to the disk, `HEAD` last.
    pub(crate) fn sync_all(&mut self) -> Result<(), WriteError> {
        self.commit(true)?;
        self.storage.flush()?;
        self.storage.sync()?;
        self.anchor()
    }

    /// Goes on in a new segment where the present one is full or old. To be called after [`Writer::commit`]; what it commits
    /// itself is on the disk. `true` where another segment has begun.
    pub(crate) fn rotate_if_due(&mut self) -> Result<bool, WriteError> {
        if !self.storage.is_segment_due() {
            return Ok(false);
        }
        self.close_block()?;
        let origin = self.origin();
        Ok(self.storage.rotate(self.stored_end, &origin)?)
    }

    /// Goes on in a new segment with a later number: those in between are lost.
    pub(crate) fn leap(&mut self, to: End) -> Result<(), WriteError> {
        self.close_block()?;
        let end = self.stored_end;
        let origin = Origin { first_seq: to.seq + 1, before: to.hash, ..self.origin() };
        self.storage.rotate(end, &origin)?;
        self.go_on_after(to);
        Ok(())
    }

    /// Goes on in a new segment after the store has failed: after the last record that was made durable. What the rings have published
    /// since is read again.
    pub(crate) fn recover(&mut self) -> Result<(), WriteError> {
        let end = self.committed_end;
        let positions = self.committed.clone();
        let origin = Origin { first_seq: end.seq + 1, before: end.hash, created: self.storage.now(), positions };
        self.storage.replace(end, &origin)?;
        self.go_on_after(end);
        self.taken.clone_from(&self.committed);
        self.stored.clone_from(&self.committed);
        for inlet in &mut self.inlets {
            inlet.consumer = Consumer::new(Arc::clone(inlet.consumer.ring()), self.committed.of(inlet.number));
            (inlet.taken, inlet.stored) = (inlet.committed, inlet.committed);
        }
        Ok(())
    }

    /// Takes the log back to an earlier record: what comes after it was withdrawn, and is read from the rings again, from these
    /// positions on.
    pub(crate) fn cut(&mut self, end: End, positions: &[(usize, u64)]) -> Result<(), WriteError> {
        self.committed_end = end;
        for &(number, position) in positions {
            self.committed.set(number, position);
        }
        self.recover()
    }

    /// Up to where the rings are contained in what was made durable.
    pub(crate) const fn committed(&self) -> &Positions {
        &self.committed
    }

    /// The last record that was made durable.
    pub(crate) const fn committed_end(&self) -> End {
        self.committed_end
    }

    fn go_on_after(&mut self, end: End) {
        self.builder = Builder::new(end.seq + 1, end.hash);
        // It may have panicked in the middle of a block.
        self.packer = Packer::new();
        self.hot.clear();
        self.replaced.clear();
        self.unflushed = false;
        (self.stored_end, self.committed_end) = (end, end);
    }

    /// A segment ends with a block.
    fn close_block(&mut self) -> Result<(), WriteError> {
        if !self.builder.is_empty() {
            self.seal()?;
            self.commit(true)?;
        }
        Ok(())
    }

    fn origin(&self) -> Origin {
        Origin {
            first_seq: self.builder.next_seq(),
            before: self.builder.hash(),
            created: self.storage.now(),
            positions: self.taken.clone(),
        }
    }

    fn seal(&mut self) -> Result<(), WriteError> {
        let sealed = self.builder.seal(&mut self.packer, &self.taken).map_err(|_| WriteError::Record)?;
        self.storage.put_block(&sealed)?;
        self.replaced.append(&mut self.hot);
        self.note_stored();
        Ok(())
    }

    fn note_stored(&mut self) {
        self.stored.clone_from(&self.taken);
        self.inlets.iter_mut().for_each(|inlet| inlet.stored = inlet.taken);
        self.stored_end = End { seq: self.builder.next_seq() - 1, hash: self.builder.hash() };
        self.unflushed = true;
    }
}

impl Storage for Store {
    fn put_hot(&self, first_seq: u64, bytes: &[u8]) -> Result<(), StoreError> {
        Self::put_hot(self, first_seq, bytes)
    }
    fn put_block(&self, block: &Sealed) -> Result<(), StoreError> {
        Self::put_block(self, block)
    }
    fn remove_hot(&self, first_seqs: &[u64]) -> Result<(), StoreError> {
        Self::remove_hot(self, first_seqs)
    }
    fn flush(&self) -> Result<(), StoreError> {
        Self::flush(self)
    }
    fn sync(&self) -> Result<(), StoreError> {
        Self::sync(self)
    }
    fn anchor(&self, end: End, sync: bool) -> Result<(), StoreError> {
        Self::anchor(self, end, sync)
    }
    fn is_segment_due(&self) -> bool {
        Self::is_segment_due(self)
    }
    fn rotate(&self, end: End, origin: &Origin) -> Result<bool, StoreError> {
        Self::rotate(self, end, origin)
    }
    fn replace(&self, end: End, origin: &Origin) -> Result<(), StoreError> {
        Self::replace(self, end, origin)
    }
    fn now(&self) -> Timestamp {
        Self::now(self)
    }
}
