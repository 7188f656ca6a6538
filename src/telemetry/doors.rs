//! The metrics of who comes in: TLS and callers.

use super::{
    Metrics,
    decisions::KnownNames,
    metrics::{counters, gauges, integers, seconds},
    table,
};
use crate::model::Timestamp;
use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGaugeVec, Registry};

const LISTENERS: [&str; 3] = ["authorize", "admin", "ops"];

/// The label of callers beyond those that are named.
const OTHER: &str = "other";

/// What came of a look at the files of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsReload {
    /// They count.
    Loaded,
    /// They are of no use.
    Rejected,
}

impl TlsReload {
    /// Every outcome.
    pub const ALL: [Self; 2] = [Self::Loaded, Self::Rejected];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Rejected => "rejected",
        }
    }
}

/// What came of the beginning of a connection with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Handshake {
    /// It can be used.
    Done,
    /// There was no agreement.
    Failed,
    /// It took too long.
    TimedOut,
}

impl Handshake {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Done, Self::Failed, Self::TimedOut];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
        }
    }
}

/// Everything about doors.
pub(super) struct DoorMetrics {
    expires: GaugeVec,
    reloads: IntCounterVec,
    rejected: IntGaugeVec,
    handshakes: IntCounterVec,
    requests: IntCounterVec,
    known_callers: KnownNames,
}

/// The requests of one caller, by what became of them.
#[derive(Debug, Clone)]
pub struct CallerCounters {
    /// They were answered.
    pub admitted: IntCounter,
    /// They were more than the caller may send.
    pub limited: IntCounter,
    /// The caller may not ask that.
    pub out_of_scope: IntCounter,
}

impl DoorMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let metrics = Self {
            expires: gauges(registry, &table::TLS_EXPIRES),
            reloads: counters(registry, &table::TLS_RELOADS),
            rejected: integers(registry, &table::TLS_REJECTED),
            handshakes: counters(registry, &table::TLS_HANDSHAKES),
            requests: counters(registry, &table::CALLER_REQUESTS),
            known_callers: KnownNames::default(),
        };
        for listener in LISTENERS {
            metrics.expires.with_label_values(&[listener]).set(0.0);
            metrics.rejected.with_label_values(&[listener]).set(0);
            for outcome in TlsReload::ALL {
                metrics.reloads.with_label_values(&[listener, outcome.as_str()]).inc_by(0);
            }
            for outcome in Handshake::ALL {
                metrics.handshakes.with_label_values(&[listener, outcome.as_str()]).inc_by(0);
            }
        }
        drop(metrics.caller(OTHER));
        metrics
    }

    fn caller(&self, label: &str) -> CallerCounters {
        let series = |outcome| self.requests.with_label_values(&[label, outcome]);
        CallerCounters {
            admitted: series("admitted"),
            limited: series("limited"),
            out_of_scope: series("out_of_scope"),
        }
    }
}

impl Metrics {
    /// Says when the certificate of a listener expires.
    pub fn tls_expires(&self, listener: &str, expires: Timestamp) {
        self.doors.expires.with_label_values(&[listener]).set(seconds(expires));
    }

    /// Counts one look at a listener's certificate that found other files.
    pub fn tls_reload(&self, listener: &str, outcome: TlsReload) {
        self.doors.reloads.with_label_values(&[listener, outcome.as_str()]).inc();
    }

    /// Says whether the files of a listener's certificate are of no use as they are.
    pub fn tls_rejected(&self, listener: &str, rejected: bool) {
        self.doors.rejected.with_label_values(&[listener]).set(i64::from(rejected));
    }

    /// Counts one beginning of a connection with TLS.
    pub fn tls_handshake(&self, listener: &str, outcome: Handshake) {
        self.doors.handshakes.with_label_values(&[listener, outcome.as_str()]).inc();
    }

    /// Resolves the counters of a caller (bounded: those beyond the first 128 of the process count as `other`).
    #[must_use]
    pub fn caller_counters(&self, name: &str) -> CallerCounters {
        self.doors.caller(if self.doors.known_callers.admit(name) { name } else { OTHER })
    }
}
