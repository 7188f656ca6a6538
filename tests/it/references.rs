//! Files that the code writes: what stands in the repository must be what the code would write now.
//!
//! `make reference` writes them anew.

mod tables;
mod values;

use crate::support::repo;
use std::fs;

/// Set by `make reference`.
const WRITE: &str = "SIDEGATE_UPDATE";

/// Every generated file with what it should hold.
fn references() -> Vec<(&'static str, String)> {
    vec![
        ("config/reference.yaml", sidegate::config::reference()),
        ("docs/reference/admin-api.md", sidegate::http::admin::reference()),
        ("docs/reference/audit-record.md", sidegate::audit::reference()),
        ("docs/reference/cli.md", sidegate::cli::reference()),
        ("docs/reference/exit-codes.md", sidegate::cli::exit_code_reference()),
        ("docs/reference/metrics.md", sidegate::telemetry::reference()),
        ("docs/reference/openapi.json", sidegate::http::admin::openapi()),
        ("docs/reference/tracing.md", sidegate::telemetry::trace::reference()),
    ]
}

#[test]
fn generated_files_are_up_to_date() {
    let write = std::env::var_os(WRITE).is_some();
    let mut stale = Vec::new();
    for (path, text) in references() {
        if fs::read_to_string(repo(path)).is_ok_and(|found| found == text) {
            continue;
        }
        if write {
            fs::create_dir_all(repo(path).parent().expect("a folder")).expect("a folder can be made");
            fs::write(repo(path), text).expect("a file can be written");
        } else {
            stale.push(path);
        }
    }
    assert!(stale.is_empty(), "these files are not what the code says, `make reference` writes them anew: {stale:#?}");
}
