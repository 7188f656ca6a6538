//! `sidegate init`: what it writes is whole, covered by its tests, and served at once; nothing is overwritten.

use crate::support::{Sidecar, run, sidegate};
use serde_json::json;
use std::{collections::BTreeSet, fs, path::Path};

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

    let config = text(&set.join(".sidegate.yaml"));
    let good = sidegate(["serve", "--check-config", "--config", &config]);
    assert_eq!(good.code, Some(0), "{good:?}");
    let whole = ["serve", "--config", &config].map(str::to_owned).to_vec();
    let sidecar = Sidecar::builder().env("SIDEGATE_TELEMETRY__LOG__FORMAT", "json").whole(whole).start();
    let (_, question) = made.stdout.split_once("--json '").expect("a question to ask");
    let (question, _) = question.split_once('\'').expect("its end");
    let (status, answer) = sidecar.authorize(&serde_json::from_str(question).expect("JSON"));
    assert_eq!((status, &answer["decision"]), (200, &json!("allow")), "{answer}");
    assert!(set.join(".data/audit").is_dir(), "the data directory is that of the configuration");
    assert_eq!(sidecar.stop().code, Some(0));

    // The data directory is no part of the set.
    let again = sidegate(["check", &text(&set), "--output", "json"]);
    let again: serde_json::Value = serde_json::from_str(&again.stdout).expect("JSON");
    assert_eq!(again["revision"], report["revision"]);
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
    let mut here = std::process::Command::new(env!("CARGO_BIN_EXE_sidegate"));
    here.args(["init", "."]).current_dir(&fresh);
    assert_eq!(run(here).code, Some(0));
    assert!(fresh.join("policy-set.yaml").exists());
    assert_eq!(sidegate(["init", &text(&fresh)]).code, Some(64));
}
