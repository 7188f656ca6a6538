//! Whom `access` and `menu` are about: a user of the set, or a configuration that is not saved.

use super::{ExitCode, output, question, set::SetArgs};
use crate::{
    directory::Subjects,
    document,
    engine::BoundUser,
    lifecycle::Clock,
    model::Timestamp,
    policy::{Configuration, Overview, Snapshot, Unknown},
};
use clap::{ArgGroup, Args};
use std::sync::Arc;

/// A user or a configuration.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("whom").required(true).args(["user", "configuration"]))]
pub(super) struct SubjectArgs {
    #[command(flatten)]
    set: SetArgs,
    /// The user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// A file with the JSON of a configuration that is not saved, or `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with = "user")]
    configuration: Option<String>,
    /// In which tenant
    #[arg(long, value_name = "ID", conflicts_with = "configuration")]
    tenant: Option<String>,
    /// At which time, in RFC 3339; now where it is left out
    #[arg(long, value_name = "TIME", value_parser = question::time)]
    at: Option<Timestamp>,
}

impl SubjectArgs {
    /// Loads the set, finds the user or reads the configuration, and asks.
    pub(super) fn ask(
        &self,
        ask: impl Fn(&Overview<'_>, &BoundUser, Option<&str>, Timestamp) -> Result<ExitCode, Unknown>,
    ) -> ExitCode {
        let given = match self.configuration.as_deref().map(question::input).transpose() {
            Ok(given) => given,
            Err(code) => return code,
        };
        let snapshot = match self.set.load_or_show() {
            Ok(snapshot) => snapshot,
            Err(code) => return code,
        };
        let at = self.at.unwrap_or_else(|| Clock::system().now());
        let overview = Overview::new(&snapshot);
        let asked = if let Some(given) = given {
            match configuration(&snapshot, &given) {
                Ok(Configuration { user, tenant }) => {
                    let user = BoundUser::new(&snapshot.program, &Arc::new(user));
                    ask(&overview, &user, tenant.as_deref(), at)
                }
                Err(code) => return code,
            }
        } else {
            let subjects = Subjects::bind(&snapshot.program, &snapshot.users);
            let id = self.user.as_deref().unwrap_or_default();
            if let Some(user) = subjects.find(id) {
                ask(&overview, user, self.tenant.as_deref(), at)
            } else {
                Err(Unknown::User(id.to_owned()))
            }
        };
        asked.unwrap_or_else(|unknown| output::fail(ExitCode::Usage, &unknown))
    }
}

fn configuration(snapshot: &Snapshot, given: &[u8]) -> Result<Configuration, ExitCode> {
    let json = document::json_once(given).map_err(|error| {
        output::say(&format!("error: the configuration is not JSON: {error}"));
        ExitCode::Usage
    })?;
    Configuration::read(snapshot, &json).map_err(|problems| {
        for problem in problems {
            let help = problem.help.map(|help| format!("; {help}")).unwrap_or_default();
            output::say(&format!("error: {}: {}{help}", problem.pointer, problem.message));
        }
        ExitCode::Usage
    })
}
