//! Traces: what a request says of the one it belongs to, and spans for a collector.
//!
//! Spans are made where the settings name a collector and nowhere else: without one there is no tracer, and whoever would make a span
//! finds that out by one look at a pointer. Like the log, the tracer is one for the whole process. Nothing here waits for the
//! collector but the exporter: a span that finds no room is dropped and counted.

mod attributes;
mod collector;
mod context;
mod exporter;
mod outgoing;
mod queue;
mod sampler;
mod span;
mod wire;
mod within;

pub use attributes::{ATTRIBUTES, key, reference};
pub use context::{Context, state};
pub use exporter::Exporter;
pub use outgoing::{Outgoing, TRACEPARENT};
pub use span::{Side, Span, Value};
pub(crate) use within::current;
pub use within::within;

use super::Metrics;
use crate::{config::SpanExport, lifecycle::Clock, model::TraceId, tls::TrustError};
use collector::Collector;
use queue::Queue;
use sampler::Sampler;
use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
    time::Duration,
};

static TRACER: OnceLock<Tracer> = OnceLock::new();

/// Makes spans.
#[derive(Debug)]
pub struct Tracer {
    sampler: Sampler,
    queue: Arc<Queue>,
}

/// Whether the settings can be honoured, as far as that shows without asking anybody.
///
/// # Errors
/// Fails where the files of the settings are of no use.
pub fn check(settings: &SpanExport) -> Result<(), TrustError> {
    Collector::new(settings).map(drop)
}

/// Lets spans be made from now on. Whoever calls it runs the exporter.
///
/// # Errors
/// Fails where the files of the settings are of no use.
pub fn start(settings: &SpanExport, metrics: &Metrics) -> Result<Exporter, TrustError> {
    let collector = Collector::new(settings)?;
    let counters = metrics.span_counters();
    let queue = Queue::new(settings.batching.queue, settings.batching.size, counters.dropped.clone());
    let tracer = Tracer { sampler: Sampler::new(settings.sampler), queue: Arc::new(queue) };
    // A second start in one process would have the spans of the first go on where they went.
    let tracer = TRACER.get_or_init(|| tracer);
    Ok(Exporter::new(settings, collector, Arc::clone(&tracer.queue), counters))
}

/// The tracer; `None` where no spans are exported.
#[must_use]
pub fn tracer() -> Option<&'static Tracer> {
    TRACER.get()
}

/// Begins something that is not asked for from elsewhere; `None` where it is not recorded.
#[must_use]
pub fn begin(side: Side, name: &'static str) -> Option<Span> {
    tracer()?.begin(side, name.into(), None)
}

/// Tells of something that is over.
pub fn end(span: Option<Span>) {
    if let (Some(tracer), Some(span)) = (tracer(), span) {
        tracer.end(span);
    }
}

/// Tells of something that has just ended by itself and has taken so long.
pub fn done(name: &'static str, took: Duration, note: impl FnOnce(&mut Span)) {
    let Some(mut span) = begin(Side::Internal, name) else { return };
    let micros = i64::try_from(took.as_micros()).unwrap_or_default();
    span.began = crate::model::Timestamp::from_micros(span.began.as_micros().saturating_sub(micros));
    note(&mut span);
    span.close(Some(took));
    if let Some(tracer) = tracer() {
        tracer.queue.push(span);
    }
}

impl Tracer {
    /// Begins a span, as part of its parent's trace or of a new one; `None` where the trace is not recorded.
    #[must_use]
    pub fn begin(&self, side: Side, name: Cow<'static, str>, parent: Option<&Context>) -> Option<Span> {
        let trace =
            parent.map_or_else(|| TraceId::from_bytes(fastrand::u128(1..).to_be_bytes()), |parent| parent.trace);
        if !self.sampler.samples(trace, parent) {
            return None;
        }
        let context = Context { trace, span: fastrand::u64(1..).to_be_bytes(), sampled: true };
        Some(Span::new(context, parent.map(|parent| parent.span), side, name, Clock::system().now()))
    }

    /// Tells of something that is over.
    pub fn end(&self, mut span: Span) {
        span.close(None);
        self.queue.push(span);
    }
}
