//! `sidegate authorize DIR`

use super::{
    ExitCode,
    output::{self, Output},
    question::QuestionArgs,
    set::SetArgs,
};
use crate::{
    engine::{self, Outcome},
    policy::Snapshot,
};
use clap::Args;
use serde_json::{Value, json};

/// Decide one question by a policy set; the exit code is 0 for allow and 2 for deny.
#[derive(Debug, Args)]
pub(super) struct AuthorizeArgs {
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    question: QuestionArgs,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &AuthorizeArgs) -> ExitCode {
    let question = match args.question.read() {
        Ok(question) => question,
        Err(code) => return code,
    };
    let snapshot = match args.set.load_or_show() {
        Ok(snapshot) => snapshot,
        Err(code) => return code,
    };
    question.put(&snapshot, |subject, request| {
        let outcome = engine::decide(&snapshot.program, subject, request);
        let code = if outcome.decision.is_allow() { ExitCode::Done } else { ExitCode::Denied };
        match args.output {
            Output::Human => output::finish(&format!("{}\n", headline(&snapshot, &outcome)), code),
            Output::Json => output::finish_json(&to_json(&snapshot, &outcome), code),
        }
    })
}

/// The decision in one line.
pub(super) fn headline(snapshot: &Snapshot, outcome: &Outcome<'_>) -> String {
    format!("{}: {} ({})", outcome.decision, outcome.message(&snapshot.program), outcome.code)
}

/// The decision as the HTTP interface answers it, but for the id under which an audit log would keep it.
pub(super) fn to_json(snapshot: &Snapshot, outcome: &Outcome<'_>) -> Value {
    let policies: Vec<&str> = outcome
        .determining
        .iter()
        .filter_map(|&index| snapshot.program.policy(index))
        .map(|facts| &*facts.id)
        .collect();
    json!({
        "decision": outcome.decision.as_str(),
        "reason": {
            "code": outcome.code.as_str(),
            "message": outcome.message(&snapshot.program).to_string(),
            "policies": policies,
        },
        "revision": snapshot.revision.short(),
    })
}
