//! The step that every door for proxies shares: the route, the subject, the question, the answer.
//!
//! A door says what the proxy has told it, as a [`Forwarded`]; [`ask`] finds the route of the live set, takes action, resource and
//! tenant from the request, decides and records like every other question, and gives a [`Verdict`] that the door puts into the words
//! of its protocol. Whatever is not an explicit allow is a deny with a status that a proxy takes for one.

mod doors;
mod subject;
mod tell;

pub(super) use doors::{ext_authz, forward_auth};

use super::{
    ApiError,
    desk::{Asked, Desk, Question, Room, Ruling},
    json,
    peer::{Call, Peer},
};
use crate::{
    audit::{Origin, Ticket},
    config::AuthorizeServer,
    model::{Decision, ReasonCode, Resource, Revision},
    policy::{self, Headers, HttpRequest, Match, Miss, Taken},
    reload::Current,
};
use hyper::{
    HeaderMap, StatusCode,
    header::{HeaderName, HeaderValue},
};
use serde_json::{Map, Value};
use std::net::IpAddr;
use subject::Who;
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

/// The headers of a request, as routes look at them.
#[derive(Debug)]
struct Given<'h>(&'h HeaderMap);

/// How long the texts of a request are that a record keeps, in bytes.
const KEPT: usize = 512;

/// Whether somebody is believed about the requests of others.
pub(super) fn trusts(server: &AuthorizeServer, peer: &Peer) -> bool {
    server.trusted_proxies.iter().any(|trusted| trusted.is_at(peer.ip()))
}

/// Decides about a request, and records the decision.
///
/// # Errors
/// Fails where nothing was decided: the audit queue is full.
pub(super) async fn ask(desk: &Desk, forwarded: &Forwarded<'_>) -> Result<Verdict, ApiError> {
    settle(desk, forwarded, None).await
}

/// Denies a request that cannot be told, and records that.
///
/// # Errors
/// As [`ask`].
pub(super) async fn refuse(desk: &Desk, forwarded: &Forwarded<'_>, miss: Miss) -> Result<Verdict, ApiError> {
    settle(desk, forwarded, Some(miss)).await
}

async fn settle(desk: &Desk, forwarded: &Forwarded<'_>, unclear: Option<Miss>) -> Result<Verdict, ApiError> {
    let room = desk.room().await?;
    // From here to the record nothing waits.
    let (verdict, ticket) = decide(desk, forwarded, unclear, room);
    if desk.committed(ticket).await {
        return Ok(verdict);
    }
    let server = &desk.settings().server.authorize;
    Ok(tell::unrecorded(server, forwarded, verdict))
}

fn decide(desk: &Desk, forwarded: &Forwarded<'_>, unclear: Option<Miss>, room: Room) -> (Verdict, Option<Ticket>) {
    let current = desk.current();
    let settings = desk.settings();
    let server = &settings.server.authorize;
    let trusted = trusts(server, forwarded.call.peer);
    let given = Given(forwarded.headers);
    let request = HttpRequest {
        method: forwarded.method,
        scheme: forwarded.scheme,
        host: forwarded.host,
        target: forwarded.target,
        headers: &given,
        client: forwarded.client.filter(|_| trusted),
    };
    let found = match unclear {
        Some(miss) => Err(miss),
        None => current.snapshot.routes.find(&request),
    };
    // Of a public route nobody is asked who it is.
    let is_public = found.as_ref().is_ok_and(|found| found.route.is_public());
    let time = desk.now();
    let who = if is_public { Who::Nobody } else { subject::of(desk, &current, server, forwarded, trusted, time) };
    let route = found.as_ref().map_or("", |found| found.route.name.as_str());
    let question =
        found.as_ref().map_err(Clone::clone).and_then(|found| taken(found, &who, &request, forwarded, trusted));
    let asked = Asked { call: forwarded.call, origin: forwarded.origin, time, room };
    let http = shown(forwarded, route);
    let ruling = rule(desk, &current, &question, &who, forwarded, &asked, &http);
    let told = tell::Told { who: who.user(), revision: current.snapshot.revision, route };
    let verdict = tell::verdict(server, forwarded, &ruling, &current.snapshot.program, &told);
    (verdict, ruling.ticket)
}

/// The question of a request, or why none is put.
fn taken<'r>(
    found: &Match<'r, '_>,
    who: &Who<'_>,
    request: &HttpRequest<'_>,
    forwarded: &Forwarded<'_>,
    trusted: bool,
) -> Result<Taken<'r>, Miss> {
    if found.route.is_public() {
        return Err(Miss { code: ReasonCode::Public, why: "the route is public".to_owned() });
    }
    match who {
        Who::Nobody => {
            let why = "nobody says who asks: there is no token, and no header of a trusted proxy".to_owned();
            return Err(Miss { code: ReasonCode::SubjectMissing, why });
        }
        Who::Refused(miss) => return Err(miss.clone()),
        Who::User { .. } | Who::Bearer(_) => {}
    }
    let claims = who.claims().or(forwarded.claims.filter(|_| trusted));
    let question = found.question(request, claims)?;
    // Only public routes have none.
    question.ok_or_else(|| Miss { code: ReasonCode::Public, why: String::new() })
}

fn rule<'a>(
    desk: &Desk,
    current: &'a Current,
    question: &'a Result<Taken<'a>, Miss>,
    who: &'a Who<'a>,
    forwarded: &Forwarded<'a>,
    asked: &Asked<'_>,
    http: &str,
) -> Ruling<'a> {
    match question {
        Ok(taken) => {
            let resource = Resource { ty: taken.resource_type, id: &taken.resource_id, attributes: &taken.attributes };
            let question = who.question(taken.action, resource, taken.tenant.as_deref(), &taken.context);
            desk.decide_forwarded(current, &question, asked, http)
        }
        Err(miss) => {
            let resource = Resource { ty: "", id: "", attributes: &[] };
            let question: Question<'a> = who.question(kept(forwarded.method), resource, None, &[]);
            desk.settle_forwarded(current, &question, asked, http, miss)
        }
    }
}

/// What the record says of the request, as an object. The query is not among it: it may hold secrets.
fn shown(forwarded: &Forwarded<'_>, route: &str) -> String {
    let mut out = String::from("{");
    let path = forwarded.target.split(|&byte| byte == b'?').next().unwrap_or_default();
    let path = String::from_utf8_lossy(path);
    let host = forwarded.host.unwrap_or_default();
    let members = [("method", forwarded.method), ("host", host), ("path", &*path), ("route", route)];
    for (name, text) in members.into_iter().filter(|(_, text)| !text.is_empty()) {
        if out.len() > 1 {
            out.push(',');
        }
        json::write::text(&mut out, name);
        out.push(':');
        json::write::text(&mut out, kept(text));
    }
    out.push('}');
    out
}

/// As much of a text as a record keeps.
fn kept(text: &str) -> &str {
    text.get(..text.floor_char_boundary(KEPT)).unwrap_or_default()
}

impl Headers for Given<'_> {
    fn one(&self, name: &str) -> Result<Option<&str>, &'static str> {
        one(self.0, name).map_err(|twice| if twice { "it is given more than once" } else { "it is no visible ASCII" })
    }

    fn has_twin(&self, name: &str) -> bool {
        self.0.keys().any(|known| policy::are_twins(known.as_str(), name))
    }
}

/// The value of a header that is given once; the error says whether it is given more than once, or is no visible ASCII.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, bool> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(true),
        (Some(value), None) => {
            let text = value.to_str().ok().filter(|text| !text.contains('\t'));
            text.map(Some).ok_or(false)
        }
    }
}
