//! A collector of spans, `collector.py`, run by the Python that `scripts/install-test-tools` has prepared.

use super::{paths::repo, process::Process};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    process::{ChildStdin, Command},
    sync::Mutex,
    time::Duration,
};

const DEADLINE: Duration = Duration::from_secs(30);

/// A collector. Dropping it ends it.
#[derive(Debug)]
pub struct Collector {
    process: Process,
    input: Mutex<ChildStdin>,
    port: u16,
}

impl Collector {
    /// Starts it on a free port, and waits until it listens.
    #[track_caller]
    pub fn start() -> Self {
        let python = repo(".tools/python/bin/python");
        assert!(python.exists(), "the collector of the tests is not installed: run `scripts/install-test-tools`");
        let mut command = Command::new(python);
        command.arg(repo("tests/it/support/collector.py"));
        let (process, input) = Process::spawn_listening(command);
        let listening = process.wait_line(DEADLINE, |line| event(line, "listening"));
        let Some(listening) = listening else { panic!("the collector does not listen:\n{}", process.log()) };
        let port = listening["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        Self { process, input: Mutex::new(input), port }
    }

    /// Its address, as `OTEL_EXPORTER_OTLP_ENDPOINT` wants it.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All spans it has taken so far.
    pub fn spans(&self) -> Vec<Value> {
        self.process.log().lines().filter_map(|line| event(line, "span")).collect()
    }

    /// All posts it has taken so far, the spans aside.
    pub fn posts(&self) -> Vec<Value> {
        self.process.log().lines().filter_map(|line| event(line, "post")).collect()
    }

    /// Waits for a span that `accept` takes.
    #[track_caller]
    pub fn wait_span(&self, accept: impl Fn(&Value) -> bool) -> Value {
        let span = self.process.wait_line(DEADLINE, |line| event(line, "span").filter(&accept));
        span.unwrap_or_else(|| panic!("no such span has come:\n{}", self.process.log()))
    }

    /// Waits until somebody waits for an answer that does not come.
    #[track_caller]
    pub fn wait_hanging(&self) {
        let hanging = self.process.wait_line(DEADLINE, |line| event(line, "hanging"));
        assert!(hanging.is_some(), "nobody has posted anything:\n{}", self.process.log());
    }

    /// How it answers from now on.
    #[track_caller]
    pub fn tell(&self, manner: &Value) {
        let told = || self.process.log().lines().filter(|line| event(line, "told").is_some()).count();
        let before = told();
        writeln!(self.input.lock().expect("input"), "{manner}").expect("the collector listens to its input");
        super::wait_for("the collector has heard", DEADLINE, || told() > before);
    }

    /// From now on it gives no answer.
    #[track_caller]
    pub fn hang(&self) {
        self.tell(&json!({ "hang": true }));
    }
}

fn event(line: &str, event: &str) -> Option<Value> {
    serde_json::from_str(line).ok().filter(|value: &Value| value["event"] == event)
}
