//! Who may administer, and what.
//!
//! With tokens, every path that is not open to all needs one that opens it, or the certificate of a client; there is no way round it.
//! Without, the listener is on a loopback address, and what is left to fear is a browser on the same machine that a foreign page makes send requests:
//! these are refused.

mod foreign;

use super::actor::Caller;
use crate::{
    config::{AdminAuth, AdminClient, AdminToken, Live, Scope, Settings},
    http::{
        ApiError, ErrorCode,
        credentials::{self, Failures, Noted},
        management::Error,
        peer::{CallerName, Peer, PeerAddress},
    },
    lifecycle::Clock,
    telemetry::events,
};
use axum::{
    extract::{Request, State},
    http::HeaderMap,
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// Who may.
#[derive(Debug)]
pub(super) enum Door {
    /// Whoever reaches the loopback address.
    Local,
    /// Who has one of the tokens, or is one of the clients, that are listed now.
    Listed {
        /// Where.
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
            AdminAuth::Tokens => Self::Listed { settings, failures: Mutex::default() },
        }
    }

    /// Lets a request in, and says who calls; `None` where nobody needs to be known.
    fn admit(
        &self,
        headers: &HeaderMap,
        peer: &Peer,
        scopes: &[Scope],
        now: Instant,
    ) -> Result<Option<Caller>, ApiError> {
        match self {
            Self::Local if foreign::is_from_foreign_page(headers) => {
                Err(ApiError::new(ErrorCode::Forbidden, "requests from pages of other sites are refused"))
            }
            Self::Local => Ok(Some(Caller::local())),
            Self::Listed { .. } if scopes.is_empty() => Ok(None),
            Self::Listed { settings, failures } => {
                let settings = settings.load();
                let known = match credentials::authorization(headers) {
                    // Whoever shows a token means it, whatever the certificate says.
                    Some(given) => Known::Token(by_token(&settings, given, failures, peer, now)?),
                    None => Known::Client(by_certificate(&settings, peer.names(|| Clock::system().now()))?),
                };
                let (opens, caller) = match known {
                    Known::Token(token) => (&token.scopes, Caller::with(token)),
                    Known::Client(client) => (&client.scopes, Caller::with_certificate(client)),
                };
                if scopes.iter().any(|scope| opens.contains(scope)) {
                    Ok(Some(caller))
                } else {
                    Err(ApiError::new(ErrorCode::ScopeMissing, scope_missing(&known, scopes)))
                }
            }
        }
    }
}

/// Who was told by what.
#[derive(Debug, Clone, Copy)]
enum Known<'k> {
    Token(&'k AdminToken),
    Client(&'k AdminClient),
}

fn by_token<'s>(
    settings: &'s Settings,
    given: &str,
    failures: &Mutex<Failures>,
    peer: &Peer,
    now: Instant,
) -> Result<&'s AdminToken, ApiError> {
    let from = peer.ip().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    // What it guards is whole after every step.
    let failures = || failures.lock().unwrap_or_else(PoisonError::into_inner);
    // First: whoever guesses at the same address must not keep out those who know.
    if let Some(token) = credentials::find(&settings.server.admin_tokens, |token| Some(&token.sha256), given) {
        return Ok(token);
    }
    failures().hear(from, now).map_err(credentials::too_many)?;
    let noted = failures().note(from, now);
    if noted != Noted::More {
        events::admin_token_unknown(from, noted == Noted::Last);
    }
    Err(unauthorized("the bearer token is not known"))
}

fn by_certificate<'s>(settings: &'s Settings, names: &[String]) -> Result<&'s AdminClient, ApiError> {
    let clients = &settings.server.admin_clients;
    let found = clients.iter().find(|client| client.certificates.iter().any(|name| names.contains(name)));
    found.ok_or_else(|| match names {
        [] => unauthorized("no bearer token"),
        names => unauthorized(format!("no client has the certificate of `{}`", names.join("`, `"))),
    })
}

fn unauthorized(why: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(ErrorCode::Unauthorized, why)
}

/// Lets a request in or not.
pub(super) async fn check(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    // The listener says who it is; a router that is called without one has nobody at the other end.
    let peer =
        request.extensions().get::<Arc<Peer>>().cloned().unwrap_or_else(|| Arc::new(Peer::at(PeerAddress::Unix)));
    match gate.door.admit(request.headers(), &peer, gate.scopes, Instant::now()) {
        Ok(caller) => {
            let name = caller.as_ref().map(|caller| CallerName(caller.name().to_owned()));
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            let mut response = next.run(request).await;
            if let Some(name) = name {
                response.extensions_mut().insert(name);
            }
            response
        }
        Err(error) => Error(error).into_response(),
    }
}

fn scope_missing(known: &Known<'_>, scopes: &[Scope]) -> String {
    let (what, name) = match known {
        Known::Token(token) => ("token", &token.name),
        Known::Client(client) => ("client", &client.name),
    };
    let words: Vec<String> = scopes.iter().map(|scope| format!("`{}`", scope.as_str())).collect();
    match words.as_slice() {
        [one] => format!("the {what} `{name}` lacks the scope {one}"),
        several => format!("the {what} `{name}` lacks the scope: one of {}", several.join(", ")),
    }
}

#[cfg(test)]
mod tests;
