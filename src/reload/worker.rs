//! The loop that looks at the policy files.

mod age;
mod begin;
mod conclude;
mod keep;

pub use begin::{StartError, start};

use super::{
    Cause, Current, News, Report, Source, Status,
    cause::{Pending, Slot},
    look::{Found, Look},
    watch::Watch,
    workshop::{Broken, Workshop},
};
use crate::{
    config::{ActivationTests, Live, Policies},
    document::Diagnostics,
    lifecycle::{Clock, Stop},
    model::Revision,
    policy::{Compiler, Files, ReadError},
    telemetry::{Metrics, events},
};
use age::Age;
use arc_swap::ArcSwap;
use keep::Keeper;
use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    task::spawn_blocking,
    time::{self, sleep, sleep_until},
};

/// How often it is tried to free snapshots that requests may still use.
const RELEASE_INTERVAL: Duration = Duration::from_millis(100);

/// Refusals that are remembered, so that each is told once: sets that take turns are a few.
const MOST_REFUSALS: usize = 8;

/// So many looks in a row may find files that do not come to rest, before that is told: a large checkout takes its time.
const MOST_RESTLESS: u32 = 5;

/// Is told of whatever says something new. May block.
pub type Observer = Arc<dyn Fn(News<'_>) + Send + Sync>;

/// The loop. It alone writes the current snapshot.
pub struct Worker {
    source: Source,
    settings: Live,
    current: Arc<ArcSwap<Current>>,
    age: Arc<Age>,
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
    // What was refused since the files were last good, each as it was first reported. The latest is the last.
    refused: VecDeque<Report>,
    // Why the files cannot be read, as it was last told.
    unreadable: Option<Arc<Diagnostics>>,
    // Looks in a row that found files which do not come to rest.
    restless: u32,
    // Snapshots that requests may still use. They are freed here, so that no decision pays for it.
    retired: Vec<Arc<Current>>,
}

impl Worker {
    /// Looks at the files whenever there is a cause, until the stop.
    ///
    /// The stop is heard between looks, and while files are read, which may hang. What has begun to go live comes to its end, with
    /// its record and its copy.
    pub async fn run(mut self, stop: Stop) {
        let age = Arc::clone(&self.age);
        tokio::select! {
            () = self.look_until(&stop) => {}
            never = age.watch() => match never {},
        }
    }

    async fn look_until(&mut self, stop: &Stop) {
        let mut looked = time::Instant::now();
        let mut is_armed = false;
        self.keep().await;
        loop {
            if !is_armed {
                tokio::select! {
                    biased;
                    () = stop.stopped() => return,
                    () = self.arm() => is_armed = true,
                }
            }
            let poll = looked + self.policies().poll_interval;
            let pending = tokio::select! {
                biased;
                () = stop.stopped() => return,
                pending = self.slot.take() => pending,
                () = sleep_until(poll) => Pending { cause: Cause::Poll, asked: Vec::new() },
                () = sleep(RELEASE_INTERVAL), if !self.retired.is_empty() => {
                    self.release().await;
                    continue;
                }
            };
            let began = Instant::now();
            let found = tokio::select! {
                biased;
                () = stop.stopped() => return,
                found = self.find(pending.cause) => found,
            };
            let report = self.take(pending.cause, found, began).await;
            self.age.draw();
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
            is_armed = false;
        }
    }

    /// One look. Changes nothing but what is known of the settings, so that it can be broken off.
    async fn find(&mut self, cause: Cause) -> Result<Found<Files, ReadError>, Broken> {
        let Policies { debounce, activation_tests, .. } = self.policies();
        if std::mem::replace(&mut self.tests, activation_tests) != activation_tests {
            // What was refused may do now.
            self.refused.clear();
        }
        let look = Look { slot: &self.slot, workshop: &self.workshop, debounce };
        let source = self.source.clone();
        look.find(cause, move || source.read(), |seen| self.is_known(seen)).await
    }

    /// What comes of a look. Nothing where the files do not come to rest; then there will be another look.
    async fn take(
        &mut self,
        cause: Cause,
        found: Result<Found<Files, ReadError>, Broken>,
        began: Instant,
    ) -> Option<Report> {
        match found {
            Ok(found) => self.conclude(cause, found, began).await,
            Err(broken) => {
                let problem = match &broken {
                    Broken::Hung(_) => self.source.problem("unreadable", format!("the files cannot be read: {broken}")),
                    Broken::Failed(_) => {
                        events::reload_failed(&broken);
                        self.source.problem("internal", format!("the files could not be read: {broken}"))
                    }
                };
                Some(self.unreadable(cause, problem.into(), began).await)
            }
        }
    }

    /// Whether these files need no more looking at: they are live, or were refused already.
    fn is_known(&self, seen: Revision) -> bool {
        seen == self.current.load().snapshot.revision || self.refused.iter().any(|report| report.seen == Some(seen))
    }

    /// Tells the observer, which may block. Not where files are read: that may hang, and is then what there is to tell.
    async fn tell(&self, tell: impl FnOnce(&Observer) + Send + 'static) {
        let observer = Arc::clone(&self.observer);
        if let Err(broken) = spawn_blocking(move || tell(&observer)).await {
            events::reload_failed(&broken);
        }
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
        if !self.workshop.is_idle() {
            // What hangs there must not make this one wait.
            return;
        }
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

#[cfg(test)]
mod tests;
