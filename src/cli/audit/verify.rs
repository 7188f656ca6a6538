//! `sidegate audit verify`

use super::super::{
    ExitCode,
    output::{self, Output},
};
use crate::audit::{Report, Verification, VerifyError, verify};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Check that the log is as it was written: every link, number, manifest, tombstone, anchor and checkpoint.
///
/// Nothing is changed: each segment is copied, and the copy is read. The closed segments of an instance that runs can be checked as well;
/// the one that it writes to is left out.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// The data directory
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// A file of checkpoints that was kept elsewhere, one a line
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// The public keys that are trusted, in PEM; with it, what is signed must be signed with one of them
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    /// Where segments are copied to, one at a time [default: the system's directory for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &VerifyArgs) -> ExitCode {
    let verification = Verification {
        data: args.data.clone(),
        checkpoints: args.checkpoint.clone(),
        public_keys: args.public_key.clone(),
        scratch: args.scratch.clone().unwrap_or_else(std::env::temp_dir),
    };
    let report = match verify(&verification) {
        Ok(report) => report,
        Err(error @ (VerifyError::Key(_) | VerifyError::Checkpoints { .. })) => {
            return output::fail(ExitCode::Usage, &error);
        }
        Err(error) => return output::fail(ExitCode::Failed, &error),
    };
    let code = if report.is_intact() { ExitCode::Done } else { ExitCode::LogNotIntact };
    match args.output {
        Output::Json => match serde_json::to_value(&report) {
            Ok(mut value) => {
                if let Some(members) = value.as_object_mut() {
                    members.insert("intact".to_owned(), json!(report.is_intact()));
                }
                output::finish_json(&value, code)
            }
            Err(error) => output::fail(ExitCode::Internal, &error),
        },
        Output::Human => output::finish(&summary(&report), code),
    }
}

fn summary(report: &Report) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, what: String| lines.push(format!("{name:<12} {what}\n"));
    let Report { first_seq, last_seq, records, segments, .. } = report;
    if *records == 0 {
        line("records", format!("none checked, {segments} segments"));
    } else {
        line("records", format!("{first_seq} to {last_seq} ({records} in {segments} segments)"));
        line("last hash", report.last_hash.clone());
    }
    if let Some(removed) = report.removed {
        let (first, last) = (removed.first_seq, removed.last_seq);
        line("removed", format!("{first} to {last} ({} by retention)", removed.records));
    }
    let by = if report.keys.is_empty() { String::new() } else { format!(" by {}", report.keys.join(", ")) };
    line("manifests", format!("{} ({} signed{by})", report.manifests, report.signed));
    line("checkpoints", report.checkpoints.to_string());
    for warning in &report.warnings {
        line("note", warning.clone());
    }
    for problem in &report.problems {
        let place = match (problem.seq, &problem.segment) {
            (u64::MAX, _) => String::new(),
            (seq, None) => format!("record {seq}: "),
            (seq, Some(segment)) => format!("record {seq} in {segment}: "),
        };
        line("problem", place + &problem.what);
    }
    let verdict = match (report.is_intact(), report.complete) {
        (true, true) => "intact",
        (true, false) => "intact as far as it was checked",
        (false, _) => "not intact",
    };
    line("verdict", verdict.to_owned());
    lines.concat()
}
