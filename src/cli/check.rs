//! `sidegate check DIR`

use super::{
    ExitCode,
    output::{self, Output},
    set::{self, SetArgs},
};
use crate::{document::Diagnostics, policy::Snapshot};
use clap::Args;
use serde_json::json;

/// Check a policy set and report everything that is wrong with it.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    set: SetArgs,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &CheckArgs) -> ExitCode {
    let result = args.set.load();
    let code = if result.is_ok() { ExitCode::Done } else { ExitCode::PolicyErrors };
    match args.output {
        Output::Human => human(args, &result, code),
        Output::Json => as_json(&result, code),
    }
}

fn human(args: &CheckArgs, result: &Result<Snapshot, Diagnostics>, code: ExitCode) -> ExitCode {
    match result {
        Ok(snapshot) => {
            let warnings: Diagnostics = snapshot.warnings.iter().cloned().collect();
            if !warnings.is_empty() {
                set::show(&warnings);
            }
            let line = format!(
                "{}: policy set `{}` is good: {}, {}, {}, revision {}\n",
                args.set.directory.display(),
                snapshot.name,
                count(snapshot.program.policies().len(), "policy", "policies"),
                count(snapshot.users.len(), "user", "users"),
                count(warnings.len(), "warning", "warnings"),
                snapshot.revision,
            );
            output::finish(&line, code)
        }
        Err(diagnostics) => {
            set::show(diagnostics);
            output::say(&format!(
                "{}: {}",
                args.set.directory.display(),
                count(diagnostics.len(), "problem", "problems")
            ));
            code
        }
    }
}

fn as_json(result: &Result<Snapshot, Diagnostics>, code: ExitCode) -> ExitCode {
    let data = match result {
        Ok(snapshot) => json!({
            "valid": true,
            "policy_set": snapshot.name,
            "revision": snapshot.revision.short(),
            "policies": snapshot.program.policies().len(),
            "users": snapshot.users.len(),
            "diagnostics": snapshot.warnings.iter().map(set::to_json).collect::<Vec<_>>(),
        }),
        Err(diagnostics) => json!({
            "valid": false,
            "diagnostics": diagnostics.iter().map(set::to_json).collect::<Vec<_>>(),
        }),
    };
    output::finish_json(&data, code)
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
