//! A process that opens logs, writes to them and reads them, on request: it may be killed, it may run behind the shim, and where it
//! aborts or hangs, the test goes on and knows of which case.
//!
//! It is this test binary once more, running one test that serves requests: JSON lines in, JSON lines out.

use super::{
    logged::{Line, Logged},
    shim::Shim,
};
use crate::{audit::entry, support::wait_until};
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Serialize};
use sidegate::audit::{
    Checkpoints, Health, Log, Mode, Options, Order, Query, Recorder, Retention, Verification, verify,
};
use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Read, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

const SERVES: &str = "FAULTS_HELPER";
/// Stands before each answer: the harness prints lines of its own.
const MARK: &str = "@@ ";
/// Beyond it a request counts as hung. Generous: other tests share the machine.
const DEADLINE: Duration = Duration::from_mins(1);

/// What a helper is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Request {
    /// Open a log, record, close it.
    Write(Work),
    /// Open a log as a restart does, and read all of it.
    Read(Place),
    /// Check every link of a log that no process has open.
    Verify(Place),
}

/// Which log, and how it is opened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Place {
    pub data: PathBuf,
    pub synced: bool,
    pub segment_bytes: u64,
    /// While the log takes more, its oldest segment goes.
    pub retained_bytes: Option<u64>,
    /// Whether a segment that cannot be read is given the time to be mended.
    pub heals: bool,
    /// Where checkpoints are written.
    pub checkpoints: Option<PathBuf>,
    /// What manifests and tombstones are signed with. The public key lies beside it.
    pub signing_key: Option<PathBuf>,
}

impl Place {
    /// The same log, copied to another directory.
    pub fn at(&self, root: &Path) -> Self {
        let moved = |path: &PathBuf| root.join(path.file_name().expect("a name"));
        Self { data: moved(&self.data), checkpoints: self.checkpoints.as_ref().map(moved), ..self.clone() }
    }
}

/// What is recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Work {
    pub place: Place,
    /// Where each acknowledgement is written.
    pub acks: PathBuf,
    /// Stands before the name of each thread, so that no two requests give the same names.
    pub round: u64,
    pub threads: u64,
    /// By each thread.
    pub records: u64,
    /// Bytes of a text in each record.
    pub padding: usize,
    /// Whether the process dies in the end instead of closing the log.
    pub dies: bool,
    /// After a record that was refused, go on until records are taken again; give up after so many milliseconds.
    pub patience_ms: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Answer {
    /// Why the log could not be opened.
    pub refused: Option<String>,
    /// Why the log, once open, could not be read or closed.
    pub failed: Option<String>,
    /// Where it was checked: what is wrong with it.
    pub problems: Vec<String>,
    /// Where it was read.
    pub logged: Logged,
    /// Whether each thread has written all that it was to write.
    pub finished: bool,
    /// Whether the log was found to have failed while records were refused.
    pub was_unhealthy: bool,
}

/// How a request ended.
#[derive(Debug)]
pub enum Outcome {
    Answered(Box<Answer>),
    /// With its last words.
    Died(String),
    Hung,
}

/// A running helper. Dropping it kills it.
#[derive(Debug)]
pub struct Helper {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
    errors: Option<JoinHandle<String>>,
}

impl Helper {
    /// Starts one, behind the shim where there is one.
    pub fn start(shim: Option<&Shim>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command
            .args(["faults::helper::serves_requests", "--exact", "--nocapture", "--test-threads=1"])
            .env(SERVES, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(shim) = shim {
            command.envs(shim.variables());
        }
        let mut child = command.spawn().expect("this binary once more");
        let (requests, stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let (answer, answers) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                if let Some((_, text)) = line.split_once(MARK)
                    && answer.send(text.to_owned()).is_err()
                {
                    return;
                }
            }
        });
        let mut stderr = child.stderr.take().expect("piped");
        let errors = thread::spawn(move || {
            let mut text = Vec::new();
            drop(stderr.read_to_end(&mut text));
            String::from_utf8_lossy(&text).into_owned()
        });
        Self { child, requests, answers, errors: Some(errors) }
    }

    /// Asks, and waits for what comes of it. After anything but an answer the helper is of no more use.
    pub fn ask(&mut self, request: &Request) -> Outcome {
        self.send(request);
        self.answer(DEADLINE)
    }

    /// Asks where nothing can go wrong.
    #[track_caller]
    pub fn must(&mut self, request: &Request) -> Answer {
        match self.ask(request) {
            Outcome::Answered(answer) => *answer,
            outcome => panic!("{outcome:?} of {request:?}"),
        }
    }

    /// Whether every link of a log holds.
    pub fn verify(&mut self, place: &Place) -> Result<(), String> {
        match self.ask(&Request::Verify(place.clone())) {
            Outcome::Answered(answer) if answer.refused.is_none() && answer.problems.is_empty() => Ok(()),
            outcome => Err(format!("it does not verify: {outcome:?}")),
        }
    }

    /// Asks, and does not wait.
    pub fn send(&mut self, request: &Request) {
        let line = serde_json::to_string(request).expect("JSON");
        // One that has died shows when it is waited for.
        drop(writeln!(self.requests, "{line}").and_then(|()| self.requests.flush()));
    }

    /// Waits for what comes of a request that was sent.
    pub fn answer(&mut self, deadline: Duration) -> Outcome {
        match self.answers.recv_timeout(deadline) {
            Ok(text) => Outcome::Answered(serde_json::from_str(&text).expect("the helper's own JSON")),
            Err(RecvTimeoutError::Timeout) => Outcome::Hung,
            Err(RecvTimeoutError::Disconnected) => {
                // Its output has ended, so that it is ending.
                let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
                let words = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
                Outcome::Died(format!("{status}: {words}"))
            }
        }
    }

    /// Kills it as a crash would. `false` where it had ended before.
    pub fn kill(&mut self) -> bool {
        let had_ended = matches!(self.child.try_wait(), Ok(Some(_)));
        drop(self.child.kill());
        drop(self.child.wait());
        !had_ended
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The helper. Does nothing when it is run as a test.
#[test]
fn serves_requests() {
    if std::env::var_os(SERVES).is_none() {
        return;
    }
    for line in std::io::stdin().lines() {
        let request: Request = serde_json::from_str(&line.unwrap()).unwrap();
        let answer = match request {
            Request::Write(work) => write(&work),
            Request::Read(place) => read(&place),
            Request::Verify(place) => check(&place),
        };
        let text = format!("\n{MARK}{}\n", serde_json::to_string(&answer).unwrap());
        std::io::stdout().write_all(text.as_bytes()).unwrap();
        std::io::stdout().flush().unwrap();
    }
}

fn options(place: &Place) -> Options {
    let mode = if place.synced { Mode::Synced } else { Mode::Durable };
    let retention = Retention { bytes: place.retained_bytes, ..Retention::default() };
    let segment_bytes = place.segment_bytes;
    let checkpoints = Checkpoints { file: place.checkpoints.clone(), ..Checkpoints::default() };
    Options {
        mode,
        rings: 2,
        ring_bytes: 1 << 18,
        segment_bytes,
        retention,
        checkpoints,
        signing_key: place.signing_key.clone(),
        ..Options::new(&place.data)
    }
}

fn write(work: &Work) -> Answer {
    let log = match Log::open(options(&work.place)) {
        Ok(log) => log,
        Err(error) => return Answer { refused: Some(error.to_string()), ..Answer::default() },
    };
    let recorders: Result<Vec<_>, _> = (0..work.threads).map(|_| log.recorder()).collect();
    let recorders = match recorders {
        Ok(recorders) => recorders,
        Err(error) => return Answer { refused: Some(error.to_string()), ..Answer::default() },
    };
    let mut answer = Answer { finished: true, ..Answer::default() };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..)
            .zip(recorders)
            .map(|(number, recorder)| {
                let name = format!("{}.{number}", work.round);
                let log = &log;
                scope.spawn(move || record_all(log, &recorder, &name, work))
            })
            .collect();
        for thread in threads {
            let (finished, was_unhealthy) = thread.join().unwrap();
            answer.finished &= finished;
            answer.was_unhealthy |= was_unhealthy;
        }
    });
    if work.dies {
        kill_process(getpid(), Signal::KILL).unwrap();
    }
    answer.failed = log.close().err().map(|error| error.to_string());
    answer
}

/// Whether all were acknowledged, and whether the log was seen to have failed.
fn record_all(log: &Log, recorder: &Recorder, name: &str, work: &Work) -> (bool, bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut acks = OpenOptions::new().append(true).create(true).open(&work.acks).unwrap();
    let padding = format!(r#"{{"padding":"{}"}}"#, "x".repeat(work.padding));
    let give_up = Instant::now() + Duration::from_millis(work.patience_ms);
    let (mut acknowledged, mut was_unhealthy) = (0, false);
    for n in 0.. {
        let user = format!("{name} {n}");
        let answer = runtime.block_on(async {
            recorder.room().await?;
            let ticket = recorder.record(&entry(&user, &padding))?;
            recorder.committed(ticket).await
        });
        let said = if answer.is_ok() { "ack" } else { "err" };
        // One write, so that a line is whole or absent.
        acks.write_all(format!("{said} {user}\n").as_bytes()).unwrap();
        if answer.is_ok() {
            acknowledged += 1;
            if acknowledged == work.records {
                return (true, was_unhealthy);
            }
            continue;
        }
        was_unhealthy |= matches!(log.health(), Health::Failed(_));
        if Instant::now() >= give_up {
            break;
        }
        let left = give_up.saturating_duration_since(Instant::now());
        wait_until(left, || (log.health() == Health::Running).then_some(()));
    }
    (false, was_unhealthy)
}

fn check(place: &Place) -> Answer {
    let scratch = super::scratch();
    let verification = Verification {
        data: place.data.clone(),
        checkpoints: place.checkpoints.clone().filter(|file| file.exists()),
        public_keys: place.signing_key.as_ref().map(|key| key.with_extension("pub")),
        scratch: scratch.path().to_owned(),
    };
    match verify(&verification) {
        Ok(report) => Answer {
            finished: report.complete,
            problems: report.problems.iter().map(|problem| format!("{}: {}", problem.seq, problem.what)).collect(),
            ..Answer::default()
        },
        Err(error) => Answer { refused: Some(error.to_string()), ..Answer::default() },
    }
}

fn read(place: &Place) -> Answer {
    // What is read is not removed.
    let log = match Log::open(options(&Place { retained_bytes: None, ..place.clone() })) {
        Ok(log) => log,
        Err(error) => return Answer { refused: Some(error.to_string()), ..Answer::default() },
    };
    let mut answer = Answer { finished: true, ..Answer::default() };
    let recovery = log.recovery();
    answer.logged.missing = recovery.missing;
    answer.logged.head_differs = recovery.head_differs;
    answer.logged.torn_bytes = recovery.torn_bytes;
    answer.logged.missing_rings = recovery.missing_rings;
    answer.logged.head_lost = recovery.head_lost;
    let read_all = || {
        let mut records = Vec::new();
        let done = log.reader().for_each(&Query::all(Order::Ascending), |record| {
            // Every field of it.
            let checksum = crc32fast::hash(format!("{record:?}").as_bytes());
            let user = if record.user.is_empty() { record.reason } else { record.user };
            records.push(Line { seq: record.seq, user: user.to_owned(), checksum });
            ControlFlow::Continue(())
        });
        done.map(|()| records)
    };
    let mut read = read_all();
    if place.heals {
        wait_until(DEADLINE / 10, || {
            read = read_all();
            read.is_ok().then_some(())
        });
    }
    match read {
        Ok(records) => answer.logged.records = records,
        Err(error) => answer.failed = Some(error.to_string()),
    }
    if answer.failed.is_none() {
        answer.failed = log.close().err().map(|error| error.to_string());
    }
    // What was found to be damaged while it was open was put aside meanwhile.
    answer.logged.missing = answer.logged.missing.max(log.stats().missing);
    answer
}
