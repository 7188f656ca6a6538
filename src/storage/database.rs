//! sled's files, opened in spite of what a crash has left of them, and closed in spite of what the disk says to it.

use super::files;
use std::{
    ffi::OsStr,
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
const FLUSH_EVERY_MS: u64 = 1000;

/// Begins the name of a snapshot as sled gives it.
const SNAPSHOT: &str = "snap.";
/// Begins the second name that a snapshot has while sled may replace it.
const KEPT: &str = "kept.";

/// Open files; by default none.
#[derive(Debug, Default)]
pub(crate) struct Database {
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
    /// What is open; nothing any more while it is dropped, and nothing yet before it is opened.
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
    settle_snapshots(path).map_err(failed)?;
    keep_snapshots(path).map_err(failed)?;
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
            Ok(Ok(db)) => {
                forget_kept_snapshots(path).map_err(failed)?;
                return Ok(Database { db: Some(db) });
            }
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
///
/// sled writes a snapshot, syncs it, gives it its name and removes the one before, without a sync of the directory. A loss of power
/// may take the new name and leave the removal: then the whole snapshot under its old name is the only one, and without it sled
/// reads files that it has since cleaned up as if nothing were in them. It may take both names of the new one: then the one before is
/// still there under the name that [`keep_snapshots`] has given it.
///
/// One that is whole for this process need not be on the disk yet: it gets its name once it is, as sled would have done.
fn settle_snapshots(path: &Path) -> io::Result<()> {
    let (mut is_there, mut unnamed, mut kept) = (false, Vec::new(), Vec::new());
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        let Some(name) = file.file_name().and_then(OsStr::to_str) else { continue };
        if let Some(number) = name.strip_prefix(KEPT) {
            kept.push((path.join(format!("{SNAPSHOT}{number}")), file));
        } else if name.starts_with(SNAPSHOT) {
            match name.strip_suffix(".generating") {
                Some(name) => unnamed.push((path.join(name), file)),
                None => is_there = true,
            }
        }
    }
    // The newest first: the names are numbers of one length.
    unnamed.sort_unstable_by(|one, other| other.cmp(one));
    kept.sort_unstable_by(|one, other| other.cmp(one));
    for (name, file) in unnamed.into_iter().chain(kept) {
        if !is_there && is_whole_snapshot(&std::fs::read(&file)?) {
            File::open(&file)?.sync_all()?;
            std::fs::rename(&file, name)?;
            is_there = true;
        } else {
            std::fs::remove_file(&file)?;
        }
    }
    Ok(())
}

/// Gives snapshots a second name, which sled does not know and so does not remove. Nothing is copied. A file system that knows no second
/// names, or has no room for one, goes without.
fn keep_snapshots(path: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        let number = file.file_name().and_then(OsStr::to_str).and_then(|name| name.strip_prefix(SNAPSHOT));
        if let Some(number) = number {
            drop(std::fs::hard_link(&file, path.join(format!("{KEPT}{number}"))));
        }
    }
    Ok(())
}

/// Takes the second names away, once the disk has the first ones.
fn forget_kept_snapshots(path: &Path) -> io::Result<()> {
    let mut is_synced = false;
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        if file.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with(KEPT)) {
            if !is_synced {
                files::sync_directory(path)?;
                is_synced = true;
            }
            std::fs::remove_file(&file)?;
        }
    }
    Ok(())
}

/// Whether a file is a snapshot, under whichever name: what sled makes anew where it is not there.
pub(crate) fn is_snapshot(name: &str) -> bool {
    name.starts_with(SNAPSHOT) || name.starts_with(KEPT)
}

/// Content, its length in eight bytes, the checksum of the content: the length is not looked at by sled either.
fn is_whole_snapshot(bytes: &[u8]) -> bool {
    let Some((rest, checksum)) = bytes.split_last_chunk() else { return false };
    let content = rest.split_last_chunk::<8>().map(|(content, _)| content).filter(|content| !content.is_empty());
    content.is_some_and(|content| crc32fast::hash(content) == u32::from_le_bytes(*checksum))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    fn snapshots(path: &Path) -> Vec<String> {
        names(path).into_iter().filter(|name| name.starts_with(SNAPSHOT)).collect()
    }

    /// What a loss of power leaves that takes a snapshot's name and not the removal of the one before.
    #[test]
    fn a_whole_snapshot_that_has_lost_its_name_gets_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let write = |database: &Database, n: u32| {
            let db = database.get().unwrap();
            db.insert(n.to_be_bytes(), &*vec![7; 10_000]).unwrap();
            db.flush().unwrap();
        };
        for n in 0..20 {
            write(&open(folder.path()).unwrap(), n);
        }
        let [name] = snapshots(folder.path()).try_into().unwrap();
        let unnamed = format!("{name}.generating");
        std::fs::rename(folder.path().join(&name), folder.path().join(&unnamed)).unwrap();
        // One that was begun and never finished.
        std::fs::write(folder.path().join("snap.FFFFFFFFFFFFFFFF.generating"), "half").unwrap();
        let database = open(folder.path()).unwrap();
        assert_eq!(database.get().unwrap().len(), 20);
        drop(database);
        assert!(snapshots(folder.path()).iter().all(|name| !name.ends_with("generating")));
    }

    /// What a loss of power leaves that takes both names of a snapshot and not the removal of the one before.
    #[test]
    fn a_snapshot_that_was_removed_for_one_that_is_lost_is_still_there_under_another_name() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..20_u32 {
            let database = open(folder.path()).unwrap();
            let db = database.get().unwrap();
            db.insert(n.to_be_bytes(), &*vec![7; 10_000]).unwrap();
            db.flush().unwrap();
            drop(database);
            assert!(!names(folder.path()).iter().any(|name| name.starts_with(KEPT)), "they are for an opening alone");
        }
        let [name] = snapshots(folder.path()).try_into().unwrap();
        let kept = name.replace(SNAPSHOT, KEPT);
        std::fs::rename(folder.path().join(&name), folder.path().join(&kept)).unwrap();
        assert_eq!(open(folder.path()).unwrap().get().unwrap().len(), 20);
        // Beside one with its own name it is of no use.
        std::fs::write(folder.path().join(kept), "old").unwrap();
        assert_eq!(open(folder.path()).unwrap().get().unwrap().len(), 20);
        assert_eq!(names(folder.path()).iter().filter(|name| is_snapshot(name)).count(), 1);
    }

    #[test]
    fn beside_a_snapshot_with_a_name_those_without_one_go_and_so_do_torn_ones() {
        let whole = |content: &[u8]| {
            [content, &(content.len() as u64).to_le_bytes(), &crc32fast::hash(content).to_le_bytes()].concat()
        };
        for (files, left) in [
            (&[("snap.02", whole(b"b")), ("snap.03.generating", whole(b"c"))][..], &["snap.02"][..]),
            (&[("snap.03.generating", whole(b"c"))], &["snap.03"]),
            (&[("snap.03.generating", whole(b"c")), ("snap.02.generating", whole(b"b"))], &["snap.03"]),
            (&[("snap.03.generating", b"torn".to_vec()), ("snap.02.generating", whole(b"b"))], &["snap.02"]),
            (&[("snap.03.generating", vec![0; 12])], &[]),
            (&[("snap.03.generating", Vec::new())], &[]),
        ] {
            let folder = tempfile::tempdir().unwrap();
            for (name, bytes) in files {
                std::fs::write(folder.path().join(name), bytes).unwrap();
            }
            settle_snapshots(folder.path()).unwrap();
            assert_eq!(snapshots(folder.path()), left);
        }
    }
}
