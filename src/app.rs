//! The composition root: builds the parts in order, binds eagerly, runs, stops in phases.
//!
//! Whatever can fail fails before the first listener is announced. The order: audit log, policies, sockets, tasks, ready.

mod audit_log;
mod directory;
mod hangup;
mod loading;
mod records;
mod starting;
mod stop;
mod telling;

use crate::{
    audit::{self, Log, Recorder},
    config::{AdminAuth, Live, Settings, Sources, Tls},
    directory::Directory,
    document::Diagnostics,
    http::{
        admin,
        authorize_listener::{self, BindError, Comparer},
        management, ops,
        tls::{AUTHORIZE_PROTOCOLS, MANAGEMENT_PROTOCOLS},
    },
    identity::{self, Keeper, Verifier},
    lifecycle::{Clock, Readiness, Signal, Signals, Stop, Stopper, Tasks},
    model::Timestamp,
    reload::{self, CertificatesHandle, ConfigHandle, Guarded, Handle, LastGood, Shadow},
    telemetry::{LogLevel, Metrics, events, trace},
    tls::Acceptor,
};
use starting::Threshold;
use std::{io, net::SocketAddr, sync::Arc, time::Instant};
use tokio::{runtime, sync::Notify};

/// Threads of the shared runtime: admin, ops, reload. Decisions have threads of their own.
const SHARED_THREADS: usize = 2;

/// Threads for work that blocks: what administrators ask for, and some that they cannot take: for mail, sessions, keys and the end of the
/// audit log.
const BLOCKING_THREADS: usize = admin::BLOCKING + 8;

/// Why the process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No runtime.
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
    /// A failure inside.
    #[error("the start has failed inside")]
    Broken(#[source] io::Error),
    /// Nobody wants it any more.
    #[error("the process was told to stop before it had started")]
    Stopped,
    /// No signals.
    #[error("signals cannot be received")]
    Signals(#[source] io::Error),
    /// No audit log.
    #[error("the audit log cannot be opened")]
    Audit(#[source] audit::OpenError),
    /// Records cannot be redacted as the settings say.
    #[error("`audit.redact`")]
    Redaction(#[source] audit::RedactionError),
    /// No policies.
    #[error(transparent)]
    Policies(reload::FirstError),
    /// No directory.
    #[error("the directory of users cannot be opened")]
    Directory(#[source] crate::directory::StoreError),
    /// No mail.
    #[error("`mail`")]
    Mail(#[source] crate::document::Diagnostics),
    /// No keys, or none that can be fetched.
    #[error("`subjects`")]
    Subjects(#[source] identity::OpenError),
    /// Nowhere to export spans to.
    #[error("`OTEL_EXPORTER_OTLP_*`")]
    Spans(#[source] crate::tls::TrustError),
    /// No thread to look at files with.
    #[error("files cannot be looked at")]
    Loading(#[source] io::Error),
    /// No socket for decisions.
    #[error(transparent)]
    Authorize(BindError),
    /// No certificates.
    #[error("`server`")]
    Certificates(#[source] Diagnostics),
    /// No socket for administrators or operators.
    #[error(
        "`server.{listener}.listen`: cannot listen on `{address}`; name another address, or end whoever has this one"
    )]
    Bind {
        /// Which listener.
        listener: &'static str,
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl StartError {
    /// Whether a setting is to blame.
    pub const fn is_of_a_setting(&self) -> bool {
        match self {
            Self::Audit(error) => error.is_of_a_setting(),
            Self::Redaction(_) | Self::Certificates(_) | Self::Subjects(_) | Self::Spans(_) => true,
            Self::Authorize(BindError::Unix(error)) => error.is_of_a_setting(),
            _ => false,
        }
    }
}

/// How the process ended, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// All parts have ended in their order.
    InOrder,
    /// What was published could not be stored; all parts have ended in their order. The next start takes it over.
    Unclosed,
    /// A part that should run has failed; the others were stopped in their order.
    Broken,
    /// The deadline passed, or a second signal came.
    Forced,
}

/// Whether what the settings name can be used, as far as that shows without starting.
pub fn check(settings: &Settings) -> Result<(), StartError> {
    identity::check(&settings.subjects).map_err(StartError::Subjects)?;
    settings.telemetry.spans.as_ref().map(trace::check).transpose().map_err(StartError::Spans)?;
    audit_log::options(settings)?.check().map_err(StartError::Audit)
}

/// Whether the certificates that the settings name can be used.
pub fn check_certificates(settings: &Settings) -> Result<(), Diagnostics> {
    guarded(settings, Clock::system().now()).map(drop)
}

/// The listeners that speak TLS.
fn guarded(settings: &Settings, now: Timestamp) -> Result<Vec<Guarded>, Diagnostics> {
    let server = &settings.server;
    let listeners: [(&'static str, &Tls, _); 3] = [
        ("authorize", &server.authorize.tls, AUTHORIZE_PROTOCOLS),
        (admin::LISTENER, &server.admin_tls, MANAGEMENT_PROTOCOLS),
        (ops::LISTENER, &server.ops_tls, MANAGEMENT_PROTOCOLS),
    ];
    let (mut all, mut problems) = (Vec::new(), Diagnostics::default());
    for (listener, settings, protocols) in listeners {
        match Guarded::open(listener, settings, protocols, now) {
            Ok(guarded) => all.extend(guarded),
            Err(more) => problems.append(more),
        }
    }
    if problems.has_errors() { Err(problems) } else { Ok(all) }
}

fn acceptor(guarded: &[Guarded], listener: &str) -> Option<Acceptor> {
    guarded.iter().find(|guarded| guarded.listener == listener).map(|guarded| guarded.acceptor.clone())
}

/// Runs the sidecar until it is told to stop.
///
/// `sources` is where the settings came from, and `level` changes what is logged: both are for changes while it runs.
pub fn run(settings: &Settings, sources: Sources, level: LogLevel) -> Result<Ended, StartError> {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(SHARED_THREADS)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("shared")
        .enable_all()
        .build()
        .map_err(StartError::Runtime)?;
    let ended = runtime.block_on(starting::run(settings, sources, level));
    // All that is waited for has been waited for; a start that was left is nothing to wait for.
    runtime.shutdown_background();
    ended
}

/// All parts of a running process.
struct App {
    settings: Live,
    clock: Clock,
    signals: Signals,
    readiness: Readiness,
    log: Log,
    directory: Directory,
    reload: Handle,
    shadow: Option<Shadow>,
    config: Option<ConfigHandle>,
    certificates: Option<CertificatesHandle>,
    parts: Parts,
}

/// What runs, and how it is told to stop.
struct Parts {
    /// Listeners and their connections.
    requests: Tasks,
    /// The loops that look at files. They outlive the requests, since one of these may wait for them.
    reloading: Tasks,
    /// The ops listener, which tells how the stop goes and so outlives the others.
    ops: Tasks,
    /// Told when a part that should run has failed.
    broken: Arc<Notify>,
    stop_listeners: Stopper,
    stop_reload: Stopper,
    stop_ops: Stopper,
}

/// Sockets that are bound, not served yet.
struct Sockets {
    authorize: authorize_listener::Bound,
    admin: management::Bound,
    ops: management::Bound,
}

impl App {
    fn start(
        settings: &Settings,
        sources: Sources,
        level: LogLevel,
        threshold: &Threshold,
    ) -> Result<Self, StartError> {
        let began = Instant::now();
        let clock = Clock::system();
        let started = clock.now();
        let signals = Signals::install().map_err(StartError::Signals)?;
        events::starting(env!("CARGO_PKG_VERSION"), &settings.policies.directory, &settings.audit.directory);
        let readiness = Readiness::new();
        readiness.hold("starting", "the process has not started yet");

        loading::look_ahead(settings)?;
        let guarded = guarded(settings, started).map_err(StartError::Certificates)?;
        let metrics = Metrics::new();
        let parts = Parts::new();
        parts.keep_telling(settings, &level, &metrics)?;
        let (log, recorders) = audit_log::open(settings, &metrics)?;
        let live = Live::new(settings.clone());
        let verifier = Verifier::open(live.clone(), Arc::clone(&metrics), started).map_err(StartError::Subjects)?;
        let last_good = LastGood::new(&settings.audit.directory);
        let directory = directory::open(settings, &log)?;
        let roster = directory.roster();
        let loading =
            loading::Loading { settings: &live, metrics: &metrics, clock, log: &log, roster, verifier: &verifier };
        let (reader, reload, worker) = loading.policies(last_good)?;
        loading.compare_samples(&reader);
        let shadow = loading.shadow()?;
        let config = loading.configuration(sources, level, reload.clone())?;
        directory::attach(&directory, &reader, shadow.as_ref().map(|(shadow, _)| shadow), &metrics);
        if !threshold.cross() {
            return Err(StartError::Stopped);
        }
        let sockets = Sockets::bind(settings)?;

        parts.keep("reload", true, worker.run(parts.stop_reload.listener()));
        let shadow = shadow.map(|(shadow, worker)| {
            parts.keep("shadow", false, worker.run(parts.stop_reload.listener()));
            shadow
        });
        let config = config.map(|(config, worker)| {
            parts.keep("configuration", true, worker.run(parts.stop_reload.listener()));
            config
        });
        let doors = ["authorize", admin::LISTENER, ops::LISTENER].map(|listener| acceptor(&guarded, listener));
        let [authorize_door, admin_door, ops_door] = doors;
        let certificates = reload::watch_certificates(guarded, live.clone(), Arc::clone(&metrics), clock);
        let certificates = certificates.map_err(StartError::Loading)?.map(|(certificates, worker)| {
            parts.keep("certificates", true, worker.run(parts.stop_reload.listener()));
            certificates
        });
        let keeper = Keeper::new(Arc::clone(&verifier), clock, readiness.clone());
        parts.keep("token keys", true, keeper.run(parts.stop_reload.listener()));
        parts.keep_directory(&directory, &log, settings, &metrics, clock)?;
        parts.serve_ops(
            sockets.ops,
            ops_door,
            ops::Services {
                metrics: Arc::clone(&metrics),
                readiness: readiness.clone(),
                reload: reload.clone(),
                shadow: shadow.clone(),
                config: config.clone(),
                certificates: certificates.clone(),
                settings: live.clone(),
                verifier: Arc::clone(&verifier),
                log: log.clone(),
                directory: directory.clone(),
                clock,
                started,
            },
        );
        let services = admin::Services {
            metrics: Arc::clone(&metrics),
            reader: reader.clone(),
            reload: reload.clone(),
            directory: directory.clone(),
            log: log.clone(),
        };
        parts.serve_admin(sockets.admin, admin_door, services, &live);
        let comparer = shadow.as_ref().map(|shadow| parts.compare(shadow, &log, &metrics)).transpose()?;
        let services = authorize_listener::Services {
            reader,
            metrics,
            now: || Clock::system().now(),
            settings: live.clone(),
            verifier,
            verify_one_in: settings.engine.verify_one_in,
            comparer,
            acceptor: authorize_door,
        };
        parts.serve_decisions(sockets.authorize, services, recorders);

        announce(&log, clock, &readiness, began);
        Ok(Self {
            settings: live,
            clock,
            signals,
            readiness,
            log,
            directory,
            reload,
            shadow,
            config,
            certificates,
            parts,
        })
    }

    /// Waits for the word to stop, and stops.
    async fn live(mut self) -> Ended {
        loop {
            let signal = tokio::select! {
                signal = self.signals.next() => signal,
                () = self.parts.broken.notified() => {
                    return stop::stop(self, "a part has failed").await.max(Ended::Broken);
                }
            };
            match signal {
                Signal::Hangup => self.look_at_everything(),
                Signal::Terminate | Signal::Interrupt => return stop::stop(self, signal.as_str()).await,
            }
        }
    }
}

/// The start is over, and it is told.
fn announce(log: &Log, clock: Clock, readiness: &Readiness, began: Instant) {
    records::system(log, clock, "started");
    readiness.release("starting");
    events::ready(began.elapsed());
}

impl Sockets {
    /// Binds all three, and announces none before all are bound.
    fn bind(settings: &Settings) -> Result<Self, StartError> {
        let server = &settings.server;
        let management = |listener: &'static str, address: SocketAddr| {
            management::bind(address).map_err(|source| StartError::Bind { listener, address, source })
        };
        let sockets = Self {
            authorize: authorize_listener::bind(&server.authorize).map_err(StartError::Authorize)?,
            admin: management(admin::LISTENER, server.admin_listen)?,
            ops: management(ops::LISTENER, server.ops_listen)?,
        };
        events::listening("authorize", sockets.authorize.address());
        if let Some(path) = sockets.authorize.unix_socket() {
            events::listening("authorize", format_args!("unix:{}", path.display()));
        }
        events::listening(admin::LISTENER, sockets.admin.address());
        events::listening(ops::LISTENER, sockets.ops.address());
        Ok(sockets)
    }
}

impl Parts {
    fn new() -> Self {
        Self {
            requests: Tasks::new(),
            reloading: Tasks::new(),
            ops: Tasks::new(),
            stop_listeners: Stopper::new(),
            stop_reload: Stopper::new(),
            stop_ops: Stopper::new(),
            broken: Arc::new(Notify::new()),
        }
    }

    /// Compares what the shadow set would answer. What was answered before the stop is compared and recorded before the log is closed.
    fn compare(&self, shadow: &Shadow, log: &Log, metrics: &Arc<Metrics>) -> Result<Comparer, StartError> {
        let started = Comparer::start(shadow.clone(), log.clone(), Arc::clone(metrics));
        let (comparer, work) = started.map_err(StartError::Loading)?;
        self.reloading.spawn("shadow comparison", work);
        Ok(comparer)
    }

    /// Runs a loop until the reload phase of the stop. An end before that is heard: where decisions depend on the part, the process ends
    /// and is started anew, rather than deciding by what nobody looks after.
    fn keep(&self, name: &'static str, is_vital: bool, work: impl Future<Output = ()> + Send + 'static) {
        let alarm = Alarm { name, is_vital, stop: self.stop_reload.listener(), broken: Arc::clone(&self.broken) };
        self.reloading.spawn(name, async move {
            let _alarm = alarm;
            work.await;
        });
    }

    fn serve_decisions(
        &self,
        bound: authorize_listener::Bound,
        services: authorize_listener::Services,
        recorders: Vec<Recorder>,
    ) {
        warn_of_open_tokens(&services.settings);
        let stop = self.stop_listeners.listener();
        let (broken, tasks) = (Arc::clone(&self.broken), self.requests.clone());
        self.requests.spawn("authorize listener", async move {
            if let Err(error) = authorize_listener::serve(bound, services, recorders, tasks, stop.stopped()).await {
                events::listener_failed("authorize", &error);
                broken.notify_one();
            }
        });
    }

    fn serve_admin(
        &self,
        bound: management::Bound,
        acceptor: Option<Acceptor>,
        services: admin::Services,
        settings: &Live,
    ) {
        let server = settings.load().server.clone();
        if server.admin_auth == AdminAuth::Tokens && server.admin_tokens.is_empty() && server.admin_clients.is_empty() {
            events::admin_has_no_tokens();
        }
        if !server.admin_tokens.is_empty() && !bound.address().ip().to_canonical().is_loopback() && acceptor.is_none() {
            events::tokens_in_the_open(admin::LISTENER);
        }
        let metrics = Arc::clone(&services.metrics);
        let router = admin::router(services, settings);
        let serving = management::Serving { name: admin::LISTENER, acceptor, metrics, router };
        let serving = management::serve(bound, serving, self.requests.clone(), self.stop_listeners.listener());
        self.requests.spawn("admin listener", serving);
    }

    fn serve_ops(&self, bound: management::Bound, acceptor: Option<Acceptor>, services: ops::Services) {
        let metrics = Arc::clone(&services.metrics);
        let serving = management::Serving { name: ops::LISTENER, acceptor, metrics, router: ops::router(services) };
        let serving = management::serve(bound, serving, self.ops.clone(), self.stop_ops.listener());
        self.ops.spawn("ops listener", serving);
    }
}

/// Goes off when a part ends that was not told to, be it by a panic.
struct Alarm {
    name: &'static str,
    is_vital: bool,
    stop: Stop,
    broken: Arc<Notify>,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if !self.stop.is_stopped() {
            events::part_failed(self.name, self.is_vital);
            if self.is_vital {
                self.broken.notify_one();
            }
        }
    }
}

/// Callers send their tokens through the network.
fn warn_of_open_tokens(settings: &Live) {
    let settings = settings.load();
    let server = &settings.server.authorize;
    let with_tokens = server.callers.iter().any(|caller| caller.sha256.is_some());
    if with_tokens && server.demands_callers() && !server.tls.is_on() {
        events::tokens_in_the_open("authorize");
    }
}
