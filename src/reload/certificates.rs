//! Certificates of listeners, read anew while the process runs.
//!
//! They are looked at for the same causes as the policies, in the same way. What is of no use changes nothing, and says so; it is
//! looked at again each time, since a certificate can come of age.

use super::{
    Cause,
    cause::{Pending, Slot},
    look::{Content, Found, Look},
    watch::Watch,
    workshop::Workshop,
};
use crate::{
    config::{Live, Tls},
    document::{Diagnostic, Diagnostics, Text},
    lifecycle::{Clock, Stop},
    model::{Revision, Timestamp},
    telemetry::{Metrics, events},
    tls::{Acceptor, Fault, Files, Loaded},
};
use arc_swap::ArcSwap;
use sha2::{Digest as _, Sha256};
use std::{convert::Infallible, fmt, io, path::PathBuf, sync::Arc};
use tokio::time::{self, sleep_until};

/// A listener that speaks TLS.
#[derive(Debug, Clone)]
pub struct Guarded {
    /// Its name.
    pub listener: &'static str,
    /// Its settings.
    pub settings: Tls,
    /// The protocols that a client may ask for (ALPN), the best first.
    pub protocols: &'static [&'static [u8]],
    /// What its connections are taken with.
    pub acceptor: Acceptor,
    digest: Revision,
}

/// How the certificate of one listener stands.
#[derive(Debug, Clone)]
pub struct CertificateStatus {
    /// The listener.
    pub listener: &'static str,
    /// Whom the certificate names that is shown.
    pub names: Vec<String>,
    /// Until when it holds.
    pub expires: Timestamp,
    /// Since when it is shown.
    pub loaded_at: Timestamp,
    /// Why the files do not count as they are now, where they do not.
    pub problems: Vec<String>,
}

/// Makes the loop look, and tells how the certificates stand. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CertificatesHandle {
    slot: Arc<Slot>,
    status: Arc<ArcSwap<Vec<CertificateStatus>>>,
}

impl CertificatesHandle {
    /// Asks for a look.
    pub fn nudge(&self, cause: Cause) {
        self.slot.put(cause);
    }

    /// How they stand, one for each listener that speaks TLS.
    #[must_use]
    pub fn status(&self) -> Arc<Vec<CertificateStatus>> {
        self.status.load_full()
    }
}

/// The loop. It alone gives listeners other certificates.
pub struct CertificatesWorker {
    guarded: Vec<Guarded>,
    expired: Vec<&'static str>,
    live: Live,
    metrics: Arc<Metrics>,
    clock: Clock,
    slot: Arc<Slot>,
    status: Arc<ArcSwap<Vec<CertificateStatus>>>,
    workshop: Workshop,
    watch: Watch,
}

impl Guarded {
    /// Reads what a listener's settings name; nothing where they ask for no TLS.
    ///
    /// # Errors
    /// Fails with what is wrong with each of the files, at the setting that names it.
    pub fn open(
        listener: &'static str,
        settings: &Tls,
        protocols: &'static [&'static [u8]],
        now: Timestamp,
    ) -> Result<Option<Self>, Diagnostics> {
        let Some(files) = Files::read(settings) else { return Ok(None) };
        let loaded = files.load(protocols, now).map_err(|faults| problems(listener, &faults))?;
        let acceptor = Acceptor::new(loaded, settings.handshake_timeout);
        Ok(Some(Self { listener, settings: settings.clone(), protocols, acceptor, digest: digest(&files) }))
    }
}

fn problems(listener: &str, faults: &[Fault]) -> Diagnostics {
    let mut problems = Diagnostics::default();
    for fault in faults {
        let place = Text::absent(format!("server.{listener}.tls.{}", fault.part.as_str()));
        problems.push(Diagnostic::whole("bad-certificate", &place, &*fault.message).with_help(fault.help.clone()));
    }
    problems
}

/// Readies the loop. Nothing where no listener speaks TLS.
///
/// # Errors
/// Fails where there is no thread for the work.
pub fn watch_certificates(
    guarded: Vec<Guarded>,
    live: Live,
    metrics: Arc<Metrics>,
    clock: Clock,
) -> io::Result<Option<(CertificatesHandle, CertificatesWorker)>> {
    if guarded.is_empty() {
        return Ok(None);
    }
    let loaded_at = clock.now();
    let status = guarded.iter().map(|guarded| {
        let Loaded { names, expires, .. } = Loaded::clone(&guarded.acceptor.current());
        metrics.tls_expires(guarded.listener, expires);
        events::tls_loaded(guarded.listener, &names, expires);
        CertificateStatus { listener: guarded.listener, names, expires, loaded_at, problems: Vec::new() }
    });
    let status = Arc::new(ArcSwap::from_pointee(status.collect::<Vec<_>>()));
    let slot = Arc::new(Slot::default());
    let paths: Vec<PathBuf> =
        guarded.iter().flat_map(|guarded| Files::paths(&guarded.settings)).map(ToOwned::to_owned).collect();
    let watch = Watch::of_several(paths.into(), Arc::clone(&slot));
    let handle = CertificatesHandle { slot: Arc::clone(&slot), status: Arc::clone(&status) };
    let workshop = Workshop::start("certificates")?;
    let expired = Vec::new();
    Ok(Some((handle, CertificatesWorker { guarded, expired, live, metrics, clock, slot, status, workshop, watch })))
}

/// The files of all listeners, in their order.
struct AllFiles(Vec<Files>);

impl Content for AllFiles {
    fn digest(&self) -> Revision {
        let mut digest = Sha256::new();
        self.0.iter().for_each(|files| files.digest(&mut digest));
        Revision::new(digest.finalize().into())
    }
}

fn digest(files: &Files) -> Revision {
    let mut digest = Sha256::new();
    files.digest(&mut digest);
    Revision::new(digest.finalize().into())
}

impl CertificatesWorker {
    /// Looks at the files whenever there is a cause, until the stop.
    pub async fn run(mut self, stop: Stop) {
        tokio::select! {
            () = stop.stopped() => {}
            () = self.look_forever() => {}
        }
    }

    async fn look_forever(&mut self) {
        let mut seen = None;
        loop {
            let policies = self.live.load().policies.clone();
            self.watch.arm(policies.watch, &self.workshop).await;
            let poll = time::Instant::now() + policies.poll_interval;
            let Pending { cause, .. } = tokio::select! {
                biased;
                pending = self.slot.take() => pending,
                () = sleep_until(poll) => Pending { cause: Cause::Poll, asked: Vec::new() },
            };
            let look = Look { slot: &self.slot, workshop: &self.workshop, debounce: policies.debounce };
            let settings: Arc<[Tls]> = self.guarded.iter().map(|guarded| guarded.settings.clone()).collect();
            // A listener that is guarded has files to read.
            let read = move || Ok::<_, Infallible>(AllFiles(settings.iter().filter_map(Files::read).collect()));
            match look.find(cause, read, |digest| seen == Some(digest)).await {
                Ok(Found::Files(files)) => {
                    seen = Some(files.digest());
                    self.take(&files);
                }
                Ok(Found::Unsettled) => self.slot.put(Cause::Poll),
                Ok(Found::Unreadable(never)) => match never {},
                Err(broken) => events::reload_failed(&broken),
            }
        }
    }

    fn take(&mut self, files: &AllFiles) {
        let mut status = Vec::clone(&self.status.load());
        let now = self.clock.now();
        for ((guarded, files), status) in self.guarded.iter_mut().zip(&files.0).zip(&mut status) {
            let digest = digest(files);
            if digest == guarded.digest && status.problems.is_empty() {
                continue;
            }
            match files.load(guarded.protocols, now) {
                Ok(loaded) => {
                    let is_news = digest != guarded.digest;
                    let (names, expires) = (loaded.names.clone(), loaded.expires);
                    // Connections that are there go on with what they began with.
                    guarded.acceptor.replace(loaded);
                    guarded.digest = digest;
                    let loaded_at = if is_news { now } else { status.loaded_at };
                    let listener = guarded.listener;
                    *status = CertificateStatus { listener, names, expires, loaded_at, problems: Vec::new() };
                    self.metrics.tls_expires(listener, expires);
                    events::tls_reloaded(&self.metrics, listener, &status.names, expires);
                }
                Err(faults) => {
                    let problems: Vec<String> = faults.iter().map(ToString::to_string).collect();
                    if problems != status.problems {
                        events::tls_rejected(&self.metrics, guarded.listener, &problems);
                        status.problems = problems;
                    }
                }
            }
        }
        self.tell_expired(&status, now);
        self.status.store(Arc::new(status));
    }

    /// Says once of each certificate that it is of no use any more.
    fn tell_expired(&mut self, status: &[CertificateStatus], now: Timestamp) {
        for CertificateStatus { listener, expires, .. } in status {
            let told = self.expired.contains(listener);
            if *expires >= now {
                self.expired.retain(|known| known != listener);
            } else if !told {
                events::tls_expired(listener, *expires);
                self.expired.push(listener);
            }
        }
    }
}

impl fmt::Debug for CertificatesWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificatesWorker").field("guarded", &self.guarded).finish_non_exhaustive()
    }
}
