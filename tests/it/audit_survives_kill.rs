//! `kill -9` at random moments, the start included: nothing that was acknowledged is lost, nothing is there twice, there is no gap.

use crate::audit::{all, entry};
use sidegate::audit::{Log, Mode, Options, Reader};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

const DATA: &str = "SIDEGATE_TEST_AUDIT_DATA";
const SYNCED: &str = "SIDEGATE_TEST_AUDIT_SYNCED";
const ROUND: &str = "SIDEGATE_TEST_AUDIT_ROUND";
const THREADS: u64 = 2;

/// The process that is killed. Does nothing when it is run as a test.
#[test]
fn child_records_until_it_is_killed() {
    let Some(data) = std::env::var_os(DATA) else { return };
    let round = std::env::var_os(ROUND).unwrap().into_string().unwrap();
    let synced = std::env::var_os(SYNCED).is_some();
    let mode = if synced { Mode::Synced } else { Mode::Durable };
    // Small rings, and in some rounds a new segment with each commit: laps and rotations happen all the time.
    let segment_bytes = if round.ends_with('5') { 1 } else { 1 << 20 };
    let options = Options { mode, rings: 2, ring_bytes: 1 << 18, segment_bytes, ..Options::new(data) };
    let log = Log::open(options).unwrap();
    thread::scope(|scope| {
        for number in 0..THREADS {
            let recorder = log.recorder().unwrap();
            let round = &round;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                for n in 0.. {
                    let user = format!("{round}.{number} {n}");
                    runtime.block_on(recorder.room()).unwrap();
                    let ticket = recorder.record(&entry(&user, "")).unwrap();
                    if synced {
                        runtime.block_on(recorder.committed(ticket)).unwrap();
                    }
                    // One write, so that a line is whole or absent.
                    std::io::stdout().write_all(format!("ack {user}\n").as_bytes()).unwrap();
                    std::io::stdout().flush().unwrap();
                }
            });
        }
    });
}

/// Runs the child for a while and answers what it has acknowledged: by thread, the last number.
fn round(data: &Path, mode: Mode, round: usize, life: Duration) -> HashMap<String, u64> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["audit_survives_kill::child_records_until_it_is_killed", "--exact", "--nocapture", "--test-threads=1"])
        .env(DATA, data)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if mode == Mode::Synced {
        command.env(SYNCED, "1");
    }
    let mut child = command.spawn().unwrap();
    let stdout = child.stdout.take().unwrap();
    let (ended, end) = mpsc::channel::<()>();
    let reading = thread::spawn(move || {
        let _ended = ended;
        let mut last = HashMap::new();
        for bytes in BufReader::new(stdout).split(b'\n') {
            let text = String::from_utf8_lossy(&bytes.unwrap()).into_owned();
            // The harness may have begun the first line.
            let Some((_, ack)) = text.split_once("ack ") else { continue };
            let Some((thread, n)) = ack.split_once(' ') else { continue };
            if let Ok(n) = n.parse::<u64>() {
                last.insert(thread.to_owned(), n);
            }
        }
        last
    });
    assert_eq!(end.recv_timeout(life), Err(RecvTimeoutError::Timeout), "the child has ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    reading.join().unwrap()
}

fn check(mode: Mode, rounds: usize, seed: u64) {
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let data = tempfile::tempdir().unwrap();
    let mut acknowledged: HashMap<String, u64> = HashMap::new();
    for number in 0..rounds {
        // Short lives end in the middle of opening.
        let life = if number % 4 == 3 { random.u64(1..30) } else { random.u64(30..180) };
        acknowledged.extend(round(data.path(), mode, number, Duration::from_millis(life)));
        // Every third time the next process takes over itself.
        if number % 3 != 0 && number + 1 != rounds {
            continue;
        }
        if !data.path().join("audit/LOCK").exists() {
            continue;
        }
        let found = all(&Reader::open(data.path()).unwrap());
        let mut next: HashMap<&str, u64> = HashMap::new();
        for ((seq, user), expected) in found.iter().zip(1..) {
            assert_eq!(*seq, expected, "a gap or a duplicate, seed {seed}, round {number}");
            let (thread, n) = user.split_once(' ').unwrap();
            let next = next.entry(thread).or_default();
            assert_eq!(n.parse::<u64>().unwrap(), *next, "of {thread}, seed {seed}, round {number}");
            *next += 1;
        }
        for (thread, last) in &acknowledged {
            let found = next.get(thread.as_str()).copied().unwrap_or(0);
            assert!(found > *last, "{thread}: {last} acknowledged, {found} found, seed {seed}, round {number}");
        }
    }
    assert!(acknowledged.values().sum::<u64>() > 100, "the child has hardly run");
}

/// `SIDEGATE_TEST_SEED` repeats a run.
fn seed() -> u64 {
    let given = std::env::var_os("SIDEGATE_TEST_SEED").and_then(|seed| seed.into_string().ok()?.parse().ok());
    given.unwrap_or_else(|| fastrand::u64(..))
}

#[test]
fn nothing_that_was_recorded_is_lost_in_durable_mode() {
    check(Mode::Durable, 30, seed());
}

#[test]
fn nothing_that_was_committed_is_lost_in_synced_mode() {
    check(Mode::Synced, 30, seed());
}
