//! The embedded store: sled, in a directory of its own.
//!
//! A value is cut into parts of at most [`PART_BYTES`], since sled puts large pages into files that it never syncs. The first part begins
//! with the length and the checksum of the whole. sled's `flush` hands data to the system and not to the disk, so `fdatasync` follows.
//!
//! sled opens some damaged files as if what was written last, or everything, had never been there. So each commit has a number, in a row of
//! its own and in a file outside of sled; the file follows, and a store that says less than the file has lost changes.

use super::{Row, Store, StoreError, Take};
use crate::storage::{self, Counter, Database, files};
use std::{
    error::Error as _,
    fs::File,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

/// Bytes of a part at most.
const PART_BYTES: usize = 4096;
/// Ends the key of each part, before the part's number. No key holds it.
const SEPARATOR: u8 = 0;
/// The row that every store has, and the name of the file that says that there is a store: both say how many commits there were.
const MARK: &str = "BEGUN";
/// Length and checksum in front of the first part.
const HEAD_BYTES: usize = 8;

/// Rows in sled.
#[derive(Debug)]
pub(crate) struct Embedded {
    db: Database,
    /// sled's file, to be synced after sled has written it.
    file: File,
    path: PathBuf,
    count: Mutex<Count>,
    /// Why nothing can be written any more.
    failed: OnceLock<String>,
}

/// How many commits there were.
#[derive(Debug, Default)]
struct Count {
    reached: u64,
    file: Option<Counter>,
}

impl Count {
    /// Lets the file follow. Where that fails it says less than the store, which takes nothing from it; the next commit says more.
    fn note(&mut self) {
        if let Some(file) = self.file.as_mut().filter(|file| file.noted() < self.reached)
            && let Err(error) = file.note(self.reached)
        {
            tracing::debug!(event = "directory_count_failed", %error, "the number of changes could not be noted");
        }
    }
}

impl Embedded {
    /// Opens the store, or makes it where there is none.
    ///
    /// # Errors
    /// Fails where the files are in use, damaged, or cannot be read or written.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let io = |source| StoreError::Io { path: path.to_owned(), source };
        files::create_directory(path).map_err(io)?;
        let db = storage::open(path).map_err(|error| opening(path, error))?;
        files::restrict(path).map_err(io)?;
        files::sync_directory(path).map_err(io)?;
        path.parent().map_or(Ok(()), files::sync_directory).map_err(io)?;
        let file = File::open(path.join("db")).map_err(io)?;
        let store = Self { db, file, path: path.to_owned(), count: Mutex::default(), failed: OnceLock::new() };
        store.mark(&path.join(MARK))?;
        Ok(store)
    }

    /// Holds what the store says of its commits against what the file says.
    fn mark(&self, file: &Path) -> Result<(), StoreError> {
        let io = |source| StoreError::Io { path: file.to_owned(), source };
        let mut marked = None;
        self.each(MARK, &mut |_, value| {
            // Without a number it was written before commits had one.
            marked = Some(value.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)));
            Ok(ControlFlow::Continue(()))
        })?;
        let begun = file.try_exists().map_err(io)?;
        match marked {
            None if begun => return Err(self.damaged("they read as empty, and are not")),
            // The row comes first: a file without it would say that the store has lost it.
            None => self.counted(&[])?,
            Some(reached) => self.count().reached = reached,
        }
        let counter = Counter::open(file).map_err(io)?;
        let mut count = self.count();
        if counter.noted() > count.reached {
            let what = format!(
                "they hold {} changes, and {} were made (to go on without the last ones, remove `{}`)",
                count.reached,
                counter.noted(),
                file.display()
            );
            return Err(self.damaged(what));
        }
        count.file = Some(counter);
        count.note();
        files::sync_directory(&self.path).map_err(io)
    }

    fn count(&self) -> std::sync::MutexGuard<'_, Count> {
        // Whole after every statement.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes rows as the next commit.
    fn counted(&self, rows: &[Row]) -> Result<(), StoreError> {
        let mut count = self.count();
        let next = count.reached + 1;
        self.write(rows, &(MARK.to_owned(), Some(next.to_be_bytes().to_vec())))?;
        count.reached = next;
        count.note();
        Ok(())
    }

    fn db(&self) -> Result<&sled::Db, StoreError> {
        self.db.get().ok_or(StoreError::Failed)
    }

    fn damaged(&self, what: impl Into<String>) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), what: what.into() }
    }

    fn sled(&self, error: sled::Error) -> StoreError {
        storage::note_failure(&self.path, &error);
        match error {
            sled::Error::Io(source) => StoreError::Io { path: self.path.clone(), source },
            _ => self.damaged("what was written cannot be read back"),
        }
    }

    /// sled panics on some damaged files.
    fn ask<T>(&self, ask: impl FnOnce(&sled::Db) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let asked = catch_unwind(AssertUnwindSafe(|| ask(self.db()?)));
        asked.unwrap_or_else(|_| Err(self.damaged("what was written cannot be read back")))
    }

    fn batch(&self, db: &sled::Db, rows: &[Row], mark: &Row) -> Result<sled::Batch, StoreError> {
        let mut batch = sled::Batch::default();
        for (key, value) in rows.iter().chain([mark]) {
            let parts = value.as_deref().map(parts).unwrap_or_default();
            // A shorter value leaves no parts of a longer one behind.
            for old in db.scan_prefix(part_key(key, None)).keys().skip(parts.len()) {
                batch.remove(old.map_err(|error| self.sled(error))?);
            }
            for (number, part) in (0..).zip(parts) {
                batch.insert(part_key(key, Some(number)), part);
            }
        }
        Ok(batch)
    }

    fn write(&self, rows: &[Row], mark: &Row) -> Result<(), StoreError> {
        self.ask(|db| {
            let batch = self.batch(db, rows, mark)?;
            db.apply_batch(batch).map_err(|error| self.sled(error))?;
            db.flush().map(drop).map_err(|error| self.sled(error))
        })?;
        self.file.sync_data().map_err(|source| StoreError::Io { path: self.path.clone(), source })
    }
}

impl Store for Embedded {
    fn commit(&self, rows: &[Row]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        if self.failed.get().is_some() {
            return Err(StoreError::Failed);
        }
        // After a write or a sync that failed nobody knows what the disk has, and asking again would not tell.
        self.counted(rows).inspect_err(|error| drop(self.failed.set(told(error))))
    }

    fn each(&self, prefix: &str, take: &mut Take<'_>) -> Result<(), StoreError> {
        self.ask(|db| {
            let mut whole = Whole::default();
            for row in db.scan_prefix(prefix.as_bytes()) {
                let (key, part) = row.map_err(|error| self.sled(error))?;
                let row = whole.add(&key, &part).map_err(|what| self.damaged(what))?;
                // The store's own row is nobody else's.
                if let Some((key, value)) = row.filter(|(key, _)| key != MARK || prefix == MARK)
                    && take(&key, &value)?.is_break()
                {
                    return Ok(());
                }
            }
            if whole.is_between() { Ok(()) } else { Err(self.damaged("the last row is cut short")) }
        })
    }

    /// sled drops pages out of its cache by what it counts in each of 256 parts, after 64 of them were read there: of the pages of 100,000
    /// users, each of which is read once, it drops none. So its files are closed and opened again, which reads no page.
    fn release(&mut self) -> Result<(), StoreError> {
        self.db = Database::default();
        self.db = storage::open(&self.path).map_err(|error| opening(&self.path, error))?;
        let io = |source| StoreError::Io { path: self.path.clone(), source };
        // sled may have written a snapshot of what it has read.
        files::restrict(&self.path).map_err(io)?;
        self.file = File::open(self.path.join("db")).map_err(io)?;
        Ok(())
    }

    fn back(&self, prefix: &str, before: Option<&str>, take: &mut Take<'_>) -> Result<(), StoreError> {
        self.ask(|db| {
            let end = before.map_or_else(|| after_prefix(prefix), |key| key.as_bytes().to_vec());
            for row in db.range(prefix.as_bytes()..end.as_slice()).rev() {
                let (key, first) = row.map_err(|error| self.sled(error))?;
                // Read from its first part on.
                let Some((name, 0)) = split(&key) else { continue };
                let mut whole = Whole::default();
                let mut found = whole.add(&key, &first).map_err(|what| self.damaged(what))?;
                if found.is_none() {
                    for row in db.scan_prefix(part_key(name, None)).skip(1) {
                        let (key, part) = row.map_err(|error| self.sled(error))?;
                        found = whole.add(&key, &part).map_err(|what| self.damaged(what))?;
                    }
                }
                let (key, value) = found.ok_or_else(|| self.damaged("a row is cut short"))?;
                if take(&key, &value)?.is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    fn bytes(&self) -> u64 {
        files::directory_bytes(&self.path)
    }

    fn failure(&self) -> Option<String> {
        self.failed.get().cloned()
    }
}

/// An error with what is behind it, in one line.
fn told(error: &StoreError) -> String {
    let (mut text, mut behind) = (error.to_string(), error.source());
    while let Some(error) = behind {
        text = format!("{text}: {error}");
        behind = error.source();
    }
    text
}

fn opening(path: &Path, error: storage::OpenError) -> StoreError {
    let path = path.to_owned();
    match error {
        storage::OpenError::Sled { source: sled::Error::Io(source), .. } if storage::is_lock(&source) => {
            StoreError::Locked { path }
        }
        storage::OpenError::Sled { source: sled::Error::Io(source), .. } if source.raw_os_error().is_some() => {
            StoreError::Io { path, source }
        }
        storage::OpenError::Sled { .. } | storage::OpenError::Panicked { .. } => {
            StoreError::Damaged { path, what: "they cannot be opened".to_owned() }
        }
        storage::OpenError::Io { path, source } => StoreError::Io { path, source },
    }
}

/// The key of a part of a row; of any part where no number is given.
fn part_key(key: &str, number: Option<u16>) -> Vec<u8> {
    let number = number.map(u16::to_be_bytes);
    [key.as_bytes(), &[SEPARATOR], number.as_ref().map_or(&[][..], |number| number)].concat()
}

fn split(key: &[u8]) -> Option<(&str, u16)> {
    let (rest, number) = key.split_last_chunk::<2>()?;
    let (&SEPARATOR, name) = rest.split_last()? else { return None };
    Some((str::from_utf8(name).ok()?, u16::from_be_bytes(*number)))
}

/// A key behind all that begin with a prefix. Keys are UTF-8 and never hold `0xff`.
fn after_prefix(prefix: &str) -> Vec<u8> {
    [prefix.as_bytes(), &[0xff]].concat()
}

fn parts(value: &[u8]) -> Vec<Vec<u8>> {
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    let whole = [&length.to_be_bytes()[..], &crc32fast::hash(value).to_be_bytes(), value].concat();
    whole.chunks(PART_BYTES).map(<[u8]>::to_vec).collect()
}

/// Puts the parts of rows together, as they come one after the other.
#[derive(Debug, Default)]
struct Whole {
    key: String,
    length: usize,
    checksum: u32,
    value: Vec<u8>,
    next: u16,
}

impl Whole {
    /// Nothing is half read.
    const fn is_between(&self) -> bool {
        self.next == 0
    }

    /// Takes the next part; gives the row once it is whole.
    fn add(&mut self, key: &[u8], part: &[u8]) -> Result<Option<(String, Vec<u8>)>, &'static str> {
        let (name, number) = split(key).ok_or("a key is none of the directory's")?;
        if number != self.next || (number > 0 && name != self.key) {
            return Err("a part of a row is missing");
        }
        let mut rest = part;
        if number == 0 {
            let (head, value) = part.split_first_chunk::<HEAD_BYTES>().ok_or("a row has no head")?;
            let head = u64::from_be_bytes(*head);
            self.length = usize::try_from(head >> 32).map_err(|_| "a row is too long")?;
            self.checksum = u32::try_from(head & u64::from(u32::MAX)).unwrap_or_default();
            name.clone_into(&mut self.key);
            self.value.clear();
            rest = value;
        }
        self.value.extend_from_slice(rest);
        if self.value.len() < self.length {
            self.next = number.checked_add(1).ok_or("a row is too long")?;
            return Ok(None);
        }
        self.next = 0;
        if self.value.len() != self.length || crc32fast::hash(&self.value) != self.checksum {
            return Err("a row is not what was written");
        }
        Ok(Some((std::mem::take(&mut self.key), std::mem::take(&mut self.value))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn rows(store: &Embedded, prefix: &str) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut take = |key: &str, value: &[u8]| {
            found.insert(key.to_owned(), value.to_vec());
            Ok(ControlFlow::Continue(()))
        };
        store.each(prefix, &mut take).unwrap();
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn what_was_committed_is_read_back_from_both_ends_and_after_opening_again(
            batches in prop::collection::vec(
                prop::collection::vec(("[ab]/[a-c]{1,2}", prop::option::of(prop::collection::vec(any::<u8>(), 0..9000))), 1..6),
                1..6,
            )
        ) {
            let directory = tempfile::tempdir().unwrap();
            let mut model = BTreeMap::new();
            {
                let store = Embedded::open(directory.path()).unwrap();
                for batch in &batches {
                    // A batch names a key once.
                    let batch: BTreeMap<_, _> = batch.iter().cloned().collect();
                    let batch: Vec<Row> = batch.into_iter().collect();
                    store.commit(&batch).unwrap();
                    for (key, value) in batch {
                        match value {
                            Some(value) => model.insert(key, value),
                            None => model.remove(&key),
                        };
                    }
                    prop_assert_eq!(&rows(&store, ""), &model);
                }
            }
            let store = Embedded::open(directory.path()).unwrap();
            prop_assert_eq!(&rows(&store, ""), &model);
            let wanted: Vec<_> = model.iter().rev().filter(|(key, _)| key.starts_with("a/") && key.as_str() < "a/b").collect();
            let mut found = Vec::new();
            let mut take = |key: &str, value: &[u8]| {
                found.push((key.to_owned(), value.to_vec()));
                Ok(ControlFlow::Continue(()))
            };
            store.back("a/", Some("a/b"), &mut take).unwrap();
            prop_assert_eq!(found.iter().map(|(key, value)| (key, value)).collect::<Vec<_>>(), wanted);
        }
    }

    #[test]
    fn a_row_that_was_changed_on_disk_is_damage() {
        let directory = tempfile::tempdir().unwrap();
        let store = Embedded::open(directory.path()).unwrap();
        store.commit(&[("a/x".to_owned(), Some(b"value".to_vec()))]).unwrap();
        store.db().unwrap().insert(part_key("a/x", Some(0)), b"\0\0\0\x05\0\0\0\0other".to_vec()).unwrap();
        let error = store.each("a/", &mut |_, _| Ok(ControlFlow::Continue(()))).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }

    #[test]
    fn a_store_that_reads_as_empty_and_is_not_is_damage() {
        let directory = tempfile::tempdir().unwrap();
        drop(Embedded::open(directory.path()).unwrap());
        for entry in std::fs::read_dir(directory.path()).unwrap().flatten().filter(|entry| entry.file_name() != MARK) {
            let path = entry.path();
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
        }
        assert!(matches!(Embedded::open(directory.path()).unwrap_err(), StoreError::Damaged { .. }));
    }

    #[test]
    fn a_store_that_reads_as_it_was_some_changes_ago_is_damage() {
        let row = |n: u8| [(format!("a/{n}"), Some(vec![n]))];
        let directory = tempfile::tempdir().unwrap();
        let (live, earlier) = (directory.path().join("live"), directory.path().join("earlier"));
        Embedded::open(&live).unwrap().commit(&row(1)).unwrap();
        files::copy_directory(&live, &earlier, |_| true).unwrap();
        Embedded::open(&live).unwrap().commit(&row(2)).unwrap();
        // A file that has lost its last notes, or all of them, takes nothing from the store.
        let latest = std::fs::read(live.join(MARK)).unwrap();
        for older in [std::fs::read(earlier.join(MARK)).unwrap(), Vec::new(), b"damaged".to_vec()] {
            std::fs::write(live.join(MARK), older).unwrap();
            assert_eq!(rows(&Embedded::open(&live).unwrap(), "").len(), 2);
            assert_eq!(std::fs::read(live.join(MARK)).unwrap().len(), latest.len());
        }
        // As sled reads its files where it takes damage for their end.
        std::fs::copy(live.join(MARK), earlier.join(MARK)).unwrap();
        let error = Embedded::open(&earlier).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("they hold 2 changes, and 3 were made"), "{error}");
        std::fs::remove_file(earlier.join(MARK)).unwrap();
        assert_eq!(rows(&Embedded::open(&earlier).unwrap(), "").len(), 1);
    }

    #[test]
    fn files_of_a_store_that_is_open_are_in_use() {
        let directory = tempfile::tempdir().unwrap();
        let _open = Embedded::open(directory.path()).unwrap();
        assert!(matches!(Embedded::open(directory.path()).unwrap_err(), StoreError::Locked { .. }));
    }
}
