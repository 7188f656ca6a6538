//! Who may administer.
//!
//! With tokens, every request needs one; there is no way round it. Without, the listener is on a loopback address, and
//! what is left to fear is a browser on the same machine that a foreign page makes send requests: these are refused.

use crate::{
    config::{AdminAuth, AdminToken, Live},
    http::{ApiError, ErrorCode, management::Error},
};
use axum::{
    extract::{Request, State},
    http::{
        HeaderMap,
        header::{AUTHORIZATION, HOST, HeaderName, ORIGIN},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use std::{
    hint::black_box,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Who may.
#[derive(Debug)]
pub(super) enum Access {
    /// Whoever reaches the loopback address.
    Local,
    /// Who has one of the tokens that are listed now.
    Tokens(Live),
}

impl Access {
    /// Whether tokens are wanted is settled at the start; which ones are taken is not.
    pub(super) fn new(settings: Live) -> Self {
        let auth = settings.load().server.admin_auth;
        match auth {
            AdminAuth::None => Self::Local,
            AdminAuth::Tokens => Self::Tokens(settings),
        }
    }

    fn allows(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        match self {
            Self::Local if is_from_foreign_page(headers) => {
                Err(ApiError::new(ErrorCode::Forbidden, "requests from pages of other sites are refused"))
            }
            Self::Local => Ok(()),
            Self::Tokens(settings) => {
                let settings = settings.load();
                let known = bearer(headers).is_some_and(|token| is_known(&settings.server.admin_tokens, token));
                if known { Ok(()) } else { Err(ApiError::new(ErrorCode::Unauthorized, "a bearer token is wanted")) }
            }
        }
    }
}

/// Lets a request in or not.
pub(super) async fn check(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    match access.allows(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => Error(error).into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Compares with every token to the end, so that the time it takes tells nothing about any of them.
fn is_known(tokens: &[AdminToken], token: &str) -> bool {
    let given: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    let matching = tokens.iter().filter(|token| {
        let differing = given.iter().zip(&token.sha256).fold(0, |all, (a, b)| black_box(all | (a ^ b)));
        differing == 0
    });
    matching.count() > 0
}

/// A page of another site can neither leave out these headers nor choose them. A name that is bound to 127.0.0.1 by the
/// attacker's own DNS shows in `Host`.
fn is_from_foreign_page(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host_is_local = text(&HOST).is_none_or(is_local);
    let origin_is_local =
        text(&ORIGIN).is_none_or(|origin| origin.split_once("://").is_some_and(|(_, host)| is_local(host)));
    let site_is_other = matches!(text(&SEC_FETCH_SITE), Some("cross-site" | "same-site"));
    !host_is_local || !origin_is_local || site_is_other
}

fn is_local(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.parse::<u16>().is_ok() { name } else { host });
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(&HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).clone(), HeaderValue::from_static(value))).collect()
    }

    fn settings(auth: AdminAuth, tokens: Vec<AdminToken>) -> Live {
        let mut settings = crate::config::Settings::default();
        settings.server.admin_auth = auth;
        settings.server.admin_tokens = tokens;
        Live::new(settings)
    }

    #[test]
    fn only_a_listed_token_lets_in() {
        let token = |text: &str| AdminToken { name: text.to_owned(), sha256: Sha256::digest(text).into() };
        let access = Access::new(settings(AdminAuth::Tokens, vec![token("secret-1"), token("secret-2")]));
        for (value, allowed) in [
            (Some("Bearer secret-1"), true),
            (Some("bearer secret-2"), true),
            (Some("Bearer secret-3"), false),
            (Some("Bearer "), false),
            (Some("Basic secret-1"), false),
            (Some("secret-1"), false),
            (None, false),
        ] {
            let given = value.map_or_else(HeaderMap::new, |value| headers(&[(&AUTHORIZATION, value)]));
            assert_eq!(access.allows(&given).is_ok(), allowed, "{value:?}");
        }
        let nobody = Access::new(settings(AdminAuth::Tokens, Vec::new()));
        assert!(nobody.allows(&headers(&[(&AUTHORIZATION, "Bearer secret-1")])).is_err());
    }

    #[test]
    fn without_tokens_requests_of_foreign_pages_are_refused() {
        let access = Access::new(settings(AdminAuth::None, Vec::new()));
        for (given, allowed) in [
            (&[][..], true),
            (&[(&HOST, "127.0.0.1:8481")], true),
            (&[(&HOST, "localhost:8481"), (&ORIGIN, "http://localhost:8481")], true),
            (&[(&HOST, "[::1]:8481")], true),
            (&[(&HOST, "[::1]")], true),
            (&[(&HOST, "rebound.example:8481")], false),
            (&[(&HOST, "localhost.example")], false),
            (&[(&HOST, "127.0.0.1:8481"), (&ORIGIN, "https://evil.example")], false),
            (&[(&HOST, "127.0.0.1:8481"), (&ORIGIN, "null")], false),
            (&[(&HOST, "127.0.0.1:8481"), (&SEC_FETCH_SITE, "cross-site")], false),
            (&[(&HOST, "127.0.0.1:8481"), (&SEC_FETCH_SITE, "same-origin")], true),
        ] {
            assert_eq!(access.allows(&headers(given)).is_ok(), allowed, "{given:?}");
        }
    }
}
