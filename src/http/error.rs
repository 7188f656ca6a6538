//! What a client is told when its request cannot be answered: a stable code, a message, and the status that follows from the code.

use super::json;
use crate::policy::Problem;
use schemars::JsonSchema;
use std::borrow::Cow;

/// Why a request was not answered. The text form is part of the wire contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The body is not what the path takes.
    MalformedRequest,
    /// The body is not said to be JSON.
    UnsupportedContentType,
    /// The body did not arrive in time.
    RequestTimeout,
    /// Whoever asks must say who it is.
    Unauthorized,
    /// The admin listener refuses the request for where it comes from.
    Forbidden,
    /// Whoever asks may ask other things only.
    ScopeMissing,
    /// Nobody is named for whom the call is made, and the token speaks for nobody.
    ActorMissing,
    /// The policies do not allow it to the actor.
    NotAllowed,
    /// A link that is of no invitation.
    InvitationUnknown,
    /// It does not fit what is there.
    Conflict,
    /// A link that counted once.
    LinkSpent,
    /// It has changed since the caller has seen it.
    VersionMismatch,
    /// A body that cannot be; the answer lists every problem.
    Invalid,
    /// The store of the directory cannot be used.
    DirectoryUnavailable,
    /// No such path, or nothing there.
    NotFound,
    /// The path exists, the method on it does not.
    MethodNotAllowed,
    /// A configuration that cannot be.
    InvalidConfiguration,
    /// The body is longer than `server.authorize.limits.body_bytes`.
    BodyTooLarge,
    /// Activities that cannot be taken; the answer lists every problem.
    InvalidActivity,
    /// Too many unknown tokens from one address, or from all.
    TooManyFailures,
    /// More requests than the caller may send.
    TooManyRequests,
    /// More requests at once than `server.authorize.limits.in_flight`.
    Overloaded,
    /// The audit queue is full, and `audit.when_full` is `refuse`.
    AuditUnavailable,
    /// The policies are older than `policies.max_staleness` allows, and `policies.when_stale` is `deny`.
    PoliciesStale,
    /// A fault of the server.
    Internal,
}

impl ErrorCode {
    /// The code as on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.facts().0
    }

    /// The status of an answer with this code.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.facts().1
    }

    /// What it means, for documents.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        self.facts().2
    }

    const fn facts(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::MalformedRequest => {
                ("malformed_request", 400, "an address, a header or a body that is not what the path takes")
            }
            Self::UnsupportedContentType => ("unsupported_content_type", 400, "a body of another content type"),
            Self::RequestTimeout => ("request_timeout", 400, "the body did not arrive in time"),
            Self::Unauthorized => {
                ("unauthorized", 401, "no bearer token or client certificate, or one that is not known")
            }
            Self::Forbidden => ("forbidden", 403, "a request that a page of another site had a browser send"),
            Self::ScopeMissing => {
                ("scope_missing", 403, "the token, the client or the caller has none of the scopes that the path takes")
            }
            Self::ActorMissing => {
                ("actor_missing", 403, "the token is not an operator's, and nobody is named in `Sidegate-Actor`")
            }
            Self::NotAllowed => (
                "not_allowed",
                403,
                "the policies do not allow it to the actor; the code says why, such as `actor_unknown`, `delegation_denied`",
            ),
            Self::InvitationUnknown => ("invitation_unknown", 404, "the link is of no invitation"),
            Self::Conflict => (
                "conflict",
                409,
                "it does not fit what is there; the code says why: `user_exists`, `email_taken`, `user_declared`, `user_invited`, \
                 `user_not_active`, `already_invited`, `invitation_used`, `invitation_revoked`, `no_directory`, ...",
            ),
            Self::LinkSpent => (
                "invitation_expired",
                410,
                "the link counts no longer; the code says why: `invitation_expired`, `invitation_used`, `invitation_revoked`, \
                 `invitation_replaced`",
            ),
            Self::VersionMismatch => {
                ("version_mismatch", 412, "it has changed since the version that `If-Match` names")
            }
            Self::Invalid => ("invalid", 422, "a body that cannot be; `problems` lists why"),
            Self::DirectoryUnavailable => ("directory_unavailable", 503, "the directory's store cannot be used"),
            Self::NotFound => ("not_found", 404, "there is no such thing"),
            Self::MethodNotAllowed => ("method_not_allowed", 405, "the path exists, the method on it does not"),
            Self::BodyTooLarge => ("body_too_large", 413, "the body is longer than it may be"),
            Self::InvalidConfiguration => {
                ("invalid_configuration", 422, "a configuration that cannot be; `problems` lists why")
            }
            Self::InvalidActivity => ("invalid_activity", 422, "activities that cannot be taken; `problems` lists why"),
            Self::TooManyFailures => ("too_many_failures", 429, "too many unknown tokens were tried from this address"),
            Self::TooManyRequests => {
                ("too_many_requests", 429, "more requests than `server.authorize.callers` lets this caller send")
            }
            Self::Internal => ("internal", 500, "a fault of the server"),
            Self::Overloaded => ("overloaded", 503, "more at once than the server takes"),
            Self::AuditUnavailable => ("audit_unavailable", 503, "the audit log takes no records"),
            Self::PoliciesStale => ("policies_stale", 503, "the policies are older than the settings allow"),
        }
    }

    /// Whether the connection must end with the answer, because the rest of the request will not be read.
    #[must_use]
    pub const fn closes(self) -> bool {
        matches!(self, Self::RequestTimeout | Self::BodyTooLarge)
    }

    /// Seconds after which to try again, where trying again can help and nothing more is known.
    const fn retry_after(self) -> Option<u16> {
        match self {
            Self::Overloaded | Self::AuditUnavailable | Self::TooManyFailures | Self::TooManyRequests => Some(1),
            _ => None,
        }
    }
}

/// A request that is not answered, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The stable code.
    pub code: ErrorCode,
    /// A more exact code, which the client is told in its place.
    pub name: Option<Cow<'static, str>>,
    /// What the client is told.
    pub message: Cow<'static, str>,
    /// The methods that the path has, for [`ErrorCode::MethodNotAllowed`].
    pub allow: Option<String>,
    /// Seconds after which to try again, where more is known than the code tells.
    pub retry_after: Option<u16>,
    /// Everything that is wrong, each at its JSON pointer.
    pub problems: Vec<Problem>,
}

impl ApiError {
    /// An error with this message.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, name: None, message: message.into(), allow: None, retry_after: None, problems: Vec::new() }
    }

    /// Seconds after which to try again, where trying again can help.
    #[must_use]
    pub fn retry_after(&self) -> Option<u16> {
        self.retry_after.or(self.code.retry_after())
    }

    /// An error with a more exact code: lower-case letters and `_`.
    #[must_use]
    pub fn named(code: ErrorCode, name: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { name: Some(name.into()), ..Self::new(code, message) }
    }

    /// A body that is not what the path takes.
    #[must_use]
    pub fn malformed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::MalformedRequest, message)
    }

    /// The body of the answer.
    #[must_use]
    pub fn body(&self, request_id: &str) -> String {
        let mut out = String::with_capacity(128);
        out.push_str(r#"{"error":{"code":""#);
        out.push_str(self.name.as_deref().unwrap_or(self.code.as_str()));
        out.push_str(r#"","message":"#);
        json::write::text(&mut out, &self.message);
        out.push_str(r#","request_id":"#);
        json::write::text(&mut out, request_id);
        if !self.problems.is_empty() {
            out.push_str(r#","problems":"#);
            // Texts and nothing else: they can be written.
            out.push_str(&serde_json::to_string(&self.problems).unwrap_or_default());
        }
        out.push_str("}}");
        out
    }
}

/// The body of an answer that is an error.
#[derive(Debug, JsonSchema)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
#[schemars(rename = "Error")]
pub(in crate::http) struct ErrorView {
    #[expect(dead_code, reason = "tells what `ApiError::body` writes")]
    error: ErrorFacts,
}

/// Why a request was not answered.
#[derive(Debug, JsonSchema)]
#[cfg_attr(test, derive(serde::Deserialize), serde(deny_unknown_fields))]
#[expect(dead_code, reason = "tells what `ApiError::body` writes")]
struct ErrorFacts {
    /// Stable; programs may rely on it.
    code: String,
    /// For people.
    message: String,
    /// `X-Request-ID` of the answer.
    request_id: String,
    /// Everything that is wrong with the body, where the code says so.
    #[schemars(with = "Vec<Problem>", skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<serde_json::Value>>,
}

/// A body that does not parse. The parser's text names the field, the line and the column.
impl From<serde_json::Error> for ApiError {
    fn from(error: serde_json::Error) -> Self {
        let message = error.to_string();
        // The parser speaks of sequences and maps, JSON of arrays and objects.
        for (parsers, jsons) in
            [("invalid type: sequence,", "invalid type: array,"), ("invalid type: map,", "invalid type: object,")]
        {
            if let Some(rest) = message.strip_prefix(parsers) {
                return Self::malformed(format!("{jsons}{rest}"));
            }
        }
        Self::malformed(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_of_an_error_is_the_contracts() {
        let error = ApiError::malformed("missing field `user` at line 1 column 2");
        assert_eq!(
            error.body("r-\"1\""),
            r#"{"error":{"code":"malformed_request","message":"missing field `user` at line 1 column 2","request_id":"r-\"1\""}}"#
        );
    }

    #[test]
    fn the_body_of_an_error_is_what_its_schema_says() {
        let problem = Problem { pointer: "/a".to_owned(), message: "is missing".to_owned(), help: None };
        for problems in [vec![], vec![problem]] {
            let error = ApiError { problems, ..ApiError::malformed("no") };
            serde_json::from_str::<ErrorView>(&error.body("r-1")).unwrap();
        }
    }

    #[test]
    fn every_code_of_the_authorize_listener_stands_in_the_documents_with_its_status() {
        let document = include_str!("../../docs/asking.md");
        for code in [
            ErrorCode::MalformedRequest,
            ErrorCode::UnsupportedContentType,
            ErrorCode::RequestTimeout,
            ErrorCode::Unauthorized,
            ErrorCode::ScopeMissing,
            ErrorCode::NotFound,
            ErrorCode::MethodNotAllowed,
            ErrorCode::BodyTooLarge,
            ErrorCode::InvalidConfiguration,
            ErrorCode::TooManyFailures,
            ErrorCode::TooManyRequests,
            ErrorCode::Overloaded,
            ErrorCode::AuditUnavailable,
            ErrorCode::Internal,
        ] {
            let row = format!("| `{}` | `{}` |", code.status(), code.as_str());
            assert!(document.contains(&row), "docs/asking.md has no row `{row}`");
        }
    }
}
