//! Users in files: import and export, as JSON, YAML and CSV.
//!
//! What an export writes, an import reads: every user with its fields and with what it was given. What the directory itself notes (who
//! gave something and when, when a user was created and logged in) is in the file for the reader, and an import leaves it as it is.

mod export;
mod import;
mod read;
mod write;

pub use export::ExportError;
pub use import::Imported;
pub use read::{Incoming, read};

use super::{
    Directory,
    call::{Call, Refusal},
    service::About,
};
use crate::policy::Operation;

/// The forms of a file of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `{"users": [...]}`, a user a line.
    Json,
    /// The same as YAML.
    Yaml,
    /// RFC 4180, a user a line. Attributes and assignments are JSON in their cells.
    Csv,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Json, Self::Yaml, Self::Csv];

    /// `json`, `yaml` or `csv`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Csv => "csv",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.as_str() == word)
    }

    /// The media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }
}

/// What an import is, for its record.
const IMPORT: About<'_> = About { action: "import_users", resource_type: "user", id: "", user: "" };

impl Directory {
    /// Reads a file of users and imports them: [`Self::import`]. A file that is none is refused and recorded like one whose users will not
    /// do, and whoever may not import is told nothing about it.
    ///
    /// # Errors
    /// Fails with every problem, and then nothing has changed.
    pub fn import_file(&self, call: &Call<'_>, form: Form, file: &[u8], dry_run: bool) -> Result<Imported, Refusal> {
        match read(form, file) {
            Ok(users) => self.import(call, &users, dry_run),
            Err(problems) => self.ask(call, IMPORT, |scene| {
                scene.permit(Operation::Import, None, None)?;
                Err(Refusal::Invalid(problems))
            }),
        }
    }
}

/// The columns of a CSV file.
const COLUMNS: [&str; 17] = [
    "id",
    "email",
    "first_name",
    "middle_name",
    "last_name",
    "gender",
    "phone",
    "job",
    "language",
    "status",
    "family",
    "attributes",
    "assignments",
    "first_login",
    "last_login",
    "created",
    "updated",
];

/// Columns whose cells hold JSON.
const STRUCTURED: [&str; 2] = ["attributes", "assignments"];

/// What the directory itself notes about a user.
const NOTED: [&str; 4] = ["first_login", "last_login", "created", "updated"];
