//! `sidegate completions SHELL`

use super::{Arguments, ExitCode, output};
use clap::{Args, CommandFactory};
use clap_complete::{Generator as _, Shell};

/// The program that is completed.
const PROGRAM: &str = "sidegate";

/// Print completions for a shell.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> ExitCode {
    output::finish(&script(args.shell), ExitCode::Done)
}

/// The completions that packages install, each with the name that its shell looks for.
#[must_use]
pub fn completions() -> Vec<(String, String)> {
    [Shell::Bash, Shell::Fish, Shell::Zsh].map(|shell| (shell.file_name(PROGRAM), script(shell))).into()
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), PROGRAM, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
