//! Where log lines go: standard error, as JSON or for people.

use std::io::{self, IsTerminal as _};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt};

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
pub struct LogLevel(reload::Handle<EnvFilter, Registry>);

impl LogLevel {
    /// Logs by another filter from now on.
    pub fn set(&self, filter: &str) -> Result<(), FilterError> {
        let filter = parse(filter)?;
        // The subscriber lives as long as the process.
        drop(self.0.reload(filter));
        Ok(())
    }
}

fn parse(filter: &str) -> Result<EnvFilter, FilterError> {
    EnvFilter::try_new(filter).map_err(|source| FilterError { filter: filter.to_owned(), source })
}

/// Sends all log lines of the process to standard error: one JSON object a line, or for people where `pretty`. Panics
/// become log lines as well.
pub fn install(pretty: bool, filter: &str) -> Result<LogLevel, InstallError> {
    let (filter, level) = reload::Layer::new(parse(filter).map_err(InstallError::Filter)?);
    Registry::default().with(filter).with(lines(pretty)).try_init().map_err(InstallError::Installed)?;
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        tracing::error!(event = "panic", location, thread, panic = message, "a part of the process has failed");
    }));
    Ok(LogLevel(level))
}

/// A write error of the log is not reported: there is no other place to report it to.
fn lines<S>(pretty: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
{
    let layer = fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    if pretty {
        layer.with_ansi(io::stderr().is_terminal()).with_target(false).boxed()
    } else {
        layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
    }
}
