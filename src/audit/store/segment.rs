//! One segment: a sled directory that holds a run of the log.
//!
//! ```text
//! b seq n        part n of the block that begins with seq (big-endian); part 0 has the length of the whole in front
//! s seq          the block's summary and [32] the hash over all blocks up to it; stored after the block, so that a block
//!                with a summary is whole
//! h seq          a commit that no block has replaced yet
//! ```
//!
//! The hash over the blocks is `SHA-256(hash before ‖ block ‖ summary)`. sled panics on some damaged files; whatever it is asked here is
//! asked where a panic becomes an error.
//!
//! No value is longer than [`PART_BYTES`]: sled splits its pages by the number of values, and puts a page of more than 128 KiB (16 values)
//! into a file of its own that it never syncs.

use super::{Origin, StoreError};
use crate::{
    audit::{
        block::{Block, Positions, Summary},
        chain::{GENESIS, Hash, link_block},
        files,
    },
    model::Timestamp,
    storage::{self, Database},
};
use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The longest value.
pub(crate) const PART_BYTES: usize = 8 * 1024 - 64;

const BLOCK: u8 = b'b';
const SUMMARY: u8 = b's';
const HOT: u8 = b'h';

/// A summary with what stands beside it.
#[derive(Debug)]
pub(crate) struct StoredSummary {
    /// Under which number it is stored.
    pub(crate) first_seq: u64,
    /// The summary.
    pub(crate) bytes: Vec<u8>,
    /// The hash over all blocks up to its own.
    pub(crate) hash: Hash,
}

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    path: PathBuf,
    origin: Origin,
    db: Database,
    // Over all blocks. Locked by the one writer only.
    blocks_hash: Mutex<Hash>,
    // sled's file, opened a second time: sled never hands what it has written to the disk.
    file: File,
}

impl Segment {
    /// Begins a segment. When this returns, it survives power loss.
    pub(crate) fn create(path: &Path, origin: &Origin) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Io { path: path.to_owned(), source };
        files::create_directory(path).map_err(failed)?;
        let db = storage::open(path)?;
        let file = File::open(path.join("db")).map_err(failed)?;
        let segment =
            Self { path: path.to_owned(), origin: origin.clone(), db, file, blocks_hash: Mutex::new(GENESIS) };
        segment.flush()?;
        segment.sync()?;
        files::restrict(path).map_err(failed)?;
        files::sync_directory(path).map_err(failed)?;
        origin.write(path).map_err(failed)?;
        path.parent().map_or(Ok(()), files::sync_directory).map_err(failed)?;
        Ok(segment)
    }

    /// Opens a segment. Where the file that says where it begins is missing, its first record says it; `None` where there is neither.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        let failed = |source| StoreError::Io { path: path.to_owned(), source };
        let origin = Origin::read(path).map_err(failed)?;
        let db = storage::open(path)?;
        files::restrict(path).map_err(failed)?;
        let file = File::open(path.join("db")).map_err(failed)?;
        let known = origin.is_some();
        let origin = origin.unwrap_or_else(|| Origin::first(Timestamp::from_micros(0)));
        let mut segment = Self { path: path.to_owned(), origin, db, file, blocks_hash: Mutex::new(GENESIS) };
        if let Some((_, hash)) = segment.last_summary()? {
            segment.blocks_hash = Mutex::new(hash);
        }
        if !known {
            let Some(origin) = segment.begins()? else { return Ok(None) };
            origin.write(path).map_err(failed)?;
            segment.origin = origin;
        }
        Ok(Some(segment))
    }

    /// What the first record says of where the segment begins.
    fn begins(&self) -> Result<Option<Origin>, StoreError> {
        let first = match self.summaries_from(0, 1)?.first() {
            Some(summary) => self.block(summary.first_seq)?,
            None => self.hot_commits()?.into_iter().next().map(|(_, bytes)| bytes),
        };
        let block = first.map(|bytes| Block::decode(&bytes)).transpose();
        let block = block.map_err(|_| self.damaged("its first block is malformed"))?;
        Ok(block.map(|block| Origin {
            first_seq: block.header.first_seq,
            before: block.header.before,
            created: block.header.min_time,
            // Of no use: the last block says more.
            positions: Positions::default(),
        }))
    }

    pub(crate) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Bytes of its main file.
    pub(crate) fn bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Whether the file is still where it was opened.
    pub(crate) fn check_place(&self) -> Result<(), StoreError> {
        let is_still = files::is_still(&self.path.join("db"), &self.file);
        is_still.then_some(()).ok_or_else(|| StoreError::Gone { path: self.path.clone() })
    }

    pub(crate) fn put_hot(&self, first_seq: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.insert(&key(HOT, first_seq), bytes)
    }

    pub(crate) fn put_block(&self, first_seq: u64, bytes: &[u8], summary: &[u8]) -> Result<(), StoreError> {
        let length = u32::try_from(bytes.len()).map_err(|_| self.damaged("a block is too large"))?;
        let (first, rest) = bytes.split_at_checked(PART_BYTES - 4).unwrap_or((bytes, &[]));
        let first: Vec<u8> = length.to_le_bytes().iter().chain(first).copied().collect();
        self.insert(&part_key(first_seq, 0), &first)?;
        for (part, number) in rest.chunks(PART_BYTES).zip(1..=u8::MAX) {
            self.insert(&part_key(first_seq, number), part)?;
        }
        let mut blocks_hash = self.blocks_hash.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = link_block(&blocks_hash, bytes, summary);
        self.insert(&key(SUMMARY, first_seq), &[summary, &hash].concat())?;
        *blocks_hash = hash;
        Ok(())
    }

    pub(crate) fn remove_hot(&self, first_seq: u64) -> Result<(), StoreError> {
        self.db()?.remove(key(HOT, first_seq)).map(drop).map_err(|error| self.failed(error))
    }

    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.db()?.flush().map(drop).map_err(|error| self.failed(error))
    }

    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|source| StoreError::Io { path: self.path.join("db"), source })
    }

    /// The last block: its first number, and the hash over all blocks up to it.
    pub(crate) fn last_summary(&self) -> Result<Option<(u64, Hash)>, StoreError> {
        self.read(|db| {
            let last = db.range(key(SUMMARY, 0)..=key(SUMMARY, u64::MAX)).next_back().transpose();
            let Some((key, value)) = last.map_err(|error| self.failed(error))? else { return Ok(None) };
            let (_, hash) = value.split_last_chunk().ok_or_else(|| self.damaged("a summary is malformed"))?;
            Ok(Some((self.seq(&key)?, *hash)))
        })
    }

    /// The hash over all blocks up to the one that begins with this number.
    pub(crate) fn blocks_hash_at(&self, first_seq: u64) -> Result<Option<Hash>, StoreError> {
        self.read(|db| {
            let value = db.get(key(SUMMARY, first_seq)).map_err(|error| self.failed(error))?;
            Ok(value.and_then(|value| value.last_chunk().copied()))
        })
    }

    /// The bytes of the block that begins with this number.
    pub(crate) fn block(&self, first_seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|db| {
            let mut parts = db.range(part_key(first_seq, 0)..=part_key(first_seq, u8::MAX));
            let Some(first) = parts.next() else {
                return Ok(None);
            };
            let (_, first) = first.map_err(|error| self.failed(error))?;
            let Some((length, first)) = first.split_first_chunk() else {
                return Err(self.damaged("a block is malformed"));
            };
            let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
            let mut bytes = first.to_vec();
            while bytes.len() < length {
                let part = parts.next().ok_or_else(|| self.damaged("a part of a block is missing"))?;
                bytes.extend_from_slice(&part.map_err(|error| self.failed(error))?.1);
            }
            Ok(Some(bytes))
        })
    }

    /// Summaries of blocks from the one that holds this number on, at most so many, in order.
    pub(crate) fn summaries_from(&self, seq: u64, limit: usize) -> Result<Vec<Summary>, StoreError> {
        let stored = self.stored_summaries_from(seq, limit)?;
        stored.iter().map(|stored| self.summary(&stored.bytes)).collect()
    }

    /// The same as they are stored, with the hash over all blocks up to each.
    pub(crate) fn stored_summaries_from(&self, seq: u64, limit: usize) -> Result<Vec<StoredSummary>, StoreError> {
        self.read(|db| {
            // The block may begin before the number.
            let before = db.range(key(SUMMARY, 0)..=key(SUMMARY, seq)).next_back();
            let after = db.range(key(SUMMARY, seq.saturating_add(1))..=key(SUMMARY, u64::MAX));
            let mut found = Vec::new();
            for entry in before.into_iter().chain(after) {
                let (key, value) = entry.map_err(|error| self.failed(error))?;
                let (bytes, hash) = value.split_last_chunk().ok_or_else(|| self.damaged("a summary is malformed"))?;
                if self.summary(bytes)?.last_seq() >= seq {
                    found.push(StoredSummary { first_seq: self.seq(&key)?, bytes: bytes.to_vec(), hash: *hash });
                }
                if found.len() >= limit {
                    break;
                }
            }
            Ok(found)
        })
    }

    /// Summaries of blocks from the one that holds this number backwards, at most so many.
    pub(crate) fn summaries_back_from(&self, seq: u64, limit: usize) -> Result<Vec<Summary>, StoreError> {
        self.read(|db| {
            let entries = db.range(key(SUMMARY, 0)..=key(SUMMARY, seq)).rev().take(limit);
            entries
                .map(|entry| {
                    let (_, value) = entry.map_err(|error| self.failed(error))?;
                    let (bytes, _) =
                        value.split_last_chunk::<32>().ok_or_else(|| self.damaged("a summary is malformed"))?;
                    self.summary(bytes)
                })
                .collect()
        })
    }

    /// The hot commit that begins with this number, or the last one before it.
    pub(crate) fn hot_at(&self, seq: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|db| {
            let entry = db.range(key(HOT, 0)..=key(HOT, seq)).next_back();
            entry.map(|entry| entry.map(|(_, value)| value.to_vec()).map_err(|error| self.failed(error))).transpose()
        })
    }

    /// All hot commits with the numbers they begin with, in order.
    pub(crate) fn hot_commits(&self) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.read(|db| {
            let entries = db.range(key(HOT, 0)..=key(HOT, u64::MAX));
            entries
                .map(|entry| {
                    let (key, value) = entry.map_err(|error| self.failed(error))?;
                    Ok((self.seq(&key)?, value.to_vec()))
                })
                .collect()
        })
    }

    /// Asks sled where a panic becomes an error.
    fn read<T>(&self, ask: impl FnOnce(&sled::Db) -> Result<T, StoreError>) -> Result<T, StoreError> {
        catch_unwind(AssertUnwindSafe(|| ask(self.db()?)))
            .unwrap_or_else(|_| Err(StoreError::Panicked { path: self.path.clone() }))
    }

    pub(crate) fn damaged(&self, what: &'static str) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), what }
    }

    pub(super) fn summary(&self, bytes: &[u8]) -> Result<Summary, StoreError> {
        Summary::decode(bytes).ok_or_else(|| self.damaged("a summary is malformed"))
    }

    fn seq(&self, key: &[u8]) -> Result<u64, StoreError> {
        let seq = key.get(1..).and_then(|rest| rest.first_chunk());
        seq.map(|bytes| u64::from_be_bytes(*bytes)).ok_or_else(|| self.damaged("a key is malformed"))
    }

    fn db(&self) -> Result<&sled::Db, StoreError> {
        self.db.get().ok_or(StoreError::Closed)
    }

    fn insert(&self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        self.db()?.insert(key, value).map(drop).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: sled::Error) -> StoreError {
        storage::note_failure(&self.path, &error);
        StoreError::Segment { path: self.path.clone(), error }
    }
}

fn key(kind: u8, seq: u64) -> [u8; 9] {
    let mut key = [kind; 9];
    key.iter_mut().skip(1).zip(seq.to_be_bytes()).for_each(|(to, from)| *to = from);
    key
}

fn part_key(seq: u64, part: u8) -> [u8; 10] {
    let mut part_key = [part; 10];
    part_key.iter_mut().zip(key(BLOCK, seq)).for_each(|(to, from)| *to = from);
    part_key
}
