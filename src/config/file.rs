//! The file: walks the YAML along the table of keys.

use super::{
    Settings,
    keys::{self, Key},
    load::Given,
};
use crate::document::{self, Diagnostic, Diagnostics, Node, Span, Text, Value, yaml};

/// A file being read into settings. Goes on after a problem, so that all are reported.
pub(super) struct Reading<'t> {
    text: &'t Text,
    pub(super) settings: &'t mut Settings,
    given: &'t mut Given,
    problems: &'t mut Diagnostics,
}

/// Reads a file's text into `settings`; notes where each value stands in `given`.
pub(super) fn read(text: &Text, settings: &mut Settings, given: &mut Given, problems: &mut Diagnostics) {
    let root = match yaml::read(text) {
        Ok(root) => root,
        Err(found) => return problems.append(found),
    };
    Reading { text, settings, given, problems }.section("", &root);
}

/// Reads a value that a file writes as a list or a mapping from a text of its own: one line of YAML or JSON. `None` where it has problems.
pub(super) fn apart<V>(line: &str, read: fn(&Node, &mut Reading<'_>) -> Option<V>) -> Option<V> {
    let text = Text::new("", line.to_owned());
    let root = yaml::read(&text).ok()?;
    let (mut settings, mut given, mut problems) = (Settings::default(), Given::default(), Diagnostics::default());
    let mut reading = Reading { text: &text, settings: &mut settings, given: &mut given, problems: &mut problems };
    let value = read(&root, &mut reading)?;
    problems.finish().is_ok().then_some(value)
}

impl Reading<'_> {
    fn section(&mut self, path: &str, node: &Node) {
        let map = match &node.value {
            // A section that is written but empty says nothing.
            Value::Null => return,
            Value::Map(map) => map,
            _ => {
                let what = if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") };
                let message = format!("{what} is a mapping, not {}", node.kind());
                return self.problem("invalid-value", &node.span, message, None);
            }
        };
        let known = keys::children(path);
        for entry in map {
            if !known.contains(&entry.key.as_str()) {
                self.unknown(&entry.key, &entry.key_span, path, &known);
                continue;
            }
            let below = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
            match keys::find(&below) {
                Some(key) => self.value(key, &entry.node),
                None => self.section(&below, &entry.node),
            }
        }
    }

    fn value(&mut self, key: &'static Key, node: &Node) {
        self.given.note(key, self.text, Some(node.span.clone()));
        if matches!(node.value, Value::List(_) | Value::Map(_)) && (key.set_node)(self, node) {
            return;
        }
        let written = match &node.value {
            Value::Text(text) => text.clone(),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => self.written(&node.span).to_owned(),
            Value::Null | Value::List(_) | Value::Map(_) => {
                let message = format!("`{}` is {}, not {}", key.path, key.wanted, node.kind());
                return self.problem("invalid-value", &node.span, message, None);
            }
        };
        let is_number = matches!(node.value, Value::Int(_) | Value::Float(_));
        if is_number && key.mistrusts(&written) {
            let help = format!("without quotes, `{written}` may be what another program made of an octal number");
            self.problem("invalid-value", &node.span, key.refusal(&written), Some(help));
        } else if !(key.set)(self.settings, &written) {
            let message = key.refusal(&written);
            self.problem("invalid-value", &node.span, message, None);
        }
    }

    /// What stands at a place, as it was written.
    pub(super) fn written(&self, span: &Span) -> &str {
        self.text.slice(span)
    }

    /// Notes a problem.
    pub(super) fn problem(&mut self, code: &'static str, span: &Span, message: String, help: Option<String>) {
        self.problems.push(Diagnostic::error(code, self.text, span.clone(), message).with_help(help));
    }

    /// Notes a key that is not known.
    pub(super) fn unknown(&mut self, key: &str, span: &Span, section: &str, known: &[&'static str]) {
        let place = if section.is_empty() { "at the top".to_owned() } else { format!("in `{section}`") };
        let help = document::hint(key, known.iter().copied()).or_else(|| elsewhere(key));
        self.problem("unknown-key", span, format!("there is no `{key}` {place}"), help);
    }
}

/// Where a key of this name is, if it was only put into the wrong section.
fn elsewhere(name: &str) -> Option<String> {
    let key = keys::KEYS.iter().find(|key| key.path.split('.').any(|part| part == name))?;
    Some(format!("see `{}`", key.path))
}
