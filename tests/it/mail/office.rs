//! The worker in process, on a thread of its own, with a queue in memory and everything that it logs.

use super::queue::MemoryQueue;
use crate::support::wait_for;
use sidegate::{
    config::{self, Settings, Sources},
    lifecycle::{Clock, Stopper},
    mail::{Now, Post, Worker},
    telemetry::Metrics,
};
use std::{
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};
use tempfile::TempDir;
use tokio::runtime;

/// How long a test waits for mail.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A running worker.
pub struct Office {
    pub queue: Arc<MemoryQueue>,
    pub metrics: Arc<Metrics>,
    log: Log,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
    data: TempDir,
}

/// What was logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

/// What mail through a server wants beside its own settings.
pub const LINK: &str = "directory: { invitations: { link: 'https://app.example/accept?token={token}' } }\n";

/// The settings of a configuration file.
pub fn settings(mail: &str) -> Settings {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("sidegate.yaml");
    fs::write(&file, format!("{LINK}mail:\n{mail}")).expect("written");
    match config::load(&Sources { file: Some(file), ..Sources::default() }) {
        Ok(settings) => settings,
        Err(error) => panic!("{:?}", config_problems(error)),
    }
}

fn config_problems(error: config::Error) -> Vec<String> {
    sidegate::document::Diagnostics::from(error).iter().map(ToString::to_string).collect()
}

impl Office {
    /// A worker with these settings, the lines below `mail:`.
    pub fn open(mail: &str) -> Self {
        let settings = settings(mail).mail;
        let data = tempfile::tempdir().expect("a temporary directory");
        let post = Post::open(&settings, data.path()).expect("good settings");
        let (queue, metrics, log) = (Arc::new(MemoryQueue::new()), Metrics::new(), Log::default());
        let stopper = Stopper::new();
        let now: Now = Arc::new(|| Clock::system().now());
        let worker = Worker::new(Arc::clone(&queue) as _, post, settings.retry, now, Arc::clone(&metrics));
        let (stop, sink) = (stopper.listener(), log.clone());
        let thread = std::thread::spawn(move || {
            let subscriber = tracing_subscriber::fmt().json().with_max_level(tracing::Level::TRACE);
            let subscriber = subscriber.with_writer(move || sink.clone()).finish();
            tracing::subscriber::with_default(subscriber, || {
                let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(worker.run(stop));
            });
        });
        Self { queue, metrics, log, stopper, thread: Some(thread), data }
    }

    /// Waits until no letter waits.
    #[track_caller]
    pub fn wait_empty(&self) {
        wait_for("the queue is empty", DEADLINE, || self.queue.is_empty());
    }

    /// The value of a series.
    pub fn metric(&self, series: &str) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no `{series}` in {text}")).parse().expect("a count")
    }

    /// Attempts by outcome: sent, failed, given up.
    pub fn outcomes(&self) -> [u64; 3] {
        ["sent", "failed", "gave_up"]
            .map(|outcome| self.metric(&format!("sidegate_mail_letters_total{{outcome=\"{outcome}\"}}")))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        String::from_utf8(self.log.0.lock().expect("log").clone()).expect("UTF-8")
    }

    /// The folder of `.eml` files.
    pub fn folder(&self) -> PathBuf {
        self.data.path().join("mail")
    }

    /// Stops the worker, and returns once it has ended.
    pub fn stop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the worker does not panic");
        }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("--- what the worker logged\n{}---\n{:#?}", self.log(), self.queue);
            return;
        }
        // Whatever a test is about: no line holds an address or a link.
        let log = self.log();
        for never in ["@", "://", "token"] {
            assert!(!log.contains(never), "`{never}` in {log}");
        }
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("log").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
