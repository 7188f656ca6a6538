//! How old the policies are, and what follows from it.
//!
//! The age is the time since the files were last seen to be what decides. It grows while they cannot be read or are refused.

use super::Worker;
use crate::{config::WhenStale, model::Timestamp, reload::Status, telemetry::events};
use std::time::Duration;

impl Worker {
    /// Draws the consequences of the age as it is now.
    pub(super) fn age(&mut self) {
        let policies = self.policies();
        let limit = self.overdue_at();
        self.expiry.set(limit.filter(|_| policies.when_stale == WhenStale::Deny));
        let overdue = limit.is_some_and(|limit| self.clock.now() > limit);
        if overdue != self.status.load().overdue {
            self.publish(|status| Status { overdue, ..status });
            let status = self.status.load();
            let consequence = match policies.when_stale {
                WhenStale::Warn => "none",
                WhenStale::NotReady => "not ready",
                WhenStale::Deny => "every decision is a deny",
            };
            events::policy_stale(overdue, status.revision, status.confirmed_at, consequence);
        }
        self.metrics.policies_stale(self.status.load().is_stale());
    }

    /// When the policies become too old; never where no limit is set.
    fn overdue_at(&self) -> Option<Timestamp> {
        let most = self.policies().max_staleness;
        let micros = i64::try_from(most.as_micros()).unwrap_or(i64::MAX);
        let confirmed = self.status.load().confirmed_at.as_micros();
        (!most.is_zero()).then(|| Timestamp::from_micros(confirmed.saturating_add(micros)))
    }

    /// How long until then; nothing where it has happened, or never will.
    pub(super) fn until_overdue(&self) -> Option<Duration> {
        let left = self.overdue_at()?.as_micros().saturating_sub(self.clock.now().as_micros());
        // A moment more, so that it has passed when the timer fires.
        let left = u64::try_from(left).ok()?.saturating_add(1_000);
        (!self.status.load().overdue).then(|| Duration::from_micros(left))
    }
}
