//! The text of a condition with places for arguments: `?limit`, and `?rank` and `?family` of the role that uses it.
//!
//! Arguments are written into the text as Cedar literals of checked types, so they can neither end an expression nor begin one.

use super::draft::quoted;
use crate::{document::Span, model::Value};

/// The places for arguments in a text.
#[derive(Debug)]
pub(in crate::policy) struct Template<'s> {
    source: &'s str,
    places: Vec<Place<'s>>,
}

/// One place, with its name.
#[derive(Debug)]
pub(in crate::policy) struct Place<'s> {
    pub(in crate::policy) name: &'s str,
    /// The name with its `?`.
    pub(in crate::policy) span: Span,
}

/// A text with its arguments in place.
#[derive(Debug)]
pub(super) struct Filled {
    pub(super) text: String,
    /// For every argument where it stands in the text, and where its place stands in the source.
    moved: Vec<(Span, Span)>,
}

/// The slots of Cedar's own templates, which no condition has.
const SLOTS: [&str; 2] = ["principal", "resource"];

impl<'s> Template<'s> {
    /// Finds the places, outside texts and comments.
    pub(in crate::policy) fn new(source: &'s str) -> Self {
        let mut places = Vec::new();
        let mut chars = source.char_indices().peekable();
        let mut in_text = false;
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' if in_text => drop(chars.next()),
                '"' => in_text = !in_text,
                '/' if !in_text && chars.peek().is_some_and(|(_, next)| *next == '/') => {
                    while chars.next_if(|(_, c)| *c != '\n').is_some() {}
                }
                '?' if !in_text => {
                    let mut end = at + 1;
                    while chars.next_if(|(_, c)| c.is_ascii_alphanumeric() || *c == '_').is_some() {
                        end += 1;
                    }
                    let name = source.get(at + 1..end).unwrap_or_default();
                    if !name.is_empty() && !SLOTS.contains(&name) {
                        places.push(Place { name, span: at..end });
                    }
                }
                _ => {}
            }
        }
        Self { source, places }
    }

    /// The places in the order of the text.
    pub(in crate::policy) fn places(&self) -> &[Place<'s>] {
        &self.places
    }

    /// Puts an argument into each place; a place without one stays as it is.
    pub(super) fn fill(&self, argument: impl Fn(&str) -> Option<String>) -> Filled {
        let mut filled = Filled { text: String::new(), moved: Vec::new() };
        let mut from = 0;
        for place in &self.places {
            let Some(argument) = argument(place.name) else { continue };
            filled.text.push_str(self.source.get(from..place.span.start).unwrap_or_default());
            let start = filled.text.len();
            filled.text.push_str(&argument);
            filled.moved.push((start..filled.text.len(), place.span.clone()));
            from = place.span.end;
        }
        filled.text.push_str(self.source.get(from..).unwrap_or_default());
        filled
    }
}

impl Filled {
    /// Where a part of the text stands in the source.
    pub(super) fn in_source(&self, part: &Span) -> Span {
        let place = |at: usize, is_end: bool| {
            let mut shift = (0, 0);
            for (here, there) in &self.moved {
                if at >= here.end {
                    shift = (here.end, there.end);
                } else if at > here.start {
                    return if is_end { there.end } else { there.start };
                }
            }
            at - shift.0 + shift.1
        };
        place(part.start, false)..place(part.end, true)
    }
}

/// A value as Cedar writes it.
pub(in crate::policy) fn literal(value: &Value<'_>) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Long(value) if *value < 0 => format!("({value})"),
        Value::Long(value) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Entity { ty, id } => format!("{ty}::{}", quoted(id)),
        Value::Set(items) => format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", ")),
        Value::Record(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{}: {}", quoted(name), literal(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Extension { function, arguments } => {
            format!("{function}({})", arguments.iter().map(literal).collect::<Vec<_>>().join(", "))
        }
        // No file can say such a value; Cedar refuses the text.
        Value::Unrepresentable(what) => format!("<{what}>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_outside_texts_and_comments_and_filled_where_they_are() {
        let source = "resource.weight <= ?limit && x != \"?no \\\" ?no\" // ?no\n && ?principal == ?of";
        let template = Template::new(source);
        let names: Vec<_> = template.places().iter().map(|place| place.name).collect();
        assert_eq!(names, ["limit", "of"]);
        let filled = template.fill(|name| (name == "limit").then(|| "100".to_owned()));
        assert_eq!(filled.text, source.replace("?limit", "100"));
        let at = |text: &str, part: &str| text.find(part).map(|at| at..at + part.len()).unwrap();
        assert_eq!(filled.in_source(&at(&filled.text, "weight")), at(source, "weight"));
        assert_eq!(filled.in_source(&at(&filled.text, "100")), at(source, "?limit"));
        assert_eq!(filled.in_source(&at(&filled.text, "<= 100 &&")), at(source, "<= ?limit &&"));
        assert_eq!(filled.in_source(&at(&filled.text, "?of")), at(source, "?of"));
    }

    #[test]
    fn no_argument_can_leave_its_literal() {
        let wicked = Value::text("\" || true || \"");
        let text = literal(&wicked);
        let parsed: cedar_policy_core::ast::Expr = text.parse().unwrap();
        assert!(matches!(parsed.expr_kind(), cedar_policy_core::ast::ExprKind::Lit(_)), "{text}");
        assert_eq!(literal(&Value::Set(vec![Value::Long(-1), Value::Bool(true)])), "[(-1), true]");
    }
}
