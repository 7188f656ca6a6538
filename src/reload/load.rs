//! One load: all files of one generation, compiled, tested and bound.

use super::{LastGood, current::Next};
use crate::{
    config::ActivationTests,
    directory::Roster,
    document::{Diagnostic, Diagnostics, Severity, Text},
    policy::{self, Compiler, Files, Options, ReadError, Snapshot},
    telemetry::{Metrics, ReloadOutcome},
};
use std::{path::PathBuf, sync::Mutex};

/// Where a policy set comes from.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its directory.
    pub directory: PathBuf,
    /// How it is compiled.
    pub options: Options,
    /// Where the set that decided last is kept.
    pub last_good: Option<LastGood>,
    /// The users that are bound to it beside those that it declares.
    pub roster: Roster,
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

/// A set that must not go live.
#[derive(Debug)]
pub(super) struct Refused {
    /// In which way it was refused.
    pub(super) outcome: ReloadOutcome,
    /// Every single thing that is wrong.
    pub(super) problems: Diagnostics,
}

/// Compiles what was read, and runs its tests.
pub(super) fn compile(
    compiler: &Mutex<Compiler>,
    files: Files,
    options: &Options,
    tests: ActivationTests,
) -> Result<Snapshot, Refused> {
    // Texts are shared, not copied.
    let files_of_tests = files.clone();
    let outcome = {
        let mut compiler = compiler.lock().unwrap_or_else(|poisoned| {
            // What a panic has left half done is not built upon.
            let mut compiler = poisoned.into_inner();
            *compiler = Compiler::new();
            compiler
        });
        compiler.compile(files, options)
    };
    let mut snapshot = outcome.map_err(|problems| Refused { outcome: outcome_of(&problems), problems })?;
    match tests {
        ActivationTests::Off => {}
        ActivationTests::Warn => {
            let failures = policy::failed_tests(&snapshot, &files_of_tests, Severity::Warning);
            snapshot.warnings.extend(failures);
        }
        ActivationTests::Required => {
            let problems: Diagnostics =
                policy::failed_tests(&snapshot, &files_of_tests, Severity::Error).into_iter().collect();
            if !problems.is_empty() {
                return Err(Refused { outcome: ReloadOutcome::RejectedTests, problems });
            }
        }
    }
    Ok(snapshot)
}

impl Source {
    /// Reads all files of one generation.
    pub(super) fn read(&self) -> Result<Files, ReadError> {
        policy::read(&self.directory)
    }

    /// Compiles what was read, runs its tests, and binds users and counters to it.
    pub(super) fn compile(
        &self,
        compiler: &Mutex<Compiler>,
        files: Files,
        tests: ActivationTests,
        metrics: &Metrics,
    ) -> Result<Next, Refused> {
        compile(compiler, files, &self.options, tests).map(|snapshot| Next::new(snapshot, &self.roster, metrics))
    }

    /// What is said of a set where the work on it has failed inside.
    pub(super) fn broken(&self, error: &dyn std::error::Error) -> Refused {
        let problem = self.problem("internal", format!("the set could not be compiled: {error}"));
        Refused { outcome: ReloadOutcome::RejectedValidation, problems: problem.into() }
    }

    /// Something that is wrong with the directory as a whole.
    pub(super) fn problem(&self, code: &'static str, message: String) -> Diagnostic {
        Diagnostic::whole(code, &Text::absent(self.directory.display().to_string()), message)
    }
}

/// In which way a set was refused: what cannot be parsed comes before what does not fit together.
fn outcome_of(diagnostics: &Diagnostics) -> ReloadOutcome {
    let mut errors = diagnostics.iter().filter(|item| item.severity() == Severity::Error);
    if errors.any(|error| error.code().ends_with("syntax")) {
        ReloadOutcome::RejectedSyntax
    } else {
        ReloadOutcome::RejectedValidation
    }
}
