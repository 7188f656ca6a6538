//! Where a segment begins: the file `ORIGIN` in its directory, written last when the segment is made. Without it, nothing was ever
//! written to the segment.
//!
//! ```text
//! u8 version (1)   u64 first sequence number   [32] hash before it   i64 when it was made, microseconds
//! u64 generation of the rings   rings × u64 up to where each is contained in the segments before   u32 crc32 of all before
//! ```

use crate::{
    audit::{
        block::Positions,
        chain::{GENESIS, Hash},
        files,
    },
    model::Timestamp,
};
use std::{fs, io, path::Path};

const FILE: &str = "ORIGIN";

/// Where a segment begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The number of its first record.
    pub(crate) first_seq: u64,
    /// The hash of the record before.
    pub(crate) before: Hash,
    /// When it was made.
    pub(crate) created: Timestamp,
    /// Up to where the rings are contained in the segments before.
    pub(crate) positions: Positions,
}

impl Origin {
    /// Of the first segment of a log.
    pub(crate) fn first(created: Timestamp) -> Self {
        Self { first_seq: 1, before: GENESIS, created, positions: Positions::default() }
    }

    /// Reads the file. `None` where there is none, or what it holds is not what was written.
    pub(crate) fn read(segment: &Path) -> io::Result<Option<Self>> {
        match fs::read(segment.join(FILE)) {
            Ok(bytes) => Ok(Self::decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the file. When this returns, it survives power loss.
    pub(crate) fn write(&self, segment: &Path) -> io::Result<()> {
        files::replace(&segment.join(FILE), &self.encode())
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = vec![1];
        out.extend_from_slice(&self.first_seq.to_le_bytes());
        out.extend_from_slice(&self.before);
        out.extend_from_slice(&self.created.as_micros().to_le_bytes());
        out.extend_from_slice(&self.positions.generation.to_le_bytes());
        self.positions.by_ring.iter().for_each(|position| out.extend_from_slice(&position.to_le_bytes()));
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let (&[1], rest) = body.split_first_chunk()? else { return None };
        let (first_seq, rest) = rest.split_first_chunk()?;
        let (before, rest) = rest.split_first_chunk()?;
        let (created, rest) = rest.split_first_chunk()?;
        let (generation, rest) = rest.split_first_chunk()?;
        let (positions, []) = rest.as_chunks::<8>() else { return None };
        Some(Self {
            first_seq: u64::from_le_bytes(*first_seq),
            before: *before,
            created: Timestamp::from_micros(i64::from_le_bytes(*created)),
            positions: Positions {
                generation: u64::from_le_bytes(*generation),
                by_ring: positions.iter().map(|position| u64::from_le_bytes(*position)).collect(),
            },
        })
    }
}
