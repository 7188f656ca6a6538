//! The sidecar under test: the real binary on free ports, with a data directory of its own.

use super::{
    client::{Answer, Client},
    process::{self, Exited, Process},
    raw::Raw,
    wait::{wait_for, wait_until},
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// Generous: the machine may be busy with other tests and builds.
const START_DEADLINE: Duration = Duration::from_secs(30);
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// The name of the configuration file.
const CONFIG: &str = "sidegate.yaml";

/// Settings that every test starts from; fragments lie over them.
const BASE: &str = "server: { admin: { auth: none } }\ntelemetry: { log: { format: json } }\n";

/// How to start a sidecar.
#[derive(Debug)]
pub struct Builder {
    policies: PathBuf,
    data: Option<PathBuf>,
    config: serde_yaml::Value,
    env: Vec<(String, String)>,
    args: Vec<String>,
    whole: Option<Vec<String>>,
    through: Option<Vec<String>>,
    shell: Option<String>,
    listen: [(&'static str, String); 3],
}

/// A running sidecar. Dropping it kills it.
#[derive(Debug)]
pub struct Sidecar {
    process: Process,
    client: Client,
    authorize: SocketAddr,
    admin: SocketAddr,
    ops: SocketAddr,
    data: PathBuf,
    // Deleted last, after the process has gone.
    scratch: TempDir,
}

impl Builder {
    /// The policy directory. Default: `policies/demo`.
    #[must_use]
    pub fn policies(mut self, directory: impl AsRef<Path>) -> Self {
        directory.as_ref().clone_into(&mut self.policies);
        self
    }

    /// The data directory, for a test that uses one twice. Default: a fresh one.
    #[must_use]
    pub fn data(mut self, directory: impl AsRef<Path>) -> Self {
        self.data = Some(directory.as_ref().to_owned());
        self
    }

    /// Settings in YAML; they lie over those given before, key by key.
    #[must_use]
    pub fn config(mut self, fragment: &str) -> Self {
        overlay(&mut self.config, serde_yaml::from_str(fragment).expect("a fragment of YAML"));
        self
    }

    /// An environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where a listener (`authorize`, `admin`, `ops`) is bound. Default: a free port of the loopback address.
    #[must_use]
    pub fn listen(mut self, listener: &str, address: &str) -> Self {
        let place = self.listen.iter_mut().find(|(name, _)| *name == listener).expect("a listener");
        address.clone_into(&mut place.1);
        self
    }

    /// One more argument of `serve`.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.args.push(argument.to_owned());
        self
    }

    /// The arguments as somebody else has put them together, instead of those of the policy and data directory and the settings;
    /// the addresses follow them.
    #[must_use]
    pub fn whole(mut self, arguments: Vec<String>) -> Self {
        self.whole = Some(arguments);
        self
    }

    /// What is run instead of the binary under test, such as another build of it: a program and the first of its arguments.
    #[must_use]
    pub fn through(mut self, program: Vec<String>) -> Self {
        self.through = Some(program);
        self
    }

    /// What a shell does first in the process that becomes the sidecar, such as `umask 000`.
    #[must_use]
    pub fn shell(mut self, first: &str) -> Self {
        self.shell = Some(first.to_owned());
        self
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub fn start(self) -> Sidecar {
        match self.start_or_fail() {
            Ok(sidecar) => sidecar,
            Err(exited) => panic!("the sidecar did not announce its listeners, it printed:\n{}", exited.stderr),
        }
    }

    /// Starts it and waits until it is ready, or for its end.
    #[track_caller]
    pub fn start_or_fail(self) -> Result<Sidecar, Exited> {
        let ops_speaks_tls = !self.config["server"]["ops"]["tls"].is_null();
        let (process, data, scratch) = self.spawn();
        let Some([authorize, admin, ops]) = addresses(&process) else {
            return Err(process.wait_exit(START_DEADLINE).expect("it has announced nothing, so it ends"));
        };
        let sidecar = Sidecar { process, client: Client::new(), authorize, admin, ops, data, scratch };
        if ops_speaks_tls {
            sidecar.wait_event("ready", START_DEADLINE, |_| true);
            return Ok(sidecar);
        }
        wait_for("/readyz answers 200", START_DEADLINE, || {
            sidecar.client.get(sidecar.ops, "/readyz", &[]).is_ok_and(|answer| answer.status == 200)
        });
        Ok(sidecar)
    }

    /// Starts it where the start must fail, and waits for its end.
    #[track_caller]
    pub fn start_failing(self) -> Exited {
        let (process, _data, _scratch) = self.spawn();
        match process.wait_exit(START_DEADLINE) {
            Some(exited) => exited,
            None => panic!("the start should have failed, it printed:\n{}", process.log()),
        }
    }

    /// Starts it and waits for nothing. The directory holds its configuration.
    pub fn begin(self) -> (Process, TempDir) {
        let (process, _data, scratch) = self.spawn();
        (process, scratch)
    }

    fn spawn(self) -> (Process, PathBuf, TempDir) {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let data = self.data.unwrap_or_else(|| scratch.path().join("data"));
        fs::create_dir_all(&data).expect("a data directory");
        let config = scratch.path().join(CONFIG);
        fs::write(&config, serde_yaml::to_string(&self.config).expect("YAML")).expect("a configuration file");

        let mut command = if let Some(arguments) = &self.whole {
            process::command(arguments)
        } else {
            let mut command = process::command(["serve", "--config"]);
            command.arg(&config).arg("--policies").arg(&self.policies).arg("--data").arg(&data);
            command
        };
        for (listener, address) in &self.listen {
            command.arg(format!("--{listener}-listen")).arg(address);
        }
        command.args(&self.args).envs(self.env);
        if let Some(program) = &self.through {
            command = process::instead(program, &command);
        }
        if let Some(first) = &self.shell {
            command = process::after(first, &command);
        }
        (Process::spawn(command), data, scratch)
    }
}

impl Sidecar {
    /// A sidecar on `policies/demo`, free ports, a fresh data directory, an open admin listener and JSON logs.
    pub fn builder() -> Builder {
        Builder {
            policies: super::repo("policies/demo"),
            data: None,
            config: serde_yaml::from_str(BASE).expect("YAML"),
            env: Vec::new(),
            args: Vec::new(),
            whole: None,
            through: None,
            shell: None,
            listen: ["authorize", "admin", "ops"].map(|listener| (listener, "127.0.0.1:0".to_owned())),
        }
    }

    /// Asks `POST /v1/authorize`: status and body.
    #[track_caller]
    pub fn authorize(&self, question: &Value) -> (u16, Value) {
        let answer = self.post("/v1/authorize", question);
        (answer.status, answer.json())
    }

    /// `POST` of JSON to the authorize listener.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_text(path, &[], &body.to_string())
    }

    /// `POST` of any text, with more headers, to the authorize listener.
    #[track_caller]
    pub fn post_text(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.client.post(self.authorize, path, headers, body).expect("the authorize listener answers")
    }

    /// `GET` of the authorize listener.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.client.get(self.authorize, path, &[]).expect("the authorize listener answers")
    }

    /// `GET` of the admin listener.
    #[track_caller]
    pub fn admin_get(&self, path: &str) -> Answer {
        self.client.get(self.admin, path, &[]).expect("the admin listener answers")
    }

    /// `POST` of JSON to the admin listener.
    #[track_caller]
    pub fn admin_post(&self, path: &str, body: &Value) -> Answer {
        self.client.post(self.admin, path, &[], &body.to_string()).expect("the admin listener answers")
    }

    /// Waits for a decision in the audit log, which is written a moment after the answer, and gives the last one.
    #[track_caller]
    pub fn wait_decision(&self) -> Value {
        let last = || self.admin_get("/v1/audit?kind=decision&limit=1").json()["items"].get(0).cloned();
        wait_until(START_DEADLINE, last).expect("a decision in the audit log")
    }

    /// `GET` of the ops listener.
    #[track_caller]
    pub fn ops_get(&self, path: &str) -> Answer {
        self.client.get(self.ops, path, &[]).expect("the ops listener answers")
    }

    /// The value of one series of `/metrics`, named as it is printed: `name{label="value",...}`. 0 where it is absent.
    #[track_caller]
    pub fn metric(&self, series: &str) -> f64 {
        let metrics = self.ops_get("/metrics").body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.trim().parse().expect("a number"))
    }

    /// The sum of all series of a counter whose labels contain each of these texts, such as `decision="allow"`.
    #[track_caller]
    pub fn count(&self, name: &str, labels: &[&str]) -> u64 {
        let metrics = self.ops_get("/metrics").body;
        let series = metrics.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        series.map(|line| line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok()).expect("a count")).sum()
    }

    /// A bare connection to the authorize listener.
    pub fn raw(&self) -> Raw {
        Raw::connect(self.authorize)
    }

    /// Where applications ask.
    pub fn authorize_address(&self) -> SocketAddr {
        self.authorize
    }

    /// Where administrators are served.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Where metrics and probes are.
    pub fn ops_address(&self) -> SocketAddr {
        self.ops
    }

    /// The client, for calls with headers of their own.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Changes the configuration file of the running sidecar: settings in YAML that lie over those that stand there.
    pub fn configure(&self, fragment: &str) {
        let path = self.scratch.path().join(CONFIG);
        let text = fs::read_to_string(&path).expect("the configuration");
        let mut config = serde_yaml::from_str(&text).expect("YAML");
        overlay(&mut config, serde_yaml::from_str(fragment).expect("a fragment of YAML"));
        self.write_config(&serde_yaml::to_string(&config).expect("YAML"));
    }

    /// Replaces the configuration file of the running sidecar.
    pub fn write_config(&self, text: &str) {
        let draft = self.scratch.path().join(".draft");
        fs::write(&draft, text).expect("written");
        fs::rename(&draft, self.scratch.path().join(CONFIG)).expect("moved");
    }

    /// The text of the configuration file.
    pub fn config_text(&self) -> String {
        fs::read_to_string(self.scratch.path().join(CONFIG)).expect("the configuration")
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Kills it as a crash would.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait_exit(&self, deadline: Duration) -> Exited {
        match self.process.wait_exit(deadline) {
            Some(exited) => exited,
            None => panic!("the sidecar did not end within {deadline:?}, it printed:\n{}", self.log()),
        }
    }

    /// Stops it as an orchestrator would, and waits for its end.
    #[track_caller]
    pub fn stop(&self) -> Exited {
        self.signal(Signal::TERM);
        self.wait_exit(STOP_DEADLINE)
    }

    /// Everything it has printed so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The log lines of one event, as JSON.
    pub fn events(&self, event: &str) -> Vec<Value> {
        let log = self.log();
        log.lines().filter_map(|line| parse_event(line, event)).collect()
    }

    /// Waits for a log line of one event that `accept` takes.
    #[track_caller]
    pub fn wait_event(&self, event: &str, deadline: Duration, accept: impl Fn(&Value) -> bool) -> Value {
        let found = self.process.wait_line(deadline, |line| parse_event(line, event).filter(&accept));
        found.unwrap_or_else(|| panic!("no log line `{event}` that was looked for within {deadline:?}"))
    }
}

/// The addresses of the three listeners, as the log announces them.
fn addresses(process: &Process) -> Option<[SocketAddr; 3]> {
    let mut found = [None; 3];
    process.wait_line(START_DEADLINE, |line| {
        let event = parse_event(line, "listening")?;
        let place = ["authorize", "admin", "ops"].iter().position(|name| event["listener"] == **name)?;
        // A Unix socket is no such address.
        found[place] = event["address"].as_str()?.parse().ok().or(found[place]);
        let [authorize, admin, ops] = found;
        Some([authorize?, admin?, ops?])
    })
}

fn parse_event(line: &str, event: &str) -> Option<Value> {
    if !line.contains(event) {
        return None;
    }
    let value: Value = serde_json::from_str(line).ok()?;
    (value["event"] == event).then_some(value)
}

fn overlay(base: &mut serde_yaml::Value, over: serde_yaml::Value) {
    match (base, over) {
        (serde_yaml::Value::Mapping(base), serde_yaml::Value::Mapping(over)) => {
            for (key, value) in over {
                overlay(base.entry(key).or_insert(serde_yaml::Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}
