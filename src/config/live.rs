//! Settings that change while the process runs, and those that wait for its next start.

use super::{Settings, keys::KEYS};
use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;

/// Keys whose change counts at once. All others have a hand in what was made at the start: sockets, threads, files.
const LIVE: &[&str] = &[
    "server.authorize.public_url",
    "server.authorize.limits.body_bytes",
    "server.authorize.limits.header_bytes",
    "server.authorize.limits.header_timeout",
    "server.authorize.limits.body_timeout",
    "server.authorize.limits.connections",
    "server.authorize.limits.in_flight",
    "server.authorize.limits.batch_items",
    "server.authorize.limits.batch_bytes",
    "server.authorize.callers",
    "server.authorize.trusted_proxies",
    "server.authorize.proxy.user_header",
    "server.authorize.proxy.user_claim",
    "server.authorize.proxy.header_prefix",
    "server.authorize.proxy.tell_reasons",
    "server.admin.tokens",
    "server.admin.clients",
    "policies.watch",
    "policies.poll_interval",
    "policies.debounce",
    "policies.activation_tests",
    "policies.start_from_last_good",
    "policies.max_staleness",
    "policies.when_stale",
    "audit.retention.age",
    "audit.retention.bytes",
    "audit.hold",
    "subjects.trust_asserted_roles",
    "subjects.tokens",
    "subjects.verification.leeway",
    "subjects.verification.token_bytes",
    "subjects.keys.refresh",
    "subjects.keys.max_age",
    "subjects.keys.keep_removed",
    "subjects.keys.pause",
    "subjects.keys.timeout",
    "subjects.keys.ca_file",
    "telemetry.log.level",
    "telemetry.log.access",
    "shutdown.delay",
    "shutdown.deadline",
];

/// Whether a change of this key counts at once.
pub(super) fn is_live(path: &str) -> bool {
    LIVE.contains(&path)
}

/// The settings that count now. Cheap to clone; whoever keeps one sees every change.
#[derive(Debug, Clone)]
pub struct Live(Arc<ArcSwap<Settings>>);

impl Live {
    /// What counts from the start.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(settings)))
    }

    /// What counts now.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<Settings>> {
        self.0.load()
    }

    /// Lets other settings count. Only whoever reads the configuration anew calls it.
    pub fn publish(&self, settings: Settings) {
        self.0.store(Arc::new(settings));
    }
}

/// What becomes of settings that were read anew.
#[derive(Debug, Clone)]
pub struct Change {
    /// What counts from now on: the running settings with those new ones that can count at once.
    pub next: Settings,
    /// Keys that count at once and differ.
    pub applied: Vec<&'static str>,
    /// Keys that differ and wait for the next start.
    pub waiting: Vec<&'static str>,
}

impl Change {
    /// Compares what was read anew with what runs.
    #[must_use]
    pub fn between(running: &Settings, wanted: &Settings) -> Self {
        let mut change = Self { next: running.clone(), applied: Vec::new(), waiting: Vec::new() };
        for key in KEYS.iter().filter(|key| (key.show)(running) != (key.show)(wanted)) {
            if is_live(key.path) {
                (key.copy)(&mut change.next, wanted);
                change.applied.push(key.path);
            } else {
                change.waiting.push(key.path);
            }
        }
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys;
    use std::time::Duration;

    #[test]
    fn every_key_of_the_list_exists() {
        assert!(LIVE.iter().all(|path| keys::find(path).is_some()));
    }

    #[test]
    fn what_can_change_does_and_what_cannot_is_named() {
        let running = Settings::default();
        let mut wanted = running.clone();
        wanted.server.authorize.limits.in_flight = 7;
        wanted.policies.poll_interval = Duration::from_secs(1);
        wanted.telemetry.log_level = "debug".to_owned();
        wanted.server.ops_listen = ([127, 0, 0, 1], 9).into();
        wanted.policies.shadow = Some("elsewhere".into());
        let change = Change::between(&running, &wanted);
        assert_eq!(
            change.applied,
            ["server.authorize.limits.in_flight", "policies.poll_interval", "telemetry.log.level"]
        );
        assert_eq!(change.waiting, ["server.ops.listen", "policies.shadow"]);
        assert_eq!(change.next.server.authorize.limits.in_flight, 7);
        assert_eq!(change.next.telemetry.log_level, "debug");
        assert_eq!(change.next.server.ops_listen, running.server.ops_listen, "it waits for the next start");
        assert_eq!(change.next.policies.shadow, None);

        let again = Change::between(&change.next, &wanted);
        assert!(again.applied.is_empty() && again.waiting == change.waiting, "{again:?}");
    }
}
