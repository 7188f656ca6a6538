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
    /// A command that is to have the same settings, as it is typed into a shell.
    pub(super) fn typed_behind(&self, command: &str) -> String {
        let file = self.config.as_ref().map(|file| file.to_string_lossy().into_owned());
        let flags = file.into_iter().map(|file| ("--config", file));
        let flags = flags.chain(self.flags().into_iter().map(|Flag { name, value }| (name, value)));
        flags.fold(command.to_owned(), |line, (name, value)| format!("{line} {name} {}", quoted(&value)))
    }

    /// The file, the environment, and the flags that were given.
    pub(super) fn sources(&self) -> Sources {
        Sources { file: self.config.clone(), environment: config::environment(), flags: self.flags() }
    }

    fn flags(&self) -> Vec<Flag> {
        let flags = [
            ("--policies", &self.policies),
            ("--data", &self.data),
            ("--authorize-listen", &self.authorize_listen),
            ("--admin-listen", &self.admin_listen),
            ("--ops-listen", &self.ops_listen),
        ];
        flags.into_iter().filter_map(|(name, value)| Some(Flag { name, value: value.clone()? })).collect()
    }
}

/// A word as a shell takes it: in quotes where it holds more than what stands for itself.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_not_take_them_as_they_are() {
        for (word, typed) in
            [("shop/a.yaml", "shop/a.yaml"), ("a shop", "'a shop'"), ("", "''"), ("it's", r"'it'\''s'")]
        {
            assert_eq!(quoted(word), typed);
        }
    }
}
