//! One load: all files of one generation, compiled and bound.

use super::Current;
use crate::{
    document::{Diagnostics, Severity},
    policy::{self, Files, Options, ReadError},
    telemetry::{Metrics, ReloadOutcome},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Generations that may pass by while one is read, before that counts as a failure to read.
const MOST_TURNS: usize = 8;

/// Where a policy set comes from.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its directory.
    pub directory: PathBuf,
    /// How it is compiled.
    pub options: Options,
}

/// Why there is nothing to begin with.
#[derive(Debug, thiserror::Error)]
pub enum FirstError {
    /// The files cannot be read.
    #[error("the policy files cannot be read")]
    Read(Diagnostics),
    /// The files have errors.
    #[error("the policy files have errors")]
    Refused(Diagnostics),
}

impl FirstError {
    /// Every single thing that is wrong.
    #[must_use]
    pub const fn diagnostics(&self) -> &Diagnostics {
        match self {
            Self::Read(diagnostics) | Self::Refused(diagnostics) => diagnostics,
        }
    }
}

impl Source {
    /// Reads all files.
    ///
    /// A Kubernetes volume and git-sync replace everything by turning one link. Whatever was read while a link turned may
    /// be half of one generation and half of another, so it is thrown away.
    pub(super) fn read(&self) -> Result<Files, ReadError> {
        let mut turns = 0;
        loop {
            let before = generation(&self.directory);
            let files = policy::read(&self.directory);
            turns += 1;
            if turns == MOST_TURNS || generation(&self.directory) == before {
                return files;
            }
        }
    }

    /// Compiles what was read, and binds users and counters to it.
    pub(super) fn compile(&self, files: &Files, metrics: &Metrics) -> Result<Current, Diagnostics> {
        policy::compile(files, &self.options).map(|snapshot| Current::new(snapshot, metrics))
    }

    /// Reads and compiles what the process begins with.
    pub(super) fn first(&self, metrics: &Metrics) -> Result<Current, FirstError> {
        let files = self.read().map_err(|error| FirstError::Read(error.into()))?;
        self.compile(&files, metrics).map_err(FirstError::Refused)
    }
}

/// What the links on the way to the files say.
fn generation(directory: &Path) -> (Option<PathBuf>, Option<PathBuf>) {
    (fs::canonicalize(directory).ok(), fs::read_link(directory.join("..data")).ok())
}

/// In which way a set was refused: what cannot be parsed comes before what does not fit together.
pub(super) fn refusal(diagnostics: &Diagnostics) -> ReloadOutcome {
    let mut errors = diagnostics.iter().filter(|item| item.severity() == Severity::Error);
    if errors.any(|error| error.code().ends_with("syntax")) {
        ReloadOutcome::RejectedSyntax
    } else {
        ReloadOutcome::RejectedValidation
    }
}
