//! A file mapped as words. Unsafe code.

use memmap2::{MmapOptions, MmapRaw};
use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
    slice,
    sync::atomic::AtomicU64,
};

/// A file in memory, shared with the page cache: what is stored here outlives the process.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: MmapRaw,
}

/// Why a file cannot be mapped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MappingError {
    /// The file system has no room for it.
    #[error("no space left on the device")]
    NoSpace,
    /// Anything else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Mapping {
    /// Maps a file of this many bytes, made or made longer as needed. Whatever it holds is given up. Its blocks are allocated before it
    /// is mapped: a store to a page without a block would end the process (`SIGBUS`) once the disk is full.
    pub(crate) fn create(path: &Path, bytes: u64) -> Result<Self, MappingError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        if file.metadata()?.len() != bytes {
            file.set_len(0)?;
        }
        // Also where the length is right: a copy of the data directory may be sparse.
        allocate(&file, bytes)?;
        Ok(Self::map(&file)?)
    }

    /// Maps a file that another process has left.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::map(&OpenOptions::new().read(true).write(true).open(path)?)
    }

    /// Hands all of it to the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.map.flush()
    }

    fn map(file: &File) -> io::Result<Self> {
        Ok(Self { map: MmapOptions::new().map_raw(file)? })
    }
}

fn allocate(mut file: &File, bytes: u64) -> Result<(), MappingError> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        // Some file systems cannot; zeros that are written are allocated as well.
        Err(Errno::OPNOTSUPP) if is_allocated(file, bytes)? => Ok(()),
        Err(Errno::OPNOTSUPP) => {
            let zeros = [0; 8 * 1024];
            let mut left = usize::try_from(bytes).map_err(|_| MappingError::NoSpace)?;
            while left > 0 {
                let part = left.min(zeros.len());
                file.write_all(zeros.get(..part).unwrap_or_default()).map_err(|error| match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => MappingError::NoSpace,
                    _ => error.into(),
                })?;
                left -= part;
            }
            file.sync_all()?;
            Ok(())
        }
        Err(Errno::NOSPC | Errno::DQUOT) => Err(MappingError::NoSpace),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// As far as the file system tells.
fn is_allocated(file: &File, bytes: u64) -> io::Result<bool> {
    let metadata = file.metadata()?;
    Ok(metadata.len() == bytes && metadata.blocks().saturating_mul(512) >= bytes)
}

impl AsRef<[AtomicU64]> for Mapping {
    #[expect(unsafe_code, reason = "a mapping is only a pointer and a length to the language")]
    #[expect(clippy::cast_ptr_alignment, reason = "a mapping starts on a page")]
    fn as_ref(&self) -> &[AtomicU64] {
        // SAFETY:
        // - Valid: `map` owns `len` mapped bytes from `as_mut_ptr` on, and unmaps them only when it is dropped, which the lifetime of
        //   the result, bound to `&self`, rules out. The file is not made shorter while it is mapped: the data directory is 0700 and
        //   locked by this process, and nothing in this crate does it.
        // - Aligned: a mapping starts on a page, so on a multiple of 8.
        // - Initialised: every byte of a file has a value, and every bit pattern is an `AtomicU64`.
        // - Shared: the result only allows atomic access. The one other party that changes these bytes is a process that maps the
        //   same file, and the lock of the data directory rules that out.
        // - Length: words that lie wholly inside; at most `isize::MAX` bytes, as for every mapping.
        unsafe { slice::from_raw_parts(self.map.as_mut_ptr().cast::<AtomicU64>(), self.map.len() / 8) }
    }
}
