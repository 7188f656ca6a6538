//! The way to a log: directory, version, lock, store, and the rings that a dead process has left.

mod take_over;

pub(crate) use take_over::remove_rings_from;
use take_over::take_over;

use super::{
    chain::{End, GENESIS},
    events, files,
    log::Recovery,
    notes::Note,
    quarantine::{self, Gap, Quarantined},
    ring::Mapping,
    signature::KeyError,
    store::{Keeping, Store, StoreError},
    writer::{WriteError, Writer},
};
use crate::telemetry::events::Chain;
use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// How long a data directory may stay locked before it counts as in use: a process that has just ended, or a child that it
/// was starting, may hold the lock a moment longer.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);

/// The form of the data directory. One that a newer version has written is left alone.
const FORMAT: u32 = 1;

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something else has the name.
    #[error("`{}` is not a directory; name another one with `--data`", path.display())]
    NotADirectory {
        /// The data directory, or what stands in its way.
        path: PathBuf,
    },
    /// The process may not write there.
    #[error("`{}` cannot be written to; give this user access, or name another data directory with `--data`", path.display())]
    NotWritable {
        /// What cannot be written.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Root reads files of somebody else.
    #[error(
        "`{}` belongs to the user {owner}, who could not start on what root leaves there; run the command as that user: \
         `sudo -u '#{owner}' sidegate ...`",
        path.display()
    )]
    OfAnother {
        /// What would be opened.
        path: PathBuf,
        /// The user's number.
        owner: u32,
    },
    /// Another process has it open.
    #[error("the data directory `{}` is in use by another process; stop that process, or name another directory with `--data`", path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// A newer version has written it.
    #[error(
        "the data directory `{}` has format {found}, and this version knows formats up to {known}; run the newer version of sidegate, or \
         name another directory with `--data`",
        path.display()
    )]
    Newer {
        /// The data directory.
        path: PathBuf,
        /// The format found.
        found: u64,
        /// The format known.
        known: u32,
    },
    /// The file that says the format says something else.
    #[error("`{}` does not hold a format number; restore it, or name another data directory with `--data`", path.display())]
    Unversioned {
        /// The file.
        path: PathBuf,
    },
    /// There is no log to read.
    #[error("there is no audit log in `{}`", path.display())]
    Missing {
        /// The data directory.
        path: PathBuf,
    },
    /// The rings' space cannot be allocated.
    #[error("no space for the {bytes} bytes of `{}`; make room, or set a smaller `audit.ring_bytes`", path.display())]
    NoSpace {
        /// The ring's file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// A ring cannot have this size.
    #[error("a ring cannot have {capacity} bytes")]
    RingSize {
        /// The size.
        capacity: u64,
    },
    /// The store's files cannot be read.
    #[error("the audit log in `{}` cannot be opened: {why}; restore its files, or move them aside to begin a new log", path.display())]
    Damaged {
        /// The log's directory.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// There is no room to go on in.
    #[error("there is no space left for the audit log in `{}`; make room and start again", path.display())]
    Full {
        /// The log's directory.
        path: PathBuf,
    },
    /// The key that is to sign cannot be used.
    #[error("`audit.signing_key`")]
    Key(#[source] KeyError),
    /// The file that checkpoints are to be appended to cannot be made.
    #[error("`audit.checkpoint.file`: `{}` cannot be written; make its directory, or name another file", path.display())]
    CheckpointFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The address that checkpoints are to be posted to cannot be used.
    #[error("`audit.checkpoint.webhook`: `{address}` cannot be used")]
    Webhook {
        /// The address.
        address: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Anything else that the file system says.
    #[error("`{}` cannot be used", path.display())]
    Io {
        /// What was used.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl OpenError {
    /// Whether a setting is to blame, and not what was found in the data directory.
    pub const fn is_of_a_setting(&self) -> bool {
        matches!(self, Self::Key(_) | Self::CheckpointFile { .. } | Self::Webhook { .. })
    }

    /// Sorts what the system says.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => Self::NotADirectory { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::NotWritable { path, source },
            _ => Self::Io { path, source },
        }
    }

    fn store(directory: &Path, error: StoreError) -> Self {
        match error {
            error if error.is_full() => Self::Full { path: directory.to_owned() },
            StoreError::Io { path, source } => Self::io(&path, source),
            error => Self::Damaged { path: directory.to_owned(), why: Chain(&error).to_string() },
        }
    }

    pub(super) fn write(directory: &Path, error: WriteError) -> Self {
        match error {
            WriteError::Store(error) => Self::store(directory, error),
            error => Self::Damaged { path: directory.to_owned(), why: Chain(&error).to_string() },
        }
    }
}

/// The log's part of a data directory, locked for this process as long as it lives.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    /// `<data>/audit`
    pub(crate) audit: PathBuf,
    // The lock goes with the open file.
    file: File,
}

impl DirectoryLock {
    /// Makes the directory where it is not there yet, and locks it.
    pub(crate) fn create(data: &Path) -> Result<Self, OpenError> {
        check_format(data)?;
        files::create_directory(data).map_err(|source| OpenError::io(data, source))?;
        let audit = data.join("audit");
        files::create_directory(&audit.join("rings")).map_err(|source| OpenError::io(&audit, source))?;
        let lock = Self::lock(data, audit)?;
        write_format(data)?;
        lock.sync_names(data)?;
        Ok(lock)
    }

    /// Locks a directory that holds a log.
    pub(crate) fn existing(data: &Path) -> Result<Self, OpenError> {
        check_format(data)?;
        let audit = data.join("audit");
        if !audit.join("LOCK").exists() {
            return Err(OpenError::Missing { path: data.to_owned() });
        }
        check_owner(&audit.join("LOCK"))?;
        Self::lock(data, audit)
    }

    /// Hands the names of the directories to the disk. At every start: the process that has made them may have died before.
    fn sync_names(&self, data: &Path) -> Result<(), OpenError> {
        for directory in [&self.audit, data] {
            files::sync_directory(directory).map_err(|source| OpenError::io(directory, source))?;
        }
        let data = data.canonicalize().map_err(|source| OpenError::io(data, source))?;
        match data.parent().map(files::sync_directory) {
            // It belongs to somebody else, who made the data directory as well, and long ago.
            Some(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            Some(Err(source)) => Err(OpenError::io(&data, source)),
            None | Some(Ok(())) => Ok(()),
        }
    }

    /// Locks a directory that holds a log, and changes nothing in it. `None` where another process has it open.
    pub(crate) fn look(data: &Path) -> Result<Option<Self>, OpenError> {
        check_format(data)?;
        let audit = data.join("audit");
        let path = audit.join("LOCK");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::Missing { path: data.to_owned() });
            }
            Err(source) => return Err(OpenError::io(&path, source)),
        };
        match Self::hold(data, audit, file) {
            Ok(lock) => Ok(Some(lock)),
            Err(OpenError::InUse { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the directory is still the one that was locked: somebody may have removed it, or put another in its place.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        files::is_still(&self.audit.join("LOCK"), &self.file)
            .then_some(())
            .ok_or_else(|| StoreError::Gone { path: self.audit.clone() })
    }

    pub(crate) fn rings(&self) -> PathBuf {
        self.audit.join("rings")
    }

    fn lock(data: &Path, audit: PathBuf) -> Result<Self, OpenError> {
        let path = audit.join("LOCK");
        let file = files::create_file(&path).map_err(|source| OpenError::io(&path, source))?;
        Self::hold(data, audit, file)
    }

    fn hold(data: &Path, audit: PathBuf, file: File) -> Result<Self, OpenError> {
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { audit, file }),
                Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => thread::sleep(LOCK_PATIENCE / 100),
                Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: data.to_owned() }),
                Err(TryLockError::Error(source)) => return Err(OpenError::io(&audit.join("LOCK"), source)),
            }
        }
    }
}

/// For commands that open what an instance has left: opening makes files, and the instance has to read these.
pub(crate) fn check_owner(path: &Path) -> Result<(), OpenError> {
    match files::owner_beside_root(path) {
        None => Ok(()),
        Some(owner) => Err(OpenError::OfAnother { path: path.to_owned(), owner }),
    }
}

fn check_format(data: &Path) -> Result<(), OpenError> {
    match fs::metadata(data) {
        Ok(metadata) if !metadata.is_dir() => return Err(OpenError::NotADirectory { path: data.to_owned() }),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(OpenError::io(data, error)),
    }
    let path = data.join("VERSION");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(OpenError::Unversioned { path }),
        Err(error) => return Err(OpenError::io(&path, error)),
    };
    match text.trim().parse::<u64>() {
        Ok(found) if found > u64::from(FORMAT) => Err(OpenError::Newer { path: data.to_owned(), found, known: FORMAT }),
        Ok(1..) => Ok(()),
        Ok(0) | Err(_) => Err(OpenError::Unversioned { path }),
    }
}

fn write_format(data: &Path) -> Result<(), OpenError> {
    let path = data.join("VERSION");
    let failed = |source| OpenError::io(&path, source);
    if path.exists() { Ok(()) } else { files::replace(&path, format!("{FORMAT}\n").as_bytes()).map_err(failed) }
}

/// A store whose log holds all that the process before has published, and the end to go on at.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Arc<Store>,
    pub(crate) writer: Writer<Store, Mapping>,
    pub(crate) recovery: Recovery,
}

/// Opens the store and takes over the rings.
pub(crate) fn open(lock: &DirectoryLock, keeping: Keeping) -> Result<Opened, OpenError> {
    let failed = |error| OpenError::store(&lock.audit, error);
    let (store, findings) = Store::open(&lock.audit, keeping).map_err(failed)?;
    let store = Arc::new(store);
    let tail = store.tail().map_err(failed)?;
    let mut writer = Writer::new(Arc::clone(&store), tail);
    let mut recovery = Recovery { head_lost: findings.head_lost, ..Recovery::default() };
    let anchor = store.anchored().map(|anchor| End { seq: anchor.seq, hash: anchor.hash });
    findings.quarantined.iter().for_each(events::quarantined);
    findings.repaired.iter().for_each(|&first_seq| events::repaired(first_seq));
    findings.lost_tombstone.iter().for_each(|why| events::tombstone_lost(why));

    let before = writer.end().seq;
    // Without one, nothing was ever committed.
    let committed = anchor.or_else(|| (!findings.head_lost).then_some(End { seq: 0, hash: GENESIS }));
    take_over(&mut writer, &lock.rings(), committed, &mut recovery)?;
    // Only now: where the store has lost records and the rings still hold them, they are there again, in another order perhaps.
    if let Some(anchor) = anchor {
        let found = store.hash_at(anchor.seq).map_err(failed)?;
        recovery.head_differs = found.is_some_and(|hash| hash != anchor.hash);
    }
    recovery.taken_over = writer.end().seq.saturating_sub(before.max(recovery.leapt_to));
    record_gaps(&mut writer, &store, &findings.quarantined, &mut recovery)
        .map_err(|error| OpenError::write(&lock.audit, error))?;
    Ok(Opened { store, writer, recovery })
}

/// Runs of numbers that the log does not have, each with what is known of why.
pub(crate) fn gaps(store: &Store, aside: &[Quarantined]) -> Vec<Gap> {
    let known = quarantine::recorded(store.directory());
    let mut gaps = store.catalog().holes(store.removed());
    for gap in &mut gaps {
        let in_it = |first_seq: u64| (gap.first_seq..=gap.last_seq).contains(&first_seq);
        if let Some(segment) = aside.iter().find(|segment| in_it(segment.first_seq)) {
            gap.why.clone_from(&segment.why);
            gap.kept_as = Some(segment.kept_as.clone());
        } else if let Some(known) = known.iter().find(|known| known.covers(gap)) {
            gap.why.clone_from(&known.why);
            gap.kept_as.clone_from(&known.kept_as);
        }
    }
    gaps
}

/// Puts a record of each gap into the log that has none yet. At least once: the note that it was done comes after it.
fn record_gaps(
    writer: &mut Writer<Store, Mapping>,
    store: &Store,
    aside: &[Quarantined],
    recovery: &mut Recovery,
) -> Result<(), WriteError> {
    let gaps = gaps(store, aside);
    let known = quarantine::recorded(store.directory());
    let new: Vec<&Gap> = gaps.iter().filter(|gap| !known.iter().any(|known| known.covers(gap))).collect();
    recovery.missing = new.iter().map(|gap| gap.last_seq + 1 - gap.first_seq).sum();
    if !new.is_empty() {
        for gap in new {
            events::gap(gap);
            Note::Gap(gap.clone()).record(store.now(), |entry| writer.add(entry))?;
        }
        writer.store_rest()?;
        writer.commit(true)?;
        let path = store.directory();
        quarantine::note_recorded(path, &gaps).map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
    }
    Ok(())
}
