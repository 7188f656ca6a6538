//! The process: parse, run, exit code.

use sidegate::cli::{self, ExitCode};

fn main() -> ExitCode {
    cli::run(std::env::args_os())
}
