//! Where a page is performed: a directory with what the repository holds, a shell, and the sidecar that the page starts.

use super::{
    compare::is_as_shown,
    page::{Action, Block, Listener, Output},
};
use crate::support::{Exited, Sidecar, repo, run, wait_until};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

/// For what is true a moment later.
const SOON: Duration = Duration::from_secs(20);

/// What pages find in their directory, as whoever has cloned the repository does.
const CLONED: &[&str] = &["policies", "config", "docs", "helm", "packaging", "schemas"];

/// Programs that pages call.
const TOOLS: &[&str] = &[".tools/bin", ".tools/prometheus/usr/bin", ".tools/python/bin"];

/// Directories of an installation; on the stage they are below the page's.
const PLACES: &[&str] = &["/etc/sidegate", "/run/sidegate", "/var/lib/sidegate"];

/// Where the listeners are unless somebody says otherwise.
const ADDRESSES: [&str; 3] = ["127.0.0.1:8480", "127.0.0.1:8481", "127.0.0.1:8482"];

/// What a block printed or was answered.
#[derive(Debug, Default)]
struct Said {
    stdout: String,
    stderr: String,
}

/// A page's own world.
#[derive(Debug)]
pub struct Stage {
    sidecar: Option<Sidecar>,
    samples: usize,
    said: Option<Said>,
    root: TempDir,
}

impl Stage {
    pub fn new() -> Self {
        let stage = Self { sidecar: None, samples: 0, said: None, root: tempfile::tempdir().expect("a directory") };
        fs::create_dir_all(stage.root.path().join("bin")).expect("a directory");
        fs::create_dir_all(stage.page()).expect("a directory");
        for place in PLACES {
            fs::create_dir_all(stage.root.path().join(&place[1..])).expect("a directory");
        }
        fs::write(stage.root.path().join(".curlrc"), "fail-with-body\nshow-error\n").expect("a file");
        let mut copy = Command::new("cp");
        copy.arg("-r").args(CLONED.iter().map(|folder| repo(folder))).arg(stage.page());
        assert_eq!(run(copy).code, Some(0));
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sidegate"), stage.root.path().join("bin/sidegate"))
            .expect("a link");
        stage
    }

    /// Does what a block says. `next` is the block behind it, which says what a moment later is true.
    pub fn perform(&mut self, block: &Block, next: Option<&Block>) -> Result<(), String> {
        match block.action()? {
            Action::Run { codes, eventually: false } => self.said = Some(self.script(&block.text, codes)?),
            Action::Run { codes, eventually: true } => {
                let shown = next.filter(|next| next.is_output()).ok_or("no block behind it shows what it waits for")?;
                let mut last = Ok(());
                wait_until(SOON, || {
                    last = self.script(&block.text, codes).and_then(|said| compare(shown, self.said.insert(said)));
                    last.is_ok().then_some(())
                });
                last?;
            }
            Action::Serve => self.serve(&block.text)?,
            Action::Stop => self.stop()?,
            Action::Output(_) => compare(block, self.said.as_ref().ok_or("nothing was said before it")?)?,
            Action::Ask { listener, path, status } => {
                self.said = Some(self.ask(listener, path, status, &block.text)?);
            }
            Action::Quote(path) => quoted(path, &block.text)?,
            Action::Write(path) => self.write(path, &block.text)?,
            Action::Check(path) => {
                self.write(path, &block.text)?;
                let (set, _) = path.split_once('/').ok_or("`check` wants a file in the directory of a set")?;
                self.said = Some(self.script(&format!("sidegate check {set}"), "0")?);
            }
            Action::Config => {
                self.samples += 1;
                let file = format!("sample-{}.yaml", self.samples);
                self.write(&file, &block.text)?;
                let check = format!("serve --check-config --config {file} --policies policies/demo --data checked");
                self.said = Some(self.script(&format!("sidegate {check}"), "0")?);
            }
            Action::Leave(_) => {}
        }
        Ok(())
    }

    /// The sidecar that the page has started last.
    pub fn sidecar(&self) -> &Sidecar {
        self.sidecar.as_ref().expect("a page that serves")
    }

    /// What a command prints that is not of the page.
    pub fn shell(&self, script: &str, code: i32) -> Result<String, String> {
        self.script(script, &code.to_string()).map(|said| said.stdout)
    }

    fn page(&self) -> PathBuf {
        self.root.path().join("page")
    }

    /// A text with the addresses and places of the stage in it.
    fn real(&self, text: &str) -> String {
        let mut text = PLACES.iter().fold(text.to_owned(), |text, place| {
            text.replace(place, &format!("{}{place}", self.root.path().display()))
        });
        if let Some(sidecar) = &self.sidecar {
            for (shown, real) in ADDRESSES.iter().zip(addresses(sidecar)) {
                text = text.replace(shown, &real);
            }
        }
        text
    }

    /// The same backwards.
    fn told(&self, text: &str) -> String {
        let mut text = text
            .replace(&format!("{}/", self.page().display()), "")
            .replace(&self.root.path().display().to_string(), "");
        if let Some(sidecar) = &self.sidecar {
            for (shown, real) in ADDRESSES.iter().zip(addresses(sidecar)) {
                text = text.replace(&real, shown);
            }
        }
        text
    }

    /// Runs a script where the one before it has left off: its directory and its variables.
    fn script(&self, script: &str, codes: &str) -> Result<Said, String> {
        let exited = run(self.bash(&format!(
            "set -euo pipefail\nif [ -e ../variables ]; then . ../variables; cd \"$PWD\"; fi\nset -a\n\
             trap 'export -p > {root}/variables; pwd > {root}/directory' EXIT\n{script}",
            root = self.root.path().display(),
            script = self.real(script)
        )));
        if codes.split(',').any(|code| exited.code.is_some_and(|found| found.to_string() == code)) {
            Ok(Said { stdout: self.told(&exited.stdout), stderr: self.told(&exited.stderr) })
        } else {
            Err(format!("it should end with {codes}: {}", shown_whole(&exited)))
        }
    }

    fn bash(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        let names = std::env::vars_os().map(|(name, _)| name);
        for name in names.filter(|name| {
            let name = name.to_string_lossy();
            name.starts_with("SIDEGATE_") || name.to_lowercase().ends_with("_proxy")
        }) {
            command.env_remove(name);
        }
        let tools = TOOLS.iter().map(|tool| repo(tool));
        let own = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(
            [self.root.path().join("bin")].into_iter().chain(tools).chain(std::env::split_paths(&own)),
        );
        command.env("PATH", path.expect("paths")).env("NO_COLOR", "1").current_dir(self.page()).arg("-c").arg(script);
        // An answer that is no success fails the command, which curl by itself would take for done.
        command.env("CURL_HOME", self.root.path());
        command
    }

    /// Starts the sidecar as the last line says, with its listeners on free ports. Lines before it are of the terminal in which it runs.
    fn serve(&mut self, lines: &str) -> Result<(), String> {
        self.stop()?;
        let lines = self.real(lines);
        let (first, line) = lines.trim_end().rsplit_once('\n').unwrap_or(("", lines.trim_end()));
        let mut words = line.split_whitespace().map(str::to_owned).peekable();
        // Where the shell stands.
        let directory = fs::read_to_string(self.root.path().join("directory"))
            .unwrap_or_else(|_| self.page().display().to_string());
        let mut builder = Sidecar::builder().env("SIDEGATE_TELEMETRY__LOG__FORMAT", "json").env("NO_COLOR", "1");
        while let Some((name, value)) =
            words.peek().and_then(|word| word.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned()))
        {
            builder = builder.env(&name, &value);
            words.next();
        }
        let arguments = match words.next().as_deref() {
            Some("sidegate") => words.collect(),
            Some("make") if words.next().as_deref() == Some("run") => made(&words.collect::<Vec<_>>())?,
            _ => return Err("what serves is `sidegate serve` or `make run`".to_owned()),
        };
        let first: String = first.lines().map(|line| format!("; {line}")).collect();
        let enter = format!("set -e; cd '{}'{first}", directory.trim());
        let started = builder.whole(arguments).shell(&enter).start_or_fail();
        self.sidecar = Some(started.map_err(|exited| format!("it does not start: {}", shown_whole(&exited)))?);
        Ok(())
    }

    fn stop(&mut self) -> Result<(), String> {
        match self.sidecar.take().map(|sidecar| sidecar.stop()) {
            Some(exited) if exited.code != Some(0) => Err(format!("it should stop with 0: {}", shown_whole(&exited))),
            _ => Ok(()),
        }
    }

    fn ask(&self, listener: Listener, path: &str, status: u16, body: &str) -> Result<Said, String> {
        let sidecar = self.sidecar.as_ref().ok_or("no sidecar was started")?;
        let address = match listener {
            Listener::Authorize => sidecar.authorize_address(),
            Listener::Admin => sidecar.admin_address(),
        };
        let answer = sidecar.client().post(address, path, &[], body).map_err(|error| error.to_string())?;
        if answer.status == status {
            Ok(Said { stdout: self.told(&answer.body), stderr: String::new() })
        } else {
            Err(format!("{path} should answer {status}: {} {}", answer.status, answer.body))
        }
    }

    /// Writes a file where the page stands.
    pub fn write(&self, path: &str, text: &str) -> Result<(), String> {
        let directory =
            fs::read_to_string(self.root.path().join("directory")).map_or_else(|_| self.page(), |d| d.trim().into());
        let place = directory.join(self.real(path));
        fs::create_dir_all(place.parent().unwrap_or(Path::new("/"))).map_err(|error| error.to_string())?;
        fs::write(place, self.real(text)).map_err(|error| error.to_string())
    }
}

/// What `make run` starts, as the Makefile says.
fn made(variables: &[String]) -> Result<Vec<String>, String> {
    let makefile = fs::read_to_string(repo("Makefile")).map_err(|error| error.to_string())?;
    let (_, recipe) = makefile.split_once("scripts/run target/release/sidegate ").ok_or("`make run` has changed")?;
    let mut recipe = recipe.lines().next().unwrap_or_default().to_owned();
    for name in ["CONFIG", "POLICIES", "DATA"] {
        let given = variables.iter().find_map(|variable| variable.strip_prefix(name)?.strip_prefix('='));
        let otherwise = || makefile.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" ?= "));
        let value = given.or_else(otherwise).ok_or_else(|| format!("the Makefile has no {name}"))?;
        recipe = recipe.replace(&format!("$({name})"), value);
    }
    let words: Vec<_> = recipe.split(' ').map(str::to_owned).collect();
    if words.iter().any(|word| word.contains('$')) {
        Err(format!("`make run` has changed: {recipe}"))
    } else {
        Ok(words)
    }
}

fn addresses(sidecar: &Sidecar) -> [String; 3] {
    [sidecar.authorize_address(), sidecar.admin_address(), sidecar.ops_address()].map(|address| address.to_string())
}

/// Whether a file holds these lines, as they are or all further to the right.
fn quoted(path: &str, text: &str) -> Result<(), String> {
    let source = fs::read_to_string(repo(path)).map_err(|error| format!("{path}: {error}"))?;
    let (lines, quoted): (Vec<&str>, Vec<&str>) = (source.lines().collect(), text.lines().collect());
    let Some(first) = quoted.first() else { return Err("an empty quote".to_owned()) };
    let holds = lines.windows(quoted.len()).any(|window| {
        let indent = window[0].strip_suffix(first).filter(|indent| indent.trim().is_empty());
        indent.is_some_and(|indent| {
            window.iter().zip(&quoted).all(|(line, quoted)| line.strip_prefix(indent).unwrap_or(line.trim()) == *quoted)
        })
    });
    if holds { Ok(()) } else { Err(format!("`{path}` does not hold it")) }
}

fn compare(shown: &Block, said: &Said) -> Result<(), String> {
    let (found, part) = match shown.action()? {
        Action::Output(Output::Stderr) => (&said.stderr, false),
        Action::Output(Output::Part) => (&said.stdout, true),
        _ => (&said.stdout, false),
    };
    if is_as_shown(&shown.text, found, part) {
        return Ok(());
    }
    Err(format!("line {} shows\n{}--- and what comes out is\n{}\n{}", shown.line, shown.text, said.stdout, said.stderr))
}

fn shown_whole(exited: &Exited) -> String {
    format!("{:?}\n{}{}", exited.code, exited.stdout, exited.stderr)
}
