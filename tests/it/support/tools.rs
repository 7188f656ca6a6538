//! Programs of others that some tests need.

use super::paths::repo;
use std::{env, io::Write as _, process::Command};

/// Where `scripts/install-test-tools` installs programs.
const PLACES: [&str; 3] = [".tools/bin", ".tools/debian/usr/bin", ".tools/python/bin"];

/// A program that `scripts/install-test-tools` has installed, or has found on the path.
#[track_caller]
pub fn tool(name: &str) -> Command {
    let on_the_path = env::var_os("PATH").unwrap_or_default();
    let mut places = PLACES.map(repo).into_iter().chain(env::split_paths(&on_the_path)).map(|folder| folder.join(name));
    let found = places.find(|path| path.is_file());
    Command::new(found.unwrap_or_else(|| panic!("`{name}` is not installed: run `scripts/install-test-tools`")))
}

/// Whether a program is installed. On a machine without it a test says so and passes; in continuous integration it must be there.
pub fn is_tool_there(program: &str, version: &str) -> bool {
    if Command::new(program).arg(version).output().is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "continuous integration needs {program}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    writeln!(std::io::stderr(), "SKIPPED {test}: there is no {program} on this machine").expect("stderr is open");
    false
}
