//! The clock of one process, set as the test wants: a library in front of libc that adds to it.

use super::preload::preload;
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::PathBuf,
};
use tempfile::TempDir;

/// A clock that can be set while processes go by it.
#[derive(Debug)]
pub struct SetClock {
    file: File,
    path: PathBuf,
    _folder: TempDir,
}

impl SetClock {
    /// One that is right.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("offset");
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).expect("a file");
        let clock = Self { file, path, _folder: folder };
        clock.set(0);
        clock
    }

    /// Sets it to be so many seconds ahead of the system's, or behind where they are less than none.
    pub fn set(&self, seconds: i64) {
        self.file.write_all_at(&seconds.to_ne_bytes(), 0).expect("written");
    }

    /// The environment of a process that goes by it.
    pub fn variables(&self) -> [(&'static str, String); 2] {
        let text = |path: PathBuf| path.into_os_string().into_string().expect("UTF-8");
        [("LD_PRELOAD", text(preload("tests/it/support/clock.c"))), ("CLOCK_OFFSET", text(self.path.clone()))]
    }
}
