//! The frame around every answer: request id, error bodies in one shape, a fence against panics, metrics.

use crate::{
    http::{
        ApiError, ErrorCode, credentials,
        peer::{CallerName, Peer},
        request_id,
        trace::{self, Ended, Head, Trace},
    },
    lifecycle::Clock,
    model::TraceId,
    telemetry::{self, Metrics, events},
};
use axum::{
    Router,
    body::{self, Body, HttpBody as _},
    extract::{MatchedPath, Request},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode, Version,
        header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Instant,
};
use ulid::Ulid;

/// Longest text of an extractor's refusal that is passed on.
const MOST_REFUSAL_BYTES: usize = 4096;

/// The label of requests that no route takes.
const NO_ROUTE: &str = "other";

/// An [`ApiError`] as axum's handlers return it; the frame writes its body, since only the frame knows the request's id.
#[derive(Debug, Clone)]
pub(in crate::http) struct Error(pub(in crate::http) ApiError);

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[derive(Debug, Clone)]
struct Frame {
    listener: &'static str,
    metrics: Arc<Metrics>,
    routes: Arc<[&'static str]>,
}

/// Puts the frame around all routes of a listener; `expected` are the paths that it has, for the metrics.
pub(in crate::http) fn framed(
    served: Router,
    listener: &'static str,
    metrics: &Arc<Metrics>,
    expected: &[(&'static str, impl AsRef<[u16]>)],
) -> Router {
    for (route, codes) in expected {
        metrics.http_route(listener, route, codes.as_ref());
    }
    metrics.http_route(listener, NO_ROUTE, &[404]);
    let routes = expected.iter().map(|(route, _)| *route).collect();
    let frame = Frame { listener, metrics: Arc::clone(metrics), routes };
    served
        .fallback(async || Error(ApiError::new(ErrorCode::NotFound, "no such path")))
        .method_not_allowed_fallback(async || {
            Error(ApiError::new(ErrorCode::MethodNotAllowed, "no such method on this path"))
        })
        .layer(middleware::from_fn_with_state(frame, answer))
}

async fn answer(
    axum::extract::State(frame): axum::extract::State<Frame>,
    path: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let request_id = request_id_of(request.headers());
    // Whoever writes an error itself names the same id.
    request.headers_mut().insert(&request_id::X_REQUEST_ID, request_id.clone());
    let is_traced = trace::is_traced(frame.listener);
    let trace = if is_traced { Trace::begin(request.headers()) } else { Trace::without_span(request.headers()) };
    request.extensions_mut().insert(trace.id());
    let told = trace.is_told().then(|| Told::of(&request));
    let known = |path: &MatchedPath| frame.routes.iter().copied().find(|route| *route == path.as_str());
    let taken = path.as_ref().and_then(known);
    let route = taken.unwrap_or(NO_ROUTE);
    let response = fence(next.run(request), trace.id()).await.unwrap_or_else(|| {
        telemetry::trace::within(trace.id(), || {
            events::request_failed(frame.listener, route, request_id.to_str().unwrap_or_default());
        });
        Error(ApiError::new(ErrorCode::Internal, "internal error")).into_response()
    });
    let caller = response.extensions().get::<CallerName>().cloned();
    let mut response = complete(response, &request_id).await;
    // What these listeners tell holds for the moment only.
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let (status, took) = (response.status().as_u16(), started.elapsed());
    if let Some(told) = told {
        trace.end(&Ended {
            listener: frame.listener,
            head: Head { method: &told.method, path: &told.path, version: told.version },
            route: taken,
            status,
            grpc: None,
            request_id: &String::from_utf8_lossy(request_id.as_bytes()),
            peer: told.peer.as_deref(),
            caller: caller.as_ref().map_or("", |CallerName(name)| name),
            took,
            request_bytes: told.bytes,
            response_bytes: response.body().size_hint().exact(),
        });
    }
    response.headers_mut().insert(&request_id::X_REQUEST_ID, request_id);
    frame.metrics.http_request(frame.listener, route, status, took);
    response
}

/// What is told of a request after it has gone to whoever answers it.
struct Told {
    method: Method,
    path: String,
    version: Version,
    peer: Option<Arc<Peer>>,
    bytes: Option<u64>,
}

impl Told {
    fn of(request: &Request) -> Self {
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            version: request.version(),
            peer: request.extensions().get().cloned(),
            bytes: request.body().size_hint().exact(),
        }
    }
}

fn request_id_of(headers: &HeaderMap) -> HeaderValue {
    headers.get(&request_id::X_REQUEST_ID).cloned().unwrap_or_else(|| {
        let milliseconds = u64::try_from(Clock::system().now().as_micros() / 1000).unwrap_or_default();
        let id = Ulid::from_parts(milliseconds, fastrand::u128(..)).to_string();
        // A ULID is letters and digits.
        HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static(""))
    })
}

/// Keeps a panic within its request. Log lines in between name the trace.
async fn fence(work: impl Future<Output = Response>, trace: TraceId) -> Option<Response> {
    let mut work = pin!(work);
    poll_fn(|context| {
        telemetry::trace::within(trace, || {
            catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context).map(Some))).unwrap_or(Poll::Ready(None))
        })
    })
    .await
}

/// Gives an error its body. Refusals of extractors, which are plain text, get the same shape.
async fn complete(response: Response, request_id: &HeaderValue) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let is_json =
        response.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let known = response.extensions().get::<Error>().cloned();
    if is_json && known.is_none() {
        return response;
    }
    let (head, old) = response.into_parts();
    let error = if let Some(Error(error)) = known {
        error
    } else {
        let text = body::to_bytes(old, MOST_REFUSAL_BYTES).await.unwrap_or_default();
        let message = String::from_utf8_lossy(&text).trim().to_owned();
        ApiError::new(code_of(status), if message.is_empty() { status.to_string() } else { message })
    };
    let text = error.body(&String::from_utf8_lossy(request_id.as_bytes()));
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(error.code.status()).unwrap_or(status);
    let headers = response.headers_mut();
    if let Some(allow) = head.headers.get(ALLOW) {
        headers.insert(ALLOW, allow.clone());
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = error.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.code == ErrorCode::Unauthorized {
        headers.insert(WWW_AUTHENTICATE, credentials::CHALLENGE.clone());
    }
    response
}

fn code_of(status: StatusCode) -> ErrorCode {
    match status {
        StatusCode::NOT_FOUND => ErrorCode::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ErrorCode::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::BodyTooLarge,
        status if status.is_client_error() => ErrorCode::MalformedRequest,
        _ => ErrorCode::Internal,
    }
}
