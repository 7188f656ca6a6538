//! The summaries of a closed segment's blocks once more, side by side: the file `SUMMARIES` in its directory.
//!
//! A query asks every summary of the log, and sled takes its time over each. Here they are read in large pieces, and the segment itself
//! is opened only where a block may hold what is looked for. The file holds nothing that the segment does not: without it, or where it is
//! not as it was written, the segment is asked.
//!
//! ```text
//! head:   u8 version (1)   [32] the hash over the blocks, as the manifest has it
//! groups: summaries as they are stored in the segment, each with its own checksum
//! table:  groups × (u64 first sequence number   u32 bytes)   u32 groups   u32 crc32 of head and table
//! ```

use crate::audit::{block::Summary, chain::Hash, files::Replacement, manifest::Manifest};
use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    os::unix::fs::FileExt,
    path::Path,
};

const FILE: &str = "SUMMARIES";
const VERSION: u8 = 1;
const HEAD: usize = 33;
const ROW: usize = 12;
/// Summaries in a group: what a query reads at a time, about 140 KiB.
const GROUP: usize = 256;

/// Writes the summaries of a segment, in order.
#[derive(Debug)]
pub(crate) struct SummariesWriter<W> {
    out: W,
    head: Vec<u8>,
    table: Vec<u8>,
    groups: u32,
    // Of the group that is being written.
    first_seq: u64,
    count: usize,
    bytes: u32,
}

impl<W: Write> SummariesWriter<W> {
    /// Of the segment that has this hash over its blocks.
    pub(crate) fn new(mut out: W, blocks_hash: &Hash) -> io::Result<Self> {
        let head = [&[VERSION], blocks_hash.as_slice()].concat();
        out.write_all(&head)?;
        Ok(Self { out, head, table: Vec::new(), groups: 0, first_seq: 0, count: 0, bytes: 0 })
    }

    pub(crate) fn add(&mut self, first_seq: u64, summary: &[u8]) -> io::Result<()> {
        if self.count == GROUP {
            self.end_group();
        }
        if self.count == 0 {
            self.first_seq = first_seq;
        }
        self.count += 1;
        self.bytes += u32::try_from(summary.len()).unwrap_or(u32::MAX);
        self.out.write_all(summary)
    }

    pub(crate) fn finish(mut self) -> io::Result<W> {
        if self.count > 0 {
            self.end_group();
        }
        let groups = self.groups.to_le_bytes();
        let checksum = crc32fast::hash(&[self.head.as_slice(), &self.table, &groups].concat());
        for part in [self.table.as_slice(), &groups, &checksum.to_le_bytes()] {
            self.out.write_all(part)?;
        }
        Ok(self.out)
    }

    fn end_group(&mut self) {
        self.table.extend_from_slice(&self.first_seq.to_le_bytes());
        self.table.extend_from_slice(&self.bytes.to_le_bytes());
        self.groups += 1;
        (self.count, self.bytes) = (0, 0);
    }
}

/// Begins the file of a segment in the place of one that may be there.
pub(crate) fn replace(segment: &Path, blocks_hash: &Hash) -> io::Result<SummariesWriter<Replacement>> {
    SummariesWriter::new(Replacement::begin(&segment.join(FILE))?, blocks_hash)
}

/// The file of a segment. `None` where there is none.
fn look(segment: &Path) -> io::Result<Option<File>> {
    match File::open(segment.join(FILE)) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Summaries {
    file: File,
    groups: Vec<Group>,
}

/// Summaries that are read together.
#[derive(Debug, Clone, Copy)]
struct Group {
    first_seq: u64,
    offset: u64,
    bytes: u32,
}

/// The file cannot be read, or does not hold what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damaged;

impl From<io::Error> for Damaged {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl Summaries {
    /// Opens the file of a segment. `None` where there is none.
    pub(crate) fn open(segment: &Path, manifest: &Manifest) -> Result<Option<Self>, Damaged> {
        let Some(file) = look(segment)? else { return Ok(None) };
        let length = file.metadata()?.len();
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, 0)?;
        let mut tail = [0; 8];
        file.read_exact_at(&mut tail, length.checked_sub(8).ok_or(Damaged)?)?;
        let (groups, checksum) = tail.split_first_chunk().ok_or(Damaged)?;
        let count = u64::from(u32::from_le_bytes(*groups));
        // A group has one summary at least, which is longer than its row.
        let table_bytes = count.checked_mul(ROW as u64).filter(|bytes| *bytes < length).ok_or(Damaged)?;
        let table_at = length.checked_sub(8 + table_bytes).ok_or(Damaged)?;
        let mut table = vec![0; usize::try_from(table_bytes).map_err(|_| Damaged)?];
        file.read_exact_at(&mut table, table_at)?;
        let found = crc32fast::hash(&[head.as_slice(), &table, groups].concat());
        let is_of_it =
            head.split_first().is_some_and(|(version, hash)| *version == VERSION && hash == manifest.blocks_hash);
        if found.to_le_bytes() != *checksum || !is_of_it {
            return Err(Damaged);
        }
        let mut offset = HEAD as u64;
        let groups = table.as_chunks::<ROW>().0.iter().map(|row| {
            let (first_seq, bytes) = row.split_first_chunk().ok_or(Damaged)?;
            let bytes = u32::from_le_bytes(*bytes.first_chunk().ok_or(Damaged)?);
            let group = Group { first_seq: u64::from_le_bytes(*first_seq), offset, bytes };
            offset += u64::from(bytes);
            Ok(group)
        });
        let groups = groups.collect::<Result<Vec<_>, Damaged>>()?;
        if offset == table_at { Ok(Some(Self { file, groups })) } else { Err(Damaged) }
    }

    /// The summaries that are stored together with that of the block which holds this number, in order.
    pub(crate) fn around(&self, seq: u64) -> Result<Vec<Summary>, Damaged> {
        let after = self.groups.partition_point(|group| group.first_seq <= seq);
        let group = after.checked_sub(1).and_then(|index| self.groups.get(index)).ok_or(Damaged)?;
        let mut bytes = vec![0; usize::try_from(group.bytes).map_err(|_| Damaged)?];
        self.file.read_exact_at(&mut bytes, group.offset)?;
        let (mut rest, mut next, mut found) = (bytes.as_slice(), group.first_seq, Vec::with_capacity(GROUP));
        while !rest.is_empty() {
            let summary;
            (summary, rest) = Summary::decode_first(rest).ok_or(Damaged)?;
            if summary.first_seq != next {
                return Err(Damaged);
            }
            next = summary.last_seq() + 1;
            found.push(summary);
        }
        if seq < next { Ok(found) } else { Err(Damaged) }
    }
}

/// Compares what is written to it with what the file of a segment holds.
#[derive(Debug)]
pub(crate) struct Comparison {
    file: BufReader<File>,
    same: bool,
    scratch: Vec<u8>,
}

impl Comparison {
    /// With the file of the segment that has this hash over its blocks. `None` where there is no file.
    pub(crate) fn with(segment: &Path, blocks_hash: &Hash) -> io::Result<Option<SummariesWriter<Self>>> {
        let Some(file) = look(segment)? else { return Ok(None) };
        let comparison = Self { file: BufReader::new(file), same: true, scratch: Vec::new() };
        SummariesWriter::new(comparison, blocks_hash).map(Some)
    }

    /// Whether the file holds what was written and nothing more. One that cannot be read does not.
    pub(crate) fn is_same(mut self) -> bool {
        self.same && matches!(self.file.read(&mut [0]), Ok(0))
    }
}

impl Write for Comparison {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.scratch.resize(bytes.len(), 0);
        self.same = self.same && self.file.read_exact(&mut self.scratch).is_ok() && self.scratch == bytes;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SummariesWriter<Replacement> {
    /// Puts the file in its place. When this returns, it survives power loss.
    pub(crate) fn put(self) -> io::Result<()> {
        self.finish()?.put()
    }
}
