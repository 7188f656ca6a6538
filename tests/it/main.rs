//! Integration tests.

mod samples; // the policy sets that are shipped
