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
use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant},
};

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

/// How much faster than time a clock may go between two looks before it counts as having jumped.
const EVEN: Duration = Duration::from_mins(1);
/// How long a clock must have stood ahead before records grow old by it.
const LASTING: Duration = Duration::from_hours(1);

/// The time by which records grow old: the clock's, as long as it goes on evenly.
///
/// A clock that jumps ahead, as one does that is set wrongly, would make everything too old at once, and what was removed does not come
/// back when the clock does. So a jump counts once it has lasted; until then time goes on from where it was.
#[derive(Debug)]
pub(crate) struct Steady {
    last: (Timestamp, Instant),
    jumped: Option<Instant>,
}

impl Steady {
    /// Begins with the time of the newest record: the clock may have been wrong before the process was there.
    pub(crate) const fn after(newest: Timestamp, at: Instant) -> Self {
        Self { last: (newest, at), jumped: None }
    }

    /// What the clock's time counts for at this moment. To be called often.
    pub(crate) fn look(&mut self, clock: Timestamp, at: Instant) -> Timestamp {
        let (last, seen) = self.last;
        let expected = last.as_micros().saturating_add(micros(at.saturating_duration_since(seen)));
        let is_even = clock.as_micros() <= expected.saturating_add(micros(EVEN));
        if !is_even && at.saturating_duration_since(*self.jumped.get_or_insert(at)) < LASTING {
            self.last = (Timestamp::from_micros(expected), at);
        } else {
            // Also where it went back: less is too old then.
            *self = Self::after(clock, at);
        }
        self.last.0
    }

    /// Whether the clock stands ahead, and it has not been long enough to count.
    pub(crate) const fn is_ahead(&self) -> bool {
        self.jumped.is_some()
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
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
        let goes = |candidate: &&Candidate<'_>| {
            let Candidate { manifest, bytes } = *candidate;
            let too_old =
                self.age.is_some_and(|age| manifest.max_time.as_micros() < now.as_micros().saturating_sub(micros(age)));
            let too_much = self.bytes.is_some_and(|most| total > most);
            total = total.saturating_sub(*bytes);
            manifest.last_seq < keep_from && !holds(self.hold, manifest) && (too_old || too_much)
        };
        closed.iter().take_while(goes).count()
    }
}

/// Whether a closed segment must stay.
pub(crate) fn holds(hold: Hold, manifest: &Manifest) -> bool {
    match hold {
        Hold::Nothing => false,
        Hold::Everything => true,
        Hold::FromSeq(seq) => manifest.last_seq >= seq,
        Hold::FromTime(time) => manifest.max_time >= time,
    }
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

    const DAY: i64 = 24 * 3600;

    #[test]
    fn a_clock_that_jumps_ahead_counts_once_it_has_lasted() {
        let begun = Instant::now();
        // Seconds of real time, what the clock says then, and what records grow old by.
        for (case, looks) in [
            ("even", &[(0, 0, 0), (1, 1, 1), (3600, 3610, 3610), (7200, 7230, 7230)][..]),
            ("a jump that lasts", &[(1, 1, 1), (2, DAY, 2), (3000, DAY + 2998, 3000), (3602, DAY + 3600, DAY + 3600)]),
            ("a jump that is mended", &[(1, DAY, 1), (3000, 3000, 3000), (3100, DAY, 3100), (6000, DAY + 2900, 6000)]),
            ("wrong before the start", &[(0, DAY, 0), (3599, DAY + 3599, 3599), (3600, DAY + 3600, DAY + 3600)]),
            ("back", &[(100, 100, 100), (101, -DAY, -DAY), (102, 1 - DAY, 1 - DAY), (103, 103, 2 - DAY)]),
        ] {
            let mut steady = Steady::after(Timestamp::from_micros(0), begun);
            for &(real, clock, expected) in looks {
                let counts = steady.look(Timestamp::from_micros(clock * 1_000_000), begun + Duration::from_secs(real));
                assert_eq!(counts.as_micros(), expected * 1_000_000, "{case}, after {real} s");
                assert_eq!(steady.is_ahead(), clock != expected, "{case}, after {real} s");
            }
        }
    }
}
