//! The only writer of the current snapshot: causes in, outcomes out.

use crate::{directory::Subjects, policy::Snapshot, telemetry::DecisionCounters};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// What deciders read: one snapshot with the users bound to it, swapped as a whole.
#[derive(Debug)]
pub struct Current {
    /// The policy snapshot.
    pub snapshot: Snapshot,
    /// Its users.
    pub subjects: Subjects,
    /// Its counters.
    pub counters: DecisionCounters,
}

/// Reads the current snapshot. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    current: Arc<ArcSwap<Current>>,
}

impl Reader {
    /// Reads from here.
    #[must_use]
    pub fn new(current: Arc<ArcSwap<Current>>) -> Self {
        Self { current }
    }

    /// The current snapshot. Load it once per request: answer, record and header must name the same revision.
    #[must_use]
    pub fn load(&self) -> arc_swap::Guard<Arc<Current>> {
        self.current.load()
    }
}
