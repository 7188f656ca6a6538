//! The running log: opened, handed to recorders and readers, closed.

#[cfg(test)]
mod tests;

use super::{
    Checkpoints, Entry, Gap, Health, Intake, Mode, OnCommit, OpenError, Reader, RecordError, Recorder, Retention,
    Ticket, Waiter, WhenFailed, WhenFull,
    block::Positions,
    checkpoint::{SetupError, Webhook},
    events,
    keeper::Keeper,
    open::{self, DirectoryLock, remove_rings_from},
    record::MAX_RECORD,
    shared::{Lane, Manner, RingFiles, Shared},
    signature::Signer,
    store::Keeping,
    writer,
};
use crate::{
    lifecycle::{Clock, Pace},
    model::Timestamp,
};
use std::{
    cell::RefCell,
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher, Hasher},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// The smallest ring: room for two of the largest records, wherever they fall.
const MIN_RING: usize = 4 * (MAX_RECORD + 1).next_power_of_two();

/// How a log is opened.
#[derive(Clone)]
pub struct Options {
    /// The data directory.
    pub directory: PathBuf,
    /// How a record must be kept before its answer leaves.
    pub mode: Mode,
    /// What happens when a ring is full.
    pub when_full: WhenFull,
    /// What happens to decisions while the store fails.
    pub when_failed: WhenFailed,
    /// Bytes of one ring; rounded up to a power of two, at least 256 KiB.
    pub ring_bytes: usize,
    /// How many recorders there will be: so many rings are allocated at once, so that a full disk shows before the start.
    pub rings: usize,
    /// A segment that has reached so many bytes is followed by a new one.
    pub segment_bytes: u64,
    /// So is one that was begun so long ago, if it holds a record.
    pub segment_age: Duration,
    /// What goes once it is old enough, or once there is too much.
    pub retention: Retention,
    /// A file with the Ed25519 key that signs manifests, tombstones and checkpoints.
    pub signing_key: Option<PathBuf>,
    /// Where checkpoints go.
    pub checkpoints: Checkpoints,
    /// Told how long each commit took, on the writer's thread.
    pub on_commit: Option<OnCommit>,
    /// What happens to records before they are written: sampling and redaction.
    pub intake: Option<Arc<Intake>>,
}

impl Options {
    /// Whether what the options name outside of the data directory can be used: the key, the file and the webhook of checkpoints.
    pub fn check(&self) -> Result<(), OpenError> {
        self.outside().map(drop)
    }

    fn outside(&self) -> Result<(Signer, Option<Webhook>), OpenError> {
        let signer = match &self.signing_key {
            Some(path) => Signer::load(path).map_err(OpenError::Key)?,
            None => Signer::none(),
        };
        if let Some(file) = &self.checkpoints.file {
            super::checkpoint::check_file(file)
                .map_err(|source| OpenError::CheckpointFile { path: file.clone(), source })?;
        }
        Ok((signer, webhook(self)?))
    }

    /// The defaults, for a data directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            mode: Mode::default(),
            when_full: WhenFull::default(),
            when_failed: WhenFailed::default(),
            ring_bytes: 8 * 1024 * 1024,
            rings: 1,
            segment_bytes: 128 * 1024 * 1024,
            segment_age: Duration::from_hours(24),
            retention: Retention::default(),
            signing_key: None,
            checkpoints: Checkpoints::default(),
            on_commit: None,
            intake: None,
        }
    }
}

/// What opening has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Records that a dead process had published and not stored; they are in the log now.
    pub taken_over: u64,
    /// Bytes of rings that were published and cannot be read. Only power loss leaves such.
    pub torn_bytes: u64,
    /// Rings that the log knows and that are gone or damaged. Only power loss, or a change of the files, leaves such.
    pub missing_rings: u64,
    /// Records that are missing and of which the log did not know yet: segments that were put aside, or that ended before the anchor.
    /// Only power loss in `durable`, a failing disk, or a change of the files leaves such.
    pub missing: u64,
    /// Whether the record that the anchor names has another hash. Only a change of the files leaves such.
    pub head_differs: bool,
    /// Whether the anchor is missing or cannot be read.
    pub head_lost: bool,
    // The number after which the log goes on, where those before it are lost.
    pub(crate) leapt_to: u64,
}

/// Figures of a running log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Bytes in the rings that the store does not have yet, all rings together.
    pub queue_depth: u64,
    /// Bytes that the rings hold.
    pub queue_capacity: u64,
    /// Bytes in the fullest ring, and that it holds: a decider waits for its own.
    pub fullest_queue: (u64, u64),
    /// Records written to the store since the start.
    pub written: u64,
    /// Records left out because a ring was full.
    pub dropped: u64,
    /// Records left out because the store had failed.
    pub failed: u64,
    /// Records left out by sampling.
    pub sampled_out: u64,
    /// How long the last commit took.
    pub last_commit: Duration,
    /// Bytes of the store on disk.
    pub store_bytes: u64,
    /// The time of the oldest record held.
    pub oldest_record: Option<Timestamp>,
    /// Records published that the store does not have yet.
    pub lag_records: u64,
    /// For how long the store has not held all that was published.
    pub lag: Duration,
    /// The number of the last record that is in the store: queries see the log up to it.
    pub durable_seq: u64,
    /// The record that the last checkpoint names, and when that was; 0 and `None` before the first of this process.
    pub checkpoint_seq: u64,
    /// When the last checkpoint was.
    pub checkpoint_time: Option<Timestamp>,
    /// Checkpoints that did not get into the file.
    pub checkpoint_file_failures: u64,
    /// Checkpoints that did not get to the webhook.
    pub checkpoint_webhook_failures: u64,
    /// Whether the newest checkpoint did not get into the file.
    pub checkpoint_file_undelivered: bool,
    /// Whether the newest checkpoint did not get to the webhook.
    pub checkpoint_webhook_undelivered: bool,
    /// How often the store has failed since the start.
    pub store_failures: u64,
    /// Records that the log does not have though it once did, those that retention has removed apart.
    pub missing: u64,
}

/// A running audit log. Cheap to clone. When the last clone is dropped, what was published is stored and the log is closed.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    // For every thread that has no recorder of its own.
    common: Arc<Mutex<Recorder>>,
    // For what becomes of its records.
    waiter: Waiter,
    // The writer's, and the keeper's.
    threads: Mutex<Vec<JoinHandle<()>>>,
    // Where the log ended before anything was written.
    begun_at: u64,
    recovery: Recovery,
}

impl Log {
    /// Opens the log in a data directory; takes over what rings of a dead process hold.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        let (signer, webhook) = options.outside()?;
        let lock = Arc::new(DirectoryLock::create(&options.directory)?);
        let keeping = Keeping {
            segment_bytes: options.segment_bytes,
            segment_age: options.segment_age,
            signer: Some(signer),
            hold: options.retention.hold,
            clock: Clock::system(),
        };
        let opened = open::open(&lock, keeping)?;
        let mut writer = opened.writer;
        events::opened(&lock.audit, writer.end().seq, &opened.recovery);
        let gaps = open::gaps(&opened.store, &[]);

        let rings = RingFiles {
            directory: lock.rings(),
            capacity: options.ring_bytes.max(MIN_RING).next_power_of_two() as u64,
            generation: random_generation(),
            records: writer.end().seq,
        };
        writer.begin(Positions { generation: rings.generation, by_ring: Vec::new() });
        // One for each recorder, one for all other threads.
        let lanes = options.rings + 1;
        remove_rings_from(&rings.directory, lanes)?;
        let manner = Manner {
            mode: options.mode,
            when_full: options.when_full,
            when_failed: options.when_failed,
            on_commit: options.on_commit,
            intake: options.intake,
        };
        let shared = Arc::new(Shared::new(manner, rings, lanes, opened.store, lock)?);
        shared.durable.set(writer.end().seq);
        *lock_of(&shared.kept.gaps) = gaps;
        *lock_of(&shared.kept.retention) = options.retention;
        if options.checkpoints.leave_the_machine() {
            // Of what was delivered before this start nothing is known.
            shared.kept.keep_from.store(0, Ordering::Release);
        }
        let common = Recorder::new(Arc::clone(&shared), shared.take_lane()?);
        let waiter = common.waiter();
        let common = Arc::new(Mutex::new(common));
        // Now, and not when a thread gets going: what is written until then is to be in a checkpoint.
        let begun_at = shared.durable.get();
        let keeper = Keeper {
            shared: Arc::clone(&shared),
            common: Arc::clone(&common),
            checkpoints: options.checkpoints,
            webhook,
            begun_at,
            told: RefCell::default(),
            pace: RefCell::default(),
        };
        let failed = |source| OpenError::Io { path: options.directory.clone(), source };
        let writing = Arc::clone(&shared);
        let writing = move || writer::run(&writing, writer);
        let writer = thread::Builder::new().name("audit-writer".to_owned()).spawn(writing).map_err(failed)?;
        // Made before the second thread, so that the first is stopped if that cannot be had.
        let inner =
            Inner { shared, common, waiter, threads: Mutex::new(vec![writer]), begun_at, recovery: opened.recovery };
        let keeping = move || keeper.run();
        let keeper = thread::Builder::new().name("audit-keeper".to_owned()).spawn(keeping).map_err(failed)?;
        lock_of(&inner.threads).push(keeper);
        Ok(Self { inner: Arc::new(inner) })
    }

    /// A producer for one more thread.
    pub fn recorder(&self) -> Result<Recorder, OpenError> {
        Ok(Recorder::new(Arc::clone(&self.inner.shared), self.inner.shared.take_lane()?))
    }

    /// Writes a record from any thread, off the decision path: waits for room, and blocks the thread meanwhile.
    pub fn append(&self, entry: &Entry<'_>) -> Result<Ticket, RecordError> {
        let common = lock_of(&self.inner.common);
        common.waiter().block_until(Shared::admits)?;
        common.record(entry)
    }

    /// As [`Log::append_kept`], and blocks until the record is as durable as the mode demands.
    pub fn append_and_wait(&self, entry: &Entry<'_>) -> Result<(), RecordError> {
        let ticket = self.append_kept(entry)?;
        self.inner.waiter.block_until(|shared, lane| shared.is_committed(lane, ticket))
    }

    /// As [`Log::append`], where a record that is left out and counted is an error: for what must not be missing.
    pub fn append_kept(&self, entry: &Entry<'_>) -> Result<Ticket, RecordError> {
        match self.append(entry)? {
            Ticket::NONE if self.health() == Health::Running => Err(RecordError::Full),
            Ticket::NONE => Err(RecordError::Failed),
            ticket => Ok(ticket),
        }
    }

    /// Resolves once an appended record is as durable as the mode demands. Never blocks: another thread may hold the recorder while it
    /// waits for room.
    pub async fn committed(&self, ticket: Ticket) -> Result<(), RecordError> {
        self.inner.waiter.committed(ticket).await
    }

    /// Blocks until the store holds all records that were published before the call, whatever the mode. For tests and for the
    /// end of commands.
    pub fn settle(&self) -> Result<(), RecordError> {
        let shared = &self.inner.shared;
        for lane in shared.lanes().iter() {
            let published = lane.ring.produced();
            while lane.ring.consumed() < published {
                if !shared.is_running() {
                    return Err(RecordError::Failed);
                }
                let commits = shared.commits();
                if lane.ring.consumed() < published {
                    shared.wait_for_commit(commits);
                }
            }
        }
        Ok(())
    }

    /// Queries over this log while it runs.
    pub fn reader(&self) -> Reader {
        self.inner.shared.reader()
    }

    /// Watches the clock from now on, beginning with the newest record of the process before. Reads that record from the disk.
    pub fn pace(&self, now: Timestamp) -> Pace {
        Pace::begin(now, Instant::now(), self.reader().newest(self.inner.begun_at))
    }

    /// What opening has found.
    pub fn recovery(&self) -> Recovery {
        self.inner.recovery
    }

    /// Whether the log takes records.
    pub fn health(&self) -> Health {
        self.inner.shared.health()
    }

    /// Runs of numbers that the log does not have, those that retention has removed apart.
    pub fn gaps(&self) -> Vec<Gap> {
        lock_of(&self.inner.shared.kept.gaps).clone()
    }

    /// What is removed from now on. It counts with the keeper's next look.
    pub fn retain(&self, retention: Retention) {
        *lock_of(&self.inner.shared.kept.retention) = retention;
    }

    /// Asks the file system for sizes, for [`Log::pulse`]. Blocks for as long as the file system does.
    pub fn measure(&self) {
        let shared = &self.inner.shared;
        let sizes = (shared.store.bytes(), shared.oldest(|| self.reader().oldest()));
        *lock_of(&shared.kept.sizes) = sizes;
    }

    /// The figures of this moment, sizes included. Blocks as [`Log::measure`] does.
    pub fn stats(&self) -> Stats {
        self.measure();
        self.pulse()
    }

    /// The figures of this moment, and sizes as they were last measured: also where the disk hangs.
    pub fn pulse(&self) -> Stats {
        let shared = &self.inner.shared;
        let (store_bytes, oldest_record) = *lock_of(&shared.kept.sizes);
        let lanes = shared.lanes();
        let depth = |lane: &Lane| lane.ring.produced().saturating_sub(lane.ring.consumed());
        let sum = |of: fn(&Lane) -> u64| lanes.iter().map(|lane| of(lane)).sum::<u64>();
        let lag_records = sum(Lane::waiting);
        Stats {
            queue_depth: sum(depth),
            queue_capacity: sum(|lane| lane.ring.capacity()),
            fullest_queue: (lanes.iter().map(|lane| depth(lane)).max().unwrap_or_default(), shared.ring_capacity()),
            written: shared.written.load(Ordering::Relaxed),
            dropped: shared.dropped.load(Ordering::Relaxed),
            failed: shared.failed.load(Ordering::Relaxed),
            sampled_out: shared.intake.as_ref().map_or(0, |intake| intake.left_out()),
            last_commit: shared.last_commit(),
            store_bytes,
            oldest_record,
            lag_records,
            lag: if lag_records == 0 { Duration::ZERO } else { shared.behind() },
            durable_seq: shared.durable.get(),
            checkpoint_seq: shared.kept.checkpoint_seq.load(Ordering::Relaxed),
            checkpoint_time: Some(shared.kept.checkpoint_time.load(Ordering::Relaxed))
                .filter(|micros| *micros > 0)
                .map(Timestamp::from_micros),
            checkpoint_file_failures: shared.kept.file_failures.load(Ordering::Relaxed),
            checkpoint_webhook_failures: shared.kept.webhook_failures.load(Ordering::Relaxed),
            checkpoint_file_undelivered: shared.kept.file_undelivered.load(Ordering::Relaxed),
            checkpoint_webhook_undelivered: shared.kept.webhook_undelivered.load(Ordering::Relaxed),
            store_failures: shared.failures.load(Ordering::Relaxed),
            missing: self.gaps().iter().map(|gap| gap.last_seq + 1 - gap.first_seq).sum(),
        }
    }

    /// Stores all that was published, hands it to the disk, and takes no more records. Blocks until that is done.
    pub fn close(&self) -> Result<(), RecordError> {
        self.inner.close();
        match self.health() {
            Health::Failed(_) => Err(RecordError::Failed),
            Health::Running | Health::Closed => Ok(()),
        }
    }
}

impl Inner {
    fn close(&self) {
        self.shared.stop();
        // The writer first: what it says at its end is the keeper's last checkpoint. Both catch their own panics, so there is nothing to
        // learn from how they ended.
        let mut threads = lock_of(&self.threads).drain(..).collect::<Vec<_>>().into_iter();
        drop(threads.next().map(JoinHandle::join));
        self.shared.chores.stop();
        threads.for_each(|thread| drop(thread.join()));
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("shared", &self.inner.shared).finish()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("directory", &self.directory).field("mode", &self.mode).finish_non_exhaustive()
    }
}

fn webhook(options: &Options) -> Result<Option<Webhook>, OpenError> {
    let Some(address) = &options.checkpoints.webhook else { return Ok(None) };
    match Webhook::new(address, options.checkpoints.webhook_ca.as_deref()) {
        Ok(webhook) => Ok(Some(webhook)),
        Err(SetupError::Runtime(source)) => Err(OpenError::Io { path: options.directory.clone(), source }),
        Err(source) => Err(OpenError::Webhook { address: address.clone(), source: Box::new(source) }),
    }
}

/// Random to everyone outside of the process: the standard library's hasher is keyed by the operating system.
fn random_generation() -> u64 {
    RandomState::new().build_hasher().finish().max(1)
}

fn lock_of<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A recorder is whole after every call.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
