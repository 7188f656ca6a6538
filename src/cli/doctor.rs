//! `sidegate doctor`: what is wrong with an instance and what to do about it, in plain words.
//!
//! A table of checks ([`checks::CHECKS`]), each a function that looks at one thing of the [`Scene`] and says what it found. Nothing is changed:
//! no store is opened, and what a check writes to measure the disk is a file of its own that it removes.

mod checks;
mod finding;
mod instance;
mod mounts;
mod scene;

pub use checks::reference;

use super::{
    ExitCode,
    output::{self, Output},
    remote::CredentialArgs,
    sources::SettingsArgs,
};
use clap::Args;
use finding::{Finding, Findings, Level};
use scene::Scene;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Look at an instance, running or stopped, and say in plain words what is wrong and what to do.
///
/// It takes the flags and the environment of `serve`. Run it where the instance runs, as the same user: it looks at the files that the
/// configuration names, and asks the listeners of an instance that runs. It changes nothing, sends no mail, and posts nothing.
///
/// Each line is a finding: how bad it is, which check found it, what is wrong, and what mends it.
#[derive(Debug, Args)]
#[command(args_override_self = true, after_long_help = EXIT_CODES)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The admin listener, where it is not found at `server.admin.listen`
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    /// The ops listener, where it is not found at `server.ops.listen`
    #[arg(long, value_name = "URL")]
    ops: Option<String>,
    #[command(flatten)]
    credentials: CredentialArgs,
    /// Show what is well, too
    #[arg(long, short)]
    verbose: bool,
    /// How to print the findings
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What `docs/reference/exit-codes.md` says of all commands, for this one.
const EXIT_CODES: &str = "\
Exit codes

  0    nothing is wrong, notes apart
  64   the configuration has errors, certificates and keys included
  3    the policy set has errors
  4    its tests fail, and a set whose tests fail does not go live
  1    anything else that is a warning or an error

  Of several the first in this order counts.";

pub(super) fn run(args: &DoctorArgs) -> ExitCode {
    let scene = match Scene::look(args) {
        Ok(scene) => scene,
        Err(error) if error.is_usage() => return output::fail(ExitCode::Usage, &error),
        Err(error) => return output::fail(ExitCode::Failed, &error),
    };
    let mut findings = Findings::default();
    for check in checks::CHECKS {
        findings.begin(check.name);
        (check.look)(&scene, &mut findings);
        if scene.loaded.is_err() {
            // Every other check goes by the settings.
            findings.note("nothing else was looked at: it takes a whole configuration", "mend it, and ask again");
            break;
        }
    }
    checks::say_not_made(&scene, &mut findings);
    let code = findings.code();
    match args.output {
        Output::Human => output::finish(&human(&findings, args.verbose), code),
        Output::Json => output::finish_json(&to_json(&scene, &findings), code),
    }
}

/// One line a finding, the worst first; what is well is counted, or shown as well.
fn human(findings: &Findings, verbose: bool) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    for finding in findings.worst_first().filter(|finding| verbose || finding.level > Level::Ok) {
        let Finding { level, check, what, mend } = finding;
        let mend = if mend.is_empty() { String::new() } else { format!("; {mend}") };
        let _written = writeln!(out, "{:<7}  {check}: {what}{mend}", level.as_str());
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let _written = match (count(Level::Error), count(Level::Warning)) {
        (0, 0) => writeln!(out, "{:<7}  nothing is wrong, says each of {} checks", "ok", findings.checks()),
        (errors, warnings) => writeln!(out, "\n{errors} to mend now, {warnings} to look at"),
    };
    out
}

fn to_json(scene: &Scene, findings: &Findings) -> Value {
    let list = findings.iter().map(|Finding { level, check, what, mend }| {
        let mend = Some(mend).filter(|mend| !mend.is_empty());
        json!({ "level": level.as_str(), "check": check, "what": what, "mend": mend })
    });
    json!({
        "instance": if scene.instance.is_some() { "running" } else { "silent" },
        "version": env!("CARGO_PKG_VERSION"),
        "level": findings.worst().as_str(),
        "checks": findings.checks(),
        "not_made": findings.unmade(),
        "findings": list.collect::<Vec<_>>(),
    })
}
