//! The metrics of spans and of log lines that were not written.

use super::{Metrics, metrics::counters, table};
use prometheus::{IntCounter, Registry};

/// Spans, by what became of them.
#[derive(Debug, Clone)]
pub struct SpanCounters {
    /// The collector has them.
    pub exported: IntCounter,
    /// There was no room for them.
    pub dropped: IntCounter,
    /// The collector did not take them.
    pub failed: IntCounter,
}

/// Log lines that were not written, by why.
#[derive(Debug, Clone)]
pub(super) struct LogCounters {
    pub(super) repeated: IntCounter,
    pub(super) slow: IntCounter,
}

impl SpanCounters {
    pub(super) fn new(registry: &Registry) -> Self {
        let spans = counters(registry, &table::TRACE_SPANS);
        let series = |outcome| spans.with_label_values(&[outcome]);
        Self { exported: series("exported"), dropped: series("dropped"), failed: series("failed") }
    }
}

impl LogCounters {
    pub(super) fn new(registry: &Registry) -> Self {
        let lines = counters(registry, &table::LOG_LINES_HELD_BACK);
        let series = |why| lines.with_label_values(&[why]);
        Self { repeated: series("repeated"), slow: series("slow") }
    }
}

impl Metrics {
    /// The counters of spans.
    #[must_use]
    pub fn span_counters(&self) -> SpanCounters {
        self.spans.clone()
    }
}
