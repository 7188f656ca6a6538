//! The block that is being filled.

use super::{Block, Codec, MAX_RAW, MAX_RECORDS, Positions, Records, Summary, VERSION};
use crate::{
    audit::{
        chain::{self, Hash},
        record::{Malformed, Record, time_of},
    },
    model::Timestamp,
};

/// Collects records, numbers and chains them. What it holds is the end of the log; a first part of it may be in the store
/// already, as hot commits.
#[derive(Debug)]
pub(crate) struct Builder {
    // Where the block begins, where the part begins that is not stored yet, and where the next record goes.
    start: Mark,
    stored: Mark,
    end: Mark,
    raw: Vec<u8>,
}

/// A place between two records.
#[derive(Debug, Clone, Copy)]
struct Mark {
    // The number of the record after it.
    seq: u64,
    // The hash of the record before it.
    hash: Hash,
    // Its place in `raw`.
    at: usize,
}

impl Builder {
    /// The next record gets this number and is chained to this hash.
    pub(crate) fn new(next_seq: u64, hash: Hash) -> Self {
        let mark = Mark { seq: next_seq, hash, at: 0 };
        Self { start: mark, stored: mark, end: mark, raw: Vec::with_capacity(MAX_RAW + 4096) }
    }

    /// The number that the next record gets.
    pub(crate) const fn next_seq(&self) -> u64 {
        self.end.seq
    }

    /// The hash of the last record.
    pub(crate) const fn hash(&self) -> Hash {
        self.end.hash
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.start.seq == self.end.seq
    }

    /// Whether nothing waits to be stored.
    pub(crate) const fn is_stored(&self) -> bool {
        self.stored.seq == self.end.seq
    }

    /// How many bytes of records wait to be stored.
    pub(crate) const fn unstored_bytes(&self) -> usize {
        self.end.at - self.stored.at
    }

    /// Whether a record of this length has a place in this block.
    pub(crate) const fn takes(&self, length: usize) -> bool {
        self.is_empty()
            || (self.end.seq - self.start.seq < MAX_RECORDS as u64 && self.raw.len() + length + 2 <= MAX_RAW)
    }

    /// Adds a record.
    pub(crate) fn push(&mut self, record: &[u8]) {
        // INVARIANT: no record is longer than `MAX_RECORD`, which two bytes can tell.
        self.raw.extend_from_slice(&u16::try_from(record.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.raw.extend_from_slice(record);
        let hash = chain::link(&self.end.hash, self.end.seq, record);
        self.end = Mark { seq: self.end.seq + 1, hash, at: self.raw.len() };
    }

    /// Adds the records of a hot commit that is in the store already.
    pub(crate) fn resume(&mut self, hot: &Block) {
        hot.bytes().for_each(|record| self.push(record));
        self.stored = self.end;
    }

    /// What waits to be stored, as a hot commit: its first number and its bytes.
    pub(crate) fn hot(&mut self, positions: &Positions) -> (u64, Vec<u8>) {
        let from = self.stored;
        let raw = self.raw.get(from.at..).unwrap_or_default();
        let bytes = encode(from, self.end, raw, Codec::Raw, raw, positions);
        self.stored = self.end;
        (from.seq, bytes)
    }

    /// The whole block with its summary; the builder goes on with an empty one.
    pub(crate) fn seal(&mut self, packer: &mut Packer, positions: &Positions) -> Result<Sealed, Malformed> {
        let (codec, stored) = packer.pack(&self.raw);
        let bytes = encode(self.start, self.end, &self.raw, codec, stored, positions);
        let mut summary = Summary::new(self.start.seq);
        for (seq, record) in (self.start.seq..).zip(Records::new(&self.raw)) {
            summary.add(&Record::decode(seq, record)?);
        }
        let first_seq = self.start.seq;
        let mark = Mark { at: 0, ..self.end };
        (self.start, self.stored, self.end) = (mark, mark, mark);
        self.raw.clear();
        Ok(Sealed { first_seq, bytes, summary: summary.encode() })
    }
}

/// A block ready for the store.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) first_seq: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) summary: Vec<u8>,
}

/// The compressor, kept from block to block.
pub(crate) struct Packer {
    // `None` where it could not be made; blocks are stored raw then.
    compressor: Option<zstd::bulk::Compressor<'static>>,
    packed: Vec<u8>,
}

impl Packer {
    pub(crate) fn new() -> Self {
        Self { compressor: zstd::bulk::Compressor::new(1).ok(), packed: Vec::new() }
    }

    fn pack<'s>(&'s mut self, raw: &'s [u8]) -> (Codec, &'s [u8]) {
        self.packed.clear();
        self.packed.reserve(zstd::zstd_safe::compress_bound(raw.len()));
        let compressor = self.compressor.as_mut();
        match compressor.map(|compressor| compressor.compress_to_buffer(raw, &mut self.packed)) {
            Some(Ok(packed)) if packed < raw.len() => (Codec::Zstd, &self.packed),
            _ => (Codec::Raw, raw),
        }
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").finish_non_exhaustive()
    }
}

fn encode(from: Mark, to: Mark, raw: &[u8], codec: Codec, stored: &[u8], positions: &Positions) -> Vec<u8> {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes();
    let (min_time, max_time) = times(raw);
    let rings = positions.by_ring.get(..usize::from(u16::MAX)).unwrap_or(&positions.by_ring);
    let mut out = Vec::with_capacity(128 + 8 * rings.len() + stored.len());
    out.extend_from_slice(&[VERSION, u8::from(codec == Codec::Zstd)]);
    out.extend_from_slice(&u16::try_from(rings.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(&number(raw.len()));
    out.extend_from_slice(&from.seq.to_le_bytes());
    out.extend_from_slice(&u32::try_from(to.seq - from.seq).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&min_time.as_micros().to_le_bytes());
    out.extend_from_slice(&max_time.as_micros().to_le_bytes());
    out.extend_from_slice(&number(stored.len()));
    out.extend_from_slice(&from.hash);
    out.extend_from_slice(&to.hash);
    out.extend_from_slice(&positions.generation.to_le_bytes());
    for position in rings {
        out.extend_from_slice(&position.to_le_bytes());
    }
    out.extend_from_slice(stored);
    out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
    out
}

fn times(raw: &[u8]) -> (Timestamp, Timestamp) {
    let times = || Records::new(raw).filter_map(time_of);
    let zero = Timestamp::from_micros(0);
    (times().min().unwrap_or(zero), times().max().unwrap_or(zero))
}
