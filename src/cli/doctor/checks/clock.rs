//! The clock: what expires, what is kept and what is proven goes by it.

use crate::{
    cli::doctor::{
        finding::{Findings, span},
        scene::Scene,
    },
    lifecycle,
    model::Timestamp,
};

/// Nothing of this version can have been run before: the first second of 2026.
const EARLIEST: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
/// Seconds by which clocks may differ.
const TOLERANCE: i64 = 5;

pub(super) fn clock(scene: &Scene, found: &mut Findings) {
    let now = scene.now;
    let set_it = "set the clock, and let a time service keep it (`timedatectl set-ntp true`, chrony)";
    if now < EARLIEST {
        found.error(format!("the clock says {now}, which cannot be"), set_it);
    }
    if let Ok(sight) = &scene.sight
        && let Some(newest) = sight.newest
    {
        let ahead = seconds(newest, now);
        if ahead > TOLERANCE {
            found.warning(
                format!("the newest audit record is of {newest}, {} later than the clock: it was set back, or was wrong then", span(ahead)),
                set_it,
            );
        }
        old_log(scene, newest, found);
    }
    if let Some(theirs) = scene.instance.as_ref().and_then(|instance| instance.clock) {
        let apart = seconds(theirs, now);
        if apart.abs() > TOLERANCE {
            let which = if apart > 0 { "ahead of" } else { "behind" };
            found.warning(format!("the clock of the instance is {} {which} that of this command", span(apart)), set_it);
        }
    }
    if lifecycle::is_clock_synchronised() == Some(false) {
        found.note(
            "nothing keeps this machine's clock: the kernel calls it unsynchronised",
            "start a time service; tokens, `until` and retention go by the clock",
        );
    }
    if found.is_well() {
        found.ok(format!("it says {now}, later than every record"));
    }
}

/// A clock that is far ahead makes everything old.
fn old_log(scene: &Scene, newest: Timestamp, found: &mut Findings) {
    let Some(age) = scene.settings.audit.retention_age.filter(|_| !scene.is_in_use()) else { return };
    let old = seconds(scene.now, newest);
    if u64::try_from(old).is_ok_and(|old| old > age.as_secs()) {
        found.note(
            format!("the newest audit record is {} old, older than `audit.retention.age`: an instance that starts removes the closed segments after an hour", span(old)),
            "is the clock right? `audit.hold: true` keeps everything meanwhile",
        );
    }
}

/// How many seconds one time is later than another.
fn seconds(later: Timestamp, earlier: Timestamp) -> i64 {
    later.as_micros().saturating_sub(earlier.as_micros()) / 1_000_000
}
