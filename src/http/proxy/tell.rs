//! What a proxy is told: status, headers for the application or the client, and a body for the client.

use super::{Forwarded, Verdict};
use crate::{
    config::AuthorizeServer,
    engine::Program,
    http::{
        ApiError, ErrorCode,
        desk::{Ruling, UNAVAILABLE},
    },
    model::{Decision, ReasonCode, Revision},
};
use hyper::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE},
};
use ulid::Ulid;

/// What is known beside the ruling.
pub(super) struct Told<'t> {
    /// The user; empty where nobody is known.
    pub(super) who: &'t str,
    pub(super) revision: Revision,
    pub(super) route: &'t str,
}

/// Puts a ruling into an answer.
pub(super) fn verdict(
    server: &AuthorizeServer,
    forwarded: &Forwarded<'_>,
    ruling: &Ruling<'_>,
    program: &Program,
    told: &Told<'_>,
) -> Verdict {
    let mut verdict = Verdict {
        decision: ruling.decision(),
        status: StatusCode::OK,
        headers: Vec::with_capacity(4),
        remove: Vec::new(),
        body: String::new(),
        id: ruling.id,
        revision: told.revision,
        reason: ruling.code(),
        route: told.route.to_owned(),
    };
    if verdict.decision.is_allow() {
        allow(server, ruling, told.who, &mut verdict);
    } else {
        deny(server, forwarded, &ruling.message(program), &mut verdict);
    }
    verdict
}

/// The answer in place of one whose record cannot be kept.
pub(super) fn unrecorded(server: &AuthorizeServer, forwarded: &Forwarded<'_>, verdict: Verdict) -> Verdict {
    let mut verdict = Verdict {
        decision: Decision::Deny,
        headers: Vec::new(),
        remove: Vec::new(),
        reason: ReasonCode::AuditUnavailable,
        ..verdict
    };
    deny(server, forwarded, UNAVAILABLE, &mut verdict);
    verdict
}

/// Tells the application who it is and what was decided. Each header of the family is set or removed: what a client sends under
/// its name never gets through.
fn allow(server: &AuthorizeServer, ruling: &Ruling<'_>, who: &str, verdict: &mut Verdict) {
    let roles: Vec<String> = ruling.roles().iter().map(|role| encoded(role)).collect();
    let id = ruling.id.to_string();
    for (name, text) in [
        ("user", encoded(who)),
        ("tenant", encoded(ruling.tenant().unwrap_or_default())),
        ("roles", roles.join(",")),
        ("decision", id),
    ] {
        let Some(name) = name_of(server, name) else { continue };
        match HeaderValue::from_str(&text) {
            Ok(value) if !text.is_empty() => verdict.headers.push((name, value)),
            _ => verdict.remove.push(name),
        }
    }
}

/// Tells the client that it may not, and why where the settings let it be told.
fn deny(server: &AuthorizeServer, forwarded: &Forwarded<'_>, message: &str, verdict: &mut Verdict) {
    let is_unknown = is_unauthenticated(verdict.reason);
    // Never more than 499, whatever the reason: some proxies can be set to let through what ends with a fault.
    let code = if is_unknown { ErrorCode::Unauthorized } else { ErrorCode::Forbidden };
    verdict.status = if is_unknown { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
    // Who is told that it is no trusted proxy is the one who can mend it.
    let error = if server.proxy.tell_reasons || verdict.reason == ReasonCode::ProxyUntrusted {
        ApiError::named(code, verdict.reason.as_str(), message.to_owned())
    } else if is_unknown {
        ApiError::new(code, "who you are must be known for this")
    } else {
        ApiError::new(code, "you may not do this")
    };
    verdict.body = error.body(forwarded.call.request_id);
    verdict.headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
    if is_unknown {
        let challenge = if verdict.reason == ReasonCode::SubjectMissing {
            r#"Bearer realm="sidegate""#
        } else {
            r#"Bearer realm="sidegate", error="invalid_token""#
        };
        verdict.headers.push((WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
    }
    verdict.headers.extend(decision(server, verdict.id));
}

/// Whether a reason is that nobody is known who asks.
fn is_unauthenticated(reason: ReasonCode) -> bool {
    reason == ReasonCode::SubjectMissing || reason.is_of_a_token()
}

fn decision(server: &AuthorizeServer, id: Ulid) -> Option<(HeaderName, HeaderValue)> {
    Some((name_of(server, "decision")?, HeaderValue::from_str(&id.to_string()).ok()?))
}

/// The name of a header for applications; the settings have checked what it begins with.
fn name_of(server: &AuthorizeServer, name: &str) -> Option<HeaderName> {
    HeaderName::from_bytes(format!("{}{name}", server.proxy.header_prefix).as_bytes()).ok()
}

/// A text as the value of a header: percent-encoded where it is no visible ASCII, and where it is `%` or `,`, which separates roles.
fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (0x21..=0x7e).contains(&byte) && !matches!(byte, b'%' | b',') {
            out.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _written = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn values_of_headers_are_visible_ascii() {
        for (text, expected) in [
            ("alice", "alice"),
            ("a.b+c@x.y", "a.b+c@x.y"),
            ("Ada Lovelace", "Ada%20Lovelace"),
            ("a,b%c", "a%2Cb%25c"),
            ("é\r\nX: y", "%C3%A9%0D%0AX:%20y"),
        ] {
            assert_eq!(encoded(text), expected);
        }
    }
}
