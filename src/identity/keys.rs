//! The keys of one issuer, as they were last seen.

use super::{
    json::{Json, JsonFault},
    key::Key,
};
use crate::{
    config::Algorithm,
    model::{ReasonCode, Timestamp},
};
use std::time::Duration;

/// Keys and when they were last confirmed. Published as a whole.
#[derive(Debug, Clone, Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// When they were last seen to be what the issuer lists; `None` before the first time.
    pub(super) confirmed: Option<Timestamp>,
}

/// What a look has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Renewal {
    /// Keys that are new.
    pub(super) added: usize,
    /// Keys that the issuer no longer lists.
    pub(super) removed: usize,
}

/// Why a text is no set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// It is not JSON.
    #[error("it is not JSON")]
    Malformed,
    /// A member stands twice.
    #[error("an object in it has a member twice")]
    Duplicate,
    /// It is JSON and something else.
    #[error("it has no list `keys`")]
    NoKeys,
}

/// Reads a JWKS (RFC 7517).
pub(super) fn parse(text: &[u8]) -> Result<Vec<Key>, KeysError> {
    let json = Json::read(text).map_err(|fault| match fault {
        JsonFault::Malformed => KeysError::Malformed,
        JsonFault::Duplicate => KeysError::Duplicate,
    })?;
    match json.get("keys") {
        Some(Json::List(keys)) => Ok(keys.iter().map(Key::of_jwk).collect()),
        _ => Err(KeysError::NoKeys),
    }
}

impl KeySet {
    /// Keys that were seen at a time.
    pub(super) fn seen(keys: Vec<Key>, at: Timestamp) -> Self {
        Self { keys, confirmed: Some(at) }
    }

    /// The set after a look that found these. A key that is no longer listed counts for a while.
    pub(super) fn renewed(&self, listed: Vec<Key>, now: Timestamp, keep: Duration) -> (Self, Renewal) {
        let is_listed = |key: &Key, list: &[Key]| list.iter().any(|other| other.is_same(key));
        let mut renewal = Renewal::default();
        renewal.added = listed.iter().filter(|key| !is_listed(key, &self.keys)).count();
        let mut keys = listed;
        for key in &self.keys {
            if is_listed(key, &keys) {
                continue;
            }
            let until = key.until.unwrap_or_else(|| {
                renewal.removed += 1;
                later(now, keep)
            });
            if now < until {
                keys.push(key.kept(until));
            }
        }
        (Self { keys, confirmed: Some(now) }, renewal)
    }

    /// The key of a token.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm, now: Timestamp) -> Result<&Key, ReasonCode> {
        let live = || self.keys.iter().filter(|key| key.until.is_none_or(|until| now < until));
        if let Some(kid) = kid {
            let mut named = live().filter(|key| key.kid.as_deref() == Some(kid)).peekable();
            named.peek().ok_or(ReasonCode::TokenKeyUnknown)?;
            return named.find(|key| key.fits(algorithm)).ok_or(ReasonCode::TokenKeyMismatch);
        }
        // A token that names no key is of the only one that fits: which of several is not for the signature to tell.
        let mut fitting = live().filter(|key| key.until.is_none() && key.fits(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(ReasonCode::TokenKeyUnknown),
            (None, _) if self.keys.is_empty() => Err(ReasonCode::TokenKeyUnknown),
            (None, _) => Err(ReasonCode::TokenKeyMismatch),
        }
    }

    /// How many keys can be used.
    pub(super) fn usable(&self) -> usize {
        self.keys.iter().filter(|key| key.is_usable() && key.until.is_none()).count()
    }
}

/// A time this much later.
pub(super) fn later(time: Timestamp, by: Duration) -> Timestamp {
    let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(time.as_micros().saturating_add(by))
}
