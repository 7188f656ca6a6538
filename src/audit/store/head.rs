//! `HEAD`: the end of the log, noted outside of sled.
//!
//! Two slots in two sectors, written in turn and each with a checksum, so that one of them is whole whenever power fails. That costs one
//! write a commit, and no rename: a file that replaces another would cost a sync of the directory each time.
//!
//! ```text
//! slot: u32 version (1), u32 crc32 of the rest, u64 turn, u64 seq, u64 first seq of the segment, [32] hash
//! ```

use super::StoreError;
use crate::audit::{chain::Hash, files};
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const VERSION: u32 = 1;
const SLOT: usize = 64;
const SLOT_SPACING: u64 = 4096;

/// The end of the log at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// The number of the last record.
    pub(crate) seq: u64,
    /// Its hash.
    pub(crate) hash: Hash,
    /// The first number of its segment.
    pub(crate) segment: u64,
}

/// What there is to see of an anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looked {
    /// The end of the log; `torn` where the other slot holds something that was not written so.
    Anchor { anchor: Anchor, torn: bool },
    /// Nothing was ever noted.
    Empty,
    /// What was noted cannot be read.
    Unreadable,
    /// There is no file.
    Missing,
}

/// The open file.
#[derive(Debug)]
pub(crate) struct Head {
    path: PathBuf,
    file: File,
    turn: u64,
    last: Option<Anchor>,
    // Neither slot is what was written, and one of them was.
    unreadable: bool,
}

impl Head {
    /// Opens the file, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Io { path: path.to_owned(), source };
        let file = files::create_file(path).map_err(failed)?;
        let Slots { newest, written, .. } = read_slots(&file).map_err(failed)?;
        let (turn, last) = newest.map_or((0, None), |(turn, anchor)| (turn, Some(anchor)));
        Ok(Self { path: path.to_owned(), file, turn, last, unreadable: written && last.is_none() })
    }

    /// Looks at the file without making or changing it.
    pub(crate) fn look(path: &Path) -> io::Result<Looked> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Looked::Missing),
            Err(error) => return Err(error),
        };
        Ok(match read_slots(&file)? {
            Slots { newest: Some((_, anchor)), torn, .. } => Looked::Anchor { anchor, torn },
            Slots { written: true, .. } => Looked::Unreadable,
            Slots { .. } => Looked::Empty,
        })
    }

    /// Whether the file is still where it was opened.
    pub(crate) fn check_place(&self) -> Result<(), StoreError> {
        let is_still = files::is_still(&self.path, &self.file);
        is_still.then_some(()).ok_or_else(|| StoreError::Gone { path: self.path.clone() })
    }

    /// Whether something was noted that cannot be read.
    pub(crate) const fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    pub(crate) const fn anchor(&self) -> Option<Anchor> {
        self.last
    }

    /// Notes an anchor. `sync` also hands it, and those before it, to the disk.
    pub(crate) fn write(&mut self, anchor: Anchor, sync: bool) -> Result<(), StoreError> {
        let failed = |source| StoreError::Io { path: self.path.clone(), source };
        if self.last != Some(anchor) {
            self.turn += 1;
            self.file.write_all_at(&encode(self.turn, anchor), (self.turn % 2) * SLOT_SPACING).map_err(failed)?;
            self.last = Some(anchor);
        }
        if sync { self.file.sync_data().map_err(failed) } else { Ok(()) }
    }
}

/// What the two slots hold.
struct Slots {
    newest: Option<(u64, Anchor)>,
    // Whether anything was ever written, and whether what was written to one of them cannot be read.
    written: bool,
    torn: bool,
}

fn read_slots(file: &File) -> io::Result<Slots> {
    // A file of zeros was written too, and not so: its slots' turns begin with 1.
    let length = file.metadata()?.len();
    let mut slots = Slots { newest: None, written: length > 0, torn: false };
    for slot in 0..2 {
        let mut bytes = [0; SLOT];
        match file.read_exact_at(&mut bytes, slot * SLOT_SPACING) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                // A file that ends between the slots has one of them; another length is not one that was written.
                slots.torn |= length % SLOT_SPACING != SLOT as u64 % SLOT_SPACING && length > 0;
                continue;
            }
            Err(error) => return Err(error),
        }
        match decode(&bytes) {
            Some(found) if slots.newest.is_none_or(|(turn, _)| turn < found.0) => slots.newest = Some(found),
            Some(_) => {}
            None => slots.torn |= bytes != [0; SLOT],
        }
    }
    Ok(slots)
}

fn encode(turn: u64, anchor: Anchor) -> [u8; SLOT] {
    let mut rest = Vec::with_capacity(SLOT);
    for number in [turn, anchor.seq, anchor.segment] {
        rest.extend_from_slice(&number.to_le_bytes());
    }
    rest.extend_from_slice(&anchor.hash);
    let mut slot = [0; SLOT];
    let fields = [&VERSION.to_le_bytes()[..], &crc32fast::hash(&rest).to_le_bytes(), &rest].concat();
    slot.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
    slot
}

fn decode(slot: &[u8; SLOT]) -> Option<(u64, Anchor)> {
    let (version, rest) = slot.split_first_chunk()?;
    let (checksum, rest) = rest.split_first_chunk()?;
    if u32::from_le_bytes(*version) != VERSION || u32::from_le_bytes(*checksum) != crc32fast::hash(rest) {
        return None;
    }
    let (turn, rest) = rest.split_first_chunk()?;
    let (seq, rest) = rest.split_first_chunk()?;
    let (segment, rest) = rest.split_first_chunk()?;
    let hash: &Hash = rest.first_chunk()?;
    let anchor = Anchor { seq: u64::from_le_bytes(*seq), hash: *hash, segment: u64::from_le_bytes(*segment) };
    Some((u64::from_le_bytes(*turn), anchor))
}
