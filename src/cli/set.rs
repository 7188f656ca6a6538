//! The policy set that a command is about.

use super::{ExitCode, output, sources::quoted};
use crate::{
    document::{Diagnostic, Diagnostics},
    engine::ForbidErrors,
    policy::{self, Options, Snapshot},
};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Which policy set, and how it is compiled.
#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// The directory of the policy set
    #[arg(value_name = "DIR")]
    pub(super) directory: PathBuf,
    /// What an evaluation error in a `forbid` means
    #[arg(long, value_enum, default_value_t = OnForbidErrors::Deny)]
    forbid_errors: OnForbidErrors,
    /// The Cedar type of users in a policy set of plain Cedar
    #[arg(long, value_name = "TYPE", default_value = "User")]
    principal_type: String,
}

/// `--forbid-errors`
#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnForbidErrors {
    /// The decision is a deny.
    Deny,
    /// The policy is left out, as Cedar has it.
    Skip,
}

impl SetArgs {
    /// Reads and compiles the set.
    pub(super) fn load(&self) -> Result<Snapshot, Diagnostics> {
        let forbid_errors = match self.forbid_errors {
            OnForbidErrors::Deny => ForbidErrors::Deny,
            OnForbidErrors::Skip => ForbidErrors::Skip,
        };
        let options = Options { forbid_errors, principal_type: self.principal_type.clone() };
        let files = policy::read(&self.directory).map_err(|error| self.with_advice(error.into()))?;
        policy::compile(&files, &options)
    }

    /// Says how there comes to be a set where there is none.
    fn with_advice(&self, problems: Diagnostics) -> Diagnostics {
        if self.directory.symlink_metadata().is_ok() {
            return problems;
        }
        let shown = self.directory.to_string_lossy();
        let help =
            format!("name a directory that is there; `sidegate init {}` writes a set to begin with", quoted(&shown));
        problems.into_iter().map(|problem| problem.with_help(help.clone())).collect()
    }

    /// The same, for commands to whom a set with errors is of no use: these are shown.
    pub(super) fn load_or_show(&self) -> Result<Snapshot, ExitCode> {
        self.load().map_err(|diagnostics| {
            show(&diagnostics);
            ExitCode::PolicyErrors
        })
    }
}

/// Shows diagnostics to people.
pub(super) fn show(diagnostics: &Diagnostics) {
    output::say(diagnostics.render(output::is_color_wanted()).trim_end());
}

/// A diagnostic as JSON.
pub(super) fn to_json(item: &Diagnostic) -> Value {
    json!({
        "severity": item.severity().as_str(),
        "code": item.code(),
        "message": item.message(),
        "file": item.path(),
        "line": item.line(),
        "column": item.column(),
        "help": item.help(),
    })
}
