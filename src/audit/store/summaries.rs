//! The summaries of a segment's blocks once more, side by side: the file `SUMMARIES` in its directory.
//!
//! A query asks every summary of the log, and sled takes its time over each. Here they are read in large pieces, and a closed segment
//! is opened only where a block may hold what is looked for. The file holds nothing that the segment does not, and follows it at some
//! distance: what is not in it, or not as it was written, the segment is asked. So it needs no sync: each group of summaries has a
//! checksum, and the hash over the blocks up to its end, which tells whether they are still those of the segment.
//!
//! ```text
//! group: u8 version (1)   u64 first and u64 last sequence number   u64 number that the last block begins with   u32 bytes of the
//!        summaries   [32] hash over the blocks up to the last   u32 crc32 of all before   summaries, as the segment has them
//! ```
//!
//! All groups are of [`GROUP`] summaries but the last one of a segment that is closed.

use super::{
    StoreError,
    segment::{Segment, StoredSummary},
};
use crate::audit::{block::Summary, chain::Hash, files};
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const FILE: &str = "SUMMARIES";
const VERSION: u8 = 1;
const HEAD: usize = 65;
/// Summaries in a group: what a query reads at a time, about 140 KiB.
pub(super) const GROUP: usize = 256;

/// A group that is put together, its summaries in order.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    bytes: Vec<u8>,
    count: usize,
    first_seq: u64,
    last_seq: u64,
    last_block: u64,
    hash: Hash,
}

/// What a group should be: its digest, and the hash over the blocks up to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    digest: Hash,
    hash: Hash,
}

impl Gathered {
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.count >= GROUP
    }

    /// The number of its last record.
    pub(crate) const fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(crate) fn add(&mut self, stored: &StoredSummary, last_seq: u64) {
        if self.count == 0 {
            self.first_seq = stored.first_seq;
        }
        self.count += 1;
        (self.last_block, self.last_seq, self.hash) = (stored.first_seq, last_seq, stored.hash);
        self.bytes.extend_from_slice(&stored.bytes);
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        for number in [self.first_seq, self.last_seq, self.last_block] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&u32::try_from(self.bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(&self.hash);
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out.extend_from_slice(&self.bytes);
        out
    }

    pub(crate) fn expected(&self) -> Expected {
        Expected { digest: Sha256::digest(self.encode()).into(), hash: self.hash }
    }
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Summaries {
    path: PathBuf,
    file: File,
    groups: Vec<Group>,
}

/// Where a group lies, and what its head says.
#[derive(Debug, Clone, Copy)]
struct Group {
    offset: u64,
    bytes: u32,
    first_seq: u64,
    last_seq: u64,
    last_block: u64,
    hash: Hash,
}

impl Group {
    /// Where the next one begins.
    fn end(&self) -> u64 {
        self.offset + HEAD as u64 + u64::from(self.bytes)
    }

    /// Reads the head of a group that is whole. `None` where there is none.
    fn read(file: &File, offset: u64, length: u64) -> Option<Self> {
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, offset).ok()?;
        let (body, checksum) = head.split_last_chunk()?;
        let ([VERSION], rest) = body.split_first_chunk()? else { return None };
        let (numbers, rest) = rest.split_at_checked(24)?;
        let ([first_seq, last_seq, last_block], []) = numbers.as_chunks::<8>() else { return None };
        let (bytes, hash) = rest.split_first_chunk()?;
        let group = Self {
            offset,
            bytes: u32::from_le_bytes(*bytes),
            first_seq: u64::from_le_bytes(*first_seq),
            last_seq: u64::from_le_bytes(*last_seq),
            last_block: u64::from_le_bytes(*last_block),
            hash: *hash.first_chunk()?,
        };
        let is_whole = crc32fast::hash(body) == u32::from_le_bytes(*checksum) && group.end() <= length;
        let is_sound =
            group.first_seq <= group.last_block && group.last_block <= group.last_seq && group.last_seq < u64::MAX;
        (is_whole && is_sound).then_some(group)
    }
}

/// A group does not hold what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damaged;

impl Summaries {
    /// Opens the file of a segment. `None` where there is none, or nothing in it that can be used. Groups from one on that is not whole
    /// are left out.
    pub(crate) fn open(segment: &Path) -> Option<Self> {
        let path = segment.join(FILE);
        let file = File::open(&path).ok()?;
        let length = file.metadata().ok()?.len();
        let (mut offset, mut groups) = (0, Vec::<Group>::new());
        while let Some(group) = Group::read(&file, offset, length) {
            if groups.last().is_some_and(|last| last.last_seq.checked_add(1) != Some(group.first_seq)) {
                break;
            }
            offset = group.end();
            groups.push(group);
        }
        (!groups.is_empty()).then_some(Self { path, file, groups })
    }

    /// The last record that is in it, the number that its block begins with, and the hash over the blocks up to it.
    pub(crate) fn reaches(&self) -> Option<(u64, u64, Hash)> {
        self.groups.last().map(|group| (group.last_seq, group.last_block, group.hash))
    }

    /// Whether its blocks are still those of the segment.
    pub(crate) fn fits(&self, segment: &Segment) -> Result<bool, StoreError> {
        let Some((_, last_block, hash)) = self.reaches() else { return Ok(false) };
        Ok(segment.blocks_hash_at(last_block)? == Some(hash))
    }

    /// The summaries that are stored together with that of the block which holds this number, in order.
    pub(crate) fn around(&self, seq: u64) -> Result<Vec<Summary>, Damaged> {
        let after = self.groups.partition_point(|group| group.first_seq <= seq);
        let group = after.checked_sub(1).and_then(|index| self.groups.get(index)).ok_or(Damaged)?;
        let bytes = self.bytes(group)?;
        let (_, mut rest) = bytes.split_at_checked(HEAD).ok_or(Damaged)?;
        let (mut next, mut found) = (group.first_seq, Vec::with_capacity(GROUP));
        while !rest.is_empty() {
            let summary;
            (summary, rest) = Summary::decode_first(rest).ok_or(Damaged)?;
            if summary.first_seq != next {
                return Err(Damaged);
            }
            next = summary.last_seq() + 1;
            found.push(summary);
        }
        if next == group.last_seq + 1 && seq < next { Ok(found) } else { Err(Damaged) }
    }

    /// Compares all groups with what they should be. A file that does not fit the segment is used by nobody, and passes.
    pub(crate) fn compare(&self, expected: &[Expected]) -> Comparison {
        let last = self.groups.len().checked_sub(1).and_then(|last| expected.get(last));
        if last.map(|expected| expected.hash) != self.reaches().map(|(.., hash)| hash) {
            return Comparison::Same;
        }
        let mut found = Comparison::Same;
        for (group, expected) in self.groups.iter().zip(expected) {
            if self.around(group.first_seq).is_err() {
                found = Comparison::Unreadable;
            } else if self.bytes(group).is_ok_and(|bytes| expected.digest != Hash::from(Sha256::digest(bytes))) {
                return Comparison::Different;
            }
        }
        found
    }

    /// With its head.
    fn bytes(&self, group: &Group) -> Result<Vec<u8>, Damaged> {
        let length = usize::try_from(group.end() - group.offset).map_err(|_| Damaged)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, group.offset).map_err(|_| Damaged)?;
        Ok(bytes)
    }
}

/// What came of comparing a file with its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// As far as it is used.
    Same,
    /// Some of it is not as it was written, which its checksums tell.
    Unreadable,
    /// It is whole and says something else.
    Different,
}

/// Adds groups to the file of a segment.
#[derive(Debug)]
pub(crate) struct Appender {
    file: File,
    offset: u64,
}

impl Appender {
    /// After what is known to be good; from the start where nothing is.
    pub(crate) fn after(segment: &Path, known: Option<&Summaries>) -> io::Result<Self> {
        let path = known.map_or_else(|| segment.join(FILE), |known| known.path.clone());
        let file = files::create_file(&path)?;
        let offset = known.and_then(|known| known.groups.last()).map_or(0, Group::end);
        file.set_len(offset)?;
        Ok(Self { file, offset })
    }

    pub(crate) fn append(&mut self, group: &Gathered) -> io::Result<()> {
        let bytes = group.encode();
        self.file.write_all_at(&bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Hands the file to the disk, so that a loss of power leaves nothing to be made anew.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}
