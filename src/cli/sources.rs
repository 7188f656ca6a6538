//! Where the settings of an instance come from: the flags that `serve` and `doctor` share.

use crate::config::{self, Flag, Sources};
use clap::Args;
use std::path::PathBuf;

/// The configuration file, and flags that win over it.
#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
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
}

impl SettingsArgs {
    /// The file, the environment, and the flags that were given.
    pub(super) fn sources(&self) -> Sources {
        let flags = [
            ("--policies", &self.policies),
            ("--data", &self.data),
            ("--authorize-listen", &self.authorize_listen),
            ("--admin-listen", &self.admin_listen),
            ("--ops-listen", &self.ops_listen),
        ];
        let given = flags.into_iter().filter_map(|(name, value)| Some(Flag { name, value: value.clone()? }));
        Sources { file: self.config.clone(), environment: config::environment(), flags: given.collect() }
    }
}
