//! Whether what the tombstone says is believed: on its word the log begins later, and the next start removes what a removal has left.
//!
//! Whoever can write to the data directory can write a tombstone. So where the log is signed, only one that the same key has signed is
//! believed, and what `audit.hold` keeps is not removed on the word of any. One that is not believed counts as lost: the segments that are
//! there stay part of the log, and what is missing shows as a gap.

use super::{
    Keeping, StoreError,
    opening::{Noted, noted_key},
    segment_path,
};
use crate::audit::{
    manifest,
    retention::{self, Tombstone, TombstoneError},
    signature::{KeyNote, Signer, Statement},
};
use std::path::Path;

/// What there is of a tombstone.
#[derive(Debug, Default)]
pub(super) struct Burial {
    /// What it says, where it is believed.
    pub(super) statement: Option<Statement<Tombstone>>,
    /// Why it is not.
    pub(super) lost: Option<String>,
}

/// Reads the tombstone of a log with these segments.
pub(super) fn look(directory: &Path, keeping: &Keeping, names: &[u64]) -> Result<Burial, StoreError> {
    let statement = match retention::tombstone(directory) {
        Ok(None) => return Ok(Burial::default()),
        Ok(Some(statement)) => statement,
        Err(TombstoneError::Io(source)) => return Err(StoreError::Io { path: directory.to_owned(), source }),
        Err(error) => return Ok(Burial { statement: None, lost: Some(error.to_string()) }),
    };
    let left: Vec<u64> = names.iter().copied().filter(|&name| name <= statement.says.last_seq).collect();
    let doubt = match doubt_of_the_key(directory, keeping, names, statement.key.as_ref(), !left.is_empty())? {
        None if left.iter().any(|&name| is_held(directory, keeping, name)) => {
            Some("`audit.hold` keeps what it says was removed, and that is still there")
        }
        doubt => doubt,
    };
    Ok(match doubt {
        None => Burial { statement: Some(statement), lost: None },
        Some(why) => Burial { statement: None, lost: Some(format!("the tombstone is not believed: {why}")) },
    })
}

/// Why the signature, or the want of one, speaks against the tombstone. `removes`: whether anything would be removed on its word.
fn doubt_of_the_key(
    directory: &Path,
    keeping: &Keeping,
    names: &[u64],
    signed_by: Option<&KeyNote>,
    removes: bool,
) -> Result<Option<&'static str>, StoreError> {
    let noted = noted_key(directory)?;
    // Who only reads knows no settings, and asks what the log itself says of its key.
    let own = keeping.signer.as_ref().map_or_else(|| noted.key().cloned(), Signer::note);
    let Some(own) = own else { return Ok(None) };
    Ok(match signed_by {
        Some(key) if key.id == own.id => None,
        // The key was changed since: each start signs the tombstone anew, so that it is the one before at the most.
        Some(key) if !removes && noted.key().is_some_and(|noted| noted.id == key.id) => None,
        Some(_) => Some("it is signed with another key"),
        // Signing begins with this start.
        None if noted == Noted::Nobody && !names.iter().any(|&name| is_signed(directory, name)) => None,
        None => Some("it is not signed, though the log is"),
    })
}

fn is_signed(directory: &Path, name: u64) -> bool {
    matches!(manifest::read(&segment_path(directory, name)), Ok(Some(manifest)) if manifest.key.is_some())
}

/// What does not say how far it goes is held where anything is.
fn is_held(directory: &Path, keeping: &Keeping, name: u64) -> bool {
    match manifest::read(&segment_path(directory, name)) {
        Ok(Some(manifest)) => retention::holds(keeping.hold, &manifest.says),
        _ => keeping.hold != crate::config::Hold::Nothing,
    }
}
