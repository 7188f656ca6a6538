//! The ops listener: metrics, probes, and what is going on.
//!
//! `/healthz` says that the process lives, `/readyz` whether requests should be sent here. A load that failed does not make it
//! unready: the last good policies decide on. Nor does a directory that takes no changes: what it knows decides on, and nobody would be
//! helped by an application without decisions; it is a note there, and stands in `/status`. An audit store that hangs does, where answers
//! wait for it.
//!
//! No answer waits for a disk: what has to be measured is, as far as that can be done at once.

use super::{
    management::framed,
    views::{self, AuditView, CertificateView, ConfigView, FailureView, IssuerView, ShadowView},
};
use crate::{
    audit::{self, Health, Mode},
    config::{Live, WhenStale},
    directory::Directory,
    identity::Verifier,
    lifecycle::{Clock, Readiness},
    model::Timestamp,
    reload::{CertificatesHandle, ConfigHandle, CopyFailure, Handle, Shadow},
    telemetry::Metrics,
};
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Serialize;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

/// For how long the audit store may hold up answers before requests should be sent elsewhere. A slow disk takes a second now and then.
const MOST_LAG: Duration = Duration::from_secs(10);

/// How long it is waited for the sizes of files.
const PATIENCE: Duration = Duration::from_secs(1);

/// The name in logs and metrics.
pub const LISTENER: &str = "ops";

/// What the listener tells of.
#[derive(Debug, Clone)]
pub struct Services {
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// What keeps the process from being ready.
    pub readiness: Readiness,
    /// What is live.
    pub reload: Handle,
    /// The set that is evaluated beside it, where there is one.
    pub shadow: Option<Shadow>,
    /// How the configuration stands, where it has a file.
    pub config: Option<ConfigHandle>,
    /// How the certificates stand, where a listener has one.
    pub certificates: Option<CertificatesHandle>,
    /// The settings that count.
    pub settings: Live,
    /// Verifies tokens.
    pub verifier: Arc<Verifier>,
    /// The audit log.
    pub log: audit::Log,
    /// The directory of users.
    pub directory: Directory,
    /// Tells the time.
    pub clock: Clock,
    /// When the process started.
    pub started: Timestamp,
}

/// What the answers are made of.
#[derive(Debug, Clone)]
struct Sources {
    services: Services,
    // Held while sizes are measured: a disk that hangs is to hold one thread and no more.
    measuring: Arc<Semaphore>,
}

/// All routes.
pub fn router(services: Services) -> Router {
    let metrics = Arc::clone(&services.metrics);
    let sources = Sources { services, measuring: Arc::new(Semaphore::new(1)) };
    let served = Router::new()
        .route("/metrics", get(exposition))
        .route("/healthz", get(async || Json(Word { status: "ok" })))
        .route("/readyz", get(readiness))
        .route("/status", get(status))
        .with_state(sources);
    let expected: [(&str, &[u16]); 4] =
        [("/metrics", &[200]), ("/healthz", &[200]), ("/readyz", &[200, 503]), ("/status", &[200])];
    framed(served, LISTENER, &metrics, &expected)
}

#[derive(Debug, Serialize)]
struct Word {
    status: &'static str,
}

/// Requests may be sent here; what somebody should look at all the same.
#[derive(Debug, Serialize)]
struct Ready {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Reason>,
}

/// Why requests should not be sent here.
#[derive(Debug, Serialize)]
struct NotReady {
    status: &'static str,
    reasons: Vec<Reason>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Reason>,
}

#[derive(Debug, Serialize)]
struct Reason {
    name: &'static str,
    message: String,
}

impl Sources {
    /// Measures what takes a look at the disk. Where that takes its time, what was measured last is told.
    async fn measure(&self) {
        let Ok(alone) = Arc::clone(&self.measuring).try_acquire_owned() else { return };
        let log = self.services.log.clone();
        let measured = spawn_blocking(move || {
            log.measure();
            drop(alone);
        });
        drop(timeout(PATIENCE, measured).await);
    }
}

async fn exposition(State(sources): State<Sources>) -> Response {
    sources.measure().await;
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], sources.services.metrics.render()).into_response()
}

async fn readiness(State(Sources { services, .. }): State<Sources>) -> Response {
    let reasons = reasons(&services);
    let unwritable = services.directory.failure().map(|why| Reason {
        name: "directory",
        message: format!("the directory takes no changes until the process is started again: {why}"),
    });
    let notes = services.log.gaps().iter().map(note_of).chain(unwritable).collect();
    if reasons.is_empty() {
        Json(Ready { status: "ready", notes }).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(NotReady { status: "not_ready", reasons, notes })).into_response()
    }
}

/// What keeps the process from being ready.
fn reasons(services: &Services) -> Vec<Reason> {
    let held = services.readiness.reasons().into_iter().map(|(name, message)| Reason { name, message });
    held.chain(unrecorded(services)).chain(stale(services)).collect()
}

/// An audit log that takes no records, or holds up the answers.
fn unrecorded(services: &Services) -> Option<Reason> {
    let message = match services.log.health() {
        Health::Failed(why) => format!("the audit store has failed: {why}"),
        Health::Closed => "the audit log is closed".to_owned(),
        Health::Running => {
            let lag = services.log.pulse().lag;
            let answers_wait = services.settings.load().audit.mode == Mode::Synced;
            if !answers_wait || lag <= MOST_LAG {
                return None;
            }
            format!("the audit store hangs: answers have waited for it for {} s", lag.as_secs())
        }
    };
    Some(Reason { name: "audit", message })
}

/// Policies that are too old, where that keeps the process from being ready.
fn stale(services: &Services) -> Option<Reason> {
    let settings = services.settings.load();
    let live = services.reload.status();
    let is_overdue = live.is_overdue(settings.policies.max_staleness);
    (settings.policies.when_stale >= WhenStale::NotReady && is_overdue).then(|| Reason {
        name: "policies",
        message: format!(
            "the policies are stale: the files were last seen to be what decides at {}",
            live.confirmed.at
        ),
    })
}

fn note_of(gap: &audit::Gap) -> Reason {
    let audit::Gap { first_seq, last_seq, why, .. } = gap;
    Reason { name: "audit", message: format!("the audit log has a gap: records {first_seq} to {last_seq}: {why}") }
}

/// What is going on.
#[derive(Debug, Serialize)]
struct StatusView {
    version: &'static str,
    started_at: String,
    uptime_seconds: i64,
    ready: bool,
    policies: PoliciesView,
    shadow: Option<ShadowView>,
    configuration: Option<ConfigView>,
    certificates: Vec<CertificateView>,
    token_issuers: Vec<IssuerView>,
    audit: AuditView,
    directory: DirectoryView,
}

#[derive(Debug, Serialize)]
struct DirectoryView {
    takes_changes: bool,
    failure: Option<String>,
}

impl From<&Directory> for DirectoryView {
    fn from(directory: &Directory) -> Self {
        let failure = directory.failure();
        Self { takes_changes: failure.is_none(), failure }
    }
}

#[derive(Debug, Serialize)]
struct PoliciesView {
    policy_set: Arc<str>,
    revision: String,
    policies: usize,
    loaded_at: String,
    watching: bool,
    stale: bool,
    from_last_good: bool,
    confirmed_at: String,
    commit: Option<String>,
    author: Option<String>,
    last_look: LookView,
    consecutive_failures: u64,
    last_failure: Option<FailureView>,
    copy_failure: Option<CopyFailureView>,
}

/// Why the set that decides is not kept for a restart.
#[derive(Debug, Serialize)]
struct CopyFailureView {
    at: String,
    outcome: &'static str,
    revision: Option<String>,
    problems: Vec<String>,
}

impl From<&CopyFailure> for CopyFailureView {
    fn from(failure: &CopyFailure) -> Self {
        Self {
            at: failure.at.to_string(),
            outcome: failure.outcome,
            revision: failure.revision.map(|revision| revision.to_string()),
            problems: failure.problems.clone(),
        }
    }
}

#[derive(Debug, Serialize)]
struct LookView {
    at: String,
    cause: &'static str,
    outcome: &'static str,
}

async fn status(State(sources): State<Sources>) -> Json<StatusView> {
    sources.measure().await;
    let services = sources.services;
    let live = services.reload.status();
    let (at, cause, outcome) = live.last_look;
    let up = services.clock.now().as_micros().saturating_sub(services.started.as_micros());
    Json(StatusView {
        version: env!("CARGO_PKG_VERSION"),
        started_at: services.started.to_string(),
        uptime_seconds: up / 1_000_000,
        ready: reasons(&services).is_empty(),
        policies: PoliciesView {
            policy_set: Arc::clone(&live.policy_set),
            revision: live.revision.to_string(),
            policies: live.policies,
            loaded_at: live.loaded_at.to_string(),
            watching: live.watching,
            stale: live.is_stale(services.settings.load().policies.max_staleness),
            from_last_good: live.from_last_good,
            confirmed_at: live.confirmed.at.to_string(),
            commit: live.checkout.as_ref().map(|checkout| checkout.commit.clone()),
            author: live.checkout.as_ref().and_then(|checkout| checkout.author.clone()),
            last_look: LookView { at: at.to_string(), cause: cause.as_str(), outcome: outcome.as_str() },
            consecutive_failures: live.consecutive_failures,
            last_failure: live.last_failure.as_ref().map(FailureView::from),
            copy_failure: live.copy_failure.as_deref().map(CopyFailureView::from),
        },
        shadow: services.shadow.as_ref().map(|shadow| ShadowView::from(&*shadow.status())),
        configuration: services.config.as_ref().map(|config| ConfigView::from(&*config.status())),
        certificates: services.certificates.iter().flat_map(views::certificates).collect(),
        token_issuers: services.verifier.status(services.clock.now()).iter().map(IssuerView::from).collect(),
        audit: views::audit(&services.log),
        directory: DirectoryView::from(&services.directory),
    })
}
