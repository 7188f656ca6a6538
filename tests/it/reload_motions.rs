//! Changes as git and mounts make them, with the real tools and the real file system.

use crate::support::{
    AUTHOR, PolicyDir, Sidecar, Signal, decides, generation, git, is_git_there, wait_decides, wait_for,
};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);

/// The poll never comes, so that events alone must do.
const EVENTS_ONLY: &str = "policies: { poll_interval: 1h }";

/// Waits until file events are heard.
#[track_caller]
fn start_watching(policies: &Path, config: &str) -> Sidecar {
    let sidecar = Sidecar::builder().policies(policies).config(config).start();
    wait_for("file events are heard", SOON, || sidecar.ops_get("/status").json()["policies"]["watching"] == true);
    sidecar
}

fn user(n: usize) -> String {
    format!("users: {{ gen-{n}: {{ name: R, email: r@demo.example, roles: [reader] }} }}\n")
}

/// A work tree with one commit.
fn work_tree(files: &[(&str, &str)]) -> PolicyDir {
    let tree = PolicyDir::with(files);
    git(tree.path(), &["init", "--quiet"]);
    commit(&tree, "begin");
    tree
}

fn commit(tree: &PolicyDir, message: &str) -> String {
    git(tree.path(), &["add", "--all"]);
    git(tree.path(), &["commit", "--quiet", "--message", message]);
    git(tree.path(), &["rev-parse", "HEAD"])
}

#[test]
fn a_checkout_of_two_hundred_files_goes_live_as_one_and_names_commit_and_author() {
    const FILES: usize = 200;
    if !is_git_there() {
        return;
    }
    let tree = work_tree(&[("set.yaml", &generation(0))]);
    let write = |first: usize| (0..FILES).for_each(|n| tree.write(&format!("people/{n}.yaml"), &user(first + n)));
    write(1000);
    commit(&tree, "the first two hundred");
    git(tree.path(), &["checkout", "--quiet", "-b", "other"]);
    write(2000);
    let commit = commit(&tree, "the other two hundred");
    git(tree.path(), &["checkout", "--quiet", "main"]);

    let sidecar = start_watching(tree.path(), EVENTS_ONLY);
    assert!(decides(&sidecar, 1000) && !decides(&sidecar, 2000));
    git(tree.path(), &["checkout", "--quiet", "other"]);
    wait_decides(&sidecar, 2000 + FILES - 1);
    assert!((0..FILES).all(|n| decides(&sidecar, 2000 + n) && !decides(&sidecar, 1000 + n)));

    let swap = sidecar.wait_event("policy_swapped", SOON, |swap| swap["commit"] == *commit);
    assert_eq!(swap["author"], AUTHOR, "{swap}");
    let status = sidecar.ops_get("/status").json();
    assert_eq!(
        (&status["policies"]["commit"], &status["policies"]["author"]),
        (&commit.as_str().into(), &AUTHOR.into())
    );
    let recorded = || sidecar.admin_get("/v1/audit?kind=policy").json();
    wait_for("the audit log names the commit", SOON, || {
        recorded()["items"].as_array().expect("a list").iter().any(|record| {
            record["reason"] == "swapped" && record["after"]["commit"] == *commit && record["after"]["author"] == AUTHOR
        })
    });
}

#[test]
fn who_has_committed_a_refused_set_is_told_wherever_it_is() {
    if !is_git_there() {
        return;
    }
    let tree = work_tree(&[("set.yaml", &generation(0))]);
    git(tree.path(), &["checkout", "--quiet", "-b", "broken"]);
    tree.write("more.yaml", "roles: { other: { name: Other, grants: { ordres: view } } }\n");
    let commit = commit(&tree, "a broken one");
    git(tree.path(), &["checkout", "--quiet", "main"]);
    let sidecar = start_watching(tree.path(), EVENTS_ONLY);
    git(tree.path(), &["checkout", "--quiet", "broken"]);
    let refused = sidecar.wait_event("policy_rejected", SOON, |refused| refused["commit"] == *commit);
    assert_eq!(refused["author"], AUTHOR, "{refused}");
    wait_for("/status names the commit", SOON, || {
        let failure = sidecar.ops_get("/status").json()["policies"]["last_failure"].clone();
        failure["commit"] == *commit && failure["author"] == AUTHOR && failure["outcome"] == "rejected_validation"
    });
    wait_for("the audit log names the commit", SOON, || {
        let recorded = sidecar.admin_get("/v1/audit?kind=policy").json();
        recorded["items"].as_array().expect("a list").iter().any(|record| {
            let after = &record["after"];
            record["reason"] == "rejected_validation" && after["commit"] == *commit && after["author"] == AUTHOR
        })
    });
}

#[test]
fn a_pull_that_deletes_and_renames_goes_live() {
    if !is_git_there() {
        return;
    }
    let upstream = work_tree(&[
        ("set.yaml", &generation(0)),
        ("people/kept.yaml", &user(1)),
        ("people/gone.yaml", &user(2)),
        ("people/old-name.yaml", &user(3)),
    ]);
    let clone = PolicyDir::with(&[]);
    let tree = clone.path().join("tree");
    git(clone.path(), &["clone", "--quiet", upstream.path().to_str().expect("UTF-8"), "tree"]);
    let sidecar = start_watching(&tree, EVENTS_ONLY);
    assert!((0..4).all(|n| decides(&sidecar, n)));

    upstream.remove("people/gone.yaml");
    git(upstream.path(), &["mv", "people/old-name.yaml", "people/new-name.yaml"]);
    upstream.write("people/kept.yaml", &user(4));
    upstream.write("people/deeper/new.yaml", &user(5));
    commit(&upstream, "much at once");
    git(&tree, &["pull", "--quiet", "--ff-only"]);
    wait_decides(&sidecar, 5);
    let decided: Vec<usize> = (0..6).filter(|&n| decides(&sidecar, n)).collect();
    assert_eq!(decided, [0, 3, 4, 5]);

    // A change in the directory that the pull has made is heard as well.
    fs::write(tree.join("people/deeper/new.yaml"), user(6)).expect("written");
    wait_decides(&sidecar, 6);
}

/// A file over which another one lies. Dropping it uncovers it.
struct Covered(PathBuf);

impl Covered {
    /// `None`, aloud, where this user may not mount.
    fn with(file: &Path, place: &Path) -> Option<Self> {
        fs::write(place, "").expect("written");
        let mounted = Command::new("mount").arg("--bind").arg(file).arg(place).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(place.to_owned()));
        }
        fs::remove_file(place).expect("removed");
        writeln!(std::io::stderr(), "SKIPPED in part: this user may not mount a file").expect("stderr is open");
        None
    }
}

impl Drop for Covered {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

/// A file that is mounted by itself, as Kubernetes does for a `subPath`, is written to through another path, of which the watched
/// directory hears nothing. A second link to the file has that in common with a mount and needs no rights.
#[test]
fn a_file_that_changes_without_an_event_is_found_by_the_poll() {
    for mounted in [false, true] {
        let outside = PolicyDir::with(&[("set.yaml", &generation(0))]);
        let policies = PolicyDir::with(&[]);
        let (file, place) = (outside.path().join("set.yaml"), policies.path().join("set.yaml"));
        let covered = mounted.then(|| Covered::with(&file, &place)).flatten();
        if covered.is_none() {
            fs::hard_link(&file, &place).expect("linked");
        }
        let sidecar = start_watching(policies.path(), "policies: { poll_interval: 100ms, debounce: 20ms }");
        // The look that follows the first watch is over: it would find the change as well.
        let unchanged = || sidecar.count("sidegate_policy_reloads_total", &[r#"outcome="unchanged""#]);
        wait_for("the first look", SOON, || unchanged() > 0);
        for n in 1..=2 {
            fs::write(&file, generation(n)).expect("written");
            wait_decides(&sidecar, n);
        }
        let causes: Vec<_> = sidecar.events("policy_swapped").iter().map(|swap| swap["cause"].clone()).collect();
        assert!(!causes.is_empty() && causes.iter().all(|cause| cause == "poll"), "{mounted}: {causes:?}");
    }
}

/// While the process does not run, more happens than the kernel keeps for it. The change itself is among what is lost.
#[test]
fn a_change_whose_event_is_lost_in_an_overflow_goes_live() {
    let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("the length of the queue");
    let most: usize = most.trim().parse().expect("a number");
    let policies = PolicyDir::with(&[("set.yaml", &generation(0))]);
    let sidecar = start_watching(policies.path(), EVENTS_ONLY);
    sidecar.signal(Signal::STOP);
    // Hidden files: none of these events is of interest by itself. Each file raises two or more.
    for n in 0..=most {
        let path = policies.path().join(format!(".hidden-{}", n % 2));
        fs::write(&path, "").expect("written");
        fs::remove_file(&path).expect("removed");
    }
    policies.write("set.yaml", &generation(1));
    sidecar.signal(Signal::CONT);
    wait_decides(&sidecar, 1);
}
