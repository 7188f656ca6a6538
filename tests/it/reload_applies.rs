//! Changes that must go live: every way in which files change, every way to ask for a look.

use crate::support::{PolicyDir, Sidecar, Signal, decides, generation, wait_decides, wait_for};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);

/// The poll never comes, so that events alone must do.
const EVENTS_ONLY: &str = "policies: { poll_interval: 1h }";
/// No events, and the poll never comes either: only a word makes it look.
const ON_REQUEST_ONLY: &str = "policies: { watch: false, poll_interval: 1h }";
/// No events, as on a network file system.
const POLL_ONLY: &str = "policies: { watch: false, poll_interval: 100ms }";

fn first() -> PolicyDir {
    PolicyDir::with(&[("set.yaml", &generation(0))])
}

/// Waits until file events are heard: what changes before that is seen by the look that follows, but not as an event.
#[track_caller]
fn start_watching(policies: &Path) -> Sidecar {
    let sidecar = Sidecar::builder().policies(policies).config(EVENTS_ONLY).start();
    wait_for("file events are heard", SOON, || sidecar.ops_get("/status").json()["policies"]["watching"] == true);
    sidecar
}

#[test]
fn a_file_written_in_place_goes_live() {
    let policies = first();
    let sidecar = start_watching(policies.path());
    for n in 1..=3 {
        fs::write(policies.path().join("set.yaml"), generation(n)).expect("written");
        wait_decides(&sidecar, n);
    }
}

#[test]
fn a_file_moved_into_its_place_goes_live_again_and_again() {
    let policies = first();
    let sidecar = start_watching(policies.path());
    for n in 1..=3 {
        policies.write("set.yaml", &generation(n));
        wait_decides(&sidecar, n);
        assert!(!decides(&sidecar, n - 1));
    }
}

#[test]
fn a_file_in_a_directory_made_later_goes_live() {
    let policies = first();
    let sidecar = start_watching(policies.path());
    let more = |n: usize| format!("users: {{ gen-{n}: {{ name: R, email: r@demo.example, roles: [reader] }} }}\n");
    policies.write("people/north/more.yaml", &more(1));
    wait_decides(&sidecar, 1);
    policies.write("people/north/more.yaml", &more(2));
    wait_decides(&sidecar, 2);
}

/// A directory as the kubelet makes it: files are links through `..data`, which is turned as a whole.
struct ConfigMap {
    root: PolicyDir,
    turns: usize,
}

impl ConfigMap {
    fn new() -> Self {
        let mut map = Self { root: PolicyDir::with(&[]), turns: 0 };
        map.turn(0);
        symlink("..data/set.yaml", map.root.path().join("set.yaml")).expect("linked");
        map
    }

    fn turn(&mut self, n: usize) {
        let root = self.root.path();
        self.turns += 1;
        let fresh = root.join(format!("..2026_11_22_{}", self.turns));
        fs::create_dir(&fresh).expect("made");
        fs::write(fresh.join("set.yaml"), generation(n)).expect("written");
        let old = fs::read_link(root.join("..data")).ok();
        symlink(fresh.file_name().expect("named"), root.join("..data_tmp")).expect("linked");
        fs::rename(root.join("..data_tmp"), root.join("..data")).expect("turned");
        if let Some(old) = old {
            fs::remove_dir_all(root.join(old)).expect("removed");
        }
    }
}

#[test]
fn a_config_map_goes_live_at_each_of_three_updates() {
    let mut map = ConfigMap::new();
    let sidecar = start_watching(map.root.path());
    for n in 1..=3 {
        map.turn(n);
        wait_decides(&sidecar, n);
    }
}

/// A checkout as git-sync makes it: each revision a directory, and a link to the one that counts.
struct GitSync {
    base: TempDir,
}

impl GitSync {
    fn new() -> Self {
        let sync = Self { base: tempfile::tempdir().expect("a temporary directory") };
        sync.turn(0);
        sync
    }

    fn link(&self) -> PathBuf {
        self.base.path().join("current")
    }

    fn turn(&self, n: usize) {
        let checkout = self.base.path().join(format!("rev-{n}/policies"));
        fs::create_dir_all(&checkout).expect("made");
        fs::write(checkout.join("set.yaml"), generation(n)).expect("written");
        let draft = self.base.path().join("draft");
        symlink(format!("rev-{n}"), &draft).expect("linked");
        fs::rename(&draft, self.link()).expect("turned");
        if n > 0 {
            fs::remove_dir_all(self.base.path().join(format!("rev-{}", n - 1))).expect("removed");
        }
    }
}

#[test]
fn a_link_on_the_way_goes_live_each_time_it_is_turned() {
    let sync = GitSync::new();
    let sidecar = start_watching(&sync.link().join("policies"));
    for n in 1..=3 {
        sync.turn(n);
        wait_decides(&sidecar, n);
    }
}

#[test]
fn a_directory_that_is_made_again_goes_live() {
    let base = tempfile::tempdir().expect("a temporary directory");
    let root = base.path().join("set");
    let make = |n: usize| {
        fs::create_dir(&root).expect("made");
        fs::write(root.join("set.yaml"), generation(n)).expect("written");
    };
    make(0);
    let sidecar = start_watching(&root);
    for n in 1..=2 {
        fs::remove_dir_all(&root).expect("removed");
        wait_for("the loss is noticed", SOON, || {
            sidecar.count("sidegate_policy_consecutive_failures", &[]) > 0 && decides(&sidecar, n - 1)
        });
        make(n);
        wait_decides(&sidecar, n);
    }
}

/// At once, so that the file system gives it the number that the first one had.
#[test]
fn a_file_in_a_directory_that_is_made_again_goes_live() {
    let policies = first();
    let people = policies.path().join("people");
    let write = |n: usize| {
        let user = format!("users: {{ gen-{n}: {{ name: R, email: r@demo.example, roles: [reader] }} }}\n");
        fs::write(people.join("more.yaml"), user).expect("written");
    };
    fs::create_dir(&people).expect("made");
    write(1);
    let sidecar = start_watching(policies.path());
    for n in [2, 4, 6] {
        fs::remove_dir_all(&people).expect("removed");
        fs::create_dir(&people).expect("made");
        write(n);
        wait_decides(&sidecar, n);
        write(n + 1);
        wait_decides(&sidecar, n + 1);
    }
    // One that is away for a moment loses its watch as well, and is the same afterwards.
    for n in [8, 10, 12] {
        let away = policies.path().join("away");
        fs::rename(&people, &away).expect("moved");
        fs::rename(&away, &people).expect("moved back");
        write(n);
        wait_decides(&sidecar, n);
        write(n + 1);
        wait_decides(&sidecar, n + 1);
    }
}

#[test]
fn without_events_the_poll_finds_the_change() {
    let policies = first();
    let sidecar = Sidecar::builder().policies(policies.path()).config(POLL_ONLY).start();
    policies.write("set.yaml", &generation(1));
    wait_decides(&sidecar, 1);
    assert_eq!(sidecar.ops_get("/status").json()["policies"]["watching"], false);
}

#[test]
fn a_hangup_makes_it_look() {
    let policies = first();
    let sidecar = Sidecar::builder().policies(policies.path()).config(ON_REQUEST_ONLY).start();
    policies.write("set.yaml", &generation(1));
    assert!(decides(&sidecar, 0));
    sidecar.signal(Signal::HUP);
    wait_decides(&sidecar, 1);
    let swap = sidecar.wait_event("policy_swapped", SOON, |_| true);
    assert_eq!(swap["cause"], "sighup");
}

#[test]
fn an_administrator_is_answered_with_what_came_of_it() {
    let policies = first();
    let sidecar = Sidecar::builder().policies(policies.path()).config(ON_REQUEST_ONLY).start();
    let reload = || {
        let answer = sidecar.admin_post("/v1/policies/reload", &serde_json::json!({}));
        (answer.status, answer.json())
    };
    let (status, same) = reload();
    assert_eq!((status, &same["outcome"]), (200, &"unchanged".into()), "{same}");

    policies.write("set.yaml", &generation(1));
    let (status, swapped) = reload();
    assert_eq!((status, &swapped["outcome"]), (200, &"swapped".into()), "{swapped}");
    assert!(decides(&sidecar, 1), "it is live when the answer comes");
    assert_ne!(swapped["revision"], same["revision"]);
    assert_eq!(sidecar.admin_get("/v1/policies").json()["revision"], swapped["revision"]);

    policies.write("set.yaml", "roles: { reader: [");
    let (status, refused) = reload();
    assert_eq!((status, &refused["outcome"]), (422, &"rejected_syntax".into()), "{refused}");
    assert_eq!(refused["revision"], swapped["revision"], "what decides on");
    let problem = &refused["diagnostics"][0];
    assert_eq!((&problem["file"], &problem["line"]), (&"set.yaml".into(), &1.into()), "{refused}");
    assert_eq!(reload().1["outcome"], "rejected_syntax", "whoever asks again is told again");
}

#[test]
fn many_files_checked_out_at_once_are_one_change() {
    const FILES: usize = 200;
    let policies = first();
    let sidecar = start_watching(policies.path());
    let began = Instant::now();
    for n in 1..=FILES {
        let user = format!("users: {{ gen-{n}: {{ name: R, email: r@demo.example, roles: [reader] }} }}\n");
        policies.write(&format!("people/{n}.yaml"), &user);
    }
    wait_decides(&sidecar, FILES);
    let swaps = sidecar.count("sidegate_policy_reloads_total", &[r#"outcome="swapped""#]);
    // Each pause in the writing that is longer than the debounce time may end a change: none on an idle machine.
    assert!(u128::from(swaps) <= 1 + began.elapsed().as_millis() / 150, "{swaps} swaps in {:?}", began.elapsed());
    assert!((1..=FILES).all(|n| decides(&sidecar, n)));
}
