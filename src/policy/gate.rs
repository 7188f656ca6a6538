//! The set's own tests as a gate: what fails is a problem of the set, at the place of the test.

use super::{Files, Snapshot, run_tests};
use crate::document::{Diagnostic, Severity, Text};

/// A problem for each test that fails.
#[must_use]
pub fn failed_tests(snapshot: &Snapshot, files: &Files, severity: Severity) -> Vec<Diagnostic> {
    let report = run_tests(snapshot);
    let failures = report.failures().map(|failure| {
        let (location, name) = (&failure.test.location, &failure.test.name);
        let message = format!("the test `{name}` does not hold: expected {}, got {}", failure.expected, failure.got);
        let text = files.text(&location.file).unwrap_or_else(|| Text::absent(&*location.file));
        let at = text.offset_of(location.line, location.column);
        match severity {
            Severity::Error => Diagnostic::error("failed-test", &text, at..at, message),
            Severity::Warning => Diagnostic::warning("failed-test", &text, at..at, message),
        }
    });
    failures.collect()
}
