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
        Value::Entity { ty, id } => entity(out, ty, id),
        Value::Extension { function, arguments } => extension(out, function, arguments),
        Value::Set(items) => values(out, items),
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

fn values(out: &mut String, values: &[Value<'_>]) {
    out.push('[');
    for (index, item) in values.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        value(out, item);
    }
    out.push(']');
}

fn entity(out: &mut String, ty: &str, id: &str) {
    out.push_str(r#"{"__entity":{"type":"#);
    text(out, ty);
    out.push_str(r#","id":"#);
    text(out, id);
    out.push_str("}}");
}

fn extension(out: &mut String, function: &str, arguments: &[Value<'_>]) {
    out.push_str(r#"{"__extn":{"fn":"#);
    text(out, function);
    if let [argument] = arguments {
        out.push_str(r#","arg":"#);
        value(out, argument);
    } else {
        out.push_str(r#","args":"#);
        values(out, arguments);
    }
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
