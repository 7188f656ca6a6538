//! No room on the disk, and room again: decisions are answered as the policy says, nothing that was answered is lost, and the process
//! goes on without a restart.
//!
//! Twice: behind the shim, which every machine has, and on a small file system of its own where mounting is allowed.

use super::{
    scratch,
    shim::{EVERY_CALL, Fault, Shim},
};
use crate::support::{Sidecar, wait_for};
use rustix::fs::statvfs;
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn a_full_disk_denies_until_there_is_room_again() {
    disks().iter().for_each(denies_until_it_can_be_written);
}

/// What a file system becomes that has found an error in itself.
#[test]
fn a_disk_that_is_read_only_denies_until_it_can_be_written_again() {
    let scratch = scratch();
    denies_until_it_can_be_written(&Disk::ReadOnly { shim: Shim::new(scratch.path(), false), _scratch: scratch });
}

fn denies_until_it_can_be_written(disk: &Disk) {
    for mode in ["durable", "synced"] {
        let (sidecar, mut answered) = fill(disk, mode, "deny");
        wait_for("such a disk denies", SOON, || {
            let (id, answer) = ask(&sidecar);
            let is_denied = answer["decision"] == "deny" && answer["reason"]["code"] == "audit_unavailable";
            if !is_denied {
                answered.insert(id);
            }
            is_denied
        });
        assert_eq!(sidecar.ops_get("/readyz").status, 503, "readiness is false at once");
        resume(disk, &sidecar, answered);
    }
}

/// A batch whose records wait in the queue while the disk fails may be kept: the answer must not read as if it was not.
#[test]
fn a_report_that_was_taken_before_the_disk_failed_says_so() {
    let scratch = scratch();
    let disk = Disk::ReadOnly { shim: Shim::new(scratch.path(), false), _scratch: scratch };
    let sidecar = disk.sidecar("synced", "deny").start();
    let batch = json!([{ "user": "sam", "action": "one" }, { "user": "sam", "action": "two" }]);
    // The log does things of its own as well, and may have failed by one of them before the batch comes.
    let mut rounds = 0..50;
    let says_so = rounds.any(|_| {
        disk.fill();
        let answer = sidecar.admin_post("/v1/activity", &batch);
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (503, &json!("audit_unavailable")), "{answer:?}");
        disk.make_room();
        wait_for("the log goes on", SOON, || sidecar.ops_get("/readyz").status == 200);
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        message.contains("2 of 2 records were taken, and may be kept")
    });
    assert!(says_so, "no answer says what was taken");
    assert_eq!(sidecar.admin_post("/v1/activity", &batch).status, 200);
    let kept = sidecar.admin_get("/v1/audit?kind=activity").json()["items"].as_array().unwrap().len();
    assert!(kept >= 2, "{kept}");
}

#[test]
fn a_full_disk_is_counted_where_decisions_go_on() {
    for disk in disks() {
        let (sidecar, answered) = fill(&disk, "durable", "allow_and_count");
        wait_for("a full disk shows", SOON, || {
            assert_eq!(ask(&sidecar).1["decision"], "allow");
            sidecar.ops_get("/readyz").status == 503
        });
        resume(&disk, &sidecar, answered);
    }
}

#[test]
fn a_full_disk_at_the_start_is_named_and_costs_nothing() {
    for disk in disks() {
        let sidecar = disk.sidecar("synced", "deny").start();
        let answered: HashSet<_> = (0..50).map(|_| ask(&sidecar).0).collect();
        sidecar.kill();
        disk.fill();
        for mode in ["durable", "synced"] {
            let exited = disk.sidecar(mode, "deny").start_failing();
            assert_eq!(exited.code, Some(1), "{exited:?}");
            let said = (exited.stderr + &exited.stdout).to_lowercase();
            assert!(said.contains("no space"), "the message does not name the cause: {said}");
        }
        disk.make_room();
        let again = disk.sidecar("synced", "deny").start();
        assert!(answered.is_subset(&recorded(&again)), "something is lost");
        assert_eq!(again.stop().code, Some(0));
    }
}

/// Starts, asks a little, and takes away the room. Answers the ids of what was answered.
fn fill(disk: &Disk, mode: &str, when_failed: &str) -> (Sidecar, HashSet<String>) {
    let sidecar = disk.sidecar(mode, when_failed).start();
    let answered = (0..50).map(|_| ask(&sidecar).0).collect();
    disk.fill();
    (sidecar, answered)
}

/// Makes room: decisions are made again by the same process, and all that was answered is in the log, also after a crash.
fn resume(disk: &Disk, sidecar: &Sidecar, mut answered: HashSet<String>) {
    disk.make_room();
    wait_for("there is room again, and the process is ready", SOON, || sidecar.ops_get("/readyz").status == 200);
    answered.extend((0..50).map(|_| {
        let (id, answer) = ask(sidecar);
        assert_eq!(answer["decision"], "allow", "{answer}");
        id
    }));
    wait_for("all that was answered is in the log", SOON, || answered.is_subset(&recorded(sidecar)));
    sidecar.kill();
    let again = disk.sidecar("durable", "deny").start();
    wait_for("all that was answered is in the log after a crash", SOON, || answered.is_subset(&recorded(&again)));
    assert_eq!(again.stop().code, Some(0));
    fs::remove_dir_all(disk.data()).unwrap();
}

/// The id, and the answer.
fn ask(sidecar: &Sidecar) -> (String, Value) {
    // What does not compress fills the disk's last blocks sooner.
    let resource: String = "order:".chars().chain(std::iter::repeat_with(fastrand::alphanumeric).take(900)).collect();
    let (status, body) = sidecar.authorize(&json!({ "user": "bob", "action": "edit", "resource": resource }));
    assert_eq!(status, 200, "{body}");
    (body["id"].as_str().unwrap().to_owned(), body)
}

/// The ids of all decisions, each once; the numbers have no gap.
fn recorded(sidecar: &Sidecar) -> HashSet<String> {
    let export = sidecar.admin_get("/v1/audit/export?format=ndjson&order=asc");
    let records: Vec<Value> = export.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!((1..).zip(&records).all(|(seq, record)| record["seq"] == seq), "a gap in {}", export.body);
    let ids: Vec<_> = records
        .iter()
        .filter(|record| record["kind"] == "decision")
        .map(|record| record["id"].as_str().unwrap().to_owned())
        .collect();
    let distinct: HashSet<_> = ids.iter().cloned().collect();
    assert_eq!(distinct.len(), ids.len(), "a decision is in the log twice");
    distinct
}

/// A disk that can be filled.
enum Disk {
    Shim { shim: Shim, _scratch: TempDir },
    ReadOnly { shim: Shim, _scratch: TempDir },
    Mount { root: PathBuf, _scratch: TempDir },
}

/// The shim, and a small file system where mounting is allowed.
fn disks() -> Vec<Disk> {
    let first = scratch();
    let mut disks = vec![Disk::Shim { shim: Shim::new(first.path(), false), _scratch: first }];
    let second = tempfile::tempdir().unwrap();
    let root = second.path().join("small");
    fs::create_dir(&root).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "sidegate-test"]).arg(&root).output();
    if mounted.is_ok_and(|output| output.status.success()) {
        disks.push(Disk::Mount { root, _scratch: second });
    } else {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        writeln!(std::io::stderr(), "SKIPPED in part {test}: this user may not mount a small file system")
            .expect("stderr is open");
    }
    disks
}

impl Disk {
    fn data(&self) -> PathBuf {
        match self {
            Self::Shim { shim, .. } | Self::ReadOnly { shim, .. } => shim.directory().join("data"),
            Self::Mount { root, .. } => root.join("data"),
        }
    }

    fn sidecar(&self, mode: &str, when_failed: &str) -> crate::support::SidecarBuilder {
        let mut builder = Sidecar::builder().data(self.data()).config(&format!(
            "server: {{ authorize: {{ workers: 1 }} }}\naudit: {{ mode: {mode}, when_failed: {when_failed}, ring_bytes: 256KiB }}"
        ));
        if let Self::Shim { shim, .. } | Self::ReadOnly { shim, .. } = self {
            for (name, value) in shim.variables() {
                builder = builder.env(name, value.to_str().unwrap());
            }
        }
        builder
    }

    /// Until not a byte more fits, or can be written.
    fn fill(&self) {
        match self {
            Self::Shim { shim, .. } => shim.set_full(true),
            Self::ReadOnly { shim, .. } => shim.fail(EVERY_CALL, 1, u64::MAX, Fault::ReadOnly),
            Self::Mount { root, .. } => {
                let mut ballast = File::create(ballast(root)).unwrap();
                let page = vec![1; 4096];
                while ballast.write_all(&page).is_ok() {}
                assert_eq!(statvfs(root).unwrap().f_bavail, 0, "there is still room");
            }
        }
    }

    fn make_room(&self) {
        match self {
            Self::Shim { shim, .. } => shim.set_full(false),
            Self::ReadOnly { shim, .. } => shim.heal(),
            Self::Mount { root, .. } => fs::remove_file(ballast(root)).unwrap(),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Self::Mount { root, .. } = self {
            // Lazily: a process that is about to end may still have it open.
            drop(Command::new("umount").arg("-l").arg(root).status());
        }
    }
}

fn ballast(root: &Path) -> PathBuf {
    root.join("ballast")
}
