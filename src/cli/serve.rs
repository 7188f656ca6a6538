//! `sidegate serve`

use super::{ExitCode, output, set};
use crate::{
    app::{self, Ended, StartError},
    config::{self, Flag, LogFormat, Settings, Sources},
    telemetry,
};
use clap::Args;
use std::path::PathBuf;

/// What of the audit log survives what, by mode. `docs/audit-log.md` says the same at more length.
const MODES: &str = "\
The audit log (`audit.mode`, `audit.when_full`, `audit.when_failed`):

  mode      an answer leaves once its record is   survives the death    survives loss      while the disk is full
                                                  of the process        of power           or fails
  durable   in the mapped queue of its thread     yes, kill -9 too      up to what the     `when_failed` decides
  (default)                                                             system has
                                                                        written back
  synced    in the store, after fdatasync         yes                   yes, as far as     `when_failed` decides
                                                                        the disk keeps
                                                                        its word

  when the queue is full          block (default): the question waits    refuse: 503 with Retry-After
                                  drop_and_count: it is answered, and the record is counted as dropped
  when the store fails            deny (default): everything is denied as `audit_unavailable`
                                  allow_and_count: decisions go on, and lost records are counted

  Whatever was answered before the store failed is kept. `sidegate_audit_records_total` counts what was written, dropped, lost
  and left out by sampling; nothing is left out in silence.";

/// Run the sidecar.
// Of a flag that is given twice the later counts: scripts add flags to those of others.
#[derive(Debug, Args)]
#[command(args_override_self = true, after_long_help = MODES)]
pub(super) struct ServeArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE", env = "SIDEGATE_CONFIG")]
    config: Option<PathBuf>,
    /// The directory of the policy set (`policies.directory`)
    #[arg(long, value_name = "DIR")]
    policies: Option<String>,
    /// The data directory (`audit.directory`)
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Where applications ask (`server.authorize.listen`)
    #[arg(long, value_name = "ADDRESS")]
    authorize_listen: Option<String>,
    /// Where administrators are served (`server.admin.listen`)
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<String>,
    /// Where metrics and probes are (`server.ops.listen`)
    #[arg(long, value_name = "ADDRESS")]
    ops_listen: Option<String>,
    /// Check the configuration and end
    #[arg(long)]
    check_config: bool,
}

pub(super) fn run(args: &ServeArgs) -> ExitCode {
    let settings = match load(args) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error),
    };
    if args.check_config {
        return output::finish("the configuration is good\n", ExitCode::Done);
    }
    let log = &settings.telemetry;
    if let Err(error) = telemetry::install(log.log_format == LogFormat::Pretty, &log.log_level) {
        return output::fail(ExitCode::Usage, &error);
    }
    match app::run(settings) {
        Ok(Ended::InOrder) => ExitCode::Done,
        Ok(Ended::Forced) => ExitCode::Forced,
        Ok(Ended::Broken) => ExitCode::Internal,
        Err(StartError::Policies(error)) => {
            set::show(error.diagnostics());
            output::fail(ExitCode::PolicyErrors, &error)
        }
        Err(error) => output::fail(ExitCode::Failed, &error),
    }
}

fn load(args: &ServeArgs) -> Result<Settings, config::Error> {
    let flags = [
        ("--policies", &args.policies),
        ("--data", &args.data),
        ("--authorize-listen", &args.authorize_listen),
        ("--admin-listen", &args.admin_listen),
        ("--ops-listen", &args.ops_listen),
    ];
    let given = flags.into_iter().filter_map(|(name, value)| Some(Flag { name, value: value.clone()? }));
    let sources = Sources { file: args.config.as_deref(), environment: config::environment(), flags: given.collect() };
    config::load(&sources)
}

fn refuse(error: &config::Error) -> ExitCode {
    if let config::Error::Invalid(diagnostics) = error {
        set::show(diagnostics);
    }
    output::fail(ExitCode::Usage, error)
}
