//! `sidegate test DIR`

mod junit;

use super::{ExitCode, output, set::SetArgs};
use crate::policy::{self, Count, Snapshot, TestReport, TestResult};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Run the policy tests of a policy set, and say what they cover.
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    #[command(flatten)]
    set: SetArgs,
    /// Run the tests alone whose name, file or rule has this text in it
    #[arg(long, value_name = "TEXT", conflicts_with = "min_coverage")]
    filter: Option<String>,
    /// Fail where less than this share is covered: policies that decided, conditions that failed to hold, cells that were asked,
    /// routes that were found
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_coverage: Option<f64>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: TestOutput,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum TestOutput {
    /// For people
    #[default]
    Human,
    /// One JSON document
    Json,
    /// The XML that CI systems show
    Junit,
}

/// How many things that are not covered are shown to people, of each sort.
const MOST_SHOWN: usize = 20;

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse::<f64>().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| "must be a number from 0 to 100".to_owned())
}

pub(super) fn run(args: &TestArgs) -> ExitCode {
    let snapshot = match args.set.load_or_show() {
        Ok(snapshot) => snapshot,
        Err(code) => return code,
    };
    let report = policy::run_tests_where(&snapshot, |test| {
        args.filter.as_deref().is_none_or(|text| {
            test.name.contains(text)
                || test.location.file.contains(text)
                || test.rules.iter().any(|rule| rule.contains(text))
        })
    });
    if let (Some(text), true) = (&args.filter, report.results.is_empty()) {
        output::say(&format!("error: none of {} tests has `{text}` in its name, file or rule", snapshot.tests.len()));
        return ExitCode::Usage;
    }
    let covered = args.min_coverage.is_none_or(|least| report.coverage.percent() >= least);
    let code = if report.passed() && covered { ExitCode::Done } else { ExitCode::TestsFailed };
    if let (Some(least), false) = (args.min_coverage, covered) {
        let found = report.coverage.percent();
        output::say(&format!("error: {found:.1} % is covered, and {least} % is wanted"));
    }
    match args.output {
        TestOutput::Human => output::finish(&human(args, &snapshot, &report), code),
        TestOutput::Json => output::finish_json(&to_json(&snapshot, &report), code),
        TestOutput::Junit => output::finish(&junit::to_xml(&snapshot.name, &report), code),
    }
}

/// A table of files, what failed, and what is not covered.
fn human(args: &TestArgs, snapshot: &Snapshot, report: &TestReport) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    for failure in report.failures() {
        let _written = writeln!(out, "FAILED {}\n  {}", place(failure), failure.test.name);
        let _written = writeln!(out, "  expected {}\n  got      {}\n", failure.expected, failure.got);
    }
    let files = by_file(report);
    let width = files.iter().map(|(file, _)| file.len()).max().unwrap_or(0).max("file".len());
    let _written = writeln!(out, "{:width$}  {:>6}  {:>6}", "file", "passed", "failed");
    for (file, results) in &files {
        let passed = results.iter().filter(|result| result.passed).count();
        let _written = writeln!(out, "{file:width$}  {passed:>6}  {:>6}", results.len() - passed);
    }
    let all = report.results.len();
    let failed = report.failures().count();
    let _written = writeln!(out, "\n{}: {} of {all} tests passed", snapshot.name, all - failed);
    if args.filter.is_some() {
        return out;
    }
    // Most sets have no routes.
    let counts = report.coverage.counts().into_iter().filter(|(noun, count)| *noun != "routes" || count.total > 0);
    let counts: Vec<_> = counts.collect();
    let shares: Vec<_> =
        counts.iter().map(|(noun, count)| format!("{noun} {} of {}", count.covered, count.total)).collect();
    let _written = writeln!(out, "coverage {:.1} %: {}", report.coverage.percent(), shares.join(", "));
    for (noun, count) in counts {
        missing(noun, count, &mut out);
    }
    out
}

fn missing(noun: &str, count: &Count, out: &mut String) {
    for name in count.missing.iter().take(MOST_SHOWN) {
        let _written = writeln!(out, "  not covered, {noun}: {name}");
    }
    if let Some(more) = count.missing.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
        let _written = writeln!(out, "  not covered, {noun}: {more} more");
    }
}

fn to_json(snapshot: &Snapshot, report: &TestReport) -> Value {
    let tests = report.results.iter().map(|result| {
        let TestResult { test, expected, got, passed } = result;
        json!({
            "name": test.name,
            "file": test.location.file,
            "line": test.location.line,
            "column": test.location.column,
            "rules": test.rules,
            "passed": passed,
            "expected": expected,
            "got": got,
        })
    });
    let count = |count: &Count| json!({ "covered": count.covered, "total": count.total, "missing": count.missing });
    let coverage = &report.coverage;
    json!({
        "policy_set": snapshot.name,
        "revision": snapshot.revision.short(),
        "passed": report.passed(),
        "tests": tests.collect::<Vec<_>>(),
        "coverage": {
            "percent": coverage.percent(),
            "policies": count(&coverage.policies),
            "conditions": count(&coverage.conditions),
            "cells": count(&coverage.cells),
            "routes": count(&coverage.routes),
        },
    })
}

/// The results of each file, in the order of the files.
fn by_file(report: &TestReport) -> Vec<(&str, Vec<&TestResult>)> {
    let mut files: Vec<(&str, Vec<&TestResult>)> = Vec::new();
    for result in &report.results {
        let file = &*result.test.location.file;
        match files.iter_mut().find(|(known, _)| *known == file) {
            Some((_, results)) => results.push(result),
            None => files.push((file, vec![result])),
        }
    }
    files
}

fn place(result: &TestResult) -> String {
    result.test.location.to_string()
}
