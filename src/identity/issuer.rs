//! One issuer: what its tokens have to be, and what their claims mean.

use super::{
    json::Json,
    keys::{KeySet, later},
    token::Parts,
};
use crate::{
    config::{ClaimRule, KeyUpkeep, TenantRule, TokenIssuer, Verification},
    model::{Assertion, ReasonCode, Timestamp},
};
use arc_swap::{ArcSwap, ArcSwapOption};
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::sync::Notify;

/// Longest id of a user, in bytes.
const MOST_ID_BYTES: usize = 256;

/// What a verified token says.
#[derive(Debug)]
pub struct Identity {
    /// Who it is and what is said of it.
    pub assertion: Arc<Assertion>,
    /// All claims, for those who read more of a request from them.
    pub claims: Arc<Map<String, Value>>,
    /// From when on the token has to be looked at again.
    pub(super) expires: Timestamp,
    /// Since when nothing was taken from what the token rests on.
    pub(super) generation: u64,
}

/// An issuer whose tokens count.
#[derive(Debug)]
pub(super) struct Issuer {
    pub(super) config: TokenIssuer,
    pub(super) keys: ArcSwap<KeySet>,
    /// Told when a token names a key that is not there.
    pub(super) wanted: Notify,
    /// Looks in a row that failed, and why the last one did.
    failures: AtomicU32,
    pub(super) failure: ArcSwapOption<String>,
    /// Whether its keys never change, as a secret does not.
    pub(super) is_fixed: bool,
}

/// When a token is looked at, and by which settings.
pub(super) struct Look<'l> {
    pub(super) verification: &'l Verification,
    pub(super) upkeep: &'l KeyUpkeep,
    pub(super) now: Timestamp,
    pub(super) generation: u64,
}

impl Issuer {
    pub(super) fn new(config: TokenIssuer, keys: KeySet, is_fixed: bool) -> Self {
        Self {
            config,
            keys: ArcSwap::from_pointee(keys),
            wanted: Notify::new(),
            failures: AtomicU32::new(0),
            failure: ArcSwapOption::empty(),
            is_fixed,
        }
    }

    /// Until when its keys count unless they are confirmed; `None` where that is for ever.
    pub(super) fn fresh_until(&self, keys: &KeySet, upkeep: &KeyUpkeep) -> Option<Timestamp> {
        if self.is_fixed {
            return None;
        }
        Some(keys.confirmed.map_or(Timestamp::from_micros(i64::MIN), |confirmed| later(confirmed, upkeep.max_age)))
    }

    /// Verifies a token that says it is of this issuer.
    pub(super) fn verify(&self, token: Parts<'_>, look: &Look<'_>) -> Result<Identity, ReasonCode> {
        let Look { verification, upkeep, now, generation } = *look;
        if !self.config.algorithms.contains(&token.algorithm) {
            return Err(ReasonCode::TokenAlgorithm);
        }
        let keys = self.keys.load();
        let fresh_until = self.fresh_until(&keys, upkeep);
        if fresh_until.is_some_and(|until| now >= until) {
            return Err(ReasonCode::TokenKeysStale);
        }
        // A shared secret has no name: it is the only one, whatever the token calls it.
        let kid = token.kid.as_deref().filter(|_| !self.is_fixed);
        let key = keys.find(kid, token.algorithm, now).inspect_err(|code| {
            if *code == ReasonCode::TokenKeyUnknown {
                self.wanted.notify_one();
            }
        })?;
        key.verify(token.algorithm, token.signed, &token.signature)?;
        let ends = self.times(&token.claims, verification, now)?;
        self.audience(&token.claims)?;
        let assertion = Arc::new(self.assertion(&token.claims)?);
        let expires = [Some(ends), key.until, fresh_until].into_iter().flatten().min().unwrap_or(ends);
        // Only an object is taken for claims.
        let claims = if let Value::Object(claims) = token.claims.into_serde() { claims } else { Map::new() };
        Ok(Identity { assertion, claims: Arc::new(claims), expires, generation })
    }

    /// Checks the times, and says when the token ends.
    fn times(&self, claims: &Json, verification: &Verification, now: Timestamp) -> Result<Timestamp, ReasonCode> {
        let time = |name: &str| claims.get(name).map(|time| read_time(time).ok_or(ReasonCode::TokenClaims)).transpose();
        let ends = time("exp")?.ok_or(ReasonCode::TokenClaims)?;
        let ends = later(ends, verification.leeway);
        if now >= ends {
            return Err(ReasonCode::TokenExpired);
        }
        let soon = later(now, verification.leeway);
        for begins in [time("nbf")?, time("iat")?] {
            if begins.is_some_and(|begins| begins > soon) {
                return Err(ReasonCode::TokenNotYetValid);
            }
        }
        Ok(ends)
    }

    fn audience(&self, claims: &Json) -> Result<(), ReasonCode> {
        let is_ours =
            |audience: &Json| audience.as_text().is_some_and(|of| self.config.audiences.iter().any(|own| own == of));
        let fits = match claims.get("aud") {
            Some(Json::List(several)) => several.iter().any(is_ours),
            Some(one) => is_ours(one),
            None => false,
        };
        if fits { Ok(()) } else { Err(ReasonCode::TokenAudience) }
    }

    /// What the claims say, in the names of the policy set.
    fn assertion(&self, claims: &Json) -> Result<Assertion, ReasonCode> {
        let config = &self.config;
        let user = named(claims, &config.user)?.ok_or(ReasonCode::TokenClaims)?;
        let tenant = match &config.tenant {
            None => None,
            Some(TenantRule::Is(tenant)) => Some(tenant.clone()),
            Some(TenantRule::Claim(rule)) => named(claims, rule)?,
        };
        let roles = config.roles.as_ref().map(|rule| roles(claims, rule)).transpose()?.unwrap_or_default();
        let attributes = config.attributes.iter().filter_map(|(name, path)| {
            let value = claims.at(path.names())?;
            Some((Cow::Owned(name.clone()), value.to_value()))
        });
        let attributes = attributes.collect();
        Ok(Assertion { user, tenant, roles, attributes, known_users_only: config.known_users_only })
    }

    /// Looks in a row that failed.
    pub(super) fn failed(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Notes what came of a look at the keys.
    pub(super) fn note(&self, failure: Option<String>) -> u32 {
        let failures = if failure.is_some() { self.failed().saturating_add(1) } else { 0 };
        // Relaxed: one task looks, and others only tell of it.
        self.failures.store(failures, Ordering::Relaxed);
        self.failure.store(failure.map(Arc::new));
        failures
    }
}

/// The name that a claim gives; `None` where it is not there. One that cannot be a name, or has the wrong prefix, is a fault: with it
/// left out the token would be somebody else's, or of nowhere.
fn named(claims: &Json, rule: &ClaimRule) -> Result<Option<String>, ReasonCode> {
    let Some(value) = claims.at(rule.path.names()) else { return Ok(None) };
    let value = match value {
        Json::Text(text) => Cow::Borrowed(&**text),
        Json::Int(number) => Cow::Owned(number.to_string()),
        _ => return Err(ReasonCode::TokenClaims),
    };
    let name = rule.name(&value).ok_or(ReasonCode::TokenClaims)?;
    let fits = !name.is_empty() && name.len() <= MOST_ID_BYTES && !name.contains(char::is_control);
    if fits { Ok(Some(name.to_owned())) } else { Err(ReasonCode::TokenClaims) }
}

/// The roles that a claim gives. Those that do not count, by prefix or name, are of something else.
fn roles(claims: &Json, rule: &ClaimRule) -> Result<Vec<String>, ReasonCode> {
    let listed = match claims.at(rule.path.names()) {
        None => return Ok(Vec::new()),
        Some(Json::List(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let mut roles = Vec::new();
    for role in listed {
        let role = role.as_text().ok_or(ReasonCode::TokenClaims)?;
        roles.extend(rule.name(role).map(str::to_owned));
    }
    roles.sort_unstable();
    roles.dedup();
    Ok(roles)
}

/// Seconds since 1970, whole or not.
fn read_time(time: &Json) -> Option<Timestamp> {
    match time {
        Json::Int(seconds) => Some(Timestamp::from_micros(seconds.saturating_mul(1_000_000))),
        #[expect(clippy::cast_possible_truncation, reason = "the cast ends at the limits of the type")]
        Json::Number(seconds) => Some(Timestamp::from_micros((seconds * 1e6) as i64)),
        _ => None,
    }
}
