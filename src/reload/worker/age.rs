//! How old the policies are, and what follows from it.
//!
//! The age is the time since the files were last seen to be what decides. It grows while they cannot be read or are refused, and
//! while a look at them hangs: so it is watched beside the looks, and whoever tells it works it out when asked.

use crate::{
    config::{Live, WhenStale},
    reload::{Status, current::Expiry},
    telemetry::events,
};
use arc_swap::ArcSwap;
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;

/// How often the age is looked at, where nothing else is the reason: settings may have changed.
const GLANCE: Duration = Duration::from_secs(1);

/// Watches the age.
#[derive(Debug)]
pub(super) struct Age {
    pub(super) settings: Live,
    pub(super) status: Arc<ArcSwap<Status>>,
    pub(super) expiry: Arc<Expiry>,
    /// Whether it was last told that they are too old.
    pub(super) told: AtomicBool,
}

impl Age {
    /// Draws the consequences of the age as it is now.
    pub(super) fn draw(&self) {
        let (settings, status) = (self.settings.load(), self.status.load());
        let (most, when_stale) = (settings.policies.max_staleness, settings.policies.when_stale);
        let denies = when_stale == WhenStale::Deny && !most.is_zero();
        self.expiry.set(denies.then(|| status.confirmed.after(most)));
        let overdue = status.is_overdue(most);
        if self.told.swap(overdue, Ordering::Relaxed) != overdue {
            let consequence = match when_stale {
                WhenStale::Warn => "none",
                WhenStale::NotReady => "not ready",
                WhenStale::Deny => "every decision is a deny",
            };
            events::policy_stale(overdue, status.revision, status.confirmed.at, consequence);
        }
    }

    /// Draws them whenever there are some, for ever.
    pub(super) async fn watch(&self) -> Infallible {
        loop {
            self.draw();
            sleep(self.until_overdue()).await;
        }
    }

    /// How long it may take until there is something to say.
    fn until_overdue(&self) -> Duration {
        let most = self.settings.load().policies.max_staleness;
        let left = most.saturating_sub(self.status.load().confirmed.age());
        // A moment more, so that it has passed when the timer fires.
        if left.is_zero() { GLANCE } else { GLANCE.min(left + Duration::from_millis(1)) }
    }
}
