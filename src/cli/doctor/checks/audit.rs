//! The audit log: on the disk, and as the instance that writes it tells.

use crate::{
    audit::OpenError,
    cli::doctor::{
        finding::{Findings, bytes, span},
        scene::Scene,
    },
    config::{self, Hold},
    model::Timestamp,
    telemetry::events::Chain,
};

/// A store that is so far behind is not merely busy.
const LONG_LAG: f64 = 5.0;

/// How much of a queue may be used.
const FULL: f64 = 0.5;

pub(super) fn log(scene: &Scene, found: &mut Findings) {
    let sight = match &scene.sight {
        Ok(sight) => sight,
        Err(OpenError::Missing { .. }) => return found.ok("there is none yet"),
        Err(OpenError::Newer { .. } | OpenError::Unversioned { .. } | OpenError::NotADirectory { .. }) => return,
        Err(error) => {
            return found.error(
                format!("the audit log cannot be looked at: {}", Chain(error)),
                "run this as the user of the instance",
            );
        }
    };
    let verify = format!("`sidegate audit verify --data {}` says which records are missing", scene.data().display());
    if let Some(first) = sight.put_aside.first() {
        found.warning(
            format!(
                "{} damaged segments of the log were put aside, the first as `{}`",
                sight.put_aside.len(),
                first.display()
            ),
            format!("{verify}; look at the disk, and restore them from a copy where there is one"),
        );
    }
    for gap in &sight.gaps {
        found.warning(
            format!("the log lacks the records {} to {}: {}", gap.first_seq, gap.last_seq, gap.why),
            verify.clone(),
        );
    }
    for what in &sight.unreadable {
        found.warning(what.clone(), verify.clone());
    }
    if found.is_well() {
        found.ok(format!("it takes {}, and nothing was put aside", bytes(sight.bytes)));
    }
}

pub(super) fn queue(scene: &Scene, found: &mut Findings) {
    let Some(instance) = &scene.instance else { return found.not_made() };
    let audit = instance.status("audit");
    let number = |key: &str| audit[key].as_u64().unwrap_or_default();
    if audit["health"] != "running" {
        found.error(
            format!("the audit store takes no records: {}", audit["problem"].as_str().unwrap_or("it is closed")),
            "mend the cause, such as a full disk; the instance tries again by itself",
        );
    }
    for (key, what, mend) in [
        (
            "records_dropped",
            "were dropped, since the queue was full",
            "`audit.when_full: block` loses none; a larger `audit.ring_bytes` bridges bursts",
        ),
        (
            "records_failed",
            "were lost while the store failed",
            "`audit.when_failed: deny` decides nothing without a record",
        ),
    ] {
        if number(key) > 0 {
            found.warning(format!("{} audit records {what}", number(key)), mend);
        }
    }
    let lag = audit["lag_seconds"].as_f64().unwrap_or_default();
    if lag > LONG_LAG {
        found.warning(
            format!("the store is {lag:.0} s and {} records behind", number("lag_records")),
            "`disk-sync` tells how quick the disk is",
        );
    }
    // A decider waits for its own queue, however empty the others are.
    let fullest = instance.metric("sidegate_audit_fullest_queue_ratio", "").unwrap_or_default();
    if fullest > FULL {
        found.warning(
            format!("the fullest audit queue is {:.0} % full", fullest * 100.0),
            "a quicker disk empties it sooner, a larger `audit.ring_bytes` bridges bursts",
        );
    }
    if found.is_well() {
        found.ok(format!("{} records written since the start, none lost", number("records_written")));
    }
}

pub(super) fn checkpoints(scene: &Scene, found: &mut Findings) {
    let Some(instance) = &scene.instance else { return found.not_made() };
    for (to, key) in [("file", "audit.checkpoint.file"), ("webhook", "audit.checkpoint.webhook")] {
        // What is wrong now: of a failure that has passed, the checkpoint after it says all that it would have said.
        if instance.counted("sidegate_audit_checkpoint_undelivered", &format!("to=\"{to}\"")).is_some() {
            found.warning(
                format!("the newest checkpoint did not get to `{key}`"),
                "the log line `audit_checkpoint_failed` says why; a chain without checkpoints elsewhere proves less",
            );
        }
    }
    let metric = |name: &str| instance.metric(name, "").unwrap_or_default();
    let durable = instance.status("audit")["durable_seq"].as_f64().unwrap_or_default();
    let (seq, at) = (metric("sidegate_audit_checkpoint_seq"), metric("sidegate_audit_checkpoint_timestamp_seconds"));
    let started = instance.status("started_at").as_str().and_then(Timestamp::parse);
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let now = (scene.now.as_micros() / 1_000_000) as f64;
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let started = started.map_or(now, |started| (started.as_micros() / 1_000_000) as f64);
    let age = now - if at > 0.0 { at } else { started };
    let interval = scene.settings.audit.checkpoint_interval.as_secs_f64();
    if durable > seq && age > 3.0 * interval + 60.0 {
        #[expect(clippy::cast_possible_truncation, reason = "seconds")]
        let age = span(age as i64);
        found.warning(
            format!("the last checkpoint is {age} old, and there are newer records"),
            "the log of the instance says what keeps its audit log from one",
        );
    }
    if found.is_well() {
        found.ok(if at > 0.0 { "the last one is recent" } else { "none was due yet" });
    }
}

pub(super) fn retention(scene: &Scene, found: &mut Findings) {
    let audit = &scene.settings.audit;
    match (audit.hold, audit.retention_age, audit.retention_bytes) {
        (Hold::Everything, ..) => {
            found.note("nothing is ever removed while `audit.hold` is `true`", "end the hold once it has served");
        }
        (_, None, None) => found.note(
            "old audit records never go: the log grows until the disk is full",
            "set `audit.retention.age` or `audit.retention.bytes`",
        ),
        (_, age, most) => {
            let parts = [
                age.map(|age| format!("older than {}", config::show_duration(age))),
                most.map(|most| format!("beyond {}", bytes(most))),
            ];
            found.ok(format!("what is {} goes", parts.into_iter().flatten().collect::<Vec<_>>().join(" or ")));
        }
    }
}
