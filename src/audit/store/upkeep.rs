//! What is done from time to time, on the keeper's thread: retention, segments that are damaged, summaries of segments that are closed.

use super::{
    Segment, Store, StoreError, Stretch,
    catalog::{Slot, Summarised},
    lock, segment_path,
    summaries::{self, Summaries},
};
use crate::audit::{
    manifest::Manifest,
    quarantine::{self, Quarantined},
    retention::{self, Candidate, Retention, Tombstone},
};

/// Summaries that are read at a time.
const STEP: usize = 256;

impl Store {
    /// Removes what is too old or too much. Answers the tombstone where something was removed.
    pub(crate) fn retain(&self, retention: &Retention, keep_from: u64) -> Result<Option<Tombstone>, StoreError> {
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
        let surplus = retention.surplus(&closed, sizes.iter().sum(), self.now(), keep_from);
        for stretch in stretches.iter().take(surplus) {
            self.remove_first(stretch)?;
        }
        retention::load_ballast(&self.directory);
        Ok(lock(&self.tombstone).clone().filter(|_| surplus > 0))
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
            let whole = |segment: &Segment| segment.tail().is_ok_and(|tail| tail.end().seq >= last_seq);
            match quarantine::open_segment(&path, now, whole) {
                Ok((Some(_), _)) => {
                    if let Some(slot) = slots.get_mut(&first_seq) {
                        slot.damage = None;
                    }
                    continue;
                }
                Ok((None, _)) => {}
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

    /// Writes the summaries of closed segments side by side where that was not done yet, one segment a call. Answers its number
    /// where what was there was damaged.
    ///
    /// That opens the segment, which leaves a snapshot with sled: the next to open it waits less.
    pub(crate) fn summarise(&self) -> Result<Option<u64>, StoreError> {
        for stretch in self.catalog.stretches() {
            let Some(manifest) = stretch.manifest.as_ref().map(|manifest| &manifest.says) else { continue };
            if let Some(was_damaged) = self.wants_summaries(&stretch, manifest) {
                let written = self.write_summaries(manifest);
                // One that cannot be read will not be readable at the next look either.
                if written.as_ref().err().is_none_or(StoreError::is_damage) {
                    self.settle_summaries(stretch.first_seq);
                }
                return written.map(|()| was_damaged.then_some(stretch.first_seq));
            }
        }
        Ok(None)
    }

    /// Whether the file of a segment's summaries is to be written, and whether that is because of damage.
    fn wants_summaries(&self, stretch: &Stretch, manifest: &Manifest) -> Option<bool> {
        let summarised =
            self.catalog.lock().get(&stretch.first_seq).map(|slot| (slot.summarised, slot.damage.is_some()));
        match summarised? {
            (Summarised::Settled, _) | (_, true) => None,
            (Summarised::Damaged, _) => Some(true),
            (Summarised::Unknown, _) => {
                match Summaries::open(&segment_path(&self.directory, stretch.first_seq), manifest) {
                    Ok(Some(_)) => {
                        self.settle_summaries(stretch.first_seq);
                        None
                    }
                    Ok(None) => Some(false),
                    Err(_) => Some(true),
                }
            }
        }
    }

    fn settle_summaries(&self, first_seq: u64) {
        if let Some(slot) = self.catalog.lock().get_mut(&first_seq) {
            slot.summarised = Summarised::Settled;
        }
    }

    fn write_summaries(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let Some(segment) = self.catalog.open(manifest.first_seq)? else { return Ok(()) };
        let path = segment_path(&self.directory, manifest.first_seq);
        let failed = |source| StoreError::Io { path: path.clone(), source };
        let mut out = summaries::replace(&path, &manifest.blocks_hash).map_err(failed)?;
        let mut next = manifest.first_seq;
        while next <= manifest.blocks_end {
            let begun_at = next;
            for stored in segment.stored_summaries_from(next, STEP)? {
                let last_seq = segment.summary(&stored.bytes)?.last_seq();
                if stored.first_seq != next || last_seq > manifest.blocks_end {
                    break;
                }
                out.add(stored.first_seq, &stored.bytes).map_err(failed)?;
                next = last_seq + 1;
            }
            if next == begun_at {
                return Err(segment.damaged("a block is missing"));
            }
        }
        out.put().map_err(failed)
    }
}
