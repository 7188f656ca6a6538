//! The sidecar as a process of its own, and what the system says of its memory.

use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};
use tempfile::TempDir;

/// A running sidecar; dropping it ends it.
#[derive(Debug)]
pub struct Sidecar {
    pub authorize: SocketAddr,
    admin: SocketAddr,
    process: Child,
    client: ureq::Agent,
    _files: TempDir,
}

impl Sidecar {
    /// Starts it on a policy directory, with these settings under `policies`.
    pub fn start(policies: &Path, settings: &str) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let config = files.path().join("sidegate.yaml");
        fs::write(&config, format!("server: {{ admin: {{ auth: none }} }}\npolicies: {{ {settings} }}\n"))
            .expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
        command.arg("serve").arg("--config").arg(config).arg("--policies").arg(policies);
        command.arg("--data").arg(files.path().join("data"));
        for listener in ["--authorize-listen", "--admin-listen", "--ops-listen"] {
            command.args([listener, "127.0.0.1:0"]);
        }
        let mut process = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        let (mut authorize, mut admin, mut is_ready) = (None, None, false);
        while authorize.is_none() || admin.is_none() || !is_ready {
            let line = lines.next().expect("it starts").expect("a line");
            let line: Value = serde_json::from_str(&line).expect("JSON");
            is_ready |= line["event"] == "ready";
            let address = || line["address"].as_str().and_then(|address| address.parse().ok());
            match line["listener"].as_str() {
                Some("authorize") => authorize = address(),
                Some("admin") => admin = address(),
                _ => {}
            }
        }
        // What else it prints must not fill the pipe.
        thread::spawn(move || lines.for_each(drop));
        let client = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
        let (authorize, admin) = (authorize.expect("found"), admin.expect("found"));
        Self { authorize, admin, process, client, _files: files }
    }

    /// Asks for a look at the files and waits for what comes of it.
    pub fn reload(&self) -> Value {
        let answer = self.client.post(format!("http://{}/v1/policies/reload", self.admin)).send("").expect("an answer");
        serde_json::from_str(&answer.into_body().read_to_string().expect("a body")).expect("JSON")
    }

    /// Asks one question.
    pub fn ask(&self, body: &str) -> Value {
        let url = format!("http://{}/v1/authorize", self.authorize);
        let answer = self.client.post(url).header("content-type", "application/json").send(body).expect("an answer");
        serde_json::from_str(&answer.into_body().read_to_string().expect("a body")).expect("JSON")
    }

    /// Bytes that the process holds now.
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most bytes that it has held since [`Sidecar::forget_peak`].
    pub fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Begins to look for the peak anew.
    pub fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5").expect("the process is ours");
    }

    fn status(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("the process runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
        let kilobytes: u64 = line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number");
        kilobytes * 1024
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("its end");
    }
}
