//! Values and places, walked side by side.

use super::guard::{Outline, Shape};
use crate::document::{Diagnostic, Diagnostics, Entry, Map, Node, Span, Text, Value};
use serde_yaml::Value as Yaml;

/// Gives every value its place.
pub(super) fn join(text: &Text, outline: Outline, value: Yaml) -> Result<Node, Diagnostics> {
    let mut problems = Diagnostics::default();
    let node = node(text, outline, value, &mut problems);
    problems.sort();
    if problems.is_empty() { Ok(node) } else { Err(problems) }
}

fn node(text: &Text, outline: Outline, value: Yaml, problems: &mut Diagnostics) -> Node {
    let Outline { span, shape } = outline;
    let value = match (shape, value) {
        (Shape::Scalar { text: written, plain }, value) => match scalar(&written, plain, value) {
            Ok(value) => value,
            Err(mistake) => {
                problems.push(mistake.at(text, &span));
                Value::Null
            }
        },
        (Shape::List(outlines), Yaml::Sequence(values)) if outlines.len() == values.len() => {
            Value::List(outlines.into_iter().zip(values).map(|(o, v)| node(text, o, v, problems)).collect())
        }
        (Shape::Map(outlines), Yaml::Mapping(values)) if outlines.len() == values.len() => {
            let mut entries = Vec::with_capacity(outlines.len());
            for ((key, key_span, outline), (read, value)) in outlines.into_iter().zip(values) {
                // A key such as `1` or `true` has no text on the other side to compare with.
                if matches!(&read, Yaml::String(read) if *read != key) {
                    problems.push(Mistake::Ambiguous.at(text, &key_span));
                }
                entries.push(Entry { key, key_span, node: node(text, outline, value, problems) });
            }
            Value::Map(Map { entries })
        }
        (Shape::List(_) | Shape::Map(_), _) => {
            problems.push(Mistake::Ambiguous.at(text, &span));
            Value::Null
        }
    };
    Node { value, span }
}

/// Why a value is not taken.
enum Mistake {
    Ambiguous,
    NumberTooLarge,
}

impl Mistake {
    fn at(&self, text: &Text, span: &Span) -> Diagnostic {
        let (code, message, help) = match self {
            Self::Ambiguous => {
                ("yaml-ambiguous", "two YAML parsers read this differently", "write it in a plainer way")
            }
            Self::NumberTooLarge => ("yaml-number", "an integer beyond 64 bits", "put it in quotes if it is a text"),
        };
        Diagnostic::error(code, text, span.clone(), message).with_help(help.to_owned())
    }
}

fn scalar(written: &str, plain: bool, value: Yaml) -> Result<Value, Mistake> {
    match value {
        Yaml::String(read) if read == written => Ok(Value::Text(read)),
        Yaml::Null if plain => Ok(Value::Null),
        Yaml::Bool(read) if plain => Ok(Value::Bool(read)),
        Yaml::Number(number) if plain => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(Value::Int(integer)),
            (None, Some(float)) if number.is_f64() => Ok(Value::Float(float)),
            _ => Err(Mistake::NumberTooLarge),
        },
        _ => Err(Mistake::Ambiguous),
    }
}
