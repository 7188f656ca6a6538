//! Logs and metrics: the subscriber, the metric registry, and one function per operational event that logs and counts.

use crate::{audit::Origin, model::Decision};
use std::{sync::Arc, time::Duration};

/// All metrics of the process. Shared.
#[derive(Debug, Clone)]
pub struct Metrics;

/// The counters of decisions for one snapshot, with every label set resolved when the snapshot was made.
#[derive(Debug)]
pub struct DecisionCounters;

impl Metrics {
    /// Registers everything; every series is present from the start, at zero.
    pub fn new() -> Arc<Self> {
        Arc::new(Self)
    }

    /// Resolves the counters for these modules, in the order of the vocabulary (bounded; what is beyond counts as `other`).
    pub fn decision_counters(&self, _modules: &[&str]) -> DecisionCounters {
        DecisionCounters
    }

    /// Counts one answered HTTP request. `route` is a route's pattern, never a path.
    pub fn http_request(&self, _listener: &'static str, _route: &'static str, _code: u16, _took: Duration) {}

    /// The text exposition.
    pub fn render(&self) -> String {
        String::new()
    }
}

impl DecisionCounters {
    /// Counts one decision.
    pub fn record(&self, _decision: Decision, _module: Option<usize>, _origin: Origin, _took: Duration) {}
}
