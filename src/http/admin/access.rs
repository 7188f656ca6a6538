//! Who may administer, and what.
//!
//! With tokens, every path that is not open to all needs one that opens it; there is no way round it. Without, the listener is
//! on a loopback address, and what is left to fear is a browser on the same machine that a foreign page makes send requests:
//! these are refused.

mod failures;
mod foreign;

use super::actor::Caller;
use crate::{
    config::{AdminAuth, AdminToken, Live, Scope},
    http::{ApiError, ErrorCode, management::Error, peer::Peer},
    telemetry::events,
};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, header::AUTHORIZATION},
    middleware::Next,
    response::{IntoResponse, Response},
};
use failures::{Failures, Noted};
use sha2::{Digest, Sha256};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

/// Who may.
#[derive(Debug)]
pub(super) enum Door {
    /// Whoever reaches the loopback address.
    Local,
    /// Who has one of the tokens that are listed now.
    Tokens {
        /// Where they are listed.
        settings: Live,
        /// Tokens that were not known.
        failures: Mutex<Failures>,
    },
}

/// The door with what it takes to go through at one path.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    /// The door of the listener.
    pub(super) door: Arc<Door>,
    /// One of these is enough; where there is none, no token is wanted.
    pub(super) scopes: &'static [Scope],
}

impl Door {
    /// Whether tokens are wanted is settled at the start; which ones are taken is not.
    pub(super) fn new(settings: Live) -> Self {
        let auth = settings.load().server.admin_auth;
        match auth {
            AdminAuth::None => Self::Local,
            AdminAuth::Tokens => Self::Tokens { settings, failures: Mutex::default() },
        }
    }

    /// Lets a request in, and says who calls; `None` where nobody needs to be known.
    fn admit(
        &self,
        headers: &HeaderMap,
        from: IpAddr,
        scopes: &[Scope],
        now: Instant,
    ) -> Result<Option<Caller>, ApiError> {
        match self {
            Self::Local if foreign::is_from_foreign_page(headers) => {
                Err(ApiError::new(ErrorCode::Forbidden, "requests from pages of other sites are refused"))
            }
            Self::Local => Ok(Some(Caller::local())),
            Self::Tokens { .. } if scopes.is_empty() => Ok(None),
            Self::Tokens { settings, failures } => {
                let unauthorized = |why| ApiError::new(ErrorCode::Unauthorized, why);
                let given = bearer(headers).ok_or_else(|| unauthorized("no bearer token"))?;
                // What it guards is whole after every step.
                let failures = || failures.lock().unwrap_or_else(PoisonError::into_inner);
                failures().hear(from, now).map_err(too_many)?;
                let settings = settings.load();
                let Some(token) = find(&settings.server.admin_tokens, given) else {
                    let noted = failures().note(from, now);
                    if noted != Noted::More {
                        events::admin_token_unknown(from, noted == Noted::Last);
                    }
                    return Err(unauthorized("the bearer token is not known"));
                };
                if scopes.iter().any(|scope| token.scopes.contains(scope)) {
                    Ok(Some(Caller::with(token)))
                } else {
                    Err(ApiError::new(ErrorCode::ScopeMissing, scope_missing(token, scopes)))
                }
            }
        }
    }
}

/// Lets a request in or not.
pub(super) async fn check(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Arc<Peer>>();
    let from = peer.and_then(|peer| peer.ip()).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    match gate.door.admit(request.headers(), from, gate.scopes, Instant::now()) {
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            next.run(request).await
        }
        Err(error) => Error(error).into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Compares with every token to the end, so that the time it takes tells nothing about any of them.
fn find<'t>(tokens: &'t [AdminToken], given: &str) -> Option<&'t AdminToken> {
    let given: [u8; 32] = Sha256::digest(given.as_bytes()).into();
    let mut place = u64::MAX;
    for (index, token) in (0_u64..).zip(tokens) {
        place.conditional_assign(&index, given.ct_eq(&token.sha256));
    }
    tokens.get(usize::try_from(place).ok()?)
}

fn scope_missing(token: &AdminToken, scopes: &[Scope]) -> String {
    let name = &token.name;
    let words: Vec<String> = scopes.iter().map(|scope| format!("`{}`", scope.as_str())).collect();
    match words.as_slice() {
        [one] => format!("the token `{name}` lacks the scope {one}"),
        several => format!("the token `{name}` lacks the scope: one of {}", several.join(", ")),
    }
}

fn too_many(wait: Duration) -> ApiError {
    let seconds = u16::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u16::MAX).max(1);
    let message = format!("too many unknown tokens; try again in {seconds} s");
    ApiError { retry_after: Some(seconds), ..ApiError::new(ErrorCode::TooManyFailures, message) }
}

#[cfg(test)]
mod tests;
