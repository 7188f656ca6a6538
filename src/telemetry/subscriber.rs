//! Where log lines go: standard error, as JSON or for people.

use std::io::{self, IsTerminal as _};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The filter does not parse.
    #[error("`{filter}` is not a log filter")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// A subscriber is there already.
    #[error("logging is set up already")]
    Installed(#[source] tracing_subscriber::util::TryInitError),
}

/// Sends all log lines of the process to standard error: one JSON object a line, or for people where `pretty`. Panics
/// become log lines as well.
pub fn install(pretty: bool, filter: &str) -> Result<(), InstallError> {
    let filter_layer =
        EnvFilter::try_new(filter).map_err(|source| InstallError::Filter { filter: filter.to_owned(), source })?;
    Registry::default().with(filter_layer).with(lines(pretty)).try_init().map_err(InstallError::Installed)?;
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        tracing::error!(event = "panic", location, thread, panic = message, "a part of the process has failed");
    }));
    Ok(())
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
