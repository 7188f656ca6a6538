//! What deciders read.

use crate::{
    directory::{Audience, Book, Bound, Policies, Roster, Subjects},
    engine::Dialect,
    model::Timestamp,
    policy::Snapshot,
    telemetry::{DecisionCounters, Metrics},
};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// One snapshot with the users bound to it, swapped as a whole.
///
/// Two write it: a reload puts another snapshot there, the directory the same one with users that have changed. Both do so while they hold
/// the roster, so neither undoes what the other did.
#[derive(Debug)]
pub struct Current {
    /// The policy snapshot.
    pub snapshot: Arc<Snapshot>,
    /// Its users.
    pub subjects: Arc<Subjects>,
    /// Its counters.
    pub counters: Arc<DecisionCounters>,
}

/// What will be current once it is published.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) snapshot: Arc<Snapshot>,
    bound: Bound,
    counters: DecisionCounters,
}

impl Next {
    /// Binds users and counters to a snapshot.
    pub(super) fn new(snapshot: Snapshot, roster: &Roster, metrics: &Metrics) -> Self {
        let modules: Vec<&str> = match snapshot.program.dialect() {
            Dialect::Declared(vocabulary) => vocabulary.modules.iter().map(|module| module.id.as_str()).collect(),
            Dialect::PlainCedar { .. } => Vec::new(),
        };
        let counters = metrics.decision_counters(&modules);
        Self { bound: roster.bind(&snapshot), snapshot: Arc::new(snapshot), counters }
    }

    /// Binds users to a snapshot that answers nobody: its modules become no labels.
    pub(super) fn unanswering(snapshot: Snapshot, roster: &Roster, metrics: &Metrics) -> Self {
        let counters = metrics.decision_counters(&[]);
        Self { bound: roster.bind(&snapshot), snapshot: Arc::new(snapshot), counters }
    }

    /// Publishes it, with the users as they are at that moment.
    pub(super) fn publish<T>(self, roster: &Roster, publish: impl FnOnce(Arc<Current>) -> T) -> T {
        let Self { snapshot, bound, counters } = self;
        let counters = Arc::new(counters);
        roster.settle(&Arc::clone(&snapshot), bound, |subjects| {
            publish(Arc::new(Current { snapshot, subjects: Arc::new(subjects), counters }))
        })
    }
}

impl Current {
    /// The same with users that have changed.
    fn renewed(&self, book: &Book, users: &[Arc<str>]) -> Arc<Self> {
        let mut subjects = Subjects::clone(&self.subjects);
        book.renew(&self.snapshot, &mut subjects, users);
        let subjects = Arc::new(subjects);
        Arc::new(Self { snapshot: Arc::clone(&self.snapshot), subjects, counters: Arc::clone(&self.counters) })
    }
}

impl Policies for Reader {
    fn current(&self) -> (Arc<Snapshot>, Arc<Subjects>) {
        let current = self.current.load();
        (Arc::clone(&current.snapshot), Arc::clone(&current.subjects))
    }
}

/// The deciders' side of the directory.
impl Audience for Reader {
    fn changed(&self, book: &Book, users: &[Arc<str>]) {
        self.current.store(self.current.load().renewed(book, users));
    }
}

/// The side of those who compare.
#[derive(Debug)]
pub(super) struct Comparing(pub(super) Arc<ArcSwapOption<Current>>);

impl Audience for Comparing {
    fn changed(&self, book: &Book, users: &[Arc<str>]) {
        if let Some(current) = self.0.load_full() {
            self.0.store(Some(current.renewed(book, users)));
        }
    }
}

/// Reads the current snapshot. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    current: Arc<ArcSwap<Current>>,
    expiry: Arc<Expiry>,
}

/// Until when the current snapshot may decide.
#[derive(Debug)]
pub(super) struct Expiry(AtomicI64);

impl Default for Expiry {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MAX))
    }
}

impl Expiry {
    /// Sets the last moment; `None` where there is none.
    pub(super) fn set(&self, at: Option<Timestamp>) {
        // Relaxed: the time guards nothing but itself.
        self.0.store(at.map_or(i64::MAX, Timestamp::as_micros), Ordering::Relaxed);
    }
}

impl Reader {
    /// Reads from here; what is read may decide for ever.
    #[must_use]
    pub fn new(current: Arc<ArcSwap<Current>>) -> Self {
        Self::with_expiry(current, Arc::default())
    }

    pub(super) fn with_expiry(current: Arc<ArcSwap<Current>>, expiry: Arc<Expiry>) -> Self {
        Self { current, expiry }
    }

    /// The current snapshot. Load it once per request: answer, record and header must name the same revision.
    #[must_use]
    pub fn load(&self) -> arc_swap::Guard<Arc<Current>> {
        self.current.load()
    }

    /// Whether the policies are too old to decide (`policies.when_stale: deny`).
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        now.as_micros() > self.expiry.0.load(Ordering::Relaxed)
    }
}
