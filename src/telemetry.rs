//! Logs and metrics: the subscriber, the metric registry, and one function per operational event that logs and counts.
//!
//! Every metric stands in one table ([`reference()`] prints it), every series that can be known is there from the start at
//! zero, and no label carries an id from a request.

mod decisions;
mod doors;
pub mod events;
mod mail;
mod metrics;
mod reference;
mod subscriber;
mod table;
mod tokens;

pub use decisions::DecisionCounters;
pub use doors::{CallerCounters, Handshake, TlsReload};
pub use metrics::{AuditFigures, HttpSeries, Metrics};
pub use reference::reference;
pub use subscriber::{FilterError, InstallError, LogLevel, install};
pub use table::{ConfigOutcome, MailOutcome, ReloadOutcome, ShadowOutcome};
pub use tokens::TokenFigures;
