//! The loop that looks at the files.

use super::{
    Cause, Current, FirstError, Handle, Reader, Report, Source, Status,
    cause::{Pending, Slot},
    load,
    status::Failure,
    tell,
    watch::Watcher,
};
use crate::{
    document::Diagnostics,
    lifecycle::{Clock, Stop},
    model::Revision,
    policy::{Files, ReadError},
    telemetry::{Metrics, ReloadOutcome, events},
};
use arc_swap::ArcSwap;
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    task,
    time::{MissedTickBehavior, interval_at, sleep, timeout},
};

/// How many times the debounce time changes may rain before the files are compared instead of awaiting quiet.
const MOST_WAITS: u32 = 10;

/// Comparisons of files that do not come to rest, before the next event or the poll takes over.
const MOST_COMPARISONS: usize = 20;

/// How often it is tried to free snapshots that requests may still use.
const RELEASE_INTERVAL: Duration = Duration::from_millis(100);

/// Is told of every look that says something new. May block.
pub type Observer = Arc<dyn Fn(&Report) + Send + Sync>;

/// How the loop works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether file events are wanted.
    pub watch: bool,
    /// How often the files are looked at in any case.
    pub poll_interval: Duration,
    /// How long files must rest before they are read.
    pub debounce: Duration,
}

/// The loop. It alone writes the current snapshot.
pub struct Worker {
    source: Source,
    settings: Settings,
    current: Arc<ArcSwap<Current>>,
    metrics: Arc<Metrics>,
    clock: Clock,
    observer: Observer,
    slot: Arc<Slot>,
    status: Arc<ArcSwap<Status>>,
    watcher: Option<Watcher>,
    told_of_watching: bool,
    // The refusal that stands, as it was first reported.
    refused: Option<Report>,
    // Why the files cannot be read, as it was last told.
    unreadable: Option<Arc<Diagnostics>>,
    // Snapshots that requests may still use. They are freed here, so that no decision pays for it.
    retired: Vec<Arc<Current>>,
}

/// Loads what the process begins with, and readies the loop that keeps it fresh.
///
/// # Errors
/// Fails where the files cannot be read or have errors.
pub fn start(
    source: Source,
    settings: Settings,
    metrics: Arc<Metrics>,
    clock: Clock,
    observer: Observer,
) -> Result<(Reader, Handle, Worker), FirstError> {
    let began = Instant::now();
    let first = source.first(&metrics)?;
    let (at, took) = (clock.now(), began.elapsed());
    let snapshot = &first.snapshot;
    let policy_set: Arc<str> = snapshot.name.as_str().into();
    let report = Report {
        cause: Cause::Start,
        outcome: ReloadOutcome::Swapped,
        revision: snapshot.revision,
        policy_set: Arc::clone(&policy_set),
        seen: Some(snapshot.revision),
        problem: None,
        at,
        took,
        is_news: true,
    };
    let status = Status {
        revision: snapshot.revision,
        policy_set,
        policies: snapshot.program.policies().len(),
        loaded_at: at,
        last_look: (at, Cause::Start, ReloadOutcome::Swapped),
        last_failure: None,
        consecutive_failures: 0,
        watching: false,
    };
    tell::swap(&metrics, &report, None, &first);
    observer(&report);
    let current = Arc::new(ArcSwap::from_pointee(first));
    let (slot, status) = (Arc::new(Slot::default()), Arc::new(ArcSwap::from_pointee(status)));
    let worker = Worker {
        source,
        settings,
        current: Arc::clone(&current),
        metrics,
        clock,
        observer,
        slot: Arc::clone(&slot),
        status: Arc::clone(&status),
        watcher: None,
        told_of_watching: false,
        refused: None,
        unreadable: None,
        retired: Vec::new(),
    };
    Ok((Reader::new(current), Handle { slot, status }, worker))
}

/// What one look has found.
enum Found {
    /// Files at rest.
    Files(Files),
    /// Files that cannot be read.
    Unreadable(ReadError),
    /// Files that do not come to rest.
    Unsettled,
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
        let period = self.settings.poll_interval;
        let mut poll = interval_at(tokio::time::Instant::now() + period, period);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.arm().await;
        loop {
            let pending = tokio::select! {
                biased;
                pending = self.slot.take() => pending,
                _ = poll.tick() => Pending { cause: Cause::Poll, asked: Vec::new() },
                () = sleep(RELEASE_INTERVAL), if !self.retired.is_empty() => {
                    self.release().await;
                    continue;
                }
            };
            let began = Instant::now();
            let found = self.find(pending.cause).await;
            if let Some(report) = self.conclude(pending.cause, found, began).await {
                let report = Arc::new(report);
                for asked in pending.asked {
                    // Who no longer waits has no use for the answer.
                    drop(asked.send(Arc::clone(&report)));
                }
            }
            self.arm().await;
        }
    }

    /// Reads the files, once they rest where nobody has said that they are complete.
    async fn find(&self, cause: Cause) -> Found {
        let calm = match cause {
            Cause::FileEvent => self.quiet().await,
            // Without an event nobody knows how long the files have rested.
            Cause::Poll => false,
            Cause::Start | Cause::Signal | Cause::Admin => true,
        };
        let changes = self.slot.changes();
        self.slot.forget_hint();
        let mut files = match self.read().await {
            Ok(files) => files,
            Err(error) => return Found::Unreadable(error),
        };
        let is_word = cause.is_word();
        if is_word || self.is_known(files.revision()) || (calm && changes == self.slot.changes()) {
            return Found::Files(files);
        }
        for _ in 0..MOST_COMPARISONS {
            sleep(self.settings.debounce).await;
            let before = files.revision();
            files = match self.read().await {
                Ok(files) => files,
                Err(error) => return Found::Unreadable(error),
            };
            if files.revision() == before || self.slot.has_word() {
                return Found::Files(files);
            }
        }
        Found::Unsettled
    }

    /// Waits until the files have rested for the debounce time. False where they do not come to rest.
    async fn quiet(&self) -> bool {
        for _ in 0..MOST_WAITS {
            let changes = self.slot.changes();
            let debounce = self.settings.debounce;
            let word = async {
                while !self.slot.has_word() {
                    self.slot.filled().await;
                }
            };
            if timeout(debounce, word).await.is_ok() || changes == self.slot.changes() {
                return true;
            }
        }
        false
    }

    /// Whether these files need no more looking at: they are live, or were refused already.
    fn is_known(&self, seen: Revision) -> bool {
        let refused = self.refused.as_ref().and_then(|report| report.seen);
        seen == self.current.load().snapshot.revision || refused == Some(seen)
    }

    async fn conclude(&mut self, cause: Cause, found: Found, began: Instant) -> Option<Report> {
        let report = match found {
            Found::Unsettled => {
                self.slot.put(Cause::Poll);
                return None;
            }
            Found::Unreadable(error) => self.unreadable(cause, error, began),
            Found::Files(files) if files.revision() == self.status.load().revision => self.unchanged(cause, began),
            Found::Files(files) => {
                let seen = files.revision();
                self.unreadable = None;
                match self.refused.clone().filter(|report| report.seen == Some(seen)) {
                    Some(refused) => self.refused_again(cause, refused),
                    None => match self.compile(files).await {
                        Ok(next) => self.swap(cause, next, began),
                        Err(diagnostics) => self.refused(cause, seen, diagnostics, began),
                    },
                }
            }
        };
        if report.is_news {
            let (observer, news) = (Arc::clone(&self.observer), report.clone());
            off_thread(move || observer(&news)).await;
        }
        Some(report)
    }

    fn swap(&mut self, cause: Cause, next: Current, began: Instant) -> Report {
        let mut report = self.report(cause, ReloadOutcome::Swapped, Some(next.snapshot.revision), began);
        let from = report.revision;
        report.revision = next.snapshot.revision;
        report.policy_set = next.snapshot.name.as_str().into();
        report.is_news = true;
        let policies = next.snapshot.program.policies().len();
        let next = Arc::new(next);
        self.retired.push(self.current.swap(Arc::clone(&next)));
        tell::swap(&self.metrics, &report, Some(from), &next);
        (self.refused, self.unreadable) = (None, None);
        self.publish(&report, |status| Status {
            revision: report.revision,
            policy_set: Arc::clone(&report.policy_set),
            policies,
            loaded_at: report.at,
            consecutive_failures: 0,
            ..status
        });
        report
    }

    fn unchanged(&mut self, cause: Cause, began: Instant) -> Report {
        let recovered = self.refused.take().is_some() | self.unreadable.take().is_some();
        let revision = self.status.load().revision;
        let report =
            Report { is_news: recovered, ..self.report(cause, ReloadOutcome::Unchanged, Some(revision), began) };
        events::policy_unchanged(&self.metrics, revision, recovered, report.at);
        self.publish(&report, |status| Status { consecutive_failures: 0, ..status });
        report
    }

    fn refused(&mut self, cause: Cause, seen: Revision, diagnostics: Diagnostics, began: Instant) -> Report {
        let mut report = self.report(cause, load::refusal(&diagnostics), Some(seen), began);
        let failures = self.status.load().consecutive_failures + 1;
        events::policy_rejected(
            &self.metrics,
            &events::PolicyRefusal {
                cause: cause.as_str(),
                outcome: report.outcome,
                refused: seen,
                revision: report.revision,
                errors: diagnostics.len(),
                consecutive_failures: failures,
                took: report.took,
                now: report.at,
            },
        );
        tell::diagnostics(&diagnostics);
        report.is_news = true;
        report.problem = Some(Arc::new(diagnostics));
        self.refused = Some(report.clone());
        self.fail(&report, failures);
        report
    }

    /// The same files as before: said again to who asks, but neither counted nor logged again.
    fn refused_again(&self, cause: Cause, refused: Report) -> Report {
        let report = Report { cause, at: self.clock.now(), is_news: false, ..refused };
        self.fail(&report, self.status.load().consecutive_failures);
        report
    }

    fn unreadable(&mut self, cause: Cause, error: ReadError, began: Instant) -> Report {
        let problem = Arc::new(Diagnostics::from(error));
        let told = self.unreadable.as_ref() == Some(&problem);
        let failures = self.status.load().consecutive_failures + 1;
        let mut report = self.report(cause, ReloadOutcome::ReadError, None, began);
        events::policy_read_error(&self.metrics, cause.as_str(), failures, told, report.at);
        if !told {
            tell::diagnostics(&*problem);
        }
        report.is_news = !told;
        report.problem = Some(Arc::clone(&problem));
        self.unreadable = Some(problem);
        self.fail(&report, failures);
        report
    }

    fn fail(&self, report: &Report, failures: u64) {
        self.publish(report, |status| Status {
            last_failure: report.problem.clone().map(|problem| Failure {
                at: report.at,
                outcome: report.outcome,
                seen: report.seen,
                problem,
            }),
            consecutive_failures: failures,
            ..status
        });
    }

    /// A report of a look that changed nothing so far.
    fn report(&self, cause: Cause, outcome: ReloadOutcome, seen: Option<Revision>, began: Instant) -> Report {
        let status = self.status.load();
        Report {
            cause,
            outcome,
            revision: status.revision,
            policy_set: Arc::clone(&status.policy_set),
            seen,
            problem: None,
            at: self.clock.now(),
            took: began.elapsed(),
            is_news: false,
        }
    }

    fn publish(&self, report: &Report, change: impl FnOnce(Status) -> Status) {
        let next = change(Status::clone(&self.status.load()));
        self.status.store(Arc::new(Status { last_look: (report.at, report.cause, report.outcome), ..next }));
    }

    async fn read(&self) -> Result<Files, ReadError> {
        let source = self.source.clone();
        off_thread(move || source.read()).await
    }

    async fn compile(&self, files: Files) -> Result<Current, Diagnostics> {
        let (source, metrics) = (self.source.clone(), Arc::clone(&self.metrics));
        off_thread(move || source.compile(&files, &metrics)).await
    }

    /// Frees the snapshots that no request uses any more.
    async fn release(&mut self) {
        let (free, used) = self.retired.drain(..).partition(|retired| Arc::strong_count(retired) == 1);
        self.retired = used;
        let free: Vec<Arc<Current>> = free;
        if !free.is_empty() {
            off_thread(move || drop(free)).await;
        }
    }

    /// Brings the watches in line with the directories. Whatever changed before they were in place is looked for.
    async fn arm(&mut self) {
        if !self.settings.watch {
            return;
        }
        let (root, slot, watcher) = (self.source.directory.clone(), Arc::clone(&self.slot), self.watcher.take());
        let armed = off_thread(move || {
            let mut watcher = watcher.map_or_else(|| Watcher::new(&root, slot), Ok)?;
            let armed = watcher.arm();
            Ok((watcher, armed))
        })
        .await;
        let failure = match armed {
            Ok((watcher, armed)) => {
                self.watcher = Some(watcher);
                if armed.grown {
                    self.slot.put(Cause::FileEvent);
                }
                armed.failure
            }
            Err(error) => Some(error),
        };
        let watching = failure.is_none();
        if let Some(error) = failure.filter(|_| !self.told_of_watching) {
            events::watch_failed(&error);
        }
        self.told_of_watching = !watching;
        if self.status.load().watching != watching {
            let status = Status::clone(&self.status.load());
            self.status.store(Arc::new(Status { watching, ..status }));
        }
    }
}

/// Runs what takes long on a thread of its own.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match task::spawn_blocking(work).await {
        Ok(done) => done,
        // The runtime does not cancel what has begun; a panic goes on here, where the task's owner sees it.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("source", &self.source).finish_non_exhaustive()
    }
}
