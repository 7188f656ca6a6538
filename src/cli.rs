//! The command line: one file a subcommand, exit codes, output formats.
//!
//! Data goes to standard output, everything that is said about it to standard error.

mod access;
mod audit;
mod authorize;
mod check;
mod compile;
mod completions;
mod directory;
mod doctor;
mod exit;
mod explain;
mod init;
mod man;
mod matrix;
mod menu;
mod output;
mod question;
mod reference;
mod remote;
mod review;
mod schema;
mod serve;
mod set;
mod sources;
mod subject;
mod test;
mod token;

pub use completions::completions;
pub use doctor::reference as doctor_reference;
pub use exit::{ExitCode, reference as exit_code_reference};
pub use man::man_pages;
pub use reference::reference;

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
    Serve(serve::ServeArgs),
    Check(check::CheckArgs),
    Compile(compile::CompileArgs),
    Test(test::TestArgs),
    /// Decide one question by a policy set; the exit code is 0 for allow and 2 for deny.
    Authorize(question::DecisionArgs),
    /// Explain one decision: what it rests on or what is missing, then every policy that was considered.
    Explain(question::DecisionArgs),
    Access(access::AccessArgs),
    Menu(menu::MenuArgs),
    Matrix(matrix::MatrixArgs),
    Audit(Box<audit::AuditArgs>),
    Directory(directory::DirectoryArgs),
    Review(Box<review::ReviewArgs>),
    Token(token::TokenArgs),
    Doctor(Box<doctor::DoctorArgs>),
    Init(init::InitArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
}

/// Runs the command that the arguments name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Arguments::try_parse_from(arguments) {
        Ok(Arguments { command }) => command.run(),
        Err(error) => {
            // clap knows which of its texts are help and belong to standard output.
            let printed = error.print();
            match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => match printed {
                    Err(failure) if failure.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::Failed,
                    _ => ExitCode::Done,
                },
                _ => ExitCode::Usage,
            }
        }
    }
}

impl Command {
    fn run(self) -> ExitCode {
        match self {
            Self::Serve(args) => serve::run(&args),
            Self::Check(args) => check::run(&args),
            Self::Compile(args) => compile::run(&args),
            Self::Test(args) => test::run(&args),
            Self::Authorize(args) => authorize::run(&args),
            Self::Explain(args) => explain::run(&args),
            Self::Access(args) => access::run(&args),
            Self::Menu(args) => menu::run(&args),
            Self::Matrix(args) => matrix::run(&args),
            Self::Audit(args) => audit::run(&args),
            Self::Directory(args) => directory::run(&args),
            Self::Review(args) => review::run(&args),
            Self::Token(args) => token::run(&args),
            Self::Doctor(args) => doctor::run(&args),
            Self::Init(args) => init::run(&args),
            Self::Schema(args) => schema::run(&args),
            Self::Completions(args) => completions::run(&args),
        }
    }
}
