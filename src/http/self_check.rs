//! The self-check: one in so many decisions is made once more by plain Cedar over the whole policy set, and compared.
//!
//! Plain Cedar takes time in proportion to the policy set, so it is asked on a thread of its own, with a copy of the question.
//! While that thread is busy, and for long enough after a check that it takes a hundredth of a core at the most, further
//! samples are left out: a check never holds up a decision, however large the set.

use super::desk::{self, Question};
use crate::{
    engine,
    model::{Attributes, Resource, Timestamp, Value},
    reload::{Current, Reader},
    telemetry::{Metrics, events},
};
use std::{
    borrow::Cow,
    cell::Cell,
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
    time::Instant,
};

/// Samples that wait at the most.
const WAITING: usize = 16;

/// How many times as long as a check took the thread rests after it.
const REST: u32 = 99;

/// Hands samples to the thread that checks. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct SelfCheck {
    every: u64,
    samples: SyncSender<Sample>,
}

/// Counts the decisions of one worker towards the next sample.
#[derive(Debug)]
pub(super) struct Sampler {
    check: Option<SelfCheck>,
    // Decisions until the next sample.
    left: Cell<u64>,
}

/// A question that owns all its parts.
#[derive(Debug)]
struct Sample {
    current: Arc<Current>,
    subject_type: Option<String>,
    subject: String,
    subject_attributes: Owned,
    action: String,
    resource_type: String,
    resource_id: String,
    resource_attributes: Owned,
    tenant: Option<String>,
    context: Owned,
    time: Timestamp,
}

type Owned = Vec<(Cow<'static, str>, Value<'static>)>;

impl SelfCheck {
    /// Starts the thread that checks one in `every` decisions; `None` for `every` 0. The thread ends with the last handle.
    pub(super) fn start(every: u64, metrics: Arc<Metrics>) -> io::Result<Option<Self>> {
        if every == 0 {
            return Ok(None);
        }
        let (samples, received) = mpsc::sync_channel(WAITING);
        thread::Builder::new().name("self-check".to_owned()).spawn(move || run(&received, &metrics))?;
        Ok(Some(Self { every, samples }))
    }
}

fn run(samples: &Receiver<Sample>, metrics: &Metrics) {
    let mut rested = Instant::now();
    while let Ok(sample) = samples.recv() {
        let begun = Instant::now();
        if begun < rested {
            continue;
        }
        let difference = sample.verify().err();
        rested = Instant::now() + begun.elapsed() * REST;
        events::self_checked(metrics, sample.current.snapshot.revision, difference.as_deref());
    }
}

impl Sampler {
    pub(super) fn new(check: Option<SelfCheck>) -> Self {
        let left = Cell::new(check.as_ref().map_or(u64::MAX, |check| check.every));
        Self { check, left }
    }

    /// Counts a decision, and hands over its question where it is the turn of one. Takes a few instructions where it is not.
    pub(super) fn count(&self, reader: &Reader, current: &Current, question: &Question<'_>, time: Timestamp) {
        let Some(check) = &self.check else { return };
        self.left.set(self.left.get() - 1);
        if self.left.get() > 0 {
            return;
        }
        self.left.set(check.every);
        let loaded = Arc::clone(&reader.load());
        // A reload in between makes the question another one: the next sample will do.
        if loaded.snapshot.revision == current.snapshot.revision {
            drop(check.samples.try_send(Sample::new(loaded, question, time)));
        }
    }
}

impl Sample {
    fn new(current: Arc<Current>, question: &Question<'_>, time: Timestamp) -> Self {
        Self {
            current,
            subject_type: question.subject_type.map(str::to_owned),
            subject: question.subject.to_owned(),
            subject_attributes: owned(question.subject_attributes),
            action: question.action.to_owned(),
            resource_type: question.resource.ty.to_owned(),
            resource_id: question.resource.id.to_owned(),
            resource_attributes: owned(question.resource.attributes),
            tenant: question.tenant.map(str::to_owned),
            context: owned(question.context),
            time,
        }
    }

    fn verify(&self) -> Result<(), Box<engine::Difference>> {
        let question = Question {
            subject_type: self.subject_type.as_deref(),
            subject: &self.subject,
            subject_attributes: &self.subject_attributes,
            action: &self.action,
            resource: Resource {
                ty: &self.resource_type,
                id: &self.resource_id,
                attributes: &self.resource_attributes,
            },
            tenant: self.tenant.as_deref(),
            context: &self.context,
        };
        let request = question.request(self.time);
        engine::verify(&self.current.snapshot.program, desk::subject(&self.current, &question), &request)
    }
}

fn owned(attributes: &Attributes<'_>) -> Owned {
    attributes.iter().map(|(name, value)| (Cow::Owned(name.to_string()), value.clone().into_owned())).collect()
}
