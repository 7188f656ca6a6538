//! Git as it is installed, apart from the settings of whoever runs the tests.

use std::{io::Write as _, path::Path, process::Command};

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

/// Whether there is git. On a machine without it a test says so and passes; in continuous integration it must be there.
pub fn is_git_there() -> bool {
    if Command::new("git").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(std::env::var_os("CI").is_none(), "continuous integration needs git");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    writeln!(std::io::stderr(), "SKIPPED {test}: there is no git on this machine").expect("stderr is open");
    false
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
