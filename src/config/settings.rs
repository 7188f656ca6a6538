//! The checked settings, one type a section.

use super::{
    AdminClient, AdminToken, Caller, Mail, Proxy, RedactKey, RedactRule, SampleRule, SpanExport, Subjects, Tls, Trusted,
};
use crate::{engine::ForbidErrors, model::Timestamp};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

/// Everything that the process is told. [`Settings::default`] holds the defaults.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `server`
    pub server: Server,
    /// `policies`
    pub policies: Policies,
    /// `audit`
    pub audit: Audit,
    /// `subjects`
    pub subjects: Subjects,
    /// `engine`
    pub engine: Engine,
    /// `directory`
    pub directory: Directory,
    /// `mail`
    pub mail: Mail,
    /// `telemetry`
    pub telemetry: Telemetry,
    /// `shutdown`
    pub shutdown: Shutdown,
}

/// `server`
#[derive(Debug, Clone)]
pub struct Server {
    /// `server.authorize`
    pub authorize: AuthorizeServer,
    /// `server.admin.listen`
    pub admin_listen: SocketAddr,
    /// `server.admin.auth`
    pub admin_auth: AdminAuth,
    /// `server.admin.tokens`
    pub admin_tokens: Vec<AdminToken>,
    /// `server.admin.clients`
    pub admin_clients: Vec<AdminClient>,
    /// `server.admin.tls`
    pub admin_tls: Tls,
    /// `server.ops.listen`
    pub ops_listen: SocketAddr,
    /// `server.ops.tls`
    pub ops_tls: Tls,
}

/// `server.authorize`
#[derive(Debug, Clone)]
pub struct AuthorizeServer {
    /// `server.authorize.listen`
    pub listen: SocketAddr,
    /// `server.authorize.unix_socket` and what begins like it.
    pub unix_socket: UnixSocket,
    /// `server.authorize.callers`
    pub callers: Arc<[Caller]>,
    /// `server.authorize.tls`
    pub tls: Tls,
    /// `server.authorize.workers`: threads that decide; each has a runtime of its own.
    pub workers: usize,
    /// `server.authorize.public_url`: where callers reach the listener, for AuthZEN's metadata.
    pub public_url: Option<String>,
    /// `server.authorize.limits`
    pub limits: Limits,
    /// `server.authorize.trusted_proxies`: who is believed about the requests of others.
    pub trusted_proxies: Vec<Trusted>,
    /// `server.authorize.proxy`
    pub proxy: Proxy,
}

/// `server.authorize.unix_socket`
#[derive(Debug, Clone)]
pub struct UnixSocket {
    /// `unix_socket`: where it is; none without it.
    pub path: Option<PathBuf>,
    /// `unix_socket_mode`: who may ask through it, as a file's mode.
    pub mode: u32,
    /// `unix_socket_owner`: a user's name or number.
    pub owner: Option<String>,
    /// `unix_socket_group`: a group's name or number.
    pub group: Option<String>,
}

/// `server.authorize.limits`
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// `body_bytes`: longest body.
    pub body_bytes: usize,
    /// `header_bytes`: longest head of a request.
    pub header_bytes: usize,
    /// `header_timeout`: time to send a head; idle keep-alive connections are closed after it as well.
    pub header_timeout: Duration,
    /// `body_timeout`: time to send a body.
    pub body_timeout: Duration,
    /// `connections`: open connections, all workers together.
    pub connections: usize,
    /// `in_flight`: requests being answered, all workers together; beyond it `503`.
    pub in_flight: usize,
    /// `batch_items`: items of one AuthZEN batch.
    pub batch_items: usize,
    /// `batch_bytes`: longest body of an AuthZEN batch.
    pub batch_bytes: usize,
}

/// `server.admin.auth`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminAuth {
    /// Nobody is asked; only on a loopback address.
    None,
    /// Bearer tokens.
    Tokens,
}

/// `policies`
#[derive(Debug, Clone)]
pub struct Policies {
    /// `policies.directory`
    pub directory: PathBuf,
    /// `policies.watch`: react to file events; off leaves the poll.
    pub watch: bool,
    /// `policies.poll_interval`
    pub poll_interval: Duration,
    /// `policies.debounce`: how long files must rest before they are read.
    pub debounce: Duration,
    /// `policies.forbid_errors`
    pub forbid_errors: ForbidErrors,
    /// `policies.principal_type`
    pub principal_type: String,
    /// `policies.activation_tests`
    pub activation_tests: ActivationTests,
    /// `policies.start_from_last_good`: where the files are no good at the start, begin with what decided last.
    pub start_from_last_good: bool,
    /// `policies.max_staleness`: how long the files may fail to be what decides; zero for ever.
    pub max_staleness: Duration,
    /// `policies.when_stale`
    pub when_stale: WhenStale,
    /// `policies.shadow`: a set that is evaluated beside the live one and never answers.
    pub shadow: Option<PathBuf>,
}

/// `policies.activation_tests`: what the set's own tests mean for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ActivationTests {
    /// A set whose tests fail does not go live.
    #[default]
    Required,
    /// It goes live with a warning for each test that fails.
    Warn,
    /// They are not run.
    Off,
}

/// `policies.when_stale`: what happens once `policies.max_staleness` has passed. Each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum WhenStale {
    /// The log, `/status` and a metric say so.
    #[default]
    Warn,
    /// `/readyz` answers `503`.
    NotReady,
    /// Every decision is a deny with `policies_stale`.
    Deny,
}

/// `audit`
#[derive(Debug, Clone)]
pub struct Audit {
    /// `audit.directory`: the data directory (`--data`).
    pub directory: PathBuf,
    /// `audit.mode`
    pub mode: Mode,
    /// `audit.when_full`
    pub when_full: WhenFull,
    /// `audit.when_failed`
    pub when_failed: WhenFailed,
    /// `audit.ring_bytes`: size of one worker's ring.
    pub ring_bytes: usize,
    /// `audit.segment.bytes`
    pub segment_bytes: u64,
    /// `audit.segment.age`
    pub segment_age: Duration,
    /// `audit.retention.age`
    pub retention_age: Option<Duration>,
    /// `audit.retention.bytes`
    pub retention_bytes: Option<u64>,
    /// `audit.hold`
    pub hold: Hold,
    /// `audit.signing_key`
    pub signing_key: Option<PathBuf>,
    /// `audit.checkpoint.interval`
    pub checkpoint_interval: Duration,
    /// `audit.checkpoint.file`
    pub checkpoint_file: Option<PathBuf>,
    /// `audit.checkpoint.webhook`
    pub checkpoint_webhook: Option<String>,
    /// `audit.checkpoint.webhook_ca`: what is trusted instead of the system's certificates.
    pub checkpoint_webhook_ca: Option<PathBuf>,
    /// `audit.redact`
    pub redact: Redact,
    /// `audit.sample`: the first that fits an allow says whether it is kept.
    pub sample: Vec<SampleRule>,
}

/// `audit.hold`: what retention must leave where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hold {
    /// Nothing.
    #[default]
    Nothing,
    /// Everything.
    Everything,
    /// Every record from this number on.
    FromSeq(u64),
    /// Every record from this time on.
    FromTime(Timestamp),
}

/// `audit.redact`
#[derive(Debug, Clone, Default)]
pub struct Redact {
    /// `audit.redact.fields`
    pub fields: Vec<RedactRule>,
    /// `audit.redact.key_file`
    pub key_file: Option<PathBuf>,
    /// What the file holds.
    pub key: Option<RedactKey>,
}

/// `audit.mode`: how a record must be kept before its answer leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// In the ring: survives the death of the process.
    #[default]
    Durable,
    /// In the store, after `fdatasync`: survives power loss.
    Synced,
}

/// `audit.when_full`: what happens when a ring is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// The decision waits for room.
    #[default]
    Block,
    /// The request is refused with `503`.
    Refuse,
    /// The record is left out and counted.
    DropAndCount,
}

/// `audit.when_failed`: what happens to decisions while the store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFailed {
    /// Every decision is a deny with `audit_unavailable`.
    #[default]
    Deny,
    /// Decisions go on, lost records are counted.
    AllowAndCount,
}

/// `engine`
#[derive(Debug, Clone, Copy)]
pub struct Engine {
    /// `engine.verify_one_in`: one in so many decisions is compared with plain Cedar's; 0 turns it off.
    pub verify_one_in: u64,
}

/// `directory`
#[derive(Debug, Clone)]
pub struct Directory {
    /// `directory.language`: of users who have named none.
    pub language: String,
    /// `directory.invitations.link`: an address with `{token}` in it.
    pub invitation_link: String,
    /// `directory.invitations.expiry`: how long a link counts.
    pub invitation_expiry: Duration,
    /// `directory.sessions.idle`: how long a session lives without a sign of life; zero for ever.
    pub session_idle: Duration,
    /// `directory.sessions.keep`: how long sessions are kept after their end.
    pub session_keep: Duration,
    /// `directory.import.bytes`: longest import.
    pub import_bytes: usize,
}

/// `telemetry`
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// `telemetry.log.format`
    pub log_format: LogFormat,
    /// `telemetry.log.level`: a tracing filter such as `info` or `sidegate=debug,info`.
    pub log_level: String,
    /// `telemetry.log.access`: a line for each request.
    pub log_access: bool,
    /// `OTEL_*`: where spans go; none are made without it.
    pub spans: Option<SpanExport>,
}

/// `telemetry.log.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people at a terminal.
    Pretty,
}

/// `shutdown`
#[derive(Debug, Clone, Copy)]
pub struct Shutdown {
    /// `shutdown.delay`: how long to stay up, not ready, before listeners close.
    pub delay: Duration,
    /// `shutdown.deadline`: after which the end is forced.
    pub deadline: Duration,
}

impl AuthorizeServer {
    /// Whether whoever comes through the network must say who it is: it need not be of this machine.
    #[must_use]
    pub const fn demands_callers(&self) -> bool {
        !is_local(self.listen)
    }
}

/// Whether only this machine can reach an address.
pub(super) const fn is_local(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: Server::default(),
            policies: Policies {
                directory: PathBuf::from("policies"),
                watch: true,
                poll_interval: Duration::from_secs(5),
                debounce: Duration::from_millis(150),
                forbid_errors: ForbidErrors::Deny,
                principal_type: "User".to_owned(),
                activation_tests: ActivationTests::Required,
                start_from_last_good: true,
                max_staleness: Duration::ZERO,
                when_stale: WhenStale::Warn,
                shadow: None,
            },
            audit: Audit {
                directory: PathBuf::from("data"),
                mode: Mode::Durable,
                when_full: WhenFull::Block,
                when_failed: WhenFailed::Deny,
                ring_bytes: 2 << 20,
                segment_bytes: 128 << 20,
                segment_age: Duration::from_hours(24),
                retention_age: None,
                retention_bytes: None,
                hold: Hold::Nothing,
                signing_key: None,
                checkpoint_interval: Duration::from_mins(1),
                checkpoint_file: None,
                checkpoint_webhook: None,
                checkpoint_webhook_ca: None,
                redact: Redact::default(),
                sample: Vec::new(),
            },
            subjects: Subjects::default(),
            engine: Engine { verify_one_in: 10_000 },
            directory: Directory {
                language: "en".to_owned(),
                invitation_link: "http://localhost:8080/invitations/accept?token={token}".to_owned(),
                invitation_expiry: Duration::from_hours(7 * 24),
                session_idle: Duration::ZERO,
                session_keep: Duration::from_hours(90 * 24),
                import_bytes: 8 << 20,
            },
            mail: Mail::default(),
            telemetry: Telemetry {
                log_format: LogFormat::Json,
                log_level: "info".to_owned(),
                log_access: false,
                spans: None,
            },
            shutdown: Shutdown { delay: Duration::ZERO, deadline: Duration::from_secs(10) },
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            authorize: AuthorizeServer {
                listen: local(8480),
                unix_socket: UnixSocket { path: None, mode: 0o600, owner: None, group: None },
                callers: Arc::default(),
                tls: Tls::default(),
                workers: 0,
                public_url: None,
                limits: Limits::default(),
                trusted_proxies: Vec::new(),
                proxy: Proxy::default(),
            },
            admin_listen: local(8481),
            admin_auth: AdminAuth::Tokens,
            admin_tokens: Vec::new(),
            admin_clients: Vec::new(),
            admin_tls: Tls::default(),
            ops_listen: local(8482),
            ops_tls: Tls::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 10,
            header_bytes: 16 << 10,
            header_timeout: Duration::from_mins(1),
            body_timeout: Duration::from_secs(5),
            connections: 4096,
            in_flight: 1024,
            batch_items: 1000,
            batch_bytes: 256 << 10,
        }
    }
}
