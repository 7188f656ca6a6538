//! gRPC on the authorize listener: `envoy.service.auth.v3.Authorization/Check`, and health checks.
//!
//! Only calls with one message each way are spoken, which is little more than a prefix before the body and a status behind it
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>). So it goes the way of every other request: the listener's
//! own HTTP/2 with its limits, the desk, one answer in one write.

mod check;
mod deadline;
mod health;
mod message;
mod status;
mod wire;

use super::{
    ApiError, ErrorCode, body,
    callers::{Admitted, Visit},
    desk::{Desk, LISTENER},
    outgoing::Outgoing,
    peer::Call,
    request_id::{RequestId, X_REQUEST_ID},
    routes, service,
    trace::{Ended, Head, Trace},
};
use crate::config::{CallerScope, Limits};
use bytes::Bytes;
use deadline::Deadline;
use hyper::{
    HeaderMap, Method, Response, StatusCode, Version,
    body::{Body as _, Incoming},
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
    http::request,
};
use status::{Code, Status};
use std::time::Instant;

/// The longest message of [`Procedure::Check`], where `server.authorize.limits.body_bytes` does not allow for more: it holds the head of
/// somebody's request, the path twice, and that head is the client's to fill up to the limits of the proxy.
pub(crate) const CHECK_BYTES: usize = 256 << 10;
/// The longest message of [`Procedure::Health`], which holds the name of a service.
const HEALTH_BYTES: usize = 1 << 10;

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
static GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// A method that can be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Procedure {
    /// Envoy's question.
    Check,
    /// Whether a service can be called.
    Health,
}

impl Procedure {
    const ALL: [Self; 2] = [Self::Check, Self::Health];

    /// The service, as paths begin that are its methods'.
    const fn service(self) -> &'static str {
        match self {
            Self::Check => "/envoy.service.auth.v3.Authorization/",
            Self::Health => "/grpc.health.v1.Health/",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Check => "/envoy.service.auth.v3.Authorization/Check",
            Self::Health => "/grpc.health.v1.Health/Check",
        }
    }

    /// What a caller must be allowed to ask; nothing where everybody may: orchestrators know no token.
    const fn scope(self) -> Option<CallerScope> {
        match self {
            Self::Check => Some(CallerScope::Decide),
            Self::Health => None,
        }
    }

    /// The longest message.
    fn message_bytes(self, limits: &Limits) -> usize {
        match self {
            Self::Check => limits.body_bytes.max(CHECK_BYTES),
            Self::Health => limits.body_bytes.min(HEALTH_BYTES),
        }
    }

    fn find(head: &request::Parts) -> Result<Self, Status> {
        let path = head.uri.path();
        let procedure = Self::ALL.into_iter().find(|procedure| procedure.path() == path);
        procedure.filter(|_| head.method == Method::POST).ok_or_else(|| unknown(path))
    }
}

/// The values of the metrics' label `route`, each with the codes that are to be expected.
pub(super) fn labels() -> impl Iterator<Item = (&'static str, &'static [u16])> {
    Procedure::ALL.into_iter().map(|procedure| (procedure.path(), Code::EXPECTED))
}

/// Whether a request is a call of one of the services that are here, known method or not.
///
/// The content type alone says nothing: a proxy that asks at one of its doors may hand on that of its client, and would take the `200`
/// with which every call ends for an allow.
pub(super) fn is_call(head: &request::Parts) -> bool {
    speaks(head) && Procedure::ALL.iter().any(|procedure| head.uri.path().starts_with(procedure.service()))
}

/// Whether a client speaks gRPC, whatever the path.
pub(super) fn speaks(head: &request::Parts) -> bool {
    let is_grpc = |value: &HeaderValue| {
        let rest = value.as_bytes().strip_prefix(b"application/grpc");
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
    };
    head.version == Version::HTTP_2 && head.headers.get(CONTENT_TYPE).is_some_and(is_grpc)
}

/// What a client of gRPC is told that calls what is not here: `404`, in words that it understands.
pub(super) fn not_here(path: &str) -> Response<Outgoing> {
    let mut response = failure(&unknown(path));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn unknown(path: &str) -> Status {
    Status::new(Code::Unimplemented, format!("there is no method `{path}`"))
}

/// Answers a call. Every answer carries the call's id; every answer is counted, by the HTTP status that its own corresponds to.
pub(super) async fn answer(
    desk: &Desk,
    visit: &Visit,
    head: &request::Parts,
    body: Incoming,
    started: Instant,
) -> Response<Outgoing> {
    let request_id = RequestId::of(&head.headers, desk);
    let trace = Trace::begin(&head.headers);
    let request_bytes = body.size_hint().exact();
    let mut admitted = Admitted::nobody();
    let (label, answered) = match Procedure::find(head) {
        Ok(procedure) => {
            let called = async {
                admitted = visit.admit(&head.headers, procedure.scope(), started)?;
                let call =
                    Call { request_id: request_id.text(), peer: &visit.peer, admitted: &admitted, trace: &trace };
                handle(desk, procedure, head, body, call, started).await
            };
            (procedure.path(), service::fence(called, procedure.path(), request_id.text(), &trace).await)
        }
        Err(status) => (routes::NO_ROUTE, Err(status)),
    };
    let (code, mut response) = match answered {
        Ok(message) => (Code::Ok, success(message)),
        Err(status) => (status.code, failure(&status)),
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let took = started.elapsed();
    if trace.is_told() {
        trace.end(&Ended {
            listener: LISTENER,
            head: Head::of(head),
            route: Some(label).filter(|label| *label != routes::NO_ROUTE),
            status: code.http(),
            grpc: Some(code.number()),
            request_id: request_id.text(),
            peer: Some(&visit.peer),
            caller: admitted.caller(),
            took,
            request_bytes,
            response_bytes: Some(response.body().bytes()),
        });
    }
    response.headers_mut().insert(&X_REQUEST_ID, request_id.into_header());
    desk.count(label, code.http(), took);
    response
}

async fn handle(
    desk: &Desk,
    procedure: Procedure,
    head: &request::Parts,
    mut body: Incoming,
    call: Call<'_>,
    started: Instant,
) -> Result<Bytes, Status> {
    let deadline = Deadline::of(&head.headers, started)?;
    // Anybody may check the health: that takes no place from those who ask for decisions.
    let _in_flight = match procedure {
        Procedure::Check => Some(desk.enter()?),
        Procedure::Health => None,
    };
    deadline
        .bound(async {
            let limits = desk.limits();
            // The limit is that of the message.
            let body_bytes = procedure.message_bytes(&limits).saturating_add(message::PREFIX);
            let body = body::read(&head.headers, &mut body, &Limits { body_bytes, ..limits }).await;
            match (procedure, body) {
                (Procedure::Check, Err(ApiError { code: ErrorCode::BodyTooLarge, .. })) => {
                    check::too_long(desk, call).await
                }
                (Procedure::Check, body) => check::answer(desk, message::only(body?)?, call).await,
                (Procedure::Health, body) => health::answer(desk, message::only(body?)?),
            }
        })
        .await
}

fn success(message: Bytes) -> Response<Outgoing> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(&GRPC_STATUS, Code::Ok.header());
    Response::new(Outgoing::with_trailers(message, trailers))
}

/// An answer that has no message has its status among its headers.
fn failure(status: &Status) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::default());
    let headers = response.headers_mut();
    headers.insert(&GRPC_STATUS, status.code.header());
    headers.insert(&GRPC_MESSAGE, status.message_header());
    headers.insert(&GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn head(version: Version, method: &str, path: &str, content_type: Option<&str>) -> request::Parts {
        let mut request = Request::builder().version(version).method(method).uri(path);
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn calls_are_told_by_their_service_and_their_content_type_in_http_2_only() {
        let check = "/envoy.service.auth.v3.Authorization/Check";
        for (version, content_type, wanted) in [
            (Version::HTTP_2, Some("application/grpc"), true),
            (Version::HTTP_2, Some("application/grpc+proto"), true),
            (Version::HTTP_2, Some("application/grpc;charset=utf-8"), true),
            (Version::HTTP_2, Some("application/grpc-web"), false),
            (Version::HTTP_2, Some("application/json"), false),
            (Version::HTTP_2, None, false),
            (Version::HTTP_11, Some("application/grpc"), false),
        ] {
            assert_eq!(is_call(&head(version, "POST", check, content_type)), wanted, "{version:?} {content_type:?}");
        }
        for (path, wanted) in [
            ("/envoy.service.auth.v3.Authorization/Ask", true),
            ("/grpc.health.v1.Health/Watch", true),
            ("/grpc.health.v1.Health", false),
            ("/shop.Orders/List", false),
            ("/auth-request", false),
            ("/ext-authz/envoy.service.auth.v3.Authorization/Check", false),
            ("/v1/authorize", false),
            ("/", false),
        ] {
            let head = head(Version::HTTP_2, "POST", path, Some("application/grpc"));
            assert_eq!(is_call(&head), wanted, "{path}");
        }
    }

    #[test]
    fn methods_are_found_by_their_whole_path() {
        for (method, path, wanted) in [
            ("POST", "/envoy.service.auth.v3.Authorization/Check", Ok(Procedure::Check)),
            ("POST", "/grpc.health.v1.Health/Check", Ok(Procedure::Health)),
            ("GET", "/grpc.health.v1.Health/Check", Err(Code::Unimplemented)),
            ("POST", "/grpc.health.v1.Health/Watch", Err(Code::Unimplemented)),
            ("POST", "/envoy.service.auth.v2.Authorization/Check", Err(Code::Unimplemented)),
            ("POST", "/envoy.service.auth.v3.Authorization/Check/", Err(Code::Unimplemented)),
            ("POST", "/v1/authorize", Err(Code::Unimplemented)),
        ] {
            let found = Procedure::find(&head(Version::HTTP_2, method, path, None));
            assert_eq!(found.map_err(|status| status.code), wanted, "{method} {path}");
        }
    }
}
