//! What Cedar says, as diagnostics of ours.

use crate::{
    document::{Diagnostic, Diagnostics, Span},
    policy::section::Spot,
};

/// The deepest nesting of brackets in a Cedar text. Its parser recurses.
const MAX_NESTING: usize = 100;

/// The most operators in one policy or condition: each `&&` or `||` of a chain is one level of the expression tree.
const MAX_OPERATORS: usize = 1_000;

/// Each error of a failed parse. `place` finds a part of the parsed text in its file.
pub(in crate::policy) fn parse_errors<'e, E: miette::Diagnostic + 'e>(
    code: &'static str,
    prefix: &str,
    errors: impl Iterator<Item = &'e E>,
    place: impl Fn(&Span) -> Spot,
    problems: &mut Diagnostics,
) {
    for error in errors {
        let (span, label) = part(error).unwrap_or_default();
        let mut problem = place(&span).error(code, format!("{prefix}{}", plain_message(&error.to_string())));
        if let Some(label) = label {
            problem = problem.with_label(label);
        }
        problems.push(problem.with_help(error.help().map(|help| help.to_string())));
    }
}

/// The part of the text that Cedar's message is about, and the words for it.
pub(in crate::policy) fn part(error: &dyn miette::Diagnostic) -> Option<(Span, Option<String>)> {
    let label = error.labels()?.next()?;
    let span = label.offset()..label.offset() + label.len();
    Some((span, label.label().map(str::to_owned)))
}

/// Cedar's message without the policy's id, which the place says better.
pub(in crate::policy) fn plain_message(message: &str) -> String {
    let rest = message.strip_prefix("for policy `").and_then(|rest| rest.split_once("`, "));
    let text = rest.map_or(message, |(_, text)| text);
    text.trim_end_matches('.').to_owned()
}

/// A message with those of its causes.
pub(in crate::policy) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = plain_message(&error.to_string());
    let mut source = error.source();
    while let Some(cause) = source {
        let message = cause.to_string();
        if !text.contains(&message) {
            text = format!("{text}: {}", plain_message(&message));
        }
        source = cause.source();
    }
    text
}

/// Refuses a Cedar text that is nested so deep that parsing or evaluating it could exhaust the stack.
pub(in crate::policy) fn too_deep(source: &str) -> Option<(Span, &'static str)> {
    let mut scan = Scan::default();
    let mut operators = 0;
    let mut depth = 0_usize;
    let mut previous = ' ';
    for (at, character) in source.char_indices() {
        if scan.is_literal(previous, character) {
            previous = character;
            continue;
        }
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '&' | '|' if previous == character => operators += 1,
            '.' | '+' | '-' | '*' | '!' => operators += 1,
            // `if` nests without brackets.
            'f' if previous == 'i' => operators += 1,
            ';' if depth == 0 => operators = 0,
            _ => {}
        }
        if depth > MAX_NESTING {
            return Some((at..at + 1, "nested too deep"));
        }
        if operators > MAX_OPERATORS {
            return Some((at..at + 1, "too many operators in one expression"));
        }
        previous = character;
    }
    None
}

/// Tells texts and comments from the rest.
#[derive(Default)]
struct Scan {
    text: bool,
    escaped: bool,
    comment: bool,
}

impl Scan {
    fn is_literal(&mut self, previous: char, character: char) -> bool {
        if self.comment {
            self.comment = character != '\n';
            return true;
        }
        if self.text {
            let ends = character == '"' && !self.escaped;
            self.escaped = character == '\\' && !self.escaped;
            self.text = !ends;
            return true;
        }
        self.text = character == '"';
        self.comment = character == '/' && previous == '/';
        self.text || self.comment
    }
}

/// The problem of a text that is too deep.
pub(in crate::policy) fn too_deep_problem(at: &Spot, what: &str) -> Diagnostic {
    at.error("cedar-too-deep", what.to_owned()).with_help("split it into several policies or conditions".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_policy_is_left_out_of_messages() {
        assert_eq!(plain_message("for policy `a/b`, attribute `x` not found"), "attribute `x` not found");
        assert_eq!(plain_message("unexpected end of input"), "unexpected end of input");
    }

    #[test]
    fn depth_is_counted_outside_of_texts_and_comments() {
        assert!(too_deep(&"(".repeat(101)).is_some());
        assert!(too_deep(&format!("\"{}\"", "(".repeat(500))).is_none());
        assert!(too_deep(&format!("// {}\ntrue", "(".repeat(500))).is_none());
        assert!(too_deep(&"true && ".repeat(1_001)).is_some());
        assert!(too_deep(&"permit(principal, action, resource) when { a && b };\n".repeat(5_000)).is_none());
    }
}
