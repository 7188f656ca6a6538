//! Limits that the system sets: file events, open files, memory.

use crate::{
    cli::doctor::{
        finding::{Findings, bytes},
        scene::Scene,
    },
    config::{Limits, Settings},
    http::CHECK_BYTES,
    reload,
    tls::Files,
};
use rustix::{
    fs::inotify::{self, CreateFlags, WatchFlags},
    io::Errno,
    process::{Resource, getrlimit},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Descriptors beside those of the connections: segments, rings, watchers, the other listeners.
const OTHER_FILES: u64 = 256;
/// What a process takes that decides by a small set.
const BASE_BYTES: u64 = 32 << 20;
/// What sled keeps in memory of each store that is open: the log's, one that is queried, the directory's.
const STORES_BYTES: u64 = 3 * (8 << 20);

pub(super) fn watches(scene: &Scene, found: &mut Findings) {
    let Settings { policies, .. } = &scene.settings;
    let poll = format!("a change is found by the look every {:?}", policies.poll_interval);
    if !policies.watch {
        return found.ok(format!("file events are not asked for (`policies.watch: false`); {poll}"));
    }
    if let Some(mount) = scene.mount(&policies.directory).filter(|mount| mount.is_remote()) {
        found.note(
            format!(
                "`{}` lies on a file system of another machine ({}), which tells of no changes; {poll}",
                policies.directory.display(),
                mount.kind
            ),
            "set `policies.poll_interval` to the delay that you can bear",
        );
    }
    let directories = reload::watched_directories(&watched(scene));
    match try_out(&directories) {
        Ok(()) => found.ok(format!("events of {} directories can be heard", directories.len())),
        Err(error) => {
            let (which, limit) = match error {
                Errno::MFILE => ("instances", "max_user_instances"),
                _ => ("watches", "max_user_watches"),
            };
            let most = limit_of(which).map_or_else(|| "the limit".to_owned(), |most| format!("{most}"));
            found.warning(
                format!(
                    "events of the {} directories of the set cannot all be heard, {most} {which} are allowed to this user ({error}); {poll}",
                    directories.len()
                ),
                format!("raise `fs.inotify.{limit}` with sysctl on the node"),
            );
        }
    }
}

/// What a running instance has watched.
fn watched(scene: &Scene) -> Vec<PathBuf> {
    let Settings { policies, server, .. } = &scene.settings;
    let of_listeners = [&server.authorize.tls, &server.admin_tls, &server.ops_tls];
    let certificates = of_listeners.into_iter().filter(|tls| tls.certificate.is_some()).flat_map(Files::paths);
    let roots = std::iter::once(policies.directory.as_path()).chain(policies.shadow.as_deref());
    roots.chain(scene.file.as_deref()).chain(certificates).map(Path::to_owned).collect()
}

/// Watches for a moment what an instance would watch.
fn try_out(directories: &[PathBuf]) -> Result<(), Errno> {
    let inotify = inotify::init(CreateFlags::CLOEXEC)?;
    for directory in directories {
        match inotify::add_watch(&inotify, directory, WatchFlags::CREATE) {
            // Not a matter of limits: other checks look at what is there and can be read.
            Ok(_) | Err(Errno::NOENT | Errno::ACCESS | Errno::NOTDIR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The limit that counts in this namespace.
fn limit_of(which: &str) -> Option<u64> {
    let paths = [format!("/proc/sys/user/max_inotify_{which}"), format!("/proc/sys/fs/inotify/max_user_{which}")];
    paths.iter().filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok()).min()
}

pub(super) fn open_files(scene: &Scene, found: &mut Findings) {
    let connections = scene.settings.server.authorize.limits.connections as u64;
    let needed = connections + OTHER_FILES;
    let told = scene.instance.as_ref().and_then(|instance| instance.metric("process_max_fds", ""));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of descriptors")]
    let (limit, whose) = match told {
        Some(limit) => (Some(limit as u64), "the instance"),
        None => (getrlimit(Resource::Nofile).current, "a process that is started from here"),
    };
    match limit.filter(|limit| *limit < needed) {
        None => found.ok(format!("{whose} may open the files that {connections} connections take")),
        Some(limit) => found.warning(
            format!("{whose} may have {limit} files open, and {connections} connections (`server.authorize.limits.connections`) take {needed}"),
            "raise the limit (`LimitNOFILE=` of systemd, `ulimit -n`), or lower that of the connections",
        ),
    }
}

pub(super) fn memory(scene: &Scene, found: &mut Findings) {
    let Some(limit) = memory_limit(Path::new("/")) else { return found.ok("the cgroup sets no limit") };
    judge_memory(&scene.settings, limit, found);
}

fn judge_memory(settings: &Settings, limit: u64, found: &mut Findings) {
    let server = &settings.server.authorize;
    let rings = (server.workers as u64 + 1).saturating_mul(settings.audit.ring_bytes as u64);
    let always = rings + STORES_BYTES + BASE_BYTES;
    // Whoever sends the longest kind chooses it: a question, a batch, or a check by gRPC.
    let Limits { in_flight, body_bytes, batch_bytes, .. } = server.limits;
    let longest = body_bytes.max(batch_bytes).max(CHECK_BYTES);
    let of_requests = (in_flight as u64).saturating_mul(longest as u64);
    let allowed = bytes(limit);
    let limit_is = format!("the memory limit of the cgroup is {allowed}");
    if limit < always {
        found.warning(
            format!("{limit_is}, and queue, stores and a small policy set take {}", bytes(always)),
            "raise the limit, or lower `audit.ring_bytes` and `server.authorize.workers`",
        );
    } else if limit < always.saturating_add(of_requests) {
        found.note(
            format!(
                "{limit_is}, and {} requests at once of the longest kind would take {} more",
                server.limits.in_flight,
                bytes(of_requests)
            ),
            "lower `in_flight`, `body_bytes` or `batch_bytes` of `server.authorize.limits` where clients are not trusted",
        );
    } else {
        found.ok(limit_is);
    }
}

/// The limit of the cgroup of this process, or of one above it; `None` where there is none.
fn memory_limit(root: &Path) -> Option<u64> {
    let own = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let cgroups = root.join("sys/fs/cgroup");
    let number = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let limits = own.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let is_old = controllers.split(',').any(|controller| controller == "memory");
        let (base, file) = match (controllers, is_old) {
            ("", _) => (cgroups.clone(), "memory.max"),
            (_, true) => (cgroups.join("memory"), "memory.limit_in_bytes"),
            _ => return Vec::new(),
        };
        let within = base.join(path.trim_start_matches('/'));
        let above = within.ancestors().take_while(|above| above.starts_with(&base));
        above.filter_map(|above| number(above.join(file))).collect()
    });
    // The older kernels' word for none is a number near the end of all numbers.
    limits.filter(|limit| *limit < 1 << 60).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    #[test]
    fn the_memory_limit_is_the_lowest_of_those_above_the_process() {
        for (own, files, want) in [
            (
                "0::/a/b\n",
                &[("a/b/memory.max", "max"), ("a/memory.max", "1000"), ("memory.max", "2000")][..],
                Some(1000),
            ),
            ("0::/\n", &[("memory.max", "5000\n")], Some(5000)),
            ("0::/\n", &[("memory.max", "max\n")], None),
            ("3:cpu:/x\n2:memory:/x\n", &[("memory/x/memory.limit_in_bytes", "7000")], Some(7000)),
            ("2:memory:/x\n", &[("memory/x/memory.limit_in_bytes", "9223372036854771712")], None),
            ("0::/gone\n", &[], None),
        ] {
            let root = tempfile::tempdir().unwrap();
            let write = |path: PathBuf, text: &str| {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            };
            write(root.path().join("proc/self/cgroup"), own);
            for (name, text) in files {
                write(root.path().join("sys/fs/cgroup").join(name), text);
            }
            assert_eq!(memory_limit(root.path()), want, "{own} {files:?}");
        }
    }

    #[test]
    fn a_memory_limit_is_compared_with_what_the_settings_take() {
        let mut settings = Settings::default();
        settings.server.authorize.workers = 2;
        let judge = |settings: &Settings, limit| {
            let mut found = Findings::default();
            found.begin("memory");
            judge_memory(settings, limit, &mut found);
            found.worst()
        };
        for (limit, want) in [(16 << 20, Level::Warning), (80 << 20, Level::Note), (1 << 30, Level::Ok)] {
            assert_eq!(judge(&settings, limit), want, "{limit}");
        }
        // The longest of what a client may send counts, whichever that is.
        settings.server.authorize.limits.in_flight = 1000;
        let limits = &settings.server.authorize.limits;
        assert!(limits.body_bytes < limits.batch_bytes, "{limits:?}");
        assert_eq!(judge(&settings, 250 << 20), Level::Note);
        settings.server.authorize.limits.batch_bytes = 1 << 10;
        assert_eq!(judge(&settings, 250 << 20), Level::Note, "a check by gRPC");
        settings.server.authorize.limits.in_flight = 100;
        assert_eq!(judge(&settings, 250 << 20), Level::Ok);
    }
}
