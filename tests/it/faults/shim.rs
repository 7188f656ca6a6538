//! The shim between a process and its disk: compiled once, and told what to do through a file of numbers.

use crate::support::preload;
use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const SOURCE: &str = "tests/it/faults/shim.c";

/// The calls that are counted, by their number in the shim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Create = 1,
    Write = 2,
    Truncate = 3,
    Allocate = 4,
    Sync = 5,
    SyncRange = 6,
    Rename = 7,
    Unlink = 8,
    MakeDirectory = 9,
    RemoveDirectory = 10,
    Link = 14,
}

/// Every call that changes something.
pub const EVERY_CALL: &[Call] = &[
    Call::Create,
    Call::Write,
    Call::Truncate,
    Call::Allocate,
    Call::Sync,
    Call::SyncRange,
    Call::Rename,
    Call::Unlink,
    Call::MakeDirectory,
    Call::RemoveDirectory,
    Call::Link,
];

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails with an input/output error.
    Io = 1,
    /// It fails because the disk is full; one that needs no room fails with an input/output error, or not at all.
    Full = 2,
    /// A write writes half.
    Short = 3,
    /// The process is killed before it.
    Kill = 4,
    /// The process is killed after half of a write.
    TornKill = 5,
    /// It fails because the file system is read-only, as one that has found an error becomes.
    ReadOnly = 6,
}

/// The numbers of the control file, in their order in the shim.
enum Word {
    Calls,
    Mask,
    FailAt,
    FailCount,
    FailKind,
    DelayMicros,
    Full,
    Failed,
}

const WORDS: u64 = 8;

/// A watched directory, with the means to let its disk fail.
#[derive(Debug)]
pub struct Shim {
    directory: PathBuf,
    acks: PathBuf,
    trace: Option<PathBuf>,
    control_path: PathBuf,
    control: File,
    library: PathBuf,
}

impl Shim {
    /// Watches `<scratch>/disk`, which is made. Acknowledgements are written to [`Shim::acks`].
    pub fn new(scratch: &Path, traced: bool) -> Self {
        let scratch = scratch.canonicalize().expect("a scratch directory");
        let directory = scratch.join("disk");
        fs::create_dir_all(&directory).expect("a watched directory");
        let control_path = scratch.join("control");
        let control =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&control_path).expect("control");
        control.set_len(WORDS * 8).expect("control");
        let trace = traced.then(|| scratch.join("trace"));
        Self { directory, acks: scratch.join("acks"), trace, control_path, control, library: preload(SOURCE) }
    }

    /// The environment that puts the shim in front of a process.
    pub fn variables(&self) -> Vec<(&'static str, &Path)> {
        let mut variables = vec![
            ("LD_PRELOAD", self.library.as_path()),
            ("FAULTS_DIR", &self.directory),
            ("FAULTS_CONTROL", &self.control_path),
            ("FAULTS_ACKS", &self.acks),
        ];
        variables.extend(self.trace.as_deref().map(|trace| ("FAULTS_TRACE", trace)));
        variables
    }

    /// The watched directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the process writes down what it has acknowledged.
    pub fn acks(&self) -> &Path {
        &self.acks
    }

    /// The trace; only where it is traced.
    pub fn trace(&self) -> &Path {
        self.trace.as_deref().expect("a traced shim")
    }

    /// From now on the calls are counted anew, and none fails.
    pub fn count(&self, calls: &[Call]) {
        self.set(Word::FailAt, 0);
        self.set(Word::Mask, calls.iter().map(|call| 1 << *call as u64).sum());
        self.set(Word::Calls, 0);
        self.set(Word::Failed, 0);
    }

    /// How many calls were made since [`Shim::count`].
    pub fn calls(&self) -> u64 {
        self.get(Word::Calls)
    }

    /// How many calls have failed since [`Shim::count`].
    pub fn failed(&self) -> u64 {
        self.get(Word::Failed)
    }

    /// Counts these calls anew; the `at`-th (from 1) and so many in all suffer this.
    pub fn fail(&self, calls: &[Call], at: u64, times: u64, fault: Fault) {
        self.count(calls);
        self.set(Word::FailCount, times);
        self.set(Word::FailKind, fault as u64);
        self.set(Word::FailAt, at);
    }

    /// From now on nothing fails.
    pub fn heal(&self) {
        self.set(Word::FailAt, 0);
        self.set(Word::Full, 0);
        self.set(Word::DelayMicros, 0);
    }

    /// How long each write and each sync takes more.
    pub fn delay(&self, micros: u64) {
        self.set(Word::DelayMicros, micros);
    }

    /// Whether the disk is full: what makes a file longer fails.
    pub fn set_full(&self, full: bool) {
        self.set(Word::Full, u64::from(full));
    }

    fn set(&self, word: Word, value: u64) {
        self.control.write_all_at(&value.to_ne_bytes(), word as u64 * 8).expect("the control file is written");
    }

    fn get(&self, word: Word) -> u64 {
        let mut value = [0; 8];
        self.control.read_exact_at(&mut value, word as u64 * 8).expect("the control file is read");
        u64::from_ne_bytes(value)
    }
}
