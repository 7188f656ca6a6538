//! The servers that are measured, as processes of their own.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};
use tempfile::TempDir;

/// How many policies the sidecar holds; by its index it makes no difference.
const POLICIES: usize = 1000;

/// The ways in which the sidecar runs, each with its settings under `audit`.
pub const WAYS: [(&str, &str); 3] = [
    ("durable", "{ mode: durable }"),
    ("synced", "{ mode: synced }"),
    // Every allow is sampled away; one in four billion is kept.
    ("no log", "{ mode: durable, sample: [{ action: edit, keep_one_in: 4294967295 }] }"),
];

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    process: Child,
    _files: Option<TempDir>,
}

impl Server {
    /// The bare server: this program once more.
    pub fn bare() -> Self {
        let program = std::env::current_exe().expect("the path of this program");
        let mut command = Command::new(program);
        command.arg("--bare");
        Self::start(command, None)
    }

    /// The sidecar, with these settings of its audit log.
    pub fn sidecar(audit: &str) -> Self {
        Self::sidecar_with(audit, "")
    }

    /// The same, with these settings below `server` too.
    pub fn sidecar_with(audit: &str, server: &str) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let policies = files.path().join("policies");
        fs::create_dir(&policies).expect("a directory");
        fs::write(policies.join("policies.cedar"), policy_text()).expect("a file");
        let config = files.path().join("sidegate.yaml");
        let settings = format!("server: {{ admin: {{ auth: none }}{server} }}\naudit: {audit}\n");
        fs::write(&config, settings).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
        command.arg("serve").arg("--config").arg(config).arg("--policies").arg(policies);
        command.arg("--data").arg(files.path().join("data"));
        for listener in ["--authorize-listen", "--admin-listen", "--ops-listen"] {
            command.args([listener, "127.0.0.1:0"]);
        }
        Self::start(command, Some(files))
    }

    /// Starts a program that announces an authorize listener.
    pub fn start(mut command: Command, files: Option<TempDir>) -> Self {
        let mut process = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let mut lines = BufReader::new(process.stderr.take().expect("piped")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(&line).ok())
            .find(|line| line["event"] == "listening" && line["listener"] == "authorize")
            .and_then(|line| line["address"].as_str()?.parse().ok())
            .expect("the address of the authorize listener");
        // What else it prints must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { address, process, _files: files }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().expect("the server runs");
        self.process.wait().expect("its end");
    }
}

/// Policies with conditions, of which one applies to the question that is asked.
fn policy_text() -> String {
    let mut text = String::new();
    for number in 0..POLICIES {
        writeln!(
            text,
            "@id(\"own-{number}\") permit (principal == User::\"u{number}\", action == Action::\"edit\", resource is order)\n\
             when {{ resource has account_manager && resource.account_manager == principal && resource.status == \"open\" }};"
        )
        .expect("a text");
    }
    text
}
