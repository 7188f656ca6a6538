//! The table of checks, from which they are run and the reference is made.

mod audit;
mod clock;
mod configuration;
mod data;
mod disk;
mod limits;
mod listeners;
mod live;
mod others;
mod policies;

use super::{
    finding::{Findings, count},
    scene::Scene,
};

/// One check.
pub(super) struct Check {
    /// Its name, in findings and in the reference.
    pub(super) name: &'static str,
    /// What it looks at, in a sentence.
    pub(super) looks_at: &'static str,
    /// Looks, and says what it found.
    pub(super) look: fn(&Scene, &mut Findings),
}

macro_rules! checks {
    ($($name:literal, $look:path, $looks_at:literal;)*) => {
        /// Every check, in the order in which they look and in that of the reference.
        pub(super) const CHECKS: &[Check] = &[$(Check { name: $name, looks_at: $looks_at, look: $look },)*];
    };
}

checks! {
    "configuration", configuration::configuration,
        "file, environment and flags, mail templates, token issuers, the signing key and where checkpoints go: every problem at once, with its place";
    "configuration-file", configuration::file,
        "whether others than its owner can change the configuration file";
    "access", configuration::access,
        "who is let in: an admin listener that nobody or anybody can use, tokens that come through the network without TLS";
    "certificates", configuration::certificates,
        "the certificate of each listener: whole, matched by its key, valid now and for two more weeks, for the name of `server.authorize.public_url`";
    "policies", policies::policies,
        "the policy directory: there, readable, and whole";
    "policy-tests", policies::tests,
        "whether the set's own tests hold";
    "policies-access", policies::access,
        "whether others, or the process itself, can change the policy files";
    "shadow-set", policies::shadow,
        "the set of `policies.shadow`: there, readable, and whole";
    "last-good", policies::last_good,
        "the copy on which a restart with broken files comes up: there, whole, of which revision";
    "data-directory", data::data,
        "the data directory: there or to be made, of a format that this version knows, for this user to write, closed to others";
    "data-files", data::files,
        "the files in it: for this user to write, of one owner, closed to others";
    "disk-mount", disk::mount,
        "what the data directory lies on: a read-only mount, memory, a container's own layer, another machine's disk";
    "disk-space", disk::space,
        "room and inodes against what the queue, the segments and `audit.retention` take";
    "disk-sync", disk::sync,
        "how long a sync takes, measured with a file of its own that is removed";
    "watches", limits::watches,
        "file events: the limits of inotify against the directories of the set, and file systems that have none";
    "open-files", limits::open_files,
        "the limit on open files against `server.authorize.limits.connections`";
    "memory", limits::memory,
        "the memory limit of the cgroup against what the settings may take";
    "ports", listeners::ports,
        "of an instance that is stopped: whether its addresses can be bound";
    "unix-socket", listeners::unix_socket,
        "the directory of the Unix socket, and what is in its place";
    "instance", live::instance,
        "whether an instance answers, and whether it is that of the data directory";
    "readiness", live::readiness,
        "why it is not ready, and what `/readyz` notes besides";
    "reloads", live::reloads,
        "policies that are stale or refused, with the first problems; files that are not live; a watcher that hears nothing";
    "settings", live::settings,
        "a configuration file that was refused, and settings that wait for a restart";
    "self-check", live::self_check,
        "decisions that differ from those of plain Cedar, and policies that could not be evaluated";
    "shadow-differences", live::shadow_differences,
        "how the shadow set differs from what is answered";
    "admin", live::admin,
        "whether the admin listener answers and takes the token";
    "audit-log", audit::log,
        "the log as it lies on the disk: segments that were put aside, gaps, notes that cannot be read";
    "audit-queue", audit::queue,
        "a store that fails, records that were lost, a queue that grows, a store that lags";
    "checkpoints", audit::checkpoints,
        "how old the last checkpoint is, and whether checkpoints get where they should go";
    "retention", audit::retention,
        "whether old records ever go";
    "clock", clock::clock,
        "this machine's clock: synchronised, later than the newest record, and that of the instance";
    "mail", others::mail,
        "the mail server: reached, TLS, login; mails that wait. No mail is sent";
    "token-keys", others::token_keys,
        "the keys of each token issuer: fetched as the instance would, and how fresh its own are";
    "webhook", others::webhook,
        "whether the receiver of checkpoints can be reached. Nothing is posted";
}

/// Says which checks were not made because nobody answers: silence is no good news.
pub(super) fn say_not_made(scene: &Scene, found: &mut Findings) {
    let unmade = found.unmade();
    if unmade.is_empty() {
        return;
    }
    let were = if unmade.len() == 1 { "was" } else { "were" };
    let checks = count(unmade.len(), "check", "checks");
    let what =
        format!("no instance answers at `{}`; {checks} {were} not made: {}", scene.ops_address, unmade.join(", "));
    found.note_of("instance", what, "ask again while it runs, or name its ops listener with `--ops URL`");
}

/// `docs/reference/doctor.md`.
#[must_use]
pub fn reference() -> String {
    let head = "# What doctor looks at\n\n<!-- generated from the table in src/cli/doctor/checks.rs; `make reference` writes it anew -->\n\n\
                `sidegate doctor` runs these checks in this order; the name of the check stands in each line of its answer.\n\n\
                | check | looks at |\n| --- | --- |\n";
    let rows = CHECKS.iter().map(|check| format!("| `{}` | {} |\n", check.name, check.looks_at));
    std::iter::once(head.to_owned()).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_checks_have_the_same_name() {
        let names: BTreeSet<_> = CHECKS.iter().map(|check| check.name).collect();
        assert_eq!(names.len(), CHECKS.len());
    }
}
