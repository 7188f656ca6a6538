//! What is wrong with one of the files.

use std::{fmt, path::PathBuf};

/// One of the files of a listener, by the last part of its setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `certificate`
    Certificate,
    /// `key`
    Key,
    /// `client_ca`
    ClientCa,
}

impl Part {
    /// The last part of the setting.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Key => "key",
            Self::ClientCa => "client_ca",
        }
    }
}

/// Why a file is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which file.
    pub part: Part,
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong, the file named.
    pub message: String,
    /// What mends it.
    pub help: Option<String>,
}

impl Fault {
    pub(super) fn new(part: Part, path: &std::path::Path, message: impl Into<String>) -> Self {
        Self { part, path: path.to_owned(), message: message.into(), help: None }
    }

    pub(super) fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, "; {help}"))
    }
}
