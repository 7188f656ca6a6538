//! The policy files: whole, tested, changed by nobody else, and kept for a restart.

use crate::{
    cli::{
        ExitCode,
        doctor::{
            finding::{Findings, count},
            scene::{REFUSED, Scene},
        },
    },
    config::ActivationTests,
    document::{Diagnostics, Severity},
    lifecycle::Clock,
    policy,
    reload::LastGood,
    telemetry::events::Chain,
};
use rustix::fs::Access;
use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

/// Problems of one set that are told; `sidegate check` tells them all.
const MOST: usize = 5;

pub(super) fn policies(scene: &Scene, found: &mut Findings) {
    let directory = &scene.settings.policies.directory;
    match scene.set() {
        Ok((_, snapshot)) => {
            let policies = count(snapshot.program.policies().len(), "policy", "policies");
            found.ok(format!(
                "`{}` holds the set `{}`, revision {}: {policies}",
                directory.display(),
                snapshot.name,
                snapshot.revision
            ));
        }
        Err(problems) => refused(directory, problems, found, true),
    }
}

pub(super) fn shadow(scene: &Scene, found: &mut Findings) {
    let Some(directory) = &scene.settings.policies.shadow else { return found.ok("there is none") };
    match scene.compile(directory) {
        Ok((_, snapshot)) => found.ok(format!("`{}` holds revision {}", directory.display(), snapshot.revision)),
        Err(problems) => refused(directory, &problems, found, false),
    }
}

fn refused(directory: &Path, problems: &Diagnostics, found: &mut Findings, decides: bool) {
    let errors: Vec<_> = problems.iter().filter(|problem| problem.severity() == Severity::Error).collect();
    let shown = directory.display();
    for problem in errors.iter().take(MOST) {
        let mend = format!("`sidegate check {shown}` says whether it is mended");
        if decides {
            found.error_as(REFUSED, problem.to_string(), mend);
        } else {
            found.warning(problem.to_string(), mend);
        }
    }
    if let Some(more) = errors.len().checked_sub(MOST).filter(|more| *more > 0) {
        found.note(
            format!("`{shown}` has {}", count(more, "more error", "more errors")),
            format!("`sidegate check {shown}` names them all"),
        );
    }
}

pub(super) fn tests(scene: &Scene, found: &mut Findings) {
    let Ok((files, snapshot)) = scene.set() else { return };
    let directory = scene.settings.policies.directory.display();
    if snapshot.tests.is_empty() {
        return found.note(
            "the set has no tests, so that nothing but its form is checked before it goes live",
            "write some into `tests/*.yaml`",
        );
    }
    let failures = policy::failed_tests(snapshot, files, Severity::Error);
    let mend = format!("`sidegate test {directory}` shows what was expected and what came");
    for failure in failures.iter().take(MOST) {
        match scene.settings.policies.activation_tests {
            ActivationTests::Required => found.error_as(ExitCode::TestsFailed, failure.to_string(), mend.clone()),
            ActivationTests::Warn | ActivationTests::Off => found.warning(failure.to_string(), mend.clone()),
        }
    }
    if let Some(more) = failures.len().checked_sub(MOST).filter(|more| *more > 0) {
        found.note(format!("{} do not hold", count(more, "more test", "more tests")), mend);
    }
    if found.is_well() {
        found.ok(format!("{} hold", count(snapshot.tests.len(), "test", "tests")));
    }
}

pub(super) fn access(scene: &Scene, found: &mut Findings) {
    let directory = &scene.settings.policies.directory;
    let Ok((files, _)) = scene.set() else { return };
    let paths = std::iter::once(directory.clone()).chain(files.paths().map(|path| directory.join(path)));
    let open: Vec<_> =
        paths.filter(|path| fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o002 != 0)).collect();
    if let Some(first) = open.first() {
        let things = count(open.len(), "policy file or directory", "policy files and directories");
        found.warning(
            format!("anybody on this machine can change {things}, such as `{}`", first.display()),
            format!("`chmod -R o-w {}`", directory.display()),
        );
    }
    let is_root = rustix::process::geteuid().is_root();
    if !is_root && rustix::fs::access(directory, Access::WRITE_OK).is_ok() {
        found.note(
            format!("the user that runs this can change `{}`; the process itself only reads it", directory.display()),
            "a directory of another owner, or a read-only mount, keeps a process that was broken into from changing its own rules",
        );
    }
    if found.is_well() {
        found.ok("nobody else can change the policy files");
    }
}

pub(super) fn last_good(scene: &Scene, found: &mut Findings) {
    if !scene.settings.policies.start_from_last_good {
        return found.note(
            "a start with broken files fails (`policies.start_from_last_good: false`)",
            "set it, where an older policy is better than none",
        );
    }
    let live = scene.set().ok().map(|(files, _)| files.revision());
    match LastGood::new(scene.data()).look(Clock::system()) {
        Ok(Some((revision, confirmed))) if live.is_none_or(|live| live == revision) => {
            found.ok(format!("revision {revision} is kept, confirmed at {confirmed}"));
        }
        Ok(Some((revision, confirmed))) => found.note(
            format!("revision {revision} is kept, confirmed at {confirmed}, and the files are another by now"),
            "it follows once an instance runs on them",
        ),
        Ok(None) if scene.instance.is_some() => found.warning(
            "no copy of the set that decides is kept, so that a restart with broken files fails",
            "look at `copy_failure` in `/status`, and at the permissions of `policies` in the data directory",
        ),
        Ok(None) => found.ok("none is kept yet: the first start makes it"),
        Err(error) => found.warning(
            format!("the copy for a restart with broken files is of no use: {}", Chain(&error)),
            "a start with good files makes it anew",
        ),
    }
}
