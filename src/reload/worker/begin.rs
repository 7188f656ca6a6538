//! What the process begins with: the files, or else the set that decided last.

use super::{
    Observer, Worker,
    age::Age,
    keep::{Keeper, Kept, chain},
};
use crate::{
    config::{ActivationTests, Live},
    document::Diagnostics,
    lifecycle::Clock,
    model::{Revision, Timestamp},
    policy::{Compiler, Files},
    reload::{
        Cause, Confirmed, CopyFailure, Current, Failure, FirstError, Handle, News, Reader, Report, Source, Status,
        cause::Slot, checkout, current::Expiry, load::Refused, tell, watch::Watch, workshop::Workshop,
    },
    telemetry::{Metrics, PoliciesFigures, ReloadOutcome, events},
};
use arc_swap::ArcSwap;
use std::{
    error::Error,
    io,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Instant,
};

/// Why there is nothing to begin with.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The files are no good, and no set is kept that could stand in for them.
    #[error(transparent)]
    First(FirstError),
    /// No thread for the work.
    #[error("the thread that loads policies cannot be started")]
    Thread(#[source] io::Error),
}

/// The copy itself is no good, as this version and these settings have it.
#[derive(Debug, thiserror::Error)]
#[error("the kept policy set was refused: {outcome}, {errors} problem(s)")]
struct CopyRefused {
    outcome: &'static str,
    errors: usize,
}

/// What was found to begin with.
struct Begun {
    current: Arc<Current>,
    files: Files,
    confirmed: Confirmed,
    /// Why the files themselves would not do.
    failure: Option<Stumble>,
}

/// Files that are no good.
struct Stumble {
    outcome: ReloadOutcome,
    seen: Option<Revision>,
    problems: Diagnostics,
}

/// Loads what the process begins with, and readies the loop that keeps it fresh.
///
/// # Errors
/// Fails where the files cannot be read or have errors and no kept set stands in for them.
pub fn start(
    source: Source,
    settings: Live,
    metrics: Arc<Metrics>,
    clock: Clock,
    observer: Observer,
) -> Result<(Reader, Handle, Worker), StartError> {
    let began = Instant::now();
    let compiler = Mutex::new(Compiler::new());
    let policies = settings.load().policies.clone();
    let first = First {
        source: &source,
        compiler: &compiler,
        tests: policies.activation_tests,
        metrics: &metrics,
        clock,
        observer: &observer,
    };
    let found = first.find(policies.start_from_last_good).map_err(StartError::First)?;
    let Begun { current: first, files, confirmed, failure } = found;
    let mut report = report(&first, began, clock, &source);
    // The work tree holds what is no good, and not what decides.
    let checkout = if failure.is_some() { report.checkout.take() } else { None };
    let mut status = status(&first, &report, confirmed);
    tell::swap(&metrics, &report, None, &first);
    observer(News::Look(&report));
    let mut news = None;
    if let Some(stumble) = failure {
        status.from_last_good = true;
        status.consecutive_failures = 1;
        let of_files = Report { checkout, ..report.clone() };
        news = Some(stumbled(stumble, &mut status, of_files, &metrics));
    }
    if let Some(report) = &news {
        observer(News::Look(report));
    }

    let workshop = Workshop::start("reload").map_err(StartError::Thread)?;
    let current = Arc::new(ArcSwap::new(first));
    let (slot, status) = (Arc::new(Slot::default()), Arc::new(ArcSwap::from_pointee(status)));
    let expiry = Arc::new(Expiry::default());
    let is_refusal = news.as_ref().is_some_and(|report| report.seen.is_some());
    let unreadable = news.as_ref().filter(|_| !is_refusal).and_then(|report| report.problem.clone());
    // What decides is kept already where it came from the copy.
    let from_copy = news.is_some();
    let kept = from_copy.then(|| Kept { revision: files.revision(), confirmed: None });
    let keeper =
        Keeper { place: source.last_good.clone(), next: (!from_copy).then_some(files), kept, ..Keeper::default() };
    let age = Age {
        settings: settings.clone(),
        status: Arc::clone(&status),
        expiry: Arc::clone(&expiry),
        told: AtomicBool::new(false),
    };
    // Before anybody asks: a copy may be too old to decide.
    age.draw();
    watch(&metrics, &settings, &status);
    let worker = Worker {
        watch: Watch::new(&source.directory, Arc::clone(&slot)),
        source,
        settings,
        current: Arc::clone(&current),
        age: Arc::new(age),
        metrics,
        clock,
        observer,
        slot: Arc::clone(&slot),
        status: Arc::clone(&status),
        workshop,
        compiler: Arc::new(compiler),
        keeper,
        tests: policies.activation_tests,
        refused: news.filter(|_| is_refusal).into_iter().collect(),
        unreadable,
        restless: 0,
        retired: Vec::new(),
    };
    Ok((Reader::with_expiry(current, expiry), Handle { slot, status }, worker))
}

/// Has it told at each scrape how the policies stand then.
fn watch(metrics: &Metrics, settings: &Live, status: &Arc<ArcSwap<Status>>) {
    let (settings, status) = (settings.clone(), Arc::clone(status));
    metrics.watch_policies(move || {
        let (most, status) = (settings.load().policies.max_staleness, status.load());
        PoliciesFigures { stale: status.is_stale(most), copy_failing: status.copy_failure.is_some() }
    });
}

/// Looks for what to begin with.
struct First<'f> {
    source: &'f Source,
    compiler: &'f Mutex<Compiler>,
    tests: ActivationTests,
    metrics: &'f Metrics,
    clock: Clock,
    observer: &'f Observer,
}

impl First<'_> {
    fn find(&self, may_use_copy: bool) -> Result<Begun, FirstError> {
        let (stumble, error) = match self.source.read() {
            Err(error) => {
                let problems = Diagnostics::from(error);
                let stumble = Stumble { outcome: ReloadOutcome::ReadError, seen: None, problems: problems.clone() };
                (stumble, FirstError::Read(problems))
            }
            Ok(files) => match self.compile(files.clone()) {
                Ok(current) => {
                    let confirmed = Confirmed::now(self.clock.now());
                    return Ok(Begun { current, files, confirmed, failure: None });
                }
                Err(Refused { outcome, problems }) => {
                    let stumble = Stumble { outcome, seen: Some(files.revision()), problems: problems.clone() };
                    (stumble, FirstError::Refused(problems))
                }
            },
        };
        let copy = if may_use_copy { self.copy() } else { None };
        match copy {
            Some((current, files, confirmed_at)) => {
                let confirmed = Confirmed::earlier(confirmed_at, self.clock.now());
                Ok(Begun { current, files, confirmed, failure: Some(stumble) })
            }
            None => Err(error),
        }
    }

    /// The set that decided last, through the same gates as any other.
    fn copy(&self) -> Option<(Arc<Current>, Files, Timestamp)> {
        let kept = match self.source.last_good.as_ref()?.find(self.clock) {
            Ok(kept) => kept?,
            Err(error) => {
                self.not_used(&error, None, vec![chain(&error)]);
                return None;
            }
        };
        match self.compile(kept.files.clone()) {
            Ok(current) => Some((current, kept.files, kept.confirmed_at)),
            Err(refused) => {
                let problems = refused.problems.iter().map(ToString::to_string).collect();
                let error = CopyRefused { outcome: refused.outcome.as_str(), errors: refused.problems.len() };
                self.not_used(&error, Some(kept.files.revision()), problems);
                tell::diagnostics(&refused.problems);
                None
            }
        }
    }

    fn not_used(&self, error: &(dyn Error + 'static), revision: Option<Revision>, problems: Vec<String>) {
        events::last_good_failed(error);
        let failure = CopyFailure { at: self.clock.now(), outcome: "last_good_not_used", revision, problems };
        (self.observer)(News::Copy(&failure));
    }

    fn compile(&self, files: Files) -> Result<Arc<Current>, Refused> {
        let next = self.source.compile(self.compiler, files, self.tests, self.metrics)?;
        // Nobody reads or changes it yet.
        Ok(next.publish(&self.source.roster, |current| current))
    }
}

fn report(first: &Current, began: Instant, clock: Clock, source: &Source) -> Report {
    let snapshot = &first.snapshot;
    Report {
        cause: Cause::Start,
        outcome: ReloadOutcome::Swapped,
        revision: snapshot.revision,
        policy_set: snapshot.name.as_str().into(),
        seen: Some(snapshot.revision),
        problem: None,
        at: clock.now(),
        took: began.elapsed(),
        checkout: checkout::find(&source.directory).map(Arc::new),
        is_news: true,
    }
}

fn status(first: &Current, report: &Report, confirmed: Confirmed) -> Status {
    Status {
        revision: report.revision,
        policy_set: Arc::clone(&report.policy_set),
        policies: first.snapshot.program.policies().len(),
        loaded_at: report.at,
        last_look: (report.at, Cause::Start, ReloadOutcome::Swapped),
        last_failure: None,
        consecutive_failures: 0,
        watching: false,
        confirmed,
        from_last_good: false,
        checkout: report.checkout.clone(),
        copy_failure: None,
    }
}

/// Says why the files themselves would not do.
fn stumbled(stumble: Stumble, status: &mut Status, begun: Report, metrics: &Metrics) -> Report {
    let Stumble { outcome, seen, problems } = stumble;
    status.last_look = (begun.at, Cause::Start, outcome);
    let report = Report { outcome, seen, problem: Some(Arc::new(problems)), ..begun };
    let problems = report.problem.iter().flat_map(|problems| problems.iter());
    match seen {
        Some(seen) => tell::refusal(metrics, &report, seen, problems.clone().count(), 1),
        None => events::policy_read_error(metrics, Cause::Start.as_str(), 1, false),
    }
    tell::diagnostics(problems);
    events::policy_start_from_last_good(metrics, status.revision, status.confirmed.at);
    let checkout = report.checkout.clone().filter(|_| seen.is_some());
    status.last_failure =
        report.problem.clone().map(|problem| Failure { at: report.at, outcome, seen, problem, checkout });
    report
}
