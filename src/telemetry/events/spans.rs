//! What operators are told of spans and of the log itself.

use super::Chain;
use crate::{config::SpanExport, telemetry::Metrics};
use std::error::Error;
use tracing::{info, warn};

/// Spans are exported from now on.
pub fn spans_exported_to(settings: &SpanExport) {
    let service = settings.resource.iter().find(|(name, _)| name == "service.name").map(|(_, value)| value.as_str());
    info!(event = "spans_exported", endpoint = %settings.endpoint, service, "spans are exported");
    let is_local = matches!(settings.endpoint.host.as_str(), "localhost" | "127.0.0.1" | "::1");
    if !settings.endpoint.secure && !is_local && !settings.headers.is_empty() {
        warn!(
            event = "span_headers_in_the_open",
            endpoint = %settings.endpoint,
            help = "use an endpoint with `https`, unless something else encrypts what goes there",
            "the headers of the export go through the network without TLS"
        );
    }
}

/// A batch of spans is lost, and those after it are until it is told otherwise.
pub fn span_export_failed(error: &(dyn Error + 'static)) {
    warn!(event = "span_export_failed", error = %Chain(error), "spans cannot be exported; they are dropped and counted");
}

/// Spans are exported again.
pub fn spans_exported_again() {
    info!(event = "spans_exported_again", "spans are exported again");
}

/// The collector has taken a batch, but not all of it.
pub fn spans_refused(count: u64) {
    warn!(event = "spans_refused", count, "the collector has refused spans");
}

/// The process ends before these were exported.
pub fn spans_lost(count: u64) {
    warn!(event = "spans_lost", count, "spans could not be exported before the end");
}

/// Log lines of one sort were too many to be written.
pub fn log_lines_held_back(metrics: &Metrics, what: &str, target: &str, count: u64) {
    metrics.log_lines.repeated.inc_by(count);
    warn!(
        event = "log_lines_held_back",
        what,
        target_of_lines = target,
        count,
        "more lines of one sort than are written"
    );
}

/// Lines of the access log for which standard error was too slow.
pub fn access_lines_lost(metrics: &Metrics, count: u64) {
    metrics.log_lines.slow.inc_by(count);
    warn!(event = "access_lines_lost", count, "requests are missing in the access log: standard error was too slow");
}
