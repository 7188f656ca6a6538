//! Programs of others that some tests need.

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
