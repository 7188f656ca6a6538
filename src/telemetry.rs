//! Logs, metrics and traces: the subscriber, the metric registry, one function per operational event that logs and counts, and spans.
//!
//! Every metric stands in one table ([`reference()`] prints it), every series that can be known is there from the start at
//! zero, and no label carries an id from a request.

pub mod access;
mod audit;
mod decisions;
mod doors;
pub mod events;
mod limit;
mod mail;
mod metrics;
mod reference;
mod spans;
mod subscriber;
mod table;
mod tokens;
pub mod trace;

pub use audit::AuditFigures;
pub use decisions::DecisionCounters;
pub use doors::{CallerCounters, Handshake, TlsReload};
pub use limit::{HeldBack, LogLimit};
pub use metrics::{HttpSeries, Metrics, PoliciesFigures};
pub use reference::reference;
pub use spans::SpanCounters;
pub use subscriber::{FilterError, InstallError, LogLevel, install};
pub use table::{ConfigOutcome, MailOutcome, ReloadOutcome, ShadowOutcome};
pub use tokens::TokenFigures;
