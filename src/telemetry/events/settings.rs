//! What operators are told of the configuration while the process runs.

use super::Chain;
use crate::telemetry::{ConfigOutcome, Metrics, limit::FINDINGS};
use std::error::Error;
use tracing::{error, info, warn};

/// Settings have changed, or would at the next start.
pub fn config_changed(metrics: &Metrics, cause: &str, applied: &[&str], waiting: &[&str]) {
    metrics.config_reload(ConfigOutcome::Applied);
    metrics.config_rejected(false);
    let applied = applied.join(", ");
    if waiting.is_empty() {
        info!(event = "config_changed", cause, applied, "the configuration has changed");
    } else {
        let waiting = waiting.join(", ");
        warn!(
            event = "config_changed",
            cause, applied, waiting, "the configuration has changed; some of it waits for a restart"
        );
    }
}

/// The configuration is what counts already.
pub fn config_unchanged(metrics: &Metrics, recovered: bool) {
    metrics.config_reload(ConfigOutcome::Unchanged);
    metrics.config_rejected(false);
    if recovered {
        info!(event = "config_recovered", "the configuration is again what counts");
    }
}

/// The configuration has errors; the running settings count on.
pub fn config_rejected(metrics: &Metrics, cause: &str, errors: usize) {
    metrics.config_reload(ConfigOutcome::Rejected);
    metrics.config_rejected(true);
    error!(event = "config_rejected", cause, errors, "the configuration has errors; the running settings count on");
}

/// One thing that is wrong with the configuration.
pub fn config_diagnostic(problem: &dyn std::fmt::Display) {
    error!(target: FINDINGS, event = "config_diagnostic", problem = %problem, "{problem}");
}

/// Other lines are logged from now on.
pub fn log_level_changed(filter: &str) {
    info!(event = "log_level_changed", filter, "the log has another filter");
}

/// A setting could not be put into effect.
pub fn config_not_applied(key: &str, error: &(dyn Error + 'static)) {
    error!(event = "config_not_applied", key, error = %Chain(error), "a setting could not be put into effect");
}
