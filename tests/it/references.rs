//! Files that the code writes: what stands in the repository must be what the code would write now.
//!
//! `make reference` writes them anew.

mod tables;
mod values;

use crate::support::repo;
use std::fs;

/// Set by `make reference`.
const WRITE: &str = "SIDEGATE_UPDATE";

/// Folders that hold nothing but generated files.
const GENERATED: [&str; 2] = ["packaging/completions", "packaging/man"];

/// Every generated file with what it should hold.
fn references() -> Vec<(String, String)> {
    let [completions, man] = GENERATED;
    let below = |folder: &'static str| move |(name, text)| (format!("{folder}/{name}"), text);
    let references = [
        ("config/reference.yaml", sidegate::config::reference()),
        ("docs/reference/admin-api.md", sidegate::http::admin::reference()),
        ("docs/reference/audit-record.md", sidegate::audit::reference()),
        ("docs/reference/cli.md", sidegate::cli::reference()),
        ("docs/reference/doctor.md", sidegate::cli::doctor_reference()),
        ("docs/reference/exit-codes.md", sidegate::cli::exit_code_reference()),
        ("docs/reference/metrics.md", sidegate::telemetry::reference()),
        ("docs/reference/openapi.json", sidegate::http::admin::openapi()),
        ("docs/reference/tracing.md", sidegate::telemetry::trace::reference()),
    ];
    let references = references.map(|(path, text)| (path.to_owned(), text)).into_iter();
    let completions = sidegate::cli::completions().into_iter().map(below(completions));
    references.chain(completions).chain(sidegate::cli::man_pages().into_iter().map(below(man))).collect()
}

#[test]
fn generated_files_are_up_to_date() {
    let write = std::env::var_os(WRITE).is_some();
    let mut stale = Vec::new();
    let references = references();
    for (path, text) in &references {
        if fs::read_to_string(repo(path)).is_ok_and(|found| found == *text) {
            continue;
        }
        if write {
            fs::create_dir_all(repo(path).parent().expect("a folder")).expect("a folder can be made");
            fs::write(repo(path), text).expect("a file can be written");
        } else {
            stale.push(path.clone());
        }
    }
    // Those of commands that are gone.
    for folder in GENERATED {
        for entry in fs::read_dir(repo(folder)).into_iter().flatten() {
            let name = entry.expect("an entry").file_name();
            let path = format!("{folder}/{}", name.display());
            if references.iter().any(|(generated, _)| *generated == path) {
                continue;
            }
            if write {
                fs::remove_file(repo(&path)).expect("a file can be removed");
            } else {
                stale.push(path);
            }
        }
    }
    assert!(stale.is_empty(), "these files are not what the code says, `make reference` writes them anew: {stale:#?}");
}
