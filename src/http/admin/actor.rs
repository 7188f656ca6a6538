//! Who calls, and for whom: the token, and the header `Sidegate-Actor`.

use super::route::{Parameter, Shape};
use crate::{
    config::{AdminClient, AdminToken},
    directory::is_reserved,
    http::ApiError,
    policy::is_visible,
};
use axum::http::{HeaderMap, HeaderName};

/// The header that names the user on whose behalf an application calls.
pub(super) static SIDEGATE_ACTOR: HeaderName = HeaderName::from_static("sidegate-actor");

/// The header as documents tell it, where it is for the record alone.
pub(super) const NAMED: Parameter = Parameter::header("Sidegate-Actor", "the user who acts", USER_ID);

/// An id of a user in a header, as clients of every sort can send it: other letters are sent as UTF-8.
pub(super) const USER_ID: Shape = Shape::Like("^[!-~]([ -~]{0,254}[!-~])?$");

/// The name of whoever calls where no tokens are wanted.
const LOCAL: &str = "local";

/// Who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// The name of the token or of the client.
    name: String,
    /// Whether it speaks for itself.
    operator: bool,
}

impl Caller {
    /// The name of the token or of the client, or that of whoever needs none.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it speaks for itself.
    pub(super) const fn is_operator(&self) -> bool {
        self.operator
    }

    /// Whoever reaches the loopback address where no tokens are wanted.
    pub(super) fn local() -> Self {
        Self { name: LOCAL.to_owned(), operator: true }
    }

    /// Whoever has a certificate of this client.
    pub(super) fn with_certificate(client: &AdminClient) -> Self {
        Self { name: client.name.clone(), operator: client.operator }
    }

    /// Whoever has this token.
    pub(super) fn with(token: &AdminToken) -> Self {
        Self { name: token.name.clone(), operator: token.operator }
    }
}

/// The user who is named in the header, if any. Cut or changed it would name somebody else.
pub(super) fn named(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let mut given = headers.get_all(&SIDEGATE_ACTOR).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let text = str::from_utf8(value.as_bytes()).ok().filter(|text| is_visible(text));
    match (text, given.next()) {
        // No user is called like that, and a record would say that an operator has done it.
        (Some(text), None) if is_reserved(text) => Err(ApiError::malformed(format!(
            "the header `{SIDEGATE_ACTOR}` names a user; what begins like `{text}` is none"
        ))),
        (Some(text), None) => Ok(Some(text)),
        (_, Some(_)) => Err(ApiError::malformed(format!("the header `{SIDEGATE_ACTOR}` is given more than once"))),
        (None, None) => Err(ApiError::malformed(format!(
            "the header `{SIDEGATE_ACTOR}` is not a user's id: visible UTF-8 of 1 to 256 bytes"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        values.iter().map(|value| (SIDEGATE_ACTOR.clone(), HeaderValue::from_bytes(value).unwrap())).collect()
    }

    #[test]
    fn an_actor_is_visible_text_of_bounded_length_and_given_once() {
        let long = "x".repeat(257);
        for (values, expected) in [
            (&[][..], Some(None)),
            (&[&b"mona"[..]], Some(Some("mona"))),
            (&["zoë@example.com".as_bytes()], Some(Some("zoë@example.com"))),
            (&[b""], None),
            (&[b"operator:root"], None),
            (&[b"application:shop"], None),
            (&[b"operators"], Some(Some("operators"))),
            (&[b"mo na"], Some(Some("mo na"))),
            (&[b" mona"], None),
            (&[b"\xff"], None),
            (&["mona\u{85}".as_bytes()], None),
            (&[long.as_bytes()], None),
            (&[b"mona", b"mona"], None),
        ] {
            assert_eq!(named(&headers(values)).ok(), expected, "{values:?}");
        }
    }
}
