//! Manual pages and completions, read by those that show them.

use crate::support::{is_tool_there, repo, run, tool};
use std::{fs, path::PathBuf, process::Command};

fn pages() -> Vec<PathBuf> {
    let pages = fs::read_dir(repo("packaging/man")).expect("pages");
    pages.map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn no_manual_page_has_a_fault() {
    let pages = pages();
    assert!(pages.len() > 20, "{pages:?}");
    let mut mandoc = tool("debian/usr/bin/mandoc");
    // Beneath an error are remarks on blank lines, which the renderer makes many of.
    mandoc.args(["-T", "lint", "-W", "error"]).args(&pages);
    let linted = run(mandoc);
    assert_eq!((linted.code, linted.stdout.as_str()), (Some(0), ""), "{linted:?}");
}

#[test]
fn a_manual_page_shows_tables_as_they_are_written() {
    let mut mandoc = tool("debian/usr/bin/mandoc");
    mandoc.args(["-T", "utf8", "-O", "width=100"]).arg(repo("packaging/man/sidegate-serve.1"));
    let shown = run(mandoc);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let line = "block (default)    waits for room";
    assert!(shown.stdout.lines().any(|shown| shown.trim() == line), "{}", shown.stdout);
}

#[test]
fn completions_are_good_scripts_of_their_shells() {
    for (shell, file) in [("bash", "sidegate.bash"), ("zsh", "_sidegate"), ("fish", "sidegate.fish")] {
        // Only the first is everywhere.
        if shell != "bash" && Command::new(shell).arg("--version").output().is_err() {
            continue;
        }
        assert!(is_tool_there(shell, "--version"));
        let mut command = Command::new(shell);
        command.arg("-n").arg(repo("packaging/completions").join(file));
        let checked = run(command);
        assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""), "{shell}: {checked:?}");
    }
    let mut bash = Command::new("bash");
    bash.arg("-c").arg("source \"$0\" && complete -p sidegate").arg(repo("packaging/completions/sidegate.bash"));
    let completed = run(bash);
    assert!(completed.stdout.contains("sidegate"), "{completed:?}");
}
