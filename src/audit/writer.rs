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

pub(crate) use run::run;

use super::{
    block::{Builder, Packer, Positions, Sealed},
    chain::Hash,
    ring::{Consumer, Next, Ring},
    store::{Origin, PART_BYTES, Store, StoreError, Tail},
};
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
    fn anchor(&self, seq: u64, hash: Hash, sync: bool) -> Result<(), StoreError>;
    fn is_segment_full(&self) -> bool;
    fn rotate(&self, origin: &Origin) -> Result<(), StoreError>;
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

/// The end of the log and the rings that flow into it.
#[derive(Debug)]
pub(crate) struct Writer<S, M> {
    storage: Arc<S>,
    builder: Builder,
    packer: Packer,
    inlets: Vec<Inlet<M>>,
    // Up to where the rings are contained in the builder, and in the store.
    taken: Positions,
    stored: Positions,
    stored_end: End,
    // Commits in the store that the builder's block will replace, and those that a stored block has replaced.
    hot: Vec<u64>,
    replaced: Vec<u64>,
    unflushed: bool,
    scratch: Vec<u8>,
}

/// A ring as the writer sees it.
#[derive(Debug)]
struct Inlet<M> {
    number: usize,
    consumer: Consumer<M>,
    // Records taken, and how many of these are stored.
    taken: u64,
    stored: u64,
}

/// The last record, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) seq: u64,
    pub(crate) hash: Hash,
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
            stored: tail.positions,
            stored_end,
            hot,
            replaced: Vec::new(),
            unflushed: false,
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
        self.taken = positions;
    }

    /// Reads one more ring, from where it is contained in the log.
    pub(crate) fn attach(&mut self, number: usize, ring: Arc<Ring<M>>) {
        let position = self.taken.of(number);
        self.taken.set(number, position);
        self.stored.set(number, position);
        self.inlets.push(Inlet { number, consumer: Consumer::new(ring, position), taken: 0, stored: 0 });
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
        self.storage.anchor(self.stored_end.seq, self.stored_end.hash, false)?;
        self.unflushed = false;
        Ok(true)
    }

    /// How many records of each ring are stored, in the order in which the rings were attached.
    pub(crate) fn stored_counts(&self) -> impl Iterator<Item = u64> {
        self.inlets.iter().map(|inlet| inlet.stored)
    }

    /// Hands `HEAD` to the disk.
    pub(crate) fn anchor(&self) -> Result<(), WriteError> {
        Ok(self.storage.anchor(self.stored_end.seq, self.stored_end.hash, true)?)
    }

    /// Hands all that is stored to the disk, `HEAD` last.
    pub(crate) fn sync_all(&mut self) -> Result<(), WriteError> {
        self.commit(true)?;
        self.storage.flush()?;
        self.storage.sync()?;
        self.anchor()
    }

    /// Goes on in a new segment where the present one is full. To be called after [`Writer::commit`]; `true` where it has
    /// committed once more.
    pub(crate) fn rotate_if_full(&mut self, sync: bool) -> Result<bool, WriteError> {
        if !self.storage.is_segment_full() {
            return Ok(false);
        }
        // A segment ends with a block.
        let mut committed = false;
        if !self.builder.is_empty() {
            self.seal()?;
            committed = self.commit(sync)?;
        }
        let first_seq = self.builder.next_seq();
        let origin = Origin { first_seq, before: self.builder.hash(), positions: self.taken.clone() };
        self.storage.rotate(&origin)?;
        Ok(committed)
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
    fn anchor(&self, seq: u64, hash: Hash, sync: bool) -> Result<(), StoreError> {
        Self::anchor(self, seq, hash, sync)
    }
    fn is_segment_full(&self) -> bool {
        Self::is_segment_full(self)
    }
    fn rotate(&self, origin: &Origin) -> Result<(), StoreError> {
        Self::rotate(self, origin)
    }
}
