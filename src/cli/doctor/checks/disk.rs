//! What the data directory lies on: a mount that keeps its word, with room, and quick enough.

use crate::{
    cli::doctor::{
        finding::{Findings, bytes},
        scene::{Scene, nearest},
    },
    config::Mode,
    storage::files,
};
use rustix::fs::{StatVfs, StatVfsMountFlags, statvfs};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Room for what is written beside queue and segments: anchors, manifests, the copy of the policies.
const SLACK: u64 = 4 << 20;
/// Inodes fewer than which may be used up before anybody looks.
const FEW_INODES: u64 = 1_000;
/// Syncs that are measured.
const SYNCS: usize = 7;
/// A sync that makes an answer of `synced` slow.
const SLOW_ANSWER: Duration = Duration::from_millis(50);
/// A sync that makes the store lag in either mode.
const SLOW_STORE: Duration = Duration::from_millis(250);

pub(super) fn mount(scene: &Scene, found: &mut Findings) {
    let data = scene.data();
    let shown = data.display();
    let Some(mount) = scene.mount(data) else { return found.ok("the kernel does not tell what is mounted where") };
    let point = mount.point.display();
    let flags = statvfs(&nearest(data)).map(|volume| volume.f_flag);
    if mount.is_read_only || flags.is_ok_and(|flags| flags.contains(StatVfsMountFlags::RDONLY)) {
        return found.error(
            format!("`{shown}` lies on `{point}`, which is mounted read-only"),
            "mount it for writing, or name a directory on another volume with `--data` or `audit.directory`",
        );
    }
    let keep = "put it on a disk of this machine or a volume of its own";
    if mount.is_remote() {
        found.warning(
            format!("`{shown}` lies on `{point}`, a file system of another machine ({}), which may say that it has kept what it has not", mount.kind),
            keep,
        );
    }
    match mount.kind.as_str() {
        "tmpfs" | "ramfs" => found.warning(
            format!("`{shown}` lies in memory (`{point}`): the audit log ends with the machine or the pod"),
            keep,
        ),
        "overlay" | "aufs" => found
            .warning(format!("`{shown}` lies in a container's own layer: the audit log goes with the container"), keep),
        kind if found.is_well() => found.ok(format!("`{shown}` lies on `{point}` ({kind})")),
        _ => {}
    }
}

pub(super) fn space(scene: &Scene, found: &mut Findings) {
    let data = scene.data();
    let shown = data.display();
    let volume = match statvfs(&nearest(data)) {
        Ok(volume) => volume,
        Err(error) => return found.warning(format!("the volume of `{shown}` does not tell its room: {error}"), ""),
    };
    let free = volume.f_bavail.saturating_mul(volume.f_frsize);
    let audit = &scene.settings.audit;
    let rings = (scene.settings.server.authorize.workers as u64 + 1).saturating_mul(audit.ring_bytes as u64);
    let missing = rings.saturating_sub(files::directory_bytes(&data.join("audit/rings")));
    let room = format!("{} of the volume of `{shown}` are free", bytes(free));
    let make_room = "make room, or let the log keep less with `audit.retention`";
    if free < missing.saturating_add(SLACK) {
        found.error(
            format!("{room}, and the audit queue and its notes need {}", bytes(missing + SLACK)),
            format!("{make_room}; a smaller `audit.ring_bytes` needs less"),
        );
    } else if free < audit.segment_bytes {
        found.warning(format!("{room}, less than one segment of the log ({})", bytes(audit.segment_bytes)), make_room);
    } else if let Some(most) = audit.retention_bytes {
        let held = scene.sight.as_ref().map_or(0, |sight| sight.bytes);
        let growth = most.saturating_add(audit.segment_bytes).saturating_sub(held);
        if free < growth {
            found.warning(
                format!("{room}, and `audit.retention.bytes` lets the log grow by {} more: the disk is full before anything goes", bytes(growth)),
                "lower `audit.retention.bytes`, or give it a larger volume",
            );
        }
    }
    inodes(&volume, &shown.to_string(), found);
    if found.is_well() {
        found.ok(room);
    }
}

fn inodes(volume: &StatVfs, shown: &str, found: &mut Findings) {
    // File systems that make inodes as they need them say zero of all.
    if volume.f_files > 0 && volume.f_favail < FEW_INODES {
        let what = format!("{} of {} inodes of the volume of `{shown}` are free", volume.f_favail, volume.f_files);
        let mend = "remove small files from that volume; more room does not help";
        if volume.f_favail == 0 { found.error(what, mend) } else { found.warning(what, mend) }
    }
}

pub(super) fn sync(scene: &Scene, found: &mut Findings) {
    let data = scene.data();
    if !data.is_dir() || scene.mount(data).is_some_and(|mount| mount.is_read_only) {
        return;
    }
    let measured = match measure(data) {
        Ok(measured) => measured,
        Err(error) => {
            return found.error(
                format!("nothing can be written to `{}`: {error}", data.display()),
                "what `data-directory` and `disk-space` say may be why",
            );
        }
    };
    let is_synced = scene.settings.audit.mode == Mode::Synced;
    let what = format!("a sync of `{}` takes {} ms", data.display(), measured.as_millis());
    if measured >= SLOW_STORE {
        found.warning(
            format!("{what}: the store of the audit log lags, and its queue fills"),
            "put the data directory on a quicker disk",
        );
    } else if is_synced && measured >= SLOW_ANSWER {
        found.warning(
            format!("{what}, and with `audit.mode: synced` each answer waits for one"),
            "put the data directory on a quicker disk, or use `durable`",
        );
    } else {
        found.ok(what);
    }
}

/// A file that is removed whatever happens.
struct Trial(PathBuf);

impl Drop for Trial {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// The median of a few syncs of a page each.
fn measure(directory: &Path) -> io::Result<Duration> {
    let path = directory.join(format!(".doctor-{}", std::process::id()));
    let mut file: File = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let _trial = Trial(path);
    let mut took = Vec::new();
    for _ in 0..SYNCS {
        file.write_all(&[0; 4096])?;
        let began = Instant::now();
        file.sync_data()?;
        took.push(began.elapsed());
    }
    took.sort_unstable();
    Ok(took.get(SYNCS / 2).copied().unwrap_or_default())
}
