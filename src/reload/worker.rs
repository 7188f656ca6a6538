//! The loop that looks at the policy files.

mod age;
mod begin;
mod conclude;
mod keep;

pub use begin::{StartError, start};

use super::{
    Cause, Current, News, Report, Source, Status,
    cause::{Pending, Slot},
    current::Expiry,
    look::Look,
    watch::Watch,
    workshop::Workshop,
};
use crate::{
    config::{ActivationTests, Live, Policies},
    document::Diagnostics,
    lifecycle::{Clock, Stop},
    model::Revision,
    policy::Compiler,
    telemetry::{Metrics, events},
};
use arc_swap::ArcSwap;
use keep::Keeper;
use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::time::{self, sleep, sleep_until};

/// How often it is tried to free snapshots that requests may still use.
const RELEASE_INTERVAL: Duration = Duration::from_millis(100);

/// Is told of whatever says something new. May block.
pub type Observer = Arc<dyn Fn(News<'_>) + Send + Sync>;

/// The loop. It alone writes the current snapshot.
pub struct Worker {
    source: Source,
    settings: Live,
    current: Arc<ArcSwap<Current>>,
    expiry: Arc<Expiry>,
    metrics: Arc<Metrics>,
    clock: Clock,
    observer: Observer,
    slot: Arc<Slot>,
    status: Arc<ArcSwap<Status>>,
    workshop: Workshop,
    compiler: Arc<Mutex<Compiler>>,
    watch: Watch,
    keeper: Keeper,
    // What the set's tests meant when the refusal that stands was made.
    tests: ActivationTests,
    // The refusal that stands, as it was first reported.
    refused: Option<Report>,
    // Why the files cannot be read, as it was last told.
    unreadable: Option<Arc<Diagnostics>>,
    // Snapshots that requests may still use. They are freed here, so that no decision pays for it.
    retired: Vec<Arc<Current>>,
}

impl Worker {
    /// Looks at the files whenever there is a cause, until the stop.
    pub async fn run(mut self, stop: Stop) {
        tokio::select! {
            () = stop.stopped() => {}
            () = self.look_forever() => {}
        }
    }

    async fn look_forever(&mut self) {
        let mut looked = time::Instant::now();
        self.keep().await;
        self.arm().await;
        loop {
            self.age();
            let poll = looked + self.policies().poll_interval;
            let pending = tokio::select! {
                biased;
                pending = self.slot.take() => pending,
                () = sleep_until(poll) => Pending { cause: Cause::Poll, asked: Vec::new() },
                () = sleep(RELEASE_INTERVAL), if !self.retired.is_empty() => {
                    self.release().await;
                    continue;
                }
                () = sleep(self.until_overdue().unwrap_or_default()), if self.until_overdue().is_some() => continue,
            };
            let report = self.look(pending.cause).await;
            if let Some(report) = report.map(Arc::new) {
                for asked in pending.asked {
                    // Who no longer waits has no use for the answer.
                    drop(asked.send(Arc::clone(&report)));
                }
            }
            looked = time::Instant::now();
            self.keep().await;
            // Also where one look follows the other without a pause.
            self.release().await;
            self.arm().await;
        }
    }

    /// One look: what was found and what came of it. Nothing where the files do not come to rest; then there will be another look.
    async fn look(&mut self, cause: Cause) -> Option<Report> {
        let began = Instant::now();
        let Policies { debounce, activation_tests, .. } = self.policies();
        if std::mem::replace(&mut self.tests, activation_tests) != activation_tests {
            // What was refused may do now.
            self.refused = None;
        }
        let look = Look { slot: &self.slot, workshop: &self.workshop, debounce };
        let source = self.source.clone();
        let found = look.find(cause, move || source.read(), |seen| self.is_known(seen)).await;
        match found {
            Ok(found) => self.conclude(cause, found, began).await,
            Err(broken) => {
                events::reload_failed(&broken);
                let broken = self.source.broken(&broken);
                Some(self.unreadable(cause, broken.problems, began).await)
            }
        }
    }

    /// Whether these files need no more looking at: they are live, or were refused already.
    fn is_known(&self, seen: Revision) -> bool {
        let refused = self.refused.as_ref().and_then(|report| report.seen);
        seen == self.current.load().snapshot.revision || refused == Some(seen)
    }

    /// The settings that count now.
    fn policies(&self) -> Policies {
        self.settings.load().policies.clone()
    }

    fn publish(&self, change: impl FnOnce(Status) -> Status) {
        self.status.store(Arc::new(change(Status::clone(&self.status.load()))));
    }

    /// Frees the snapshots that no request uses any more.
    async fn release(&mut self) {
        let (free, used) = self.retired.drain(..).partition(|retired| Arc::strong_count(retired) == 1);
        self.retired = used;
        let free: Vec<Arc<Current>> = free;
        if !free.is_empty()
            && let Err(broken) = self.workshop.run(move || drop(free)).await
        {
            events::reload_failed(&broken);
        }
    }

    /// Brings the watches in line with the directories.
    async fn arm(&mut self) {
        let wanted = self.policies().watch;
        let watching = self.watch.arm(wanted, &self.workshop).await;
        if self.status.load().watching != watching {
            self.publish(|status| Status { watching, ..status });
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("source", &self.source).finish_non_exhaustive()
    }
}
