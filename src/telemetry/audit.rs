//! The metrics of the audit log.

use super::{
    metrics::{counter, counters, gauge, histogram, integer, integers, saturating, seconds},
    table,
};
use crate::model::Timestamp;
use prometheus::{Gauge, Histogram, IntCounter, IntGauge, Registry};
use std::time::Duration;

/// The metrics of the audit log.
pub(super) struct AuditMetrics {
    written: IntCounter,
    dropped: IntCounter,
    failed: IntCounter,
    sampled_out: IntCounter,
    queue_depth: IntGauge,
    queue_capacity: IntGauge,
    fullest_queue: Gauge,
    lag: Gauge,
    pub(super) commit_duration: Histogram,
    store_bytes: IntGauge,
    oldest: Gauge,
    checkpoint_seq: IntGauge,
    checkpoint_time: Gauge,
    checkpoint_file_failures: IntCounter,
    checkpoint_webhook_failures: IntCounter,
    checkpoint_file_undelivered: IntGauge,
    checkpoint_webhook_undelivered: IntGauge,
    store_failures: IntCounter,
    store_failing: IntGauge,
    missing: IntGauge,
}

/// What the audit log tells about itself when metrics are scraped.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditFigures {
    /// Records in the store since the start.
    pub written: u64,
    /// Records left out because the queue was full.
    pub dropped: u64,
    /// Records lost because the store failed.
    pub failed: u64,
    /// Records left out by sampling.
    pub sampled_out: u64,
    /// Bytes that wait in the queue.
    pub queue_depth: u64,
    /// Bytes that the queue holds.
    pub queue_capacity: u64,
    /// Bytes that wait in the fullest of the queues, and that it holds.
    pub fullest_queue: (u64, u64),
    /// For how long the oldest record has waited that the store does not have.
    pub lag: Duration,
    /// Bytes on disk.
    pub store_bytes: u64,
    /// The oldest record.
    pub oldest: Option<Timestamp>,
    /// The record that the last checkpoint names.
    pub checkpoint_seq: u64,
    /// When the last checkpoint was.
    pub checkpoint_time: Option<Timestamp>,
    /// Checkpoints that did not get into the file.
    pub checkpoint_file_failures: u64,
    /// Checkpoints that did not get to the webhook.
    pub checkpoint_webhook_failures: u64,
    /// Whether the newest checkpoint did not get into the file.
    pub checkpoint_file_undelivered: bool,
    /// Whether the newest checkpoint did not get to the webhook.
    pub checkpoint_webhook_undelivered: bool,
    /// How often the store has failed.
    pub store_failures: u64,
    /// Whether it has failed and has not gone on yet.
    pub store_failing: bool,
    /// Records that the log does not have though it once did.
    pub missing: u64,
}

impl AuditMetrics {
    /// Registers everything; every series is there from the start.
    pub(super) fn new(registry: &Registry) -> Self {
        let records = counters(registry, &table::AUDIT_RECORDS);
        let checkpoint_failures = counters(registry, &table::AUDIT_CHECKPOINT_FAILURES);
        let undelivered = integers(registry, &table::AUDIT_CHECKPOINT_UNDELIVERED);
        Self {
            written: records.with_label_values(&["written"]),
            dropped: records.with_label_values(&["dropped"]),
            failed: records.with_label_values(&["failed"]),
            sampled_out: records.with_label_values(&["sampled_out"]),
            queue_depth: integer(registry, &table::AUDIT_QUEUE_DEPTH),
            queue_capacity: integer(registry, &table::AUDIT_QUEUE_CAPACITY),
            fullest_queue: gauge(registry, &table::AUDIT_FULLEST_QUEUE),
            lag: gauge(registry, &table::AUDIT_LAG),
            commit_duration: histogram(registry, &table::AUDIT_COMMIT_DURATION),
            store_bytes: integer(registry, &table::AUDIT_STORE_BYTES),
            oldest: gauge(registry, &table::AUDIT_OLDEST),
            checkpoint_seq: integer(registry, &table::AUDIT_CHECKPOINT_SEQ),
            checkpoint_time: gauge(registry, &table::AUDIT_CHECKPOINT_TIME),
            checkpoint_file_failures: checkpoint_failures.with_label_values(&["file"]),
            checkpoint_webhook_failures: checkpoint_failures.with_label_values(&["webhook"]),
            checkpoint_file_undelivered: undelivered.with_label_values(&["file"]),
            checkpoint_webhook_undelivered: undelivered.with_label_values(&["webhook"]),
            store_failures: counter(registry, &table::AUDIT_STORE_FAILURES),
            store_failing: integer(registry, &table::AUDIT_STORE_FAILING),
            missing: integer(registry, &table::AUDIT_MISSING),
        }
    }

    /// Takes over what the log says. By one at a time: what it counts is added as far as it is more than before.
    pub(super) fn refresh(&self, figures: &AuditFigures) {
        let advance = |counter: &IntCounter, to: u64| counter.inc_by(to.saturating_sub(counter.get()));
        advance(&self.written, figures.written);
        advance(&self.dropped, figures.dropped);
        advance(&self.failed, figures.failed);
        advance(&self.sampled_out, figures.sampled_out);
        self.queue_depth.set(saturating(figures.queue_depth));
        self.queue_capacity.set(saturating(figures.queue_capacity));
        self.fullest_queue.set(ratio(figures.fullest_queue));
        self.lag.set(figures.lag.as_secs_f64());
        self.store_bytes.set(saturating(figures.store_bytes));
        self.oldest.set(figures.oldest.map_or(0.0, seconds));
        self.checkpoint_seq.set(saturating(figures.checkpoint_seq));
        self.checkpoint_time.set(figures.checkpoint_time.map_or(0.0, seconds));
        advance(&self.checkpoint_file_failures, figures.checkpoint_file_failures);
        advance(&self.checkpoint_webhook_failures, figures.checkpoint_webhook_failures);
        self.checkpoint_file_undelivered.set(i64::from(figures.checkpoint_file_undelivered));
        self.checkpoint_webhook_undelivered.set(i64::from(figures.checkpoint_webhook_undelivered));
        advance(&self.store_failures, figures.store_failures);
        self.store_failing.set(i64::from(figures.store_failing));
        self.missing.set(saturating(figures.missing));
    }
}

/// How much of a whole a part is; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "both are bytes in memory, which a double holds exactly")]
fn ratio((part, whole): (u64, u64)) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
