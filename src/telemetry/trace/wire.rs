//! The messages of OTLP, as far as anything is said in them here.
//!
//! Names and numbers are those of `open-telemetry/opentelemetry-proto`, folders `trace/v1`, `resource/v1`, `common/v1` and
//! `collector/trace/v1`.

use super::{Side, Span, Value};
use prost::{Message, Oneof};

/// `ExportTraceServiceRequest`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Export {
    #[prost(message, repeated, tag = "1")]
    pub(super) resource_spans: Vec<ResourceSpans>,
}

/// `ExportTraceServiceResponse`
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Answer {
    #[prost(message, optional, tag = "1")]
    pub(super) partial_success: Option<PartialSuccess>,
}

/// `ExportTracePartialSuccess`
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected_spans: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

/// `ResourceSpans`
#[derive(Clone, PartialEq, Message)]
pub(super) struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    pub(super) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(super) scope_spans: Vec<ScopeSpans>,
}

/// `Resource`
#[derive(Clone, PartialEq, Message)]
pub(super) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(super) attributes: Vec<KeyValue>,
}

/// `ScopeSpans`
#[derive(Clone, PartialEq, Message)]
pub(super) struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    pub(super) scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    pub(super) spans: Vec<OneSpan>,
}

/// `InstrumentationScope`
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Scope {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) version: String,
}

/// `Span`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OneSpan {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(super) trace_state: String,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub(super) name: String,
    #[prost(int32, tag = "6")]
    pub(super) kind: i32,
    #[prost(fixed64, tag = "7")]
    pub(super) start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub(super) end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    pub(super) attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    pub(super) status: Option<Status>,
    #[prost(fixed32, tag = "16")]
    pub(super) flags: u32,
}

/// `Status`
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Status {
    #[prost(int32, tag = "3")]
    pub(super) code: i32,
}

/// `KeyValue`
#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(message, optional, tag = "2")]
    pub(super) value: Option<AnyValue>,
}

/// `AnyValue`
#[derive(Clone, PartialEq, Message)]
pub(super) struct AnyValue {
    #[prost(oneof = "AnyKind", tags = "1, 3")]
    pub(super) value: Option<AnyKind>,
}

/// What an `AnyValue` can be.
#[derive(Clone, PartialEq, Eq, Oneof)]
pub(super) enum AnyKind {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(int64, tag = "3")]
    Whole(i64),
}

/// `STATUS_CODE_ERROR`
const ERROR: i32 = 2;
/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK`
const TELLS_WHERE: u32 = 0x100;
/// `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`
const PARENT_IS_REMOTE: u32 = 0x200;

/// A text to be known.
pub(super) fn text(key: &str, text: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(AnyKind::Text(text.to_owned())) }) }
}

/// What is posted for a batch.
pub(super) fn export(resource: Resource, spans: Vec<Span>) -> Export {
    let scope = Scope { name: "sidegate".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let scope_spans = ScopeSpans { scope: Some(scope), spans: spans.into_iter().map(Into::into).collect() };
    Export { resource_spans: vec![ResourceSpans { resource: Some(resource), scope_spans: vec![scope_spans] }] }
}

impl From<Span> for OneSpan {
    fn from(span: Span) -> Self {
        let start = u64::try_from(span.began.as_micros()).unwrap_or_default().saturating_mul(1_000);
        // Only what is asked from elsewhere has a parent: what happens here by itself is the first of its trace.
        let remote = if span.parent.is_some() { PARENT_IS_REMOTE } else { 0 };
        Self {
            trace_id: span.context.trace.to_bytes().to_vec(),
            span_id: span.context.span.to_vec(),
            trace_state: span.state,
            parent_span_id: span.parent.map(|parent| parent.to_vec()).unwrap_or_default(),
            name: span.name.into_owned(),
            kind: match span.side {
                Side::Internal => 1,
                Side::Server => 2,
                Side::Client => 3,
            },
            start_time_unix_nano: start,
            end_time_unix_nano: start.saturating_add(span.nanoseconds),
            attributes: span.attributes.into_iter().map(Into::into).collect(),
            status: span.failed.then_some(Status { code: ERROR }),
            flags: u32::from(span.context.sampled) | TELLS_WHERE | remote,
        }
    }
}

impl From<(&'static str, Value)> for KeyValue {
    fn from((key, value): (&'static str, Value)) -> Self {
        let kind = match value {
            Value::Text(text) => AnyKind::Text(text.into_owned()),
            Value::Whole(number) => AnyKind::Whole(number),
        };
        Self { key: key.to_owned(), value: Some(AnyValue { value: Some(kind) }) }
    }
}
