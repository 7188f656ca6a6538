//! One ring: the queue between one producer and the writer, and the crash protection at once, since it lies in a mapped file.
//!
//! The protocol runs over `[AtomicU64]`, wherever these lie (a mapped file in `mapping`, the heap in tests), and needs no unsafe code.
//!
//! ```text
//! words 0..512   head of the file, one page: magic, capacity, label, checksum of these; consumed position; produced position and count;
//!                withdrawn range, and where the log ended before it, with a checksum
//! words 512..    the entries; a position is a byte offset that only grows, its place in the ring is position mod capacity
//!
//! entry          commit word | length u32, crc32 u32 | payload, padded to 16 bytes
//! commit word    position ^ generation
//! ```
//!
//! The commit word is written last, with release ordering: an entry whose producer was killed in mid-copy is not there. It names
//! position and generation, so that bytes of an earlier lap or of an earlier process are never taken for an entry, even if a caller
//! chose them: the generation is random and leaves the process nowhere else. The checksum tells pages that power loss has torn.
//! The consumer advances the consumed position only once the records are in the store, so what is between the two positions can always be
//! read again.

mod mapping;
mod roll;
#[cfg(test)]
mod tests;

pub(crate) use mapping::{Mapping, MappingError};
pub(crate) use roll::Roll;

use super::chain::{End, Hash};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

const MAGIC: u64 = u64::from_be_bytes(*b"SGring\x00\x01");
/// Words before the first entry: one page, so that entries begin on a page.
const HEAD_WORDS: usize = 512;
// Each side writes to a line of its own, so that the two do not slow each other down.
const WORD_MAGIC: usize = 0;
const WORD_CAPACITY: usize = 1;
const WORD_GENERATION: usize = 2;
const WORD_NUMBER: usize = 3;
const WORD_RECORDS: usize = 4;
const WORD_CHECKSUM: usize = 5;
const WORD_CONSUMED: usize = 64;
const WORD_PRODUCED: usize = 128;
const WORD_COUNT: usize = 129;
const WORD_WITHDRAWN_FROM: usize = 192;
const WORD_WITHDRAWN_TO: usize = 193;
// In the sector of the range: power loss keeps both or neither.
const WORD_END_SEQ: usize = 194;
const WORD_END_HASH: usize = 195;
const WORD_END_CHECKSUM: usize = 199;

/// Bytes before an entry's payload.
const ENTRY_HEAD: u64 = 16;
/// The length of an entry that only says: go on at the start of the ring.
const WRAP: u32 = u32::MAX;

/// Bytes that a ring of this capacity takes, head included.
pub(crate) const fn bytes_for(capacity: u64) -> u64 {
    capacity + 8 * HEAD_WORDS as u64
}

const fn entry_bytes(payload: usize) -> u64 {
    ENTRY_HEAD + (payload as u64).next_multiple_of(16)
}

/// Which ring it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Label {
    /// Of the start of the process; random, never zero: with zero the commit word of position 0 would equal fresh memory.
    pub(crate) generation: u64,
    /// Among the rings of the generation.
    pub(crate) number: u64,
    /// The number of the log's last record when the generation began.
    pub(crate) records: u64,
}

impl Label {
    /// Of all that the head says once and for all.
    fn checksum(self, capacity: u64) -> u64 {
        let words = [MAGIC, capacity, self.generation, self.number, self.records];
        u64::from(crc32fast::hash(words.map(u64::to_le_bytes).as_flattened()))
    }
}

/// A ring over some words.
#[derive(Debug)]
pub(crate) struct Ring<M> {
    memory: M,
    // INVARIANT: a power of two, and `memory` has `bytes_for(capacity)` bytes.
    capacity: u64,
    label: Label,
}

impl<M: AsRef<[AtomicU64]>> Ring<M> {
    /// An empty ring. Entries of earlier generations that the memory holds are void from here on.
    pub(crate) fn create(memory: M, capacity: u64, label: Label) -> Option<Self> {
        let ring = Self::checked(memory, capacity, label)?;
        // The magic goes first and comes last: until then there is no ring.
        ring.word(WORD_MAGIC)?.store(0, Ordering::Release);
        ring.word(WORD_CONSUMED)?.store(0, Ordering::Release);
        ring.word(WORD_PRODUCED)?.store(0, Ordering::Release);
        ring.word(WORD_COUNT)?.store(0, Ordering::Release);
        ring.word(WORD_WITHDRAWN_FROM)?.store(0, Ordering::Release);
        ring.word(WORD_WITHDRAWN_TO)?.store(0, Ordering::Release);
        ring.word(WORD_CAPACITY)?.store(capacity, Ordering::Release);
        ring.word(WORD_GENERATION)?.store(label.generation, Ordering::Release);
        ring.word(WORD_NUMBER)?.store(label.number, Ordering::Release);
        ring.word(WORD_RECORDS)?.store(label.records, Ordering::Release);
        ring.word(WORD_CHECKSUM)?.store(label.checksum(capacity), Ordering::Release);
        ring.word(WORD_MAGIC)?.store(MAGIC, Ordering::Release);
        Some(ring)
    }

    /// The ring that the memory holds, left by another process. `None` where there is none.
    pub(crate) fn attach(memory: M) -> Option<Self> {
        let words = memory.as_ref();
        let read = |at: usize| words.get(at).map(|word| word.load(Ordering::Acquire));
        if read(WORD_MAGIC)? != MAGIC {
            return None;
        }
        let capacity = read(WORD_CAPACITY)?;
        let label =
            Label { generation: read(WORD_GENERATION)?, number: read(WORD_NUMBER)?, records: read(WORD_RECORDS)? };
        if read(WORD_CHECKSUM)? != label.checksum(capacity) {
            return None;
        }
        Self::checked(memory, capacity, label)
    }

    fn checked(memory: M, capacity: u64, label: Label) -> Option<Self> {
        let bytes = 8 * memory.as_ref().len() as u64;
        let fits =
            capacity.is_power_of_two() && capacity >= 64 && bytes >= bytes_for(capacity) && label.generation != 0;
        fits.then_some(Self { memory, capacity, label })
    }

    pub(crate) const fn label(&self) -> Label {
        self.label
    }

    pub(crate) const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Up to where the consumer has stored what it read.
    pub(crate) fn consumed(&self) -> u64 {
        self.word(WORD_CONSUMED).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Up to where the producer has published.
    pub(crate) fn produced(&self) -> u64 {
        self.word(WORD_PRODUCED).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// How many entries the producer has published.
    pub(crate) fn count(&self) -> u64 {
        self.word(WORD_COUNT).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Frees what lies before this position. Only the consumer calls it, with positions that it got from [`Consumer::position`].
    pub(crate) fn advance(&self, consumed: u64) {
        if let Some(word) = self.word(WORD_CONSUMED) {
            word.store(consumed, Ordering::Release);
        }
    }

    /// Entries that end after `from` and not after `to` are withdrawn: their callers were told that there is no record of what was decided.
    /// Kept in the file, so that the next start knows it as well. `u64::MAX` stands for: as far as the ring will ever go. `end` is where the
    /// log ended, all rings together: the next start cannot tell from `HEAD`, of which power loss may have kept an earlier state.
    pub(crate) fn withdraw(&self, from: u64, to: u64, end: End) {
        // Whoever dies before the last store has withdrawn nothing yet.
        self.set(WORD_WITHDRAWN_TO, 0);
        self.set(WORD_WITHDRAWN_FROM, from);
        self.set(WORD_END_SEQ, end.seq);
        for (at, word) in (WORD_END_HASH..).zip(end.hash.as_chunks().0) {
            self.set(at, u64::from_le_bytes(*word));
        }
        self.set(WORD_END_CHECKSUM, self.end_checksum(from, end));
        self.set(WORD_WITHDRAWN_TO, to);
    }

    /// What is withdrawn ends here and not where [`Ring::withdraw`] said.
    pub(crate) fn withdraw_up_to(&self, to: u64) {
        self.set(WORD_WITHDRAWN_TO, to);
    }

    /// Where the log ended when something was withdrawn last. `None` where that cannot be read.
    pub(crate) fn end_before_withdrawn(&self) -> Option<End> {
        let read = |at| self.word(at).map(|word| word.load(Ordering::Acquire));
        let mut hash: Hash = [0; 32];
        for (at, word) in (WORD_END_HASH..).zip(hash.as_chunks_mut().0) {
            *word = read(at)?.to_le_bytes();
        }
        let end = End { seq: read(WORD_END_SEQ)?, hash };
        (read(WORD_END_CHECKSUM)? == self.end_checksum(read(WORD_WITHDRAWN_FROM)?, end)).then_some(end)
    }

    /// Of a generation, so that what an earlier one has left does not count.
    fn end_checksum(&self, from: u64, end: End) -> u64 {
        let words = [self.label.generation, from, end.seq];
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(words.map(u64::to_le_bytes).as_flattened());
        hasher.update(&end.hash);
        u64::from(hasher.finalize())
    }

    /// What was withdrawn last: after which position, and up to which.
    pub(crate) fn withdrawn(&self) -> Option<(u64, u64)> {
        let to = self.word(WORD_WITHDRAWN_TO)?.load(Ordering::Acquire);
        let from = self.word(WORD_WITHDRAWN_FROM)?.load(Ordering::Acquire);
        (to > from).then_some((from, to))
    }

    /// Whether the entry that ends at this position is withdrawn.
    pub(crate) fn is_withdrawn(&self, position: u64) -> bool {
        self.withdrawn().is_some_and(|(from, to)| from < position && position <= to)
    }

    /// Whether a payload of this length fits, whatever lies at the ring's end.
    pub(crate) fn fits(&self, payload: usize) -> bool {
        self.free_for(self.produced(), self.consumed(), entry_bytes(payload))
    }

    fn free_for(&self, produced: u64, consumed: u64, need: u64) -> bool {
        let to_end = self.to_end(produced);
        let need = if need <= to_end { need } else { to_end + need };
        produced.wrapping_sub(consumed).saturating_add(need) <= self.capacity
    }

    /// Bytes from a position to the ring's end. Entries never cross it.
    const fn to_end(&self, position: u64) -> u64 {
        self.capacity - (position & (self.capacity - 1))
    }

    const fn commit_word(&self, position: u64) -> u64 {
        position ^ self.label.generation
    }

    fn word(&self, at: usize) -> Option<&AtomicU64> {
        self.memory.as_ref().get(at)
    }

    fn set(&self, at: usize, value: u64) {
        if let Some(word) = self.word(at) {
            word.store(value, Ordering::Release);
        }
    }

    /// The words of the entry at this position, as many as hold `bytes`.
    fn entry(&self, position: u64, bytes: u64) -> Option<&[AtomicU64]> {
        let start = HEAD_WORDS + usize::try_from((position & (self.capacity - 1)) / 8).ok()?;
        self.memory.as_ref().get(start..start + usize::try_from(bytes / 8).ok()?)
    }

    /// The checksum covers position and generation too, so that it fits one place of one lap only.
    fn checksum(&self, position: u64, payload: &[u8]) -> u32 {
        let commit = self.commit_word(position);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
        let mut hasher = crc32fast::Hasher::new_with_initial((commit ^ (commit >> 32)) as u32);
        hasher.update(payload);
        hasher.finalize()
    }
}

impl Ring<Mapping> {
    /// Hands the ring's file to the disk.
    pub(crate) fn sync(&self) -> std::io::Result<()> {
        self.memory.sync()
    }
}

/// The producer's side. There is at most one at a time for a ring.
#[derive(Debug)]
pub(crate) struct Producer<M> {
    ring: Arc<Ring<M>>,
    // INVARIANT: equal to the ring's produced position and count; kept here so that publishing reads no shared line.
    produced: u64,
    count: u64,
    // INVARIANT: at most the ring's consumed position.
    consumed_seen: u64,
}

impl<M: AsRef<[AtomicU64]>> Producer<M> {
    pub(crate) fn new(ring: Arc<Ring<M>>) -> Self {
        let (produced, count, consumed_seen) = (ring.produced(), ring.count(), ring.consumed());
        Self { ring, produced, count, consumed_seen }
    }

    pub(crate) const fn produced(&self) -> u64 {
        self.produced
    }

    /// Whether a payload of this length fits now.
    pub(crate) fn fits(&mut self, payload: usize) -> bool {
        let need = entry_bytes(payload);
        if self.ring.free_for(self.produced, self.consumed_seen, need) {
            return true;
        }
        self.consumed_seen = self.ring.consumed();
        self.ring.free_for(self.produced, self.consumed_seen, need)
    }

    /// Publishes a payload and answers the position after it. `None` where it does not fit.
    pub(crate) fn push(&mut self, payload: &[u8]) -> Option<u64> {
        if !self.fits(payload.len()) {
            return None;
        }
        let need = entry_bytes(payload.len());
        let to_end = self.ring.to_end(self.produced);
        if need > to_end {
            self.write(self.produced, WRAP, 0, &[])?;
            self.produced += to_end;
        }
        let length = u32::try_from(payload.len()).ok()?;
        self.write(self.produced, length, self.ring.checksum(self.produced, payload), payload)?;
        self.produced += need;
        self.count += 1;
        // For whoever asks how much is waiting; the consumer goes by the commit words.
        self.ring.word(WORD_COUNT)?.store(self.count, Ordering::Relaxed);
        self.ring.word(WORD_PRODUCED)?.store(self.produced, Ordering::Release);
        Some(self.produced)
    }

    fn write(&self, position: u64, length: u32, checksum: u32, payload: &[u8]) -> Option<()> {
        let words = self.ring.entry(position, entry_bytes(payload.len()))?;
        let [commit, description, body @ ..] = words else { return None };
        description.store(u64::from(length) | u64::from(checksum) << 32, Ordering::Relaxed);
        let (chunks, rest) = payload.as_chunks::<8>();
        for (word, chunk) in body.iter().zip(chunks) {
            word.store(u64::from_ne_bytes(*chunk), Ordering::Relaxed);
        }
        if let (Some(word), false) = (body.get(chunks.len()), rest.is_empty()) {
            let mut last = [0; 8];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            word.store(u64::from_ne_bytes(last), Ordering::Relaxed);
        }
        // Last, and with release: whoever sees it sees all of the above.
        commit.store(self.ring.commit_word(position), Ordering::Release);
        Some(())
    }
}

/// What the consumer finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// An entry; its payload was put in place of what the buffer held.
    Entry,
    /// Nothing is published here.
    Nothing,
    /// An entry is published here, but its bytes are not those that were written.
    Torn,
}

/// The consumer's side. There is at most one at a time for a ring.
#[derive(Debug)]
pub(crate) struct Consumer<M> {
    ring: Arc<Ring<M>>,
    position: u64,
}

impl<M: AsRef<[AtomicU64]>> Consumer<M> {
    /// Reads on from a position: an earlier result of [`Consumer::position`] or [`Ring::consumed`].
    pub(crate) const fn new(ring: Arc<Ring<M>>, position: u64) -> Self {
        Self { ring, position }
    }

    pub(crate) const fn ring(&self) -> &Arc<Ring<M>> {
        &self.ring
    }

    /// Up to where it has read.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// Whether [`Consumer::next`] would find something.
    pub(crate) fn has_next(&self) -> bool {
        self.ring
            .entry(self.position, ENTRY_HEAD)
            .and_then(|words| words.first())
            .is_some_and(|commit| commit.load(Ordering::Acquire) == self.ring.commit_word(self.position))
    }

    /// Reads the next entry into the buffer and goes past it. After [`Next::Torn`] it stays where it is.
    pub(crate) fn next(&mut self, payload: &mut Vec<u8>) -> Next {
        loop {
            if !self.has_next() {
                return Next::Nothing;
            }
            match self.read(payload) {
                Some(Read::Wrap) => self.position += self.ring.to_end(self.position),
                Some(Read::Entry(bytes)) => {
                    self.position += bytes;
                    return Next::Entry;
                }
                None => return Next::Torn,
            }
        }
    }

    fn read(&self, payload: &mut Vec<u8>) -> Option<Read> {
        let description = self.ring.entry(self.position, ENTRY_HEAD)?.get(1)?.load(Ordering::Relaxed);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
        let (length, checksum) = (description as u32, (description >> 32) as u32);
        if length == WRAP {
            return Some(Read::Wrap);
        }
        let length = usize::try_from(length).ok()?;
        let bytes = entry_bytes(length);
        if bytes > self.ring.to_end(self.position) {
            return None;
        }
        payload.clear();
        for word in self.ring.entry(self.position, bytes)?.get(2..)? {
            payload.extend_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        payload.truncate(length);
        (self.ring.checksum(self.position, payload) == checksum).then_some(Read::Entry(bytes))
    }
}

enum Read {
    Wrap,
    Entry(u64),
}
