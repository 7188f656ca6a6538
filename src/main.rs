//! The process: its allocator; parse, run, exit code.

use sidegate::{
    Allocator,
    cli::{self, ExitCode},
};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    cli::run(std::env::args_os())
}
