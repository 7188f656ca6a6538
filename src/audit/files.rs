//! Directories and files of the log: private to the user that runs the process.

use super::store::StoreError;
use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Makes a directory and those above it, `0700`. One that is there already stays as it is.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens a file for reading and writing, made `0600` where it is not there.
pub(crate) fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Makes a directory and all that is in it private. sled leaves that to the process's mask.
pub(crate) fn restrict(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            restrict(&entry.path())?;
        } else {
            match fs::set_permissions(entry.path(), Permissions::from_mode(0o600)) {
                // sled renames and removes its snapshots in the background.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
        }
    }
    Ok(())
}

/// Puts a file in the place of another, or makes it: at every moment, power loss included, one of the two is there whole.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    // What an earlier attempt has left may be of any length.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = create_file(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Hands a directory's entries to the disk.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a directory with all that is in it.
pub(crate) fn remove_directory(path: &Path) -> Result<(), StoreError> {
    fs::remove_dir_all(path).map_err(|source| StoreError::Io { path: path.to_owned(), source })
}

/// Bytes on disk of a directory's files. What cannot be read counts as nothing: this is for gauges.
pub(crate) fn directory_bytes(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    entries
        .flatten()
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            Some(if metadata.is_dir() { directory_bytes(&entry.path()) } else { metadata.blocks() * 512 })
        })
        .sum()
}
