//! What operators are told of token issuers. No line holds a token or a part of one.

use super::Chain;
use crate::telemetry::Metrics;
use std::error::Error;
use tracing::{error, info, warn};

/// An issuer's keys were looked at. Told where that says something new.
pub fn token_keys_seen(metrics: &Metrics, issuer: &str, keys: usize, added: usize, removed: usize, is_news: bool) {
    metrics.token_keys_looked(true);
    if is_news {
        info!(event = "token_keys_seen", issuer, keys, added, removed, "the keys of a token issuer were looked at");
    }
}

/// An issuer's keys could not be looked at. It is tried again.
pub fn token_keys_failed(metrics: &Metrics, issuer: &str, error: &(dyn Error + 'static), failures: u32) {
    metrics.token_keys_looked(false);
    warn!(
        event = "token_keys_failed",
        issuer,
        error = %Chain(error),
        failures,
        "the keys of a token issuer could not be looked at"
    );
}

/// An issuer's keys are too old, and its tokens are refused from now on.
pub fn token_keys_stale(issuer: &str) {
    error!(
        event = "token_keys_stale",
        issuer, "the keys of a token issuer are older than `subjects.keys.max_age` allows: its tokens are refused"
    );
}
