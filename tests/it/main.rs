//! Integration tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]
#![allow(missing_docs, reason = "tests are named by what they show")]

mod plain_cedar;
