//! A text with its path, and the way from an offset to line and column.

use super::Node;
use std::{
    fmt,
    ops::Range,
    sync::{Arc, OnceLock},
};

/// A part of a text, in bytes.
pub type Span = Range<usize>;

/// A file's text with its path. Cheap to clone.
///
/// Something that cannot be read as text (a missing directory, a file that is not UTF-8) is a `Text` without content, so that
/// a problem with it has a path like any other.
#[derive(Clone)]
pub struct Text(Arc<Inner>);

struct Inner {
    path: Arc<str>,
    content: Arc<str>,
    // INVARIANT: ascending offsets of the first byte of each line; the first is 0.
    lines: Vec<usize>,
    // What it says as YAML, once that was asked for: a file that does not change is parsed once.
    yaml: OnceLock<Arc<Node>>,
}

impl Text {
    /// A text. A byte order mark at its start is left out; line breaks stay as they are.
    pub fn new(path: impl Into<Arc<str>>, content: impl Into<Arc<str>>) -> Self {
        let mut content = content.into();
        if let Some(rest) = content.strip_prefix('\u{feff}') {
            content = Arc::from(rest);
        }
        let lines = line_starts(&content);
        Self(Arc::new(Inner { path: path.into(), content, lines, yaml: OnceLock::new() }))
    }

    /// A path without content.
    pub fn absent(path: impl Into<Arc<str>>) -> Self {
        Self::new(path, "")
    }

    /// The path, relative to what was read, with `/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The path, shared.
    #[must_use]
    pub fn shared_path(&self) -> Arc<str> {
        Arc::clone(&self.0.path)
    }

    /// The content, without byte order mark.
    #[must_use]
    pub fn content(&self) -> &str {
        &self.0.content
    }

    /// The content, shared.
    #[must_use]
    pub fn shared_content(&self) -> Arc<str> {
        Arc::clone(&self.0.content)
    }

    /// The part of the content that a span covers; empty where it covers none.
    #[must_use]
    pub fn slice(&self, span: &Span) -> &str {
        self.0.content.get(span.clone()).unwrap_or_default()
    }

    /// Line and column of an offset, both from 1, the column in characters.
    #[must_use]
    pub fn position(&self, offset: usize) -> (u32, u32) {
        let line = self.0.lines.partition_point(|&start| start <= offset).max(1);
        let start = self.0.lines.get(line - 1).copied().unwrap_or(0);
        let before = self.0.content.get(start..offset).unwrap_or_default();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        (count(line), count(before.chars().count() + 1))
    }

    /// The offset of a line and a column in bytes, both from 1; the end of the text where there is no such place.
    #[must_use]
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let mut at = (self.line_start(line) + column.saturating_sub(1)).min(self.0.content.len());
        while !self.0.content.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    /// Whether both are one text, and not merely equal.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The offset of a line and a column in characters, both from 1: where [`Text::position`] comes from.
    #[must_use]
    pub fn offset_of(&self, line: u32, column: u32) -> usize {
        let start = self.line_start(line as usize);
        let rest = self.0.content.get(start..).unwrap_or_default();
        let before: usize = rest.chars().take(column.saturating_sub(1) as usize).map(char::len_utf8).sum();
        start + before
    }

    /// What the text says as YAML, where that is known already.
    pub(super) fn known_yaml(&self) -> Option<Arc<Node>> {
        self.0.yaml.get().cloned()
    }

    /// Keeps what the text says as YAML.
    pub(super) fn keep_yaml(&self, node: &Arc<Node>) {
        // Whoever was first has kept the same.
        let _first = self.0.yaml.set(Arc::clone(node));
    }

    /// The offset of the first byte of a line, counted from 1; the end of the text for lines beyond it.
    pub(super) fn line_start(&self, line: usize) -> usize {
        self.0.lines.get(line.saturating_sub(1)).copied().unwrap_or(self.0.content.len())
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.0.path == other.0.path && self.0.content == other.0.content
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({}, {} bytes)", self.0.path, self.0.content.len())
    }
}

/// Lines end with LF, CRLF or a lone CR, as YAML has it.
fn line_starts(content: &str) -> Vec<usize> {
    let bytes = content.as_bytes();
    let ends = bytes.iter().enumerate().filter(|&(at, &byte)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => false,
    });
    std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_every_kind_of_line_break() {
        let text = Text::new("a.yaml", "\u{feff}ab\ncdé f\r\ng\rh");
        let content = text.content();
        let at = |needle: char| text.position(content.find(needle).unwrap());
        assert_eq!(at('a'), (1, 1));
        assert_eq!(at('b'), (1, 2));
        assert_eq!(at('c'), (2, 1));
        assert_eq!(at('f'), (2, 5));
        assert_eq!(at('g'), (3, 1));
        assert_eq!(at('h'), (4, 1));
        assert_eq!(text.position(content.len()), (4, 2));
        for needle in ['a', 'f', 'g', 'h'] {
            let (line, column) = at(needle);
            assert_eq!(text.offset_of(line, column), content.find(needle).unwrap());
        }
    }

    #[test]
    fn an_absent_text_begins_at_line_one() {
        assert_eq!(Text::absent("x").position(0), (1, 1));
    }
}
