//! Bearer tokens, wherever they are wanted: how one is read, compared and guessed at.

mod failures;

pub(super) use failures::{Failures, Noted};

use super::{ApiError, ErrorCode};
use hyper::header::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};
use std::time::Duration;
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

/// What a `401` says of how to do better.
pub(super) static CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"sidegate\"");

/// The bearer token of a value of `Authorization`.
pub(super) fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The bearer token of the header `Authorization`.
pub(super) fn authorization(headers: &HeaderMap) -> Option<&str> {
    bearer(headers.get(hyper::header::AUTHORIZATION)?)
}

/// Finds whose token was given. Compares with every one to the end, so that the time it takes tells nothing about any of them.
pub(super) fn find<'t, T>(items: &'t [T], digest: impl Fn(&T) -> Option<&[u8; 32]>, given: &str) -> Option<&'t T> {
    let given: [u8; 32] = Sha256::digest(given.as_bytes()).into();
    let mut place = u64::MAX;
    for (index, item) in (0_u64..).zip(items) {
        // Who has none fits nothing: whether one is there is no secret.
        if let Some(digest) = digest(item) {
            place.conditional_assign(&index, given.ct_eq(digest));
        }
    }
    items.get(usize::try_from(place).ok()?)
}

/// The refusal of whoever has guessed too often.
pub(super) fn too_many(wait: Duration) -> ApiError {
    let seconds = seconds(wait);
    let message = format!("too many unknown tokens; try again in {seconds} s");
    ApiError { retry_after: Some(seconds), ..ApiError::new(ErrorCode::TooManyFailures, message) }
}

/// A wait in whole seconds, at least one.
pub(super) fn seconds(wait: Duration) -> u16 {
    u16::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u16::MAX).max(1)
}
