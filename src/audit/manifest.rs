//! What is said of a segment once it is closed: the file `SEALED` in its directory.
//!
//! A manifest makes a closed segment whole or visibly not: sled opens a file that was cut short as an empty one. Each names the one
//! before it by its hash, so that the last one, signed, vouches for all. Queries know from it, without opening the segment, whether
//! it may hold what they look for.

use super::{
    chain::Hash,
    files,
    signature::{Says, Signer, Statement, StatementError, hex, time},
};
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::{fs, io, path::Path};

/// The file's name.
pub(crate) const FILE: &str = "SEALED";

/// A closed segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The number of its first record.
    pub(crate) first_seq: u64,
    /// The number of its last record. What the segment's files hold beyond it is no part of the log: a store that failed
    /// in the middle of a commit leaves such, and the next segment has those records.
    pub(crate) last_seq: u64,
    /// The earliest and the latest time of a record.
    #[serde(with = "time")]
    pub(crate) min_time: Timestamp,
    #[serde(with = "time")]
    pub(crate) max_time: Timestamp,
    /// The hash of the record before the first.
    #[serde(with = "hex")]
    pub(crate) before: Hash,
    /// The hash of the last record.
    #[serde(with = "hex")]
    pub(crate) end: Hash,
    /// How many blocks it has, and the last record that is in one; records after that are in single commits.
    pub(crate) blocks: u64,
    pub(crate) blocks_end: u64,
    /// The hash over these blocks as they are stored, with their summaries.
    #[serde(with = "hex")]
    pub(crate) blocks_hash: Hash,
    /// The hash of the manifest before this one; zeros where there is none.
    #[serde(with = "hex")]
    pub(crate) previous: Hash,
}

impl Says for Manifest {
    const TYPE: &'static str = "sidegate.manifest.v1";
}

/// Why there is no manifest to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("the manifest cannot be read")]
    Io(#[from] io::Error),
    #[error("the manifest is not as it was written: {0}")]
    Statement(#[from] StatementError),
}

/// The manifest in a segment's directory. `None` where the segment has not been closed.
pub(crate) fn read(segment: &Path) -> Result<Option<Statement<Manifest>>, ManifestError> {
    match fs::read_to_string(segment.join(FILE)) {
        Ok(text) => Ok(Some(Statement::read(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(StatementError::Malformed.into()),
        Err(error) => Err(error.into()),
    }
}

/// Writes the manifest of a segment. When this returns, it survives power loss.
pub(crate) fn write(
    segment: &Path,
    manifest: &Manifest,
    signer: &Signer,
) -> Result<Statement<Manifest>, ManifestError> {
    let mut line = signer.state(manifest);
    line.push('\n');
    files::replace(&segment.join(FILE), line.as_bytes())?;
    Ok(Statement::read(&line)?)
}
