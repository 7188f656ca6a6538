//! A real mail server, `mail_server.py`, run by the Python that `scripts/install-test-tools` has prepared.

use super::{
    paths::repo,
    process::{Process, run},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{ChildStdin, Command},
    sync::Mutex,
    time::Duration,
};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(30);

/// A mail server. Dropping it ends it.
#[derive(Debug)]
pub struct MailServer {
    process: Process,
    input: Mutex<ChildStdin>,
    port: u16,
}

/// How to start a mail server.
#[derive(Debug)]
pub struct Builder(Command);

/// A certificate for `localhost` that nobody has signed, with its key.
#[derive(Debug)]
pub struct Certificate(TempDir);

impl Builder {
    /// TLS as `mail.smtp.tls` names it.
    #[must_use]
    pub fn tls(mut self, tls: &str, certificate: &Certificate) -> Self {
        self.0.args(["--tls", tls]).arg("--certificate").arg(certificate.path()).arg("--key").arg(certificate.key());
        self
    }

    /// Who must log in before the server takes anything.
    #[must_use]
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.0.args(["--user", user, "--password", password]);
        self
    }

    /// The port. Default: a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.0.args(["--port", &port.to_string()]);
        self
    }

    /// Starts it, and waits until it listens.
    #[track_caller]
    pub fn start(self) -> MailServer {
        let (process, input) = Process::spawn_listening(self.0);
        let listening = process.wait_line(DEADLINE, |line| event(line, "listening"));
        let Some(listening) = listening else { panic!("the mail server does not listen:\n{}", process.log()) };
        let port = listening["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        MailServer { process, input: Mutex::new(input), port }
    }
}

impl MailServer {
    /// A server on a free port, without TLS and without a login.
    #[track_caller]
    pub fn builder() -> Builder {
        let python = repo(".tools/python/bin/python");
        assert!(python.exists(), "the mail server of the tests is not installed: run `scripts/install-test-tools`");
        let mut command = Command::new(python);
        command.arg(repo("tests/it/support/mail_server.py"));
        Builder(command)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A port where nobody listens yet.
    pub fn free_port() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("bound").port()
    }

    /// What it has taken so far.
    pub fn mails(&self) -> Vec<Value> {
        self.process.log().lines().filter_map(|line| event(line, "mail")).collect()
    }

    /// Waits for a mail to an address.
    #[track_caller]
    pub fn wait_mail(&self, to: &str) -> Value {
        let mail = self.process.wait_line(DEADLINE, |line| {
            event(line, "mail").filter(|mail| mail["to"].as_array().is_some_and(|all| all.contains(&json!(to))))
        });
        mail.unwrap_or_else(|| panic!("no mail to {to} has come:\n{}", self.process.log()))
    }

    /// From now on it answers these commands (`MAIL`, `RCPT`, `DATA`) like this.
    #[track_caller]
    pub fn refuse(&self, answers: &[(&str, &str)]) {
        let answers: serde_json::Map<_, _> =
            answers.iter().map(|(command, answer)| ((*command).to_owned(), json!(answer))).collect();
        self.tell(&json!({ "refuse": answers }));
    }

    /// From now on it does not answer this command.
    #[track_caller]
    pub fn hang(&self, command: &str) {
        self.tell(&json!({ "hang": [command] }));
    }

    /// Waits until somebody waits for the answer to this command.
    #[track_caller]
    pub fn wait_hanging(&self, command: &str) {
        let hanging = self
            .process
            .wait_line(DEADLINE, |line| event(line, "hanging").filter(|hanging| hanging["command"] == command));
        assert!(hanging.is_some(), "nobody has sent {command}:\n{}", self.process.log());
    }

    /// From now on it takes everything.
    #[track_caller]
    pub fn accept(&self) {
        self.refuse(&[]);
    }

    #[track_caller]
    fn tell(&self, what: &Value) {
        let told = || self.process.log().lines().filter(|line| event(line, "told").is_some()).count();
        let before = told();
        writeln!(self.input.lock().expect("input"), "{what}").expect("the mail server listens to its input");
        super::wait_for("the mail server has heard", DEADLINE, || told() > before);
    }
}

impl Certificate {
    /// Makes one with OpenSSL.
    #[track_caller]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let config = folder.path().join("openssl.cnf");
        let settings = "[req]\nprompt = no\ndistinguished_name = name\nx509_extensions = use\n\
             [name]\nCN = localhost\n\
             [use]\nbasicConstraints = critical, CA:FALSE\nsubjectAltName = DNS:localhost\n";
        fs::write(&config, settings).expect("written");
        let certificate = Self(folder);
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-nodes", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        command.arg("-config").arg(config).arg("-out").arg(certificate.path()).arg("-keyout").arg(certificate.key());
        let made = run(command);
        assert_eq!(made.code, Some(0), "openssl: {made:?}");
        certificate
    }

    /// The certificate in PEM.
    pub fn path(&self) -> PathBuf {
        self.0.path().join("certificate.pem")
    }

    /// Its key in PEM.
    pub fn key(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }

    /// A folder for what else a test needs, deleted with the certificate.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }
}

fn event(line: &str, event: &str) -> Option<Value> {
    serde_json::from_str(line).ok().filter(|value: &Value| value["event"] == event)
}
