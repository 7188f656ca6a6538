//! `sidegate completions SHELL`

use super::{Arguments, ExitCode, output};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print completions for a shell.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "sidegate", &mut script);
    output::finish(&String::from_utf8_lossy(&script), ExitCode::Done)
}
