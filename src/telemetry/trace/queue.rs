//! Spans that wait to be exported: bounded, and no span waits for room.

use super::Span;
use prometheus::IntCounter;
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// Spans on their way to the exporter.
#[derive(Debug)]
pub(super) struct Queue {
    spans: Mutex<VecDeque<Span>>,
    /// Told when there are enough for a batch: waking the exporter for each span would cost more than the span.
    enough: Notify,
    most: usize,
    batch: usize,
    dropped: IntCounter,
}

impl Queue {
    /// Holds `most` spans, of which `batch` are enough to be sent. What finds no room is counted by `dropped`.
    pub(super) fn new(most: usize, batch: usize, dropped: IntCounter) -> Self {
        Self { spans: Mutex::default(), enough: Notify::new(), most, batch, dropped }
    }

    /// Takes a span, or drops it.
    pub(super) fn push(&self, span: Span) {
        let count = {
            let mut spans = self.lock();
            if spans.len() < self.most {
                spans.push_back(span);
                spans.len()
            } else {
                0
            }
        };
        match count {
            0 => self.dropped.inc(),
            count if count == self.batch => self.enough.notify_one(),
            _ => {}
        }
    }

    /// The next batch, the oldest spans; empty where none wait.
    pub(super) fn take(&self) -> Vec<Span> {
        let mut spans = self.lock();
        let count = spans.len().min(self.batch);
        spans.drain(..count).collect()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Resolves when there are enough for a batch.
    pub(super) async fn enough(&self) {
        if self.len() < self.batch {
            self.enough.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Span>> {
        // The list is whole after every statement.
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Timestamp, TraceId},
        telemetry::trace::{Context, Side},
    };

    fn span(number: u8) -> Span {
        let context = Context { trace: TraceId::from_bytes([number; 16]), span: [number; 8], sampled: true };
        Span::new(context, None, Side::Internal, "test".into(), Timestamp::from_micros(0))
    }

    fn numbers(spans: &[Span]) -> Vec<u8> {
        spans.iter().map(|span| span.context.span[0]).collect()
    }

    #[tokio::test]
    async fn the_oldest_come_first_and_what_finds_no_room_is_counted() {
        let dropped = IntCounter::new("dropped", "dropped").unwrap();
        let queue = Queue::new(5, 2, dropped.clone());
        for number in 1..=7 {
            queue.push(span(number));
        }
        assert_eq!((queue.len(), dropped.get()), (5, 2));
        queue.enough().await;
        assert_eq!(numbers(&queue.take()), [1, 2]);
        assert_eq!(numbers(&queue.take()), [3, 4]);
        assert_eq!(numbers(&queue.take()), [5]);
        assert!(queue.take().is_empty());
    }
}
