//! `sidegate serve`

use super::{ExitCode, output, set, sources::SettingsArgs};
use crate::{
    app::{self, Ended, StartError},
    config::{self, LogFormat, Settings, Sources},
    mail,
    reload::FirstError,
    telemetry,
};
use clap::Args;
use std::{
    env,
    path::{self, Component},
};

/// What of the audit log survives what, by mode. `docs/audit-log.md` says the same at more length.
const MODES: &str = "\
What of the audit log survives what

  audit.mode         an answer leaves once its record is
  durable (default)  in the memory-mapped queue of its thread
      death of the process   it survives, kill -9 included
      loss of power          it survives as far as the system has written back
      full or failing disk   what was answered is kept; then audit.when_failed
  synced             in the store, and fdatasync has returned
      death of the process   it survives
      loss of power          it survives, as far as the disk keeps its word
      full or failing disk   what was answered is kept; then audit.when_failed

  audit.when_full    while the queue is full a question
  block (default)    waits for room
  refuse             is answered 503 with Retry-After
  drop_and_count     is answered; its record is counted as dropped

  audit.when_failed  while the store fails a question
  deny (default)     is denied with the reason audit_unavailable
  allow_and_count    is decided; a record that is lost is counted as failed

  Nothing is left out in silence: sidegate_audit_records_total counts what was
  written, dropped, failed and left out by sampling.";

/// Run the sidecar.
// Of a flag that is given twice the later counts: scripts add flags to those of others.
#[derive(Debug, Args)]
#[command(args_override_self = true, after_long_help = MODES)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Check the configuration and end
    #[arg(long)]
    check_config: bool,
}

pub(super) fn run(args: &ServeArgs) -> ExitCode {
    let sources = args.settings.sources();
    let settings = match config::load(&sources) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error),
    };
    // Templates and certificates are as much a part of the configuration as the file that names them.
    if let Err(problems) = mail::check(&settings.mail) {
        return refuse(&config::Error::Invalid(problems));
    }
    if let Err(problems) = app::check_certificates(&settings) {
        return refuse(&config::Error::Invalid(problems));
    }
    if args.check_config {
        if let Err(error) = app::check(&settings) {
            return output::fail(ExitCode::Usage, &error);
        }
        let said = match &sources.file {
            Some(file) => format!("`{}`: the configuration is good\n", file.display()),
            None => "no file is named (`--config FILE`): the defaults, environment and flags are good\n".to_owned(),
        };
        return output::finish(&said, ExitCode::Done);
    }
    let log = &settings.telemetry;
    let level = match telemetry::install(log.log_format == LogFormat::Pretty, &log.log_level) {
        Ok(level) => level,
        Err(error) => return output::fail(ExitCode::Usage, &error),
    };
    let advice = Advice::of(&settings, &sources);
    match app::run(&settings, sources, level) {
        Ok(Ended::InOrder) => ExitCode::Done,
        Ok(Ended::Unclosed) => ExitCode::Failed,
        Ok(Ended::Forced) => ExitCode::Forced,
        Ok(Ended::Broken) => ExitCode::Internal,
        Err(StartError::Policies(error)) => {
            set::show(error.diagnostics());
            advice.say(&error);
            output::fail(ExitCode::PolicyErrors, &error)
        }
        Err(error) if error.is_of_a_setting() => output::fail(ExitCode::Usage, &error),
        Err(error) => output::fail(ExitCode::Failed, &error),
    }
}

/// What to do where there are no policies to begin with.
struct Advice {
    /// Where the set cannot be read.
    unreadable: Option<String>,
    /// Where it has errors.
    refused: Option<String>,
}

impl Advice {
    fn of(settings: &Settings, sources: &Sources) -> Self {
        let set = &settings.policies.directory;
        let here = env::current_dir().unwrap_or_default();
        let place = format!("`{}` begins at the working directory, which is `{}`", set.display(), here.display());
        let unreadable = if *set == Settings::default().policies.directory {
            let name = "name the policy set with `--policies DIR`, or a configuration with `--config FILE`";
            Some(format!("{name}; `sidegate init DIR` writes both to begin with"))
        } else {
            set.is_relative().then(|| place.clone())
        };
        // The configuration of `sidegate init`, used from elsewhere.
        let file = sources.file.as_deref().and_then(|file| path::absolute(file).ok());
        let is_elsewhere = file.is_some_and(|file| file.parent() != Some(&here));
        let is_here = set.components().all(|part| part == Component::CurDir);
        Self { unreadable, refused: (is_here && is_elsewhere).then_some(place) }
    }

    fn say(self, error: &FirstError) {
        let help = match error {
            FirstError::Read(_) => self.unreadable,
            FirstError::Refused(_) => self.refused,
        };
        if let Some(help) = help {
            output::say(&format!("  help: {help}"));
        }
    }
}

fn refuse(error: &config::Error) -> ExitCode {
    if let config::Error::Invalid(diagnostics) = error {
        set::show(diagnostics);
    }
    output::fail(ExitCode::Usage, error)
}
