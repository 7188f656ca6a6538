//! The data directory: there, writable, and nobody else's.

use crate::{
    audit::OpenError,
    cli::doctor::{
        finding::{Findings, count},
        scene::{Scene, nearest},
    },
    telemetry::events::Chain,
};
use rustix::{fs::Access, io::Errno, process::geteuid};
use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Files that are looked at; a log of years has more, all made in the same way.
const MOST_FILES: usize = 20_000;

pub(super) fn data(scene: &Scene, found: &mut Findings) {
    let path = scene.data();
    let shown = path.display();
    let uid = geteuid().as_raw();
    match fs::metadata(path) {
        Err(_) => return absent(scene, found),
        Ok(metadata) if !metadata.is_dir() => {
            return found
                .error(format!("`{shown}` is not a directory"), "name another one with `--data` or `audit.directory`");
        }
        Ok(metadata) => {
            let all = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
            match rustix::fs::access(path, all) {
                // That is for `disk-mount` to tell.
                Ok(()) | Err(Errno::ROFS) => {}
                Err(error) => {
                    return found.error(
                        format!("user {uid} cannot use `{shown}`, which belongs to user {}: {error}", metadata.uid()),
                        format!(
                            "`chown -R {uid} {shown}`, or run as user {}; in Kubernetes set `fsGroup`",
                            metadata.uid()
                        ),
                    );
                }
            }
            if uid == 0 && metadata.uid() != 0 {
                found.note(
                    format!(
                        "this runs as root, and `{shown}` belongs to user {}: root may do what that user may not",
                        metadata.uid()
                    ),
                    "run it as the user of the instance",
                );
            }
            closed(path, &metadata, found);
        }
    }
    if let Err(error @ (OpenError::Newer { .. } | OpenError::Unversioned { .. } | OpenError::NotWritable { .. })) =
        &scene.sight
    {
        found.error(Chain(error).to_string(), "`sidegate --version` names the version of this command");
    }
    if found.is_well() {
        found.ok(format!("`{shown}` is for user {uid} to use"));
    }
}

fn absent(scene: &Scene, found: &mut Findings) {
    let (path, above) = (scene.data(), nearest(scene.data()));
    match rustix::fs::access(&above, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => found.ok(format!("`{}` is made by the first start", path.display())),
        Err(error) => found.error(
            format!(
                "`{}` is not there, and user {} cannot make it in `{}`: {error}",
                path.display(),
                geteuid().as_raw(),
                above.display()
            ),
            "make it for this user, or name another one with `--data` or `audit.directory`",
        ),
    }
}

/// Whether others may look into what is nobody else's business.
fn closed(path: &Path, metadata: &Metadata, found: &mut Findings) {
    if metadata.mode() & 0o007 != 0 {
        found.warning(
            format!(
                "`{}` has mode {:04o}: anybody on this machine can look into it",
                path.display(),
                metadata.mode() & 0o7777
            ),
            format!("`chmod o= {}`", path.display()),
        );
    }
}

/// What is wrong with files, each sort with the first of them.
#[derive(Default)]
struct Wrong {
    looked_at: usize,
    closed: Vec<PathBuf>,
    open: Vec<PathBuf>,
    foreign: Vec<(PathBuf, u32)>,
}

pub(super) fn files(scene: &Scene, found: &mut Findings) {
    let data = scene.data();
    let Ok(metadata) = fs::metadata(data) else { return };
    let mut wrong = Wrong::default();
    let is_reached = metadata.mode() & 0o001 != 0;
    walk(data, (metadata.uid(), is_reached), &mut wrong);
    if let Some(first) = wrong.closed.first() {
        let uid = geteuid().as_raw();
        found.error(
            format!(
                "user {uid} cannot use {} of the data directory, such as `{}`",
                count(wrong.closed.len(), "file", "files"),
                first.display()
            ),
            format!("`chown -R {uid} {}`", data.display()),
        );
    }
    if let Some((first, owner)) = wrong.foreign.first() {
        found.warning(
            format!(
                "{} of the data directory belong to another user than the directory, such as `{}` to user {owner}: a command has run as that user",
                count(wrong.foreign.len(), "file", "files"),
                first.display()
            ),
            format!("`chown -R {} {}`", metadata.uid(), data.display()),
        );
    }
    if let Some(first) = wrong.open.first() {
        found.warning(
            format!(
                "anybody on this machine can read or change {} of the data directory, such as `{}`",
                count(wrong.open.len(), "file", "files"),
                first.display()
            ),
            format!("`chmod -R o= {}`", data.display()),
        );
    }
    if found.is_well() {
        found.ok(format!("{} are as they should be", count(wrong.looked_at, "file", "files")));
    }
}

/// `is_reached`: whether others get as far as this directory. What lies behind a closed door need not be closed itself.
fn walk(directory: &Path, (owner, is_reached): (u32, bool), wrong: &mut Wrong) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if wrong.looked_at >= MOST_FILES {
            return;
        }
        let (Ok(metadata), path) = (entry.metadata(), entry.path()) else { continue };
        // `lost+found` of a volume of its own is the file system's.
        if metadata.is_symlink() || entry.file_name() == "lost+found" {
            continue;
        }
        wrong.looked_at += 1;
        let wanted =
            if metadata.is_dir() { Access::WRITE_OK | Access::EXEC_OK } else { Access::READ_OK | Access::WRITE_OK };
        if rustix::fs::access(&path, wanted).is_err_and(|error| error != Errno::ROFS) {
            wrong.closed.push(path.clone());
        }
        // The root of a volume may be the system's and the files the process's; what root has left in the directory of another is amiss.
        let is_own = if geteuid().is_root() { metadata.uid() != 0 } else { metadata.uid() == geteuid().as_raw() };
        if metadata.uid() != owner && !is_own {
            wrong.foreign.push((path.clone(), metadata.uid()));
        }
        if metadata.is_dir() {
            walk(&path, (owner, is_reached && metadata.mode() & 0o001 != 0), wrong);
        }
        if is_reached && metadata.mode() & 0o006 != 0 {
            wrong.open.push(path);
        }
    }
}
