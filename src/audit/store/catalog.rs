//! Which segments there are, which numbers each holds, and which of them are open.

use super::{Segment, StoreError, segment_path, summaries::Summaries};
use crate::audit::{
    chain::{End, Hash},
    manifest::Manifest,
    quarantine::Gap,
    signature::Statement,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// All segments of a log, by the number of their first record.
#[derive(Debug)]
pub(crate) struct Catalog {
    directory: PathBuf,
    slots: Mutex<BTreeMap<u64, Slot>>,
}

/// One segment.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    // One that nobody reads or writes is closed.
    pub(super) open: Weak<Segment>,
    // Where it ends; `None` while it is written to.
    pub(super) end: Option<End>,
    pub(super) manifest: Option<Arc<Statement<Manifest>>>,
    // Why its files cannot be opened.
    pub(super) damage: Option<String>,
    // Its files do not hold what was committed, so that no manifest can be written. The next start puts it aside.
    pub(super) is_short: bool,
    pub(super) summarised: Summarised,
}

/// What is known of the file of a segment's summaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Summarised {
    /// Nobody has looked yet.
    #[default]
    Unknown,
    /// It is complete, or cannot be made.
    Settled,
    /// What is there is not what was written.
    Damaged,
}

/// The numbers that a segment holds.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    pub(crate) first_seq: u64,
    /// `u64::MAX` while it is written to.
    pub(crate) last_seq: u64,
    pub(crate) manifest: Option<Arc<Statement<Manifest>>>,
}

impl Catalog {
    pub(super) fn new(directory: &Path, slots: BTreeMap<u64, Slot>) -> Self {
        Self { directory: directory.to_owned(), slots: Mutex::new(slots) }
    }

    /// The stretch that holds this number, or the first one after it.
    pub(crate) fn at_or_after(&self, seq: u64) -> Option<Stretch> {
        let slots = self.lock();
        let at = slots.range(..=seq).next_back().map(stretch).filter(|stretch| stretch.last_seq >= seq);
        at.or_else(|| slots.range(seq..).next().map(stretch))
    }

    /// The stretch that holds this number, or the last one before it.
    pub(crate) fn at_or_before(&self, seq: u64) -> Option<Stretch> {
        self.lock().range(..=seq).rev().map(stretch).find(|stretch| stretch.last_seq >= stretch.first_seq)
    }

    /// All stretches, in order.
    pub(crate) fn stretches(&self) -> Vec<Stretch> {
        self.lock().iter().map(stretch).collect()
    }

    /// The first number that is held, or will be.
    pub(crate) fn first_seq(&self) -> u64 {
        self.lock().keys().next().copied().unwrap_or(1)
    }

    /// Opens the segment that begins with this number. Files that are damaged are noted for [`super::Store::put_damaged_aside`].
    pub(crate) fn open(&self, first_seq: u64) -> Result<Option<Arc<Segment>>, StoreError> {
        // Opened under the lock, so that two readers do not open the same files.
        let mut slots = self.lock();
        let Some(slot) = slots.get_mut(&first_seq) else { return Ok(None) };
        if let Some(open) = slot.open.upgrade() {
            return Ok(Some(open));
        }
        let path = segment_path(&self.directory, first_seq);
        let damaged = |what| StoreError::Damaged { path: path.clone(), what };
        let opened = Segment::open(&path).and_then(|segment| segment.ok_or_else(|| damaged("it is empty")));
        match opened {
            Ok(segment) => {
                let segment = Arc::new(segment);
                slot.open = Arc::downgrade(&segment);
                Ok(Some(segment))
            }
            Err(error) => {
                if error.is_damage() {
                    slot.damage = Some(error.to_string());
                }
                Err(error)
            }
        }
    }

    /// A segment does not hold what it should.
    pub(super) fn note_damage(&self, first_seq: u64, why: String) {
        if let Some(slot) = self.lock().get_mut(&first_seq) {
            slot.damage = Some(why);
        }
    }

    /// The file of a segment's summaries, where there is one that can be used. That of a closed segment is used once it is complete,
    /// which its manifest tells, so that the segment itself need not be opened.
    pub(crate) fn summaries(&self, stretch: &Stretch) -> Option<Summaries> {
        let known = self.lock().get(&stretch.first_seq)?.summarised;
        if known == Summarised::Damaged || stretch.manifest.as_ref().is_some_and(|manifest| manifest.says.blocks == 0) {
            return None;
        }
        let summaries = Summaries::open(&segment_path(&self.directory, stretch.first_seq)).filter(|summaries| {
            let Some(manifest) = &stretch.manifest else {
                let segment = self.open(stretch.first_seq).ok().flatten();
                return segment.is_some_and(|segment| summaries.fits(&segment).unwrap_or(false));
            };
            let complete = (manifest.says.blocks_end, manifest.says.blocks_hash);
            summaries.reaches().is_some_and(|(last_seq, _, hash)| (last_seq, hash) == complete)
        });
        if summaries.is_none() && known == Summarised::Settled {
            // It was complete.
            self.doubt_summaries(stretch.first_seq);
        }
        summaries
    }

    /// The file of a segment's summaries turned out to be damaged: queries go without it until it is made anew.
    pub(crate) fn doubt_summaries(&self, first_seq: u64) {
        self.set_summarised(first_seq, Summarised::Damaged);
    }

    pub(super) fn set_summarised(&self, first_seq: u64, summarised: Summarised) {
        if let Some(slot) = self.lock().get_mut(&first_seq) {
            slot.summarised = summarised;
        }
    }

    /// Runs of numbers before the last segment that no segment holds, beginning after `removed`.
    pub(crate) fn holes(&self, removed: u64) -> Vec<Gap> {
        let mut expected = removed + 1;
        let mut holes = Vec::new();
        for stretch in self.stretches() {
            if stretch.first_seq > expected {
                let why = "its files are missing".to_owned();
                holes.push(Gap { first_seq: expected, last_seq: stretch.first_seq - 1, why, kept_as: None });
            }
            expected = expected.max(stretch.last_seq.saturating_add(1));
        }
        holes
    }

    /// Bytes on disk of one segment's files.
    pub(crate) fn bytes_of(&self, first_seq: u64) -> u64 {
        crate::audit::files::directory_bytes(&segment_path(&self.directory, first_seq))
    }

    /// The hash of the last manifest; zeros where there is none.
    pub(super) fn last_manifest(&self) -> Option<Hash> {
        self.lock().values().rev().find_map(|slot| slot.manifest.as_ref()).map(|manifest| manifest.hash)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Slot>> {
        // Whole after every statement.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stretch((&first_seq, slot): (&u64, &Slot)) -> Stretch {
    let last_seq = slot.end.map_or(u64::MAX, |end| end.seq);
    Stretch { first_seq, last_seq, manifest: slot.manifest.clone() }
}
