//! The messages, as far as anything in them is read or said here. Fields that are not listed are skipped where they come.
//!
//! Names and numbers are those of Envoy's published API (`envoyproxy/envoy`, folder `api`), of `googleapis` and of protobuf's
//! well-known types; each type names its file.

pub(super) mod check;
pub(super) mod health;
pub(super) mod structure;
