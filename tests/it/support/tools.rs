//! Programs of others that some tests need: those of the machine, and those that `scripts/install-test-tools` installs into `.tools`.

use super::paths::repo;
use std::{io::Write as _, process::Command};

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

/// A tool by its path below `.tools`, such as `bin/helm`.
#[track_caller]
pub fn tool(path: &str) -> Command {
    let file = repo(".tools").join(path);
    assert!(file.exists(), "`{path}` is not installed: run `scripts/install-test-tools`");
    Command::new(file)
}
