//! Opening: what the process before has left, in whichever step it ended, becomes a log that can be written to.
//!
//! Whatever is done here can be done again: a kill at any moment leaves something that the next opening goes on with.

use super::{
    Anchor, Catalog, Head, Keeping, Origin, Segment, Slot, Store, StoreError,
    burial::{self, Burial},
    create, segment_numbers, segment_path,
};
use crate::{
    audit::{
        block::Positions,
        chain::{End, GENESIS, Hash},
        files,
        manifest::{self, Manifest},
        quarantine::{self, Quarantined},
        retention::{self, Tombstone},
        signature::{KeyNote, Signer, Statement},
    },
    model::Timestamp,
};
use arc_swap::ArcSwapOption;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::AtomicBool},
};

/// What opening has found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Segments that were put aside.
    pub(crate) quarantined: Vec<Quarantined>,
    /// Segments that were opened from a copy, or whose manifest was written anew.
    pub(crate) repaired: Vec<u64>,
    /// `HEAD` holds something that cannot be read, or is missing.
    pub(crate) head_lost: bool,
    /// The tombstone cannot be read, and why.
    pub(crate) lost_tombstone: Option<String>,
}

struct Opening<'d> {
    directory: &'d Path,
    now: Timestamp,
    keeping: &'d mut Keeping,
    anchor: Option<Anchor>,
    findings: Findings,
    slots: BTreeMap<u64, Slot>,
    // The last manifest so far, and who signed it.
    manifest: Hash,
    key: Option<KeyNote>,
}

/// What the last directory turned out to be.
enum Last {
    /// Writing goes on in it.
    Active(Arc<Segment>),
    /// It is closed, and the process died before the next was there.
    Closed,
    /// It was never finished being made; it is gone now.
    Unfinished,
    /// It was put aside.
    Aside,
}

impl Store {
    /// Opens the store in a directory, or begins one.
    pub(crate) fn open(directory: &Path, mut keeping: Keeping) -> Result<(Self, Findings), StoreError> {
        let failed = |source| StoreError::Io { path: directory.to_owned(), source };
        retention::finish_removals(directory).map_err(failed)?;
        let head_path = directory.join("HEAD");
        let had_head = head_path.exists();
        let head = Head::open(&head_path)?;
        let names = segment_numbers(directory)?;
        let Burial { statement: tombstone, lost } = burial::look(directory, &keeping, &names)?;
        let mut opening = Opening {
            directory,
            now: keeping.clock.now(),
            anchor: head.anchor(),
            findings: Findings { lost_tombstone: lost, ..Findings::default() },
            slots: BTreeMap::new(),
            manifest: tombstone.as_ref().map_or(GENESIS, |tombstone| tombstone.says.manifest),
            key: tombstone.as_ref().and_then(|tombstone| tombstone.key.clone()),
            keeping: &mut keeping,
        };
        let signed_by = tombstone.as_ref().map(|tombstone| tombstone.key.clone());
        let tombstone = tombstone.map(|tombstone| tombstone.says);
        let names = opening.names(names, tombstone.as_ref())?;
        // It was noted when a segment was closed at the latest.
        let never_noted = head.anchor().is_none() && names.len() > 1;
        opening.findings.head_lost = head.is_unreadable() || never_noted || (!had_head && !names.is_empty());
        let active = opening.segments(names, tombstone.as_ref())?;
        let Opening { findings, mut slots, key: last_key, .. } = opening;
        let slot = Slot { open: Arc::downgrade(&active), ..Slot::default() };
        slots.insert(active.origin().first_seq, slot);
        retention::load_ballast(directory);
        let key_changed = match keeping.signer.as_ref().and_then(Signer::note) {
            Some(own) => {
                if signed_by.is_some_and(|key| key.is_none_or(|key| key.id != own.id)) {
                    sign_anew(directory, &keeping, tombstone.as_ref())?;
                }
                note_key(directory, &own)?;
                last_key.is_some_and(|last| last.id != own.id)
            }
            None => false,
        };
        let store = Self {
            directory: directory.to_owned(),
            keeping,
            catalog: Catalog::new(directory, slots),
            active: ArcSwapOption::from(Some(active)),
            head: Mutex::new(head),
            tombstone: Mutex::new(tombstone),
            key_changed: AtomicBool::new(key_changed),
        };
        Ok((store, findings))
    }
}

impl Opening<'_> {
    /// The segments that are part of the log. Those that a tombstone covers are removed: the process died before it had done so.
    fn names(&self, all: Vec<u64>, tombstone: Option<&Tombstone>) -> Result<Vec<u64>, StoreError> {
        let removed = tombstone.map_or(0, |tombstone| tombstone.last_seq);
        let (gone, names): (Vec<u64>, Vec<u64>) = all.into_iter().partition(|&name| name <= removed);
        // Who only reads removes nothing.
        for name in gone.into_iter().filter(|_| self.keeping.signer.is_some()) {
            let path = self.path(name);
            retention::remove(&path).map_err(|source| StoreError::Io { path, source })?;
        }
        Ok(names)
    }

    /// Takes all segments into the catalog, and answers the one in which writing goes on.
    fn segments(&mut self, mut names: Vec<u64>, tombstone: Option<&Tombstone>) -> Result<Arc<Segment>, StoreError> {
        let mut gone = None;
        let last = loop {
            let Some(&name) = names.last() else { break None };
            match self.last(name)? {
                Last::Unfinished => drop(names.pop()),
                Last::Aside => {
                    names.pop();
                    gone = Some(name);
                    break None;
                }
                Last::Closed => break None,
                Last::Active(segment) => {
                    names.pop();
                    break Some(segment);
                }
            }
        };
        let next = last.as_ref().map(|segment| segment.origin().clone());
        let mut followers = names.iter().skip(1).copied().chain(next.as_ref().map(|next| next.first_seq));
        for &name in &names {
            self.closed(name, followers.next())?;
        }
        if let Noted::Key(known) = noted_key(self.directory)?
            && self.key.as_ref().is_none_or(|key| key.epoch <= known.epoch)
        {
            self.key = Some(known);
        }
        self.sign_on();
        match last {
            Some(segment) => Ok(segment),
            None => create(self.directory, &self.next_origin(gone, tombstone)?),
        }
    }

    fn last(&mut self, name: u64) -> Result<Last, StoreError> {
        let path = self.path(name);
        if matches!(manifest::read(&path), Ok(Some(manifest)) if manifest.says.first_seq == name) {
            return Ok(Last::Closed);
        }
        // The anchor is written after the first record, and the origin before it.
        let never_used = self.anchor.is_none_or(|anchor| anchor.seq < name) && !path.join("ORIGIN").exists();
        let expected = self.anchor.filter(|anchor| anchor.seq >= name).map(|anchor| anchor.seq);
        let whole = |segment: &Segment| {
            segment.tail().is_ok_and(|tail| expected.is_none_or(|expected| tail.end().seq >= expected))
        };
        let why = match quarantine::open_segment(&path, self.now, whole) {
            Ok((Some(segment), repaired)) if segment.origin().first_seq == name => {
                if repaired {
                    self.findings.repaired.push(name);
                }
                match segment.tail() {
                    // Its records were there: sled takes a file that was cut short for a new one.
                    Ok(tail) if tail.end().seq < name && expected.is_some() => "its records are missing".to_owned(),
                    Ok(_) => return Ok(Last::Active(Arc::new(segment))),
                    Err(error) if error.is_damage() => error.to_string(),
                    Err(error) => return Err(error),
                }
            }
            Ok((Some(_), _)) => "it is another segment than its name says".to_owned(),
            Ok((None, _)) if never_used => return unfinished(&path),
            Ok((None, _)) => "it does not say where it begins".to_owned(),
            Err(error) if error.is_damage() && never_used => return unfinished(&path),
            Err(error) if error.is_damage() => error.to_string(),
            Err(error) => return Err(error),
        };
        self.put_aside(name, why)?;
        Ok(Last::Aside)
    }

    /// Takes a segment that is not the last: it has a manifest, or gets one.
    fn closed(&mut self, name: u64, follower: Option<u64>) -> Result<(), StoreError> {
        let path = self.path(name);
        let fits = |manifest: &Manifest| {
            manifest.first_seq == name && follower.is_none_or(|follower| manifest.last_seq < follower)
        };
        match manifest::read(&path) {
            Ok(Some(manifest)) if fits(&manifest.says) => {
                let end = End { seq: manifest.says.last_seq, hash: manifest.says.end };
                self.take(name, end, Some(manifest));
                return Ok(());
            }
            Ok(_) | Err(manifest::ManifestError::Statement(_)) => {}
            Err(source) => return Err(StoreError::Manifest { path, source }),
        }
        let why = match quarantine::open_segment(&path, self.now, |_| true) {
            Ok((Some(segment), _)) if segment.origin().first_seq == name => match self.seal(&segment, follower) {
                Ok((end, manifest)) => {
                    self.findings.repaired.push(name);
                    self.take(name, end, manifest);
                    return Ok(());
                }
                Err(error) if error.is_damage() => error.to_string(),
                Err(error) => return Err(error),
            },
            Ok((Some(_), _)) => "it is another segment than its name says".to_owned(),
            Ok((None, _)) => "it does not say where it begins".to_owned(),
            Err(error) if error.is_damage() => error.to_string(),
            Err(error) => return Err(error),
        };
        self.put_aside(name, why)
    }

    /// Writes the manifest of a segment that has none which can be read. It ends where the next one begins, or else where it ends.
    fn seal(
        &mut self,
        segment: &Segment,
        follower: Option<u64>,
    ) -> Result<(End, Option<Statement<Manifest>>), StoreError> {
        let path = self.path(segment.origin().first_seq);
        let failed = |source| StoreError::Io { path: path.clone(), source };
        let next = match follower {
            Some(follower) => Origin::read(&self.path(follower)).map_err(failed)?,
            None => None,
        };
        let own = segment.tail()?.end();
        let next_says = next.map(|next| End { seq: next.first_seq - 1, hash: next.before });
        let end = next_says.filter(|end| end.seq < own.seq).unwrap_or(own);
        if end.seq < segment.origin().first_seq {
            return Err(segment.damaged("its records are missing"));
        }
        let manifest = segment.manifest(end, self.manifest)?;
        let Some(signer) = &self.keeping.signer else { return Ok((end, None)) };
        let written = manifest::write(&path, &manifest, signer);
        Ok((end, Some(written.map_err(|source| StoreError::Manifest { path: path.clone(), source })?)))
    }

    fn take(&mut self, name: u64, end: End, manifest: Option<Statement<Manifest>>) {
        if let Some(manifest) = &manifest {
            self.manifest = manifest.hash;
            if manifest.key.is_some() {
                self.key.clone_from(&manifest.key);
            }
        }
        // A manifest that is written anew belongs to the epoch that it had.
        self.sign_on();
        self.slots.insert(name, Slot { end: Some(end), manifest: manifest.map(Arc::new), ..Slot::default() });
    }

    fn sign_on(&mut self) {
        if let Some(signer) = &mut self.keeping.signer {
            signer.go_on_after(self.key.as_ref());
        }
    }

    fn put_aside(&mut self, name: u64, why: String) -> Result<(), StoreError> {
        let path = self.path(name);
        let kept_as = quarantine::put_aside(&path, self.now).map_err(|source| StoreError::Io { path, source })?;
        self.findings.quarantined.push(Quarantined { first_seq: name, kept_as, why });
        Ok(())
    }

    /// Where a new segment begins: after all that the log ever held, as far as anything says so.
    fn next_origin(&mut self, lost: Option<u64>, tombstone: Option<&Tombstone>) -> Result<Origin, StoreError> {
        let mut end = End { seq: 0, hash: GENESIS };
        let mut positions = Positions::default();
        if let Some(tombstone) = tombstone {
            end = End { seq: tombstone.last_seq, hash: tombstone.end };
        }
        if let Some((&name, slot)) = self.slots.iter().next_back() {
            end = slot.end.unwrap_or(end);
            match Segment::open(&self.path(name)) {
                Ok(Some(segment)) if lost.is_none() => positions = segment.tail()?.positions,
                Err(error) if !error.is_damage() => return Err(error),
                // Only what the rings themselves say can be known of them.
                _ => {}
            }
        }
        if let Some(anchor) = self.anchor.filter(|anchor| anchor.seq > end.seq) {
            end = End { seq: anchor.seq, hash: anchor.hash };
        } else if let Some(lost) = lost {
            // How much it held is not known. At least one number is given up, so that the gap shows; where nothing says how many there
            // were, so many that none is given twice.
            let step = if self.findings.head_lost { NUMBERS_OF_A_LOST_SEGMENT } else { 0 };
            end.seq = lost.saturating_add(step);
        }
        Ok(Origin { first_seq: end.seq + 1, before: end.hash, created: self.now, positions })
    }

    fn path(&self, name: u64) -> PathBuf {
        segment_path(self.directory, name)
    }
}

fn unfinished(path: &Path) -> Result<Last, StoreError> {
    files::remove_if_there(path).map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
    Ok(Last::Unfinished)
}

/// What the file `KEY` says of who signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Noted {
    /// Nobody ever did.
    Nobody,
    /// This key signed last.
    Key(KeyNote),
    /// Somebody did, and the file is not what was written.
    Unreadable,
}

impl Noted {
    /// Who signed last; the manifests say the rest.
    pub(super) const fn key(&self) -> Option<&KeyNote> {
        match self {
            Self::Key(key) => Some(key),
            Self::Nobody | Self::Unreadable => None,
        }
    }
}

/// Who signed last: also where nothing was closed since, so that no manifest says so.
pub(crate) fn noted_key(directory: &Path) -> Result<Noted, StoreError> {
    let path = directory.join(KEY);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).map_or(Noted::Unreadable, Noted::Key)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Noted::Nobody),
        Err(source) => Err(StoreError::Io { path, source }),
    }
}

/// Signs what the tombstone says with the key that signs from now on, so that the next start believes no other.
fn sign_anew(directory: &Path, keeping: &Keeping, tombstone: Option<&Tombstone>) -> Result<(), StoreError> {
    let (Some(signer), Some(tombstone)) = (&keeping.signer, tombstone) else { return Ok(()) };
    retention::bury(directory, &signer.state(tombstone))
        .map_err(|source| StoreError::Io { path: directory.to_owned(), source })
}

/// To be called before anything is signed, the tombstone apart: a start that finds it signed and no note of the key goes on with it.
fn note_key(directory: &Path, note: &KeyNote) -> Result<(), StoreError> {
    if noted_key(directory)?.key() == Some(note) {
        return Ok(());
    }
    let path = directory.join(KEY);
    let written = serde_json::to_vec(note).map_err(io::Error::from).and_then(|text| files::replace(&path, &text));
    written.map_err(|source| StoreError::Io { path, source })
}

/// The file that says who signs.
const KEY: &str = "KEY";
/// More records than a segment holds.
const NUMBERS_OF_A_LOST_SEGMENT: u64 = 1 << 32;
