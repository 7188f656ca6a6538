//! What operators are told: one function an event. Each log line carries the event's name in `event`, and where an event
//! has a metric, the same function counts it.

use super::{Metrics, ReloadOutcome};
use crate::{
    engine::Difference,
    model::{Revision, Timestamp, User},
};
use std::{error::Error, fmt, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tracing::{error, info, warn};

/// The process has read its settings and begins.
pub fn starting(version: &str, policies: &Path, data: &Path) {
    info!(
        event = "starting",
        version,
        policies = %policies.display(),
        data = %data.display(),
        "sidegate is starting"
    );
}

/// A socket is bound.
pub fn listening(listener: &str, address: SocketAddr) {
    info!(event = "listening", listener, %address, "listening");
}

/// All parts run and the process answers.
pub fn ready(took: Duration) {
    info!(event = "ready", took_ms = millis(took), "ready");
}

/// A decision was compared with plain Cedar's on the whole policy set.
pub fn self_checked(metrics: &Metrics, revision: Revision, difference: Option<&Difference>) {
    metrics.self_check(difference.is_none());
    if let Some(difference) = difference {
        error!(
            event = "self_check_different",
            revision = revision.short(),
            engine = ?difference.engine,
            cedar = ?difference.cedar,
            "a decision differs from plain Cedar's: please report it with the policy set of this revision"
        );
    }
}

/// Administrators can do nothing until there is a token.
pub fn admin_has_no_tokens() {
    warn!(
        event = "admin_has_no_tokens",
        help = "list a name and the SHA-256 of a token under `server.admin.tokens`, or set `server.admin.auth: none` on \
                a loopback address",
        "the admin listener refuses every request, since no token is configured"
    );
}

/// The first snapshot decides. It takes the place of none, so it is no reload.
pub fn policy_loaded(metrics: &Metrics, load: &PolicySwap<'_>) {
    live(metrics, load);
    info!(
        event = "policy_loaded",
        revision = load.to.short(),
        policy_set = load.policy_set,
        policies = load.policies,
        took_ms = millis(load.took),
        "the policy set decides"
    );
}

/// A new snapshot decides.
pub fn policy_swapped(metrics: &Metrics, swap: &PolicySwap<'_>) {
    metrics.reload(ReloadOutcome::Swapped);
    metrics.reload_took(swap.took);
    live(metrics, swap);
    info!(
        event = "policy_swapped",
        cause = swap.cause,
        from = swap.from.as_ref().map(Revision::short),
        revision = swap.to.short(),
        policy_set = swap.policy_set,
        policies = swap.policies,
        took_ms = millis(swap.took),
        "a new policy set decides"
    );
}

fn live(metrics: &Metrics, swap: &PolicySwap<'_>) {
    metrics.policy_live(swap.to, swap.policy_set, swap.policies);
    metrics.policy_health(0, swap.now);
    metrics.directory_users(swap.users.iter().map(|user| user.status));
}

/// What [`policy_loaded`] and [`policy_swapped`] tell.
#[derive(Debug)]
pub struct PolicySwap<'a> {
    /// Why the files were read.
    pub cause: &'a str,
    /// The revision before.
    pub from: Option<Revision>,
    /// The revision that decides now.
    pub to: Revision,
    /// The set's name.
    pub policy_set: &'a str,
    /// How many policies it holds.
    pub policies: usize,
    /// The users that it declares.
    pub users: &'a [Arc<User>],
    /// How long it took.
    pub took: Duration,
    /// When.
    pub now: Timestamp,
}

/// The files are what is live. Only worth a line after loads that failed.
pub fn policy_unchanged(metrics: &Metrics, revision: Revision, recovered: bool, now: Timestamp) {
    metrics.reload(ReloadOutcome::Unchanged);
    metrics.policy_health(0, now);
    if recovered {
        info!(event = "policy_recovered", revision = revision.short(), "the policy files are again what decides");
    }
}

/// A set was refused; the last good one decides on.
pub fn policy_rejected(metrics: &Metrics, refusal: &PolicyRefusal<'_>) {
    metrics.reload(refusal.outcome);
    metrics.reload_took(refusal.took);
    metrics.policy_health(refusal.consecutive_failures, refusal.now);
    error!(
        event = "policy_rejected",
        cause = refusal.cause,
        outcome = refusal.outcome.as_str(),
        refused = refusal.refused.short(),
        revision = refusal.revision.short(),
        errors = refusal.errors,
        consecutive_failures = refusal.consecutive_failures,
        "the policy files have errors; the last good policies decide on"
    );
}

/// What [`policy_rejected`] tells.
#[derive(Debug)]
pub struct PolicyRefusal<'a> {
    /// Why the files were read.
    pub cause: &'a str,
    /// In which way they were refused.
    pub outcome: ReloadOutcome,
    /// The revision that was refused.
    pub refused: Revision,
    /// The revision that decides on.
    pub revision: Revision,
    /// How many errors there are.
    pub errors: usize,
    /// Failures in a row, this one included.
    pub consecutive_failures: u64,
    /// How long it took.
    pub took: Duration,
    /// When.
    pub now: Timestamp,
}

/// One thing that is wrong with the files.
pub fn policy_diagnostic(severity: &str, code: &str, place: &dyn fmt::Display, message: &str, help: Option<&str>) {
    if severity == "error" {
        error!(event = "policy_diagnostic", severity, code, place = %place, help, "{message}");
    } else {
        warn!(event = "policy_diagnostic", severity, code, place = %place, help, "{message}");
    }
}

/// The files could not be read; the last good set decides on. The same failure is told once, and counted each time.
pub fn policy_read_error(metrics: &Metrics, cause: &str, failures: u64, told: bool, now: Timestamp) {
    metrics.reload(ReloadOutcome::ReadError);
    metrics.policy_health(failures, now);
    if !told {
        error!(
            event = "policy_read_error",
            cause,
            consecutive_failures = failures,
            "the policy files cannot be read; the last good policies decide on"
        );
    }
}

/// File events cannot be had; the poll goes on.
pub fn watch_failed(error: &(dyn Error + 'static)) {
    warn!(
        event = "watch_failed",
        error = %Chain(error),
        "file events cannot be had, changes are found by polling only"
    );
}

/// The audit log has no place for a record of the process itself.
pub fn audit_append_failed(what: &str, error: &(dyn Error + 'static)) {
    error!(event = "audit_append_failed", what, error = %Chain(error), "an audit record could not be written");
}

/// A stop has begun.
pub fn stopping(signal: &str, deadline: Duration) {
    info!(event = "stopping", signal, deadline_ms = millis(deadline), "stopping");
}

/// A phase of the stop has begun.
pub fn stop_phase(phase: &str) {
    info!(event = "stop_phase", phase, "{phase}");
}

/// The stop waits for these.
pub fn stragglers(tasks: &[String]) {
    warn!(event = "stragglers", tasks = tasks.join(", "), "still waiting for tasks to end");
}

/// Everything is closed.
pub fn stopped(took: Duration) {
    info!(event = "stopped", took_ms = millis(took), "stopped");
}

/// The end was forced.
pub fn stop_forced(why: &str, tasks: &[String]) {
    error!(event = "stop_forced", why, tasks = tasks.join(", "), "the stop was forced");
}

/// The audit log could not be brought to its end.
pub fn audit_close_failed(error: &(dyn Error + 'static)) {
    error!(event = "audit_close_failed", error = %Chain(error), "the audit log could not be closed in order");
}

/// A listener has ended by itself.
pub fn listener_failed(listener: &str, error: &(dyn Error + 'static)) {
    error!(event = "listener_failed", listener, error = %Chain(error), "a listener has failed");
}

/// A connection could not be taken: the system lacks descriptors or memory. It is tried again.
pub fn accept_failed(listener: &str, error: &(dyn Error + 'static)) {
    warn!(event = "accept_failed", listener, error = %Chain(error), "a connection could not be accepted");
}

/// A request has failed inside.
pub fn request_failed(listener: &str, route: &str, request_id: &str) {
    error!(event = "request_failed", listener, route, request_id, "a request has failed");
}

fn millis(duration: Duration) -> f64 {
    // Tenths of a millisecond are fine enough for people.
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// An error with its causes, as one line.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
