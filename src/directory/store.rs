//! Where the directory is kept: rows under text keys, read once at the start, written one batch at a time.
//!
//! The interface is this narrow so that another store fits behind it: everything that is asked often is answered from memory.

mod embedded;
mod rows;

pub(crate) use embedded::Embedded;
pub(super) use rows::{batch, left, load, others, read};

use std::{fmt::Debug, io, ops::ControlFlow, path::PathBuf};

/// A row to write, or to remove where there is no value.
pub(crate) type Row = (String, Option<Vec<u8>>);

/// A place that keeps rows.
pub(crate) trait Store: Debug + Send + Sync {
    /// Writes all rows or none. They survive power loss once this returns.
    ///
    /// # Errors
    /// Fails where that cannot be promised. Nothing can be written from then on.
    fn commit(&self, rows: &[Row]) -> Result<(), StoreError>;

    /// Calls `take` with each row whose key begins with `prefix`, in order of the keys, until it breaks off.
    ///
    /// # Errors
    /// Fails with what `take` fails with, and where a row cannot be read.
    fn each(&self, prefix: &str, take: &mut Take<'_>) -> Result<(), StoreError>;

    /// The same from the last key to the first, of those before a key where one is given.
    ///
    /// # Errors
    /// Fails where a row cannot be read.
    fn back(&self, prefix: &str, before: Option<&str>, take: &mut Take<'_>) -> Result<(), StoreError>;

    /// Gives back what reading everything has brought into memory.
    ///
    /// # Errors
    /// Fails where the store cannot be used any more.
    fn release(&mut self) -> Result<(), StoreError>;

    /// Bytes on disk.
    fn bytes(&self) -> u64;

    /// Why nothing can be written any more; `None` where it can.
    fn failure(&self) -> Option<String>;
}

/// Takes a row, and says whether to go on.
pub(crate) type Take<'t> = dyn FnMut(&str, &[u8]) -> Result<ControlFlow<()>, StoreError> + 't;

/// Why rows cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system.
    #[error("the directory's files in `{}` cannot be used", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Another process uses the files.
    #[error("the directory's files in `{}` are in use by another process", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The files are not what was written.
    #[error("the directory's files in `{}` are damaged: {what}; restore a backup with `sidegate directory restore`", path.display())]
    Damaged {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// An earlier write failed: what the disk has is not known.
    #[error("the directory's store has failed and takes no changes until the process is started again")]
    Failed,
}
