//! The metrics of mail.

use super::{
    MailOutcome, Metrics,
    metrics::{counters, integer, saturating},
    table,
};
use arc_swap::ArcSwapOption;
use prometheus::{IntCounterVec, IntGauge, Registry};
use std::sync::Arc;

/// Letters by outcome, and how many wait.
pub(super) struct MailMetrics {
    letters: IntCounterVec,
    queue_depth: IntGauge,
    depth: ArcSwapOption<DepthSource>,
}

type DepthSource = Box<dyn Fn() -> u64 + Send + Sync>;

impl MailMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let letters = counters(registry, &table::MAIL_LETTERS);
        for outcome in MailOutcome::ALL {
            letters.with_label_values(&[outcome.as_str()]).inc_by(0);
        }
        Self { letters, queue_depth: integer(registry, &table::MAIL_QUEUE_DEPTH), depth: ArcSwapOption::empty() }
    }

    pub(super) fn refresh(&self) {
        if let Some(depth) = &*self.depth.load() {
            self.queue_depth.set(saturating(depth()));
        }
    }
}

impl Metrics {
    /// Counts one attempt to send a mail.
    pub fn mail_letter(&self, outcome: MailOutcome) {
        self.mail.letters.with_label_values(&[outcome.as_str()]).inc();
    }

    /// Says where the number of waiting mails comes from. It is asked for at each scrape.
    pub fn watch_mail(&self, depth: impl Fn() -> u64 + Send + Sync + 'static) {
        self.mail.depth.store(Some(Arc::new(Box::new(depth))));
    }
}
