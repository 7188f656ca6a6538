//! Wire shapes that more than one listener shows.

use crate::{
    audit::{self, Health},
    document::Diagnostic,
    identity::IssuerStatus,
    reload::{CertificateStatus, CertificatesHandle, ConfigStatus, Failure, ShadowStatus},
};
use schemars::JsonSchema;
use serde::Serialize;

/// One thing that is wrong with the policy files.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Diagnostic")]
pub(super) struct DiagnosticView {
    severity: &'static str,
    code: &'static str,
    message: String,
    file: String,
    line: Option<u32>,
    column: Option<u32>,
    help: Option<String>,
}

impl From<&Diagnostic> for DiagnosticView {
    fn from(item: &Diagnostic) -> Self {
        Self {
            severity: item.severity().as_str(),
            code: item.code(),
            message: item.message().to_owned(),
            file: item.path().to_owned(),
            line: item.line(),
            column: item.column(),
            help: item.help().map(str::to_owned),
        }
    }
}

/// A look at the policy files that failed.
#[derive(Debug, Serialize)]
pub(super) struct FailureView {
    at: String,
    outcome: &'static str,
    revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    diagnostics: Vec<DiagnosticView>,
}

impl From<&Failure> for FailureView {
    fn from(failure: &Failure) -> Self {
        Self {
            at: failure.at.to_string(),
            outcome: failure.outcome.as_str(),
            revision: failure.seen.map(|revision| revision.to_string()),
            commit: failure.checkout.as_ref().map(|checkout| checkout.commit.clone()),
            author: failure.checkout.as_ref().and_then(|checkout| checkout.author.clone()),
            diagnostics: failure.problem.iter().map(DiagnosticView::from).collect(),
        }
    }
}

/// How the shadow set stands.
#[derive(Debug, Serialize)]
pub(super) struct ShadowView {
    revision: Option<String>,
    policies: usize,
    loaded_at: Option<String>,
    failure: Option<FailureView>,
}

impl From<&ShadowStatus> for ShadowView {
    fn from(status: &ShadowStatus) -> Self {
        Self {
            revision: status.revision.map(|revision| revision.to_string()),
            policies: status.policies,
            loaded_at: status.loaded_at.map(|at| at.to_string()),
            failure: status.failure.as_ref().map(FailureView::from),
        }
    }
}

/// How the configuration stands.
#[derive(Debug, Serialize)]
pub(super) struct ConfigView {
    file: String,
    changed_at: String,
    waiting_for_restart: Vec<&'static str>,
    diagnostics: Vec<DiagnosticView>,
}

impl From<&ConfigStatus> for ConfigView {
    fn from(status: &ConfigStatus) -> Self {
        Self {
            file: status.file.display().to_string(),
            changed_at: status.changed_at.to_string(),
            waiting_for_restart: status.waiting.clone(),
            diagnostics: status.problem.iter().flat_map(|problem| problem.iter()).map(DiagnosticView::from).collect(),
        }
    }
}

/// How the certificate of a listener stands.
#[derive(Debug, Serialize)]
pub(super) struct CertificateView {
    listener: &'static str,
    names: Vec<String>,
    expires_at: String,
    loaded_at: String,
    problems: Vec<String>,
}

/// Looks at the certificates.
pub(super) fn certificates(handle: &CertificatesHandle) -> Vec<CertificateView> {
    let view = |status: &CertificateStatus| CertificateView {
        listener: status.listener,
        names: status.names.clone(),
        expires_at: status.expires.to_string(),
        loaded_at: status.loaded_at.to_string(),
        problems: status.problems.clone(),
    };
    handle.status().iter().map(view).collect()
}

/// How the keys of a token issuer stand.
#[derive(Debug, Serialize)]
pub(super) struct IssuerView {
    issuer: String,
    keys: usize,
    confirmed_at: Option<String>,
    stale: bool,
    failures: u32,
    failure: Option<String>,
}

impl From<&IssuerStatus> for IssuerView {
    fn from(status: &IssuerStatus) -> Self {
        Self {
            issuer: status.issuer.clone(),
            keys: status.keys,
            confirmed_at: status.confirmed_at.map(|at| at.to_string()),
            stale: status.stale,
            failures: status.failures,
            failure: status.failure.clone(),
        }
    }
}

/// How the audit log is doing.
#[derive(Debug, Serialize)]
pub(super) struct AuditView {
    health: &'static str,
    problem: Option<String>,
    records_written: u64,
    records_dropped: u64,
    records_failed: u64,
    lag_records: u64,
    lag_seconds: f64,
    queue_depth_bytes: u64,
    queue_capacity_bytes: u64,
    last_commit_seconds: f64,
    store_bytes: u64,
    oldest_record: Option<String>,
    durable_seq: u64,
}

/// Looks at the audit log.
pub(super) fn audit(log: &audit::Log) -> AuditView {
    let (health, problem) = match log.health() {
        Health::Running => ("running", None),
        Health::Failed(why) => ("failed", Some(why)),
        Health::Closed => ("closed", None),
    };
    let stats = log.pulse();
    AuditView {
        health,
        problem,
        records_written: stats.written,
        records_dropped: stats.dropped,
        records_failed: stats.failed,
        lag_records: stats.lag_records,
        lag_seconds: stats.lag.as_secs_f64(),
        queue_depth_bytes: stats.queue_depth,
        queue_capacity_bytes: stats.queue_capacity,
        last_commit_seconds: stats.last_commit.as_secs_f64(),
        store_bytes: stats.store_bytes,
        oldest_record: stats.oldest_record.map(|time| time.to_string()),
        durable_seq: stats.durable_seq,
    }
}
