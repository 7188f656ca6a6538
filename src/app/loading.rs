//! What is loaded from files and looked at while the process runs: policies, the set beside them, the configuration.

use super::{StartError, audit_log::retention, records};
use crate::{
    audit::Log,
    config::{Live, Settings, Sources},
    directory::Roster,
    identity::{self, Verifier},
    lifecycle::Clock,
    policy,
    reload::{
        self, Cause, Config, ConfigHandle, ConfigReport, ConfigWorker, Handle, LastGood, News, Observer, Reader,
        Shadow, ShadowWorker, Source,
    },
    telemetry::{LogLevel, Metrics, access, events},
};
use std::{fs, path::Path, sync::Arc};

/// What loading needs.
pub(super) struct Loading<'l> {
    pub(super) settings: &'l Live,
    pub(super) metrics: &'l Arc<Metrics>,
    pub(super) clock: Clock,
    pub(super) log: &'l Log,
    pub(super) roster: Roster,
    pub(super) verifier: &'l Arc<Verifier>,
}

impl Loading<'_> {
    /// The policies that decide.
    pub(super) fn policies(&self, last_good: LastGood) -> Result<(Reader, Handle, reload::Worker), StartError> {
        let directory = self.settings.load().policies.directory.clone();
        let source = self.source(&directory, Some(last_good));
        let log = self.log.clone();
        let observer: Observer = Arc::new(move |news| match news {
            News::Look(report) => records::policy(&log, report),
            News::Copy(failure) => records::copy(&log, failure),
        });
        reload::start(source, self.settings.clone(), Arc::clone(self.metrics), self.clock, observer).map_err(|error| {
            match error {
                reload::StartError::First(error) => StartError::Policies(error),
                reload::StartError::Thread(error) => StartError::Loading(error),
            }
        })
    }

    /// Tells of samples that name a module which the policy set does not have. They fit nothing, so that more is kept than was meant and
    /// nothing less: no reason not to start, and the next reload may bring the module.
    pub(super) fn compare_samples(&self, reader: &Reader) {
        let (settings, current) = (self.settings.load(), reader.load());
        let modules = settings.audit.sample.iter().filter_map(|rule| rule.module.as_deref());
        for module in modules.filter(|module| current.snapshot.catalog.module(module).is_none()) {
            events::audit_sample_fits_nothing(module);
        }
    }

    /// The set that is evaluated beside them.
    pub(super) fn shadow(&self) -> Result<Option<(Shadow, ShadowWorker)>, StartError> {
        let Some(directory) = self.settings.load().policies.shadow.clone() else { return Ok(None) };
        let source = self.source(&directory, None);
        let started = Shadow::of(source, self.settings.clone(), Arc::clone(self.metrics), self.clock);
        started.map(Some).map_err(StartError::Loading)
    }

    /// The configuration, as far as it can change.
    pub(super) fn configuration(
        &self,
        sources: Sources,
        level: LogLevel,
        reload: Handle,
    ) -> Result<Option<(ConfigHandle, ConfigWorker)>, StartError> {
        let (log, kept, clock) = (self.log.clone(), self.log.clone(), self.clock);
        let verifier = Arc::clone(self.verifier);
        let config = Config {
            sources,
            live: self.settings.clone(),
            check: Arc::new(|keys, settings| {
                let names_issuers = keys.iter().any(|key| key.starts_with("subjects."));
                let checked = if names_issuers { identity::check(&settings.subjects) } else { Ok(()) };
                checked.map_err(|error| events::Chain(&error).to_string())
            }),
            apply: Arc::new(move |key, settings| {
                if key.starts_with("subjects.") {
                    verifier.reload(clock.now());
                } else {
                    apply(key, settings, &level, &reload, &kept);
                }
            }),
            observer: Arc::new(move |report: &ConfigReport| records::configuration(&log, report)),
            metrics: Arc::clone(self.metrics),
            clock: self.clock,
        };
        config.watched().map_err(StartError::Loading)
    }

    fn source(&self, directory: &Path, last_good: Option<LastGood>) -> Source {
        let settings = self.settings.load();
        let policies = &settings.policies;
        let options =
            policy::Options { forbid_errors: policies.forbid_errors, principal_type: policies.principal_type.clone() };
        Source { directory: directory.to_owned(), options, last_good, roster: self.roster.clone() }
    }
}

/// Ends a start whose policy files cannot be read before a data directory is made for it: in one that is not there yet no copy stands in
/// for them.
pub(super) fn look_ahead(settings: &Settings) -> Result<(), StartError> {
    let set = &settings.policies.directory;
    if settings.audit.directory.symlink_metadata().is_ok() || fs::read_dir(set).is_ok() {
        return Ok(());
    }
    match policy::read(set) {
        Ok(_) => Ok(()),
        Err(error) => Err(StartError::Policies(reload::FirstError::Read(error.into()))),
    }
}

/// Settings that take more than being published: whoever looks them up each time needs nothing here.
fn apply(key: &'static str, settings: &Settings, level: &LogLevel, reload: &Handle, log: &Log) {
    if key == "telemetry.log.level" {
        match level.set(&settings.telemetry.log_level) {
            Ok(()) => events::log_level_changed(&settings.telemetry.log_level),
            Err(error) => events::config_not_applied(key, &error),
        }
    } else if key == "telemetry.log.access" {
        if let Err(error) = access::turn(settings.telemetry.log_access) {
            events::config_not_applied(key, &error);
        }
    } else if key.starts_with("audit.") {
        log.retain(retention(&settings.audit));
    } else if key.starts_with("policies.") {
        // The loop sleeps by the old settings.
        reload.nudge(Cause::Poll);
    }
}
