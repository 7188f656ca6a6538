//! sled's files, opened in spite of what a crash has left of them, and closed in spite of what the disk says to it.

use super::files;
use std::{
    fs::File,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// sled gives up its lock a little after it was closed.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// Pages that sled keeps in memory.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// How often sled flushes by itself; also the beat of its clean-up.
const FLUSH_EVERY_MS: u64 = 500;

/// Open files.
#[derive(Debug)]
pub(crate) struct Database {
    // INVARIANT: there until it is dropped.
    db: Option<sled::Db>,
}

/// Why files could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The file system.
    #[error("`{}` cannot be used", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// sled.
    #[error("`{}` cannot be opened", path.display())]
    Sled { path: PathBuf, source: sled::Error },
    /// sled panicked, which it does on some damaged files.
    #[error("`{}` cannot be read: its files are damaged", path.display())]
    Panicked { path: PathBuf },
}

impl Database {
    /// What is open; nothing any more while it is dropped.
    pub(crate) fn get(&self) -> Option<&sled::Db> {
        self.db.as_ref()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let db = self.db.take();
        // sled syncs once more when it closes its files, and panics where that fails. What counts was synced before.
        drop(catch_unwind(AssertUnwindSafe(|| drop(db))));
    }
}

/// Opens sled's files, on a thread of its own: on some damaged files it panics.
pub(crate) fn open(path: &Path) -> Result<Database, OpenError> {
    let failed = |source| OpenError::Io { path: path.to_owned(), source };
    remove_unfinished_snapshots(path).map_err(failed)?;
    sync_what_is_there(path).map_err(failed)?;
    remove_damaged_settings(&path.join("conf")).map_err(failed)?;
    let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(Some(FLUSH_EVERY_MS));
    let give_up = Instant::now() + LOCK_PATIENCE;
    let mut panicked = false;
    loop {
        let config = config.clone();
        let opener =
            thread::Builder::new().name("sled-open".to_owned()).spawn(move || config.open()).map_err(failed)?;
        match opener.join() {
            Ok(Ok(db)) => return Ok(Database { db: Some(db) }),
            Ok(Err(error)) if is_locked(&error) && Instant::now() < give_up => {
                thread::sleep(Duration::from_millis(10));
            }
            Ok(Err(source)) => {
                note_failure(path, &source);
                return Err(OpenError::Sled { path: path.to_owned(), source });
            }
            // Also where a call fails while it gives up opening. What lasts is damage, and what passes is not.
            Err(_) if !panicked => panicked = true,
            Err(_) => return Err(OpenError::Panicked { path: path.to_owned() }),
        }
    }
}

/// What sled says is for those who look into it.
pub(crate) fn note_failure(path: &Path, error: &sled::Error) {
    tracing::debug!(event = "sled_failed", path = %path.display(), %error, "sled has failed");
}

fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if is_lock(error))
}

/// The text is all that sled gives.
pub(crate) fn is_lock(error: &io::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

/// A process that died may have left more than it has handed to the disk, names included, and what is written from now on builds on it.
/// sled itself takes a snapshot of what it reads, and does hand that to the disk: without what it was taken of, it reads as corrupt.
fn sync_what_is_there(segment: &Path) -> io::Result<()> {
    match File::open(segment.join("db")) {
        Ok(file) => file.sync_data()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    files::sync_directory(segment)
}

/// sled notes its settings once, in two writes and without a sync, and refuses a file that a crash has left unfinished. They are those of
/// every segment, so sled may note them again.
fn remove_damaged_settings(conf: &Path) -> io::Result<()> {
    let bytes = match std::fs::read(conf) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let is_whole = bytes
        .split_last_chunk()
        .is_some_and(|(settings, checksum)| crc32fast::hash(settings) == u32::from_le_bytes(*checksum));
    if is_whole { Ok(()) } else { std::fs::remove_file(conf) }
}

/// A snapshot that was being written when the process died would be taken for the newest one, and sled would find it corrupt at
/// every start from then on.
fn remove_unfinished_snapshots(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating")) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
