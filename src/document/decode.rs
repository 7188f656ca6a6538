//! The check of a document against its table of fields. It goes on after a problem, so that all of them are reported at once.

use super::{Diagnostic, Diagnostics, Entry, Kind, Map, Node, Shape, Span, Table, Text, Value, hint};
use crate::model::Timestamp;

/// Checks one document and collects its problems.
///
/// After the check the document's values can be taken without asking again: what has the wrong shape has been reported, and
/// whoever takes it finds nothing there.
#[derive(Debug)]
pub struct Reader<'d> {
    /// The file.
    pub text: &'d Text,
    problems: &'d mut Diagnostics,
}

impl<'d> Reader<'d> {
    /// A reader of one file that adds to a list of problems.
    pub const fn new(text: &'d Text, problems: &'d mut Diagnostics) -> Self {
        Self { text, problems }
    }

    /// Reports an error.
    pub fn error(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.problems.push(Diagnostic::error(code, self.text, span, message).with_help(help));
    }

    /// Checks a whole document against a table. Nothing at all is a document without any field.
    pub fn document(&mut self, node: &Node, table: &'static Table) {
        match &node.value {
            Value::Null => {}
            Value::Map(map) => self.record(map, &node.span, table),
            _ => self.wrong_type(node, table.noun),
        }
    }

    /// Checks a value against a shape.
    pub fn check(&mut self, node: &Node, shape: &Shape) {
        match (shape.kind, &node.value) {
            (Kind::Any, _)
            | (Kind::Text, Value::Text(_))
            | (Kind::Int, Value::Int(_))
            | (Kind::Bool, Value::Bool(_))
            | (Kind::Optional(_), Value::Null) => {}
            (Kind::Optional(shape), _) => self.check(node, shape),
            (Kind::Choice(choices), Value::Text(found)) => self.choice(node, found, choices),
            (Kind::Time, Value::Text(found)) => self.time(node, found),
            (Kind::List(item), Value::List(items)) => items.iter().for_each(|node| self.check(node, item)),
            (Kind::Map(value), Value::Map(map)) => map.iter().for_each(|entry| self.check(&entry.node, value)),
            (Kind::Record(table), Value::Map(map)) => self.record(map, &node.span, table),
            (Kind::OneOf(shapes), _) => match shapes.iter().find(|shape| shape.admits(node)) {
                Some(shape) => self.check(node, shape),
                None => self.wrong_type(node, shape.noun),
            },
            _ => self.wrong_type(node, shape.noun),
        }
    }

    fn record(&mut self, map: &Map, span: &Span, table: &'static Table) {
        for entry in map {
            match table.fields.iter().find(|field| field.name == entry.key) {
                Some(field) => self.check(&entry.node, &field.shape),
                None => self.unknown_key(entry, table),
            }
        }
        for field in table.fields.iter().filter(|field| field.required && map.get(field.name).is_none()) {
            let message = format!("{} needs the key `{}`", table.noun, field.name);
            self.error("missing-key", span.clone(), message, None);
        }
    }

    fn unknown_key(&mut self, entry: &Entry, table: &'static Table) {
        let message = format!("{} has no key `{}`", table.noun, entry.key);
        let help = hint(&entry.key, table.fields.iter().map(|field| field.name));
        self.error("unknown-key", entry.key_span.clone(), message, help);
    }

    fn choice(&mut self, node: &Node, found: &str, choices: &'static [&'static str]) {
        if !choices.contains(&found) {
            let help = hint(found, choices.iter().copied());
            self.error("unknown-value", node.span.clone(), format!("`{found}` is not possible here"), help);
        }
    }

    fn time(&mut self, node: &Node, found: &str) {
        if Timestamp::parse(found).is_none() {
            let help = "write it like 2027-01-31T00:00:00Z, with date, time and zone".to_owned();
            self.error("bad-time", node.span.clone(), format!("`{found}` is not a point in time"), help);
        }
    }

    fn wrong_type(&mut self, node: &Node, noun: &str) {
        let written = self.text.slice(&node.span);
        let is_scalar = matches!(node.value, Value::Bool(_) | Value::Int(_) | Value::Float(_));
        // `name: 1.10` is the usual way to come here.
        let help = (is_scalar && noun.starts_with("a text")).then(|| format!("put it in quotes: \"{written}\""));
        let message = format!("must be {noun}, found {}", node.kind());
        self.error("wrong-type", node.span.clone(), message, help);
    }
}

impl Shape {
    /// Whether a value is of the sort that this shape takes, whatever is inside.
    fn admits(&self, node: &Node) -> bool {
        match (self.kind, &node.value) {
            (Kind::Any, _)
            | (Kind::Text | Kind::Choice(_) | Kind::Time, Value::Text(_))
            | (Kind::Int, Value::Int(_))
            | (Kind::Bool, Value::Bool(_))
            | (Kind::List(_), Value::List(_))
            | (Kind::Map(_) | Kind::Record(_), Value::Map(_))
            | (Kind::Optional(_), Value::Null) => true,
            (Kind::Optional(shape), _) => shape.admits(node),
            (Kind::OneOf(shapes), _) => shapes.iter().any(|shape| shape.admits(node)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Field, yaml};

    static INNER: Table = Table {
        name: "thing",
        noun: "a thing",
        meaning: "A thing.",
        fields: &[
            Field::required("name", Shape::TEXT, "Its name."),
            Field::new("until", Shape::TIME, "Its end."),
            Field::new("kind", Shape::choice(&["big", "small"], "a kind"), "Its kind."),
        ],
    };
    static TABLE: Table = Table {
        name: "file",
        noun: "the file",
        meaning: "A file.",
        fields: &[
            Field::new("things", Shape::map(&Shape::record(&INNER), "a mapping from names to things"), "Things."),
            Field::new(
                "either",
                Shape::one_of(
                    &[Shape::TEXT, Shape::list(&Shape::text("the name of an action"), "a list of action names")],
                    "a name or a list of action names",
                ),
                "Either.",
            ),
            Field::new("rank", Shape::optional(&Shape::INT), "A rank."),
        ],
    };

    fn problems(document: &str) -> Vec<String> {
        let text = Text::new("a.yaml", document);
        let node = yaml::read(&text).unwrap();
        let mut problems = Diagnostics::default();
        Reader::new(&text, &mut problems).document(&node, &TABLE);
        problems.sort();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let found = problems(
            "things:\n  a: { name: 1.10, kind: bog }\n  b: { until: tomorrow }\n  c: 5\nthigns: {}\neither: [a, 7]\nrank: x\n",
        );
        assert_eq!(
            found,
            [
                "a.yaml:2:14: error[wrong-type]: must be a text, found a number; put it in quotes: \"1.10\"",
                "a.yaml:2:26: error[unknown-value]: `bog` is not possible here; did you mean `big`?",
                "a.yaml:3:6: error[missing-key]: a thing needs the key `name`",
                "a.yaml:3:15: error[bad-time]: `tomorrow` is not a point in time; write it like 2027-01-31T00:00:00Z, with date, time and zone",
                "a.yaml:4:6: error[wrong-type]: must be a thing, found a number",
                "a.yaml:5:1: error[unknown-key]: the file has no key `thigns`; did you mean `things`?",
                "a.yaml:6:13: error[wrong-type]: must be the name of an action, found a number",
                "a.yaml:7:7: error[wrong-type]: must be an integer, found a text",
            ]
        );
    }

    #[test]
    fn what_fits_is_not_reported() {
        assert!(problems("").is_empty());
        assert!(problems("either: x\nrank:\nthings: { a: { name: x, until: 2027-01-31T00:00:00Z } }\n").is_empty());
    }
}
