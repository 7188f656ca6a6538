//! What comes of what was found: a swap, a refusal, or nothing.

use super::{MOST_REFUSALS, MOST_RESTLESS, Worker};
use crate::{
    document::Diagnostics,
    model::Revision,
    policy::{Files, ReadError},
    reload::{
        Cause, Checkout, Confirmed, Failure, News, Report, Status, checkout, current::Next, load::Refused, look::Found,
        tell,
    },
    telemetry::{ReloadOutcome, events},
};
use std::{sync::Arc, time::Instant};

impl Worker {
    /// Nothing where the files do not come to rest.
    pub(super) async fn conclude(
        &mut self,
        cause: Cause,
        found: Found<Files, ReadError>,
        began: Instant,
    ) -> Option<Report> {
        let files = match found {
            Found::Unsettled => {
                self.slot.put(Cause::Poll);
                self.restless += 1;
                if self.restless < MOST_RESTLESS {
                    return None;
                }
                let message = "the files change all the time: they have not come to rest since they were looked at";
                let problem = self.source.problem("restless", message.to_owned()).with_help(
                    "write a set once and leave it, or set `policies.debounce` below the time between two changes"
                        .to_owned(),
                );
                return Some(self.unreadable(cause, problem.into(), began).await);
            }
            Found::Unreadable(error) => {
                self.restless = 0;
                return Some(self.unreadable(cause, error.into(), began).await);
            }
            Found::Files(files) => files,
        };
        self.restless = 0;
        let seen = files.revision();
        if seen == self.status.load().revision {
            return Some(self.unchanged(cause, files, began).await);
        }
        self.unreadable = None;
        if let Some(at) = self.refused.iter().position(|report| report.seen == Some(seen)) {
            return self.refused.remove(at).map(|refused| self.refused_again(cause, refused));
        }
        Some(match self.compile(files.clone()).await {
            Ok(next) => {
                self.keeper.next = Some(files);
                self.swap(cause, next, began).await
            }
            Err(refused) => self.refused(cause, seen, refused, began).await,
        })
    }

    async fn compile(&self, files: Files) -> Result<Next, Refused> {
        let (source, compiler) = (self.source.clone(), Arc::clone(&self.compiler));
        let (metrics, tests) = (Arc::clone(&self.metrics), self.policies().activation_tests);
        let result = self.workshop.run(move || source.compile(&compiler, files, tests, &metrics)).await;
        result.unwrap_or_else(|broken| Err(self.source.broken(&broken)))
    }

    async fn swap(&mut self, cause: Cause, next: Next, began: Instant) -> Report {
        let (next, old) = next.publish(&self.source.roster, |next| (Arc::clone(&next), self.current.swap(next)));
        self.retired.push(old);
        let mut report = self.report(cause, ReloadOutcome::Swapped, Some(next.snapshot.revision), began);
        let from = report.revision;
        report.revision = next.snapshot.revision;
        report.policy_set = next.snapshot.name.as_str().into();
        report.is_news = true;
        self.refused.clear();
        self.unreadable = None;
        self.look_done(&report, |status| Status {
            revision: report.revision,
            policy_set: Arc::clone(&report.policy_set),
            policies: next.snapshot.program.policies().len(),
            loaded_at: report.at,
            consecutive_failures: 0,
            confirmed: Confirmed::now(report.at),
            from_last_good: false,
            checkout: None,
            ..status
        });
        report.checkout = self.checkout().await;
        self.publish(|status| Status { checkout: report.checkout.clone(), ..status });
        tell::swap(&self.metrics, &report, Some(from), &next);
        self.observe(&report).await;
        report
    }

    async fn unchanged(&mut self, cause: Cause, files: Files, began: Instant) -> Report {
        let recovered = !self.refused.is_empty() | self.unreadable.take().is_some();
        self.refused.clear();
        let revision = self.status.load().revision;
        let report =
            Report { is_news: recovered, ..self.report(cause, ReloadOutcome::Unchanged, Some(revision), began) };
        events::policy_unchanged(&self.metrics, revision, recovered, report.at);
        self.look_done(&report, |status| Status {
            consecutive_failures: 0,
            confirmed: Confirmed::now(report.at),
            from_last_good: false,
            ..status
        });
        self.confirm(files).await;
        self.observe(&report).await;
        report
    }

    async fn refused(&mut self, cause: Cause, seen: Revision, refused: Refused, began: Instant) -> Report {
        let Refused { outcome, problems } = refused;
        let mut report = self.report(cause, outcome, Some(seen), began);
        let failures = self.status.load().consecutive_failures + 1;
        report.checkout = self.checkout().await;
        let problems = Arc::new(problems);
        report.is_news = true;
        report.problem = Some(Arc::clone(&problems));
        self.remember(report.clone());
        // Whoever hears of it finds it in `/status`.
        self.fail(&report, failures);
        tell::refusal(&self.metrics, &report, seen, problems.len(), failures);
        tell::diagnostics(&*problems);
        self.observe(&report).await;
        report
    }

    /// The same files as before: said again to who asks, but neither counted nor logged again.
    fn refused_again(&mut self, cause: Cause, refused: Report) -> Report {
        self.remember(refused.clone());
        let report = Report { cause, at: self.clock.now(), is_news: false, ..refused };
        self.fail(&report, self.status.load().consecutive_failures);
        report
    }

    /// As the latest of those that are not told again.
    fn remember(&mut self, refused: Report) {
        if self.refused.len() == MOST_REFUSALS {
            self.refused.pop_front();
        }
        self.refused.push_back(refused);
    }

    pub(super) async fn unreadable(&mut self, cause: Cause, problems: Diagnostics, began: Instant) -> Report {
        let problem = Arc::new(problems);
        let told = self.unreadable.as_ref() == Some(&problem);
        let failures = self.status.load().consecutive_failures + 1;
        let mut report = self.report(cause, ReloadOutcome::ReadError, None, began);
        report.is_news = !told;
        report.problem = Some(Arc::clone(&problem));
        self.fail(&report, failures);
        events::policy_read_error(&self.metrics, cause.as_str(), failures, told);
        if !told {
            tell::diagnostics(&*problem);
        }
        self.unreadable = Some(problem);
        self.observe(&report).await;
        report
    }

    fn fail(&self, report: &Report, failures: u64) {
        self.look_done(report, |status| Status {
            last_failure: report.problem.clone().map(|problem| Failure {
                at: report.at,
                outcome: report.outcome,
                seen: report.seen,
                problem,
                checkout: report.checkout.clone(),
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
            checkout: None,
            is_news: false,
        }
    }

    fn look_done(&self, report: &Report, change: impl FnOnce(Status) -> Status) {
        let last_look = (report.at, report.cause, report.outcome);
        self.publish(|status| Status { last_look, ..change(status) });
    }

    /// What is checked out, where the directory is a work tree.
    async fn checkout(&self) -> Option<Arc<Checkout>> {
        let directory = self.source.directory.clone();
        let found = self.workshop.ask(move || checkout::find(&directory)).await;
        found.ok().flatten().map(Arc::new)
    }

    /// Tells the observer of news.
    async fn observe(&self, report: &Report) {
        if report.is_news {
            let news = report.clone();
            self.tell(move |observer| observer(News::Look(&news))).await;
        }
    }
}
