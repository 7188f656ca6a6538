//! What happens to a record on its way into the log, where the operator wants anything to happen: sampling first, then redaction.

use super::{
    Entry,
    record::Marks,
    redaction::{Redaction, RedactionError},
    sampling::{Chosen, Sampling},
};
use crate::config::{Redact, SampleRule};

/// What the settings `audit.redact` and `audit.sample` ask for.
#[derive(Debug)]
pub struct Intake {
    redaction: Option<Redaction>,
    sampling: Sampling,
}

impl Intake {
    /// `None` where nothing is asked for, so that nothing is paid for.
    pub fn new(redact: &Redact, sample: &[SampleRule]) -> Result<Option<Self>, RedactionError> {
        if redact.fields.is_empty() && sample.is_empty() {
            return Ok(None);
        }
        let redaction =
            if redact.fields.is_empty() { None } else { Some(Redaction::new(&redact.fields, redact.key.as_ref())?) };
        Ok(Some(Self { redaction, sampling: Sampling::new(sample.to_vec()) }))
    }

    /// How many records sampling has left out.
    pub(super) fn left_out(&self) -> u64 {
        self.sampling.left_out()
    }

    /// Calls `take` with the entry as it may be shown outside of the log.
    pub fn redacted<R>(&self, entry: &Entry<'_>, take: impl FnOnce(&Entry<'_>) -> R) -> R {
        match &self.redaction {
            None => take(entry),
            Some(redaction) => redaction.apply(entry).with(entry, take),
        }
    }

    /// Calls `take` with the entry as it is to be written; `None` where it is left out.
    pub(super) fn admit<R>(&self, entry: &Entry<'_>, take: impl FnOnce(&Entry<'_>, Marks<'_>) -> R) -> Option<R> {
        let Chosen::Kept(kept_one_in) = self.sampling.choose(entry) else { return None };
        Some(match &self.redaction {
            None => take(entry, Marks { redacted: &[], kept_one_in }),
            Some(redaction) => {
                let redacted = redaction.apply(entry);
                redacted.with(entry, |entry| take(entry, Marks { redacted: redacted.marks(), kept_one_in }))
            }
        })
    }
}
