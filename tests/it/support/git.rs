//! Git as it is installed, apart from the settings of whoever runs the tests.

use super::tools::is_tool_there;
use std::{path::Path, process::Command};

/// Who commits in tests.
pub const AUTHOR: &str = "Dora Keller <dora@demo.example>";

/// Runs git in a directory; the test fails where git does.
#[track_caller]
pub fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = command(directory).args(arguments).output().expect("git is installed");
    assert!(
        output.status.success(),
        "git {arguments:?} in {}: {}",
        directory.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

/// Whether there is git.
pub fn is_git_there() -> bool {
    is_tool_there("git", "--version")
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(directory).args(["-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main"]);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let (name, address) = AUTHOR.trim_end_matches('>').split_once(" <").expect("a name and an address");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), name).env(format!("GIT_{role}_EMAIL"), address);
    }
    command
}
