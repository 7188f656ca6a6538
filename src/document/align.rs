//! From an offset in a scalar's value back to the file.
//!
//! A Cedar condition stands in YAML as a plain, quoted or block scalar. What Cedar says about byte 12 of the condition has to
//! be marked in the file, where indentation, folding and escapes lie between.

use super::{Node, Span, Text};

impl Node {
    /// Where in the file a part of this text stands. The whole text, where that cannot be told.
    #[must_use]
    pub fn locate(&self, text: &Text, part: &Span) -> Span {
        let Some(value) = self.as_text() else { return self.span.clone() };
        let whole = self.span.clone();
        let Some(offsets) = align(text.slice(&whole), value) else { return whole };
        // A part ends behind its last byte: take the place of that byte, since what follows may be indentation.
        let start = offsets.get(part.start).or(offsets.last());
        let end = part.end.checked_sub(1).filter(|&last| last >= part.start).and_then(|last| offsets.get(last));
        match (start, end) {
            (Some(&start), Some(&end)) => whole.start + start..whole.start + end + 1,
            (Some(&start), None) => whole.start + start..whole.start + start,
            (None, _) => whole,
        }
    }
}

/// For each byte of `value`, and its end, the offset in `source` that it came from.
fn align(source: &str, value: &str) -> Option<Vec<usize>> {
    let block = source.starts_with(['|', '>']);
    let quote = source.chars().next().filter(|c| matches!(c, '"' | '\''));
    let body = if block { source.find('\n')? + 1 } else { usize::from(quote.is_some()) };
    let mut cursor = Cursor { source, at: body, quote };
    if block {
        cursor.skip_blank();
    }
    let mut offsets = Vec::with_capacity(value.len() + 1);
    for wanted in value.chars() {
        let at = cursor.step(wanted)?;
        offsets.extend((0..wanted.len_utf8()).map(|byte| at + byte));
    }
    offsets.push(cursor.at.min(source.len()));
    Some(offsets)
}

struct Cursor<'s> {
    source: &'s str,
    at: usize,
    quote: Option<char>,
}

impl Cursor<'_> {
    fn rest(&self) -> &str {
        self.source.get(self.at..).unwrap_or_default()
    }

    /// Skips white space of all kinds: indentation, and lines without content.
    fn skip_blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Finds the next character of the value; tells where it stands.
    fn step(&mut self, wanted: char) -> Option<usize> {
        let found = self.rest().chars().next();
        if found == Some(wanted) && wanted != '\n' {
            return Some(self.take(wanted, found == self.quote && wanted == '\''));
        }
        if wanted.is_whitespace() {
            // A break of the line, folded into a space or kept: it stands for all the white space there.
            let at = self.at;
            self.skip_blank();
            return Some(at);
        }
        if found.is_some_and(char::is_whitespace) {
            self.skip_blank();
            return self.step(wanted);
        }
        if found == Some('\\') && self.quote == Some('"') {
            // The simple escapes stand for themselves; after any other nothing is sure.
            self.at += 1;
            return self.rest().starts_with(wanted).then(|| self.take(wanted, false));
        }
        None
    }

    fn take(&mut self, character: char, doubled: bool) -> usize {
        let at = self.at;
        self.at += character.len_utf8() * if doubled { 2 } else { 1 };
        at
    }
}

#[cfg(test)]
mod tests {
    use crate::document::{Text, yaml};

    /// The part of the file that stands for `needle` in the value of `cedar`.
    #[track_caller]
    fn check(document: &str, needle: &str, line: u32, column: u32) {
        let text = Text::new("a.yaml", document);
        let root = yaml::read(&text).unwrap();
        let node = root.get("cedar").unwrap();
        let start = node.as_text().unwrap().find(needle).unwrap();
        let span = node.locate(&text, &(start..start + needle.len()));
        assert_eq!(text.slice(&span), needle);
        assert_eq!(text.position(span.start), (line, column));
    }

    #[test]
    fn a_part_is_found_in_every_kind_of_scalar() {
        check("cedar: a == bcd", "bcd", 1, 13);
        check("cedar: a ==\n  bcd && e", "&& e", 2, 7);
        check("cedar: 'it''s == bcd'", "bcd", 1, 18);
        check("cedar: \"a == \\\"bcd\\\" && e\"", "bcd", 1, 16);
        check("cedar: \"é == bcd\"", "bcd", 1, 14);
    }

    #[test]
    fn a_part_is_found_in_blocks_and_folds() {
        check("cedar: |\n  a ==\n    bcd\n\n  && e\n", "bcd", 3, 5);
        check("cedar: |\n  a ==\n    bcd\n\n  && e\n", "&& e", 5, 3);
        check("cedar: >-\n  a ==\n  bcd\n\n  && e\nx: y\n", "&& e", 5, 3);
        check("cedar: |\r\n  a ==\r\n  bcd\r\n", "bcd", 3, 3);
    }
}
