//! Redaction within a field of JSON.

use super::{Originals, Redaction};
use crate::config::RedactAction;
use serde_json::Value;

/// One rule on its way through a value.
pub(super) struct Walk<'w> {
    pub(super) by: &'w Redaction,
    pub(super) action: RedactAction,
    /// Whether there was something at the place.
    pub(super) found: bool,
    pub(super) originals: &'w mut Originals,
}

impl Walk<'_> {
    /// The text of a value with what stands at the place redacted. A place of no steps is the value as a whole, which need not be
    /// JSON then.
    pub(super) fn text(&mut self, text: &str, steps: &[String]) -> Result<String, serde_json::Error> {
        let Some((first, rest)) = steps.split_first() else {
            let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
            let redacted = self.value(&value);
            return Ok(redacted.map(|value| value.to_string()).unwrap_or_default());
        };
        let mut value = serde_json::from_str(text)?;
        self.below(&mut value, first, rest);
        Ok(if self.found { value.to_string() } else { String::new() })
    }

    fn below(&mut self, value: &mut Value, step: &str, rest: &[String]) {
        match value {
            Value::Object(members) => {
                let Some(member) = members.get_mut(step) else { return };
                if self.at(member, rest) {
                    members.remove(step);
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    // An item that is left out leaves its place, so that the others keep theirs.
                    if (step == "*" || step == index.to_string()) && self.at(item, rest) {
                        *item = Value::Null;
                    }
                }
            }
            _ => {}
        }
    }

    /// Goes on, or redacts where the place is reached. `true` where the value is to be left out.
    fn at(&mut self, value: &mut Value, rest: &[String]) -> bool {
        if let Some((next, rest)) = rest.split_first() {
            self.below(value, next, rest);
            return false;
        }
        match self.value(value) {
            Some(redacted) => {
                *value = redacted;
                false
            }
            None => true,
        }
    }

    fn value(&mut self, value: &Value) -> Option<Value> {
        self.found = true;
        self.note(value);
        let redacted = match value {
            Value::String(text) => self.by.replacement(self.action, text),
            // The mask of an object would show nothing of use, and its hash is that of its text.
            other => self.by.replacement(self.action, &other.to_string()).map(|shown| match self.action {
                RedactAction::Mask => super::MASK.to_owned(),
                RedactAction::Drop | RedactAction::Hash => shown,
            }),
        };
        redacted.map(Value::String)
    }

    /// Notes every text in the value.
    fn note(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.originals.add(text),
            Value::Array(items) => items.iter().for_each(|item| self.note(item)),
            Value::Object(members) => members.values().for_each(|member| self.note(member)),
            Value::Number(number) => self.originals.add(&number.to_string()),
            Value::Null | Value::Bool(_) => {}
        }
    }
}
