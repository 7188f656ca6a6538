//! The linear pass in front: refuses what must not reach the value parser, notes where everything stands.

use super::MAX_DEPTH;
use crate::document::{Diagnostic, Diagnostics, Span, Text};
use rustc_hash::FxHashMap;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};
use std::ops::ControlFlow;

/// Up to this many keys, looking at all earlier ones is faster than a map of them.
const FEW: usize = 16;

/// The shape of a document with the place of each part.
#[derive(Debug)]
pub(super) struct Outline {
    pub(super) span: Span,
    pub(super) shape: Shape,
}

/// What stands at a place.
#[derive(Debug)]
pub(super) enum Shape {
    /// A scalar with its text. Only a plain one may be anything but a text.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Outline>),
    /// A mapping: key, place of the key, value.
    Map(Vec<(String, Span, Outline)>),
}

impl Outline {
    const fn nothing() -> Self {
        Self { span: 0..0, shape: Shape::Scalar { text: String::new(), plain: true } }
    }
}

/// Reads the outline of a text.
pub(super) fn outline(text: &Text) -> Result<Outline, Diagnostics> {
    let mut guard = Guard {
        text,
        places: Places { text, line: 0, column: 0, offset: 0 },
        problems: Diagnostics::default(),
        open: Vec::new(),
        root: None,
        documents: 0,
    };
    let mut parser = Parser::new_from_str(text.content());
    while let Some(next) = parser.next_event() {
        let step = match next {
            Ok((event, span)) => guard.take(event, span),
            Err(error) => guard.syntax(&error),
        };
        if step.is_break() {
            break;
        }
    }
    if guard.problems.is_empty() {
        Ok(guard.root.unwrap_or(Outline::nothing()))
    } else {
        guard.problems.sort();
        Err(guard.problems)
    }
}

struct Guard<'t> {
    text: &'t Text,
    places: Places<'t>,
    problems: Diagnostics,
    open: Vec<Open>,
    root: Option<Outline>,
    documents: usize,
}

/// A list or mapping whose end has not come yet.
enum Open {
    List { start: usize, items: Vec<Outline> },
    Map { start: usize, entries: Vec<(String, Span, Outline)>, key: Option<(String, Span)>, seen: Seen },
}

impl Guard<'_> {
    /// Takes one event. Breaks where going on makes no sense; after lesser problems the pass goes on.
    fn take(&mut self, event: Event<'_>, span: saphyr_parser::Span) -> ControlFlow<()> {
        let start = self.places.offset(span.start);
        let span = start..self.places.offset(span.end).max(start);
        match event {
            Event::DocumentStart(_) => self.document(&span)?,
            Event::Alias(_) => {
                self.refuse("yaml-anchor", &span, "an alias, which policy files do not know", "write the value out");
                self.finish(Outline { span, ..Outline::nothing() });
            }
            Event::Scalar(value, style, anchor, tag) => {
                self.properties(&span, anchor, tag.is_some());
                if style == ScalarStyle::Plain && is_beyond_64_bits(&value) {
                    self.refuse("yaml-number", &span, "an integer beyond 64 bits", "put it in quotes if it is a text");
                }
                let shape = Shape::Scalar { text: value.into_owned(), plain: style == ScalarStyle::Plain };
                self.finish(Outline { span, shape });
            }
            Event::SequenceStart(anchor, tag) => {
                self.properties(&span, anchor, tag.is_some());
                self.open(&span, Open::List { start, items: Vec::new() })?;
            }
            Event::MappingStart(anchor, tag) => {
                self.properties(&span, anchor, tag.is_some());
                self.open(&span, Open::Map { start, entries: Vec::new(), key: None, seen: Seen::default() })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span.end),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        ControlFlow::Continue(())
    }

    fn document(&mut self, span: &Span) -> ControlFlow<()> {
        self.documents += 1;
        if self.documents < 2 {
            return ControlFlow::Continue(());
        }
        self.refuse("yaml-documents", span, "a second document in one file", "use a file each");
        ControlFlow::Break(())
    }

    fn open(&mut self, span: &Span, open: Open) -> ControlFlow<()> {
        if self.open.len() >= MAX_DEPTH {
            self.refuse("yaml-too-deep", span, &format!("nested deeper than {MAX_DEPTH} levels"), "");
            return ControlFlow::Break(());
        }
        self.open.push(open);
        ControlFlow::Continue(())
    }

    fn close(&mut self, end: usize) {
        let outline = match self.open.pop() {
            Some(Open::List { start, items }) => {
                Outline { span: self.first_line(start, end), shape: Shape::List(items) }
            }
            Some(Open::Map { start, entries, .. }) => {
                Outline { span: self.first_line(start, end), shape: Shape::Map(entries) }
            }
            None => return,
        };
        self.finish(outline);
    }

    /// The span of a list or mapping reaches to the end of its first line: a mark over pages helps nobody.
    fn first_line(&self, start: usize, end: usize) -> Span {
        let whole = self.text.slice(&(start..end));
        let line = whole.lines().next().unwrap_or_default().trim_end();
        start..start + line.len()
    }

    /// Puts a finished value where it belongs.
    fn finish(&mut self, outline: Outline) {
        match self.open.last_mut() {
            None => self.root = Some(outline),
            Some(Open::List { items, .. }) => items.push(outline),
            Some(Open::Map { entries, key, .. }) if key.is_some() => {
                if let Some((name, span)) = key.take() {
                    entries.push((name, span, outline));
                }
            }
            Some(Open::Map { .. }) => self.key(outline),
        }
    }

    fn key(&mut self, outline: Outline) {
        let Outline { span, shape } = outline;
        let (text, plain) = match shape {
            Shape::Scalar { text, plain } if !(plain && text.is_empty()) => (text, plain),
            _ => {
                self.refuse("yaml-key", &span, "a key must be a text", "");
                (String::new(), false)
            }
        };
        if plain && text == "<<" {
            self.refuse("yaml-merge", &span, "a merge key, which policy files do not know", "write the values out");
        }
        let Some(Open::Map { key, seen, entries, .. }) = self.open.last_mut() else { return };
        if let Some(first) = seen.first(&text, entries) {
            let message = format!("the key `{text}` occurs twice");
            let problem = Diagnostic::error("duplicate-key", self.text, span.clone(), message);
            self.problems.push(problem.with_related("first", self.text, first));
        }
        *key = Some((text, span));
    }

    fn properties(&mut self, span: &Span, anchor: usize, tagged: bool) {
        if anchor != 0 {
            self.refuse("yaml-anchor", span, "an anchor, which policy files do not know", "write the value out");
        }
        if tagged {
            self.refuse("yaml-tag", span, "a tag, which policy files do not know", "leave it out");
        }
    }

    fn refuse(&mut self, code: &'static str, span: &Span, message: &str, help: &str) {
        let help = (!help.is_empty()).then(|| help.to_owned());
        self.problems.push(Diagnostic::error(code, self.text, span.clone(), message).with_help(help));
    }

    fn syntax(&mut self, error: &ScanError) -> ControlFlow<()> {
        let at = self.places.offset(*error.marker());
        let line = self.text.slice(&(self.text.line_start(error.marker().line())..self.text.content().len()));
        let indent = line.split(|c: char| !c.is_whitespace()).next().unwrap_or_default();
        let help = if indent.contains('\t') { "indent with spaces: YAML allows no tabs there" } else { "" };
        self.refuse("yaml-syntax", &(at..at), &format!("not valid YAML: {}", error.info()), help);
        ControlFlow::Break(())
    }
}

/// The keys of a mapping. A map of them is made for large mappings only: a file of users has thousands of small ones.
#[derive(Default)]
struct Seen {
    keys: FxHashMap<String, Span>,
    /// How many entries `keys` knows of.
    noted: usize,
}

impl Seen {
    /// Where a key has stood before.
    fn first(&mut self, key: &str, entries: &[(String, Span, Outline)]) -> Option<Span> {
        if entries.len() < FEW {
            return entries.iter().find(|(known, ..)| known == key).map(|(_, span, _)| span.clone());
        }
        for (known, span, _) in entries.get(self.noted..).unwrap_or_default() {
            self.keys.entry(known.clone()).or_insert_with(|| span.clone());
        }
        self.noted = entries.len();
        self.keys.get(key).cloned()
    }
}

/// An integer that the value parser would call a syntax error.
fn is_beyond_64_bits(written: &str) -> bool {
    let digits = written.strip_prefix(['-', '+']).unwrap_or(written);
    digits.len() > 18 && digits.bytes().all(|byte| byte.is_ascii_digit()) && written.parse::<i64>().is_err()
}

/// Turns the parser's lines and columns into byte offsets. Markers mostly ascend, so it walks on from the last one.
///
/// The parser's own index is of no use: it counts comments in bytes and all else in characters.
struct Places<'t> {
    text: &'t Text,
    line: usize,
    column: usize,
    offset: usize,
}

impl Places<'_> {
    fn offset(&mut self, marker: Marker) -> usize {
        if marker.line() != self.line || marker.col() < self.column {
            (self.line, self.column, self.offset) = (marker.line(), 0, self.text.line_start(marker.line()));
        }
        let rest = self.text.content().get(self.offset..).unwrap_or_default();
        let more = marker.col() - self.column;
        self.offset += rest.char_indices().nth(more).map_or(rest.len(), |(at, _)| at);
        self.column = marker.col();
        self.offset
    }
}
