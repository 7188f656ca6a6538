//! The audit log in process: what is recorded is found, once, and in order; rings that are full; directories that cannot be used.

use sidegate::{
    audit::{
        Entry, Health, Kind, Log, Mode, OpenError, Options, Order, Origin, Query, Reader, RecordError, Recorder,
        Ticket, WhenFull,
    },
    model::{Decision, Timestamp, TraceId},
};
use std::{
    fs,
    future::Future,
    ops::ControlFlow,
    path::Path,
    pin::pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll, Waker},
};

/// An entry with the fields that matter here.
pub(crate) fn entry<'a>(user: &'a str, context: &'a str) -> Entry<'a> {
    Entry {
        time: Timestamp::from_micros(1_800_000_000_000_000),
        kind: Kind::Decision,
        id: [1; 16],
        request_id: "req",
        tenant: "north",
        user,
        roles: &[],
        action: "edit",
        module: "orders",
        resource_type: "order",
        resource_id: "o-1",
        decision: Some(Decision::Allow),
        reason: "granted",
        policies: &["role/sales-rep/orders"],
        errors: &[],
        revision: "3f9c01d2a7b4",
        duration_ns: 900,
        origin: Origin::Native,
        actor: "",
        before: "",
        after: "",
        context,
        trace_id: TraceId::NONE,
    }
}

/// Sequence numbers and users of all records, oldest first.
pub(crate) fn all(reader: &Reader) -> Vec<(u64, String)> {
    let mut found = Vec::new();
    reader
        .for_each(&Query::all(Order::Ascending), |record| {
            found.push((record.seq, record.user.to_owned()));
            ControlFlow::Continue(())
        })
        .unwrap();
    found
}

fn users(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("user-{n}")).collect()
}

fn numbered(users: &[String]) -> Vec<(u64, String)> {
    (1..).zip(users.iter().cloned()).collect()
}

fn now<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn what_is_recorded_is_found_once_in_order_and_again_after_a_restart() {
    for mode in [Mode::Durable, Mode::Synced] {
        let data = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        // Small and large numbers: hot commits only, blocks only, and both.
        for count in [1, 5, 127, 1, 300, 2] {
            let log = Log::open(Options { mode, ..Options::new(data.path()) }).unwrap();
            let recorder = log.recorder().unwrap();
            for user in users(count) {
                assert_eq!(now(recorder.room()), Poll::Ready(Ok(())));
                let ticket = recorder.record(&entry(&user, "")).unwrap();
                block_on(recorder.committed(ticket)).unwrap();
                expected.push(user);
            }
            log.settle().unwrap();
            assert_eq!(all(&log.reader()), numbered(&expected), "{mode:?} while it runs");
            drop(recorder);
            log.close().unwrap();
            assert_eq!(log.health(), Health::Closed);
            drop(log);
            assert_eq!(all(&Reader::open(data.path()).unwrap()), numbered(&expected), "{mode:?} after it stopped");
        }
    }
}

#[test]
fn a_record_that_is_committed_in_synced_mode_is_in_a_query_at_once() {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options { mode: Mode::Synced, ..Options::new(data.path()) }).unwrap();
    let recorder = log.recorder().unwrap();
    for count in 1..=20 {
        let ticket = recorder.record(&entry("sam", "")).unwrap();
        block_on(recorder.committed(ticket)).unwrap();
        assert_eq!(all(&log.reader()).len(), count);
        assert_eq!(log.stats().durable_seq, count as u64);
    }
    let ticket = log.append(&entry("mona", "")).unwrap();
    block_on(log.committed(ticket)).unwrap();
    assert_eq!(all(&log.reader()).len(), 21);
}

#[test]
fn records_of_many_threads_keep_each_threads_order_and_have_no_gap() {
    let data = tempfile::tempdir().unwrap();
    let options = Options { rings: 2, ring_bytes: 1 << 18, segment_bytes: 1, ..Options::new(data.path()) };
    let log = Log::open(options).unwrap();
    let (threads, each) = (4, 5_000);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            // Two of the four rings are made while the log runs.
            let recorder = log.recorder().unwrap();
            scope.spawn(move || {
                for n in 0..each {
                    block_on(recorder.room()).unwrap();
                    recorder.record(&entry(&format!("{thread} {n}"), "")).unwrap();
                }
            });
        }
        scope.spawn(|| {
            for n in 0..500 {
                log.append(&entry(&format!("{threads} {n}"), "")).unwrap();
            }
        });
    });
    log.settle().unwrap();
    let found = all(&log.reader());
    assert_eq!(found.len(), threads * each + 500);
    assert!(found.iter().zip(1..).all(|((seq, _), expected)| *seq == expected), "numbers without gaps");
    let mut next = vec![0; threads + 1];
    for (_, user) in found {
        let (thread, n) = user.split_once(' ').unwrap();
        let thread: usize = thread.parse().unwrap();
        assert_eq!(n.parse::<usize>().unwrap(), next[thread]);
        next[thread] += 1;
    }
    let stats = log.stats();
    assert_eq!((stats.written, stats.dropped, stats.failed, stats.lag_records), (20_500, 0, 0, 0));
    assert_eq!((stats.queue_depth, stats.queue_capacity), (0, 5 << 18));
    assert_eq!(stats.oldest_record, Some(Timestamp::from_micros(1_800_000_000_000_000)));
    assert!(stats.store_bytes > 100_000 && !stats.last_commit.is_zero(), "{stats:?}");
    let segments = fs::read_dir(data.path().join("audit"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with("seg-"))
        .count();
    assert!(segments > 1, "the log has gone on in a second segment");
    drop(log);
    assert_eq!(all(&Reader::open(data.path()).unwrap()).len(), threads * each + 500);
}

#[test]
fn records_of_the_largest_size_are_kept() {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options { ring_bytes: 0, ..Options::new(data.path()) }).unwrap();
    let recorder = log.recorder().unwrap();
    // Nothing that zstd could make small: a block of it spans many values.
    let mut state = 1u64;
    let mut noise = || -> String {
        let letter = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        };
        (0..100_000).map(letter).collect()
    };
    for _ in 0..20 {
        let (first, second) = (noise(), noise());
        block_on(recorder.room()).unwrap();
        recorder.record(&Entry { before: &second, after: &first, ..entry(&first, &second) }).unwrap();
    }
    log.settle().unwrap();
    assert_eq!(all(&log.reader()).len(), 20);
    drop((log, recorder));
    assert_eq!(all(&Reader::open(data.path()).unwrap()).len(), 20);
    // sled puts what is longer into files of their own, which it does not sync in time.
    let segment = data.path().join(format!("audit/seg-{:020}", 1));
    // It gives up its lock a little after it was closed.
    let open = || sled::Config::new().path(&segment).open().ok();
    let store = crate::support::wait_until(std::time::Duration::from_secs(10), open).unwrap();
    let lengths: Vec<usize> = store.iter().map(|pair| pair.unwrap().1.len()).collect();
    assert!(lengths.len() > 20 && lengths.iter().all(|length| *length <= 8192), "{lengths:?}");
    drop(store);
    assert_eq!(std::fs::read_dir(segment.join("blobs")).map_or(0, Iterator::count), 0);
}

/// A log whose writer stands still after its first commit until the sender is dropped.
fn stopped_writer(data: &Path, when_full: WhenFull) -> (Log, Recorder, mpsc::Sender<()>) {
    let (release, held) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let held = Mutex::new(held);
    let on_commit = move |_| {
        begun.send(()).ok();
        held.lock().unwrap().recv().ok();
    };
    let options =
        Options { when_full, ring_bytes: 1 << 18, on_commit: Some(Arc::new(on_commit)), ..Options::new(data) };
    let log = Log::open(options).unwrap();
    let recorder = log.recorder().unwrap();
    recorder.record(&entry("user-1", "")).unwrap();
    begins.recv().unwrap();
    (log, recorder, release)
}

#[test]
fn a_full_ring_makes_decisions_wait_where_it_is_to_block() {
    let data = tempfile::tempdir().unwrap();
    let (log, recorder, release) = stopped_writer(data.path(), WhenFull::Block);
    let mut count = 1;
    while now(recorder.room()) == Poll::Ready(Ok(())) {
        count += 1;
        recorder.record(&entry(&format!("user-{count}"), "")).unwrap();
    }
    assert!(count > 500, "{count}");
    assert!(now(recorder.room()).is_pending());
    assert!(log.stats().lag_records >= count - 1);
    drop(release);
    block_on(recorder.room()).unwrap();
    count += 1;
    recorder.record(&entry(&format!("user-{count}"), "")).unwrap();
    log.settle().unwrap();
    assert_eq!(all(&log.reader()), numbered(&users(usize::try_from(count).unwrap())));
}

#[test]
fn a_full_ring_refuses_where_it_is_to_refuse() {
    let data = tempfile::tempdir().unwrap();
    let (log, recorder, release) = stopped_writer(data.path(), WhenFull::Refuse);
    let mut count = 1;
    while now(recorder.room()) == Poll::Ready(Ok(())) {
        count += 1;
        recorder.record(&entry(&format!("user-{count}"), "")).unwrap();
    }
    assert_eq!(now(recorder.room()), Poll::Ready(Err(RecordError::Full)));
    drop(release);
    log.settle().unwrap();
    assert_eq!(now(recorder.room()), Poll::Ready(Ok(())));
    assert_eq!(all(&log.reader()), numbered(&users(count)));
}

#[test]
fn a_full_ring_drops_and_counts_where_it_is_to() {
    let data = tempfile::tempdir().unwrap();
    let (log, recorder, release) = stopped_writer(data.path(), WhenFull::DropAndCount);
    for n in 2..=5_000 {
        assert_eq!(now(recorder.room()), Poll::Ready(Ok(())));
        recorder.record(&entry(&format!("user-{n}"), "")).unwrap();
    }
    let dropped = usize::try_from(log.stats().dropped).unwrap();
    assert!(dropped > 1_000, "{dropped}");
    drop(release);
    log.settle().unwrap();
    assert_eq!(all(&log.reader()), numbered(&users(5_000 - dropped)));
}

#[test]
fn who_waits_for_a_record_is_told_that_it_was_dropped() {
    let data = tempfile::tempdir().unwrap();
    let (log, _recorder, release) = stopped_writer(data.path(), WhenFull::DropAndCount);
    let mut kept = 0;
    while log.append(&entry("sam", "")).unwrap() != Ticket::NONE {
        kept += 1;
    }
    assert_eq!(log.append_and_wait(&entry("mona", "")), Err(RecordError::Full));
    drop(release);
    log.settle().unwrap();
    assert_eq!(log.append_and_wait(&entry("mona", "")), Ok(()));
    log.settle().unwrap();
    let all = all(&log.reader());
    assert_eq!(all.len(), 1 + kept + 1, "what was told as kept is in the log, and nothing else");
    assert_eq!(all.last().unwrap().1, "mona");
}

#[test]
fn who_asks_for_a_record_of_its_own_does_not_wait_for_another_that_finds_no_room() {
    let data = tempfile::tempdir().unwrap();
    let (log, _recorder, release) = stopped_writer(data.path(), WhenFull::Block);
    let first = log.append(&entry("sam", "")).unwrap();
    let (writer, seen) = (log.clone(), Mutex::new(u64::MAX));
    let fills = std::thread::spawn(move || {
        for _ in 0..5_000 {
            writer.append(&entry("sam", "")).unwrap();
        }
    });
    // The ring is as full as it gets, and whoever fills it holds it.
    crate::support::wait_for("nothing goes into the ring any more", std::time::Duration::from_secs(20), || {
        let depth = log.stats().queue_depth;
        std::mem::replace(&mut *seen.lock().unwrap(), depth) == depth && depth > 1 << 16
    });
    let (tell, told) = mpsc::channel();
    let asks = log.clone();
    std::thread::spawn(move || tell.send(block_on(asks.committed(first))));
    assert_eq!(told.recv_timeout(std::time::Duration::from_secs(20)), Ok(Ok(())));
    drop(release);
    fills.join().unwrap();
}

#[test]
fn a_commit_is_told_with_how_long_it_took() {
    let data = tempfile::tempdir().unwrap();
    let (tell, told) = mpsc::channel();
    let on_commit = move |took| tell.send(took).unwrap();
    let log = Log::open(Options { on_commit: Some(Arc::new(on_commit)), ..Options::new(data.path()) }).unwrap();
    log.append(&entry("sam", "")).unwrap();
    assert!(!told.recv().unwrap().is_zero());
}

#[test]
fn a_directory_that_is_in_use_is_refused_to_logs_and_readers() {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options::new(data.path())).unwrap();
    let error = Log::open(Options::new(data.path())).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the data directory `{}` is in use by another process; stop that process, or name another directory with `--data`",
            data.path().display()
        )
    );
    assert!(matches!(Reader::open(data.path()), Err(OpenError::InUse { .. })));
    drop(log);
    drop(Reader::open(data.path()).unwrap());
    Log::open(Options::new(data.path())).unwrap();
}

#[test]
fn a_directory_of_a_newer_version_is_left_alone() {
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("VERSION"), "7\n").unwrap();
    let error = Log::open(Options::new(data.path())).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 7, .. }), "{error}");
    assert!(error.to_string().contains("has format 7, and this version knows formats up to 1"), "{error}");
    assert!(!data.path().join("audit").exists());
    fs::write(data.path().join("VERSION"), "one").unwrap();
    assert!(matches!(Log::open(Options::new(data.path())), Err(OpenError::Unversioned { .. })));
}

#[test]
fn what_is_no_directory_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = Log::open(Options::new(&path)).unwrap_err();
        assert!(matches!(error, OpenError::NotADirectory { .. }), "{error:?}");
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_refused() {
    // The superuser may write everywhere but to the kernel's own file systems.
    for path in ["/sys/kernel/sidegate-test", "/proc/self/attr"] {
        let error = Log::open(Options::new(path)).unwrap_err();
        assert!(matches!(error, OpenError::NotWritable { .. } | OpenError::Io { .. }), "{error:?}");
        assert!(error.to_string().contains("cannot be"), "{error}");
    }
    let data = tempfile::tempdir().unwrap();
    let closed = data.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o500)).unwrap();
    if fs::write(closed.join("probe"), "").is_err() {
        assert!(matches!(Log::open(Options::new(&closed)), Err(OpenError::NotWritable { .. })));
    }
}

#[test]
fn a_directory_without_a_log_has_nothing_to_read_and_stays_as_it_is() {
    let data = tempfile::tempdir().unwrap();
    assert!(matches!(Reader::open(data.path()), Err(OpenError::Missing { .. })));
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
    assert!(matches!(Reader::open(&data.path().join("nowhere")), Err(OpenError::Missing { .. })));
}

#[test]
fn files_and_directories_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().join("data");
    let log = Log::open(Options::new(&directory)).unwrap();
    log.append(&entry("sam", "")).unwrap();
    log.settle().unwrap();
    let mut pending = vec![directory];
    let mut files = 0;
    while let Some(path) = pending.pop() {
        let metadata = fs::metadata(&path).unwrap();
        let mode = metadata.permissions().mode() & 0o777;
        if metadata.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            assert_eq!(mode, 0o600, "{}", path.display());
            files += 1;
        }
    }
    assert!(files > 4);
}

#[test]
fn an_unfinished_snapshot_and_an_unfinished_segment_do_not_stop_the_start() {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options::new(data.path())).unwrap();
    log.append(&entry("sam", "")).unwrap();
    drop(log);
    let audit = data.path().join("audit");
    fs::write(audit.join("seg-00000000000000000001/snap.000000000FFF.generating"), "half").unwrap();
    fs::create_dir(audit.join("seg-00000000000000000002")).unwrap();
    let log = Log::open(Options::new(data.path())).unwrap();
    log.append(&entry("mona", "")).unwrap();
    log.settle().unwrap();
    assert_eq!(all(&log.reader()), numbered(&["sam".to_owned(), "mona".to_owned()]));
}

#[test]
fn a_log_that_is_shorter_than_its_anchor_says_so() {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options::new(data.path())).unwrap();
    for _ in 0..10 {
        log.append(&entry("sam", "")).unwrap();
    }
    drop(log);
    let segment = data.path().join("audit/seg-00000000000000000001");
    fs::remove_dir_all(&segment).unwrap();
    fs::remove_dir_all(data.path().join("audit/rings")).unwrap();
    let log = Log::open(Options::new(data.path())).unwrap();
    assert_eq!(log.recovery().missing, 10);
}
