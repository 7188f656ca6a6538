//! Manual pages, made from the definitions of the commands.

use super::{Arguments, ExitCode};
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use std::fmt::Write as _;

/// Every page with the name of its file: one for the program, and one for each command.
#[must_use]
pub fn man_pages() -> Vec<(String, String)> {
    // `help` has no page: it is this one.
    let mut program = Arguments::command().disable_help_subcommand(true);
    program.build();
    let mut pages = vec![(file(&program), page(&program) + &exit_status())];
    below(&program, &mut pages);
    pages
}

fn below(command: &Command, pages: &mut Vec<(String, String)>) {
    for command in command.get_subcommands() {
        pages.push((file(command), page(command)));
        below(command, pages);
    }
}

fn file(command: &Command) -> String {
    format!("{}.1", name(command))
}

/// The whole name, such as `sidegate-audit-verify`.
fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &Command) -> String {
    // Written below as it stands: there it would be filled like running text.
    let notes = command.get_after_long_help().map(ToString::to_string);
    let described = command.clone().after_help(None::<&str>).after_long_help(None::<&str>);
    let man = Man::new(described);
    let mut page = Vec::new();
    man.render(&mut page).ok();
    // What is written to memory cannot fail, and is UTF-8.
    let page = String::from_utf8_lossy(&page);
    // Without a date, so that the same definitions make the same page; the renderer would leave its place out.
    let title = name(command).to_uppercase();
    let head = format!(".TH \"{title}\" \"1\" \"\" \"sidegate {}\" \"Sidegate\"\n", env!("CARGO_PKG_VERSION"));
    let lines = page.lines().map(|line| if line.starts_with(".TH ") { head.clone() } else { format!("{line}\n") });
    let mut page: String = lines.collect();
    if let Some(notes) = notes {
        page.push_str(".SH NOTES\n.nf\n");
        page.extend(notes.lines().map(|line| format!("{}\n", escaped(line))));
        page.push_str(".fi\n");
    }
    page
}

/// The codes that commands end with.
fn exit_status() -> String {
    let mut section = ".SH \"EXIT STATUS\"\n".to_owned();
    for code in ExitCode::ALL {
        // Writing to a text cannot fail.
        writeln!(section, ".TP\n{}\n{}", code.number(), escaped(code.meaning())).ok();
    }
    section
}

/// A line of text that nothing in is taken for a command.
fn escaped(line: &str) -> String {
    let line = line.replace('\\', "\\e").replace('-', "\\-");
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_names_it() {
        let pages = man_pages();
        let names: Vec<_> = pages.iter().map(|(file, _)| file.as_str()).collect();
        for wanted in ["sidegate.1", "sidegate-serve.1", "sidegate-audit.1", "sidegate-audit-verify.1"] {
            assert!(names.contains(&wanted), "{names:?}");
        }
        assert!(names.iter().all(|name| !name.contains("help")), "{names:?}");
        for (file, page) in &pages {
            let name = file.trim_end_matches(".1").replace('-', "\\-");
            assert!(page.contains(".SH NAME") && page.contains(&name), "{page}");
        }
    }

    #[test]
    fn text_is_never_taken_for_a_command() {
        for (line, escaped_line) in
            [("plain", "plain"), (".dot", "\\&.dot"), ("'quote", "\\&'quote"), ("a\\b --c", "a\\eb \\-\\-c")]
        {
            assert_eq!(escaped(line), escaped_line);
        }
    }
}
