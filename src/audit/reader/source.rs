//! Where a scan finds the summaries and the blocks of one segment: in the file of its summaries as far as that reaches, else in the
//! segment itself, which is opened only once something of it is asked for.

use super::{Stop, damaged};
use crate::audit::{
    block::{Block, Summary},
    store::{Segment, Store, Stretch, Summaries},
};
use std::sync::Arc;

/// Summaries that are read at a time from the segment: bounds what a query keeps in memory.
const SUMMARIES: usize = 256;

/// One segment.
pub(super) struct Source<'s> {
    store: &'s Store,
    stretch: Stretch,
    file: Option<Summaries>,
    // Up to where the file reaches.
    summarised: u64,
    segment: Option<Arc<Segment>>,
}

impl<'s> Source<'s> {
    pub(super) fn new(store: &'s Store, stretch: Stretch) -> Self {
        let file = store.catalog().summaries(&stretch);
        let summarised = file.as_ref().and_then(Summaries::reaches).map_or(0, |(last_seq, ..)| last_seq);
        Self { store, stretch, file, summarised, segment: None }
    }

    /// The commit that holds this record, where no block has replaced it.
    pub(super) fn commit_with(&mut self, seq: u64) -> Result<Option<Block>, Stop> {
        if seq <= self.summarised {
            return Ok(None);
        }
        let Some(bytes) = self.segment()?.hot_at(seq)? else { return Ok(None) };
        Ok(Some(self.decode(&bytes, seq)?).filter(|block| block.header.last_seq() >= seq))
    }

    /// Some summaries, in order, from the block on that holds this record.
    pub(super) fn summaries_from(&mut self, seq: u64) -> Result<Vec<Summary>, Stop> {
        if let Some(mut around) = self.around(seq) {
            around.retain(|summary| summary.last_seq() >= seq);
            return Ok(around);
        }
        Ok(self.segment()?.summaries_from(seq, SUMMARIES)?)
    }

    /// The same backwards.
    pub(super) fn summaries_back_from(&mut self, seq: u64) -> Result<Vec<Summary>, Stop> {
        if let Some(mut around) = self.around(seq) {
            around.retain(|summary| summary.first_seq <= seq);
            around.reverse();
            return Ok(around);
        }
        Ok(self.segment()?.summaries_back_from(seq, SUMMARIES)?)
    }

    /// The block that begins with this record.
    pub(super) fn block(&mut self, first_seq: u64) -> Result<Block, Stop> {
        let bytes = self.segment()?.block(first_seq)?;
        let bytes = bytes.ok_or_else(|| damaged(self.store, self.stretch.first_seq, first_seq))?;
        self.decode(&bytes, first_seq)
    }

    fn around(&mut self, seq: u64) -> Option<Vec<Summary>> {
        if seq > self.summarised {
            return None;
        }
        let around = self.file.as_ref()?.around(seq);
        if around.is_err() {
            self.store.catalog().doubt_summaries(self.stretch.first_seq);
            (self.file, self.summarised) = (None, 0);
        }
        around.ok()
    }

    fn segment(&mut self) -> Result<&Segment, Stop> {
        let segment = match self.segment.take() {
            Some(segment) => segment,
            None => self.open()?,
        };
        Ok(self.segment.insert(segment))
    }

    fn open(&self) -> Result<Arc<Segment>, Stop> {
        match self.store.catalog().open(self.stretch.first_seq) {
            Err(_) if self.store.first_seq() > self.stretch.first_seq => Err(Stop::Removed),
            opened => opened?.ok_or(Stop::Removed),
        }
    }

    fn decode(&self, bytes: &[u8], seq: u64) -> Result<Block, Stop> {
        Block::decode(bytes).map_err(|_| damaged(self.store, self.stretch.first_seq, seq))
    }
}
