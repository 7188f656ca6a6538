//! Closing a segment: where it ends, and what its manifest says.

use super::{Segment, StoreError};
use crate::{
    audit::{
        block::{Block, Positions},
        chain::{self, End, GENESIS, Hash},
        manifest::Manifest,
    },
    model::Timestamp,
};

/// Summaries that are read at a time.
const STEP: usize = 256;

/// The end of a segment, where writing goes on.
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

impl Tail {
    /// The last record, hot commits included.
    pub(crate) fn end(&self) -> End {
        match self.hot.last() {
            Some(block) => End { seq: block.header.last_seq(), hash: block.header.end },
            None => End { seq: self.next_seq - 1, hash: self.hash },
        }
    }
}

impl Segment {
    /// The end of the segment.
    pub(crate) fn tail(&self) -> Result<Tail, StoreError> {
        let origin = self.origin();
        let (mut next_seq, mut hash, mut positions) = (origin.first_seq, origin.before, origin.positions.clone());
        if let Some((first_seq, _)) = self.last_summary()? {
            let block = self.block(first_seq)?.ok_or_else(|| self.damaged("a block is missing"))?;
            let block = Block::decode(&block).map_err(|_| self.damaged("a block is malformed"))?;
            (next_seq, hash, positions) = (block.header.last_seq() + 1, block.header.end, block.header.positions);
        }
        let (mut end, mut end_hash, mut hot) = (next_seq, hash, Vec::new());
        for (first_seq, bytes) in self.hot_commits()? {
            if first_seq < next_seq {
                // A sealed block has replaced it.
                continue;
            }
            let block = Block::decode(&bytes).map_err(|_| self.damaged("a commit is malformed"))?;
            if block.header.first_seq != end || block.header.before != end_hash {
                return Err(self.damaged("its last commits do not follow each other"));
            }
            (end, end_hash) = (block.header.last_seq() + 1, block.header.end);
            positions = block.header.positions.clone();
            hot.push(block);
        }
        Ok(Tail { next_seq, hash, positions, hot })
    }

    /// Removes hot commits that a sealed block has replaced.
    pub(crate) fn remove_replaced(&self, tail: &Tail) -> Result<(), StoreError> {
        let replaced = self.hot_commits()?.into_iter().map(|(first_seq, _)| first_seq);
        replaced.filter(|&first_seq| first_seq < tail.next_seq).try_for_each(|first_seq| self.remove_hot(first_seq))
    }

    /// The block or commit that holds this record.
    pub(crate) fn block_with(&self, seq: u64) -> Result<Option<Block>, StoreError> {
        let summary = self.summaries_back_from(seq, 1)?;
        let block = summary.first().map(|summary| self.block(summary.first_seq)).transpose()?.flatten();
        let candidates = [block, self.hot_at(seq)?];
        let mut blocks = candidates.into_iter().flatten().filter_map(|bytes| Block::decode(&bytes).ok());
        Ok(blocks.find(|block| (block.header.first_seq..=block.header.last_seq()).contains(&seq)))
    }

    /// The hash of a record, calculated anew from its block or commit.
    pub(crate) fn hash_at(&self, seq: u64) -> Result<Option<Hash>, StoreError> {
        Ok(self.block_with(seq)?.map(|block| {
            let records = (block.header.first_seq..=seq).zip(block.bytes());
            records.fold(block.header.before, |hash, (seq, bytes)| chain::link(&hash, seq, bytes))
        }))
    }

    /// What there is to say of the segment up to this record, which must be in it.
    pub(crate) fn manifest(&self, end: End, previous: Hash) -> Result<Manifest, StoreError> {
        let origin = self.origin();
        let (least, most) = (Timestamp::from_micros(i64::MIN), Timestamp::from_micros(i64::MAX));
        let mut manifest = Manifest {
            first_seq: origin.first_seq,
            last_seq: end.seq,
            min_time: most,
            max_time: least,
            before: origin.before,
            end: end.hash,
            blocks: 0,
            blocks_end: origin.first_seq - 1,
            blocks_hash: GENESIS,
            previous,
        };
        let missing = || self.damaged("its last records are missing");
        let widen = |manifest: &mut Manifest, min: Timestamp, max: Timestamp| {
            manifest.min_time = manifest.min_time.min(min);
            manifest.max_time = manifest.max_time.max(max);
        };
        'blocks: loop {
            let stored = self.stored_summaries_from(manifest.blocks_end + 1, STEP)?;
            if stored.is_empty() {
                break;
            }
            for stored in stored {
                let summary = self.summary(&stored.bytes)?;
                if summary.first_seq != manifest.blocks_end + 1 {
                    return Err(self.damaged("a block is missing"));
                }
                if summary.last_seq() > end.seq {
                    break 'blocks;
                }
                widen(&mut manifest, summary.min_time, summary.max_time);
                manifest.blocks += 1;
                manifest.blocks_end = summary.last_seq();
                manifest.blocks_hash = stored.hash;
            }
        }
        let mut next = manifest.blocks_end + 1;
        while next <= end.seq {
            let block = self.block_with(next)?.ok_or_else(missing)?;
            widen(&mut manifest, block.header.min_time, block.header.max_time);
            next = block.header.last_seq() + 1;
        }
        if end.seq >= origin.first_seq && self.hash_at(end.seq)? != Some(end.hash) {
            return Err(missing());
        }
        Ok(manifest)
    }
}
