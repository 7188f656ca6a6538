//! What is live, and what came of the looks at the files.

use super::{Cause, Checkout};
use crate::{
    document::Diagnostics,
    model::{Revision, Timestamp},
    telemetry::ReloadOutcome,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

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
    pub confirmed: Confirmed,
    /// Whether what decides is the copy of the set that decided last, since the files were no good at the start.
    pub from_last_good: bool,
    /// What was checked out when it became live, where the directory is a work tree.
    pub checkout: Option<Arc<Checkout>>,
    /// Why the set that decides is not kept for a restart, where it should be and is not.
    pub copy_failure: Option<Arc<CopyFailure>>,
}

impl Status {
    /// Whether the files were last seen to be what decides longer ago than is allowed; `policies.max_staleness`, of which zero is no
    /// limit. To be asked each time it is told: the age grows also while nothing happens.
    #[must_use]
    pub fn is_overdue(&self, most: Duration) -> bool {
        !most.is_zero() && self.confirmed.age() > most
    }

    /// Whether what decides may be older than what was meant to: it is a copy, or too old.
    #[must_use]
    pub fn is_stale(&self, most: Duration) -> bool {
        self.from_last_good || self.is_overdue(most)
    }
}

/// When the files were last seen to be what decides. Its age is told by a clock that nobody sets; the time of day carries it over a
/// restart, and is for people.
#[derive(Debug, Clone, Copy)]
pub struct Confirmed {
    /// The time of day.
    pub at: Timestamp,
    // When it was noted in this process, and how old it was then.
    noted: Instant,
    before: Duration,
}

impl Confirmed {
    /// At this moment, which the clock calls so.
    #[must_use]
    pub fn now(at: Timestamp) -> Self {
        Self { at, noted: Instant::now(), before: Duration::ZERO }
    }

    /// In an earlier process.
    #[must_use]
    pub fn earlier(at: Timestamp, now: Timestamp) -> Self {
        let micros = u64::try_from(now.as_micros().saturating_sub(at.as_micros())).unwrap_or_default();
        Self { before: Duration::from_micros(micros), ..Self::now(at) }
    }

    /// How long ago that is.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.noted.elapsed().saturating_add(self.before)
    }

    /// The moment at which that will be, or was, so long ago: so much after another one.
    pub(super) fn after(&self, most: Duration) -> (Instant, Duration) {
        (self.noted, most.saturating_sub(self.before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_follows_no_clock_that_is_set_and_is_carried_over_a_restart() {
        let hour = Duration::from_hours(1);
        let micros = |hours: i64| Timestamp::from_micros(1_800_000_000_000_000 + hours * 3_600_000_000);
        // Whatever the clock says of the moment, it is this moment.
        for at in [-1000, 0, 1000] {
            assert!(Confirmed::now(micros(at)).age() < hour);
        }
        let carried = Confirmed::earlier(micros(-3), micros(0));
        assert!(carried.age() >= hour * 3 && carried.age() < hour * 4, "{carried:?}");
        assert_eq!(carried.after(hour * 5).1, hour * 2);
        assert_eq!(carried.after(hour * 2).1, Duration::ZERO, "that was before this process");
        assert!(Confirmed::earlier(micros(1), micros(0)).age() < hour);
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
    /// What was checked out, where the files were read and the directory is a work tree.
    pub checkout: Option<Arc<Checkout>>,
}
