//! The command line: one file a subcommand, exit codes, output formats.
//!
//! Data goes to standard output, everything that is said about it to standard error.

mod audit;
mod exit;
mod output;

pub use exit::{ExitCode, reference as exit_code_reference};

use clap::{Parser, Subcommand, error::ErrorKind};
use std::ffi::OsString;

/// Decides beside your application: policies from git, decisions over HTTP, an audit log that can be proven.
#[derive(Debug, Parser)]
#[command(name = "sidegate", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Audit(audit::AuditArgs),
}

/// Runs the command that the arguments name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Arguments::try_parse_from(arguments) {
        Ok(Arguments { command: Command::Audit(args) }) => audit::run(&args),
        Err(error) => {
            // clap knows which of its texts are help and belong to standard output.
            let printed = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion if printed.is_ok() => ExitCode::Done,
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::Failed,
                _ => ExitCode::Usage,
            }
        }
    }
}
