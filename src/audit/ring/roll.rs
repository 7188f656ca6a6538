//! The roll: which rings the last start has made. Without it, a ring that is gone before anything of it was stored would not be missed.
//!
//! ```text
//! u64 generation   u64 how many rings   u32 crc32 of both
//! ```

use crate::audit::files;
use std::{fs, io, path::Path};

const FILE: &str = "ROLL";

/// The rings of one start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Roll {
    pub(crate) generation: u64,
    /// They are numbered from 0.
    pub(crate) rings: u64,
}

impl Roll {
    /// Puts it into the directory of the rings, once these are made.
    pub(crate) fn write(self, directory: &Path) -> io::Result<()> {
        let mut bytes = [self.generation.to_le_bytes(), self.rings.to_le_bytes()].concat();
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        files::replace(&directory.join(FILE), &bytes)
    }

    /// `None` where there is none, or what is there is not what was written.
    pub(crate) fn read(directory: &Path) -> Option<Self> {
        let bytes = fs::read(directory.join(FILE)).ok()?;
        let (words, checksum) = bytes.split_last_chunk()?;
        let (&[generation, rings], []) = words.as_chunks::<8>() else { return None };
        (crc32fast::hash(words) == u32::from_le_bytes(*checksum))
            .then(|| Self { generation: u64::from_le_bytes(generation), rings: u64::from_le_bytes(rings) })
    }
}
