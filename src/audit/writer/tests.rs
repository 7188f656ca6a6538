//! The writer over a store that fails at will.

use super::*;
use crate::{
    audit::{
        Entry, Health, Kind, Mode, Origin as Source, RecordError, Recorder, WhenFailed, WhenFull,
        open::DirectoryLock,
        ring::Mapping,
        shared::{Manner, RingFiles, Shared},
    },
    model::Timestamp,
};
use std::{
    future::Future,
    io,
    path::Path,
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
    thread,
};

/// Counts calls, and fails or panics from a chosen one on.
#[derive(Debug)]
struct Faulty {
    calls: AtomicUsize,
    good: usize,
    panics: bool,
}

impl Faulty {
    fn call(&self) -> Result<(), StoreError> {
        if self.calls.fetch_add(1, Ordering::SeqCst) < self.good {
            return Ok(());
        }
        assert!(!self.panics, "on purpose");
        Err(StoreError::Io { path: "db".into(), source: io::Error::other("on purpose") })
    }
}

impl Storage for Faulty {
    fn put_hot(&self, _: u64, _: &[u8]) -> Result<(), StoreError> {
        self.call()
    }
    fn put_block(&self, _: &Sealed) -> Result<(), StoreError> {
        self.call()
    }
    fn remove_hot(&self, _: &[u64]) -> Result<(), StoreError> {
        self.call()
    }
    fn flush(&self) -> Result<(), StoreError> {
        self.call()
    }
    fn sync(&self) -> Result<(), StoreError> {
        self.call()
    }
    fn anchor(&self, _: u64, _: Hash, _: bool) -> Result<(), StoreError> {
        self.call()
    }
    fn is_segment_full(&self) -> bool {
        false
    }
    fn rotate(&self, _: &Origin) -> Result<(), StoreError> {
        self.call()
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
        decision: None,
        reason: "",
        policies: &[],
        errors: &[],
        revision: "",
        duration_ns: 0,
        origin: Source::Native,
        actor: "",
        before: "",
        after: "",
        context: "",
    }
}

fn tail() -> Tail {
    Tail { next_seq: 1, hash: crate::audit::chain::GENESIS, positions: Positions::default(), hot: Vec::new() }
}

fn shared(data: &Path, mode: Mode, when_failed: WhenFailed) -> Arc<Shared> {
    let lock = Arc::new(DirectoryLock::create(data).unwrap());
    let store = Arc::new(Store::open(&lock.audit, u64::MAX).unwrap());
    let rings = RingFiles { directory: lock.rings(), capacity: 1 << 18, generation: 9, records: 0 };
    let manner = Manner { mode, when_full: WhenFull::Block, when_failed, on_commit: None, intake: None };
    Arc::new(Shared::new(manner, rings, 1, store, lock).unwrap())
}

fn now<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs the writer until the store fails with its call after `good` ones.
fn failed(
    mode: Mode,
    when_failed: WhenFailed,
    good: usize,
    panics: bool,
) -> (tempfile::TempDir, Arc<Shared>, Recorder) {
    let data = tempfile::tempdir().unwrap();
    let shared = shared(data.path(), mode, when_failed);
    let recorder = Recorder::new(Arc::clone(&shared), shared.take_lane().unwrap());
    let ticket = recorder.record(&entry("sam")).unwrap();
    let storage = Arc::new(Faulty { calls: AtomicUsize::new(0), good, panics });
    let mut writer = Writer::<_, Mapping>::new(storage, tail());
    writer.begin(Positions { generation: 9, by_ring: Vec::new() });
    let thread = thread::spawn({
        let shared = Arc::clone(&shared);
        move || run(&shared, writer)
    });
    thread.join().unwrap();
    let committed = now(recorder.committed(ticket));
    let expected =
        if mode == Mode::Synced && when_failed == WhenFailed::Deny { Err(RecordError::Failed) } else { Ok(()) };
    assert_eq!(committed, Poll::Ready(expected), "{mode:?} {when_failed:?} {good}");
    (data, shared, recorder)
}

#[test]
fn whichever_call_fails_decisions_are_denied_at_once() {
    for mode in [Mode::Durable, Mode::Synced] {
        for good in 0..3 {
            let (_data, shared, recorder) = failed(mode, WhenFailed::Deny, good, false);
            assert_eq!(shared.health(), Health::Failed("`db` cannot be used: on purpose".to_owned()));
            assert_eq!(now(recorder.room()), Poll::Ready(Err(RecordError::Failed)));
            assert_eq!(recorder.record(&entry("mona")), Err(RecordError::Failed));
        }
    }
}

#[test]
fn a_store_that_panics_is_one_that_failed() {
    let (_data, shared, recorder) = failed(Mode::Durable, WhenFailed::Deny, 0, true);
    assert_eq!(shared.health(), Health::Failed("the store panicked".to_owned()));
    assert_eq!(now(recorder.room()), Poll::Ready(Err(RecordError::Failed)));
}

#[test]
fn decisions_go_on_and_are_counted_where_that_is_chosen() {
    let (_data, shared, recorder) = failed(Mode::Synced, WhenFailed::AllowAndCount, 0, false);
    let mut count = 0;
    while shared.failed.load(Ordering::Relaxed) < 10 {
        assert_eq!(now(recorder.room()), Poll::Ready(Ok(())));
        let ticket = recorder.record(&entry("mona")).unwrap();
        assert_eq!(now(recorder.committed(ticket)), Poll::Ready(Ok(())));
        count += 1;
    }
    assert!(count > 1_000, "what has room waits in the ring for the next start");
}

#[test]
fn the_next_start_takes_over_what_a_failed_store_has_left_in_the_rings() {
    let (data, shared, recorder) = failed(Mode::Durable, WhenFailed::AllowAndCount, 1, false);
    for n in 0..300 {
        recorder.record(&entry(&format!("user-{n}"))).unwrap();
    }
    drop((shared, recorder));
    let reader = crate::audit::Reader::open(data.path()).unwrap();
    let mut users = Vec::new();
    reader
        .for_each(&crate::audit::Query::all(crate::audit::Order::Ascending), |record| {
            users.push(record.user.to_owned());
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    let expected: Vec<_> = std::iter::once("sam".to_owned()).chain((0..300).map(|n| format!("user-{n}"))).collect();
    assert_eq!(users, expected);
}
