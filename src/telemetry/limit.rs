//! Holds log lines back where there would be a flood: of what one place in the code says, so many lines within an interval are
//! written, and then one line tells how many more there were.
//!
//! It stands between the filter and the writer and so holds for every line of the process, those of libraries included. Lines that
//! somebody has asked for are not held back: `debug` and `trace`, the access log, and what is wrong with files.

use super::{Metrics, access, events};
use crate::lifecycle::Stop;
use rustc_hash::FxHashMap;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::sleep;
use tracing::{
    Event, Level, Metadata, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

/// Lines of one place that are written within one [`INTERVAL`].
const MOST: u32 = 50;

/// See [`MOST`].
const INTERVAL: Duration = Duration::from_secs(10);

/// The target of lines that tell what is wrong with files: there are as many as there are problems, and each is told once.
pub(super) const FINDINGS: &str = "sidegate::findings";

/// Counts the lines of each place. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct LogLimit(Arc<Mutex<Sites>>);

type Sites = FxHashMap<Identifier, Site>;

/// What one place has said within the interval.
#[derive(Debug)]
struct Site {
    lines: u32,
    /// Known once lines are held back.
    event: String,
    target: &'static str,
}

/// Lines that were held back.
#[derive(Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// Their `event`, or the place in the code where they have none.
    pub event: String,
    /// Their target.
    pub target: &'static str,
    /// How many.
    pub count: u32,
}

impl LogLimit {
    /// Tells of what was held back, interval by interval, until the stop and then once more.
    pub async fn run(self, metrics: Arc<Metrics>, stop: Stop) {
        loop {
            let stopped = tokio::select! {
                () = stop.stopped() => true,
                () = sleep(INTERVAL) => false,
            };
            for HeldBack { event, target, count } in self.turn() {
                events::log_lines_held_back(&metrics, &event, target, count.into());
            }
            let lost = access::take_lost();
            if lost > 0 {
                events::access_lines_lost(&metrics, lost);
            }
            if stopped {
                return;
            }
        }
    }

    /// Begins the next interval; answers what was held back in the last one.
    fn turn(&self) -> Vec<HeldBack> {
        let mut held = Vec::new();
        for Site { lines, event, target } in self.sites().values_mut() {
            if *lines > MOST {
                held.push(HeldBack { event: std::mem::take(event), target, count: *lines - MOST });
            }
            *lines = 0;
        }
        held
    }

    fn admits(&self, metadata: &'static Metadata<'static>, name: impl FnOnce() -> String) -> bool {
        if *metadata.level() > Level::INFO || metadata.target() == access::TARGET || metadata.target() == FINDINGS {
            return true;
        }
        let mut sites = self.sites();
        let site = sites.entry(metadata.callsite()).or_insert_with(|| Site {
            lines: 0,
            event: String::new(),
            target: metadata.target(),
        });
        site.lines = site.lines.saturating_add(1);
        if site.lines > MOST && site.event.is_empty() {
            site.event = name();
        }
        site.lines <= MOST
    }

    fn sites(&self) -> MutexGuard<'_, Sites> {
        // Counts are whole after every step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for LogLimit {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        self.admits(metadata, || {
            let mut name = Name(metadata.name().to_owned());
            event.record(&mut name);
            name.0
        })
    }
}

/// Finds what a line has in `event`.
struct Name(String);

impl Visit for Name {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "event" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::{EnvFilter, fmt::MakeWriter, layer::SubscriberExt as _};

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'w> MakeWriter<'w> for Written {
        type Writer = Self;

        fn make_writer(&'w self) -> Self {
            self.clone()
        }
    }

    impl Written {
        fn count(&self, word: &str) -> usize {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap().matches(word).count()
        }
    }

    #[test]
    fn each_place_says_so_much_and_the_rest_is_counted() {
        let (limit, written) = (LogLimit::default(), Written::default());
        let subscriber = tracing_subscriber::registry()
            .with(EnvFilter::new("trace"))
            .with(limit.clone())
            .with(tracing_subscriber::fmt::layer().with_writer(written.clone()));
        tracing::subscriber::with_default(subscriber, || {
            let flood = |times: u32| {
                for number in 0..times {
                    tracing::warn!(event = "flooded", number, "alpha");
                    tracing::debug!("beta");
                    tracing::info!(target: FINDINGS, "gamma");
                }
            };
            flood(MOST + 25);
            tracing::warn!("delta");
            assert_eq!((written.count("alpha"), written.count("delta")), (MOST as usize, 1));
            for asked_for in ["beta", "gamma"] {
                assert_eq!(written.count(asked_for), MOST as usize + 25, "{asked_for}");
            }
            let target = module_path!();
            assert_eq!(limit.turn(), [HeldBack { event: "flooded".to_owned(), target, count: 25 }]);
            assert_eq!(limit.turn(), [], "it is told once");
            flood(1);
            assert_eq!(written.count("alpha"), MOST as usize + 1, "the next interval has lines of its own");
        });
    }
}
