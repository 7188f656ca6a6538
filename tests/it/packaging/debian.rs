//! The Debian package, made of the binary under test: what is in it, with which modes, and that it runs as it is installed.

use crate::support::{Process, Sidecar, repo, run, tool};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
    time::Duration,
};
use tempfile::TempDir;

/// Stripping and packing a large binary, on a machine that is busy with other tests.
const PACKING: Duration = Duration::from_mins(5);

/// The package, taken apart: its files, and below `DEBIAN` what says how it is installed.
static PACKAGE: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    super::licences::written();
    let folder = tempfile::tempdir().expect("a temporary directory");
    // Packages are made of release builds: the binary under test stands in for one.
    let release = folder.path().join("release");
    fs::create_dir(&release).expect("a directory");
    fs::copy(env!("CARGO_BIN_EXE_sidegate"), release.join("sidegate")).expect("a copy of the binary");
    let package = folder.path().join("sidegate.deb");
    let mut command = tool("bin/cargo-deb");
    command.args(["--no-build", "--fast", "--locked", "--offline", "--output"]).arg(&package);
    command.env("CARGO_TARGET_DIR", folder.path()).current_dir(repo(""));
    let made = Process::spawn(command).wait_exit(PACKING).expect("the package is made in time");
    assert_eq!(made.code, Some(0), "{made:?}");
    let files = folder.path().join("files");
    let mut command = Command::new("dpkg-deb");
    command.arg("--raw-extract").arg(&package).arg(&files);
    let extracted = Process::spawn(command).wait_exit(PACKING).expect("the package is taken apart in time");
    assert_eq!(extracted.code, Some(0), "{extracted:?}");
    (folder, files)
});

fn files() -> &'static Path {
    &PACKAGE.1
}

fn text(path: &str) -> String {
    fs::read_to_string(files().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file of the package by its path, with its mode.
fn listed() -> BTreeMap<String, u32> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![files().to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let metadata = fs::symlink_metadata(&path).expect("metadata");
            if metadata.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(files()).expect("below").display().to_string();
                found.insert(name, metadata.permissions().mode() & 0o7777);
            }
        }
    }
    found
}

#[test]
fn the_package_holds_what_a_machine_needs_and_nobody_but_root_changes_it() {
    let listed = listed();
    for (path, mode) in listed.iter().filter(|(path, _)| !path.starts_with("DEBIAN/")) {
        let wanted = if path == "usr/bin/sidegate" { 0o755 } else { 0o644 };
        assert_eq!(*mode, wanted, "{path}");
    }
    let unit = listed.keys().find(|path| path.ends_with("systemd/system/sidegate.service")).expect("the unit");
    assert_eq!(text(unit), fs::read_to_string(repo("packaging/sidegate.service")).expect("the unit"));
    // One page for each command, compressed as Debian has it.
    let pages = fs::read_dir(repo("packaging/man")).expect("pages").count();
    let found = listed.keys().filter(|path| path.starts_with("usr/share/man/man1/") && path.ends_with(".1.gz")).count();
    assert_eq!(found, pages);
    for path in [
        "usr/share/bash-completion/completions/sidegate",
        "usr/share/fish/vendor_completions.d/sidegate.fish",
        "usr/share/zsh/vendor-completions/_sidegate",
        "usr/share/doc/sidegate/copyright",
        "usr/share/doc/sidegate/THIRD-PARTY-LICENCES",
        "usr/share/doc/sidegate/examples/reference.yaml",
    ] {
        assert!(listed.contains_key(path), "{path} is missing: {listed:#?}");
    }
}

#[test]
fn what_an_administrator_changes_outlives_an_upgrade() {
    let conffiles = text("DEBIAN/conffiles");
    let kept: BTreeSet<_> = conffiles.lines().filter(|line| !line.is_empty()).collect();
    let listed = listed();
    let below_etc: Vec<_> =
        listed.keys().filter(|path| path.starts_with("etc/")).map(|path| format!("/{path}")).collect();
    assert_eq!(kept, below_etc.iter().map(String::as_str).collect());
}

#[test]
fn the_package_says_what_it_is_and_what_it_needs() {
    let control = text("DEBIAN/control");
    let field = |name: &str| control.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    assert_eq!(
        (field("Package"), field("Version")),
        (Some("sidegate"), Some(concat!(env!("CARGO_PKG_VERSION"), "-1")))
    );
    let needed: BTreeSet<_> =
        field("Depends").expect("what it needs").split(", ").filter_map(|one| one.split(' ').next()).collect();
    // The C library and what comes with the compiler; TLS and all else is within the binary.
    assert!(needed.is_subset(&BTreeSet::from(["libc6", "libgcc-s1"])) && needed.contains("libc6"), "{needed:?}");
    for script in ["postinst", "prerm", "postrm"] {
        let path = files().join("DEBIAN").join(script);
        let mut shell = Command::new("sh");
        shell.arg("-n").arg(&path);
        assert_eq!(run(shell).code, Some(0), "{script}");
    }
    assert!(text("DEBIAN/postinst").contains("sidegate.service"), "the unit is enabled and started");
}

/// What is installed starts as it is: with its configuration and a policy set that grants nothing.
#[test]
fn what_is_installed_runs_as_it_is() {
    let place = |path: &str| files().join(path).display().to_string();
    let data = tempfile::tempdir().expect("a temporary directory");
    let arguments = [
        "serve",
        "--config",
        &place("etc/sidegate/sidegate.yaml"),
        "--policies",
        &place("etc/sidegate/policies"),
        "--data",
        &data.path().display().to_string(),
    ];
    let sidecar = Sidecar::builder()
        .whole(arguments.map(str::to_owned).to_vec())
        .through(vec![place("usr/bin/sidegate")])
        // Nobody balances load here.
        .env("SIDEGATE_SHUTDOWN__DELAY", "0s")
        .start();
    let (status, answer) = sidecar.authorize(&json!({ "user": "bob", "action": "view", "resource": "item:1" }));
    assert_eq!((status, &answer["decision"]), (200, &json!("deny")), "{answer}");
    assert_eq!(sidecar.stop().code, Some(0));
}
