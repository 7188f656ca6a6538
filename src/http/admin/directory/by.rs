//! Who calls the directory, and what else every call says in its headers.

use super::kept::{self, Key};
use crate::{
    directory::{Actor, Call},
    http::{
        ApiError, address,
        admin::actor::{Acting, Caller, named},
        management::Error,
        request_id::X_REQUEST_ID,
    },
    model::{Timestamp, TraceId},
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header::IF_MATCH, request::Parts},
};

/// An administrative call: on behalf of a user, or by an operator.
#[derive(Debug, Clone)]
pub(super) struct By {
    who: Who,
    request_id: String,
    trace_id: TraceId,
    if_match: Option<u64>,
    key: Option<Key>,
}

/// A report of an application about its users.
#[derive(Debug, Clone)]
pub(super) struct Reported(pub(super) By);

/// The tenant of a call whose address may hold nothing else.
#[derive(Debug, Clone)]
pub(super) struct InTenant(pub(super) Option<String>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    User(String),
    Operator(String),
    Application(String),
}

impl By {
    /// The call as the directory takes it.
    pub(super) fn call<'c>(&'c self, tenant: Option<&'c str>, now: Timestamp) -> Call<'c> {
        let actor = match &self.who {
            Who::User(id) => Actor::User(id),
            Who::Operator(name) => Actor::Operator(name),
            Who::Application(name) => Actor::Application(name),
        };
        Call { actor, tenant, request_id: &self.request_id, trace_id: self.trace_id, now, if_match: self.if_match }
    }

    /// The key by which the call can be repeated, if it carries one.
    pub(super) const fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    fn new(who: Who, parts: &Parts) -> Result<Self, ApiError> {
        let id = parts.headers.get(&X_REQUEST_ID);
        let request_id = id.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned()).unwrap_or_default();
        let token = parts.extensions.get::<Caller>().map(|caller| caller.name().to_owned()).unwrap_or_default();
        let caller = (token, named(&parts.headers)?.map(str::to_owned));
        let key = kept::key(&parts.headers)?.map(|key| Key { caller, key: key.to_owned() });
        let trace_id = parts.extensions.get().copied().unwrap_or_default();
        Ok(Self { who, request_id, trace_id, if_match: if_match(&parts.headers)?, key })
    }
}

impl<S: Sync> FromRequestParts<S> for By {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let who = match Acting::from_request_parts(parts, state).await? {
            Acting::User(id) => Who::User(id),
            Acting::Operator(name) => Who::Operator(name),
        };
        Ok(Self::new(who, parts)?)
    }
}

impl<S: Sync> FromRequestParts<S> for Reported {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let name = parts.extensions.get::<Caller>().map(|caller| caller.name().to_owned()).unwrap_or_default();
        // Where somebody is named, it is that user's deed and not the application's word.
        let who = match named(&parts.headers)? {
            Some(user) => Who::User(user.to_owned()),
            None => Who::Application(name),
        };
        Ok(Self(By::new(who, parts)?))
    }
}

impl<S: Sync> FromRequestParts<S> for InTenant {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let [tenant] = address::parameters(parts.uri.query(), ["tenant"])?;
        Ok(Self(tenant.map(std::borrow::Cow::into_owned)))
    }
}

/// The version that the caller has seen. `*` asks for any.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let version = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|digits| digits.parse().ok());
    version
        .map(Some)
        .ok_or_else(|| ApiError::malformed("the header `if-match` is not an `ETag` of this server, such as `\"7\"`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_version_is_one_tag_of_this_server() {
        for (given, expected) in [
            (None, Some(None)),
            (Some("*"), Some(None)),
            (Some("\"7\""), Some(Some(7))),
            (Some("7"), None),
            (Some("W/\"7\""), None),
            (Some("\"7\", \"8\""), None),
            (Some("\"x\""), None),
        ] {
            let headers: HeaderMap = given.map(|text| (IF_MATCH, HeaderValue::from_static(text))).into_iter().collect();
            assert_eq!(if_match(&headers).ok(), expected, "{given:?}");
        }
    }
}
