//! Integration tests.

mod compile; // broken policy sets: exact diagnostics
mod samples; // the policy sets that are shipped
mod schemas; // generated JSON Schemas are up to date
