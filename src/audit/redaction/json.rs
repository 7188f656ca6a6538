//! Redaction within a field of JSON. What is not redacted stays as it was written, to the digit.

use super::{Originals, Redaction};
use crate::config::RedactAction;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Error, Value, value::RawValue};
use std::{borrow::Cow, fmt};

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
    pub(super) fn text(&mut self, text: &str, steps: &[String]) -> Result<String, Error> {
        if steps.is_empty() {
            return Ok(self.value(text).unwrap_or_default());
        }
        let json: &RawValue = serde_json::from_str(text)?;
        Ok(self.within(json, steps)?.unwrap_or_default())
    }

    /// The JSON with what stands at the place redacted; `None` where it is to be left out as a whole.
    fn within(&mut self, json: &RawValue, steps: &[String]) -> Result<Option<String>, Error> {
        let Some((step, rest)) = steps.split_first() else { return Ok(self.value(json.get())) };
        match json.get().as_bytes().first() {
            Some(b'{') => self.object(json, step, rest).map(Some),
            Some(b'[') => self.array(json, step, rest).map(Some),
            _ => Ok(Some(json.get().to_owned())),
        }
    }

    /// A name that stands there twice is redacted twice.
    fn object(&mut self, json: &RawValue, step: &str, rest: &[String]) -> Result<String, Error> {
        let Members(members) = serde_json::from_str(json.get())?;
        let mut kept = Vec::with_capacity(members.len());
        for (name, member) in members {
            let member = if name == step { self.within(member, rest)? } else { Some(member.get().to_owned()) };
            kept.extend(member.map(|member| format!("{}:{member}", Value::from(name.as_ref()))));
        }
        Ok(format!("{{{}}}", kept.join(",")))
    }

    fn array(&mut self, json: &RawValue, step: &str, rest: &[String]) -> Result<String, Error> {
        let items: Vec<&RawValue> = serde_json::from_str(json.get())?;
        let mut kept = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let is_meant = step == "*" || step == index.to_string();
            let item = if is_meant { self.within(item, rest)? } else { Some(item.get().to_owned()) };
            // An item that is left out leaves its place, so that the others keep theirs.
            kept.push(item.unwrap_or_else(|| "null".to_owned()));
        }
        Ok(format!("[{}]", kept.join(",")))
    }

    /// What takes the place of a value, as JSON. Its hash is the same with white space and without.
    fn value(&mut self, json: &str) -> Option<String> {
        let value = serde_json::from_str(json).unwrap_or_else(|_| Value::String(json.to_owned()));
        self.found = true;
        self.note(&value);
        let redacted = match &value {
            Value::String(text) => self.by.replacement(self.action, text),
            // The mask of an object would show nothing of use, and its hash is that of its text.
            other => self.by.replacement(self.action, &other.to_string()).map(|shown| match self.action {
                RedactAction::Mask => super::MASK.to_owned(),
                RedactAction::Drop | RedactAction::Hash => shown,
            }),
        };
        redacted.map(|text| Value::String(text).to_string())
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

/// The members of an object in the order of the text, repeated ones included.
pub(crate) struct Members<'b>(pub(crate) Vec<(Cow<'b, str>, &'b RawValue)>);

impl<'de: 'b, 'b> Deserialize<'de> for Members<'b> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((member.0.0, member.1));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}

/// A name, borrowed where it holds no escape.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'b>(#[serde(borrow)] Cow<'b, str>);
