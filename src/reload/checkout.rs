//! Who has changed the policies: commit and author, where the directory is a work tree.
//!
//! The commit is what `HEAD` names, read from its files. The author stands in the commit itself, which may be packed, so git is
//! asked where it is installed. Both are a help to people and prove nothing: files may differ from what was committed.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long git may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is looked whether git has ended.
const GLANCE: Duration = Duration::from_millis(5);

/// The longest text of git's files that is read.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// What a work tree says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The commit's id.
    pub commit: String,
    /// Its author, `name <address>`, where git could tell.
    pub author: Option<String>,
}

/// What the work tree around a directory says; nothing where there is none. May block for [`PATIENCE`].
pub(super) fn find(directory: &Path) -> Option<Checkout> {
    let real = directory.canonicalize().ok()?;
    let git = real.ancestors().find_map(git_directory)?;
    let commit = head(&git)?;
    let author = author(&real, &commit);
    Some(Checkout { commit, author })
}

/// Where git keeps its files for a work tree: `.git`, or what a file of that name points to.
fn git_directory(tree: &Path) -> Option<PathBuf> {
    let path = tree.join(".git");
    let metadata = fs::metadata(&path).ok()?;
    if metadata.is_dir() {
        return Some(path);
    }
    let text = read(&path)?;
    Some(tree.join(text.strip_prefix("gitdir:")?.trim()))
}

/// The commit that `HEAD` names.
fn head(git: &Path) -> Option<String> {
    let head = read(&git.join("HEAD"))?;
    let Some(name) = head.strip_prefix("ref:").map(str::trim) else { return commit_id(&head) };
    // Work trees beside the first one share its branches.
    let common = read(&git.join("commondir")).map_or_else(|| git.to_owned(), |path| git.join(path.trim()));
    let loose = [git, common.as_path()].into_iter().find_map(|place| commit_id(&read(&place.join(name))?));
    loose.or_else(|| {
        let packed = read(&common.join("packed-refs"))?;
        let line = packed.lines().find(|line| line.split_once(' ').is_some_and(|(_, named)| named == name))?;
        commit_id(line.split_once(' ')?.0)
    })
}

fn commit_id(text: &str) -> Option<String> {
    let text = text.trim();
    let is_id = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| text.to_owned())
}

fn read(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    if metadata.len() > MAX_BYTES {
        return None;
    }
    fs::read_to_string(path).ok()
}

/// Asks git for the author of a commit.
fn author(directory: &Path, commit: &str) -> Option<String> {
    let mut git = Command::new("git")
        .args(["-C".as_ref(), directory.as_os_str()])
        .args(["log", "-1", "--no-show-signature", "--format=%an <%ae>", commit, "--"])
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let end = Instant::now() + PATIENCE;
    let ended = loop {
        match git.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if Instant::now() < end => thread::sleep(GLANCE),
            Ok(None) | Err(_) => break false,
        }
    };
    if !ended {
        // Where it has ended already there is nothing to kill; waiting frees its entry in the process table.
        drop(git.kill());
        drop(git.wait());
        return None;
    }
    // One line, which the pipe held until now.
    let mut line = String::new();
    git.stdout.take()?.take(4096).read_to_string(&mut line).ok()?;
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "3f9c01d2a7b43f9c01d2a7b43f9c01d2a7b43f9c";

    /// A file by its path, with its content.
    type Written<'w> = (&'w str, &'w str);

    #[test]
    fn the_commit_is_found_however_git_keeps_it() {
        let packed = format!("# pack-refs with: peeled\n0000 refs/heads/x\n{COMMIT} refs/heads/main\n");
        let cases: [(&str, &[Written<'_>]); 5] = [
            ("a branch", &[(".git/HEAD", "ref: refs/heads/main\n"), (".git/refs/heads/main", COMMIT)]),
            ("no branch", &[(".git/HEAD", COMMIT)]),
            ("a packed branch", &[(".git/HEAD", "ref: refs/heads/main\n"), (".git/packed-refs", &packed)]),
            (
                "a work tree beside another",
                &[
                    (".git", "gitdir: ../main/.git/worktrees/w\n"),
                    ("../main/.git/worktrees/w/HEAD", "ref: refs/heads/main\n"),
                    ("../main/.git/worktrees/w/commondir", "../..\n"),
                    ("../main/.git/refs/heads/main", COMMIT),
                ],
            ),
            ("a directory within", &[(".git/HEAD", COMMIT), ("policies/.keep", "")]),
        ];
        for (name, files) in cases {
            let base = tempfile::tempdir().unwrap();
            let tree = base.path().join("tree");
            fs::create_dir(&tree).unwrap();
            for (path, content) in files {
                let path = tree.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            let inside = tree.join("policies");
            let found = find(if inside.exists() { &inside } else { &tree });
            assert_eq!(found.map(|found| found.commit).as_deref(), Some(COMMIT), "{name}");
        }
    }
}
