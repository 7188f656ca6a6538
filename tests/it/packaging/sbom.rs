//! The bill of materials: that it is one, that it names all that is linked, and nothing that Cargo.lock does not pin.

use crate::support::{repo, run, tool};
use serde_json::Value;
use std::{collections::BTreeSet, fs, process::Command};

/// The crates that the binary is linked from, as `name version`.
pub(super) fn linked() -> BTreeSet<String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none", "--no-dedupe"]);
    command.args(["--format", "{p}"]).current_dir(repo(""));
    let tree = run(command);
    assert_eq!(tree.code, Some(0), "{}", tree.stderr);
    // `name v1.2.3 (proc-macro)`; the crate itself has its path there.
    let crates = tree.stdout.lines().filter(|line| !line.contains(" (/"));
    let words = crates.filter_map(|line| line.split_once(" v"));
    words.map(|(name, rest)| format!("{name} {}", rest.split(' ').next().unwrap_or_default())).collect()
}

/// The crates that Cargo.lock pins.
fn pinned() -> BTreeSet<String> {
    let lock = fs::read_to_string(repo("Cargo.lock")).expect("Cargo.lock");
    let packages = lock.split("[[package]]").skip(1);
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = ")).expect("a value");
        line.trim_matches('"').to_owned()
    };
    packages.map(|package| format!("{} {}", value(package, "name"), value(package, "version"))).collect()
}

#[test]
fn the_bill_of_materials_names_what_is_linked_and_says_so_as_others_read_it() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("sidegate.cdx.json");
    let mut script = Command::new(repo("scripts/sbom"));
    script.arg(&file);
    let written = run(script);
    assert_eq!(written.code, Some(0), "{written:?}");
    let text = fs::read_to_string(&file).expect("the bill");
    let bill: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(bill["metadata"]["component"]["name"], "sidegate");
    assert_eq!(bill["metadata"]["component"]["version"], env!("CARGO_PKG_VERSION"));

    let components = bill["components"].as_array().expect("components");
    let word = |component: &Value, name: &str| component[name].as_str().unwrap_or_default().to_owned();
    let named: BTreeSet<String> = components
        .iter()
        .map(|component| format!("{} {}", word(component, "name"), word(component, "version")))
        .collect();
    let missing: Vec<_> = linked().difference(&named).cloned().collect();
    assert!(missing.is_empty(), "linked and not named: {missing:?}");
    let unknown: Vec<_> = named.difference(&pinned()).cloned().collect();
    assert!(unknown.is_empty(), "named and not pinned: {unknown:?}");
    for component in components {
        assert!(word(component, "purl").starts_with("pkg:cargo/"), "{component}");
        assert_eq!(component["hashes"][0]["alg"], "SHA-256", "{component}");
        assert!(component["licenses"][0]["expression"].is_string(), "{component}");
    }
    let mut again = Command::new(repo("scripts/sbom"));
    let second = folder.path().join("again.json");
    again.arg(&second);
    assert_eq!(run(again).code, Some(0));
    let constant =
        |text: &str| text.lines().filter(|line| !line.contains("serialNumber")).collect::<Vec<_>>().join("\n");
    assert_eq!(constant(&fs::read_to_string(&second).expect("the bill")), constant(&text));

    let mut python = tool("python/bin/python");
    python.arg(repo("tests/it/packaging/validate_sbom.py")).arg(&file);
    let validated = run(python);
    assert_eq!((validated.code, validated.stdout.as_str()), (Some(0), "valid\n"), "{validated:?}");
}
