//! Whether a log is as it was written: every link, order, number, manifest, tombstone, anchor and checkpoint.
//!
//! Nothing is changed: sled writes to what it opens, so each segment is copied and the copy is opened. That also lets the closed segments
//! of a running instance be checked; the one that it writes to is left out.

mod report;
mod segment;
mod signatures;
#[cfg(test)]
mod tests;
mod watched;

pub use report::{Problem, Removed, Report};

use super::{
    KeyError, OpenError,
    chain::{End, GENESIS, Hash},
    checkpoint::Checkpoint,
    files,
    manifest::{self, Manifest, ManifestError},
    open::DirectoryLock,
    quarantine,
    retention::{self, TombstoneError},
    signature::{KeyNote, PublicKeys, Statement, to_hex},
    store::{Anchor, Head, Looked, Origin, StoreError, segment_numbers, segment_path},
};
use crate::telemetry::events::Chain;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use watched::Watched;

/// What is checked, and against what.
#[derive(Debug, Clone)]
pub struct Verification {
    /// The data directory.
    pub data: PathBuf,
    /// A file with checkpoints, one a line, that was kept elsewhere.
    pub checkpoints: Option<PathBuf>,
    /// A file with the public keys that are trusted.
    pub public_keys: Option<PathBuf>,
    /// Where segments are copied to, one at a time.
    pub scratch: PathBuf,
}

/// Why it cannot be said whether the log is intact.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The data directory.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The public keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The checkpoints.
    #[error("the checkpoints in `{}` cannot be read", path.display())]
    Checkpoints {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something that is read or copied.
    #[error("`{}` cannot be used", path.display())]
    Io {
        /// What was used.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Checks a log.
pub fn verify(verification: &Verification) -> Result<Report, VerifyError> {
    let trusted = verification.public_keys.as_deref().map(PublicKeys::load).transpose()?;
    let lock = DirectoryLock::look(&verification.data)?;
    let audit = verification.data.join("audit");
    let mut check = Check::new(&audit, Scratch::new(&verification.scratch)?, lock.is_none(), trusted);
    check.report.complete = !check.is_running;
    if check.is_running {
        let what = "an instance runs: the segment that it writes to was left out; stop it to check that too";
        check.report.warnings.push(what.to_owned());
    }
    if let Some(path) = &verification.checkpoints {
        check.read_checkpoints(path)?;
    }
    check.run()?;
    Ok(check.report.finish())
}

struct Check<'v> {
    audit: &'v Path,
    scratch: Scratch,
    is_running: bool,
    trusted: Option<PublicKeys>,
    // Who signed the last manifest that is signed.
    key: Option<KeyNote>,
    // The log has a note of a key.
    somebody_signs: bool,
    // The tombstone is there, and nobody has signed it.
    unsigned_tombstone: bool,
    // The hash of the last manifest; `None` where it is not known.
    previous: Option<Hash>,
    watched: Watched,
    // The latest time of a record so far, microseconds.
    latest: i64,
    report: Report,
}

impl<'v> Check<'v> {
    fn new(audit: &'v Path, scratch: Scratch, is_running: bool, trusted: Option<PublicKeys>) -> Self {
        Self {
            audit,
            scratch,
            is_running,
            trusted,
            key: None,
            somebody_signs: false,
            unsigned_tombstone: false,
            previous: Some(GENESIS),
            watched: Watched::default(),
            latest: i64::MIN,
            report: Report::default(),
        }
    }
}

impl Check<'_> {
    fn run(&mut self) -> Result<(), VerifyError> {
        let io = |source| VerifyError::Io { path: self.audit.to_owned(), source };
        let mut nothing_noted = false;
        let anchor = match Head::look(&self.audit.join("HEAD")).map_err(io)? {
            Looked::Anchor { anchor, torn } => {
                if torn {
                    self.report.warnings.push("one of the two entries of `HEAD` is not as it was written".to_owned());
                }
                Some(anchor)
            }
            Looked::Empty => {
                nothing_noted = true;
                None
            }
            Looked::Missing => self.lost_head("`HEAD` is missing"),
            Looked::Unreadable => self.lost_head("`HEAD` is not as it was written"),
        };
        if let Some(anchor) = anchor.filter(|_| !self.is_running) {
            self.watched.expect(anchor.seq, anchor.hash, "`HEAD`".to_owned());
        }
        // The names first: retention may work meanwhile, and what it has removed before the tombstone is read is not missed then.
        let names = segment_numbers(self.audit).map_err(|error| store_error(self.audit, error))?;
        let end = self.tombstone()?;
        let removed = end.map_or(0, |end| end.seq);
        let (left, names): (Vec<u64>, Vec<u64>) = names.into_iter().partition(|&name| name <= removed);
        if let Some(first) = left.iter().find(|&&name| !self.is_running || segment_path(self.audit, name).exists()) {
            let what =
                format!("the segment of record {first} is still there, though the tombstone says that it was removed");
            self.report.warnings.push(what);
        }
        self.report.first_seq = names.first().copied().unwrap_or(removed + 1);
        let end = self.segments(&names, end)?;
        self.noted_key()?;
        if let Some(end) = end {
            self.report.last_seq = end.seq;
            self.report.last_hash = to_hex(&end.hash);
        }
        if nothing_noted && self.report.last_seq > 0 {
            let what = "`HEAD` says nothing of the log, though there are records";
            // Between the first record and its note a process may die.
            if names.len() > 1 || removed > 0 {
                self.report.problem(u64::MAX, None, what);
            } else {
                self.report.warnings.push(what.to_owned());
            }
        }
        self.ends(end, anchor);
        self.put_aside();
        Ok(())
    }

    /// Checks one segment after the other. Those that retention removes meanwhile are left out.
    fn segments(&mut self, names: &[u64], mut end: Option<End>) -> Result<Option<End>, VerifyError> {
        let mut removed = 0;
        for (index, &name) in names.iter().enumerate() {
            if name <= removed {
                continue;
            }
            let is_last = index + 1 == names.len();
            if self.is_running && is_last && matches!(manifest::read(&segment_path(self.audit, name)), Ok(None)) {
                // It is being written to. What it begins after is known.
                self.follows(end, name);
                self.report.segments += 1;
                continue;
            }
            let copied = self.copy(name);
            removed = self.removed_meanwhile();
            if name <= removed {
                end = self.tombstone()?;
                self.report.first_seq = removed + 1;
            } else {
                self.follows(end, name);
                end = self.segment(name, &copied?, end, is_last)?;
                self.report.segments += 1;
            }
            self.scratch.clear()?;
        }
        Ok(end)
    }

    /// A copy of a segment: opening it writes to it.
    fn copy(&self, name: u64) -> Result<PathBuf, VerifyError> {
        let path = segment_path(self.audit, name);
        let copy = self.scratch.0.join(path.file_name().unwrap_or_default());
        match files::copy_directory(&path, &copy, |_| true) {
            Ok(()) => Ok(copy),
            Err(source) => Err(VerifyError::Io { path, source }),
        }
    }

    /// The last record that retention has removed by now. The tombstone says so before anything is gone: a segment that it does not name
    /// after a copy was made was there as a whole.
    fn removed_meanwhile(&self) -> u64 {
        if !self.is_running {
            return 0;
        }
        retention::tombstone(self.audit).ok().flatten().map_or(0, |statement| statement.says.last_seq)
    }

    /// What retention has removed, and so where the log begins.
    fn tombstone(&mut self) -> Result<Option<End>, VerifyError> {
        match retention::tombstone(self.audit) {
            Ok(None) => Ok(Some(End { seq: 0, hash: GENESIS })),
            Ok(Some(statement)) => {
                let says = &statement.says;
                // It is written anew with each removal, and so with a later key than the manifests that follow.
                self.unsigned_tombstone = statement.key.is_none();
                self.is_trusted("the tombstone", says.last_seq, statement.key.as_ref());
                if says.first_seq != 1 || says.records > says.last_seq {
                    self.report.problem(says.last_seq, None, "the tombstone's numbers do not fit each other");
                }
                self.report.removed =
                    Some(Removed { first_seq: says.first_seq, last_seq: says.last_seq, records: says.records });
                self.previous = Some(says.manifest);
                let end = End { seq: says.last_seq, hash: says.end };
                self.watched.forget_before(end, &mut self.report);
                Ok(Some(end))
            }
            Err(TombstoneError::Statement(error)) => {
                self.report.problem(1, None, &format!("the tombstone: {error}"));
                self.previous = None;
                Ok(None)
            }
            Err(TombstoneError::Io(source)) => Err(VerifyError::Io { path: self.audit.to_owned(), source }),
        }
    }

    fn follows(&mut self, end: Option<End>, name: u64) {
        let Some(end) = end else { return };
        if name > end.seq + 1 {
            let (first, last) = (end.seq + 1, name - 1);
            let known = quarantine::recorded(self.audit);
            let known = known.iter().find(|gap| gap.first_seq <= first && last <= gap.last_seq);
            let why = known.map_or_else(|| "no segment holds them".to_owned(), |gap| gap.why.clone());
            self.report.problem(first, None, &format!("records {first} to {last} are missing: {why}"));
        } else if name <= end.seq {
            self.report.problem(name, Some(name), "the segment before holds these numbers too");
        }
    }

    /// Checks the copy of a segment, and answers where it ends; `None` where that is not known.
    fn segment(
        &mut self,
        name: u64,
        copy: &Path,
        before: Option<End>,
        is_last: bool,
    ) -> Result<Option<End>, VerifyError> {
        let audit = self.audit;
        let failed = |source| VerifyError::Io { path: segment_path(audit, name), source };
        let manifest = match manifest::read(copy) {
            Ok(Some(statement)) => self.manifest(name, statement),
            Ok(None) if is_last => None,
            Ok(None) => {
                self.report.problem(name, Some(name), "it has no manifest, though another segment follows");
                self.previous = None;
                None
            }
            Err(ManifestError::Statement(error)) => {
                self.report.problem(name, Some(name), &format!("its manifest: {error}"));
                self.previous = None;
                None
            }
            Err(ManifestError::Io(source)) => return Err(failed(source)),
        };
        let origin = Origin::read(copy).map_err(failed)?;
        let Some(origin) = origin else {
            self.report.problem(name, Some(name), "what says where it begins is missing or not as it was written");
            return Ok(manifest.map(|manifest| End { seq: manifest.last_seq, hash: manifest.end }));
        };
        if origin.first_seq != name {
            self.report.problem(name, Some(name), &format!("it is the segment of record {}", origin.first_seq));
            return Ok(None);
        }
        if before.is_some_and(|before| before.seq + 1 == name && before.hash != origin.before) {
            self.report.problem(name, Some(name), "it does not follow the segment before: the hash there is another");
        }
        self.content(copy, &origin, manifest.as_ref())
    }

    fn manifest(&mut self, name: u64, statement: Statement<Manifest>) -> Option<Manifest> {
        let Statement { says, key, hash } = statement;
        self.signed(name, key.as_ref());
        if says.first_seq != name {
            self.report.problem(name, Some(name), &format!("its manifest is that of record {}", says.first_seq));
            self.previous = None;
            return None;
        }
        if self.previous.is_some_and(|previous| previous != says.previous) {
            self.report.problem(name, Some(name), "its manifest does not follow the one before");
        }
        self.previous = Some(hash);
        self.report.manifests += 1;
        self.report.signed += u64::from(key.is_some());
        Some(says)
    }

    /// What is said of the end of the log.
    fn ends(&mut self, end: Option<End>, anchor: Option<Anchor>) {
        let last = end.map_or(self.watched.reached, |end| end.seq);
        self.unsigned(last);
        if let Some(anchor) = anchor.filter(|anchor| !self.is_running && anchor.seq > last) {
            let what =
                format!("the log ends with record {last}, and `HEAD` says that it went on to record {}", anchor.seq);
            self.report.problem(last + 1, None, &what);
            self.watched.expected.remove(&anchor.seq);
        }
        let beyond = self.watched.expected.split_off(&(last + 1));
        for (seq, expected) in beyond {
            for (_, who) in expected.iter().filter(|(_, who)| who != "`HEAD`") {
                if self.is_running {
                    self.report
                        .warnings
                        .push(format!("{who} names record {seq}, which the running instance still writes after"));
                } else {
                    let what = format!("the log ends with record {last}, and {who} names record {seq}");
                    self.report.problem(last + 1, None, &what);
                }
            }
        }
    }

    fn put_aside(&mut self) {
        for path in quarantine::all_put_aside(self.audit) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.report.warnings.push(format!("`{name}` was put aside as damaged; it is no part of the log"));
        }
    }

    fn lost_head<T>(&mut self, what: &str) -> Option<T> {
        self.report.problem(u64::MAX, None, what);
        None
    }

    fn read_checkpoints(&mut self, path: &Path) -> Result<(), VerifyError> {
        let failed = |source| VerifyError::Checkpoints { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(failed)?;
        for (number, line) in (1..).zip(text.split_inclusive('\n')) {
            if line.trim().is_empty() {
                continue;
            }
            match Statement::<Checkpoint>::read(line) {
                Ok(Statement { says, key, .. }) => {
                    let who = format!("the checkpoint in line {number}");
                    self.signed_checkpoint(&who, says.seq, key.as_ref());
                    self.watched.expect(says.seq, says.hash, who);
                    self.report.checkpoints += 1;
                }
                Err(_) if !line.ends_with('\n') => {
                    self.report.warnings.push(format!("line {number} of the checkpoints is not whole"));
                }
                Err(error) => {
                    let what = format!("line {number} of the checkpoints: {error}");
                    self.report.problem_alike("a checkpoint that cannot be read", u64::MAX, &what);
                }
            }
        }
        Ok(())
    }
}

/// A private directory for copies; goes with what is in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: &Path) -> Result<Self, VerifyError> {
        let path = parent.join(format!("sidegate-verify-{:016x}", fastrand::u64(..)));
        files::create_private(&path).map_err(|source| VerifyError::Io { path: path.clone(), source })?;
        Ok(Self(path))
    }

    fn clear(&self) -> Result<(), VerifyError> {
        let cleared = files::remove_if_there(&self.0).and_then(|()| files::create_private(&self.0));
        cleared.map_err(|source| VerifyError::Io { path: self.0.clone(), source })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is private, and the system's to clean up.
        drop(files::remove_if_there(&self.0));
    }
}

fn store_error(path: &Path, error: StoreError) -> VerifyError {
    let source = match error {
        StoreError::Io { source, .. } => source,
        error => io::Error::other(Chain(&error).to_string()),
    };
    VerifyError::Io { path: path.to_owned(), source }
}
