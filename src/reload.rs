//! The only writer of the current snapshot: causes in, outcomes out.
//!
//! Causes (file event, `SIGHUP`, an administrator, a slow timer) meet in one slot. Each look reads all files, compares their
//! digest with what is live, compiles off the request threads, and swaps one pointer. Any failure keeps the last good
//! snapshot. A refused set is reported once a digest; files that cannot be read are tried again at each look.

mod cause;
mod handle;
mod load;
mod places;
mod status;
mod tell;
mod watch;
mod worker;

pub use cause::Cause;
pub use handle::{Handle, Stopped};
pub use load::{FirstError, Source};
pub use status::{Failure, Report, Status};
pub use worker::{Observer, Settings, Worker, start};

use crate::{
    directory::Subjects,
    engine::Dialect,
    policy::Snapshot,
    telemetry::{DecisionCounters, Metrics},
};
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

impl Current {
    /// Binds users and counters to a snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot, metrics: &Metrics) -> Self {
        let subjects = Subjects::bind(&snapshot.program, &snapshot.users);
        let modules: Vec<&str> = match snapshot.program.dialect() {
            Dialect::Declared(vocabulary) => vocabulary.modules.iter().map(|module| module.id.as_str()).collect(),
            Dialect::PlainCedar { .. } => Vec::new(),
        };
        let counters = metrics.decision_counters(&modules);
        Self { snapshot, subjects, counters }
    }
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

#[cfg(test)]
mod tests;
