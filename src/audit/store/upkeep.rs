//! What is done from time to time, on the keeper's thread: retention, segments that are damaged, summaries of segments that are closed.

use super::{
    Segment, Store, StoreError, Stretch,
    catalog::{Slot, Summarised},
    lock, segment_path,
    summaries::{Appender, GROUP, Gathered, Summaries},
};
use crate::{
    audit::{
        chain::GENESIS,
        manifest::Manifest,
        quarantine::{self, Quarantined},
        retention::{self, Candidate, Retention, Tombstone},
    },
    model::Timestamp,
};

impl Store {
    /// Removes what is too old at this time, or too much. Answers the tombstone where something was removed.
    pub(crate) fn retain(
        &self,
        retention: &Retention,
        now: Timestamp,
        keep_from: u64,
    ) -> Result<Option<Tombstone>, StoreError> {
        if !retention.removes() {
            return Ok(None);
        }
        let stretches = self.catalog.stretches();
        let sizes: Vec<u64> = stretches.iter().map(|stretch| self.catalog.bytes_of(stretch.first_seq)).collect();
        let closed = stretches.iter().zip(&sizes).map_while(|(stretch, &bytes)| {
            let manifest = &stretch.manifest.as_ref()?.says;
            Some(Candidate { manifest, bytes })
        });
        let closed: Vec<_> = closed.collect();
        let surplus = retention.surplus(&closed, sizes.iter().sum(), now, keep_from);
        let mut removed = 0;
        for stretch in stretches.iter().take(surplus) {
            // On a full disk sled opens nothing, and may panic over it: room comes first there.
            if retention::has_room(&self.directory) && self.is_damaged(stretch) {
                // It is told and recorded first, and put aside: removing it would remove the trace of what was done to it.
                break;
            }
            self.remove_first(stretch)?;
            removed += 1;
        }
        retention::load_ballast(&self.directory);
        Ok(lock(&self.tombstone).clone().filter(|_| removed > 0))
    }

    /// Whether a closed segment does not hold what its manifest says, as far as its end tells; notes it where it does not. What only
    /// cannot be opened now is not damaged.
    fn is_damaged(&self, stretch: &Stretch) -> bool {
        let Some(manifest) = &stretch.manifest else { return false };
        let why = match self.catalog.open(stretch.first_seq) {
            Ok(Some(segment)) => match segment.ends_as(&manifest.says) {
                Ok(false) => "its last records are not those that its manifest names".to_owned(),
                Err(error) if error.is_damage() => error.to_string(),
                Ok(true) | Err(_) => return false,
            },
            Ok(None) => return false,
            Err(error) => return error.is_damage(),
        };
        self.catalog.note_damage(stretch.first_seq, why);
        true
    }

    fn remove_first(&self, stretch: &Stretch) -> Result<(), StoreError> {
        let path = segment_path(&self.directory, stretch.first_seq);
        let failed = |source| StoreError::Io { path: path.clone(), source };
        let Some(manifest) = &stretch.manifest else { return Ok(()) };
        let mut current = lock(&self.tombstone);
        let next = Tombstone {
            first_seq: 1,
            last_seq: stretch.last_seq,
            records: current.as_ref().map_or(0, |before| before.records) + (stretch.last_seq + 1 - stretch.first_seq),
            end: manifest.says.end,
            manifest: manifest.hash,
            removed_at: self.now(),
        };
        retention::bury(&self.directory, &self.state(&next)).map_err(failed)?;
        *current = Some(next);
        // From here on readers begin after it; who reads it now reads on.
        self.catalog.lock().remove(&stretch.first_seq);
        retention::remove(&path).map_err(failed)
    }

    /// Puts segments aside that could not be opened for a query. Answers what was put aside.
    pub(crate) fn put_damaged_aside(&self) -> Result<Vec<Quarantined>, StoreError> {
        let now = self.now();
        let mut slots = self.catalog.lock();
        let damaged: Vec<(u64, Slot)> = slots
            .iter()
            .filter(|(_, slot)| slot.damage.is_some() && slot.end.is_some())
            .map(|(first_seq, slot)| (*first_seq, slot.clone()))
            .collect();
        let mut aside = Vec::new();
        for (first_seq, slot) in damaged {
            let path = segment_path(&self.directory, first_seq);
            let last_seq = slot.end.map_or(0, |end| end.seq);
            let holds = |segment: &Segment| match slot.manifest.as_ref().map(|manifest| segment.ends_as(&manifest.says))
            {
                Some(Err(error)) if error.is_damage() => Ok(false),
                said => said.unwrap_or(Ok(true)),
            };
            let whole = |segment: &Segment| segment.tail().is_ok_and(|tail| tail.end().seq >= last_seq);
            match quarantine::open_segment(&path, now, whole) {
                Ok((Some(segment), _)) if holds(&segment)? => {
                    if let Some(slot) = slots.get_mut(&first_seq) {
                        slot.damage = None;
                    }
                    continue;
                }
                Ok(_) => {}
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error),
            }
            let kept_as = quarantine::put_aside(&path, now).map_err(|source| StoreError::Io { path, source })?;
            slots.remove(&first_seq);
            aside.push(Quarantined { first_seq, kept_as, why: slot.damage.unwrap_or_default() });
        }
        Ok(aside)
    }

    /// Whether [`Store::put_damaged_aside`] has something to do.
    pub(crate) fn has_damage(&self) -> bool {
        self.catalog.lock().values().any(|slot| slot.damage.is_some() && slot.end.is_some())
    }

    /// Writes summaries side by side where that was not done yet: of one closed segment a call, or else of the active one as far as it
    /// goes. Answers the number of the segment where what was there was damaged.
    ///
    /// For a closed segment that opens it, which leaves a snapshot with sled: the next to open it waits less.
    pub(crate) fn summarise(&self) -> Result<Option<u64>, StoreError> {
        for stretch in self.catalog.stretches() {
            let Some(was_damaged) = self.wants_summaries(&stretch) else { continue };
            let written = self.extend_summaries(&stretch, was_damaged);
            // What cannot be read will not be readable at the next look either.
            let is_over = written.as_ref().err().is_none_or(StoreError::is_damage);
            let settled = if stretch.manifest.is_some() { Summarised::Settled } else { Summarised::Unknown };
            if is_over {
                self.catalog.set_summarised(stretch.first_seq, settled);
            }
            written?;
            return Ok(was_damaged.then_some(stretch.first_seq));
        }
        Ok(None)
    }

    /// Whether there is something to write for a segment, and whether that is because of damage.
    fn wants_summaries(&self, stretch: &Stretch) -> Option<bool> {
        let slot = self.catalog.lock().get(&stretch.first_seq).cloned()?;
        // One that a failure has closed waits for its manifest.
        if slot.damage.is_some() || (slot.end.is_some() && slot.manifest.is_none()) {
            return None;
        }
        match (slot.summarised, &stretch.manifest) {
            (Summarised::Settled, _) => None,
            (Summarised::Damaged, _) => Some(true),
            (Summarised::Unknown, None) => Some(false),
            (Summarised::Unknown, Some(manifest)) => {
                let is_there = manifest.says.blocks == 0 || self.catalog.summaries(stretch).is_some();
                if is_there {
                    self.catalog.set_summarised(stretch.first_seq, Summarised::Settled);
                }
                (!is_there).then_some(false)
            }
        }
    }

    fn extend_summaries(&self, stretch: &Stretch, anew: bool) -> Result<(), StoreError> {
        let Some(segment) = self.catalog.open(stretch.first_seq)? else { return Ok(()) };
        let path = segment_path(&self.directory, stretch.first_seq);
        let failed = |source| StoreError::Io { path: path.clone(), source };
        let limit = stretch.manifest.as_ref().map(|manifest| manifest.says.blocks_end);
        let mut known = Summaries::open(&path).filter(|_| !anew);
        if let Some(summaries) = &known
            && !summaries.fits(&segment)?
        {
            known = None;
        }
        // The segment may hold more than is part of the log.
        let reached = known.as_ref().and_then(Summaries::reaches).map(|(last_seq, ..)| last_seq);
        let reached = reached.filter(|reached| limit.is_none_or(|limit| *reached <= limit));
        let mut next = reached.map_or(stretch.first_seq, |reached| reached + 1);
        let mut appender = None;
        loop {
            let group = segment.gather(next, limit.unwrap_or(u64::MAX))?;
            if group.is_empty() || (limit.is_none() && !group.is_full()) {
                break;
            }
            let appender = match &mut appender {
                Some(appender) => appender,
                None => appender
                    .insert(Appender::after(&path, known.as_ref().filter(|_| reached.is_some())).map_err(failed)?),
            };
            appender.append(&group).map_err(failed)?;
            next = group.last_seq() + 1;
        }
        match (limit, appender) {
            (Some(limit), _) if next <= limit => Err(segment.damaged("a block is missing")),
            (Some(_), Some(appender)) => appender.finish().map_err(failed),
            _ => Ok(()),
        }
    }
}

impl Segment {
    /// Whether it ends as a manifest says: with its last block and its last record.
    fn ends_as(&self, says: &Manifest) -> Result<bool, StoreError> {
        let last = self.summaries_back_from(says.blocks_end, 1)?;
        let blocks_hash = match last.first() {
            Some(last) if says.blocks > 0 => self.blocks_hash_at(last.first_seq)?,
            _ => Some(GENESIS),
        };
        Ok(blocks_hash == Some(says.blocks_hash) && self.hash_at(says.last_seq)? == Some(says.end))
    }

    /// As many summaries as go together, from the block on that begins with this number, of blocks that end within the limit.
    fn gather(&self, first_seq: u64, limit: u64) -> Result<Gathered, StoreError> {
        let (mut gathered, mut next) = (Gathered::default(), first_seq);
        for stored in self.stored_summaries_from(first_seq, GROUP)? {
            let last_seq = self.summary(&stored.bytes)?.last_seq();
            if stored.first_seq != next || last_seq > limit {
                break;
            }
            gathered.add(&stored, last_seq);
            next = last_seq + 1;
        }
        Ok(gathered)
    }
}
