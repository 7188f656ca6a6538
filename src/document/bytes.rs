//! Files as bytes, read so that nothing can hold the reader up.

use rustix::fs::OFlags;
use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// Reads a regular file, and of it at most one byte more than the limit: more bytes than that mean that it is too large.
///
/// # Errors
/// Fails where the file cannot be read, or is a pipe, a socket, a device or a directory.
pub fn read_file(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    // Looked at before it is opened, since opening a device can have effects.
    length_of(&fs::metadata(path)?)?;
    // A pipe may have taken the file's place since it was looked at: opening must not wait for a writer.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let length = length_of(&file.metadata()?)?;
    let most = limit as u64 + 1;
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(most)).unwrap_or_default());
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn length_of(metadata: &fs::Metadata) -> io::Result<u64> {
    if metadata.is_file() {
        Ok(metadata.len())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}
