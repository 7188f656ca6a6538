//! The process: its allocator; parse, run, exit code.

use sidegate::cli::{self, ExitCode};

/// Compiling a set, binding users and working out a search allocate much and briefly, on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run(std::env::args_os())
}
