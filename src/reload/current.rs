//! What deciders read.

use crate::{
    directory::{Audience, Book, Bound, Policies, Roster, Subjects},
    engine::Dialect,
    policy::Snapshot,
    telemetry::{DecisionCounters, Metrics},
};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
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

/// Until when the current snapshot may decide, by a clock that nobody sets.
#[derive(Debug)]
pub(super) struct Expiry {
    since: Instant,
    // Microseconds after that.
    at: AtomicU64,
}

/// There is no end.
const NEVER: u64 = u64::MAX;

impl Default for Expiry {
    fn default() -> Self {
        Self { since: Instant::now(), at: AtomicU64::new(NEVER) }
    }
}

impl Expiry {
    /// Sets the moment: so much after another one. `None` where there is none.
    pub(super) fn set(&self, at: Option<(Instant, Duration)>) {
        let micros = |(from, left): (Instant, Duration)| {
            // The other moment may be before this one began.
            let at = from.checked_add(left).map(|at| at.saturating_duration_since(self.since).as_micros());
            at.and_then(|at| u64::try_from(at).ok()).unwrap_or(NEVER)
        };
        // Relaxed: the time guards nothing but itself.
        self.at.store(at.map_or(NEVER, micros), Ordering::Relaxed);
    }

    fn is_past(&self, now: Instant) -> bool {
        let at = self.at.load(Ordering::Relaxed);
        at != NEVER && now.saturating_duration_since(self.since).as_micros() >= u128::from(at)
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
    pub fn is_expired(&self, now: Instant) -> bool {
        self.expiry.is_past(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_comes_at_its_moment_and_not_where_there_is_none() {
        let expiry = Expiry::default();
        let now = expiry.since + Duration::from_secs(10);
        assert!(!expiry.is_past(now), "at first there is none");
        for (left, is_past) in [(1, false), (0, true)] {
            expiry.set(Some((now, Duration::from_secs(left))));
            assert_eq!(expiry.is_past(now), is_past, "{left} s left");
        }
        // Policies are confirmed before anybody asks how old they are.
        let earlier = expiry.since.checked_sub(Duration::from_secs(1)).unwrap();
        expiry.set(Some((earlier, Duration::from_secs(11))));
        assert!(expiry.is_past(now), "it counts from the other moment on");
        expiry.set(Some((now, Duration::MAX)));
        assert!(!expiry.is_past(now), "for ever");
        expiry.set(Some((now, Duration::ZERO)));
        expiry.set(None);
        assert!(!expiry.is_past(now), "no longer");
    }
}
