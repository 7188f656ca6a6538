//! The writer over a store that fails at will.

use super::*;
use crate::{
    audit::{
        Entry, Health, Kind, Mode, Origin as Source, RecordError, Recorder, Ticket, WhenFailed, WhenFull,
        open::DirectoryLock,
        ring::Mapping,
        shared::{Manner, RingFiles, Shared},
        signature::Signer,
        store::{Keeping, Stretch},
    },
    lifecycle::Clock,
    model::{Decision, Timestamp, TraceId},
};
use std::{
    fs,
    future::Future,
    io,
    path::Path,
    pin::pin,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

/// A real store whose calls fail or panic from a chosen one on, until it is mended.
#[derive(Debug)]
struct Faulty {
    store: Arc<Store>,
    calls: AtomicUsize,
    good: usize,
    panics: bool,
    mended: AtomicBool,
    // Which operation fails; all, where it is empty.
    only: &'static str,
    // Notes of the end of the log that were handed to the disk.
    handed: AtomicUsize,
}

impl Faulty {
    fn new(store: Arc<Store>, good: usize) -> Self {
        let (calls, mended, handed) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicUsize::new(0));
        Self { store, calls, good, panics: false, mended, only: "", handed }
    }

    fn call(&self, operation: &'static str) -> Result<(), StoreError> {
        let meant = self.only.is_empty() || self.only == operation;
        if !meant || self.mended.load(Ordering::SeqCst) || self.calls.fetch_add(1, Ordering::SeqCst) < self.good {
            return Ok(());
        }
        assert!(!self.panics, "on purpose");
        Err(StoreError::Io { path: "db".into(), source: io::Error::other("on purpose") })
    }
}

impl Storage for Faulty {
    fn put_hot(&self, first_seq: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.call("put_hot")?;
        self.store.put_hot(first_seq, bytes)
    }
    fn put_block(&self, block: &Sealed) -> Result<(), StoreError> {
        self.call("put_block")?;
        self.store.put_block(block)
    }
    fn remove_hot(&self, first_seqs: &[u64]) -> Result<(), StoreError> {
        self.call("remove_hot")?;
        self.store.remove_hot(first_seqs)
    }
    fn flush(&self) -> Result<(), StoreError> {
        self.call("flush")?;
        self.store.flush()
    }
    fn sync(&self) -> Result<(), StoreError> {
        self.call("sync")?;
        self.store.sync()
    }
    fn anchor(&self, end: End, sync: bool) -> Result<(), StoreError> {
        self.call("anchor")?;
        self.handed.fetch_add(usize::from(sync), Ordering::SeqCst);
        self.store.anchor(end, sync)
    }
    fn is_segment_due(&self) -> bool {
        self.store.is_segment_due()
    }
    fn rotate(&self, end: End, origin: &Origin) -> Result<bool, StoreError> {
        self.call("rotate")?;
        self.store.rotate(end, origin)
    }
    fn replace(&self, end: End, origin: &Origin) -> Result<(), StoreError> {
        if self.mended.load(Ordering::SeqCst) {
            return self.store.replace(end, origin);
        }
        Err(StoreError::Io { path: "db".into(), source: io::Error::other("still") })
    }
    fn now(&self) -> Timestamp {
        self.store.now()
    }
}

fn entry(user: &str) -> Entry<'_> {
    Entry {
        time: Timestamp::from_micros(1),
        kind: Kind::Decision,
        id: [1; 16],
        request_id: "",
        tenant: "",
        user,
        roles: &[],
        action: "",
        module: "",
        resource_type: "",
        resource_id: "",
        decision: Some(Decision::Allow),
        reason: "granted",
        policies: &[],
        errors: &[],
        revision: "",
        duration_ns: 0,
        origin: Source::Native,
        actor: "",
        before: "",
        after: "",
        context: "",
        trace_id: TraceId::NONE,
    }
}

fn shared(data: &Path, segment_bytes: u64, mode: Mode, when_failed: WhenFailed) -> Arc<Shared> {
    let lock = Arc::new(DirectoryLock::create(data).unwrap());
    let segment_age = Duration::MAX;
    let (signer, hold) = (Some(Signer::none()), crate::config::Hold::Nothing);
    let keeping = Keeping { segment_bytes, segment_age, signer, hold, clock: Clock::system() };
    let store = Arc::new(Store::open(&lock.audit, keeping).unwrap().0);
    let rings = RingFiles { directory: lock.rings(), capacity: 1 << 18, generation: 9, records: 0 };
    let manner = Manner { mode, when_full: WhenFull::Block, when_failed, on_commit: None, intake: None };
    Arc::new(Shared::new(manner, rings, 1, store, lock).unwrap())
}

fn now<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// A log of which the writer runs over a store that fails.
struct Failing {
    data: tempfile::TempDir,
    shared: Arc<Shared>,
    recorder: Recorder,
    storage: Arc<Faulty>,
    first: Ticket,
    thread: thread::JoinHandle<()>,
}

impl Failing {
    /// With one record in the ring before the writer runs.
    fn start(mode: Mode, when_failed: WhenFailed, fault: impl FnOnce(&mut Faulty)) -> Self {
        Self::start_with(u64::MAX, mode, when_failed, fault)
    }

    fn start_with(segment_bytes: u64, mode: Mode, when_failed: WhenFailed, fault: impl FnOnce(&mut Faulty)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let shared = shared(data.path(), segment_bytes, mode, when_failed);
        let recorder = Recorder::new(Arc::clone(&shared), shared.take_lane().unwrap());
        let first = recorder.record(&entry("sam")).unwrap();
        let mut storage = Faulty::new(Arc::clone(&shared.store), 0);
        fault(&mut storage);
        let storage = Arc::new(storage);
        let mut writer = Writer::<_, Mapping>::new(Arc::clone(&storage), shared.store.tail().unwrap());
        writer.begin(Positions { generation: 9, by_ring: Vec::new() });
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || run(&shared, writer)
        });
        Self { data, shared, recorder, storage, first, thread }
    }

    fn failed(mode: Mode, when_failed: WhenFailed, fault: impl FnOnce(&mut Faulty)) -> Self {
        let log = Self::start(mode, when_failed, fault);
        log.wait(|log| matches!(log.shared.health(), Health::Failed(_)));
        log
    }

    /// Waits for something that commits, failures and recoveries bring about.
    fn wait(&self, check: impl Fn(&Self) -> bool) {
        for _ in 0..300 {
            let commits = self.shared.commits();
            if check(self) {
                return;
            }
            self.shared.wait_for_commit(commits);
        }
        panic!("what was waited for has not come");
    }

    fn mend(&self) {
        self.storage.mended.store(true, Ordering::SeqCst);
        self.wait(|log| log.shared.is_running());
    }

    /// Stops the writer, and answers what the next start finds.
    fn found(self) -> Vec<(u64, String, Option<Decision>, String)> {
        self.found_after(|_| {})
    }

    /// The same, after something was done to the files of the data directory.
    fn found_after(self, change: impl FnOnce(&Path)) -> Vec<(u64, String, Option<Decision>, String)> {
        let Self { data, shared, recorder, storage, thread, .. } = self;
        shared.stop();
        thread.join().unwrap();
        drop((shared, recorder, storage));
        change(data.path());
        let reader = crate::audit::Reader::open(data.path()).unwrap();
        let mut found = Vec::new();
        reader
            .for_each(&crate::audit::Query::all(crate::audit::Order::Ascending), |record| {
                found.push((record.seq, record.user.to_owned(), record.decision, record.reason.to_owned()));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        found
    }
}

#[test]
fn whichever_call_fails_decisions_are_denied_at_once() {
    for mode in [Mode::Durable, Mode::Synced] {
        for good in 0..3 {
            let log = Failing::failed(mode, WhenFailed::Deny, |fault| fault.good = good);
            assert!(matches!(log.shared.health(), Health::Failed(_)));
            assert_eq!(now(log.recorder.room()), Poll::Ready(Err(RecordError::Failed)));
            assert_eq!(log.recorder.record(&entry("mona")), Err(RecordError::Failed));
            let expected = if mode == Mode::Synced { Err(RecordError::Failed) } else { Ok(()) };
            log.wait(|log| now(log.recorder.committed(log.first)) == Poll::Ready(expected));
        }
    }
}

#[test]
fn a_store_that_panics_is_one_that_failed() {
    let log = Failing::failed(Mode::Durable, WhenFailed::Deny, |fault| fault.panics = true);
    assert_eq!(now(log.recorder.room()), Poll::Ready(Err(RecordError::Failed)));
    log.mend();
    assert_eq!(now(log.recorder.room()), Poll::Ready(Ok(())));
}

#[test]
fn decisions_go_on_and_are_counted_where_that_is_chosen() {
    let log = Failing::failed(Mode::Synced, WhenFailed::AllowAndCount, |_| {});
    let mut count = 0;
    while log.shared.failed.load(Ordering::Relaxed) < 10 {
        assert_eq!(now(log.recorder.room()), Poll::Ready(Ok(())));
        let ticket = log.recorder.record(&entry("mona")).unwrap();
        assert_eq!(now(log.recorder.committed(ticket)), Poll::Ready(Ok(())));
        count += 1;
    }
    assert!(count > 1_000, "what has room waits in the ring");
}

#[test]
fn the_next_start_takes_over_what_a_failed_store_has_left_in_the_rings() {
    let log = Failing::failed(Mode::Durable, WhenFailed::AllowAndCount, |fault| fault.good = 1);
    for n in 0..300 {
        log.recorder.record(&entry(&format!("user-{n}"))).unwrap();
    }
    let users: Vec<_> = log.found().into_iter().map(|(_, user, ..)| user).collect();
    let expected: Vec<_> = std::iter::once("sam".to_owned()).chain((0..300).map(|n| format!("user-{n}"))).collect();
    assert_eq!(users, expected);
}

#[test]
fn a_store_that_failed_goes_on_in_a_new_segment_with_all_that_was_recorded_and_once() {
    for only in ["put_hot", "flush", "anchor"] {
        for good in [0, 1, 3] {
            let fault = |fault: &mut Faulty| (fault.only, fault.good) = (only, good);
            let log = Failing::start(Mode::Durable, WhenFailed::AllowAndCount, fault);
            let mut expected = vec!["sam".to_owned()];
            let mut record = |count: usize| {
                for n in 0..count {
                    let user = format!("user-{}", expected.len() + n);
                    log.recorder.record(&entry(&user)).unwrap();
                }
                expected.extend((0..count).map(|n| format!("user-{}", expected.len() + n)).collect::<Vec<_>>());
            };
            while !matches!(log.shared.health(), Health::Failed(_)) {
                record(1);
                let commits = log.shared.commits();
                if !matches!(log.shared.health(), Health::Failed(_)) {
                    log.shared.wait_for_commit(commits);
                }
            }
            record(200);
            log.mend();
            record(200);
            let found = log.found();
            let users: Vec<_> = found.iter().map(|(_, user, ..)| user.clone()).collect();
            assert_eq!(users, expected, "{only} {good}");
            assert!(found.iter().zip(1..).all(|((seq, ..), expected)| *seq == expected), "{only} {good}");
        }
    }
}

#[test]
fn what_was_denied_for_want_of_a_record_is_in_the_log_as_denied() {
    for (only, restart) in [("sync", false), ("sync", true), ("flush", false), ("put_hot", true), ("anchor", true)] {
        let log = Failing::failed(Mode::Synced, WhenFailed::Deny, |fault| fault.only = only);
        let allowed = Entry { decision: Some(Decision::Allow), reason: "granted", ..entry("late") };
        assert_eq!(log.recorder.record(&allowed), Err(RecordError::Failed));
        log.wait(|log| now(log.recorder.committed(log.first)) == Poll::Ready(Err(RecordError::Failed)));
        let mut expected = vec![("sam", Decision::Deny, "audit_unavailable")];
        if !restart {
            log.mend();
            let ticket = log.recorder.record(&Entry { user: "mona", ..allowed }).unwrap();
            log.wait(|log| now(log.recorder.committed(ticket)) == Poll::Ready(Ok(())));
            assert_eq!(now(log.recorder.committed(log.first)), Poll::Ready(Err(RecordError::Failed)), "for good");
            expected.push(("mona", Decision::Allow, "granted"));
        }
        let found = log.found();
        let found: Vec<_> = found
            .iter()
            .map(|(_, user, decision, reason)| (user.as_str(), decision.unwrap(), reason.as_str()))
            .collect();
        assert_eq!(found, expected, "{only} {restart}");
    }
}

/// A process may die between its first record and the note of it: the next one does not know whether the disk has any note.
#[test]
fn the_first_note_of_each_process_is_handed_to_the_disk_before_anybody_is_answered() {
    let data = tempfile::tempdir().unwrap();
    for first in [1, 3] {
        let shared = shared(data.path(), u64::MAX, Mode::Synced, WhenFailed::Deny);
        let storage = Arc::new(Faulty::new(Arc::clone(&shared.store), usize::MAX));
        let mut writer: Writer<Faulty, Mapping> = Writer::new(Arc::clone(&storage), shared.store.tail().unwrap());
        assert_eq!(writer.end().seq + 1, first);
        for _ in 0..2 {
            writer.add(&entry("sam")).unwrap();
            writer.store_rest().unwrap();
            assert!(writer.commit(true).unwrap());
            assert_eq!(storage.handed.load(Ordering::SeqCst), 1, "the first, and others now and then");
        }
    }
}

/// `HEAD` is handed to the disk now and then, and what was withdrawn gets there when the system likes: power loss may keep the newest of
/// the one and an old state of the other.
#[test]
fn what_was_committed_before_a_failure_stays_where_power_loss_has_kept_an_older_anchor() {
    // The second is found in the segment that is written to, or in one that is closed.
    for (segment_bytes, last_segment) in [(u64::MAX, 1), (1, 3)] {
        let fault = |fault: &mut Faulty| (fault.only, fault.mended) = ("sync", AtomicBool::new(true));
        let log = Failing::start_with(segment_bytes, Mode::Synced, WhenFailed::Deny, fault);
        let record = |user| log.recorder.record(&entry(user)).unwrap();
        let answered = |ticket, answer| log.wait(|log| now(log.recorder.committed(ticket)) == Poll::Ready(answer));
        answered(log.first, Ok(()));
        let older = fs::read(log.data.path().join("audit/HEAD")).unwrap();
        answered(record("mona"), Ok(()));
        let has_rotated = |stretch: &Stretch| stretch.first_seq == last_segment;
        log.wait(|log| log.shared.store.catalog().stretches().last().is_some_and(has_rotated));
        log.storage.mended.store(false, Ordering::SeqCst);
        answered(record("kim"), Err(RecordError::Failed));

        let found = log.found_after(|data| fs::write(data.join("audit/HEAD"), older).unwrap());
        let found: Vec<_> = found.iter().map(|(_, user, _, reason)| (user.as_str(), reason.as_str())).collect();
        assert_eq!(found, [("sam", "granted"), ("mona", "granted"), ("kim", "audit_unavailable")], "{segment_bytes}");
    }
}
