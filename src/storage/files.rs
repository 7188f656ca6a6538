//! Directories and files of the log: private to the user that runs the process.

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

/// Makes one directory, `0700`, that must not be there yet.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Opens a file for reading and writing, made `0600` where it is not there.
pub(crate) fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Opens a file for writing at its end, made `0600` where it is not there.
pub(crate) fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

/// Whom a file belongs to, where that is somebody else and this process is root's: it may write there all the same, and what it makes
/// the owner cannot read. Nobody else gets so far.
pub(crate) fn owner_beside_root(path: &Path) -> Option<u32> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    fs::metadata(path).ok().map(|metadata| metadata.uid()).filter(|owner| *owner != 0)
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

/// Whether a path still leads to the file that was opened there.
pub(crate) fn is_still(path: &Path, file: &File) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    fs::metadata(path).map(identity).is_ok_and(|found| file.metadata().map(identity).is_ok_and(|own| own == found))
}

/// Hands a directory's entries to the disk.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a directory with all that is in it, if there is one.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Copies a directory with what is in it, as far as `take` says so of a name.
pub(crate) fn copy_directory(from: &Path, to: &Path, take: impl Fn(&str) -> bool + Copy) -> io::Result<()> {
    create_private(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        if !take(&name.to_string_lossy()) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target, take)?;
        } else {
            match fs::copy(entry.path(), &target) {
                // sled renames and removes its snapshots in the background.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Hands a directory with all that is in it to the disk.
pub(crate) fn sync_all_in(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all_in(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    sync_directory(directory)
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
