//! What an operator may get wrong at the start: each a clear message that names the place and the mend, and the right exit code.

use crate::support::{Sidecar, SidecarBuilder, repo};
use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A file system in memory that cannot be written to. Dropping it unmounts it.
struct ReadOnly(PathBuf);

impl ReadOnly {
    /// `None`, aloud, where this user may not mount.
    fn mount(place: &Path) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "ro,size=1m", "sidegate-test"]).arg(place).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(place.to_owned()));
        }
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        writeln!(std::io::stderr(), "SKIPPED in part {test}: this user may not mount a file system")
            .expect("stderr is open");
        None
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// The start fails with this code, and what it prints holds these texts.
#[track_caller]
fn fails(name: &str, builder: SidecarBuilder, code: i32, says: &[&str]) {
    let exited = builder.start_failing();
    assert_eq!(exited.code, Some(code), "{name}: {exited:?}");
    assert!(exited.stdout.is_empty(), "{name}: {exited:?}");
    for text in says {
        assert!(exited.stderr.contains(text), "{name}: no `{text}` in {}", exited.stderr);
    }
}

fn scratch() -> (TempDir, PathBuf) {
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let data = scratch.path().join("data");
    fs::create_dir(&data).expect("made");
    (scratch, data)
}

#[test]
fn a_data_volume_that_is_read_only_is_named_with_the_mend() {
    let (_scratch, data) = scratch();
    if let Some(_mounted) = ReadOnly::mount(&data) {
        let shown = data.to_str().expect("UTF-8");
        fails("read-only", Sidecar::builder().data(&data), 1, &[shown, "cannot be written to", "--data", "ead-only"]);
    }
}

#[test]
fn a_data_directory_that_is_a_file_or_somebody_elses_is_named() {
    let (scratch, data) = scratch();
    fs::write(data.join("audit"), "").expect("written");
    fails("a file in the way", Sidecar::builder().data(&data), 1, &["audit", "is not a directory", "--data"]);

    let other = scratch.path().join("other");
    let running = Sidecar::builder().data(&other).start();
    let shown = other.to_str().expect("UTF-8");
    fails("in use", Sidecar::builder().data(&other), 1, &[shown, "in use by another process", "--data"]);
    assert_eq!(running.stop().code, Some(0));
}

#[test]
fn a_missing_policy_directory_is_named_and_ends_the_start_with_3() {
    let (scratch, data) = scratch();
    let gone = scratch.path().join("no-policies");
    let shown = gone.to_str().expect("UTF-8");
    fails("missing", Sidecar::builder().data(&data).policies(&gone), 3, &[shown, "cannot be read"]);
    fs::create_dir(&gone).expect("made");
    fails("empty", Sidecar::builder().data(&data).policies(&gone), 3, &[shown]);
    // What was begun is no hindrance.
    let sidecar = Sidecar::builder().data(&data).policies(repo("policies/demo")).start();
    assert_eq!(sidecar.stop().code, Some(0));
}

#[test]
fn a_port_that_is_taken_is_named_with_its_setting() {
    for listener in ["authorize", "admin", "ops"] {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("bound").to_string();
        let key = format!("server.{listener}.listen");
        let builder = Sidecar::builder().listen(listener, &address);
        fails(listener, builder, 1, &[&key, &address, "in use", "name another"]);
    }
}

#[test]
fn an_address_of_another_machine_is_named_with_its_setting() {
    for listener in ["admin", "ops"] {
        let key = format!("server.{listener}.listen");
        let builder = Sidecar::builder().config("server: { admin: { auth: tokens } }").listen(listener, "192.0.2.1:0");
        fails(listener, builder, 1, &[&key, "192.0.2.1", "name another"]);
    }
}
