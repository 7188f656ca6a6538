//! Root looks at the files of an instance that somebody else runs: what a command leaves there must not stop the next start.

use crate::support::{Exited, Sidecar, command, repo, run, sidegate};
use serde_json::json;
use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::Command,
};

/// Whoever owns nothing else.
const OWNER: u32 = 65534;

#[test]
fn root_leaves_nothing_that_the_owner_of_the_data_cannot_read() {
    if !rustix::process::geteuid().is_root() {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        writeln!(std::io::stderr(), "SKIPPED {test}: this user is not root").expect("stderr is open");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let data = scratch.path().join("data");
    let sidecar = Sidecar::builder().data(&data).start();
    assert_eq!(sidecar.authorize(&json!({ "user": "bob", "action": "edit", "resource": "order:o-1" })).0, 200);
    assert_eq!(sidecar.stop().code, Some(0));
    let mut chown = Command::new("chown");
    chown.arg("-R").arg(OWNER.to_string()).arg(&data);
    assert_eq!(run(chown).code, Some(0));

    let (place, set) = (data.to_str().unwrap(), repo("policies/demo"));
    for arguments in [
        &["audit", "list", "--data", place][..],
        &["audit", "export", "--data", place],
        &["audit", "stats", "--data", place],
        &["review", "--data", place, "--policies", set.to_str().unwrap()],
        &["directory", "backup", "--data", place],
        &["directory", "restore", "--data", place, "Cargo.toml"],
    ] {
        let Exited { code, stderr, .. } = sidegate(arguments);
        assert_eq!(code, Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.contains(&format!("`sudo -u '#{OWNER}' sidegate ...`")), "{arguments:?}: {stderr}");
    }
    // Works on copies.
    assert_eq!(sidegate(["audit", "verify", "--data", place]).code, Some(0));
    each_file(&data, &mut |path| assert_eq!(fs::symlink_metadata(path).unwrap().uid(), OWNER, "{}", path.display()));
    let listed = as_owner(scratch.path(), &["audit", "list", "--data", place]);
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(listed.stdout.contains("order:o-1"), "{listed:?}");
}

fn each_file(directory: &Path, look: &mut impl FnMut(&Path)) {
    look(directory);
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { each_file(&path, look) } else { look(&path) }
    }
}

/// Runs the binary as the owner of the data, who may not even see where it was built.
fn as_owner(scratch: &Path, arguments: &[&str]) -> Exited {
    let built = command(arguments);
    let binary = scratch.join("sidegate");
    if fs::hard_link(built.get_program(), &binary).is_err() {
        fs::copy(built.get_program(), &binary).unwrap();
    }
    let id = OWNER.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(binary).args(arguments).current_dir("/");
    run(command)
}
