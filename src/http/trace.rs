//! One request as others follow it: its place in a trace, its span, its line in the access log.
//!
//! Where nothing of it is wanted, a request pays for one look at its headers.

use super::{ops, peer::Peer};
use crate::{
    model::{Decision, TraceId},
    telemetry::{
        access,
        trace::{self, Context, Side, Span, key},
    },
};
use hyper::{
    HeaderMap, Method, Version,
    header::{HeaderName, HeaderValue},
    http::request,
};
use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The trace of a request.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// What the request says of it.
    brought: Cell<Option<Context>>,
    /// What is told of the request, where spans are exported and its trace is recorded. Boxed: most requests have none.
    span: RefCell<Option<Box<Span>>>,
    /// Decisions, and how many of them allow.
    decisions: Cell<(usize, usize)>,
}

/// What is known of a request once it is answered.
#[derive(Debug)]
pub(super) struct Ended<'e> {
    /// Which listener.
    pub(super) listener: &'static str,
    /// The request's head, as far as it is told.
    pub(super) head: Head<'e>,
    /// The route's pattern; `None` where no route takes the path.
    pub(super) route: Option<&'static str>,
    /// The status that it is counted by.
    pub(super) status: u16,
    /// The number of the status of a call of gRPC.
    pub(super) grpc: Option<i32>,
    /// `X-Request-ID`.
    pub(super) request_id: &'e str,
    /// Who is at the other end.
    pub(super) peer: Option<&'e Peer>,
    /// The name of whoever asks.
    pub(super) caller: &'e str,
    /// How long it took.
    pub(super) took: Duration,
    /// Bytes of its body, where they are known.
    pub(super) request_bytes: Option<u64>,
    /// Bytes of the answer's body, where they are known.
    pub(super) response_bytes: Option<u64>,
}

/// What is told of a request's head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'e> {
    pub(super) method: &'e Method,
    pub(super) path: &'e str,
    pub(super) version: Version,
}

impl<'e> Head<'e> {
    pub(super) fn of(parts: &'e request::Parts) -> Self {
        Self { method: &parts.method, path: parts.uri.path(), version: parts.version }
    }
}

impl Trace {
    /// The trace of a request with these headers.
    pub(super) fn begin(headers: &HeaderMap) -> Self {
        let brought = context(headers);
        Self { brought: Cell::new(brought), span: RefCell::new(span(brought, headers)), decisions: Cell::default() }
    }

    /// The same without a span: for requests that are many and say little.
    pub(super) fn without_span(headers: &HeaderMap) -> Self {
        Self { brought: Cell::new(context(headers)), ..Self::default() }
    }

    /// Where the request says nothing of a trace itself, the one that it is about does.
    pub(super) fn adopt(&self, headers: &HeaderMap) {
        if self.brought.get().is_some() {
            return;
        }
        if let Some(brought) = context(headers) {
            self.brought.set(Some(brought));
            *self.span.borrow_mut() = span(Some(brought), headers);
        }
    }

    /// The trace; none where the request says nothing and no span is recorded.
    pub(super) fn id(&self) -> TraceId {
        match self.brought.get() {
            Some(context) => context.trace,
            None => self.span.borrow().as_ref().map_or(TraceId::NONE, |span| span.context().trace),
        }
    }

    /// Notes a decision. What there is to tell of it is told of a request with one; of several they are counted.
    pub(super) fn decided(&self, decision: Decision, tell: impl FnOnce(&mut Span)) {
        let mut span = self.span.borrow_mut();
        let Some(span) = &mut *span else { return };
        let (asked, allowed) = self.decisions.get();
        self.decisions.set((asked + 1, allowed + usize::from(decision == Decision::Allow)));
        match asked {
            0 => tell(span),
            1 => span.truncate(0),
            _ => {}
        }
    }

    /// Whether anybody wants to know of the end.
    pub(super) fn is_told(&self) -> bool {
        access::is_on() || self.span.borrow().is_some()
    }

    /// Tells that the request was answered.
    pub(super) fn end(&self, ended: &Ended<'_>) {
        if access::is_on() {
            access::record(ended.line(self.id()));
        }
        if let (Some(mut span), Some(tracer)) = (self.span.take(), trace::tracer()) {
            ended.describe(&mut span);
            if let (asked @ 2.., allowed) = self.decisions.get() {
                span.whole(key::DECISIONS, asked);
                span.whole(key::ALLOWED, allowed);
            }
            tracer.end(*span);
        }
    }
}

/// What the headers say of a trace. More than one `traceparent` says nothing.
fn context(headers: &HeaderMap) -> Option<Context> {
    let mut all = headers.get_all(&TRACEPARENT).iter();
    let header = all.next()?;
    if all.next().is_some() { None } else { Context::parse(header.as_bytes()) }
}

fn span(parent: Option<Context>, headers: &HeaderMap) -> Option<Box<Span>> {
    let mut span = trace::tracer()?.begin(Side::Server, "".into(), parent.as_ref())?;
    if parent.is_some() {
        span.state(trace::state(headers.get_all(&TRACESTATE).iter().map(HeaderValue::as_bytes)));
    }
    Some(Box::new(span))
}

impl Ended<'_> {
    fn line(&self, trace_id: TraceId) -> access::Line {
        access::Line {
            listener: self.listener,
            method: self.head.method.to_string(),
            route: self.route.unwrap_or("other"),
            status: self.status,
            took: self.took,
            request_id: self.request_id.to_owned(),
            trace_id,
            peer: self.peer.and_then(Peer::ip),
            caller: self.caller.to_owned(),
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
        }
    }

    fn describe(&self, span: &mut Span) {
        let Head { path, version, .. } = self.head;
        let method = known(self.head.method);
        span.word(key::METHOD, method);
        span.word(key::SCHEME, if self.peer.is_some_and(|peer| peer.is_secure) { "https" } else { "http" });
        if let Some(route) = self.route {
            span.word(key::ROUTE, route);
            // A path that says more than its route may name somebody.
            if route == path {
                span.word(key::PATH, route);
            }
        }
        match (self.grpc, self.route) {
            (Some(code), route) => {
                let called = route.unwrap_or_default().trim_start_matches('/');
                span.word(key::RPC_SYSTEM, "grpc");
                if let Some((service, method)) = called.split_once('/') {
                    span.word(key::RPC_SERVICE, service);
                    span.word(key::RPC_METHOD, method);
                }
                span.whole(key::RPC_STATUS, code);
                span.name(if called.is_empty() { "grpc" } else { called });
            }
            (None, Some(route)) => span.name(format!("{method} {route}")),
            (None, None) => span.name(method),
        }
        span.whole(key::STATUS, self.status);
        if self.status >= 500 {
            span.text(key::ERROR, &self.status.to_string());
            span.fail();
        }
        match version {
            Version::HTTP_2 => span.word(key::PROTOCOL, "2"),
            Version::HTTP_10 => span.word(key::PROTOCOL, "1.0"),
            _ => span.word(key::PROTOCOL, "1.1"),
        }
        if let Some(peer) = self.peer.and_then(Peer::ip) {
            span.text(key::PEER, &peer.to_string());
        }
        span.word(key::LISTENER, self.listener);
        span.text(key::REQUEST_ID, self.request_id);
        span.text(key::CALLER, self.caller);
    }
}

/// Whether requests of a listener have spans: probes and scrapes are many and say little.
pub(super) fn is_traced(listener: &str) -> bool {
    listener != ops::LISTENER
}

/// The method, where it is one of HTTP's.
fn known(method: &Method) -> &'static str {
    const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    METHODS.into_iter().find(|known| *known == method.as_str()).unwrap_or("_OTHER")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (TRACEPARENT.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn the_trace_is_that_of_one_header_as_it_must_be() {
        let whole = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for (values, id) in
            [(&[][..], ""), (&[whole], "0af7651916cd43dd8448eb211c80319c"), (&[whole, whole], ""), (&["nonsense"], "")]
        {
            assert_eq!(Trace::begin(&headers(values)).id().to_string(), id, "{values:?}");
        }
    }

    #[test]
    fn a_request_about_another_belongs_to_its_trace_where_it_names_none() {
        let [own, other] = [
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000007-00000000000000ff-00",
        ];
        let trace = Trace::begin(&headers(&[]));
        trace.adopt(&headers(&[other]));
        assert_eq!(trace.id(), TraceId::parse("00000000000000000000000000000007"));
        trace.adopt(&headers(&[own]));
        assert_eq!(trace.id(), TraceId::parse("00000000000000000000000000000007"), "the first counts");
        let trace = Trace::begin(&headers(&[own]));
        trace.adopt(&headers(&[other]));
        assert_eq!(trace.id(), TraceId::parse("0af7651916cd43dd8448eb211c80319c"));
    }
}
