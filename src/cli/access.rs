//! `sidegate access DIR`

use super::{
    ExitCode,
    output::{self, Output},
    subject::SubjectArgs,
};
use crate::policy::{ActionAccess, ModuleAccess, UserAccess};
use clap::Args;
use serde_json::json;

/// Show what a user may do: modules, actions, conditions, gates, preset.
#[derive(Debug, Args)]
pub(super) struct AccessArgs {
    #[command(flatten)]
    subject: SubjectArgs,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &AccessArgs) -> ExitCode {
    args.subject.ask(|overview, user, tenant, at| {
        let access = overview.access(user, tenant, at)?;
        Ok(match args.output {
            Output::Human => output::finish(&human(&access), ExitCode::Done),
            Output::Json => output::finish_json(&json!(access), ExitCode::Done),
        })
    })
}

fn human(access: &UserAccess<'_>) -> String {
    let mut lines = vec![headline(access)];
    lines.extend(
        access.refused.iter().map(|refused| format!("nothing is allowed: {} ({})", refused.message, refused.code)),
    );
    let roles = access.roles.iter().map(|role| format!("role  {}{}", role.given.id, terms(&role.given)));
    let grants = access.grants.iter().map(|grant| format!("grant {}{}", grant.id, terms(grant)));
    let gates =
        access.gates.iter().map(|gate| format!("gate  {} is {}", gate.id, if gate.open { "open" } else { "closed" }));
    let attributes = access.attributes.iter().map(|(name, value)| format!("attribute {name} = {value}"));
    lines.extend(access.preset.map(|preset| format!("  preset {preset}")));
    lines.extend(roles.chain(grants).chain(gates).chain(attributes).map(|line| format!("  {line}")));
    lines.push(String::new());
    let width = access.modules.iter().map(|module| module.id.chars().count()).max().unwrap_or(0);
    for module in &access.modules {
        lines.push(format!("{:<width$}  {}", module.id, what(module)));
        lines.extend(module.actions.iter().map(|action| format!("{:<width$}    {}", "", limits(action))));
    }
    if !access.conditions.is_empty() {
        lines.push(String::new());
    }
    for condition in &access.conditions {
        lines.push(format!("when {}: {}", condition.name, condition.description.unwrap_or("not described")));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn headline(access: &UserAccess<'_>) -> String {
    let who = access.user.unwrap_or("a configuration that is not saved");
    let name = access.name.map(|name| format!(" ({name})")).unwrap_or_default();
    let tenant = access.tenant.map(|tenant| format!(" in {tenant}")).unwrap_or_default();
    let until = access.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
    format!("{who}{name}{tenant}: {}{until}", access.status)
}

fn terms(given: &crate::policy::Given<'_>) -> String {
    let until = given.until.as_ref().map(|until| {
        let word = if given.expired { "ran out at" } else { "until" };
        format!(" {word} {until}")
    });
    let why = given.why.map(|why| format!(" ({why})"));
    until.unwrap_or_default() + &why.unwrap_or_default()
}

fn what(module: &ModuleAccess<'_>) -> String {
    if !module.closed_gates.is_empty() {
        return format!("closed, needs the gate {}", module.closed_gates.join(" or "));
    }
    if module.summary.is_empty() { "-".to_owned() } else { module.summary.clone() }
}

fn limits(action: &ActionAccess<'_>) -> String {
    let ways = action.ways.iter().map(|way| {
        let mut words = String::new();
        if !way.resources.is_empty() {
            words.push_str(" on ");
            words.push_str(&way.resources.join(" and "));
        }
        for (before, names) in [(" on ", &way.types), (" in ", &way.areas), (" when ", &way.conditions)] {
            if !names.is_empty() {
                words.push_str(before);
                words.push_str(&names.join(" and "));
            }
        }
        let place = way.source.map(|place| format!(" ({place})")).unwrap_or_default();
        words + &place
    });
    let unless =
        if action.unless.is_empty() { String::new() } else { format!(" unless {}", action.unless.join(" or ")) };
    format!("{}{}{unless}", action.action, ways.collect::<Vec<_>>().join(", or"))
}
