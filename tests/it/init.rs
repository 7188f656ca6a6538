//! `sidegate init`: what it writes is whole, covered by its tests, and served at once; nothing is overwritten.

use crate::support::{Exited, Sidecar, command, run, sidegate, wait_for};
use serde_json::json;
use std::{collections::BTreeSet, fs, path::Path, process::Command, time::Duration};

const CONFIG: &str = ".sidegate.yaml";
const SOON: Duration = Duration::from_secs(20);

/// Runs a command in a directory, as whoever stands in it.
fn run_in(directory: &Path, arguments: &[&str]) -> Exited {
    let mut command = command(arguments);
    command.current_dir(directory);
    run(command)
}

fn serve_inside(set: &Path) -> Sidecar {
    let whole = ["serve", "--config", CONFIG].map(str::to_owned).to_vec();
    let builder = Sidecar::builder().env("SIDEGATE_TELEMETRY__LOG__FORMAT", "json").whole(whole);
    builder.shell(&format!("cd '{}'", text(set))).start()
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

#[test]
fn what_it_writes_is_good_covered_and_served() {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let set = scratch.path().join("a shop");
    let made = sidegate(["init", &text(&set)]);
    assert_eq!((made.code, made.stderr.as_str()), (Some(0), ""), "{made:?}");
    assert!(made.stdout.contains("sidegate test") && made.stdout.contains("sidegate serve --config"), "{made:?}");

    let checked = sidegate(["check", &text(&set), "--output", "json"]);
    let report: serde_json::Value = serde_json::from_str(&checked.stdout).expect("JSON");
    assert_eq!((checked.code, &report["diagnostics"]), (Some(0), &json!([])), "{report:#}");
    let tested = sidegate(["test", &text(&set), "--min-coverage", "100"]);
    assert_eq!(tested.code, Some(0), "{tested:?}");
    assert!(tested.stdout.contains("routes 7 of 7"), "{tested:?}");

    let good = run_in(&set, &["serve", "--check-config", "--config", CONFIG]);
    assert_eq!(
        (good.code, good.stdout.contains("`.sidegate.yaml`: the configuration is good")),
        (Some(0), true),
        "{good:?}"
    );
    let sidecar = serve_inside(&set);
    let (_, question) = made.stdout.split_once("--json '").expect("a question to ask");
    let (question, _) = question.split_once('\'').expect("its end");
    let (status, answer) = sidecar.authorize(&serde_json::from_str(question).expect("JSON"));
    assert_eq!((status, &answer["decision"]), (200, &json!("allow")), "{answer}");
    assert!(set.join(".data/audit").is_dir(), "the data directory is that of the configuration");
    fs::write(set.join("more.yaml"), "users: { nina: { email: nina@shop.example, roles: [clerk] } }").expect("written");
    let nina = json!({ "user": "nina", "action": "edit", "resource": "order:o-1" });
    wait_for("the change is live", SOON, || sidecar.authorize(&nina).1["decision"] == "allow");
    fs::remove_file(set.join("more.yaml")).expect("removed");
    assert_eq!(sidecar.stop().code, Some(0));

    // The data directory is no part of the set.
    let again = sidegate(["check", &text(&set), "--output", "json"]);
    let again: serde_json::Value = serde_json::from_str(&again.stdout).expect("JSON");
    assert_eq!(again["revision"], report["revision"]);
}

/// What is printed is what works: word by word, in a shell that stands where `init` was called.
#[test]
fn the_commands_that_it_prints_work_as_they_are_typed() {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let made = run_in(scratch.path(), &["init", "a shop"]);
    let (_, steps) = made.stdout.split_once("What comes next:\n\n").expect("what comes next");
    let (steps, _) = steps.split_once("\n\n").expect("an end");
    let commands: Vec<&str> =
        steps.lines().map(|line| line.trim().split("   ").next().expect("a command").trim_end()).collect();
    let columns: BTreeSet<_> =
        steps.lines().filter(|line| line.contains("sidegate")).map(|line| line.rfind("    ")).collect();
    assert_eq!(columns.len(), 1, "what each is for stands in one column:\n{steps}");
    assert_eq!(commands.len(), 5, "{steps}");
    // What serves is checked, and what looks at it needs nobody there.
    let typed = commands.join("\n").replace("sidegate serve", "sidegate serve --check-config");
    let bin = scratch.path().join("bin");
    fs::create_dir(&bin).expect("made");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sidegate"), bin.join("sidegate")).expect("a link");
    let mut shell = Command::new("bash");
    // Doctor may find the machine wanting.
    shell.args(["-c", &format!("set -e; PATH={}:$PATH\n{typed} > doctor.txt || [ $? = 1 ]", text(&bin))]);
    shell.current_dir(scratch.path());
    let exited = run(shell);
    assert_eq!(exited.code, Some(0), "{exited:?}");
    assert!(exited.stdout.contains("the configuration is good"), "{exited:?}");
    // Where it was called for the directory itself there is nowhere to go.
    let here = scratch.path().join("here");
    fs::create_dir(&here).expect("made");
    let made = run_in(&here, &["init", "."]);
    assert!(!made.stdout.contains("cd "), "{made:?}");
}

/// A copy of the directory, or a clone of it, has a log of its own and decides by its own files.
#[test]
fn a_copy_runs_on_its_own_files() {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let (first, copy) = (scratch.path().join("first"), scratch.path().join("copy"));
    assert_eq!(sidegate(["init", &text(&first)]).code, Some(0));
    let mut copying = Command::new("cp");
    copying.arg("-r").args([&first, &copy]);
    assert_eq!(run(copying).code, Some(0));
    fs::write(copy.join("more.yaml"), "users: { nina: { email: nina@shop.example, roles: [clerk] } }")
        .expect("written");
    let sidecar = serve_inside(&copy);
    let (_, answer) = sidecar.authorize(&json!({ "user": "nina", "action": "edit", "resource": "order:o-1" }));
    assert_eq!(answer["decision"], "allow", "{answer}");
    assert!(copy.join(".data/audit").is_dir() && !first.join(".data").exists());
    assert_eq!(sidecar.stop().code, Some(0));
    // From elsewhere its paths mean something else, which is said.
    let elsewhere =
        run_in(scratch.path(), &["serve", "--config", "copy/.sidegate.yaml", "--ops-listen", "127.0.0.1:0"]);
    assert_eq!(elsewhere.code, Some(3), "{elsewhere:?}");
    assert!(elsewhere.stderr.contains("`.` begins at the working directory, which is"), "{elsewhere:?}");
}

/// Editors complete by them.
#[test]
fn every_file_names_a_schema_that_is_there() {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let set = scratch.path().join("set");
    assert_eq!(sidegate(["init", &text(&set)]).code, Some(0));
    for folder in [set.clone(), set.join("tests")] {
        for entry in fs::read_dir(&folder).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8");
            if path.extension().is_none_or(|extension| extension != "yaml") || name.starts_with('.') {
                continue;
            }
            let content = fs::read_to_string(&path).expect("a file");
            let schema = content.lines().find_map(|line| line.split_once("$schema=")).expect("a schema").1;
            assert!(folder.join(schema).is_file(), "{}: {schema}", path.display());
        }
    }
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    entries.map(|name| name.into_string().expect("UTF-8")).collect()
}

#[test]
fn nothing_is_overwritten() {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let used = scratch.path().join("used");
    fs::create_dir(&used).expect("made");
    fs::write(used.join("notes.txt"), "mine").expect("written");
    let file = scratch.path().join("file");
    fs::write(&file, "mine").expect("written");
    for (target, says) in [(&used, "is not empty"), (&file, "is no directory")] {
        let refused = sidegate(["init", &text(target)]);
        assert_eq!(refused.code, Some(64), "{refused:?}");
        assert!(refused.stderr.contains(says), "{refused:?}");
    }
    assert_eq!(names(&used), BTreeSet::from(["notes.txt".to_owned()]));
    assert_eq!(fs::read_to_string(&file).expect("a file"), "mine");

    // A fresh work tree is as good as empty; a second time is not.
    let fresh = scratch.path().join("fresh");
    fs::create_dir_all(fresh.join(".git")).expect("made");
    assert_eq!(run_in(&fresh, &["init", "."]).code, Some(0));
    assert!(fresh.join("policy-set.yaml").exists());
    assert_eq!(sidegate(["init", &text(&fresh)]).code, Some(64));
}
