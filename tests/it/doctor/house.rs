//! An instance to be looked at: a policy set, a data directory and a configuration, and everything that can be done to them.

use crate::support::{PolicyDir, Sidecar, after, command, repo, run};
use serde_json::Value;
use std::{
    any::Any,
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// Whoever owns nothing.
const NOBODY: u32 = 65534;

/// The settings of a house where nothing is wrong.
const BASE: &str = "server: { admin: { auth: none } }\naudit: { retention: { age: 90d } }\n";

/// What depends on the machine that the tests run on, and not on the house.
const OF_THE_MACHINE: &[&str] = &["disk-mount", "disk-space", "disk-sync", "watches", "open-files", "memory", "clock"];

/// A stopped instance, with what has been done to it.
pub struct House {
    root: TempDir,
    first: Vec<String>,
    variables: Vec<(String, String)>,
    arguments: Vec<String>,
    as_nobody: bool,
    kept: Vec<Box<dyn Any>>,
}

/// What `sidegate doctor` has said.
#[derive(Debug)]
pub struct Report {
    pub code: Option<i32>,
    pub json: Value,
    pub stderr: String,
}

/// A mounted file system. Dropping it unmounts it.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

impl House {
    pub fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory");
        let house = Self {
            root,
            first: Vec::new(),
            variables: Vec::new(),
            arguments: Vec::new(),
            as_nobody: false,
            kept: Vec::new(),
        };
        let demo = PolicyDir::copy_of(repo("policies/demo"));
        fs::create_dir(house.path("set")).expect("a directory");
        for entry in fs::read_dir(demo.path()).expect("a directory") {
            let path = entry.expect("an entry").path();
            fs::rename(&path, house.path("set").join(path.file_name().expect("a name"))).expect("moved");
        }
        fs::create_dir(house.path("data")).expect("a directory");
        house.mode("data", 0o700);
        house.configure(BASE);
        house
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The path as it stands in a configuration.
    pub fn text(&self, name: &str) -> String {
        self.path(name).into_os_string().into_string().expect("UTF-8")
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    /// Writes the configuration.
    pub fn configure(&self, text: &str) {
        self.write("sidegate.yaml", text);
    }

    pub fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).expect("a mode");
    }

    /// Keeps something alive while it is looked at.
    pub fn keep(&mut self, thing: impl Any) {
        self.kept.push(Box::new(thing));
    }

    /// One more argument of the command.
    pub fn argument(&mut self, argument: impl Into<String>) {
        self.arguments.push(argument.into());
    }

    pub fn variable(&mut self, name: &str, value: impl Into<String>) {
        self.variables.push((name.to_owned(), value.into()));
    }

    /// What a shell does first in the process that looks.
    pub fn first(&mut self, what: &str) {
        self.first.push(what.to_owned());
    }

    /// Whoever looks owns the house and has no rights beside.
    pub fn as_nobody(&mut self) {
        if !is_root() {
            return;
        }
        self.as_nobody = true;
        self.mode("", 0o755);
        let mut command = Command::new("chown");
        command.arg("-R").arg(NOBODY.to_string()).arg(self.root.path());
        assert!(run(command).code == Some(0), "chown");
    }

    /// Gives a file to nobody.
    pub fn give_away(&self, name: &str) {
        chown(self.path(name), Some(NOBODY), None).expect("chown");
    }

    /// Mounts a small file system in memory in place of a directory; `false`, aloud, where that is not allowed.
    pub fn mount(&mut self, name: &str, options: &str) -> bool {
        let place = self.path(name);
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "sidegate-test"]).arg(&place).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            self.keep(Mounted(place));
            return true;
        }
        skipped("this user may not mount a small file system")
    }

    /// Lets whoever looks live where it is root of mounts of its own, and do this first in a shell; `false`, aloud, where that is not
    /// allowed.
    pub fn mounts(&mut self, what: &str) -> bool {
        let own = "unshare --user --map-root-user --mount sh -c";
        let tried = Command::new("sh").arg("-c").arg(format!("{own} '{what}'")).output();
        if tried.is_ok_and(|output| output.status.success()) {
            self.first(&format!("exec {own} '{what} && exec \"$0\" \"$@\"' \"$0\" \"$@\""));
            return true;
        }
        skipped("this user may not mount anything in a namespace of its own")
    }

    /// Runs the instance on these files until `what` is done, and stops it.
    pub fn live(&self, what: impl FnOnce(&Sidecar)) {
        let sidecar = Sidecar::builder().policies(self.path("set")).data(self.path("data")).start();
        what(&sidecar);
        assert_eq!(sidecar.stop().code, Some(0));
    }

    /// Looks.
    #[track_caller]
    pub fn doctor(&self) -> Report {
        let exited = run(self.command(&["--output", "json"]));
        let json = serde_json::from_str(&exited.stdout).unwrap_or_else(|error| panic!("{error}: {exited:?}"));
        Report { code: exited.code, json, stderr: exited.stderr }
    }

    /// The command, with these arguments last.
    pub fn command(&self, last: &[&str]) -> Command {
        let any = "127.0.0.1:0";
        let mut looking = command(["doctor", "--config"]);
        looking.arg(self.path("sidegate.yaml")).arg("--policies").arg(self.path("set"));
        looking.arg("--data").arg(self.path("data"));
        looking.args(["--authorize-listen", any, "--admin-listen", any, "--ops-listen", any]);
        looking.args(&self.arguments).args(last).envs(self.variables.iter().cloned());
        if self.as_nobody {
            looking = self.nobody(&looking);
        }
        if self.first.is_empty() { looking } else { after(&self.first.join(" && "), &looking) }
    }

    /// The same command by nobody, who may not even see where the binary was built.
    fn nobody(&self, looking: &Command) -> Command {
        let binary = self.path("sidegate");
        if !binary.exists() && fs::hard_link(looking.get_program(), &binary).is_err() {
            fs::copy(looking.get_program(), &binary).expect("a copy of the binary");
        }
        let mut command = Command::new("setpriv");
        let id = NOBODY.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(binary).args(looking.get_args());
        command.envs(looking.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir("/");
        command
    }
}

impl Report {
    /// The findings of a check.
    pub fn of(&self, check: &str) -> Vec<&Value> {
        self.json["findings"].as_array().expect("a list").iter().filter(|finding| finding["check"] == check).collect()
    }

    /// Whether a check has a finding of this level that says all of these texts, and says what to do.
    #[track_caller]
    pub fn assert(&self, name: &str, check: &str, level: &str, says: &[&str]) {
        let found = self.of(check).into_iter().any(|finding| {
            let text = format!("{} {}", finding["what"], finding["mend"]);
            finding["level"] == level && says.iter().all(|says| text.contains(says)) && finding["mend"].is_string()
        });
        assert!(found, "{name}: no {level} of `{check}` that says {says:?} in {:#}\n{}", self.json, self.stderr);
    }

    /// Everything that is wrong, the machine apart.
    pub fn wrong(&self) -> Vec<&Value> {
        let list = self.json["findings"].as_array().expect("a list").iter();
        let is_wrong = |finding: &&Value| finding["level"] == "warning" || finding["level"] == "error";
        list.filter(is_wrong).filter(|finding| !OF_THE_MACHINE.iter().any(|check| finding["check"] == *check)).collect()
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says, also where the test passes, that a part of it was left out.
pub fn skipped(why: &str) -> bool {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    writeln!(std::io::stderr(), "SKIPPED in part {test}: {why}").expect("stderr is open");
    false
}

/// Fills a file system until not a byte more fits.
pub fn fill(place: &Path) {
    let mut ballast = fs::File::create(place.join("ballast")).expect("a file");
    while ballast.write_all(&[1; 4096]).is_ok() {}
}
