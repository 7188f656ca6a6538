//! What a client is told when its request cannot be answered: a stable code, a message, and the status that follows from the code.

use super::json;
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
    /// The admin listener wants a bearer token.
    Unauthorized,
    /// The admin listener refuses the request for where it comes from.
    Forbidden,
    /// No such path.
    NotFound,
    /// The path exists, the method on it does not.
    MethodNotAllowed,
    /// The body is longer than `server.authorize.limits.body_bytes`.
    BodyTooLarge,
    /// Activities that cannot be taken; the answer lists every problem.
    InvalidActivity,
    /// More requests at once than `server.authorize.limits.in_flight`.
    Overloaded,
    /// The audit queue is full, and `audit.when_full` is `refuse`.
    AuditUnavailable,
    /// A fault of the server.
    Internal,
}

impl ErrorCode {
    /// The code as on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MalformedRequest => "malformed_request",
            Self::UnsupportedContentType => "unsupported_content_type",
            Self::RequestTimeout => "request_timeout",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BodyTooLarge => "body_too_large",
            Self::InvalidActivity => "invalid_activity",
            Self::Overloaded => "overloaded",
            Self::AuditUnavailable => "audit_unavailable",
            Self::Internal => "internal",
        }
    }

    /// The status of an answer with this code.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::MalformedRequest | Self::UnsupportedContentType | Self::RequestTimeout => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::BodyTooLarge => 413,
            Self::InvalidActivity => 422,
            Self::Internal => 500,
            Self::Overloaded | Self::AuditUnavailable => 503,
        }
    }

    /// Whether the connection must end with the answer, because the rest of the request will not be read.
    #[must_use]
    pub const fn closes(self) -> bool {
        matches!(self, Self::RequestTimeout | Self::BodyTooLarge)
    }

    /// Seconds after which to try again, where trying again can help.
    #[must_use]
    pub const fn retry_after(self) -> Option<u16> {
        match self {
            Self::Overloaded | Self::AuditUnavailable => Some(1),
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
    /// What the client is told.
    pub message: Cow<'static, str>,
    /// The methods that the path has, for [`ErrorCode::MethodNotAllowed`].
    pub allow: Option<String>,
}

impl ApiError {
    /// An error with this message.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), allow: None }
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
        out.push_str(self.code.as_str());
        out.push_str(r#"","message":"#);
        json::write::text(&mut out, &self.message);
        out.push_str(r#","request_id":"#);
        json::write::text(&mut out, request_id);
        out.push_str("}}");
        out
    }
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
    fn every_code_of_the_authorize_listener_stands_in_the_documents_with_its_status() {
        let document = include_str!("../../docs/asking.md");
        for code in [
            ErrorCode::MalformedRequest,
            ErrorCode::UnsupportedContentType,
            ErrorCode::RequestTimeout,
            ErrorCode::NotFound,
            ErrorCode::MethodNotAllowed,
            ErrorCode::BodyTooLarge,
            ErrorCode::Overloaded,
            ErrorCode::AuditUnavailable,
            ErrorCode::Internal,
        ] {
            let row = format!("| `{}` | `{}` |", code.status(), code.as_str());
            assert!(document.contains(&row), "docs/asking.md has no row `{row}`");
        }
    }
}
