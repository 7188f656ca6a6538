//! The set that decided last, kept in the data directory: a restart with broken files comes up on it.
//!
//! What is kept are the files as they were read, so that they are parsed, checked and compiled like any others. The copy takes its
//! place as a whole, and is trusted only where its digest is that of its content. The time of the file is when the set was last
//! seen to be what the policy files say.

use crate::{
    document::read_file,
    lifecycle::Clock,
    model::{Revision, Timestamp},
    policy::Files,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// The form of the copy. One of a newer version is left alone.
const FORMAT: u32 = 1;

/// No copy is larger: a set has at most 64 MiB, and JSON may double that.
const MAX_BYTES: usize = 160 * 1024 * 1024;

/// How far ahead of the clock the time of the copy may be: it is corrected now and then.
const CORRECTION: Duration = Duration::from_mins(1);

/// The place of the copy.
#[derive(Debug, Clone)]
pub struct LastGood {
    directory: PathBuf,
}

/// A copy that was found.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) files: Files,
    /// When the set was last seen to be what the policy files say.
    pub(super) confirmed_at: Timestamp,
}

/// Why the copy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// It cannot be read or written.
    #[error("`{}` cannot be used", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It is not what was written.
    #[error("`{}` is not a whole copy of a policy set: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

#[derive(Serialize)]
struct Written<'w> {
    format: u32,
    revision: String,
    directory: &'w str,
    files: Vec<(&'w str, &'w str)>,
}

#[derive(Deserialize)]
struct Read {
    format: u32,
    revision: String,
    directory: String,
    files: Vec<(String, String)>,
}

impl LastGood {
    /// The place of the copy in a data directory.
    #[must_use]
    pub fn new(data: &Path) -> Self {
        Self { directory: data.join("policies") }
    }

    fn path(&self) -> PathBuf {
        self.directory.join("last-good.json")
    }

    /// Keeps a set in place of the one before, all of it or nothing. It was what the policy files say at that time.
    pub(super) fn keep(&self, files: &Files, at: Timestamp) -> Result<(), KeptError> {
        let (directory, contents) = files.parts();
        let written = Written { format: FORMAT, revision: hex(files.revision().digest()), directory, files: contents };
        let draft = self.directory.join("last-good.draft");
        let save = || {
            DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
            let text = serde_json::to_vec(&written)?;
            // A draft that a dead process has left may have other rights.
            if let Err(error) = fs::remove_file(&draft)
                && error.kind() != io::ErrorKind::NotFound
            {
                return Err(error);
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
            file.write_all(&text)?;
            file.set_modified(system_time(at))?;
            file.sync_all()?;
            fs::rename(&draft, self.path())?;
            File::open(&self.directory)?.sync_all()
        };
        save().map_err(|source| self.failed(source))
    }

    /// Notes that the kept set is still what the policy files say.
    pub(super) fn confirm(&self, at: Timestamp) -> Result<(), KeptError> {
        let touch = || OpenOptions::new().write(true).open(self.path())?.set_modified(system_time(at));
        touch().map_err(|source| self.failed(source))
    }

    /// Looks at the copy, and changes nothing: its revision, and when it was last seen to be what the policy files say. Nothing where
    /// none was kept.
    ///
    /// # Errors
    /// Fails where the copy cannot be read, or is not what was written.
    pub fn look(&self, clock: Clock) -> Result<Option<(Revision, Timestamp)>, KeptError> {
        Ok(self.find(clock)?.map(|kept| (kept.files.revision(), kept.confirmed_at)))
    }

    /// The kept set; nothing where none was kept.
    pub(super) fn find(&self, clock: Clock) -> Result<Option<Kept>, KeptError> {
        let path = self.path();
        let bytes = match read_file(&path, MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(error)),
        };
        let damaged = |why: String| KeptError::Damaged { path: path.clone(), why };
        let read: Read = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if read.format != FORMAT {
            return Err(damaged(format!("it has format {}, and this version knows format {FORMAT}", read.format)));
        }
        let files = Files::from_parts(&read.directory, read.files);
        let files = files.ok_or_else(|| damaged("it holds files that belong to no policy set".to_owned()))?;
        if hex(files.revision().digest()) != read.revision {
            return Err(damaged("its content does not have the digest that it names".to_owned()));
        }
        Ok(Some(Kept { files, confirmed_at: self.time(clock) }))
    }

    /// When the copy was last confirmed. A time to come tells nothing, since a clock was wrong then or is wrong now: nobody knows how
    /// old the copy is, and it counts as of any age.
    fn time(&self, clock: Clock) -> Timestamp {
        let modified = fs::metadata(self.path()).and_then(|metadata| metadata.modified());
        let since = modified.ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default();
        let (at, now) = (i64::try_from(since.as_micros()).unwrap_or(i64::MAX), clock.now().as_micros());
        let most = now.saturating_add(i64::try_from(CORRECTION.as_micros()).unwrap_or(i64::MAX));
        Timestamp::from_micros(if at > most { 0 } else { at.min(now) })
    }

    fn failed(&self, source: io::Error) -> KeptError {
        KeptError::Io { path: self.path(), source }
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(at.as_micros()).unwrap_or_default())
}

fn hex(digest: &[u8]) -> String {
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy;
    use std::os::unix::fs::PermissionsExt as _;

    fn set() -> (tempfile::TempDir, Files) {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("tests")).unwrap();
        fs::write(directory.path().join("set.yaml"), "policy_set: x\n").unwrap();
        fs::write(directory.path().join("tests/a.yaml"), "cases: []\n").unwrap();
        let files = policy::read(directory.path()).unwrap();
        (directory, files)
    }

    #[test]
    fn what_was_kept_is_found_again_and_is_private() {
        let (_set, files) = set();
        let data = tempfile::tempdir().unwrap();
        let place = LastGood::new(data.path());
        assert!(place.find(Clock::system()).unwrap().is_none());
        for _ in 0..2 {
            place.keep(&files, Timestamp::from_micros(1_600_000_000_000_000)).unwrap();
        }
        assert_eq!(place.find(Clock::system()).unwrap().unwrap().confirmed_at.as_micros(), 1_600_000_000_000_000);
        let at = Timestamp::from_micros(1_700_000_000_000_000);
        place.confirm(at).unwrap();
        let kept = place.find(Clock::system()).unwrap().unwrap();
        assert_eq!(kept.files.revision(), files.revision());
        assert_eq!(kept.files.parts(), files.parts());
        assert_eq!(kept.confirmed_at, at);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&place.directory), mode(&place.path())), (0o700, 0o600));
    }

    #[test]
    fn a_copy_from_a_time_to_come_is_of_any_age() {
        let (_set, files) = set();
        let data = tempfile::tempdir().unwrap();
        let place = LastGood::new(data.path());
        let now = Clock::system().now().as_micros();
        for (ahead, is_known) in [(-10, true), (20, true), (3600, false)] {
            place.keep(&files, Timestamp::from_micros(now + ahead * 1_000_000)).unwrap();
            let found = place.find(Clock::system()).unwrap().unwrap().confirmed_at.as_micros();
            assert_eq!(found > 0, is_known, "{ahead} s ahead");
            assert!(found <= Clock::system().now().as_micros());
        }
    }

    #[test]
    fn a_copy_that_is_not_what_was_written_is_refused() {
        let (_set, files) = set();
        let data = tempfile::tempdir().unwrap();
        let place = LastGood::new(data.path());
        place.keep(&files, Clock::system().now()).unwrap();
        let good = fs::read_to_string(place.path()).unwrap();
        for (bad, why) in [
            (good.replace("policy_set: x", "policy_set: y"), "digest"),
            (good.replace("\"format\":1", "\"format\":2"), "format 2"),
            (good.replace("set.yaml", "set.toml"), "no policy set"),
            (good.chars().take(good.len() / 2).collect(), "EOF"),
        ] {
            fs::write(place.path(), bad).unwrap();
            let error = place.find(Clock::system()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
