//! What deciders read.

use crate::{
    directory::Subjects,
    engine::Dialect,
    model::Timestamp,
    policy::Snapshot,
    telemetry::{DecisionCounters, Metrics},
};
use arc_swap::ArcSwap;
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// One snapshot with the users bound to it, swapped as a whole.
#[derive(Debug)]
pub struct Current {
    /// The policy snapshot.
    pub snapshot: Snapshot,
    /// Its users.
    pub subjects: Subjects,
    /// Its counters.
    pub counters: DecisionCounters,
}

impl Current {
    /// Binds users and counters to a snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot, metrics: &Metrics) -> Self {
        let modules: Vec<&str> = match snapshot.program.dialect() {
            Dialect::Declared(vocabulary) => vocabulary.modules.iter().map(|module| module.id.as_str()).collect(),
            Dialect::PlainCedar { .. } => Vec::new(),
        };
        let counters = metrics.decision_counters(&modules);
        let subjects = Subjects::bind(&snapshot.program, &snapshot.users);
        Self { snapshot, subjects, counters }
    }

    /// Binds users to a snapshot that answers nobody: its modules become no labels.
    #[must_use]
    pub(super) fn unanswering(snapshot: Snapshot, metrics: &Metrics) -> Self {
        let subjects = Subjects::bind(&snapshot.program, &snapshot.users);
        Self { snapshot, subjects, counters: metrics.decision_counters(&[]) }
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
