//! The directory among the other parts: its records go into the audit log, its changes to the deciders, its letters to the mail service.

use super::{Parts, StartError};
use crate::{
    audit::{Entry, Health, Kind, Log, Order, Origin, Query, RecordError},
    config::Settings,
    directory::{self, Audience, Directory, Event, FOLDER, Witness},
    engine::BoundUser,
    lifecycle::{Clock, Pace, Stop},
    mail::{self, Post},
    model::Timestamp,
    reload::{Reader, Shadow},
    telemetry::{Metrics, events},
};
use std::{
    collections::HashSet,
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{task::spawn_blocking, time::sleep};
use ulid::Ulid;

/// How often sessions without a sign of life are looked for, where the idle time is no shorter. They stop counting at their time; this
/// is for their records.
const TIDY_INTERVAL: Duration = Duration::from_secs(30);
/// However short the idle time is, it is no oftener than this.
const SHORTEST_TIDY_INTERVAL: Duration = Duration::from_millis(250);

/// The audit log's side.
#[derive(Debug)]
struct Records(Log);

impl Witness for Records {
    fn is_ready(&self) -> bool {
        matches!(self.0.health(), Health::Running)
    }

    fn record_all(&self, records: &[Event]) -> usize {
        let Some((last, before)) = records.split_last() else { return 0 };
        let failed = |event: &Event, error: RecordError| events::audit_append_failed(&event.action, &error);
        for (taken, event) in before.iter().enumerate() {
            if let Err(error) = Self::with_entry(event, |entry| self.0.append_kept(entry)) {
                failed(event, error);
                return taken;
            }
        }
        // They are committed in their order: who has waited for the last has waited for all.
        match Self::with_entry(last, |entry| self.0.append_and_wait(entry)) {
            Ok(()) => records.len(),
            Err(error) => {
                failed(last, error);
                before.len()
            }
        }
    }

    fn known_since(&self, from: Timestamp) -> HashSet<String> {
        let mut known = HashSet::new();
        // What the last process has left in memory is in the store then.
        let settled = self.0.settle();
        for kind in [Kind::Directory, Kind::Session].into_iter().filter(|_| settled.is_ok()) {
            let mut query = Query::all(Order::Ascending);
            (query.kind, query.from) = (Some(kind), Some(from));
            let read = self.0.reader().for_each(&query, |record| {
                known.insert(Ulid::from_bytes(record.id).to_string());
                ControlFlow::Continue(())
            });
            if let Err(error) = read {
                tracing::warn!(event = "directory_records_unknown", %error, "records may be in the audit log twice");
            }
        }
        known
    }
}

impl Records {
    /// The record of an event.
    fn with_entry<T>(event: &Event, take: impl FnOnce(&Entry<'_>) -> T) -> T {
        let text = |value: &Option<serde_json::Value>| value.as_ref().map(ToString::to_string).unwrap_or_default();
        let (before, after, context) = (text(&event.before), text(&event.after), text(&event.context));
        let kind = if event.of_session { Kind::Session } else { Kind::Directory };
        let id = event.id.parse::<Ulid>().unwrap_or_default().to_bytes();
        let decision = if event.allowed { crate::model::Decision::Allow } else { crate::model::Decision::Deny };
        let entry = Entry {
            request_id: &event.request_id,
            tenant: &event.tenant,
            user: &event.user,
            action: &event.action,
            module: FOLDER,
            resource_type: &event.resource_type,
            resource_id: &event.resource_id,
            decision: Some(decision),
            reason: &event.reason,
            policies: &event.policies,
            revision: &event.revision,
            origin: if event.of_cli { Origin::Cli } else { Origin::Admin },
            actor: &event.actor,
            before: &before,
            after: &after,
            context: &context,
            trace_id: event.trace_id,
            ..Entry::blank(kind, event.at, id)
        };
        take(&entry)
    }
}

/// Opens the directory in the data directory.
pub(super) fn open(settings: &Settings, log: &Log) -> Result<Directory, StartError> {
    let config = &settings.directory;
    let options = directory::Options {
        language: config.language.clone(),
        link: config.invitation_link.clone(),
        invitation_expiry: config.invitation_expiry,
        invitation_keep: config.invitation_keep,
        session_idle: (!config.session_idle.is_zero()).then_some(config.session_idle),
        session_keep: config.session_keep,
        ..directory::Options::new(&settings.audit.directory.join(FOLDER))
    };
    Directory::open(options, Arc::new(Records(log.clone()))).map_err(StartError::Directory)
}

/// Lets it know who decides, and the deciders know of it.
pub(super) fn attach(directory: &Directory, reader: &Reader, shadow: Option<&Shadow>, metrics: &Metrics) {
    let audiences: Vec<Arc<dyn Audience>> =
        [Some(Arc::new(reader.clone()) as Arc<dyn Audience>), shadow.map(Shadow::audience)]
            .into_iter()
            .flatten()
            .collect();
    directory.attach(Arc::new(reader.clone()), audiences);
    let reader = reader.clone();
    metrics.watch_users(move || reader.load().subjects.iter().map(BoundUser::status).collect());
    let directory = directory.clone();
    metrics.watch_directory(move || directory.failure().is_some());
}

impl Parts {
    /// What the directory does by itself: letters that are due, sessions that have idled away.
    pub(super) fn keep_directory(
        &self,
        directory: &Directory,
        log: &Log,
        settings: &Settings,
        metrics: &Arc<Metrics>,
        clock: Clock,
    ) -> Result<(), StartError> {
        let post = Post::open(&settings.mail, &settings.audit.directory).map_err(StartError::Mail)?;
        let queue = Arc::new(directory.clone());
        let now: mail::Now = Arc::new(move || clock.now());
        let worker = mail::Worker::new(queue, post, settings.mail.retry, now, Arc::clone(metrics));
        self.keep("mail", false, worker.run(self.stop_reload.listener()));
        let idle = settings.directory.session_idle;
        let interval =
            if idle.is_zero() { TIDY_INTERVAL } else { (idle / 2).clamp(SHORTEST_TIDY_INTERVAL, TIDY_INTERVAL) };
        let pace = log.pace(clock.now());
        self.keep("sessions", false, tidy(directory.clone(), clock, interval, pace, self.stop_reload.listener()));
        Ok(())
    }
}

/// Removes what is old. By a clock that is ahead everything is old, so it rests while the clock is not believed.
async fn tidy(directory: Directory, clock: Clock, interval: Duration, mut pace: Pace, stop: Stop) {
    let mut rests = false;
    loop {
        tokio::select! {
            () = stop.stopped() => return,
            () = sleep(interval) => {}
        }
        let now = clock.now();
        // The keeper of the audit log tells of jumps.
        let _jump = pace.look(now, Instant::now());
        if pace.is_doubted() {
            if !rests {
                events::directory_rests(pace.ahead_seconds());
            }
            rests = true;
            continue;
        }
        rests = false;
        let directory = directory.clone();
        let tidied = spawn_blocking(move || {
            directory.tidy_sessions(now)?;
            directory.forget_invitations(now)
        });
        let tidied = tidied.await;
        if let Ok(Err(error)) = tidied {
            events::directory_failed(&error);
        }
    }
}
