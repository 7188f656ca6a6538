//! `sidegate authorize DIR`

use super::{
    ExitCode,
    output::{self, Output},
    question::DecisionArgs,
};
use crate::{
    engine,
    model::{Decision, ReasonCode},
    policy::Snapshot,
};
use serde_json::{Value, json};

pub(super) fn run(args: &DecisionArgs) -> ExitCode {
    args.put(|snapshot, subject, request| {
        let outcome = engine::decide(&snapshot.program, subject, request);
        let code = if outcome.decision.is_allow() { ExitCode::Done } else { ExitCode::Denied };
        let message = outcome.message(&snapshot.program).to_string();
        match args.output {
            Output::Human => output::finish(&format!("{}: {message} ({})\n", outcome.decision, outcome.code), code),
            Output::Json => {
                let policies = outcome.determining.iter().filter_map(|&index| snapshot.program.policy(index));
                let policies: Vec<_> = policies.map(|facts| facts.id.to_string()).collect();
                output::finish_json(&answer(snapshot, outcome.decision, outcome.code, &message, &policies), code)
            }
        }
    })
}

/// The decision as the HTTP interface answers it, but for the id under which an audit log would keep it.
pub(super) fn answer(
    snapshot: &Snapshot,
    decision: Decision,
    code: ReasonCode,
    message: &str,
    policies: &[String],
) -> Value {
    json!({
        "decision": decision.as_str(),
        "reason": { "code": code.as_str(), "message": message, "policies": policies },
        "revision": snapshot.revision.short(),
    })
}
