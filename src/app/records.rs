//! Audit records of the process itself: start, stop, and what became of policy files.

use crate::{
    audit::{Entry, Kind, Log, Origin, Texts},
    lifecycle::Clock,
    model::Timestamp,
    reload::{Cause, ConfigReport, CopyFailure, Report},
    telemetry::events,
};
use serde_json::json;
use ulid::Ulid;

/// Bytes of diagnostics in one record at most; the rest goes into further ones.
const MOST_BYTES: usize = 6 * 1024;

/// Records for the diagnostics of one set at most: the log and `/status` hold what goes beyond.
const MOST_RECORDS: usize = 50;

/// Records that the process has started or is about to end.
pub(super) fn system(log: &Log, clock: Clock, what: &str) {
    let after = json!({ "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id() }).to_string();
    append(log, &Entry { kind: Kind::System, after: &after, ..blank(clock.now(), what) });
}

/// Records what came of a look at the policy files: every problem, and who has changed the files, where that can be told.
pub(super) fn policy(log: &Log, report: &Report) {
    let problems: Vec<String> =
        report.problem.iter().flat_map(|problem| problem.iter()).map(ToString::to_string).collect();
    let parts = parts(&problems);
    for (number, problems) in parts.iter().take(MOST_RECORDS).enumerate() {
        let mut after = json!({
            "policy_set": &*report.policy_set,
            "cause": report.cause.as_str(),
            "revision": report.seen.map(|seen| seen.to_string()),
        });
        if let (Some(after), Some(checkout)) = (after.as_object_mut(), &report.checkout) {
            after.insert("commit".to_owned(), checkout.commit.clone().into());
            after.insert("author".to_owned(), checkout.author.clone().into());
        }
        if let (Some(after), true) = (after.as_object_mut(), parts.len() > 1) {
            after.insert("part".to_owned(), (number + 1).into());
            after.insert("parts".to_owned(), parts.len().into());
        }
        let (after, revision) = (after.to_string(), report.revision.to_string());
        append(
            log,
            &Entry {
                kind: Kind::Policy,
                errors: &Lines(problems),
                revision: &revision,
                duration_ns: u64::try_from(report.took.as_nanos()).unwrap_or(u64::MAX),
                origin: if report.cause == Cause::Admin { Origin::Admin } else { Origin::Cli },
                after: &after,
                ..blank(report.at, report.outcome.as_str())
            },
        );
    }
}

/// Records that the copy of the last good set cannot be kept or used.
pub(super) fn copy(log: &Log, failure: &CopyFailure) {
    let revision = failure.revision.map(|revision| revision.to_string()).unwrap_or_default();
    for problems in parts(&failure.problems).into_iter().take(MOST_RECORDS) {
        let entry = blank(failure.at, failure.outcome);
        append(log, &Entry { kind: Kind::Policy, revision: &revision, errors: &Lines(problems), ..entry });
    }
}

/// Records that settings have changed while the process runs, or could not.
pub(super) fn configuration(log: &Log, report: &ConfigReport) {
    let problems: Vec<String> =
        report.problem.iter().flat_map(|problem| problem.iter()).map(ToString::to_string).collect();
    // Keys without their values: some of them are nobody's business.
    let after =
        json!({ "cause": report.cause.as_str(), "applied": report.applied, "waiting": report.waiting }).to_string();
    let reason = format!("config_{}", report.outcome.as_str());
    append(log, &Entry { after: &after, errors: &Lines(&problems), ..blank(report.at, &reason) });
}

/// Lines in parts of which each fits into a record. There is always one part.
fn parts(lines: &[String]) -> Vec<&[String]> {
    let (mut parts, mut rest) = (Vec::new(), lines);
    loop {
        let mut bytes = 0;
        let fitting = rest.iter().take_while(|line| {
            bytes += line.len();
            bytes <= MOST_BYTES
        });
        let (part, more) = rest.split_at(fitting.count().max(1).min(rest.len()));
        parts.push(part);
        if more.is_empty() {
            return parts;
        }
        rest = more;
    }
}

/// Lines as a list of a record.
struct Lines<'l>(&'l [String]);

impl Texts for Lines<'_> {
    fn each(&self, take: &mut dyn FnMut(&str)) {
        self.0.iter().for_each(|line| take(line));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_in_exactly_one_part_and_each_part_fits() {
        for (count, length, wanted) in [(0, 0, 1), (1, 10, 1), (20, 100, 1), (200, 100, 4), (3, MOST_BYTES * 2, 3)] {
            let lines: Vec<String> = (0..count).map(|n| format!("{n:0length$}")).collect();
            let parts = parts(&lines);
            assert_eq!(parts.concat(), lines);
            assert_eq!(parts.len(), wanted, "{count} lines of {length}");
        }
    }
}
