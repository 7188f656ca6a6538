//! The step that every door for proxies shares: the route, the subject, the question, the answer.
//!
//! A door says what the proxy has told it, as a [`Forwarded`]; [`ask`] finds the route of the live set, takes action, resource and
//! tenant from the request, decides and records like every other question, and gives a [`Verdict`] that the door puts into the words
//! of its protocol. Whatever is not an explicit allow is a deny with a status that a proxy takes for one.

use super::peer::Call;
use crate::{
    audit::Origin,
    model::{Decision, ReasonCode, Revision},
};
use hyper::{
    HeaderMap, StatusCode,
    header::{HeaderName, HeaderValue},
};
use serde_json::{Map, Value};
use std::net::IpAddr;
use ulid::Ulid;

/// One HTTP request that a proxy asks about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forwarded<'a> {
    /// The kind of door: [`Origin::ForwardAuth`] or [`Origin::Envoy`].
    pub(super) origin: Origin,
    /// The proxy's own request.
    pub(super) call: Call<'a>,
    /// The method of the request that is asked about.
    pub(super) method: &'a str,
    /// `http` or `https`, where the proxy says it.
    pub(super) scheme: Option<&'a str>,
    /// The host, with or without a port, where the proxy says it.
    pub(super) host: Option<&'a str>,
    /// Path and query as the client has sent them, neither decoded nor tidied.
    pub(super) target: &'a [u8],
    /// The headers of the request. A header that says who the user is counts where the peer is a trusted proxy.
    pub(super) headers: &'a HeaderMap,
    /// Where the client is, where the proxy says it. Counts where the peer is a trusted proxy.
    pub(super) client: Option<IpAddr>,
    /// The payload of a JWT that the proxy has verified. Counts where the peer is a trusted proxy.
    pub(super) claims: Option<&'a Map<String, Value>>,
}

/// What a proxy is told.
#[derive(Debug)]
pub(super) struct Verdict {
    /// The answer.
    pub(super) decision: Decision,
    /// `200` where it is allowed; `401` where nobody says who asks, `403` otherwise.
    pub(super) status: StatusCode,
    /// Allowed: what the application is told, in place of what the client sent under these names. Denied: what the client is told.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Allowed: names that must not reach the application at all, since the client may have sent them.
    pub(super) remove: Vec<HeaderName>,
    /// Empty where it is allowed, JSON otherwise.
    pub(super) body: String,
    /// Names the decision and its record.
    pub(super) id: Ulid,
    /// The revision that decided.
    pub(super) revision: Revision,
    /// Why.
    pub(super) reason: ReasonCode,
    /// The name of the route, `GET /orders/{id}`; empty where none fits.
    pub(super) route: String,
}
