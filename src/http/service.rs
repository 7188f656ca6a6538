//! One request from head to answer: route, limits, handler, fence, headers, metrics.

use super::{
    ApiError, ErrorCode, authorize, authzen, body,
    callers::{Admitted, Visit},
    credentials,
    desk::{Desk, LISTENER},
    grpc,
    outgoing::Outgoing,
    peer::Call,
    proxy::{self, Verdict},
    questions,
    request_id::{RequestId, X_REQUEST_ID},
    routes::{self, Handler, NO_ROUTE, Route},
    trace::{Ended, Head, Trace},
};
use crate::telemetry::{events, trace};
use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Body as _, Incoming},
    header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    http::request,
};
use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    rc::Rc,
    task::Poll,
    time::Instant,
};

static SIDEGATE_REVISION: HeaderName = HeaderName::from_static("sidegate-revision");

/// What a handler has to say.
#[derive(Debug)]
pub(super) struct Answer {
    /// JSON.
    pub(super) body: String,
    /// The revision that decided.
    pub(super) revision: HeaderValue,
}

/// What comes back.
enum Reply {
    /// To whoever asked a question.
    Answer(Answer),
    /// To a proxy, with the revision that decided.
    Verdict(Verdict, HeaderValue),
}

/// Answers one request. Every answer carries the request's id; every answer is counted.
pub(super) async fn answer(
    desk: Rc<Desk>,
    visit: Rc<Visit>,
    request: Request<Incoming>,
) -> Result<Response<Outgoing>, Infallible> {
    let started = Instant::now();
    let (head, mut body) = request.into_parts();
    if grpc::is_call(&head) {
        return Ok(grpc::answer(&desk, &visit, &head, body, started).await);
    }
    let request_id = RequestId::of(&head.headers, &desk);
    let trace = Trace::begin(&head.headers);
    let request_bytes = body.size_hint().exact();
    let mut admitted = Admitted::nobody();
    let (label, result) = match routes::find(&head.method, head.uri.path()) {
        Ok((route, id)) => {
            let called = async {
                admitted = visit.admit(&head.headers, route.scope(), started)?;
                let call =
                    Call { request_id: request_id.text(), peer: &visit.peer, admitted: &admitted, trace: &trace };
                handle(&desk, route, id, &head, &mut body, call).await
            };
            let called = fence(called, route.path, request_id.text(), &trace).await;
            let is_door = route.handler.is_door();
            (route.path, called.map_err(|error| if is_door { for_strangers(error, request_id.text()) } else { error }))
        }
        Err((label, error)) => (label, Err(error)),
    };
    let is_read = result.is_ok() && head.method != Method::GET;
    let mut response = match result {
        Ok(reply) => reply.into_response(),
        Err(_) if label == NO_ROUTE && grpc::speaks(&head) => grpc::not_here(head.uri.path()),
        Err(error) => error_response(&error, request_id.text(), head.version),
    };
    let (status, took) = (response.status().as_u16(), started.elapsed());
    if trace.is_told() {
        trace.end(&Ended {
            listener: LISTENER,
            head: Head::of(&head),
            route: Some(label).filter(|label| *label != NO_ROUTE),
            status,
            grpc: None,
            request_id: request_id.text(),
            peer: Some(&visit.peer),
            caller: admitted.caller(),
            took,
            request_bytes,
            response_bytes: Some(response.body().bytes()),
        });
    }
    response.headers_mut().insert(&X_REQUEST_ID, request_id.into_header());
    desk.count(label, status, took);
    // In HTTP/2 the stream ends with the answer.
    if !is_read
        && head.version < Version::HTTP_2
        && !response.headers().contains_key(CONNECTION)
        && !body::pass(&head.headers, &mut body, &desk.limits()).await
    {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

async fn handle(
    desk: &Desk,
    route: &Route,
    id: &str,
    head: &request::Parts,
    body: &mut Incoming,
    call: Call<'_>,
) -> Result<Reply, ApiError> {
    let _in_flight = desk.enter()?;
    let body = if route.handler.is_door() {
        // What a request carries to an application says nothing here.
        body::read(&head.headers, body, &desk.limits()).await?
    } else if route.method == Method::GET {
        Bytes::new()
    } else {
        body::require_json(&head.headers)?;
        let mut limits = desk.limits();
        if route.handler == Handler::Evaluations {
            limits.body_bytes = limits.batch_bytes;
        }
        body::read(&head.headers, body, &limits).await?
    };
    // Decisions say so themselves; whatever else tells what somebody may do has no word for it.
    let decides = route.handler.is_door()
        || matches!(route.handler, Handler::Authorize | Handler::Evaluation | Handler::Evaluations | Handler::Metadata);
    if !decides && desk.is_expired() {
        return Err(ApiError::new(ErrorCode::PoliciesStale, "the policies are older than allowed"));
    }
    let answer = match route.handler {
        Handler::Authorize => authorize::answer(desk, &body, call).await,
        Handler::Evaluation => authzen::evaluation(desk, id, &body, call).await,
        Handler::Evaluations => authzen::evaluations(desk, id, &body, call).await,
        Handler::Search(sought) => authzen::search(desk, id, sought, body).await,
        Handler::Metadata => authzen::metadata(desk, id),
        Handler::OfConfiguration(about) => questions::of_configuration(desk, about, body).await,
        Handler::OfUser(about) => questions::of_user(desk, about, id, head.uri.query()).await,
        Handler::ForwardAuth => return proxy::forward_auth(desk, head, call).await.map(|verdict| told(desk, verdict)),
        Handler::ExtAuthz => return proxy::ext_authz(desk, head, call).await.map(|verdict| told(desk, verdict)),
    };
    answer.map(Reply::Answer)
}

/// An error of a door as anybody may read it: proxies hand it on to their clients, whom the names of callers are no business of.
fn for_strangers(error: ApiError, request_id: &str) -> ApiError {
    tracing::debug!(event = "door_refused", code = error.code.as_str(), error = %error.message, request_id);
    ApiError { message: error.code.meaning().into(), ..error }
}

fn told(desk: &Desk, verdict: Verdict) -> Reply {
    let revision = desk.revision_header(verdict.revision);
    Reply::Verdict(verdict, revision)
}

/// Keeps a panic within its request: it becomes an answer, and the connection and the worker go on. Log lines in between name the trace.
pub(super) async fn fence<T, E: From<ApiError>>(
    work: impl Future<Output = Result<T, E>>,
    route: &'static str,
    request_id: &str,
    trace: &Trace,
) -> Result<T, E> {
    let mut work = pin!(work);
    poll_fn(|context| {
        trace::within(trace.id(), || {
            // What a panic can leave half done is dropped with the request: the cells of a desk are whole between requests.
            catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))).unwrap_or_else(|_| {
                // The panic's own text has gone where all panics go.
                events::request_failed(LISTENER, route, request_id);
                Poll::Ready(Err(ApiError::new(ErrorCode::Internal, "internal error").into()))
            })
        })
    })
    .await
}

impl Reply {
    fn into_response(self) -> Response<Outgoing> {
        match self {
            Self::Answer(answer) => answer.into_response(),
            Self::Verdict(verdict, revision) => {
                let mut response = Response::new(Outgoing::new(verdict.body));
                *response.status_mut() = verdict.status;
                let headers = response.headers_mut();
                headers.extend(verdict.headers);
                headers.insert(&SIDEGATE_REVISION, revision);
                response
            }
        }
    }
}

impl Answer {
    fn into_response(self) -> Response<Outgoing> {
        let mut response = Response::new(Outgoing::new(self.body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(&SIDEGATE_REVISION, self.revision);
        response
    }
}

fn error_response(error: &ApiError, request_id: &str, version: Version) -> Response<Outgoing> {
    let mut response = Response::new(Outgoing::new(error.body(request_id)));
    *response.status_mut() = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(allow) = error.allow.as_deref().and_then(|allow| HeaderValue::from_str(allow).ok()) {
        headers.insert(ALLOW, allow);
    }
    if let Some(seconds) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.code == ErrorCode::Unauthorized {
        headers.insert(WWW_AUTHENTICATE, credentials::CHALLENGE.clone());
    }
    // In HTTP/2 the stream ends with the answer, whatever of the request is still to come.
    if error.code.closes() && version < Version::HTTP_2 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
