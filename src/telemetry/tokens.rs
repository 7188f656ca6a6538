//! The metrics of tokens and of what callers assert.

use super::{
    Metrics,
    metrics::{counter_of, counters, gauge, integer, saturating, seconds},
    table,
};
use crate::model::{ReasonCode, Timestamp};
use arc_swap::ArcSwapOption;
use prometheus::{Gauge, IntCounter, IntGauge, Registry};
use std::sync::Arc;

/// Tokens by what came of them, the keys that they rest on, and roles that count for nothing.
pub(super) struct TokenMetrics {
    verified: IntCounter,
    cached: IntCounter,
    refused: Vec<(ReasonCode, IntCounter)>,
    keys_seen: IntCounter,
    keys_failed: IntCounter,
    keys: IntGauge,
    confirmed: Gauge,
    roles_unknown: IntCounter,
    roles_without_tenant: IntCounter,
    source: ArcSwapOption<Source>,
}

type Source = Box<dyn Fn() -> TokenFigures + Send + Sync>;

/// What is told of issuers' keys when metrics are scraped.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenFigures {
    /// Keys that count.
    pub keys: usize,
    /// When the keys of the issuer that was longest ago were last confirmed.
    pub confirmed: Option<Timestamp>,
}

impl TokenMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let tokens = counters(registry, &table::TOKENS);
        let looks = counters(registry, &table::TOKEN_KEY_LOOKS);
        let ignored = counters(registry, &table::ASSERTED_ROLES_IGNORED);
        let of_tokens = ReasonCode::ALL.iter().copied().filter(|code| code.is_of_a_token());
        Self {
            verified: counter_of(&tokens, "verified"),
            cached: counter_of(&tokens, "cached"),
            refused: of_tokens.map(|code| (code, counter_of(&tokens, code.as_str()))).collect(),
            keys_seen: counter_of(&looks, "seen"),
            keys_failed: counter_of(&looks, "failed"),
            keys: integer(registry, &table::TOKEN_KEYS),
            confirmed: gauge(registry, &table::TOKEN_KEYS_CONFIRMED),
            roles_unknown: counter_of(&ignored, "unknown"),
            roles_without_tenant: counter_of(&ignored, "without_tenant"),
            source: ArcSwapOption::empty(),
        }
    }

    pub(super) fn refresh(&self) {
        if let Some(source) = &*self.source.load() {
            let TokenFigures { keys, confirmed } = source();
            self.keys.set(saturating(keys as u64));
            self.confirmed.set(confirmed.map_or(0.0, seconds));
        }
    }
}

impl Metrics {
    /// Counts a token that was looked at.
    pub fn token(&self, verified: Result<(), ReasonCode>) {
        match verified {
            Ok(()) => self.tokens.verified.inc(),
            Err(code) => self.token_refused(code),
        }
    }

    /// Counts a token that counts without another look at it.
    pub fn token_cached(&self) {
        self.tokens.cached.inc();
    }

    /// Counts a token that does not count for the request that it came with.
    pub fn token_refused(&self, code: ReasonCode) {
        if let Some((_, counter)) = self.tokens.refused.iter().find(|(of, _)| *of == code) {
            counter.inc();
        }
    }

    /// Counts a look at the keys of an issuer.
    pub fn token_keys_looked(&self, seen: bool) {
        let looks = if seen { &self.tokens.keys_seen } else { &self.tokens.keys_failed };
        looks.inc();
    }

    /// Counts asserted roles that count for nothing.
    pub fn asserted_roles_ignored(&self, unknown: usize, without_tenant: usize) {
        self.tokens.roles_unknown.inc_by(unknown as u64);
        self.tokens.roles_without_tenant.inc_by(without_tenant as u64);
    }

    /// Says where the figures about keys come from. They are asked for at each scrape.
    pub fn watch_tokens(&self, source: impl Fn() -> TokenFigures + Send + Sync + 'static) {
        self.tokens.source.store(Some(Arc::new(Box::new(source))));
    }
}
