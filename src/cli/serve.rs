//! `sidegate serve`

use super::{ExitCode, output, set};
use crate::{
    app::{self, Ended, StartError},
    config::{self, Flag, LogFormat, Sources},
    telemetry,
};
use clap::Args;
use std::path::PathBuf;

/// Run the sidecar.
// Of a flag that is given twice the later counts: scripts add flags to those of others.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
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
    let sources = sources(args);
    let settings = match config::load(&sources) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error),
    };
    if args.check_config {
        return output::finish("the configuration is good\n", ExitCode::Done);
    }
    let log = &settings.telemetry;
    let level = match telemetry::install(log.log_format == LogFormat::Pretty, &log.log_level) {
        Ok(level) => level,
        Err(error) => return output::fail(ExitCode::Usage, &error),
    };
    match app::run(&settings, sources, level) {
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

fn sources(args: &ServeArgs) -> Sources {
    let flags = [
        ("--policies", &args.policies),
        ("--data", &args.data),
        ("--authorize-listen", &args.authorize_listen),
        ("--admin-listen", &args.admin_listen),
        ("--ops-listen", &args.ops_listen),
    ];
    let given = flags.into_iter().filter_map(|(name, value)| Some(Flag { name, value: value.clone()? }));
    Sources { file: args.config.clone(), environment: config::environment(), flags: given.collect() }
}

fn refuse(error: &config::Error) -> ExitCode {
    if let config::Error::Invalid(diagnostics) = error {
        set::show(diagnostics);
    }
    output::fail(ExitCode::Usage, error)
}
