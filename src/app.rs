//! The composition root: builds the parts in order, binds eagerly, runs, stops in phases.
//!
//! Whatever can fail fails before the first listener is announced. The order: audit log, policies, sockets, tasks, ready.

mod records;
mod stop;

use crate::{
    audit::{self, Log, Recorder},
    config::{AdminAuth, Settings},
    http::{
        admin,
        authorize_listener::{self, BindError},
        management, ops,
    },
    lifecycle::{Clock, Readiness, Signal, Signals, Stopper, Tasks},
    policy,
    reload::{self, Cause, Handle, Reader, Source},
    telemetry::{AuditFigures, Metrics, events},
};
use std::{io, net::SocketAddr, sync::Arc, time::Instant};
use tokio::{runtime, sync::Notify};

/// Threads of the shared runtime: admin, ops, reload. Decisions have threads of their own.
const SHARED_THREADS: usize = 2;

/// Threads for work that blocks: compiling, audit queries.
const BLOCKING_THREADS: usize = 8;

/// Why the process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No runtime.
    #[error("the runtime cannot be started")]
    Runtime(#[source] io::Error),
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
    /// No socket for decisions.
    #[error("`server.authorize.listen`")]
    Authorize(#[source] BindError),
    /// No socket for administrators or operators.
    #[error("`server.{listener}.listen`: cannot listen on `{address}`")]
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

/// How the process ended, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// All parts have ended in their order.
    InOrder,
    /// A part that should run has failed; the others were stopped in their order.
    Broken,
    /// The deadline passed, or a second signal came.
    Forced,
}

/// Runs the sidecar until it is told to stop.
pub fn run(settings: Settings) -> Result<Ended, StartError> {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(SHARED_THREADS)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("shared")
        .enable_all()
        .build()
        .map_err(StartError::Runtime)?;
    let ended = runtime.block_on(async { Ok(App::start(settings)?.live().await) });
    // All that is waited for has been waited for.
    runtime.shutdown_background();
    ended
}

/// All parts of a running process.
struct App {
    settings: Settings,
    clock: Clock,
    signals: Signals,
    readiness: Readiness,
    log: Log,
    reload: Handle,
    parts: Parts,
}

/// What runs, and how it is told to stop.
struct Parts {
    /// Listeners and their connections.
    requests: Tasks,
    /// The reload loop. Outlives the requests, since one of them may wait for it.
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
    fn start(settings: Settings) -> Result<Self, StartError> {
        let began = Instant::now();
        let clock = Clock::system();
        let started = clock.now();
        let signals = Signals::install().map_err(StartError::Signals)?;
        events::starting(env!("CARGO_PKG_VERSION"), &settings.policies.directory, &settings.audit.directory);
        let readiness = Readiness::new();
        readiness.hold("starting", "the process has not started yet");

        let metrics = Metrics::new();
        let (log, recorders) = open_log(&settings, &metrics)?;
        let (reader, reload, worker) = load_policies(&settings, &metrics, clock, &log)?;
        let sockets = Sockets::bind(&settings)?;

        let parts = Parts {
            requests: Tasks::new(),
            reloading: Tasks::new(),
            ops: Tasks::new(),
            stop_listeners: Stopper::new(),
            stop_reload: Stopper::new(),
            stop_ops: Stopper::new(),
            broken: Arc::new(Notify::new()),
        };
        parts.reloading.spawn("reload", worker.run(parts.stop_reload.listener()));
        parts.serve_ops(
            sockets.ops,
            ops::Services {
                metrics: Arc::clone(&metrics),
                readiness: readiness.clone(),
                reload: reload.clone(),
                log: log.clone(),
                clock,
                started,
            },
        );
        let services =
            admin::Services { metrics: Arc::clone(&metrics), reader: reader.clone(), reload: reload.clone() };
        parts.serve_admin(sockets.admin, services, &settings, &log);
        let limits = settings.server.authorize.limits;
        let verify_one_in = settings.engine.verify_one_in;
        let now = || Clock::system().now();
        let services = authorize_listener::Services { reader, metrics, now, limits, verify_one_in };
        parts.serve_decisions(sockets.authorize, services, recorders);

        records::system(&log, clock, "started");
        readiness.release("starting");
        events::ready(began.elapsed());
        Ok(Self { settings, clock, signals, readiness, log, reload, parts })
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
                Signal::Hangup => self.reload.nudge(Cause::Signal),
                Signal::Terminate | Signal::Interrupt => return stop::stop(self, signal.as_str()).await,
            }
        }
    }
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
        events::listening(admin::LISTENER, sockets.admin.address());
        events::listening(ops::LISTENER, sockets.ops.address());
        Ok(sockets)
    }
}

impl Parts {
    fn serve_decisions(
        &self,
        bound: authorize_listener::Bound,
        services: authorize_listener::Services,
        recorders: Vec<Recorder>,
    ) {
        let stop = self.stop_listeners.listener();
        let broken = Arc::clone(&self.broken);
        self.requests.spawn("authorize listener", async move {
            if let Err(error) = authorize_listener::serve(bound, services, recorders, stop.stopped()).await {
                events::listener_failed("authorize", &error);
                broken.notify_one();
            }
        });
    }

    fn serve_admin(&self, bound: management::Bound, services: admin::Services, settings: &Settings, log: &Log) {
        let server = &settings.server;
        if server.admin_auth == AdminAuth::Tokens && server.admin_tokens.is_empty() {
            events::admin_has_no_tokens();
        }
        let audit = admin::audit::routes(log.clone()).merge(admin::activity::routes(log.clone()));
        let router = admin::router(services, server.admin_auth, server.admin_tokens.clone(), audit);
        let serving =
            management::serve(bound, admin::LISTENER, router, self.requests.clone(), self.stop_listeners.listener());
        self.requests.spawn("admin listener", serving);
    }

    fn serve_ops(&self, bound: management::Bound, services: ops::Services) {
        let serving =
            management::serve(bound, ops::LISTENER, ops::router(services), self.ops.clone(), self.stop_ops.listener());
        self.ops.spawn("ops listener", serving);
    }
}

fn open_log(settings: &Settings, metrics: &Arc<Metrics>) -> Result<(Log, Vec<Recorder>), StartError> {
    let audit = &settings.audit;
    let workers = settings.server.authorize.workers;
    let on_commit = Arc::clone(metrics);
    let intake = audit::Intake::new(&audit.redact, &audit.sample).map_err(StartError::Redaction)?;
    let log = Log::open(audit::Options {
        mode: audit.mode,
        when_full: audit.when_full,
        when_failed: audit.when_failed,
        ring_bytes: audit.ring_bytes,
        rings: workers,
        segment_bytes: audit.segment_bytes,
        segment_age: audit.segment_age,
        retention: audit::Retention { age: audit.retention_age, bytes: audit.retention_bytes, hold: audit.hold },
        signing_key: audit.signing_key.clone(),
        checkpoints: audit::Checkpoints {
            interval: audit.checkpoint_interval,
            file: audit.checkpoint_file.clone(),
            webhook: audit.checkpoint_webhook.clone(),
        },
        on_commit: Some(Arc::new(move |took| on_commit.audit_commit(took))),
        intake: intake.map(Arc::new),
        ..audit::Options::new(&audit.directory)
    })
    .map_err(StartError::Audit)?;
    let recorders = (0..workers).map(|_| log.recorder()).collect::<Result<_, _>>().map_err(StartError::Audit)?;
    let source = log.clone();
    metrics.watch_audit(move || {
        let stats = source.stats();
        AuditFigures {
            written: stats.written,
            dropped: stats.dropped,
            failed: stats.failed,
            sampled_out: stats.sampled_out,
            queue_depth: stats.queue_depth,
            queue_capacity: stats.queue_capacity,
            store_bytes: stats.store_bytes,
            oldest: stats.oldest_record,
            checkpoint_seq: stats.checkpoint_seq,
            checkpoint_time: stats.checkpoint_time,
            checkpoint_file_failures: stats.checkpoint_file_failures,
            checkpoint_webhook_failures: stats.checkpoint_webhook_failures,
            store_failures: stats.store_failures,
            missing: stats.missing,
        }
    });
    Ok((log, recorders))
}

fn load_policies(
    settings: &Settings,
    metrics: &Arc<Metrics>,
    clock: Clock,
    log: &Log,
) -> Result<(Reader, Handle, reload::Worker), StartError> {
    let policies = &settings.policies;
    let source = Source {
        directory: policies.directory.clone(),
        options: policy::Options {
            forbid_errors: policies.forbid_errors,
            principal_type: policies.principal_type.clone(),
        },
    };
    let how =
        reload::Settings { watch: policies.watch, poll_interval: policies.poll_interval, debounce: policies.debounce };
    let log = log.clone();
    let observer = Arc::new(move |report: &reload::Report| records::policy(&log, report));
    reload::start(source, how, Arc::clone(metrics), clock, observer).map_err(StartError::Policies)
}
