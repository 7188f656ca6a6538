//! A policy set beside the live one: loaded in the same way, evaluated for comparison, never answered with.
//!
//! It has a thread, a slot and a cache of its own, so that nothing that is wrong with it reaches the live set. Where its files are no
//! good, the one before is evaluated on; where there is none, nothing is.

use super::{
    Cause, Current, Failure, Source,
    cause::{Pending, Slot},
    current::{Comparing, Next},
    load::{self, Refused},
    look::{Found, Look},
    tell,
    watch::Watch,
    workshop::Workshop,
};
use crate::{
    config::{ActivationTests, Live},
    directory::Audience,
    document::Diagnostics,
    lifecycle::{Clock, Stop},
    model::{Revision, Timestamp},
    policy::{Compiler, Files},
    telemetry::{Metrics, ReloadOutcome, events},
};
use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use std::{
    fmt, io,
    sync::{Arc, Mutex},
    time::Instant,
};
use tokio::time::{self, sleep_until};

/// Reads the set beside the live one. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shadow {
    current: Arc<ArcSwapOption<Current>>,
    status: Arc<ArcSwap<ShadowStatus>>,
    slot: Arc<Slot>,
}

/// How the set beside the live one stands. Published as a whole.
#[derive(Debug, Clone, Default)]
pub struct ShadowStatus {
    /// The revision that is evaluated, where one is.
    pub revision: Option<Revision>,
    /// How many policies it holds.
    pub policies: usize,
    /// Since when it is evaluated.
    pub loaded_at: Option<Timestamp>,
    /// Why the files do not count as they are now, where they do not.
    pub failure: Option<Failure>,
}

/// The loop. It alone writes the set beside the live one.
pub struct ShadowWorker {
    source: Source,
    settings: Live,
    shadow: Shadow,
    metrics: Arc<Metrics>,
    clock: Clock,
    workshop: Workshop,
    compiler: Arc<Mutex<Compiler>>,
    watch: Watch,
    // What was last looked at, whether it became of use or not, and what its tests meant then.
    seen: Option<(Revision, ActivationTests)>,
}

impl Shadow {
    /// Readies the loop; nothing is evaluated until it has run.
    ///
    /// # Errors
    /// Fails where there is no thread for the work.
    pub fn of(source: Source, settings: Live, metrics: Arc<Metrics>, clock: Clock) -> io::Result<(Self, ShadowWorker)> {
        let slot = Arc::new(Slot::default());
        let watch = Watch::new(&source.directory, Arc::clone(&slot));
        let shadow = Self { current: Arc::default(), status: Arc::default(), slot };
        let (workshop, compiler) = (Workshop::start("shadow")?, Arc::default());
        let reader = shadow.clone();
        let worker = ShadowWorker { source, settings, shadow, metrics, clock, workshop, compiler, watch, seen: None };
        Ok((reader, worker))
    }

    /// What is evaluated, where something is.
    #[must_use]
    pub fn load(&self) -> Guard<Option<Arc<Current>>> {
        self.current.load()
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> Arc<ShadowStatus> {
        self.status.load_full()
    }

    /// Who is to be told of users that have changed.
    #[must_use]
    pub fn audience(&self) -> Arc<dyn Audience> {
        Arc::new(Comparing(Arc::clone(&self.current)))
    }

    /// Asks for a look.
    pub fn nudge(&self, cause: Cause) {
        self.slot.put(cause);
    }
}

impl ShadowWorker {
    /// Looks at the files whenever there is a cause, until the stop.
    pub async fn run(mut self, stop: Stop) {
        self.shadow.slot.put(Cause::Start);
        tokio::select! {
            () = stop.stopped() => {}
            () = self.look_forever() => {}
        }
    }

    async fn look_forever(&mut self) {
        loop {
            let policies = self.settings.load().policies.clone();
            self.watch.arm(policies.watch, &self.workshop).await;
            let poll = time::Instant::now() + policies.poll_interval;
            let Pending { cause, .. } = tokio::select! {
                biased;
                pending = self.shadow.slot.take() => pending,
                () = sleep_until(poll) => Pending { cause: Cause::Poll, asked: Vec::new() },
            };
            let began = Instant::now();
            let look = Look { slot: &self.shadow.slot, workshop: &self.workshop, debounce: policies.debounce };
            let (source, seen, tests) = (self.source.clone(), self.seen, policies.activation_tests);
            match look.find(cause, move || source.read(), |digest| seen == Some((digest, tests))).await {
                Ok(Found::Files(files)) if self.seen == Some((files.revision(), tests)) => {}
                Ok(Found::Files(files)) => self.load(files, tests, began).await,
                Ok(Found::Unreadable(error)) => {
                    self.seen = None;
                    self.fail(Refused { outcome: ReloadOutcome::ReadError, problems: error.into() }, None);
                }
                Ok(Found::Unsettled) => self.shadow.slot.put(Cause::Poll),
                Err(broken) => events::reload_failed(&broken),
            }
        }
    }

    async fn load(&mut self, files: Files, tests: ActivationTests, began: Instant) {
        let revision = files.revision();
        self.seen = Some((revision, tests));
        let (source, compiler, metrics) = (self.source.clone(), Arc::clone(&self.compiler), Arc::clone(&self.metrics));
        let work = self.workshop.run(move || {
            load::compile(&compiler, files, &source.options, tests)
                .map(|snapshot| Next::unanswering(snapshot, &source.roster, &metrics))
        });
        let next = match work.await.unwrap_or_else(|broken| Err(self.source.broken(&broken))) {
            Ok(next) => next,
            Err(refused) => return self.fail(refused, Some(revision)),
        };
        let policies = next.snapshot.program.policies().len();
        let old = next.publish(&self.source.roster, |current| self.shadow.current.swap(Some(current)));
        let loaded_at = Some(self.clock.now());
        let status = ShadowStatus { revision: Some(revision), policies, loaded_at, failure: None };
        self.shadow.status.store(Arc::new(status));
        events::shadow_swapped(revision, policies, began.elapsed());
        // Whoever still evaluates the old one frees it; mostly that is this thread.
        if let Err(broken) = self.workshop.run(move || drop(old)).await {
            events::reload_failed(&broken);
        }
    }

    fn fail(&self, refused: Refused, seen: Option<Revision>) {
        let Refused { outcome, problems } = refused;
        let status = ShadowStatus::clone(&self.shadow.status.load());
        let is_new =
            |problems: &Diagnostics| status.failure.as_ref().is_none_or(|failure| *failure.problem != *problems);
        if is_new(&problems) {
            events::shadow_rejected(&self.source.directory, outcome, problems.len());
            tell::diagnostics(&problems);
        }
        let failure =
            Some(Failure { at: self.clock.now(), outcome, seen, problem: Arc::new(problems), checkout: None });
        self.shadow.status.store(Arc::new(ShadowStatus { failure, ..status }));
    }
}

impl fmt::Debug for ShadowWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShadowWorker").field("source", &self.source).finish_non_exhaustive()
    }
}
