//! Policy directories that a test may change.

use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A temporary policy directory.
#[derive(Debug)]
pub struct PolicyDir {
    root: TempDir,
}

impl PolicyDir {
    /// A directory with these files.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let dir = Self { root: tempfile::tempdir().expect("a temporary directory") };
        for (file, text) in files {
            dir.write(file, text);
        }
        dir
    }

    /// A copy of a directory.
    pub fn copy_of(source: impl AsRef<Path>) -> Self {
        let dir = Self::with(&[]);
        copy(source.as_ref(), dir.path());
        dir
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Writes a file as careful tools do: beside its place, then moved there, so that nobody reads half of it.
    pub fn write(&self, file: &str, text: &str) {
        let place = self.path().join(file);
        let folder = place.parent().expect("a file is in a folder");
        fs::create_dir_all(folder).expect("a folder can be made");
        let draft = folder.join(".draft");
        fs::write(&draft, text).expect("a file can be written");
        fs::rename(&draft, &place).expect("a file can be moved");
    }

    /// The text of a file.
    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path().join(file)).expect("the file is there")
    }

    /// Deletes a file.
    pub fn remove(&self, file: &str) {
        fs::remove_file(self.path().join(file)).expect("the file is there");
    }
}

fn copy(source: &Path, target: &Path) {
    let entries = fs::read_dir(source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
    for entry in entries {
        let from: PathBuf = entry.expect("an entry").path();
        let to = target.join(from.file_name().expect("entries have names"));
        if from.is_dir() {
            fs::create_dir_all(&to).expect("a folder can be made");
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("a file can be copied");
        }
    }
}
