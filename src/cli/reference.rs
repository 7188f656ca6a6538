//! The reference of commands, made from their definitions.

use super::Arguments;
use clap::{Arg, Command, CommandFactory};

/// `docs/reference/cli.md`.
#[must_use]
pub fn reference() -> String {
    let mut command = Arguments::command();
    command.build();
    let head = "# Commands\n\n<!-- generated from the definitions in src/cli; `make reference` writes it anew -->\n\n\
                Data goes to standard output, diagnostics to standard error.\n\
                [Exit codes](exit-codes.md) have a page of their own.\n";
    let subcommands = command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help");
    std::iter::once(head.to_owned()).chain(subcommands.flat_map(|subcommand| section("sidegate", subcommand))).collect()
}

fn section(parent: &str, command: &Command) -> Vec<String> {
    let name = format!("{parent} {}", command.get_name());
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let mut parts = vec![format!("\n## `{name}`\n\n{}.\n", about.trim_end_matches('.'))];
    let below: Vec<&Command> = command.get_subcommands().filter(|below| below.get_name() != "help").collect();
    if below.is_empty() {
        let usage = command.clone().render_usage().to_string();
        parts.push(format!("\n```text\n{}\n```\n", usage.trim_start_matches("Usage: ")));
        let shown = command.get_arguments().filter(|argument| argument.get_id() != "help" && !argument.is_hide_set());
        let rows: Vec<String> = shown.map(row).collect();
        if !rows.is_empty() {
            parts.push("\n| argument | meaning |\n| --- | --- |\n".to_owned());
            parts.extend(rows);
        }
        if let Some(more) = command.get_after_long_help() {
            parts.push(format!("\n```text\n{more}\n```\n"));
        }
    }
    parts.extend(below.into_iter().flat_map(|command| section(&name, command)));
    parts
}

fn row(argument: &Arg) -> String {
    let takes_values = argument.get_action().takes_values();
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let mut name = short.into_iter().chain(long).collect::<Vec<_>>().join(", ");
    if takes_values {
        let values = argument.get_value_names().unwrap_or_default().iter().map(|value| format!("<{value}>"));
        let words: Vec<String> = std::iter::once(name).chain(values).filter(|word| !word.is_empty()).collect();
        name = words.join(" ");
    }
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let ticked = |values: Vec<String>| values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", ");
    // Switches have the possible values `true` and `false` and a default, which nobody writes.
    let values =
        argument.get_possible_values().into_iter().filter(|_| takes_values).map(|value| value.get_name().to_owned());
    let choice = match ticked(values.collect()) {
        none if none.is_empty() => none,
        values => format!(": {values}"),
    };
    let defaults = argument.get_default_values().iter().filter(|_| takes_values);
    let default = match ticked(defaults.map(|value| value.to_string_lossy().into_owned()).collect()) {
        none if none.is_empty() => none,
        value => format!(" (default {value})"),
    };
    format!("| `{name}` | {}{choice}{default} |\n", help.trim_end_matches('.'))
}
