//! `sidegate menu DIR`

use super::{
    ExitCode,
    output::{self, Output},
    subject::SubjectArgs,
};
use clap::Args;
use serde_json::json;

/// Show the menu of a user, and what each hidden item lacks.
#[derive(Debug, Args)]
pub(super) struct MenuArgs {
    #[command(flatten)]
    subject: SubjectArgs,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &MenuArgs) -> ExitCode {
    args.subject.ask(|overview, user, tenant, at| {
        let menu = overview.menu(user, tenant, at)?;
        Ok(match args.output {
            Output::Human => {
                let width = menu.items.iter().map(|item| item.id.chars().count()).max().unwrap_or(0);
                let line = |item: &crate::policy::Item<'_>| {
                    if item.visible {
                        format!("visible  {}\n", item.id)
                    } else {
                        format!("hidden   {:<width$}  needs {}\n", item.id, item.missing.join(", "))
                    }
                };
                output::finish(&menu.items.iter().map(line).collect::<String>(), ExitCode::Done)
            }
            Output::Json => output::finish_json(&json!(menu), ExitCode::Done),
        })
    })
}
