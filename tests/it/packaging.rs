//! What runs the product on a machine: the systemd unit beside the configuration that it is made for, the image, the Debian package.

/// The Debian package.
mod debian;
/// The image, in an empty root.
mod image;
/// Manual pages and completions.
mod man;
/// The bill of materials.
mod sbom;

use crate::support::{repo, run, sidegate};
use serde_json::Value;
use std::{fs, io::Write as _, process::Command};

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

    let starts = [value("ExecStartPre"), value("ExecStart")];
    for start in &starts {
        let words: Vec<_> = start.split(' ').collect();
        assert_eq!((words[0], words[1]), ("/usr/bin/sidegate", "serve"));
        let at = words.iter().position(|word| *word == "--config").expect("a configuration");
        assert_eq!(words[at + 1], "/etc/sidegate/sidegate.yaml");
    }
    // What is checked before is what is run afterwards.
    assert_eq!(starts[0].replace(" --check-config", ""), starts[1]);
    let checked = starts[0].replace("/etc/sidegate/sidegate.yaml", repo(CONFIG).to_str().expect("UTF-8"));
    let exited = sidegate(checked.split(' ').skip(1));
    assert_eq!(exited.code, Some(0), "{exited:?}");
    // The exit code of a configuration error: starting again would not help.
    let wrong = sidegate(["serve", "--check-config", "--config", "/no/such/file"]);
    assert_eq!(wrong.code.map(|code| code.to_string()), Some(value("RestartPreventExitStatus")));
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
