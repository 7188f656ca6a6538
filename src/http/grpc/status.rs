//! How a call ends: a code, and for people a message.

use crate::http::{ApiError, ErrorCode};
use hyper::header::HeaderValue;
use std::borrow::Cow;

/// The codes of gRPC that are used here (<https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Ok = 0,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    Unauthenticated = 16,
}

/// A call that was not answered, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    /// The code.
    pub(super) code: Code,
    /// What the client is told.
    pub(super) message: Cow<'static, str>,
}

impl Code {
    /// The HTTP statuses that calls of a known method may end with.
    pub(super) const EXPECTED: &'static [u16] = &[200, 400, 401, 403, 404, 429, 500, 501, 503, 504];

    /// The number on the wire.
    pub(super) const fn number(self) -> i32 {
        self as i32
    }

    /// The code as a header.
    pub(super) fn header(self) -> HeaderValue {
        match self {
            Self::Ok => HeaderValue::from_static("0"),
            other => HeaderValue::from(other.number()),
        }
    }

    /// The HTTP status that it corresponds to, as `google/rpc/code.proto` has it.
    pub(super) const fn http(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::InvalidArgument => 400,
            Self::DeadlineExceeded => 504,
            Self::NotFound => 404,
            Self::PermissionDenied => 403,
            Self::ResourceExhausted => 429,
            Self::Unimplemented => 501,
            Self::Internal => 500,
            Self::Unavailable => 503,
            Self::Unauthenticated => 401,
        }
    }
}

impl Status {
    /// An end with this code and message.
    pub(super) fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// A call that is not what the method takes.
    pub(super) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// The message as a header, in which everything but visible ASCII is encoded.
    pub(super) fn message_header(&self) -> HeaderValue {
        let mut text = String::with_capacity(self.message.len());
        for byte in self.message.bytes() {
            match byte {
                b'%' | 0..b' ' | 0x7f.. => text.extend(['%', digit(byte >> 4), digit(byte & 0xf)]),
                visible => text.push(char::from(visible)),
            }
        }
        // Visible ASCII it is.
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

fn digit(number: u8) -> char {
    char::from_digit(number.into(), 16).map_or('0', |digit| digit.to_ascii_uppercase())
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Self {
        let code = match (error.code, error.code.status()) {
            (ErrorCode::RequestTimeout, _) => Code::DeadlineExceeded,
            (_, 400 | 422) => Code::InvalidArgument,
            (_, 401) => Code::Unauthenticated,
            (_, 403) => Code::PermissionDenied,
            (_, 404) => Code::NotFound,
            (_, 405) => Code::Unimplemented,
            (_, 413 | 429) => Code::ResourceExhausted,
            (_, 503) => Code::Unavailable,
            _ => Code::Internal,
        };
        Self { code, message: error.message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_their_meaning() {
        for (error, wanted, http) in [
            (ErrorCode::MalformedRequest, Code::InvalidArgument, 400),
            (ErrorCode::RequestTimeout, Code::DeadlineExceeded, 504),
            (ErrorCode::Unauthorized, Code::Unauthenticated, 401),
            (ErrorCode::Forbidden, Code::PermissionDenied, 403),
            (ErrorCode::NotFound, Code::NotFound, 404),
            (ErrorCode::MethodNotAllowed, Code::Unimplemented, 501),
            (ErrorCode::BodyTooLarge, Code::ResourceExhausted, 429),
            (ErrorCode::TooManyFailures, Code::ResourceExhausted, 429),
            (ErrorCode::Overloaded, Code::Unavailable, 503),
            (ErrorCode::AuditUnavailable, Code::Unavailable, 503),
            (ErrorCode::Internal, Code::Internal, 500),
        ] {
            let code = Status::from(ApiError::new(error, "why")).code;
            assert_eq!((code, code.http()), (wanted, http), "{error:?}");
            assert_ne!(code, Code::Ok, "{error:?}");
        }
    }

    #[test]
    fn messages_are_encoded_as_the_protocol_has_it() {
        for (message, wanted) in [
            ("no `x` here", "no `x` here"),
            ("100 %", "100 %25"),
            ("a\nb\u{7f}", "a%0Ab%7F"),
            ("übel", "%C3%BCbel"),
            ("", ""),
        ] {
            assert_eq!(Status::invalid(message).message_header(), wanted);
        }
    }
}
