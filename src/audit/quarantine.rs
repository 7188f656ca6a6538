//! What becomes of a segment whose files are damaged: opened from a copy where that helps, else put aside, reported, and recorded as a
//! gap. Nothing is removed, and no number is given twice.

use super::{
    files,
    store::{Segment, StoreError},
};
use crate::{model::Timestamp, storage::is_snapshot};
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The file that holds the gaps which the log itself records.
const GAPS: &str = "GAPS";
/// What the name of a copy ends in.
pub(crate) const RETRY: &str = "retry";

/// A run of numbers whose records the log does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first of them.
    pub first_seq: u64,
    /// The last of them.
    pub last_seq: u64,
    /// What happened.
    pub why: String,
    /// The directory that still holds the damaged files.
    pub kept_as: Option<String>,
}

impl Gap {
    /// Whether this gap contains the other.
    pub(crate) const fn covers(&self, other: &Self) -> bool {
        self.first_seq <= other.first_seq && other.last_seq <= self.last_seq
    }
}

/// A segment that was put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quarantined {
    /// The number in its name.
    pub(crate) first_seq: u64,
    /// Its new name.
    pub(crate) kept_as: String,
    /// Why.
    pub(crate) why: String,
}

/// Opens a segment. Where its files cannot be read as they are, a copy without sled's snapshots may be: sled then reads its whole
/// log. Such a copy takes the segment's place if `whole` says so. Answers whether it did.
pub(crate) fn open_segment(
    path: &Path,
    now: Timestamp,
    whole: impl Fn(&Segment) -> bool,
) -> Result<(Option<Segment>, bool), StoreError> {
    let damage = match Segment::open(path) {
        Ok(segment) => return Ok((segment, false)),
        Err(error) if error.is_damage() => error,
        Err(error) => return Err(error),
    };
    let failed = |source| StoreError::Io { path: path.to_owned(), source };
    let copy = path.with_extension(RETRY);
    files::remove_if_there(&copy).map_err(failed)?;
    files::copy_directory(path, &copy, |name| !is_snapshot(name)).map_err(failed)?;
    let usable = matches!(Segment::open(&copy), Ok(Some(segment)) if whole(&segment));
    if !usable {
        files::remove_if_there(&copy).map_err(failed)?;
        return Err(damage);
    }
    files::sync_all_in(&copy).map_err(failed)?;
    put_aside(path, now).map_err(failed)?;
    fs::rename(&copy, path).map_err(failed)?;
    path.parent().map_or(Ok(()), files::sync_directory).map_err(failed)?;
    Ok((Segment::open(path)?, true))
}

/// Renames a segment, so that it is no part of the log any more. Answers its new name.
pub(crate) fn put_aside(path: &Path, now: Timestamp) -> io::Result<String> {
    let mut stamp = now.as_micros();
    let to = loop {
        let to = path.with_extension(format!("corrupt-{stamp}"));
        if !to.exists() {
            break to;
        }
        stamp += 1;
    };
    fs::rename(path, &to)?;
    path.parent().map_or(Ok(()), files::sync_directory)?;
    Ok(to.file_name().unwrap_or_default().to_string_lossy().into_owned())
}

/// The gaps that the log has a record of. A file that cannot be read counts as none: they are recorded once more.
pub(crate) fn recorded(directory: &Path) -> Vec<Gap> {
    let text = fs::read(directory.join(GAPS)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Notes which gaps the log has a record of.
pub(crate) fn note_recorded(directory: &Path, gaps: &[Gap]) -> io::Result<()> {
    files::replace(&directory.join(GAPS), &serde_json::to_vec(gaps)?)
}

/// The path of a segment that was put aside.
pub(crate) fn is_put_aside(name: &str) -> bool {
    name.starts_with("seg-") && name.contains(".corrupt-")
}

/// Segments in a directory that were put aside, whenever that was.
pub(crate) fn all_put_aside(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.filter(|entry| is_put_aside(&entry.file_name().to_string_lossy())).map(|entry| entry.path()).collect();
    found.sort();
    found
}
