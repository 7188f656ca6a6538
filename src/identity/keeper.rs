//! Keeps the keys of issuers fresh: looks at them again and again, sooner where a token names a key that is not there.
//!
//! A look that fails changes nothing: the keys that were seen last count on, until they are too old.

use super::{
    fetch::{self, FetchError},
    issuer::Issuer,
    key::Key,
    keys::{self, KeysError, Renewal},
    verifier::{self, Verifier},
};
use crate::{
    config::{KeySource, KeyUpkeep},
    lifecycle::{Clock, Readiness, Stop},
    telemetry::events,
};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    task::{JoinError, JoinSet, spawn_blocking},
    time::sleep,
};

/// A file is looked at this often, whatever the settings say about addresses: it costs next to nothing.
const FILE_REFRESH: Duration = Duration::from_secs(5);

/// The wait after the first failure. Each further one is twice as long, up to the usual time between two looks.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The wait after the looks themselves have failed, which they should not.
const REST: Duration = Duration::from_secs(1);

/// What keeps the process from being ready until every issuer was asked once.
const HOLD: &str = "tokens";

/// Looks at the keys of all issuers. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Keeper {
    verifier: Arc<Verifier>,
    clock: Clock,
    readiness: Readiness,
}

/// Why a look at keys failed.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    #[error("the file could not be looked at")]
    Task(#[source] JoinError),
    #[error("the keys could not be fetched")]
    Fetch(#[source] FetchError),
    #[error("what was found is no JWKS")]
    Keys(#[source] KeysError),
}

impl Keeper {
    /// A keeper that has not begun. The process is not ready until it has asked every issuer once, whatever the answer.
    #[must_use]
    pub fn new(verifier: Arc<Verifier>, clock: Clock, readiness: Readiness) -> Self {
        let keeper = Self { verifier, clock, readiness };
        if !keeper.has_asked_all() {
            keeper.readiness.hold(HOLD, "the keys of token issuers were not asked for yet");
        }
        keeper
    }

    /// Looks until it is told to stop.
    pub async fn run(self, stop: Stop) {
        loop {
            let mut looking = JoinSet::new();
            for issuer in self.verifier.issuers().iter().filter(|issuer| !issuer.is_fixed) {
                looking.spawn(self.clone().keep(Arc::clone(issuer)));
            }
            tokio::select! {
                () = stop.stopped() => return,
                () = self.verifier.changed.notified() => {}
                // They go on for ever: one that has ended has panicked, and all begin anew.
                Some(_) = looking.join_next() => sleep(REST).await,
            }
        }
    }

    async fn keep(self, issuer: Arc<Issuer>) {
        let mut told_stale = false;
        loop {
            let upkeep = self.verifier.settings.load().subjects.keys.clone();
            let usual = match issuer.config.keys {
                KeySource::Address(_) => upkeep.refresh,
                KeySource::File(_) | KeySource::Secret { .. } => upkeep.refresh.min(FILE_REFRESH),
            };
            let rest = match look(&issuer, &upkeep).await {
                Ok(listed) => {
                    self.take(&issuer, listed);
                    told_stale = false;
                    usual
                }
                Err(error) => {
                    self.tell(&issuer, &error, &upkeep, &mut told_stale);
                    wait_after(issuer.failed()).min(usual)
                }
            };
            if self.has_asked_all() {
                self.readiness.release(HOLD);
            }
            let pause = upkeep.pause.min(rest);
            // Up to a tenth less by chance, so that many sidecars do not ask at once.
            let rest = rest.mul_f64(1.0 - fastrand::f64() / 10.0);
            let wanted = async {
                sleep(pause).await;
                issuer.wanted.notified().await;
            };
            tokio::select! {
                () = sleep(rest) => {}
                () = wanted => {}
            }
        }
    }

    fn take(&self, issuer: &Issuer, listed: Vec<Key>) {
        let is_first = issuer.keys.load().confirmed.is_none();
        let has_failed = issuer.failed() > 0;
        let (usable, renewal) = self.verifier.renew(issuer, listed, self.clock.now());
        issuer.note(None);
        let Renewal { added, removed } = renewal;
        let is_news = is_first || has_failed || added > 0 || removed > 0;
        events::token_keys_seen(&self.verifier.metrics, &issuer.config.issuer, usable, added, removed, is_news);
    }

    fn tell(&self, issuer: &Issuer, error: &LookError, upkeep: &KeyUpkeep, told_stale: &mut bool) {
        let failures = issuer.note(Some(events::Chain(error).to_string()));
        events::token_keys_failed(&self.verifier.metrics, &issuer.config.issuer, error, failures);
        let keys = issuer.keys.load();
        let is_stale = issuer.fresh_until(&keys, upkeep).is_some_and(|until| self.clock.now() >= until);
        if is_stale && keys.confirmed.is_some() && !*told_stale {
            *told_stale = true;
            events::token_keys_stale(&issuer.config.issuer);
        }
    }

    fn has_asked_all(&self) -> bool {
        self.verifier.issuers().iter().all(|issuer| {
            let has_failed = issuer.failed() > 0;
            issuer.is_fixed || has_failed || issuer.keys.load().confirmed.is_some()
        })
    }
}

async fn look(issuer: &Issuer, upkeep: &KeyUpkeep) -> Result<Vec<Key>, LookError> {
    match &issuer.config.keys {
        KeySource::Address(address) => {
            let text = fetch::fetch(upkeep, address).await.map_err(LookError::Fetch)?;
            keys::parse(&text).map_err(LookError::Keys)
        }
        KeySource::File(path) | KeySource::Secret { path, .. } => {
            let path = path.clone();
            let text = spawn_blocking(move || verifier::read(&path)).await.map_err(LookError::Task)?;
            keys::parse(&text.map_err(LookError::Read)?).map_err(LookError::Keys)
        }
    }
}

fn wait_after(failures: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(16))
}
