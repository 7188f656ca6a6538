//! The binary once more, for a test that links it without shared libraries out of what the tests have built already.
//!
//! The same program as `src/main.rs`, which a test sees to. As a test target it is built with the features of the other tests, so
//! that nothing else is built again; cargo would resolve others for the binary alone.

use sidegate::{
    Allocator,
    cli::{self, ExitCode},
};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    cli::run(std::env::args_os())
}
