//! Where log lines go: standard error, as JSON or for people.

use super::{limit::LogLimit, trace};
use std::{
    fmt as text,
    io::{self, IsTerminal as _},
};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    fmt::{self, FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt,
};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The filter does not parse.
    #[error(transparent)]
    Filter(FilterError),
    /// A subscriber is there already.
    #[error("logging is set up already")]
    Installed(#[source] tracing_subscriber::util::TryInitError),
}

/// Why a filter cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{filter}` is not a log filter")]
pub struct FilterError {
    /// What was given.
    pub filter: String,
    /// What is wrong with it.
    #[source]
    pub source: tracing_subscriber::filter::ParseError,
}

/// Changes what is logged while the process runs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogLevel {
    filter: reload::Handle<EnvFilter, Registry>,
    limit: LogLimit,
}

impl LogLevel {
    /// Tells of the lines that are held back.
    #[must_use]
    pub fn limit(&self) -> LogLimit {
        self.limit.clone()
    }

    /// Logs by another filter from now on.
    pub fn set(&self, filter: &str) -> Result<(), FilterError> {
        let filter = parse(filter)?;
        // The subscriber lives as long as the process.
        drop(self.filter.reload(filter));
        Ok(())
    }
}

fn parse(filter: &str) -> Result<EnvFilter, FilterError> {
    EnvFilter::try_new(filter).map_err(|source| FilterError { filter: filter.to_owned(), source })
}

/// Sends all log lines of the process to standard error: one JSON object a line, or for people where `pretty`. Panics
/// become log lines as well.
pub fn install(pretty: bool, filter: &str) -> Result<LogLevel, InstallError> {
    let (layer, filter) = reload::Layer::new(parse(filter).map_err(InstallError::Filter)?);
    let limit = LogLimit::default();
    Registry::default()
        .with(layer)
        .with(limit.clone())
        .with(lines(pretty))
        .try_init()
        .map_err(InstallError::Installed)?;
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        tracing::error!(event = "panic", location, thread, panic = message, "a part of the process has failed");
    }));
    Ok(LogLevel { filter, limit })
}

/// A write error of the log is not reported: there is no other place to report it to.
fn lines<S>(pretty: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let layer = fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    if pretty {
        layer.with_ansi(io::stderr().is_terminal()).with_target(false).map_event_format(Traced).boxed()
    } else {
        let layer = layer.json().flatten_event(true).with_current_span(false).with_span_list(false);
        layer.map_event_format(Traced).boxed()
    }
}

/// Adds the trace that a line was written for, as the last of its fields.
struct Traced<F>(F);

impl<S, N, F> FormatEvent<S, N> for Traced<F>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> text::Result {
        let trace = trace::current();
        if trace.is_none() {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_suffix("}\n") {
            Some(object) => writeln!(writer, r#"{object},"trace_id":"{trace}"}}"#),
            None => writeln!(writer, "{} trace_id={trace}", line.trim_end()),
        }
    }
}
