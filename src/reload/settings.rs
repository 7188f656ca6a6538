//! The process's own configuration, read anew while it runs.
//!
//! The file is looked at for the same causes as the policies, in the same way. What can count at once does; what cannot is named.
//! A file with errors changes nothing, and says so. Flags and the environment are what they were at the start, and still win.

use super::{
    Cause,
    cause::{Pending, Slot},
    look::{Found, Look},
    watch::Watch,
    workshop::Workshop,
};
use crate::{
    config::{self, Change, Live, Settings, Sources},
    document::{Diagnostic, Diagnostics, Text},
    lifecycle::{Clock, Stop},
    model::{Revision, Timestamp},
    telemetry::{ConfigOutcome, Metrics, events},
};
use arc_swap::ArcSwap;
use std::{fmt, io, path::PathBuf, sync::Arc};
use tokio::time::{self, sleep_until};

/// Puts one changed key into effect, where that takes more than publishing the settings.
pub type Apply = Arc<dyn Fn(&'static str, &Settings) + Send + Sync>;

/// Looks at what settings name, such as files, before these settings count; fails with what is wrong. Is given the keys that change, and
/// may block.
type Check = Arc<dyn Fn(&[&'static str], &Settings) -> Result<(), String> + Send + Sync>;

/// Is told of every look that says something new. May block.
type Observer = Arc<dyn Fn(&ConfigReport) + Send + Sync>;

/// What came of a look at the configuration.
#[derive(Debug, Clone)]
pub struct ConfigReport {
    /// Why it was looked at.
    pub cause: Cause,
    /// What came of it.
    pub outcome: ConfigOutcome,
    /// Keys whose new values count from now on.
    pub applied: Vec<&'static str>,
    /// Keys whose new values wait for the next start.
    pub waiting: Vec<&'static str>,
    /// What is wrong, where something is.
    pub problem: Option<Arc<Diagnostics>>,
    /// When.
    pub at: Timestamp,
}

/// How the configuration stands. Published as a whole.
#[derive(Debug, Clone)]
pub struct ConfigStatus {
    /// The file.
    pub file: PathBuf,
    /// Since when the settings count as they are.
    pub changed_at: Timestamp,
    /// Keys whose values in the file wait for the next start.
    pub waiting: Vec<&'static str>,
    /// Why the file does not count as it is now, where it does not.
    pub problem: Option<Arc<Diagnostics>>,
}

/// Makes the loop look, and tells how the configuration stands. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ConfigHandle {
    slot: Arc<Slot>,
    status: Arc<ArcSwap<ConfigStatus>>,
}

impl ConfigHandle {
    /// Asks for a look.
    pub fn nudge(&self, cause: Cause) {
        self.slot.put(cause);
    }

    /// How the configuration stands.
    #[must_use]
    pub fn status(&self) -> Arc<ConfigStatus> {
        self.status.load_full()
    }
}

/// Where settings come from and go to.
#[derive(Clone)]
pub struct Config {
    /// Where they come from.
    pub sources: Sources,
    /// Where they are published.
    pub live: Live,
    /// Looks at what changed keys name.
    pub check: Check,
    /// Puts changed keys into effect.
    pub apply: Apply,
    /// Is told of news.
    pub observer: Observer,
    /// Where outcomes are counted.
    pub metrics: Arc<Metrics>,
    /// Tells the time.
    pub clock: Clock,
}

/// The loop. It alone publishes settings.
pub struct ConfigWorker {
    config: Config,
    file: PathBuf,
    slot: Arc<Slot>,
    status: Arc<ArcSwap<ConfigStatus>>,
    workshop: Workshop,
    watch: Watch,
    // What the file held when it was last looked at; nothing until then, and while it cannot be read.
    seen: Option<Revision>,
}

impl Config {
    /// Readies the loop. Nothing where there is no file: then nothing can change.
    ///
    /// # Errors
    /// Fails where there is no thread for the work.
    pub fn watched(self) -> io::Result<Option<(ConfigHandle, ConfigWorker)>> {
        let Some(file) = self.sources.file.clone() else { return Ok(None) };
        let status =
            ConfigStatus { file: file.clone(), changed_at: self.clock.now(), waiting: Vec::new(), problem: None };
        let (slot, status) = (Arc::new(Slot::default()), Arc::new(ArcSwap::from_pointee(status)));
        let handle = ConfigHandle { slot: Arc::clone(&slot), status: Arc::clone(&status) };
        let workshop = Workshop::start("configuration")?;
        let watch = Watch::new(&file, Arc::clone(&slot));
        Ok(Some((handle, ConfigWorker { config: self, file, slot, status, workshop, watch, seen: None })))
    }
}

impl ConfigWorker {
    /// Looks at the file whenever there is a cause, until the stop.
    pub async fn run(mut self, stop: Stop) {
        tokio::select! {
            () = stop.stopped() => {}
            () = self.look_forever() => {}
        }
    }

    async fn look_forever(&mut self) {
        loop {
            let policies = self.config.live.load().policies.clone();
            self.watch.arm(policies.watch, &self.workshop).await;
            let poll = time::Instant::now() + policies.poll_interval;
            let Pending { cause, .. } = tokio::select! {
                biased;
                pending = self.slot.take() => pending,
                () = sleep_until(poll) => Pending { cause: Cause::Poll, asked: Vec::new() },
            };
            let look = Look { slot: &self.slot, workshop: &self.workshop, debounce: policies.debounce };
            let (file, seen) = (self.file.clone(), self.seen);
            let found = look.find(cause, move || config::read(&file), |digest| seen == Some(digest)).await;
            match found {
                Ok(Found::Files(text)) => self.read(cause, &text).await,
                Ok(Found::Unreadable(error)) => {
                    self.seen = None;
                    self.reject(cause, error.into()).await;
                }
                Ok(Found::Unsettled) => self.slot.put(Cause::Poll),
                Err(broken) => events::reload_failed(&broken),
            }
        }
    }

    async fn read(&mut self, cause: Cause, text: &Text) {
        use super::look::Content as _;
        let digest = text.digest();
        // What has been looked at already says nothing new, unless somebody asks.
        if self.seen.replace(digest) == Some(digest) && !cause.is_word() {
            return;
        }
        match config::settle(&self.config.sources, Some(text)) {
            Ok(wanted) => self.change(cause, text, &wanted).await,
            Err(error) => self.reject(cause, error.into()).await,
        }
    }

    async fn change(&mut self, cause: Cause, text: &Text, wanted: &Settings) {
        let Change { next, applied, waiting } = Change::between(&self.config.live.load(), wanted);
        let (check, keys, settings) = (Arc::clone(&self.config.check), applied.clone(), next.clone());
        match self.workshop.run(move || check(&keys, &settings)).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => {
                // What is wrong lies elsewhere: once it is mended, this file is good as it is.
                self.seen = None;
                let problem = Diagnostic::whole("settings-without-use", text, problem);
                return self.reject(cause, problem.into()).await;
            }
            Err(broken) => return events::reload_failed(&broken),
        }
        let before = self.status.load_full();
        let recovered = before.problem.is_some();
        let at = self.config.clock.now();
        let is_news = !applied.is_empty() || before.waiting != waiting;
        let changed_at = if applied.is_empty() { before.changed_at } else { at };
        let status = ConfigStatus { changed_at, waiting: waiting.clone(), problem: None, file: self.file.clone() };
        self.status.store(Arc::new(status));
        if !is_news {
            events::config_unchanged(&self.config.metrics, recovered);
            return;
        }
        self.config.live.publish(next.clone());
        // Said once it counts, and before the level of the log changes, which may be among it.
        events::config_changed(&self.config.metrics, cause.as_str(), &applied, &waiting);
        for key in &applied {
            (self.config.apply)(key, &next);
        }
        self.observe(ConfigReport { cause, outcome: ConfigOutcome::Applied, applied, waiting, problem: None, at })
            .await;
    }

    async fn reject(&self, cause: Cause, problems: Diagnostics) {
        let problem = Arc::new(problems);
        let before = self.status.load_full();
        let told = before.problem.as_ref() == Some(&problem);
        self.status
            .store(Arc::new(ConfigStatus { problem: Some(Arc::clone(&problem)), ..ConfigStatus::clone(&before) }));
        if told {
            return;
        }
        events::config_rejected(&self.config.metrics, cause.as_str(), problem.len());
        problem.iter().for_each(|problem| events::config_diagnostic(problem));
        let (at, outcome) = (self.config.clock.now(), ConfigOutcome::Rejected);
        let (applied, waiting) = (Vec::new(), before.waiting.clone());
        self.observe(ConfigReport { cause, outcome, applied, waiting, problem: Some(problem), at }).await;
    }

    async fn observe(&self, report: ConfigReport) {
        let observer = Arc::clone(&self.config.observer);
        if let Err(broken) = self.workshop.run(move || observer(&report)).await {
            events::reload_failed(&broken);
        }
    }
}

impl fmt::Debug for ConfigWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigWorker").field("file", &self.file).finish_non_exhaustive()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("sources", &self.sources).finish_non_exhaustive()
    }
}
