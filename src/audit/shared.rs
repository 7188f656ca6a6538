//! What recorders, the writer and the handle share: the lanes, the state, the counters.

mod lane;

pub(crate) use lane::Lane;

use super::{
    Intake, Mode, RecordError, Ticket, WhenFailed, WhenFull,
    block::Positions,
    chain::End,
    files,
    keeper::{Chores, Kept},
    notes::Note,
    open::{DirectoryLock, OpenError},
    reader::Reader,
    record::MAX_RECORD,
    ring::Roll,
    store::{Store, StoreError},
};
use crate::model::Timestamp;
use arc_swap::ArcSwap;
use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence},
    },
    thread::Thread,
    time::{Duration, Instant},
};

/// Whether the log takes records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Running,
    /// The store has failed, and why.
    Failed(String),
    /// It was closed.
    Closed,
}

const RUNNING: u8 = 0;
const FAILED: u8 = 1;
const CLOSED: u8 = 2;

/// Told how long each commit took.
pub type OnCommit = Arc<dyn Fn(Duration) + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) mode: Mode,
    pub(crate) when_full: WhenFull,
    pub(crate) when_failed: WhenFailed,
    pub(crate) store: Arc<Store>,
    pub(crate) durable: Arc<Durable>,
    pub(crate) written: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) on_commit: Option<OnCommit>,
    pub(crate) intake: Option<Arc<Intake>>,
    pub(crate) lock: Arc<DirectoryLock>,
    pub(crate) chores: Chores,
    pub(crate) kept: Kept,
    /// How often the store has failed.
    pub(crate) failures: AtomicU64,
    rings: RingFiles,
    lanes: ArcSwap<Vec<Arc<Lane>>>,
    free: Mutex<Vec<Arc<Lane>>>,
    state: AtomicU8,
    failure: Mutex<String>,
    // What was found to be gone.
    displaced: Mutex<Option<StoreError>>,
    // The first reason of the failure that lasts, and since when.
    failed_for: Mutex<Option<(String, Timestamp)>>,
    writer: OnceLock<Thread>,
    writer_sleeps: AtomicBool,
    writer_dozes: AtomicBool,
    stop: AtomicBool,
    ended: AtomicBool,
    started: Instant,
    // When, in microseconds after `started`, the store last held all that had been published.
    caught_up: AtomicU64,
    last_commit_nanos: AtomicU64,
    commits: Mutex<u64>,
    committed: Condvar,
    // The oldest record's time, with the number of the first record held when it was looked up.
    oldest: Mutex<Option<(u64, Timestamp)>>,
}

/// Up to where the log can be read.
#[derive(Debug, Default)]
pub(crate) struct Durable {
    seq: AtomicU64,
}

impl Durable {
    pub(crate) fn get(&self) -> u64 {
        self.seq.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, seq: u64) {
        self.seq.store(seq, Ordering::Release);
    }
}

/// Where rings are made and how.
#[derive(Debug)]
pub(crate) struct RingFiles {
    pub(crate) directory: PathBuf,
    pub(crate) capacity: u64,
    pub(crate) generation: u64,
    /// The number of the log's last record.
    pub(crate) records: u64,
}

impl RingFiles {
    /// Notes that so many rings were made. To be called before a record is put into the last of them.
    fn call_roll(&self, rings: usize) -> Result<(), OpenError> {
        let roll = Roll { generation: self.generation, rings: rings as u64 };
        roll.write(&self.directory).map_err(|source| OpenError::io(&self.directory, source))
    }
}

/// How the log treats records, as the options say.
pub(crate) struct Manner {
    pub(crate) mode: Mode,
    pub(crate) when_full: WhenFull,
    pub(crate) when_failed: WhenFailed,
    pub(crate) on_commit: Option<OnCommit>,
    pub(crate) intake: Option<Arc<Intake>>,
}

impl Shared {
    /// With so many lanes, all of them free.
    pub(crate) fn new(
        manner: Manner,
        rings: RingFiles,
        lanes: usize,
        store: Arc<Store>,
        lock: Arc<DirectoryLock>,
    ) -> Result<Self, OpenError> {
        let lanes =
            (0..lanes).map(|number| Lane::create(&rings, number).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        files::sync_directory(&rings.directory).map_err(|source| OpenError::io(&rings.directory, source))?;
        rings.call_roll(lanes.len())?;
        let free = lanes.iter().rev().map(Arc::clone).collect();
        Ok(Self {
            mode: manner.mode,
            when_full: manner.when_full,
            when_failed: manner.when_failed,
            on_commit: manner.on_commit,
            intake: manner.intake,
            store,
            durable: Arc::default(),
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            lock,
            chores: Chores::default(),
            kept: Kept { keep_from: AtomicU64::new(u64::MAX), ..Kept::default() },
            failures: AtomicU64::new(0),
            rings,
            lanes: ArcSwap::from_pointee(lanes),
            free: Mutex::new(free),
            state: AtomicU8::new(RUNNING),
            failure: Mutex::new(String::new()),
            displaced: Mutex::new(None),
            failed_for: Mutex::new(None),
            writer: OnceLock::new(),
            writer_sleeps: AtomicBool::new(false),
            writer_dozes: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            started: Instant::now(),
            caught_up: AtomicU64::new(0),
            last_commit_nanos: AtomicU64::new(0),
            commits: Mutex::new(0),
            committed: Condvar::new(),
            oldest: Mutex::new(None),
        })
    }

    /// A lane that no recorder has; a new one where all are taken.
    pub(crate) fn take_lane(&self) -> Result<Arc<Lane>, OpenError> {
        let mut free = lock(&self.free);
        if let Some(lane) = free.pop() {
            return Ok(lane);
        }
        // Still under the lock, so that two threads do not make the same file.
        let number = self.lanes.load().len();
        let lane = Lane::create(&self.rings, number)?;
        self.rings.call_roll(number + 1)?;
        let lane = Arc::new(lane);
        let mut lanes = Vec::clone(&self.lanes.load());
        lanes.push(Arc::clone(&lane));
        self.lanes.store(Arc::new(lanes));
        Ok(lane)
    }

    pub(crate) fn give_lane_back(&self, lane: Arc<Lane>) {
        lock(&self.free).push(lane);
    }

    pub(crate) fn lanes(&self) -> Arc<Vec<Arc<Lane>>> {
        self.lanes.load_full()
    }

    pub(crate) const fn ring_capacity(&self) -> u64 {
        self.rings.capacity
    }

    pub(crate) fn health(&self) -> Health {
        match self.state.load(Ordering::Acquire) {
            RUNNING => Health::Running,
            FAILED => Health::Failed(lock(&self.failure).clone()),
            _ => Health::Closed,
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.state.load(Ordering::Acquire) == RUNNING
    }

    /// Whether one more record may be taken. `None`: not yet.
    pub(crate) fn admits(&self, lane: &Lane) -> Option<Result<(), RecordError>> {
        if !self.is_running() {
            return Some(match self.when_failed {
                WhenFailed::Deny => Err(RecordError::Failed),
                WhenFailed::AllowAndCount => Ok(()),
            });
        }
        if self.when_full == WhenFull::DropAndCount || lane.ring.fits(MAX_RECORD) {
            return Some(Ok(()));
        }
        self.wake_writer();
        (self.when_full == WhenFull::Refuse).then_some(Err(RecordError::Full))
    }

    /// Queries over this log while it runs.
    pub(crate) fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.store), Arc::clone(&self.durable), Arc::clone(&self.lock))
    }

    /// Whether the record is as durable as the mode demands. `None`: not yet.
    ///
    /// Where a failure denies, what is answered depends on what was withdrawn and not on the moment of the question: the log
    /// will say the same.
    pub(crate) fn is_committed(&self, lane: &Lane, ticket: Ticket) -> Option<Result<(), RecordError>> {
        if self.mode == Mode::Durable {
            return Some(Ok(()));
        }
        if lane.is_withdrawn(ticket.0) {
            return Some(Err(RecordError::Failed));
        }
        if lane.ring.consumed() >= ticket.0 {
            return Some(Ok(()));
        }
        match self.when_failed {
            WhenFailed::AllowAndCount if !self.is_running() => Some(Ok(())),
            // The writer's thread is gone.
            WhenFailed::Deny if self.has_ended() => Some(Err(RecordError::Failed)),
            _ => None,
        }
    }

    /// Waits until the writer has stored something or stopped, at most a little while; `before` is what
    /// [`Shared::commits`] said earlier.
    pub(crate) fn wait_for_commit(&self, before: u64) {
        let commits = lock(&self.commits);
        let long = Duration::from_millis(100);
        drop(self.committed.wait_timeout_while(commits, long, |commits| *commits == before));
    }

    pub(crate) fn commits(&self) -> u64 {
        *lock(&self.commits)
    }
}

/// The writer's side.
impl Shared {
    /// The calling thread is the writer.
    pub(crate) fn enter_writer(&self) {
        // There is one writer; a second call changes nothing.
        drop(self.writer.set(std::thread::current()));
    }

    /// Wakes the writer, whatever it does.
    pub(crate) fn wake_writer(&self) {
        if let Some(writer) = self.writer.get() {
            writer.unpark();
        }
    }

    /// Wakes the writer if it sleeps. To be called after publishing.
    pub(crate) fn wake_sleeping_writer(&self) {
        // Pairs with the fence in `sleep`: either the writer sees the record, or this sees that it sleeps.
        fence(Ordering::SeqCst);
        if self.writer_sleeps.load(Ordering::Relaxed) {
            self.wake_writer();
        }
    }

    /// The writer sleeps until it is woken, the time has passed, or `awake` says that there is work.
    pub(crate) fn sleep(&self, at_most: Duration, awake: impl Fn() -> bool) {
        self.writer_sleeps.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if !awake() {
            std::thread::park_timeout(at_most);
        }
        self.writer_sleeps.store(false, Ordering::Relaxed);
    }

    /// Wakes the writer if it dozes: nothing was recorded for a while, and now something was. Costs a load, and no fence: in the moment
    /// in which the writer lies down it may be missed, and the record then waits until the writer looks by itself.
    pub(crate) fn rouse_writer(&self) {
        if self.writer_dozes.load(Ordering::Relaxed) {
            self.wake_writer();
        }
    }

    /// The writer sleeps as in [`Shared::sleep`], but for the next record.
    pub(crate) fn doze(&self, at_most: Duration, awake: impl Fn() -> bool) {
        self.writer_dozes.store(true, Ordering::Relaxed);
        self.sleep(at_most, awake);
        self.writer_dozes.store(false, Ordering::Relaxed);
    }

    /// The writer rests, whatever happens meanwhile, until it is told to stop or the time has passed.
    pub(crate) fn pause(&self, at_most: Duration) {
        let until = Instant::now() + at_most;
        while !self.is_stopping() {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return;
            }
            std::thread::park_timeout(rest);
        }
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake_writer();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Tells everyone who waits that something has been stored.
    pub(crate) fn tell_commit(&self, took: Duration) {
        self.last_commit_nanos.store(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if let Some(on_commit) = &self.on_commit {
            on_commit(took);
        }
        self.tell_all();
    }

    /// No more records are taken until [`Shared::recover`]. What was committed ends with `end`, and at these positions.
    pub(crate) fn fail(&self, why: String, committed: &Positions, end: End) {
        *lock(&self.failed_for) = Some((why.clone(), self.store.now()));
        *lock(&self.failure) = why;
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.state.store(FAILED, Ordering::Release);
        if self.withdraws() {
            self.lanes().iter().for_each(|lane| lane.withdraw(committed.of(lane.number), end));
        }
        self.tell_all();
    }

    /// Another attempt to go on has failed.
    pub(crate) fn fails_on(&self, why: String) {
        *lock(&self.failure) = why;
    }

    /// What is written to was taken away, as the keeper has found: the writer stops where it is.
    pub(crate) fn displace(&self, error: StoreError) {
        *lock(&self.displaced) = Some(error);
        self.wake_writer();
    }

    /// Whether [`Shared::displace`] has said so. Says so once.
    pub(crate) fn displaced(&self) -> Result<(), StoreError> {
        lock(&self.displaced).take().map_or(Ok(()), Err)
    }

    /// Whether the directory and the rings are still where they were. Without them no new segment helps.
    pub(crate) fn check_place(&self) -> Result<(), StoreError> {
        self.lock.check()?;
        let gone = |path: &PathBuf| !path.exists();
        let rings = self.lanes();
        let mut paths = rings.iter().map(|lane| lane::ring_path(&self.rings.directory, lane.number));
        paths.find(gone).map_or(Ok(()), |path| Err(StoreError::Gone { path }))
    }

    /// The store goes on, unless the rings cannot note that it does.
    pub(crate) fn recover(&self) -> Result<(), StoreError> {
        if self.withdraws() {
            let failed = |source| StoreError::Io { path: self.rings.directory.clone(), source };
            self.lanes().iter().try_for_each(|lane| lane.end_withdrawal()).map_err(failed)?;
        }
        self.state.store(RUNNING, Ordering::Release);
        self.tell_all();
        if let Some((why, failed_at)) = lock(&self.failed_for).take() {
            self.chores.note(Note::Recovered { why, failed_at });
        }
        Ok(())
    }

    /// Whether decisions are taken back that were not committed when the store failed: they have not been answered yet.
    fn withdraws(&self) -> bool {
        self.mode == Mode::Synced && self.when_failed == WhenFailed::Deny
    }

    pub(crate) fn close(&self) {
        // A failure stays one.
        if self.is_running() {
            self.state.store(CLOSED, Ordering::Release);
        }
        self.ended.store(true, Ordering::Release);
        self.tell_all();
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    fn tell_all(&self) {
        *lock(&self.commits) += 1;
        self.committed.notify_all();
        self.lanes.load().iter().for_each(|lane| lane.changed.notify_waiters());
    }

    /// All that was published before this moment is in the store.
    pub(crate) fn caught_up(&self, at: Instant) {
        let since = at.saturating_duration_since(self.started);
        self.caught_up.store(u64::try_from(since.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The time of the oldest record held. Looked up once, and again when the log begins elsewhere.
    pub(crate) fn oldest(&self, look_up: impl FnOnce() -> Option<Timestamp>) -> Option<Timestamp> {
        let first_seq = self.store.first_seq();
        let mut oldest = lock(&self.oldest);
        match *oldest {
            Some((known, time)) if known == first_seq => Some(time),
            _ => {
                *oldest = look_up().map(|time| (first_seq, time));
                oldest.map(|(_, time)| time)
            }
        }
    }

    pub(crate) fn last_commit(&self) -> Duration {
        Duration::from_nanos(self.last_commit_nanos.load(Ordering::Relaxed))
    }

    /// How long ago the store last held all that had been published.
    pub(crate) fn behind(&self) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_micros(self.caught_up.load(Ordering::Relaxed)))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("mode", &self.mode).field("health", &self.health()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What these guard is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
