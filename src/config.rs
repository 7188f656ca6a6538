//! Settings: file, environment and flags, checked as a whole.
//!
//! One table of keys (`keys`) drives reading, unknown-key hints, environment names and `config/reference.yaml`. A flag
//! wins over the environment, the environment over the file, the file over the default. Every problem is reported at
//! once, with its place; a security setting that cannot be honoured is a problem. Only this module reads the environment.

mod callers;
mod check;
mod entries;
mod file;
mod keys;
mod kinds;
mod live;
mod load;
mod mail;
mod otel;
mod proxies;
mod redact;
mod reference;
mod sample;
mod schema;
mod secret;
mod settings;
mod subjects;
mod tls;
mod tokens;
mod units;
mod web;

pub use callers::{AdminClient, Caller, CallerScope};
pub use live::{Change, Live};
pub use load::{Error, Flag, Sources, environment, load, read, settle};
pub use mail::{Mail, MailRetry, MailTransport, Smtp, SmtpTls};
pub use otel::{Batching, Sampler, SpanExport, VARIABLES as TRACING_VARIABLES};
pub use proxies::{Network, NobodyToTrust, Proxy, Trusted};
pub use redact::{RedactAction, RedactField, RedactKey, RedactRule};
pub use reference::reference;
pub use sample::SampleRule;
pub use schema::schema;
pub use secret::{Secret, read as read_private};
pub use settings::{
    ActivationTests, AdminAuth, Audit, AuthorizeServer, Directory, Engine, Hold, Limits, LogFormat, Mode, Policies,
    Redact, Server, Settings, Shutdown, Telemetry, UnixSocket, WhenFailed, WhenFull, WhenStale,
};
pub use subjects::{
    Algorithm, ClaimPath, ClaimRule, Family, KeyAddress, KeySource, KeyUpkeep, Subjects, TenantRule, TokenIssuer,
    Verification,
};
pub use tls::{ClientCertificates, Tls, TlsVersion};
pub use tokens::{AdminToken, Scope};
pub use units::{read_duration, show_duration};
pub use web::WebAddress;

#[cfg(test)]
mod tests;
