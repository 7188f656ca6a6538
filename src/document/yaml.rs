//! YAML, read behind a guard.
//!
//! `serde_yaml` gives the values, but it takes quadratic time on nested input, lets the last of two equal keys win without a word and
//! knows few positions. So one linear pass over the events of `saphyr-parser` comes first: it refuses what is too large, too
//! deep, repeated, or indirect (anchors, aliases, tags, merge keys, several documents), and notes every position. Then both
//! results are walked side by side; where they disagree about the shape, the file is refused rather than guessed at.

mod guard;
mod join;

use super::{Diagnostic, Diagnostics, Node, Text};
use std::{io, sync::Arc};

/// The largest text that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// How deep lists and mappings may be nested.
pub const MAX_DEPTH: usize = 64;

/// Whether a text was read before, so that reading it costs nothing.
#[must_use]
pub fn is_known(text: &Text) -> bool {
    text.known_yaml().is_some()
}

/// Reads a YAML text. An empty text, or one of comments alone, is [`super::Value::Null`]. What it says is kept with the text, so
/// that it is parsed once, however often it is read.
///
/// # Errors
/// Fails with every problem found where the text is not YAML, or is refused by the guard.
pub fn read(text: &Text) -> Result<Arc<Node>, Diagnostics> {
    if let Some(known) = text.known_yaml() {
        return Ok(known);
    }
    let node = Arc::new(parse(text)?);
    text.keep_yaml(&node);
    Ok(node)
}

/// Reads a YAML text as [`read`] does, and keeps nothing.
///
/// # Errors
/// As [`read`].
pub fn parse(text: &Text) -> Result<Node, Diagnostics> {
    bounded(text, MAX_BYTES)
}

/// Reads a YAML text whose length somebody else has bounded.
///
/// # Errors
/// As [`read`], but for the length.
pub fn parse_long(text: &Text) -> Result<Node, Diagnostics> {
    bounded(text, usize::MAX)
}

/// A value as an item of a list that stands at the left margin.
///
/// # Errors
/// Fails where the value has no form in YAML.
pub fn item(value: &impl serde::Serialize) -> io::Result<String> {
    serde_yaml::to_string(&[value]).map_err(io::Error::other)
}

fn bounded(text: &Text, most: usize) -> Result<Node, Diagnostics> {
    let size = text.content().len();
    if size > most {
        let message = format!("the file has {size} bytes, a YAML file may have {most}");
        return Err(Diagnostic::whole("too-large", text, message).with_help("split it".to_owned()).into());
    }
    let outline = guard::outline(text)?;
    let value = match serde_yaml::from_str::<serde_yaml::Value>(text.content()) {
        Ok(value) => value,
        Err(error) => {
            let at = error.location().map_or(0, |location| location.index().min(size));
            return Err(Diagnostic::error("yaml-syntax", text, at..at, format!("not valid YAML: {error}")).into());
        }
    };
    join::join(text, outline, value)
}

#[cfg(test)]
mod tests;
