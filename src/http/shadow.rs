//! The shadow set: every question is put to it as well, and what it says is compared and never answered.
//!
//! It is asked on a thread of its own, with a copy of the question. The copies that wait are bounded: where the thread cannot keep up,
//! questions are left out and counted, and no decision waits. What it says depends on the question and its policies alone.

use super::{
    desk::{Asked, Question},
    sample::Sample,
};
use crate::{
    audit::{Entry, Kind, Log, Origin},
    engine::{self, Outcome, Program},
    model::{Decision, Revision, TraceId},
    reload::{Current, Shadow},
    telemetry::{Metrics, ShadowOutcome, events},
};
use serde_json::json;
use std::{
    fmt, io,
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;
use ulid::Ulid;

/// Questions that wait at the most.
const WAITING: usize = 4096;

/// Differences that go into the audit log within one [`INTERVAL`]; metrics count all.
const MOST_RECORDS: u32 = 10;

/// See [`MOST_RECORDS`].
const INTERVAL: Duration = Duration::from_secs(1);

/// Hands questions to the thread that compares. Cheap to clone.
#[derive(Clone)]
pub struct Comparer {
    shadow: Shadow,
    questions: SyncSender<Answered>,
    metrics: Arc<Metrics>,
}

/// A question with what was answered.
struct Answered {
    sample: Sample,
    request_id: String,
    trace_id: TraceId,
    origin: Origin,
    live: Said,
}

/// What a policy set says to a question.
struct Said {
    decision: Decision,
    reason: &'static str,
    policies: Vec<String>,
    revision: Revision,
    module: String,
}

impl Said {
    fn new(outcome: &Outcome<'_>, program: &Program, revision: Revision) -> Self {
        let policies = outcome.determining.iter().filter_map(|&index| program.policy(index));
        Self {
            decision: outcome.decision,
            reason: outcome.code.as_str(),
            policies: policies.map(|facts| facts.id.to_string()).collect(),
            revision,
            module: program.module_id(outcome.module).to_owned(),
        }
    }

    fn to_json(&self) -> String {
        json!({
            "decision": self.decision.as_str(),
            "reason": self.reason,
            "policies": self.policies,
            "revision": self.revision.to_string(),
        })
        .to_string()
    }
}

impl Comparer {
    /// Starts the thread. It ends with the last handle, once what waits has been compared: then the future resolves.
    ///
    /// # Errors
    /// Fails where there is no thread.
    pub fn start(
        shadow: Shadow,
        log: Log,
        metrics: Arc<Metrics>,
    ) -> io::Result<(Self, impl Future<Output = ()> + Send + 'static)> {
        let (questions, taken) = mpsc::sync_channel(WAITING);
        let (ending, ended) = oneshot::channel::<()>();
        let thread = Thread { shadow: shadow.clone(), log, metrics: Arc::clone(&metrics), window: Window::new() };
        thread::Builder::new().name("shadow-compare".to_owned()).spawn(move || {
            // Dropped when the thread ends, however it ends.
            let _ending = ending;
            thread.run(&taken);
        })?;
        Ok((Self { shadow, questions, metrics }, async move { drop(ended.await) }))
    }

    /// Hands over a question that was answered. Does not wait.
    pub(super) fn compare(&self, current: &Current, outcome: &Outcome<'_>, question: &Question<'_>, asked: &Asked<'_>) {
        if self.shadow.load().is_none() {
            return;
        }
        let snapshot = &current.snapshot;
        let answered = Answered {
            sample: Sample::new(question, asked.time),
            request_id: asked.call.request_id.to_owned(),
            trace_id: asked.call.trace.id(),
            origin: asked.origin,
            live: Said::new(outcome, &snapshot.program, snapshot.revision),
        };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.questions.try_send(answered) {
            self.metrics.shadow_skipped();
        }
    }
}

impl fmt::Debug for Comparer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Comparer").field("shadow", &self.shadow).finish_non_exhaustive()
    }
}

struct Thread {
    shadow: Shadow,
    log: Log,
    metrics: Arc<Metrics>,
    window: Window,
}

impl Thread {
    fn run(mut self, questions: &Receiver<Answered>) {
        while let Ok(answered) = questions.recv() {
            let Some(shadow) = self.shadow.load().clone() else { continue };
            let snapshot = &shadow.snapshot;
            let said = answered.sample.ask(&shadow, |subject, request, refused| {
                let outcome = match refused {
                    Some(code) => engine::refuse(&snapshot.program, subject, request, code),
                    None => engine::decide(&snapshot.program, subject, request),
                };
                Said::new(&outcome, &snapshot.program, snapshot.revision)
            });
            let compared = compare(answered.live.decision, said.decision);
            self.metrics.shadow_decision(compared);
            if compared != ShadowOutcome::Same && self.window.admits(Instant::now()) {
                self.record(&answered, &said, compared);
            }
        }
    }

    fn record(&self, answered: &Answered, said: &Said, compared: ShadowOutcome) {
        let Answered { sample, request_id, trace_id, origin, live } = answered;
        let milliseconds = u64::try_from(sample.time.as_micros() / 1000).unwrap_or_default();
        let reason = format!("shadow_{}", compared.as_str());
        let policies: Vec<&str> = said.policies.iter().map(String::as_str).collect();
        let appended = self.log.append(&Entry {
            time: sample.time,
            kind: Kind::Policy,
            id: Ulid::from_parts(milliseconds, fastrand::u128(..)).to_bytes(),
            request_id,
            tenant: sample.tenant.as_deref().unwrap_or_default(),
            user: &sample.subject,
            roles: &[],
            action: &sample.action,
            module: if said.module.is_empty() { &live.module } else { &said.module },
            resource_type: &sample.resource_type,
            resource_id: &sample.resource_id,
            decision: None,
            reason: &reason,
            policies: &Names(&policies),
            errors: &NOTHING,
            revision: live.revision.short(),
            duration_ns: 0,
            origin: *origin,
            actor: "",
            before: &live.to_json(),
            after: &said.to_json(),
            context: "",
            trace_id: *trace_id,
        });
        if let Err(error) = appended {
            events::audit_append_failed(&reason, &error);
        }
    }
}

const fn compare(live: Decision, shadow: Decision) -> ShadowOutcome {
    match (live, shadow) {
        (Decision::Deny, Decision::Allow) => ShadowOutcome::Widened,
        (Decision::Allow, Decision::Deny) => ShadowOutcome::Narrowed,
        (Decision::Allow, Decision::Allow) | (Decision::Deny, Decision::Deny) => ShadowOutcome::Same,
    }
}

/// Bounds how many differences are recorded.
#[derive(Debug)]
struct Window {
    began: Instant,
    admitted: u32,
}

impl Window {
    fn new() -> Self {
        Self { began: Instant::now(), admitted: 0 }
    }

    fn admits(&mut self, now: Instant) -> bool {
        if now.duration_since(self.began) >= INTERVAL {
            *self = Self { began: now, admitted: 0 };
        }
        self.admitted += 1;
        self.admitted <= MOST_RECORDS
    }
}

/// A list of names for a record.
struct Names<'n>(&'n [&'n str]);

impl crate::audit::Texts for Names<'_> {
    fn each(&self, take: &mut dyn FnMut(&str)) {
        self.0.iter().for_each(|name| take(name));
    }
}

const NOTHING: [&str; 0] = [];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_answered_is_the_yardstick() {
        use Decision::{Allow, Deny};
        for (live, shadow, outcome) in [
            (Allow, Allow, ShadowOutcome::Same),
            (Deny, Deny, ShadowOutcome::Same),
            (Deny, Allow, ShadowOutcome::Widened),
            (Allow, Deny, ShadowOutcome::Narrowed),
        ] {
            assert_eq!(compare(live, shadow), outcome);
        }
    }

    #[test]
    fn a_burst_of_differences_leaves_a_bounded_number_of_records() {
        let mut window = Window::new();
        let began = window.began;
        let admitted = (0..1000).filter(|_| window.admits(began)).count();
        assert_eq!(admitted, MOST_RECORDS as usize);
        assert!(window.admits(began + INTERVAL));
    }
}
