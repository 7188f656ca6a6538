//! The audit log among the other parts: how it is opened, and what it tells when metrics are scraped.

use super::StartError;
use crate::{
    audit::{self, Log, Recorder},
    config::{self, Settings},
    telemetry::{AuditFigures, Metrics},
};
use std::sync::Arc;

/// What the audit log removes.
pub(super) fn retention(settings: &config::Audit) -> audit::Retention {
    audit::Retention { age: settings.retention_age, bytes: settings.retention_bytes, hold: settings.hold }
}

/// The options of the log, as the settings have them.
pub(super) fn options(settings: &Settings) -> Result<audit::Options, StartError> {
    let audit = &settings.audit;
    let intake = audit::Intake::new(&audit.redact, &audit.sample).map_err(StartError::Redaction)?;
    Ok(audit::Options {
        mode: audit.mode,
        when_full: audit.when_full,
        when_failed: audit.when_failed,
        ring_bytes: audit.ring_bytes,
        rings: settings.server.authorize.workers,
        segment_bytes: audit.segment_bytes,
        segment_age: audit.segment_age,
        retention: retention(audit),
        signing_key: audit.signing_key.clone(),
        checkpoints: audit::Checkpoints {
            interval: audit.checkpoint_interval,
            file: audit.checkpoint_file.clone(),
            webhook: audit.checkpoint_webhook.clone(),
            webhook_ca: audit.checkpoint_webhook_ca.clone(),
        },
        intake: intake.map(Arc::new),
        ..audit::Options::new(&audit.directory)
    })
}

/// Opens the log, with a recorder for each decider, and has its figures told.
pub(super) fn open(settings: &Settings, metrics: &Arc<Metrics>) -> Result<(Log, Vec<Recorder>), StartError> {
    let workers = settings.server.authorize.workers;
    let on_commit = Arc::clone(metrics);
    let on_commit: audit::OnCommit = Arc::new(move |took| on_commit.audit_commit(took));
    let options = audit::Options { on_commit: Some(on_commit), ..options(settings)? };
    let log = Log::open(options).map_err(StartError::Audit)?;
    let recorders = (0..workers).map(|_| log.recorder()).collect::<Result<_, _>>().map_err(StartError::Audit)?;
    let source = log.clone();
    metrics.watch_audit(move || {
        let stats = source.pulse();
        AuditFigures {
            written: stats.written,
            dropped: stats.dropped,
            failed: stats.failed,
            sampled_out: stats.sampled_out,
            queue_depth: stats.queue_depth,
            queue_capacity: stats.queue_capacity,
            fullest_queue: stats.fullest_queue,
            lag: stats.lag,
            store_bytes: stats.store_bytes,
            oldest: stats.oldest_record,
            checkpoint_seq: stats.checkpoint_seq,
            checkpoint_time: stats.checkpoint_time,
            checkpoint_file_failures: stats.checkpoint_file_failures,
            checkpoint_webhook_failures: stats.checkpoint_webhook_failures,
            checkpoint_file_undelivered: stats.checkpoint_file_undelivered,
            checkpoint_webhook_undelivered: stats.checkpoint_webhook_undelivered,
            store_failures: stats.store_failures,
            store_failing: matches!(source.health(), audit::Health::Failed(_)),
            missing: stats.missing,
        }
    });
    Ok((log, recorders))
}
