//! What operators are told of policy files: the live set, and the one that is evaluated beside it.

use super::{Chain, millis};
use crate::{
    model::{Revision, Timestamp},
    telemetry::{
        Metrics, ReloadOutcome,
        limit::FINDINGS,
        trace::{self, key},
    },
};
use std::{error::Error, fmt, path::Path, time::Duration};
use tracing::{error, info, warn};

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
    looked(swap.took, ReloadOutcome::Swapped, swap.cause, swap.to);
    info!(
        event = "policy_swapped",
        cause = swap.cause,
        from = swap.from.as_ref().map(Revision::short),
        revision = swap.to.short(),
        policy_set = swap.policy_set,
        policies = swap.policies,
        took_ms = millis(swap.took),
        commit = swap.commit,
        author = swap.author,
        "a new policy set decides"
    );
}

/// A span for a load that has found other files.
fn looked(took: Duration, outcome: ReloadOutcome, cause: &str, revision: Revision) {
    trace::done("policy load", took, |span| {
        span.word(key::OUTCOME, outcome.as_str());
        span.text(key::CAUSE, cause);
        span.text(key::REVISION, revision.short());
        if !outcome.is_success() {
            span.word(key::ERROR, outcome.as_str());
            span.fail();
        }
    });
}

fn live(metrics: &Metrics, swap: &PolicySwap<'_>) {
    metrics.policy_live(swap.to, swap.policy_set, swap.policies);
    metrics.policy_health(0);
    metrics.policy_confirmed(swap.now);
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
    /// How long it took.
    pub took: Duration,
    /// The commit that is checked out.
    pub commit: Option<&'a str>,
    /// Its author.
    pub author: Option<&'a str>,
    /// When.
    pub now: Timestamp,
}

/// The files are what is live. Only worth a line after loads that failed.
pub fn policy_unchanged(metrics: &Metrics, revision: Revision, recovered: bool, now: Timestamp) {
    metrics.reload(ReloadOutcome::Unchanged);
    metrics.policy_health(0);
    metrics.policy_confirmed(now);
    if recovered {
        info!(event = "policy_recovered", revision = revision.short(), "the policy files are again what decides");
    }
}

/// A set was refused; the last good one decides on.
pub fn policy_rejected(metrics: &Metrics, refusal: &PolicyRefusal<'_>) {
    metrics.reload(refusal.outcome);
    metrics.reload_took(refusal.took);
    metrics.policy_health(refusal.consecutive_failures);
    looked(refusal.took, refusal.outcome, refusal.cause, refusal.refused);
    error!(
        event = "policy_rejected",
        cause = refusal.cause,
        outcome = refusal.outcome.as_str(),
        refused = refusal.refused.short(),
        revision = refusal.revision.short(),
        errors = refusal.errors,
        consecutive_failures = refusal.consecutive_failures,
        commit = refusal.commit,
        author = refusal.author,
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
    /// The commit that is checked out.
    pub commit: Option<&'a str>,
    /// Its author.
    pub author: Option<&'a str>,
}

/// One thing that is wrong with the files.
pub fn policy_diagnostic(severity: &str, code: &str, place: &dyn fmt::Display, message: &str, help: Option<&str>) {
    if severity == "error" {
        error!(target: FINDINGS, event = "policy_diagnostic", severity, code, place = %place, help, "{message}");
    } else {
        warn!(target: FINDINGS, event = "policy_diagnostic", severity, code, place = %place, help, "{message}");
    }
}

/// The files could not be read; the last good set decides on. The same failure is told once, and counted each time.
pub fn policy_read_error(metrics: &Metrics, cause: &str, failures: u64, told: bool) {
    metrics.reload(ReloadOutcome::ReadError);
    metrics.policy_health(failures);
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

/// The files are no good at the start, and the set that decided last does instead.
pub fn policy_start_from_last_good(metrics: &Metrics, revision: Revision, confirmed_at: Timestamp) {
    metrics.policy_confirmed(confirmed_at);
    error!(
        event = "policy_start_from_last_good",
        revision = revision.short(),
        confirmed_at = %confirmed_at,
        "the policy files are no good; the set that decided last decides until they are"
    );
}

/// The set that decides could not be kept for the next start, or the kept one could not be used.
pub fn last_good_failed(error: &(dyn Error + 'static)) {
    error!(event = "last_good_failed", error = %Chain(error), "the last good policy set cannot be kept or used");
}

/// The policies have become older than is allowed, or are no longer.
pub fn policy_stale(stale: bool, revision: Revision, confirmed_at: Timestamp, consequence: &str) {
    if stale {
        error!(
            event = "policies_stale",
            revision = revision.short(),
            confirmed_at = %confirmed_at,
            consequence,
            "the policies are older than `policies.max_staleness` allows"
        );
    } else {
        info!(event = "policies_fresh", revision = revision.short(), "the policies are no longer stale");
    }
}

/// The loop that looks at policy files has met a failure of its own; it goes on.
pub fn reload_failed(error: &(dyn Error + 'static)) {
    error!(event = "reload_failed", error = %Chain(error), "a look at the files has failed inside; it is tried again");
}

/// The set beside the live one is another one.
pub fn shadow_swapped(revision: Revision, policies: usize, took: Duration) {
    info!(
        event = "shadow_swapped",
        revision = revision.short(),
        policies,
        took_ms = millis(took),
        "a policy set is evaluated beside the live one"
    );
}

/// The set beside the live one cannot be used; the one before is evaluated on, where there is one.
pub fn shadow_rejected(directory: &Path, outcome: ReloadOutcome, errors: usize) {
    warn!(
        event = "shadow_rejected",
        directory = %directory.display(),
        outcome = outcome.as_str(),
        errors,
        "the shadow policy set cannot be used; the live one is not affected"
    );
}
