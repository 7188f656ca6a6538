//! Audit records of the process itself: start, stop, and what became of policy files.

use crate::{
    audit::{Entry, Kind, Log, Origin, Texts},
    lifecycle::Clock,
    model::Timestamp,
    reload::{Cause, Report},
    telemetry::events,
};
use serde_json::json;
use ulid::Ulid;

/// Diagnostics in one record at most: the log, `/status` and the answer to a reload hold all.
const MOST_DIAGNOSTICS: usize = 20;

/// Records that the process has started or is about to end.
pub(super) fn system(log: &Log, clock: Clock, what: &str) {
    let after = json!({ "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id() }).to_string();
    append(log, &Entry { kind: Kind::System, after: &after, ..blank(clock.now(), what) });
}

/// Records what came of a look at the policy files.
pub(super) fn policy(log: &Log, report: &Report) {
    let after = json!({
        "policy_set": &*report.policy_set,
        "cause": report.cause.as_str(),
        "revision": report.seen.map(|seen| seen.to_string()),
    });
    let (after, revision) = (after.to_string(), report.revision.to_string());
    append(
        log,
        &Entry {
            kind: Kind::Policy,
            errors: &Problems(report),
            revision: &revision,
            duration_ns: u64::try_from(report.took.as_nanos()).unwrap_or(u64::MAX),
            origin: if report.cause == Cause::Admin { Origin::Admin } else { Origin::Cli },
            after: &after,
            ..blank(report.at, report.outcome.as_str())
        },
    );
}

/// What is wrong with the files, one line a problem.
struct Problems<'r>(&'r Report);

impl Texts for Problems<'_> {
    fn each(&self, take: &mut dyn FnMut(&str)) {
        let problems = self.0.problem.iter().flat_map(|problem| problem.iter());
        problems.take(MOST_DIAGNOSTICS).for_each(|problem| take(&problem.to_string()));
    }
}

fn append(log: &Log, entry: &Entry<'_>) {
    if let Err(error) = log.append(entry) {
        events::audit_append_failed(entry.reason, &error);
    }
}

fn blank(time: Timestamp, reason: &str) -> Entry<'_> {
    let milliseconds = u64::try_from(time.as_micros() / 1000).unwrap_or_default();
    let id = Ulid::from_parts(milliseconds, fastrand::u128(..)).to_bytes();
    Entry { reason, ..Entry::blank(Kind::System, time, id) }
}
