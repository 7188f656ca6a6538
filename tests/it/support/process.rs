//! The product's binary as a process, with all that it prints.

use super::wait::wait_until;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// How long a command that is not a server may take.
const COMMAND_DEADLINE: Duration = Duration::from_mins(1);

/// A process that ended.
#[derive(Debug)]
pub struct Exited {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A running process. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    child: Mutex<Child>,
    output: Arc<Output>,
    readers: Mutex<Vec<JoinHandle<()>>>,
}

/// The lines printed so far; readers wait on `more`.
#[derive(Debug, Default)]
struct Output {
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    stdout: Vec<String>,
    stderr: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

/// The product's binary with these arguments, and nothing of the caller's settings.
pub fn command<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
    for (name, _) in std::env::vars_os() {
        if ["SIDEGATE_", "OTEL_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.args(args).env("NO_COLOR", "1").current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// The same command, started by a shell that does something else first in its process.
pub fn after(first: &str, command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(format!("{first}; exec \"$0\" \"$@\"")).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        shell.current_dir(directory);
    }
    shell
}

/// Runs `sidegate` with these arguments to its end.
#[track_caller]
pub fn sidegate<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Exited {
    run(command(args))
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: Command) -> Exited {
    let process = Process::spawn(command);
    match process.wait_exit(COMMAND_DEADLINE) {
        Some(exited) => exited,
        None => panic!("the command did not end within {COMMAND_DEADLINE:?}:\n{}", process.log()),
    }
}

impl Process {
    /// Starts a command, with no input and all output kept.
    pub fn spawn(command: Command) -> Self {
        Self::start(command, Stdio::null())
    }

    /// Starts a command that is told things while it runs, with all output kept.
    pub fn spawn_listening(command: Command) -> (Self, ChildStdin) {
        let process = Self::start(command, Stdio::piped());
        let input = process.child.lock().expect("child").stdin.take().expect("piped");
        (process, input)
    }

    fn start(mut command: Command, input: Stdio) -> Self {
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", command.get_program().display()));
        let output = Arc::new(Output::default());
        let readers = vec![
            Output::collect(&output, Stream::Stdout, child.stdout.take().expect("piped")),
            Output::collect(&output, Stream::Stderr, child.stderr.take().expect("piped")),
        ];
        Self { pid: Pid::from_child(&child), child: Mutex::new(child), output, readers: Mutex::new(readers) }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).expect("the process can be signalled");
    }

    /// Whether it has ended, and how.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child.lock().expect("no test panics with the lock held").try_wait().expect("the child can be waited for")
    }

    /// Waits for its end; `None` when it goes on beyond the deadline.
    pub fn wait_exit(&self, deadline: Duration) -> Option<Exited> {
        let status = wait_until(deadline, || self.exit_status())?;
        for reader in self.readers.lock().expect("readers").drain(..) {
            reader.join().expect("a reader does not panic");
        }
        let lines = self.output.lines.lock().expect("lines");
        Some(Exited { code: status.code(), stdout: text(&lines.stdout), stderr: text(&lines.stderr) })
    }

    /// Kills it, as a crash or the kernel would, and reaps it.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // It may have ended on its own: then there is nothing to do.
        drop(child.kill());
        drop(child.wait());
    }

    /// Everything printed so far: standard output, then standard error.
    pub fn log(&self) -> String {
        let lines = self.output.lines.lock().expect("lines");
        text(&lines.stdout) + &text(&lines.stderr)
    }

    /// Waits until `find` makes something of the lines of one of the streams; `None` at the deadline or once the process
    /// has ended without it.
    pub fn wait_line<T>(&self, deadline: Duration, mut find: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let end = Instant::now() + deadline;
        let (mut seen_stdout, mut seen_stderr) = (0, 0);
        let mut lines = self.output.lines.lock().expect("lines");
        loop {
            let fresh = lines.stdout[seen_stdout..].iter().chain(&lines.stderr[seen_stderr..]);
            if let Some(found) = fresh.map(String::as_str).find_map(&mut find) {
                return Some(found);
            }
            (seen_stdout, seen_stderr) = (lines.stdout.len(), lines.stderr.len());
            // Both readers end with the process, and each wakes this thread when it does.
            let ended = Arc::strong_count(&self.output) == 1;
            let left = end.saturating_duration_since(Instant::now());
            if ended || left.is_zero() {
                return None;
            }
            lines = self.output.more.wait_timeout(lines, left.min(Duration::from_millis(50))).expect("lines").0;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            // libtest shows this with the failed test only.
            eprintln!("--- what process {} printed\n{}---", self.pid(), self.log());
        }
    }
}

impl Output {
    fn collect(output: &Arc<Self>, stream: Stream, source: impl Read + Send + 'static) -> JoinHandle<()> {
        let output = Arc::clone(output);
        std::thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while matches!(source.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).into_owned();
                let mut lines = output.lines.lock().expect("lines");
                match stream {
                    Stream::Stdout => lines.stdout.push(text),
                    Stream::Stderr => lines.stderr.push(text),
                }
                drop(lines);
                output.more.notify_all();
                line.clear();
            }
        })
    }
}

fn text(lines: &[String]) -> String {
    lines.concat()
}
