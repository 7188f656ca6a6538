//! What is live, and what came of the looks at the files.

use super::{Cause, Checkout};
use crate::{
    document::Diagnostics,
    model::{Revision, Timestamp},
    telemetry::ReloadOutcome,
};
use std::{sync::Arc, time::Duration};

/// What came of one look at the files.
#[derive(Debug, Clone)]
pub struct Report {
    /// Why they were looked at.
    pub cause: Cause,
    /// What came of it.
    pub outcome: ReloadOutcome,
    /// The revision that decides after it.
    pub revision: Revision,
    /// The name of the set that decides after it.
    pub policy_set: Arc<str>,
    /// The revision of the files, where they could be read.
    pub seen: Option<Revision>,
    /// What is wrong, where something is.
    pub problem: Option<Arc<Diagnostics>>,
    /// When.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Who has changed the files, where the directory is a work tree. Only told of news.
    pub checkout: Option<Arc<Checkout>>,
    /// Whether it says something that was not said before: a swap, the first refusal of a digest, a new reason why files
    /// cannot be read, files that are good again.
    pub is_news: bool,
}

/// What the observer is told of.
#[derive(Debug, Clone, Copy)]
pub enum News<'n> {
    /// A look at the files that says something new.
    Look(&'n Report),
    /// The copy of the last good set cannot be kept or used.
    Copy(&'n CopyFailure),
}

/// Why the copy of the last good set is not what it should be.
#[derive(Debug, Clone)]
pub struct CopyFailure {
    /// When.
    pub at: Timestamp,
    /// What became of it: `last_good_not_kept` or `last_good_not_used`.
    pub outcome: &'static str,
    /// The revision that was to be kept or used, where it is known.
    pub revision: Option<Revision>,
    /// What is wrong, line by line.
    pub problems: Vec<String>,
}

/// What is live, and how the last looks went. Published as a whole.
#[derive(Debug, Clone)]
pub struct Status {
    /// The revision that decides.
    pub revision: Revision,
    /// The set's name.
    pub policy_set: Arc<str>,
    /// How many policies it holds.
    pub policies: usize,
    /// Since when it decides.
    pub loaded_at: Timestamp,
    /// When the files were last looked at, why, and what came of it.
    pub last_look: (Timestamp, Cause, ReloadOutcome),
    /// The last failure, also after it was overcome.
    pub last_failure: Option<Failure>,
    /// Failures since the files were last seen to be what is live.
    pub consecutive_failures: u64,
    /// Whether file events are heard.
    pub watching: bool,
    /// When the files were last seen to be what decides.
    pub confirmed_at: Timestamp,
    /// Whether that is longer ago than `policies.max_staleness` allows.
    pub overdue: bool,
    /// Whether what decides is the copy of the set that decided last, since the files were no good at the start.
    pub from_last_good: bool,
    /// What was checked out when it became live, where the directory is a work tree.
    pub checkout: Option<Arc<Checkout>>,
    /// Why the set that decides is not kept for a restart, where it should be and is not.
    pub copy_failure: Option<Arc<CopyFailure>>,
}

impl Status {
    /// Whether what decides may be older than what was meant to: it is a copy, or too old.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.overdue || self.from_last_good
    }
}

/// A look that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// In which way.
    pub outcome: ReloadOutcome,
    /// The revision of the files, where they could be read.
    pub seen: Option<Revision>,
    /// What is wrong.
    pub problem: Arc<Diagnostics>,
}
