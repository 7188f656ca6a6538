//! Which directories must be watched so that no change of a policy directory, or of a single file, goes unseen.
//!
//! A watch sits on an inode: a file that is replaced, a link that is turned elsewhere, or a directory that is made again takes
//! its watch with it. So directories are watched, never files: every directory of the set, every directory that holds a link on the
//! way to it, and the one in which it lies. Where the way ends, the last directory that exists is watched for the next name.

use crate::policy::MAX_DIRECTORIES;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::{OsStr, OsString},
    fs,
    path::{Component, Path, PathBuf},
};

/// Links on one way at most, as the kernel has it.
const MAX_LINKS: usize = 40;

/// What is of interest in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Interest {
    /// Everything but hidden files.
    All,
    /// These names only: the directory is on the way, but not part of the set.
    Names(BTreeSet<OsString>),
}

/// Directories, by their real paths, with what is of interest in each.
pub(super) type Places = BTreeMap<PathBuf, Interest>;

/// All that must be watched for `roots`, as things are now.
pub(super) fn all_places(roots: &[PathBuf]) -> Places {
    let mut found = Places::new();
    for root in roots {
        add(root, &mut found);
    }
    found
}

/// Adds all that must be watched for `root`.
fn add(root: &Path, found: &mut Places) {
    let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    // A single file is watched in the directory that holds it.
    if let Some(real) = walk_to(&root, found).filter(|real| real.is_dir()) {
        let mut left = vec![real];
        while let Some(directory) = left.pop() {
            // What there is beyond is left to the poll.
            if found.len() < MAX_DIRECTORIES && found.get(&directory) != Some(&Interest::All) {
                found.insert(directory.clone(), Interest::All);
                left.extend(subdirectories(&directory, found));
            }
        }
    }
}

/// Whether something that happened to `path` is of interest.
pub(super) fn concerns(places: &Places, path: &Path) -> bool {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return true };
    match places.get(parent) {
        Some(Interest::All) => !is_hidden(name),
        Some(Interest::Names(names)) => names.contains(name),
        None => places.contains_key(path),
    }
}

/// Hidden names are not part of a set; `..data` of a Kubernetes volume begins with two dots and is the way to all of it.
fn is_hidden(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    bytes.starts_with(b".") && !bytes.starts_with(b"..")
}

/// The real directories below one directory. Links are followed and noted.
fn subdirectories(directory: &Path, found: &mut Places) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut below = Vec::new();
    for entry in entries.filter(|entry| !is_hidden(&entry.file_name())) {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_symlink() {
            below.extend(walk_to(&entry.path(), found).filter(|real| real.is_dir()));
        } else if kind.is_dir() && !entry.file_name().as_encoded_bytes().starts_with(b".") {
            below.push(entry.path());
        }
    }
    below
}

/// Goes to an absolute path link by link; notes each directory that holds a link, and the one that holds the end. The real
/// path, or nothing where the way ends early.
fn walk_to(path: &Path, found: &mut Places) -> Option<PathBuf> {
    let mut real = PathBuf::from("/");
    let mut ahead = names(path);
    let mut links = 0;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            real.pop();
            continue;
        }
        let here = real.join(&name);
        let Ok(meta) = fs::symlink_metadata(&here) else {
            note(found, &real, name);
            return None;
        };
        if meta.is_symlink() {
            note(found, &real, name);
            links += 1;
            let target = fs::read_link(&here).ok().filter(|_| links <= MAX_LINKS)?;
            if target.is_absolute() {
                real = PathBuf::from("/");
            }
            ahead = names(&target).into_iter().chain(ahead).collect();
        } else {
            if ahead.is_empty() {
                note(found, &real, name);
            }
            real = here;
        }
    }
    Some(real)
}

fn names(path: &Path) -> VecDeque<OsString> {
    let steps = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    steps.collect()
}

fn note(found: &mut Places, directory: &Path, name: OsString) {
    let interest = found.entry(directory.to_owned()).or_insert_with(|| Interest::Names(BTreeSet::new()));
    if let Interest::Names(names) = interest {
        names.insert(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A temporary directory by its real path.
    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        (folder, path)
    }

    fn places(root: &Path) -> Places {
        all_places(&[root.to_owned()])
    }

    fn only(names: &[&str]) -> Interest {
        Interest::Names(names.iter().map(OsString::from).collect())
    }

    #[test]
    fn a_plain_directory_is_watched_with_what_is_below_and_its_parent_for_its_name() {
        let (_folder, base) = scratch();
        fs::create_dir_all(base.join("set/tests/deep")).unwrap();
        fs::create_dir_all(base.join("set/.git/objects")).unwrap();
        let found = places(&base.join("set"));
        let expected = Places::from([
            (base.clone(), only(&["set"])),
            (base.join("set"), Interest::All),
            (base.join("set/tests"), Interest::All),
            (base.join("set/tests/deep"), Interest::All),
        ]);
        assert_eq!(found, expected);
        assert!(concerns(&found, &base.join("set/roles.yaml")));
        assert!(concerns(&found, &base.join("set")));
        assert!(!concerns(&found, &base.join("set/.roles.yaml.swp")));
        assert!(!concerns(&found, &base.join("data")));
    }

    #[test]
    fn every_directory_that_holds_a_link_on_the_way_is_watched() {
        let (_folder, base) = scratch();
        fs::create_dir_all(base.join("rev-1/policies")).unwrap();
        fs::create_dir_all(base.join("mount")).unwrap();
        symlink("rev-1", base.join("current")).unwrap();
        symlink("../current/policies", base.join("mount/set")).unwrap();
        let found = places(&base.join("mount/set"));
        let expected = Places::from([
            (base.clone(), only(&["current"])),
            (base.join("mount"), only(&["set"])),
            (base.join("rev-1"), only(&["policies"])),
            (base.join("rev-1/policies"), Interest::All),
        ]);
        assert_eq!(found, expected);
    }

    #[test]
    fn a_volume_of_kubernetes_is_watched_where_its_data_link_turns() {
        let (_folder, base) = scratch();
        let root = base.join("set");
        fs::create_dir_all(root.join("..2026_1")).unwrap();
        fs::write(root.join("..2026_1/roles.yaml"), "").unwrap();
        symlink("..2026_1", root.join("..data")).unwrap();
        symlink("..data/roles.yaml", root.join("roles.yaml")).unwrap();
        let found = places(&root);
        assert_eq!(found.get(&root), Some(&Interest::All));
        assert!(concerns(&found, &root.join("..data")));
        assert!(concerns(&found, &root.join("..2026_1/roles.yaml")));
    }

    #[test]
    fn a_missing_directory_is_awaited_in_the_last_one_that_exists() {
        let (_folder, base) = scratch();
        assert_eq!(places(&base.join("a/b/set")), Places::from([(base.clone(), only(&["a"]))]));
        fs::create_dir_all(base.join("a/b")).unwrap();
        assert_eq!(places(&base.join("a/b/set")), Places::from([(base.join("a/b"), only(&["set"]))]));
    }

    #[test]
    fn links_in_a_circle_come_to_an_end() {
        let (_folder, base) = scratch();
        let root = base.join("set");
        fs::create_dir_all(&root).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink(".", root.join("self")).unwrap();
        assert_eq!(places(&root).get(&root), Some(&Interest::All));
    }
}
