//! Who has signed what: manifests, the tombstone, checkpoints, and the note of the key.

use super::{Check, VerifyError, store_error};
use crate::audit::{
    signature::KeyNote,
    store::{Noted, noted_key},
};

impl Check<'_> {
    /// The note of who signs: what the next start goes by.
    pub(super) fn noted_key(&mut self) -> Result<(), VerifyError> {
        let noted = match noted_key(self.audit).map_err(|error| store_error(self.audit, error))? {
            Noted::Nobody => return Ok(()),
            Noted::Key(noted) => noted,
            Noted::Unreadable => {
                self.somebody_signs = true;
                self.report.problem(u64::MAX, None, "`KEY` is not as it was written");
                return Ok(());
            }
        };
        self.somebody_signs = true;
        if self.key.as_ref().is_some_and(|last| last.epoch == noted.epoch && *last != noted) {
            self.report.problem(u64::MAX, None, "`KEY` names another key than the last manifest, in the same epoch");
        }
        // Of one that has signed something else it was said already.
        if self.trusted.as_ref().is_some_and(|trusted| !trusted.has(&noted)) && !self.report.keys.contains(&noted.id) {
            let what = format!("`KEY` names the key {}, which is not trusted", noted.id);
            self.report.problem(u64::MAX, None, &what);
        }
        Ok(())
    }

    /// Holds the signature of a manifest against the keys that are trusted and against those of the manifests before it.
    pub(super) fn signed(&mut self, seq: u64, key: Option<&KeyNote>) {
        const WHAT: &str = "its manifest";
        self.is_trusted(WHAT, seq, key);
        let Some(key) = key else {
            if self.key.is_some() {
                let what = format!("{WHAT} is not signed, though those before are");
                match self.trusted {
                    Some(_) => self.report.problem_alike("unsigned", seq, &what),
                    None => self.report.warnings.push(format!("record {seq}: {what}")),
                }
            }
            return;
        };
        if self.key.as_ref().is_some_and(|last| last.id != key.id && key.epoch <= last.epoch) {
            let what = format!("{WHAT} is signed with another key than those before, in the same epoch");
            self.report.problem(seq, None, &what);
        }
        self.key = Some(key.clone());
    }

    /// Holds a signature against the keys that are trusted.
    pub(super) fn is_trusted(&mut self, what: &str, seq: u64, key: Option<&KeyNote>) {
        let Some(key) = key else { return };
        if self.trusted.as_ref().is_some_and(|trusted| !trusted.has(key)) {
            let alike = format!("{what} {}", key.id);
            let what = format!("{what} is signed with the key {}, which is not trusted", key.id);
            self.report.problem_alike(&alike, seq, &what);
        }
        if !self.report.keys.contains(&key.id) {
            self.report.keys.push(key.id.clone());
        }
    }

    /// A checkpoint comes from elsewhere: its key is held against those that are trusted, and not against the log's own.
    pub(super) fn signed_checkpoint(&mut self, who: &str, seq: u64, key: Option<&KeyNote>) {
        match (key, &self.trusted) {
            (Some(key), Some(trusted)) if !trusted.has(key) => {
                let what = format!("{who} is signed with the key {}, which is not trusted", key.id);
                self.report.problem_alike(&format!("a checkpoint {}", key.id), seq, &what);
            }
            (None, Some(_)) => {
                self.report.problem_alike("an unsigned checkpoint", seq, &format!("{who} is not signed"));
            }
            _ => {}
        }
    }

    /// What should be signed and is not. To be called once everything was looked at.
    pub(super) fn unsigned(&mut self, last: u64) {
        if self.trusted.is_some() && self.report.signed == 0 {
            if self.report.manifests > 0 {
                self.report.problem(last, None, "nothing of the log is signed");
            } else if self.report.keys.is_empty() {
                // A log as young as this is no fault, and one that was put in the place of another looks the same.
                self.report.complete = false;
                let what = "nothing is signed yet, since no segment is closed: only a checkpoint can tell whether this is the log";
                self.report.warnings.push(what.to_owned());
            }
        }
        if self.unsigned_tombstone && (self.trusted.is_some() || self.key.is_some() || self.somebody_signs) {
            let what =
                "the tombstone is not signed, though the log is: what it says was removed may have been taken away";
            self.report.problem(1, None, what);
        }
    }
}
