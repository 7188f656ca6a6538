//! Who calls the directory, and what else every call says in its headers.

use super::kept::{self, Key};
use crate::{
    directory::{Actor, Call, Seen},
    http::{
        ApiError, address,
        admin::actor::{Caller, named},
        management::Error,
        request_id::X_REQUEST_ID,
    },
    model::{Timestamp, TraceId},
};
use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header::IF_MATCH, request::Parts},
};

/// An administrative call: on behalf of a user, or by an operator. Where it is neither, the directory refuses it and records that.
#[derive(Debug, Clone)]
pub(super) struct By {
    who: Who,
    request_id: String,
    trace_id: TraceId,
    if_match: Option<Seen>,
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

impl Who {
    fn of(caller: Option<&Caller>, headers: &HeaderMap) -> Result<Self, ApiError> {
        let name = || caller.map(|caller| caller.name().to_owned()).unwrap_or_default();
        Ok(match named(headers)? {
            Some(user) => Self::User(user.to_owned()),
            None if caller.is_some_and(Caller::is_operator) => Self::Operator(name()),
            None => Self::Application(name()),
        })
    }
}

impl By {
    /// The call as the directory takes it.
    pub(super) fn call<'c>(&'c self, tenant: Option<&'c str>, now: Timestamp) -> Call<'c> {
        let actor = match &self.who {
            Who::User(id) => Actor::User(id),
            Who::Operator(name) => Actor::Operator(name),
            Who::Application(name) => Actor::Application(name),
        };
        Call {
            actor,
            tenant,
            request_id: &self.request_id,
            trace_id: self.trace_id,
            now,
            if_match: self.if_match,
            barred: None,
        }
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

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let who = Who::of(parts.extensions.get(), &parts.headers)?;
        Ok(Self::new(who, parts)?)
    }
}

impl<S: Sync> FromRequestParts<S> for Reported {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        // Where somebody is named, it is that user's deed and not the application's word.
        let who = match Who::of(parts.extensions.get(), &parts.headers)? {
            Who::Operator(name) => Who::Application(name),
            who => who,
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

/// What the caller has seen. `*` asks for any version.
fn if_match(headers: &HeaderMap) -> Result<Option<Seen>, ApiError> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(Some(Seen::Any));
    }
    let version = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|digits| digits.parse().ok());
    version
        .map(|version| Some(Seen::Version(version)))
        .ok_or_else(|| ApiError::malformed("the header `if-match` is not an `ETag` of this server, such as `\"7\"`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::AdminToken, http::admin::actor::SIDEGATE_ACTOR};
    use axum::http::HeaderValue;

    #[test]
    fn only_an_operator_acts_where_nobody_is_named() {
        let token = AdminToken { name: "ops".to_owned(), sha256: [0; 32], scopes: Vec::new(), operator: true };
        let ops = |operator| Some(Caller::with(&AdminToken { operator, ..token.clone() }));
        let nobody = HeaderMap::new();
        let mona: HeaderMap = [(SIDEGATE_ACTOR.clone(), HeaderValue::from_static("mona"))].into_iter().collect();
        for (caller, headers, expected) in [
            (ops(true), &mona, Who::User("mona".to_owned())),
            (ops(false), &mona, Who::User("mona".to_owned())),
            (ops(true), &nobody, Who::Operator("ops".to_owned())),
            (ops(false), &nobody, Who::Application("ops".to_owned())),
            (Some(Caller::local()), &nobody, Who::Operator("local".to_owned())),
            (None, &nobody, Who::Application(String::new())),
        ] {
            assert_eq!(Who::of(caller.as_ref(), headers).ok(), Some(expected), "{caller:?}");
        }
    }

    #[test]
    fn a_version_is_one_tag_of_this_server() {
        for (given, expected) in [
            (None, Some(None)),
            (Some("*"), Some(Some(Seen::Any))),
            (Some("\"7\""), Some(Some(Seen::Version(7)))),
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
