//! `sidegate compile DIR`

use super::{
    ExitCode,
    output::{self, Output},
    set::SetArgs,
};
use clap::Args;
use serde_json::json;

/// Print the Cedar policies that a policy set means.
#[derive(Debug, Args)]
pub(super) struct CompileArgs {
    #[command(flatten)]
    set: SetArgs,
    /// How to print the result: Cedar text for people
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &CompileArgs) -> ExitCode {
    let snapshot = match args.set.load_or_show() {
        Ok(snapshot) => snapshot,
        Err(code) => return code,
    };
    let cedar = snapshot.to_cedar();
    match args.output {
        Output::Human => output::finish(&cedar, ExitCode::Done),
        Output::Json => {
            let policies = snapshot.program.policies().iter().map(|facts| {
                json!({
                    "id": facts.id,
                    "summary": facts.summary,
                    "source": facts.location.as_ref().map(ToString::to_string),
                })
            });
            let data = json!({
                "policy_set": snapshot.name,
                "revision": snapshot.revision.short(),
                "policies": policies.collect::<Vec<_>>(),
                "cedar": cedar,
            });
            output::finish_json(&data, ExitCode::Done)
        }
    }
}
