//! What a running instance says of itself.

use crate::cli::{
    doctor::{
        finding::Findings,
        instance::{Instance, diagnostics, texts},
        scene::Scene,
    },
    remote::RemoteError,
};
use crate::{config::AdminAuth, telemetry::events::Chain};
use hyper::StatusCode;
use serde_json::Value;

/// Seconds after which an instance has begun with all that it does.
const SETTLED: i64 = 5;

pub(super) fn instance(scene: &Scene, found: &mut Findings) {
    let data = scene.data().display();
    let why = scene.silence.as_ref().map(|error| Chain(error).to_string()).unwrap_or_default();
    match (&scene.instance, scene.is_in_use()) {
        (Some(instance), in_use) => {
            if !in_use && scene.sight.is_ok() {
                found.warning(
                    format!("an instance answers at `{}`, and none has `{data}`: it uses another data directory", instance.address),
                    "give `--config` and `--data` as that instance has them, or `--ops` of the one that is meant",
                );
            }
            other_version(instance, found);
            if found.is_well() {
                let since = instance.status("started_at").as_str().unwrap_or_default();
                found.ok(format!("it answers at `{}`, and runs since {since}", instance.address));
            }
        }
        (None, true) => found.error(
            format!("a process has `{data}`, and its ops listener does not answer: {why}"),
            "look at its log; where it listens elsewhere, name that with `--ops URL`, and with `--ca FILE` and `--admin URL` if it speaks TLS",
        ),
        (None, false) if scene.names_ops => found.error(
            format!("no instance answers at `{}`, which `--ops` names: {why}", scene.ops_address),
            "start it, or name the ops listener of the one that is meant; leave `--ops` out to look at one that is stopped",
        ),
        (None, false) => match scene.silence.as_ref() {
            Some(RemoteError::Stranger { address }) => {
                found.note(format!("whoever answers at `{address}` is no sidegate"), "`ports` says whether the addresses are free");
            }
            _ => found.ok("it is stopped"),
        },
    }
}

fn other_version(instance: &Instance, found: &mut Findings) {
    let runs = instance.status("version").as_str().unwrap_or_default();
    let own = env!("CARGO_PKG_VERSION");
    if runs != own {
        found.note(
            format!("the instance is version {runs}, and this command version {own}"),
            "use the command of the instance",
        );
    }
}

pub(super) fn readiness(scene: &Scene, found: &mut Findings) {
    let Some(instance) = &scene.instance else { return found.not_made() };
    for reason in texts(instance.readiness("reasons"), "message") {
        found.error(
            format!("the instance is not ready: {reason}"),
            "the findings below may say why; its log has the event",
        );
    }
    for note in texts(instance.readiness("notes"), "message") {
        found.warning(note, "see `docs/runbooks.md`; `sidegate audit verify` looks at the whole log");
    }
    if found.is_well() {
        found.ok("the instance is ready");
    }
}

pub(super) fn reloads(scene: &Scene, found: &mut Findings) {
    let Some(instance) = &scene.instance else { return found.not_made() };
    let policies = instance.status("policies");
    let is = |key: &str| policies[key] == true;
    let revision = policies["revision"].as_str().unwrap_or_default();
    let confirmed = policies["confirmed_at"].as_str().unwrap_or_default();
    let failure = &policies["last_failure"];
    let refused = policies["consecutive_failures"].as_u64().unwrap_or_default() > 0;
    let why = || {
        let outcome = failure["outcome"].as_str().unwrap_or_default();
        format!("{outcome}: {}", diagnostics(&failure["diagnostics"]))
    };
    if is("from_last_good") {
        found.warning(
            format!(
                "the instance came up on the copy of revision {revision}, since the files are of no use: {}",
                why()
            ),
            "mend the files; they go live by themselves",
        );
    } else if refused {
        found.warning(
            format!("the policy files are refused, and revision {revision} decides on: {}", why()),
            "mend the files or revert the commit; they go live by themselves",
        );
    }
    if is("stale") && !is("from_last_good") {
        found.warning(
            format!("the policies are stale: revision {revision} was last confirmed at {confirmed}"),
            "see that whatever brings the files still does, and that they can be read",
        );
    }
    let has_begun = instance.status("uptime_seconds").as_i64() >= Some(SETTLED);
    if scene.settings.policies.watch && policies["watching"] == false && has_begun {
        found.warning(
            "the instance hears no file events, and finds changes by the slow look alone",
            "`watches` and the log line `watch_failed` say why",
        );
    }
    let files = scene.set().ok().map(|(files, _)| files.revision().to_string());
    if let Some(files) = files.filter(|files| files != revision && !refused) {
        found.note(
            format!("the files are revision {files}, and revision {revision} decides"),
            "they go live within seconds; if they do not, the instance has another directory (`--policies`)",
        );
    }
    let copy = &policies["copy_failure"];
    if !copy.is_null() {
        let problems: Vec<&str> = copy["problems"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        found.warning(
            format!("the set that decides is not kept for a restart: {}", problems.join("; ")),
            "see to room and permissions of `policies` in the data directory",
        );
    }
    if found.is_well() {
        found.ok(format!("revision {revision} decides, confirmed at {confirmed}"));
    }
}

pub(super) fn settings(scene: &Scene, found: &mut Findings) {
    let Some(instance) = &scene.instance else { return found.not_made() };
    let configuration = instance.status("configuration");
    if configuration["diagnostics"].as_array().is_some_and(|problems| !problems.is_empty()) {
        found.error(
            format!(
                "the instance has refused its configuration file and would not start again with it: {}",
                diagnostics(&configuration["diagnostics"])
            ),
            format!("mend the file before any restart; `{}` says whether it is whole", scene.check_config),
        );
    }
    let waiting: Vec<&str> =
        configuration["waiting_for_restart"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !waiting.is_empty() {
        let keys: Vec<_> = waiting.iter().map(|key| format!("`{key}`")).collect();
        found.note(
            format!("{} changed in the file and wait for a restart", keys.join(", ")),
            "restart the instance when it suits",
        );
    }
    if found.is_well() {
        found.ok("the instance runs by its file");
    }
}

pub(super) fn self_check(scene: &Scene, found: &mut Findings) {
    let Some(instance) = &scene.instance else { return found.not_made() };
    if let Some(count) = instance.counted("sidegate_self_checks_total", "outcome=\"different\"") {
        found.error(
            format!("{count} decisions differ from those of plain Cedar"),
            "keep the log lines `self_check_different` and the policy set of that revision, and report them",
        );
    }
    if let Some(count) = instance.counted("sidegate_policy_errors_total", "") {
        found.warning(
            format!("policies could not be evaluated {count} times since the start"),
            "`sidegate audit list --decision deny` names policy and error in `errors`; guard the attribute with `has`",
        );
    }
    if found.is_well() {
        found.ok("decisions are those of plain Cedar, as far as they were compared");
    }
}

pub(super) fn shadow_differences(scene: &Scene, found: &mut Findings) {
    let Some(instance) = &scene.instance else { return found.not_made() };
    let status = instance.status("shadow");
    let failure = &status["failure"];
    if !failure.is_null() {
        found.warning(
            format!("the shadow set is refused: {}", diagnostics(&failure["diagnostics"])),
            "mend the files of `policies.shadow`; the set that decides is not concerned",
        );
    }
    let counted =
        |outcome: &str| instance.counted("sidegate_shadow_decisions_total", &format!("outcome=\"{outcome}\""));
    for (outcome, means) in [("widened", "allow what is denied"), ("narrowed", "deny what is allowed")] {
        if let Some(count) = counted(outcome) {
            found.note(
                format!("the shadow set would {means} in {count} decisions"),
                "`sidegate audit list --kind policy` shows them; where that is meant, the set can go live",
            );
        }
    }
    if let Some(count) = instance.counted("sidegate_shadow_skipped_total", "") {
        found.note(format!("{count} decisions were not compared with the shadow set, which could not keep up"), "");
    }
    if found.is_well() {
        found.ok("there is nothing else to tell of a shadow set");
    }
}

pub(super) fn admin(scene: &Scene, found: &mut Findings) {
    if scene.instance.is_none() && !scene.names_admin {
        return found.not_made();
    }
    let admin = match &scene.admin {
        Ok(admin) => admin,
        Err(error) => return found.warning(Chain(error).to_string(), "name it with `--admin URL`"),
    };
    let address = admin.authority();
    let asked = admin.look("/v1/policies", &[]);
    let wants_token = scene.settings.server.admin_auth == AdminAuth::Tokens && !admin.has_token();
    match asked.map(|seen| seen.status) {
        Ok(StatusCode::UNAUTHORIZED) if wants_token => found.note(
            "no token was given, so whether the admin listener takes one is not known",
            "give one with `--token` or in `SIDEGATE_TOKEN`",
        ),
        Ok(StatusCode::UNAUTHORIZED) => found.error(
            format!("the admin listener (`{address}`) refuses the token"),
            "compare the SHA-256 of the token with `server.admin.tokens`; after several unknown ones it is deaf for a moment",
        ),
        Ok(StatusCode::FORBIDDEN) => found.ok(format!("`{address}` answers, and the token is not one for reading")),
        Ok(StatusCode::OK) => found.ok(format!("`{address}` answers")),
        Ok(status) => found.warning(format!("the admin listener (`{address}`) answers {status}"), "its log has the event `request_failed`"),
        Err(error) if scene.names_admin => found.error(
            format!("no admin listener answers at `{address}`, which `--admin` names: {}", Chain(&error)),
            "start the instance, or name the one that is meant, with `--ca FILE` whom to trust where it speaks TLS",
        ),
        Err(error) => found.warning(
            format!("the admin listener cannot be asked: {}", Chain(&error)),
            "name it with `--admin URL`, and with `--ca FILE` whom to trust where it speaks TLS",
        ),
    }
}
