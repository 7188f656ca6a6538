//! The self-check: one in so many decisions is made once more by plain Cedar over the whole policy set, and compared.
//!
//! Plain Cedar takes time in proportion to the policy set, so it is asked on a thread of its own, with a copy of the question.
//! While that thread is busy, and for long enough after a check that it takes a hundredth of a core at the most, further
//! samples are left out: a check never holds up a decision, however large the set.

use super::{
    desk::{Asked, Question},
    sample::Sample,
};
use crate::{
    audit::{Entry, Intake, Kind},
    engine::{self, Difference},
    reload::{Current, Reader},
    telemetry::{Metrics, events},
};
use std::{
    cell::Cell,
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::Instant,
};
use ulid::Ulid;

/// Samples that wait at the most.
const WAITING: usize = 16;

/// How many times as long as a check took the thread rests after it.
const REST: u32 = 99;

/// Hands samples to the thread that checks. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct SelfCheck {
    every: u64,
    samples: SyncSender<Decided>,
}

/// A question with the names of its decision.
#[derive(Debug)]
struct Decided {
    current: Arc<Current>,
    sample: Sample,
    id: Ulid,
    request_id: String,
}

/// Counts the decisions of one worker towards the next sample.
#[derive(Debug)]
pub(super) struct Sampler {
    check: Option<SelfCheck>,
    // Decisions until the next sample.
    left: Cell<u64>,
}

impl SelfCheck {
    /// Starts the thread that checks one in `every` decisions; `None` for `every` 0. What is told of a question is redacted by `intake`. The thread ends with the last handle.
    pub(super) fn start(every: u64, metrics: Arc<Metrics>, intake: Option<Arc<Intake>>) -> io::Result<Option<Self>> {
        if every == 0 {
            return Ok(None);
        }
        let (samples, received) = mpsc::sync_channel(WAITING);
        thread::Builder::new().name("self-check".to_owned()).spawn(move || {
            run(&received, &metrics, compare, |decided, found| tell(decided, found, intake.as_deref()));
        })?;
        Ok(Some(Self { every, samples }))
    }
}

/// Asks plain Cedar the same.
fn compare(Decided { current, sample, .. }: &Decided) -> Result<(), Box<Difference>> {
    let program = &current.snapshot.program;
    // What is refused before the policies are asked is no sample.
    sample.ask(current, |subject, request, _refused| engine::verify(program, subject, request))
}

/// Compares what comes, and counts and tells what differs.
fn run<D>(
    samples: &Receiver<D>,
    metrics: &Metrics,
    compare: impl Fn(&D) -> Result<(), Box<Difference>>,
    tell: impl Fn(&D, &Difference),
) {
    let mut rested = Instant::now();
    while let Ok(decided) = samples.recv() {
        let begun = Instant::now();
        if begun < rested {
            continue;
        }
        let difference = compare(&decided).err();
        rested = Instant::now() + begun.elapsed() * REST;
        metrics.self_check(difference.is_none());
        if let Some(difference) = difference {
            tell(&decided, &difference);
        }
    }
}

/// Tells of a difference, with what is needed to find the decision and to ask it again, as far as that may be shown.
fn tell(Decided { current, sample, id, request_id }: &Decided, difference: &Difference, intake: Option<&Intake>) {
    let entry = Entry {
        request_id,
        tenant: sample.tenant.as_deref().unwrap_or_default(),
        user: &sample.subject,
        action: &sample.action,
        resource_type: &sample.resource_type,
        resource_id: &sample.resource_id,
        ..Entry::blank(Kind::Decision, sample.time, id.to_bytes())
    };
    let tell = |entry: &Entry<'_>| {
        events::self_check_different(&events::SelfCheck {
            id: &id.to_string(),
            request_id: entry.request_id,
            tenant: entry.tenant,
            user: entry.user,
            action: entry.action,
            resource_type: entry.resource_type,
            resource_id: entry.resource_id,
            revision: current.snapshot.revision,
            difference,
        });
    };
    match intake {
        Some(intake) => intake.redacted(&entry, tell),
        None => tell(&entry),
    }
}

impl Sampler {
    pub(super) fn new(check: Option<SelfCheck>) -> Self {
        let left = Cell::new(check.as_ref().map_or(u64::MAX, |check| check.every));
        Self { check, left }
    }

    /// Counts a decision, and hands over its question where it is the turn of one. Takes a few instructions where it is not.
    pub(super) fn count(
        &self,
        reader: &Reader,
        current: &Current,
        question: &Question<'_>,
        asked: &Asked<'_>,
        id: Ulid,
    ) {
        let Some(check) = &self.check else { return };
        self.left.set(self.left.get() - 1);
        if self.left.get() > 0 {
            return;
        }
        self.left.set(check.every);
        let loaded = Arc::clone(&reader.load());
        // A reload in between makes the question another one: the next sample will do.
        if loaded.snapshot.revision == current.snapshot.revision {
            let request_id = asked.call.request_id.to_owned();
            let sample = Sample::new(question, asked.time);
            drop(check.samples.try_send(Decided { current: loaded, sample, id, request_id }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Redact, RedactAction, RedactField, RedactRule};
    use crate::model::Decision;

    /// The engine and plain Cedar never differ, as far as anybody knows, so this is not brought about from outside.
    #[test]
    fn a_difference_is_counted_and_told_and_what_is_the_same_is_counted() {
        let summary = |decision| engine::Summary { decision, determining: Vec::new(), errors: Vec::new() };
        let differs = || Difference { engine: summary(Decision::Allow), cedar: summary(Decision::Deny) };
        for (found, counted, told) in [(None, "same", 0), (Some(differs()), "different", 1)] {
            let (metrics, told_of) = (Metrics::new(), Cell::new(0));
            let (samples, received) = mpsc::sync_channel(1);
            samples.send(7).unwrap();
            drop(samples);
            let compare = |_: &i32| found.clone().map_or(Ok(()), |difference| Err(Box::new(difference)));
            run(&received, &metrics, compare, |sample, difference| {
                assert_eq!((*sample, Some(difference)), (7, found.as_ref()));
                told_of.set(told_of.get() + 1);
            });
            assert_eq!(told_of.get(), told);
            let text = metrics.render();
            assert!(text.contains(&format!("sidegate_self_checks_total{{outcome=\"{counted}\"}} 1")), "{text}");
        }
    }

    /// What is told goes through the same rules as what is recorded.
    #[test]
    fn what_may_not_stand_in_the_log_is_not_told_either() {
        let rule = RedactRule { field: RedactField::User, below: Vec::new(), action: RedactAction::Mask };
        let redact = Redact { fields: vec![rule], ..Redact::default() };
        let intake = Intake::new(&redact, &[]).unwrap().unwrap();
        let entry = Entry {
            user: "bob.the.builder",
            action: "edit",
            ..Entry::blank(Kind::Decision, crate::model::Timestamp::from_micros(0), [0; 16])
        };
        let told = intake.redacted(&entry, |entry| (entry.user.to_owned(), entry.action.to_owned()));
        assert_eq!(told, ("b***r".to_owned(), "edit".to_owned()));
    }
}
