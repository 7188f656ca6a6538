//! Writing JSON by hand, into one text that becomes the body.

use crate::model::Value;
use std::fmt::{self, Write};

/// Writes a quoted text.
pub(in crate::http) fn text(out: &mut String, text: &str) {
    out.push('"');
    escaped(out, text);
    out.push('"');
}

/// Writes what `text` displays, quoted.
pub(in crate::http) fn display(out: &mut String, text: impl fmt::Display) {
    out.push('"');
    // Writing to a text does not fail.
    write!(Escape(out), "{text}").ok();
    out.push('"');
}

/// Writes what `format_args!` made, as it is.
pub(in crate::http) fn plain(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a text does not fail.
    out.write_fmt(text).ok();
}

/// Writes an array of texts.
pub(in crate::http) fn texts<'t>(out: &mut String, texts: impl IntoIterator<Item = &'t str>) {
    out.push('[');
    for (index, item) in texts.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        text(out, item);
    }
    out.push(']');
}

/// Writes a value as it came, entities and extension values as Cedar's escapes.
pub(in crate::http) fn value(out: &mut String, value: &Value<'_>) {
    match value {
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Long(number) => plain(out, format_args!("{number}")),
        Value::String(content) => text(out, content),
        Value::Entity { ty, id } => escape(out, "__entity", ("type", ty), ("id", id)),
        Value::Extension { function, argument } => escape(out, "__extn", ("fn", function), ("arg", argument)),
        Value::Set(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                self::value(out, item);
            }
            out.push(']');
        }
        Value::Record(fields) => members(out, fields.iter().map(|(name, value)| (&**name, value))),
        // The value itself is gone; that there was one is what the record must show.
        Value::Unrepresentable(what) => members(out, [("__unrepresentable", &Value::text(what))]),
    }
}

/// Writes an object.
pub(in crate::http) fn members<'m>(out: &mut String, members: impl IntoIterator<Item = (&'m str, &'m Value<'m>)>) {
    out.push('{');
    for (index, (name, member)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        text(out, name);
        out.push(':');
        value(out, member);
    }
    out.push('}');
}

fn escape(out: &mut String, name: &str, first: (&str, &str), second: (&str, &str)) {
    out.push('{');
    text(out, name);
    out.push_str(":{");
    text(out, first.0);
    out.push(':');
    text(out, first.1);
    out.push(',');
    text(out, second.0);
    out.push(':');
    text(out, second.1);
    out.push_str("}}");
}

fn escaped(out: &mut String, text: &str) {
    // Looking at every byte without stopping early is what the compiler turns into vector instructions.
    let special = |byte: u8| u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\');
    if text.bytes().fold(0, |found, byte| found | special(byte)) == 0 {
        out.push_str(text);
        return;
    }
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < '\u{20}' => plain(out, format_args!("\\u{:04x}", u32::from(control))),
            ordinary => out.push(ordinary),
        }
    }
}

struct Escape<'o>(&'o mut String);

impl fmt::Write for Escape<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escaped(self.0, text);
        Ok(())
    }
}
