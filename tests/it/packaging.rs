//! What runs the product on a machine: the systemd unit beside the configuration that it is made for, the image, the Debian package.

/// The Debian package.
mod debian;
/// The image, in an empty root.
mod image;
/// The licences of what is linked.
mod licences;
/// Manual pages and completions.
mod man;
/// The bill of materials.
mod sbom;

use crate::support::{repo, run, sidegate};
use serde_json::Value;
use std::{collections::BTreeSet, fs, io::Write as _, os::unix::fs::PermissionsExt as _, process::Command};

const UNIT: &str = "packaging/sidegate.service";
const CONFIG: &str = "config/production.yaml";

/// Of the exposure that `systemd-analyze security` works out, 0 to 100, the most that is borne. Below 20 it says `OK`.
const MOST_EXPOSED: u32 = 20;

fn unit() -> String {
    fs::read_to_string(repo(UNIT)).expect("the unit")
}

/// The values of a key, in order.
fn values(key: &str) -> Vec<String> {
    let begin = format!("{key}=");
    unit().lines().filter_map(|line| line.strip_prefix(&begin)).map(str::to_owned).collect()
}

#[track_caller]
fn value(key: &str) -> String {
    let found = values(key);
    assert_eq!(found.len(), 1, "{key}: {found:?}");
    found[0].clone()
}

#[test]
fn the_unit_and_the_configuration_fit_each_other() {
    let text = fs::read_to_string(repo(CONFIG)).expect("the configuration");
    let config: Value = serde_yaml::from_str(&text).expect("YAML");
    assert_eq!(config["audit"]["directory"], format!("/var/lib/{}", value("StateDirectory")));
    assert_eq!(config["policies"]["directory"], format!("/etc/{}/policies", value("ConfigurationDirectory")));
    let seconds = |text: &str| -> u64 { text.trim_end_matches('s').parse().expect("seconds") };
    let deadline = config["shutdown"]["deadline"].as_str().expect("a duration");
    assert!(seconds(&value("TimeoutStopSec")) > seconds(deadline), "it would be killed while it stops");

    let start = value("ExecStart");
    let words: Vec<_> = start.split(' ').collect();
    assert_eq!((words[0], words[1]), ("/usr/bin/sidegate", "serve"));
    let at = words.iter().position(|word| *word == "--config").expect("a configuration");
    assert_eq!(words[at + 1], "/etc/sidegate/sidegate.yaml");
    let checked = start.replace("/etc/sidegate/sidegate.yaml", repo(CONFIG).to_str().expect("UTF-8"));
    let exited = sidegate(checked.split(' ').skip(1).chain(["--check-config"]));
    assert_eq!(exited.code, Some(0), "{exited:?}");
}

/// What does not pass by itself is not tried again, and all else for as long as it takes.
#[test]
fn the_unit_starts_again_unless_that_cannot_help() {
    assert_eq!(value("Restart"), "on-failure");
    assert_eq!(value("StartLimitIntervalSec"), "0", "no number of tries is the last");
    // systemd looks at the exit code of `ExecStart` only.
    for other in ["ExecStartPre", "ExecCondition", "ExecStartPost"] {
        assert!(values(other).is_empty(), "{other}: its exit code does not count");
    }
    let last: BTreeSet<i32> =
        value("RestartPreventExitStatus").split(' ').map(|code| code.parse().expect("a number")).collect();
    assert_eq!(last, BTreeSet::from([3, 64]));
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| scratch.path().join(name).into_os_string().into_string().expect("UTF-8");
    fs::create_dir(path("set")).expect("a directory");
    fs::write(path("set/policy-set.yaml"), "policy_set: [").expect("written");
    for (name, text) in [("slip.yaml", "audit: { mode: sync }"), ("port.yaml", "server: { ops: { listen: no-port } }")]
    {
        fs::write(path(name), text).expect("written");
    }
    let good = ["--authorize-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"];
    for (config, code) in [(None, 3), (Some("none.yaml"), 64), (Some("slip.yaml"), 64), (Some("port.yaml"), 64)] {
        let given = config.map(|config| ["--config".to_owned(), path(config)]).into_iter().flatten();
        let flags = ["serve", "--policies", &path("set"), "--data", &path("data")].map(str::to_owned);
        let flags =
            flags.into_iter().chain(if config.is_none() { good.map(str::to_owned).to_vec() } else { Vec::new() });
        let exited = sidegate(flags.chain(given).collect::<Vec<_>>());
        assert_eq!(exited.code, Some(code), "{config:?}: {exited:?}");
        assert!(last.contains(&code));
    }
}

#[test]
fn systemd_finds_no_fault_with_the_unit() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        writeln!(std::io::stderr(), "SKIPPED systemd_finds_no_fault_with_the_unit: there is no `systemd-analyze`")
            .expect("stderr is open");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("sidegate.service");
    // The unit names where packages put the binary, which is not there.
    fs::write(&path, unit().replace("/usr/bin/sidegate", env!("CARGO_BIN_EXE_sidegate"))).expect("written");
    let analyze = |args: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        command.args(args).arg(&path).env("SYSTEMD_PAGER", "");
        run(command)
    };
    let verified = analyze(&["verify", "--man=no"]);
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(!verified.stderr.contains("sidegate.service"), "{verified:?}");
    let threshold = format!("--threshold={MOST_EXPOSED}");
    let secured = analyze(&["security", "--offline=true", "--no-pager", &threshold]);
    assert_eq!(secured.code, Some(0), "{}", secured.stdout);
}

/// The chart asks for the version of the application.
#[test]
fn the_image_that_make_builds_has_the_tag_that_the_chart_asks_for() {
    let mut make = Command::new("make");
    make.args(["--dry-run", "image"]).current_dir(repo("."));
    let said = run(make);
    let image = concat!("sidegate:", env!("CARGO_PKG_VERSION"));
    assert!(said.stdout.contains(&format!(" --tag {image} ")), "{said:?}");
    let readme = fs::read_to_string(repo("helm/sidegate/README.md")).expect("a README");
    assert!(readme.contains(&format!("docker push registry.example.com/{image}\n")), "{readme}");
}

/// `sidegate_build_info` tells it.
#[test]
fn what_make_builds_names_its_commit() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let (cargo, told) = (folder.path().join("cargo"), folder.path().join("told"));
    fs::write(&cargo, format!("#!/bin/sh\necho \"$SIDEGATE_COMMIT\" >'{}'\n", told.display())).expect("written");
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).expect("a mode");
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(folder.path().to_owned()).chain(std::env::split_paths(&others));
    let path = std::env::join_paths(path).expect("folders without a colon");
    let mut git = Command::new("git");
    git.args(["rev-parse", "--short=12", "HEAD"]).current_dir(repo("."));
    let commit = git.output().ok().filter(|output| output.status.success());
    let commit = commit.map_or("unknown\n".to_owned(), |output| String::from_utf8(output.stdout).expect("UTF-8"));
    for target in ["build", "static"] {
        let mut make = Command::new("make");
        make.arg(target).current_dir(repo(".")).env("PATH", &path).env_remove("SIDEGATE_COMMIT");
        let done = run(make);
        assert_eq!(done.code, Some(0), "{target}: {done:?}");
        assert_eq!(fs::read_to_string(&told).expect("cargo was run"), commit, "{target}");
    }
}
