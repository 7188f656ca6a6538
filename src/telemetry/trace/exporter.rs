//! Takes spans from the queue to the collector: in batches, again where the collector may take them later, and never for longer than
//! a batch may take. Whoever makes spans waits for none of it.

use super::{
    Span,
    collector::{Collector, PostError},
    queue::Queue,
    wire::{self, Resource},
};
use crate::{
    config::SpanExport,
    lifecycle::Stop,
    telemetry::{SpanCounters, events},
};
use bytes::Bytes;
use prost::Message as _;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::time::{sleep, timeout};

/// How long the last spans may take once the process stops: nobody waits for a collector that hangs.
const LAST: Duration = Duration::from_millis(500);

/// The wait before a batch is posted again. Each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// Exports spans until it is told to stop.
#[derive(Debug)]
pub struct Exporter {
    queue: Arc<Queue>,
    collector: Collector,
    resource: Resource,
    delay: Duration,
    /// Spans of a full batch.
    size: usize,
    patience: Duration,
    counters: SpanCounters,
    /// Whether the last batch was lost.
    failing: bool,
}

impl Exporter {
    pub(super) fn new(settings: &SpanExport, collector: Collector, queue: Arc<Queue>, counters: SpanCounters) -> Self {
        Self {
            queue,
            collector,
            resource: resource(settings),
            delay: settings.batching.delay,
            size: settings.batching.size,
            patience: settings.timeout,
            counters,
            failing: false,
        }
    }

    /// Exports until the stop, and then what is left, for a moment.
    pub async fn run(mut self, stop: Stop) {
        let (queue, counters) = (Arc::clone(&self.queue), self.counters.clone());
        let failed_before = OnceLock::new();
        let end = async {
            stop.stopped().await;
            failed_before.get_or_init(|| counters.failed.get());
            sleep(LAST).await;
        };
        tokio::select! {
            () = self.work(&stop) => {}
            () = end => {}
        }
        counters.failed.inc_by(queue.len() as u64);
        let lost = failed_before.get().map_or(0, |before| counters.failed.get() - before);
        if lost > 0 {
            events::spans_lost(lost);
        }
    }

    /// Exports until the stop, and then all that is left.
    async fn work(&mut self, stop: &Stop) {
        loop {
            let is_last = self.wait(stop).await;
            loop {
                let batch = self.queue.take();
                let is_full = batch.len() >= self.size;
                if !batch.is_empty() {
                    self.send(batch).await;
                }
                // What has come meanwhile waits for more, unless there is a batch of it.
                if !is_full {
                    break;
                }
            }
            if is_last {
                return;
            }
        }
    }

    /// Waits until there is something to send; `true` where the process stops.
    async fn wait(&self, stop: &Stop) -> bool {
        let due = async {
            tokio::select! {
                () = self.queue.enough() => {}
                () = sleep(self.delay) => {}
            }
        };
        tokio::select! {
            biased;
            () = stop.stopped() => true,
            () = due => false,
        }
    }

    async fn send(&mut self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        let mut sent = Sent { counters: self.counters.clone(), count, refused: count };
        let body = Bytes::from(wire::export(self.resource.clone(), spans).encode_to_vec());
        let mut last = None;
        let outcome = timeout(self.patience, self.persist(body, &mut last)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(last.unwrap_or(PostError::Slow)));
        match outcome {
            Ok(refused) => {
                sent.refused = refused.min(count);
                if self.failing {
                    events::spans_exported_again();
                }
                self.failing = false;
                if refused > 0 {
                    events::spans_refused(refused);
                }
            }
            Err(error) => {
                // Each loss is counted; one line says that it has begun.
                if !self.failing {
                    events::span_export_failed(&error);
                }
                self.failing = true;
            }
        }
    }

    /// Posts a batch until it is taken or cannot be. Why it was not taken so far is left in `last`.
    async fn persist(&mut self, body: Bytes, last: &mut Option<PostError>) -> Result<u64, PostError> {
        let mut wait = FIRST_WAIT;
        loop {
            let error = match self.collector.post(body.clone()).await {
                Ok(refused) => return Ok(refused),
                Err(error) => error,
            };
            // Longer by chance, so that many sidecars do not ask at once.
            let rest = error.after().unwrap_or(wait).min(self.patience).mul_f64(1.0 + fastrand::f64() / 5.0);
            if !error.may_pass() || rest >= self.patience {
                return Err(error);
            }
            *last = Some(error);
            sleep(rest).await;
            wait *= 2;
        }
    }
}

/// A batch that is being sent: counted when it is dropped, whatever has become of it.
struct Sent {
    counters: SpanCounters,
    count: u64,
    /// All of them, until it is known.
    refused: u64,
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.counters.failed.inc_by(self.refused);
        self.counters.exported.inc_by(self.count - self.refused);
    }
}

/// What the spans are of.
fn resource(settings: &SpanExport) -> Resource {
    let own = [
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("telemetry.sdk.name", "sidegate"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    let given = settings.resource.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let left = own.into_iter().filter(|(name, _)| settings.resource.iter().all(|(known, _)| known != name));
    Resource { attributes: given.chain(left).map(|(name, value)| wire::text(name, value)).collect() }
}
