//! All issuers, and the one question: what does this token say.

use super::{
    fetch::{self, FetchError},
    issuer::{Identity, Issuer, Look},
    key::Key,
    keys::{self, KeySet, KeysError, Renewal},
    token::Parts,
};
use crate::{
    config::{KeySource, Live, Subjects, TokenIssuer},
    document,
    model::{ReasonCode, Timestamp},
    telemetry::{Metrics, TokenFigures, events},
};
use arc_swap::ArcSwap;
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;

/// Why tokens of an issuer could not be verified from the start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No file of keys.
    #[error("the keys of `{issuer}` cannot be read from `{}`", path.display())]
    Read {
        /// Whose.
        issuer: String,
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("`{}` is no JWKS of `{issuer}`", path.display())]
    Keys {
        /// Whose.
        issuer: String,
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: KeysError,
    },
    /// The file holds keys, and none is any good.
    #[error("`{}` holds no key of `{issuer}` that can verify a signature: RSA of 2048 bits or more, P-256, P-384 or Ed25519", path.display())]
    Useless {
        /// Whose.
        issuer: String,
        /// Which file.
        path: PathBuf,
    },
    /// Keys cannot be fetched.
    #[error("keys cannot be fetched")]
    Fetch(#[source] FetchError),
}

/// How the keys of one issuer stand.
#[derive(Debug, Clone)]
pub struct IssuerStatus {
    /// Whose.
    pub issuer: String,
    /// Keys that count.
    pub keys: usize,
    /// When they were last seen to be what the issuer lists; `None` before the first time.
    pub confirmed_at: Option<Timestamp>,
    /// Whether tokens are refused because of that.
    pub stale: bool,
    /// Looks in a row that failed.
    pub failures: u32,
    /// Why the last one did.
    pub failure: Option<String>,
}

/// Verifies tokens. Shared by all who take them.
#[derive(Debug)]
pub struct Verifier {
    pub(super) settings: Live,
    issuers: ArcSwap<Vec<Arc<Issuer>>>,
    /// Counts how often something was taken from what verified tokens rest on.
    generation: AtomicU64,
    /// Told when there are other issuers.
    pub(super) changed: Notify,
    pub(super) metrics: Arc<Metrics>,
}

impl Verifier {
    /// Reads the keys that are in files. Those at addresses are there once a [`Keeper`](super::Keeper) has fetched them.
    ///
    /// # Errors
    /// Fails where a file cannot be read or holds no keys, and where keys could not be fetched whoever answers.
    pub fn open(settings: Live, metrics: Arc<Metrics>, now: Timestamp) -> Result<Arc<Self>, OpenError> {
        let subjects = settings.load().subjects.clone();
        check_trust(&subjects).map_err(OpenError::Fetch)?;
        let issuers = subjects.tokens.into_iter().map(|config| open(config, now)).collect::<Result<Vec<_>, _>>()?;
        let verifier = Arc::new(Self {
            settings,
            issuers: ArcSwap::from_pointee(issuers),
            generation: AtomicU64::new(0),
            changed: Notify::new(),
            metrics,
        });
        let watched = Arc::downgrade(&verifier);
        verifier.metrics.watch_tokens(move || watched.upgrade().map(|verifier| verifier.figures()).unwrap_or_default());
        Ok(verifier)
    }

    /// Whether there is any issuer whose tokens count.
    #[must_use]
    pub fn takes_tokens(&self) -> bool {
        !self.issuers.load().is_empty()
    }

    /// What a token says.
    ///
    /// # Errors
    /// Says why the token is refused.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, ReasonCode> {
        let verified = self.look_at(token, now);
        self.metrics.token(verified.as_ref().map(|_| ()).map_err(|code| *code));
        verified
    }

    fn look_at(&self, token: &str, now: Timestamp) -> Result<Identity, ReasonCode> {
        // Read before the keys are: whoever takes one away counts on only afterwards.
        let generation = self.generation.load(Ordering::Acquire);
        let settings = self.settings.load();
        let Subjects { verification, keys: upkeep, .. } = &settings.subjects;
        let token = Parts::read(token, verification.token_bytes)?;
        let issuers = self.issuers.load();
        let name = token.claims.get("iss").and_then(|issuer| issuer.as_text()).ok_or(ReasonCode::TokenIssuer)?;
        let issuer = issuers.iter().find(|issuer| issuer.config.issuer == name).ok_or(ReasonCode::TokenIssuer)?;
        issuer.verify(token, &Look { verification, upkeep, now, generation })
    }

    /// Whether what a token said still counts without another look at it. Counts it where it does.
    #[must_use]
    pub fn still_holds(&self, identity: &Identity, now: Timestamp) -> bool {
        let holds = now < identity.expires && self.generation.load(Ordering::Acquire) == identity.generation;
        if holds {
            self.metrics.token_cached();
        }
        holds
    }

    /// Takes over changed settings. Issuers that have not changed keep their keys.
    pub fn reload(&self, now: Timestamp) {
        let wanted = self.settings.load().subjects.tokens.clone();
        let known = self.issuers.load_full();
        let issuers = wanted.into_iter().map(|config| {
            let same = known.iter().find(|issuer| issuer.config == config);
            same.map_or_else(|| self.reopen(config, now), Arc::clone)
        });
        self.issuers.store(Arc::new(issuers.collect()));
        self.count_on();
        self.changed.notify_one();
    }

    /// How the keys stand, in the order of the settings.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Vec<IssuerStatus> {
        let settings = self.settings.load();
        let issuers = self.issuers.load();
        let status = |issuer: &Arc<Issuer>| {
            let keys = issuer.keys.load();
            IssuerStatus {
                issuer: issuer.config.issuer.clone(),
                keys: keys.usable(),
                confirmed_at: keys.confirmed,
                stale: issuer.fresh_until(&keys, &settings.subjects.keys).is_some_and(|until| now >= until),
                failures: issuer.failed(),
                failure: issuer.failure.load().as_deref().cloned(),
            }
        };
        issuers.iter().map(status).collect()
    }

    /// An issuer that is new while the process runs: what cannot be read is told, and looked at again later. Its tokens are refused
    /// until then.
    fn reopen(&self, config: TokenIssuer, now: Timestamp) -> Arc<Issuer> {
        open(config.clone(), now).unwrap_or_else(|error| {
            events::token_keys_failed(&self.metrics, &config.issuer, &error, 1);
            Arc::new(Issuer::new(config, KeySet::default(), false))
        })
    }

    pub(super) fn issuers(&self) -> Arc<Vec<Arc<Issuer>>> {
        self.issuers.load_full()
    }

    /// Publishes what a look at an issuer's keys has found.
    pub(super) fn renew(&self, issuer: &Issuer, listed: Vec<Key>, now: Timestamp) -> (usize, Renewal) {
        let keep = self.settings.load().subjects.keys.keep_removed;
        let (keys, renewal) = issuer.keys.load().renewed(listed, now, keep);
        let usable = keys.usable();
        issuer.keys.store(Arc::new(keys));
        if renewal.removed > 0 {
            self.count_on();
        }
        (usable, renewal)
    }

    /// What was verified before has to be verified again.
    fn count_on(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn figures(&self) -> TokenFigures {
        let issuers = self.issuers.load();
        let sets = || issuers.iter().filter(|issuer| !issuer.is_fixed).map(|issuer| issuer.keys.load());
        TokenFigures {
            keys: issuers.iter().map(|issuer| issuer.keys.load().usable()).sum(),
            confirmed: if sets().all(|keys| keys.confirmed.is_some()) {
                sets().filter_map(|keys| keys.confirmed).min()
            } else {
                None
            },
        }
    }
}

/// Whether there is somebody to trust, where keys are fetched from addresses that need it.
fn check_trust(subjects: &Subjects) -> Result<(), FetchError> {
    let is_secure = |issuer: &TokenIssuer| matches!(&issuer.keys, KeySource::Address(address) if address.secure);
    if subjects.tokens.iter().any(is_secure) {
        fetch::trust(subjects.keys.ca_file.as_deref()).map(drop)
    } else {
        Ok(())
    }
}

/// Whether the files that the settings name hold what they should.
///
/// # Errors
/// Fails with the first that does not.
pub fn check(subjects: &Subjects) -> Result<(), OpenError> {
    check_trust(subjects).map_err(OpenError::Fetch)?;
    subjects.tokens.iter().try_for_each(|config| open(config.clone(), Timestamp::from_micros(0)).map(drop))
}

/// Fetches the keys of one issuer as a running process would, and says how many of them can be used.
///
/// # Errors
/// Says why there are none.
pub async fn try_out(subjects: &Subjects, issuer: &TokenIssuer) -> Result<usize, String> {
    let listed = match &issuer.keys {
        KeySource::Address(address) => {
            let fetched = fetch::fetch(&subjects.keys, address).await;
            fetched.map_err(|error| format!("`{}`: {}", **address, events::Chain(&error)))?.to_vec()
        }
        KeySource::File(path) => read(path).map_err(|error| format!("`{}`: {error}", path.display()))?,
        KeySource::Secret { .. } => return Ok(1),
    };
    let keys = keys::parse(&listed).map_err(|error| format!("what is listed is no JWKS: {error}"))?;
    match KeySet::seen(keys, Timestamp::from_micros(0)).usable() {
        0 => Err("none of the keys that are listed can verify a signature".to_owned()),
        usable => Ok(usable),
    }
}

fn open(config: TokenIssuer, now: Timestamp) -> Result<Arc<Issuer>, OpenError> {
    let (keys, is_fixed) = match &config.keys {
        KeySource::Address(_) => (KeySet::default(), false),
        KeySource::File(path) => {
            let failed = |source| OpenError::Keys { issuer: config.issuer.clone(), path: path.clone(), source };
            let text = read(path).map_err(|source| OpenError::Read {
                issuer: config.issuer.clone(),
                path: path.clone(),
                source,
            })?;
            let keys = KeySet::seen(keys::parse(&text).map_err(failed)?, now);
            if keys.usable() == 0 {
                return Err(OpenError::Useless { issuer: config.issuer.clone(), path: path.clone() });
            }
            (keys, false)
        }
        KeySource::Secret { secret, .. } => {
            // The settings were checked, so the secret is there; without it no token is verified.
            let keys = secret.iter().map(|secret| Key::of_secret(secret.reveal()));
            (KeySet::seen(keys.collect(), now), true)
        }
    };
    Ok(Arc::new(Issuer::new(config, keys, is_fixed)))
}

/// Reads a file of keys.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = document::read_file(path, fetch::MOST_BYTES)?;
    if bytes.len() > fetch::MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than a set of keys may be"));
    }
    Ok(bytes)
}
