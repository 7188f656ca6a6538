//! Integration tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::missing_docs_in_private_items,
    reason = "test code"
)]

/// The audit log: every record once, whatever happens to rings, store and directory.
mod audit;
/// The audit commands.
mod audit_cli;
/// Queries and exports over HTTP and in process, against a naive model.
mod audit_query;
/// `kill -9` at random moments.
mod audit_survives_kill;
