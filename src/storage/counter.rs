//! A number that only grows, kept in a file of its own beside a store that keeps it too: where the store says less than the file, it has
//! lost what came after.
//!
//! Two slots in two sectors, written in turn and each with a checksum, so that one of them is whole whenever power fails. The file is
//! written after the store has the number on the disk, so it may say less than the store and never more.
//!
//! ```text
//! slot: u64 number, u32 crc32 of it
//! ```

use super::files;
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

const SLOT: usize = 12;
const SLOT_SPACING: u64 = 4096;
/// How often the number is handed to the disk, as far as it changes: in between the system does so when it likes.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// The open file.
#[derive(Debug)]
pub(crate) struct Counter {
    file: File,
    noted: u64,
    synced: Option<Instant>,
}

impl Counter {
    /// Opens the file, or makes it. What cannot be read, and what was never written, says 0.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = files::create_file(path)?;
        let mut noted = 0;
        for slot in 0..2 {
            let mut bytes = [0; SLOT];
            match file.read_exact_at(&mut bytes, slot * SLOT_SPACING) {
                Ok(()) => noted = noted.max(decode(&bytes).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { file, noted, synced: None })
    }

    /// The last number that was noted.
    pub(crate) const fn noted(&self) -> u64 {
        self.noted
    }

    /// Notes a number, which is on the disk elsewhere.
    pub(crate) fn note(&mut self, number: u64) -> io::Result<()> {
        let number_bytes = number.to_be_bytes();
        let slot = [&number_bytes[..], &crc32fast::hash(&number_bytes).to_be_bytes()].concat();
        self.file.write_all_at(&slot, (number % 2) * SLOT_SPACING)?;
        self.noted = number;
        if self.synced.is_none_or(|synced| synced.elapsed() >= SYNC_EVERY) {
            self.file.sync_data()?;
            self.synced = Some(Instant::now());
        }
        Ok(())
    }
}

fn decode(slot: &[u8; SLOT]) -> Option<u64> {
    let (number, checksum) = slot.split_first_chunk::<8>()?;
    (crc32fast::hash(number).to_be_bytes() == checksum).then(|| u64::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_highest_that_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("COUNT");
        assert_eq!(Counter::open(&path).unwrap().noted(), 0);
        for number in 1..=5 {
            Counter::open(&path).unwrap().note(number).unwrap();
            assert_eq!(Counter::open(&path).unwrap().noted(), number);
        }
        // Power fails while the newest is written.
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(b"torn", SLOT_SPACING).unwrap();
        assert_eq!(Counter::open(&path).unwrap().noted(), 4);
        for content in [&b""[..], b"x", &[0; 5000], &[7; 5000]] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(Counter::open(&path).unwrap().noted(), 0);
        }
    }
}
