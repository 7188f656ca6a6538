//! What can be seen of a log from outside: nothing is opened that writes, and nothing is changed.

use super::{
    Gap, OpenError, files, manifest,
    open::DirectoryLock,
    quarantine, retention,
    store::{Head, Looked, segment_numbers, segment_path},
};
use crate::model::Timestamp;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// A log, seen from outside.
#[derive(Debug, Clone)]
pub struct Sight {
    /// Whether a process has it open.
    pub is_in_use: bool,
    /// When the last record was written, as the clocks of its time had it: of the system that noted the end of the log, or of the
    /// process that made the last record of a closed segment, whichever is later. `None` where there is no record.
    pub newest: Option<Timestamp>,
    /// Segments that were put aside since their files are damaged.
    pub put_aside: Vec<PathBuf>,
    /// Runs of numbers that the log does not have, as far as it has a record of them.
    pub gaps: Vec<Gap>,
    /// What of its own notes cannot be read, in words.
    pub unreadable: Vec<String>,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Looks at the log of a data directory.
///
/// # Errors
/// Fails where there is none, or where it is not for this process to look at.
pub fn look(data: &Path) -> Result<Sight, OpenError> {
    // Held for as long as it takes to ask; a process that starts meanwhile waits for longer than that.
    let is_in_use = DirectoryLock::look(data)?.is_none();
    let audit = data.join("audit");
    let head = audit.join("HEAD");
    let mut unreadable = Vec::new();
    let noted = match Head::look(&head).map_err(|source| OpenError::io(&head, source))? {
        Looked::Anchor { .. } => written(&head),
        Looked::Empty | Looked::Missing => None,
        Looked::Unreadable => {
            unreadable.push("`HEAD`, which says where the log ends, is not as it was written".to_owned());
            None
        }
    };
    if let Err(error) = retention::tombstone(&audit) {
        unreadable.push(error.to_string());
    }
    let segments =
        segment_numbers(&audit).map_err(|error| OpenError::io(&audit, io::Error::other(error.to_string())))?;
    let closed = segments.iter().rev().find_map(|&first_seq| {
        // One that cannot be read is for `audit verify` to tell.
        Some(manifest::read(&segment_path(&audit, first_seq)).ok()??.says.max_time)
    });
    Ok(Sight {
        is_in_use,
        newest: noted.max(closed),
        put_aside: quarantine::all_put_aside(&audit),
        gaps: quarantine::recorded(&audit),
        unreadable,
        bytes: files::directory_bytes(&audit),
    })
}

/// When a file was last written.
fn written(path: &Path) -> Option<Timestamp> {
    let modified = fs::metadata(path).and_then(|metadata| metadata.modified()).ok()?;
    let since = modified.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_micros(i64::try_from(since.as_micros()).ok()?))
}
