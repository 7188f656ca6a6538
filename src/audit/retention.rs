//! What goes once it is old enough, or once there is too much: whole closed segments, the oldest first.
//!
//! The tombstone is written first, so that the chain can be checked from where the log now begins; then the directory is renamed, then
//! removed. Whichever of these steps the process dies in, the next start goes on with it.

use super::{
    chain::Hash,
    files,
    manifest::Manifest,
    signature::{Says, Statement, StatementError, hex, time},
};
use crate::{config::Hold, model::Timestamp};
use serde::{Deserialize, Serialize};
use std::{fs, io, path::Path, time::Duration};

const TOMBSTONE: &str = "TOMBSTONE";
/// A file that is given up where a full disk leaves no room for the tombstone.
const BALLAST: &str = "BALLAST";
const BALLAST_BYTES: usize = 256 * 1024;
/// A file that is made for a moment to see whether it can be.
const PROBE: &str = "PROBE";
const PROBE_BYTES: usize = 1024 * 1024;
/// What the name of a segment that is being removed ends in.
const DELETING: &str = "deleting";

/// What is kept, and for how long.
#[derive(Debug, Clone, Default)]
pub struct Retention {
    /// Segments whose last record is older go.
    pub age: Option<Duration>,
    /// While all segments together take more bytes, the oldest goes.
    pub bytes: Option<u64>,
    /// What must stay whatever the others say.
    pub hold: Hold,
}

/// What was removed, from the first record ever to the last that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tombstone {
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    /// How many records were removed: less than the numbers tell where there were gaps.
    pub(crate) records: u64,
    /// The hash of the last of them: what the first record that is held is chained to.
    #[serde(with = "hex")]
    pub(crate) end: Hash,
    /// The hash of the last manifest that is gone.
    #[serde(with = "hex")]
    pub(crate) manifest: Hash,
    /// When the last removal was.
    #[serde(with = "time")]
    pub(crate) removed_at: Timestamp,
}

impl Says for Tombstone {
    const TYPE: &'static str = "sidegate.tombstone.v1";
}

/// A closed segment that may go.
#[derive(Debug, Clone)]
pub(crate) struct Candidate<'m> {
    pub(crate) manifest: &'m Manifest,
    pub(crate) bytes: u64,
}

impl Retention {
    /// Whether anything ever goes.
    pub(crate) const fn removes(&self) -> bool {
        (self.age.is_some() || self.bytes.is_some()) && !matches!(self.hold, Hold::Everything)
    }

    /// How many of these, which are in order, go. `total` is the size of the whole log; records from `keep_from` on stay.
    pub(crate) fn surplus(&self, closed: &[Candidate<'_>], mut total: u64, now: Timestamp, keep_from: u64) -> usize {
        let newest = believable(closed, now);
        let mut newest = newest.iter();
        let goes = |candidate: &&Candidate<'_>| {
            let Candidate { manifest, bytes } = *candidate;
            let too_old = self.age.zip(newest.next().copied().flatten()).is_some_and(|(age, newest)| {
                let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
                newest.as_micros() < now.as_micros().saturating_sub(age)
            });
            let too_much = self.bytes.is_some_and(|most| total > most);
            total = total.saturating_sub(*bytes);
            manifest.last_seq < keep_from && !self.holds(manifest) && (too_old || too_much)
        };
        closed.iter().take_while(goes).count()
    }

    /// Whether a closed segment must stay.
    pub(crate) fn holds(&self, manifest: &Manifest) -> bool {
        match self.hold {
            Hold::Nothing => false,
            Hold::Everything => true,
            Hold::FromSeq(seq) => manifest.last_seq >= seq,
            Hold::FromTime(time) => manifest.max_time >= time,
        }
    }
}

/// The time of the newest record of each segment, as far as it can be believed. One that is still to come was told by a clock that was
/// wrong: such a segment is no younger than the one after it. `None` where nothing is known.
fn believable(closed: &[Candidate<'_>], now: Timestamp) -> Vec<Option<Timestamp>> {
    let mut after = None;
    let mut times: Vec<_> = closed
        .iter()
        .rev()
        .map(|candidate| {
            after = if candidate.manifest.max_time > now { after } else { Some(candidate.manifest.max_time) };
            after
        })
        .collect();
    times.reverse();
    times
}

/// What the tombstone says. `None` where nothing was ever removed.
pub(crate) fn tombstone(directory: &Path) -> Result<Option<Statement<Tombstone>>, TombstoneError> {
    match fs::read_to_string(directory.join(TOMBSTONE)) {
        Ok(text) => Ok(Some(Statement::read(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(StatementError::Malformed.into()),
        Err(error) => Err(error.into()),
    }
}

/// Why there is no tombstone to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TombstoneError {
    #[error("the tombstone cannot be read")]
    Io(#[from] io::Error),
    #[error("the tombstone is not as it was written: {0}")]
    Statement(#[from] StatementError),
}

/// Puts the tombstone's line in place; gives up the ballast where the disk is full.
pub(crate) fn bury(directory: &Path, line: &str) -> io::Result<()> {
    let line = format!("{line}\n");
    let path = directory.join(TOMBSTONE);
    match files::replace(&path, line.as_bytes()) {
        Err(error) if is_full(&error) => {
            fs::remove_file(directory.join(BALLAST)).ok();
            files::replace(&path, line.as_bytes())
        }
        done => done,
    }
}

/// Removes a segment that the tombstone covers. Its space is free when this returns, as far as nobody reads it.
pub(crate) fn remove(segment: &Path) -> io::Result<()> {
    let doomed = segment.with_extension(DELETING);
    files::remove_if_there(&doomed)?;
    fs::rename(segment, &doomed)?;
    segment.parent().map_or(Ok(()), files::sync_directory)?;
    files::remove_if_there(&doomed)
}

/// Goes on with removals that were begun, and removes copies that were not finished.
pub(crate) fn finish_removals(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let ending = name.rsplit_once('.').filter(|(stem, _)| stem.starts_with("seg-")).map(|(_, ending)| ending);
        if ending.is_some_and(|ending| ending == DELETING || ending == super::quarantine::RETRY) {
            files::remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}

/// Whether the disk takes a little more.
pub(crate) fn has_room(directory: &Path) -> bool {
    let path = directory.join(PROBE);
    let written = files::create_file(&path).and_then(|mut file| io::Write::write_all(&mut file, &vec![0; PROBE_BYTES]));
    fs::remove_file(&path).ok();
    written.is_ok()
}

/// Makes the ballast where it is not there and there is room for it.
pub(crate) fn load_ballast(directory: &Path) {
    let path = directory.join(BALLAST);
    if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == BALLAST_BYTES as u64) {
        return;
    }
    let written =
        files::create_file(&path).and_then(|mut file| io::Write::write_all(&mut file, &vec![0; BALLAST_BYTES]));
    if written.is_err() {
        // Half of it is of no use, and the room is wanted.
        fs::remove_file(&path).ok();
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Days since some day.
    const fn day(days: i64) -> Timestamp {
        Timestamp::from_micros((20_000 + days) * 86_400_000_000)
    }

    fn segment(number: u64, newest: i64) -> Manifest {
        Manifest {
            first_seq: number * 10 + 1,
            last_seq: number * 10 + 10,
            min_time: day(newest),
            max_time: day(newest),
            before: Hash::default(),
            end: Hash::default(),
            blocks: 0,
            blocks_end: 0,
            blocks_hash: Hash::default(),
            previous: Hash::default(),
        }
    }

    #[test]
    fn the_age_of_a_segment_whose_clock_was_ahead_is_that_of_the_next() {
        let retention = Retention { age: Some(Duration::from_hours(90 * 24)), ..Retention::default() };
        for (newest, surplus) in [
            (&[-200, -100, -10][..], 2),
            (&[-10, -5, 0], 0),
            // It must not stand in the way of those behind it for ever.
            (&[-200, 3_000, -100, -10], 3),
            // And it goes no sooner than what comes after it.
            (&[3_000, -10], 0),
            (&[-200, 3_000], 1),
            (&[3_000, 3_001], 0),
            // One whose clock was behind goes no sooner than what comes before it.
            (&[-10, -9_000, -5], 0),
        ] {
            let manifests: Vec<Manifest> = (0..).zip(newest).map(|(number, newest)| segment(number, *newest)).collect();
            let closed: Vec<_> = manifests.iter().map(|manifest| Candidate { manifest, bytes: 1 }).collect();
            assert_eq!(retention.surplus(&closed, 0, day(0), u64::MAX), surplus, "{newest:?}");
        }
    }
}
