//! Tools that `scripts/install-test-tools` installs into `.tools`.

use super::paths::repo;
use std::process::Command;

/// A tool by its path below `.tools`, such as `bin/helm`.
#[track_caller]
pub fn tool(path: &str) -> Command {
    let file = repo(".tools").join(path);
    assert!(file.exists(), "`{path}` is not installed: run `scripts/install-test-tools`");
    Command::new(file)
}
