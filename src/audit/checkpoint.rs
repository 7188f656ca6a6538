//! Checkpoints: where the log ended at some moment, said outside of the data directory.
//!
//! Whoever can write to the data directory can write another log into it that is whole in itself. A checkpoint that was kept elsewhere is what
//! such a log cannot fit.

mod webhook;

pub(crate) use webhook::{SetupError, Webhook};

use super::{
    chain::Hash,
    files,
    signature::{Says, hex, time},
};
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// Where checkpoints go, and how often.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    /// How often, if there is a new record. One is written at each new segment and at the end too.
    pub interval: Duration,
    /// A file to which each is appended.
    pub file: Option<PathBuf>,
    /// Where each is posted, `https://host:port/path`.
    pub webhook: Option<String>,
    /// Certificates on which that of the webhook must rest; those of the system without it.
    pub webhook_ca: Option<PathBuf>,
}

impl Checkpoints {
    /// Whether they go to a place where retention does not reach. Then no record is removed before one that vouches for it has got there.
    pub(crate) const fn leave_the_machine(&self) -> bool {
        self.file.is_some() || self.webhook.is_some()
    }
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self { interval: Duration::from_mins(1), file: None, webhook: None, webhook_ca: None }
    }
}

/// The end of the log at some moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The number of the last record.
    pub(crate) seq: u64,
    /// Its hash, and so that of the whole log up to it.
    #[serde(with = "hex")]
    pub(crate) hash: Hash,
    /// When this was said.
    #[serde(with = "time")]
    pub(crate) time: Timestamp,
}

impl Says for Checkpoint {
    const TYPE: &'static str = "sidegate.checkpoint.v1";
}

/// Whether a file can be appended to, as far as can be told without making it.
pub(crate) fn check_file(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    if parent.metadata()?.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// Appends a line to a file, made `0600`, and hands it to the disk.
pub(crate) fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = files::append_to(path)?;
    // One write, so that a reader never finds half a line in the middle of the file.
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}
