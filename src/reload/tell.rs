//! What operators are told of a look at the files.

use super::{Cause, Current, Report};
use crate::{
    document::Diagnostic,
    model::Revision,
    telemetry::{Metrics, events},
};
use std::fmt;

/// A snapshot decides.
pub(super) fn swap(metrics: &Metrics, report: &Report, from: Option<Revision>, next: &Current) {
    let swap = events::PolicySwap {
        cause: report.cause.as_str(),
        from,
        to: report.revision,
        policy_set: &report.policy_set,
        policies: next.snapshot.program.policies().len(),
        took: report.took,
        commit: report.checkout.as_ref().map(|checkout| checkout.commit.as_str()),
        author: report.checkout.as_ref().and_then(|checkout| checkout.author.as_deref()),
        now: report.at,
    };
    if report.cause == Cause::Start {
        events::policy_loaded(metrics, &swap);
    } else {
        events::policy_swapped(metrics, &swap);
    }
    diagnostics(&next.snapshot.warnings);
}

/// A set was refused.
pub(super) fn refusal(metrics: &Metrics, report: &Report, refused: Revision, errors: usize, consecutive_failures: u64) {
    let refusal = events::PolicyRefusal {
        cause: report.cause.as_str(),
        outcome: report.outcome,
        refused,
        revision: report.revision,
        errors,
        consecutive_failures,
        took: report.took,
        commit: report.checkout.as_ref().map(|checkout| checkout.commit.as_str()),
        author: report.checkout.as_ref().and_then(|checkout| checkout.author.as_deref()),
    };
    events::policy_rejected(metrics, &refusal);
}

/// Each thing that is wrong, or hardly meant.
pub(super) fn diagnostics<'d>(items: impl IntoIterator<Item = &'d Diagnostic>) {
    for item in items {
        let place = fmt::from_fn(|f| match (item.line(), item.column()) {
            (Some(line), Some(column)) => write!(f, "{}:{line}:{column}", item.path()),
            _ => f.write_str(item.path()),
        });
        events::policy_diagnostic(item.severity().as_str(), item.code(), &place, item.message(), item.help());
    }
}
