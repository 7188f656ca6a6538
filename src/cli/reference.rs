//! The reference of commands, made from their definitions.

use super::Arguments;
use clap::{Arg, Command, CommandFactory};

/// `docs/reference/cli.md`.
#[must_use]
pub fn reference() -> String {
    let mut command = Arguments::command();
    command.build();
    let mut text = String::from(
        "# Commands\n\n<!-- generated from the definitions in src/cli; `make reference` writes it anew -->\n\n\
         Data goes to standard output, diagnostics to standard error.\n\
         [Exit codes](exit-codes.md) have a page of their own.\n",
    );
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        section(&mut text, "sidegate", subcommand);
    }
    text
}

fn section(text: &mut String, parent: &str, command: &Command) {
    let name = format!("{parent} {}", command.get_name());
    let below: Vec<&Command> = command.get_subcommands().filter(|below| below.get_name() != "help").collect();
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    text.push_str(&format!("\n## `{name}`\n\n{}\n", about.trim_end_matches('.').to_owned() + "."));
    if below.is_empty() {
        let usage = command.clone().render_usage().to_string();
        text.push_str(&format!("\n```text\n{}\n```\n", usage.trim_start_matches("Usage: ")));
        let arguments =
            command.get_arguments().filter(|argument| argument.get_id() != "help" && !argument.is_hide_set());
        let rows: Vec<String> = arguments.map(row).collect();
        if !rows.is_empty() {
            text.push_str(&format!("\n| argument | meaning |\n| --- | --- |\n{}", rows.concat()));
        }
    }
    for command in below {
        section(text, &name, command);
    }
}

fn row(argument: &Arg) -> String {
    let mut name: Vec<String> = Vec::new();
    name.extend(argument.get_short().map(|short| format!("-{short}")));
    name.extend(argument.get_long().map(|long| format!("--{long}")));
    let mut name = name.join(", ");
    if argument.get_action().takes_values() {
        let values = argument.get_value_names().unwrap_or_default();
        let values: Vec<String> = values.iter().map(|value| format!("<{value}>")).collect();
        name = format!("{name} {}", values.join(" ")).trim_start().to_owned();
    }
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<String> =
        argument.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    // Flags that are switches have the possible values `true` and `false`, which nobody writes.
    let choice = if argument.get_action().takes_values() && !values.is_empty() {
        format!(": {}", values.join(", "))
    } else {
        String::new()
    };
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    let default = if argument.get_action().takes_values() && !defaults.is_empty() {
        format!(" (default {})", defaults.join(", "))
    } else {
        String::new()
    };
    format!("| `{name}` | {}{choice}{default} |\n", help.trim_end_matches('.'))
}
