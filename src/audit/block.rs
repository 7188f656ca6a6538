//! Blocks: runs of records as the store holds them, compressed, checked and linked.
//!
//! ```text
//! u8  version (1)         u64 first sequence number      [32] hash before the first record
//! u8  codec: 0 raw,       u32 number of records          [32] hash of the last record
//!     1 zstd              i64 smallest time              u64  generation of the rings
//! u16 rings               i64 largest time               rings × u64  up to where each ring is contained in the log
//! u32 raw bytes           u32 stored bytes               stored bytes: the records, each with a u16 length in front
//! u32 crc32 of all before
//! ```
//!
//! Numbers are little-endian. The rings' positions stand beside the records, in the same value: after a crash they tell which
//! entries of the rings are in the log already, so that taking over neither repeats nor leaves out a record.

mod builder;
mod summary;
#[cfg(test)]
mod tests;

pub(crate) use builder::{Builder, Packer, Sealed};
pub(crate) use summary::{Needle, Summary};

use super::{
    chain::Hash,
    record::{MAX_RECORD, Malformed, Record},
};
use crate::model::Timestamp;

const VERSION: u8 = 1;
/// A block holds no more records.
pub(crate) const MAX_RECORDS: u32 = 128;
/// A block is closed before its records exceed this, unless it is a single one.
pub(crate) const MAX_RAW: usize = 32 * 1024;
// What decoding accepts: a raw block with the largest record, and lengths.
const RAW_BOUND: usize = MAX_RAW + MAX_RECORD + 2 * MAX_RECORDS as usize;

/// How the records of a block are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    /// As they are.
    Raw,
    /// zstd, level 1.
    Zstd,
}

/// Up to where each ring is contained in the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Positions {
    /// Which rings: those of one start of the process.
    pub(crate) generation: u64,
    /// By the ring's number.
    pub(crate) by_ring: Vec<u64>,
}

impl Positions {
    /// The position of a ring; 0 where nothing of it was stored.
    pub(crate) fn of(&self, ring: usize) -> u64 {
        self.by_ring.get(ring).copied().unwrap_or(0)
    }

    pub(crate) fn set(&mut self, ring: usize, position: u64) {
        if self.by_ring.len() <= ring {
            self.by_ring.resize(ring + 1, 0);
        }
        if let Some(place) = self.by_ring.get_mut(ring) {
            *place = position;
        }
    }
}

/// What a block says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) codec: Codec,
    pub(crate) first_seq: u64,
    pub(crate) count: u32,
    pub(crate) min_time: Timestamp,
    pub(crate) max_time: Timestamp,
    pub(crate) before: Hash,
    pub(crate) end: Hash,
    pub(crate) positions: Positions,
    raw_bytes: usize,
}

impl Header {
    /// The sequence number of the last record.
    pub(crate) const fn last_seq(&self) -> u64 {
        self.first_seq + self.count as u64 - 1
    }
}

/// A block with its records ready to be read.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) header: Header,
    // INVARIANT: `header.count` records, each with a u16 length in front.
    raw: Vec<u8>,
}

impl Block {
    /// Checks and unpacks a block.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let (header, stored) = decode_header(bytes).ok_or(Malformed)?;
        let raw = match header.codec {
            Codec::Raw => stored.to_vec(),
            Codec::Zstd => zstd::bulk::decompress(stored, header.raw_bytes).map_err(|_| Malformed)?,
        };
        let block = Self { header, raw };
        let mut records = block.bytes();
        let whole = records.by_ref().count() == block.header.count as usize && records.rest.is_empty();
        if whole && block.raw.len() == block.header.raw_bytes { Ok(block) } else { Err(Malformed) }
    }

    /// The records' bytes, in order.
    pub(crate) fn bytes(&self) -> Records<'_> {
        Records { rest: &self.raw }
    }

    /// The records, in order.
    pub(crate) fn records(&self) -> impl Iterator<Item = Result<Record<'_>, Malformed>> {
        (self.header.first_seq..).zip(self.bytes()).map(|(seq, bytes)| Record::decode(seq, bytes))
    }
}

/// The bytes of one record after the other.
#[derive(Debug, Clone)]
pub(crate) struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    pub(crate) const fn new(raw: &'a [u8]) -> Self {
        Self { rest: raw }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, after) = self.rest.split_first_chunk()?;
        let (record, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        self.rest = after;
        Some(record)
    }
}

/// Reads what stands before the records, and checks the whole.
fn decode_header(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let (body, checksum) = bytes.split_last_chunk()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let mut from = body;
    let [version, codec] = take(&mut from)?;
    if version != VERSION {
        return None;
    }
    let rings = u16::from_le_bytes(take(&mut from)?);
    let raw_bytes = usize::try_from(u32::from_le_bytes(take(&mut from)?)).ok()?;
    let first_seq = u64::from_le_bytes(take(&mut from)?);
    let count = u32::from_le_bytes(take(&mut from)?);
    let min_time = Timestamp::from_micros(i64::from_le_bytes(take(&mut from)?));
    let max_time = Timestamp::from_micros(i64::from_le_bytes(take(&mut from)?));
    let stored_bytes = usize::try_from(u32::from_le_bytes(take(&mut from)?)).ok()?;
    let (before, end) = (take(&mut from)?, take(&mut from)?);
    let generation = u64::from_le_bytes(take(&mut from)?);
    let by_ring = (0..rings).map(|_| take(&mut from).map(u64::from_le_bytes)).collect::<Option<Vec<_>>>()?;
    let codec = match codec {
        0 => Codec::Raw,
        1 => Codec::Zstd,
        _ => return None,
    };
    if from.len() != stored_bytes || raw_bytes > RAW_BOUND || !(1..=MAX_RECORDS).contains(&count) {
        return None;
    }
    first_seq.checked_add(u64::from(count))?;
    let positions = Positions { generation, by_ring };
    Some((Header { codec, first_seq, count, min_time, max_time, before, end, positions, raw_bytes }, from))
}

fn take<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*bytes)
}
