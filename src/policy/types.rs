//! Types of attributes, as files write them: `String`, `User`, `Set<String>`, or a mapping for a record.

use super::section::Spot;
use crate::{
    document::{Diagnostics, Node, Text, Value, hint},
    engine::AttributeType,
};

/// The names of types that are not entity types, as Cedar has them.
const PLAIN: [&str; 7] = ["Bool", "Long", "String", "ipaddr", "decimal", "datetime", "duration"];
/// Sets within each other at the most. Whoever looks at a type goes down it level by level, and must come to its end.
const DEEPEST: usize = 16;

/// Why a text is no type.
#[derive(Debug, PartialEq, Eq)]
enum NoType {
    Unknown,
    /// Sets in sets in sets.
    TooDeep,
}

/// Reads a type. What cannot be a type is reported and is none.
pub(super) fn read(text: &Text, node: &Node, problems: &mut Diagnostics) -> Option<(AttributeType, Spot)> {
    let at = Spot::of(text, &node.span);
    let found = match &node.value {
        Value::Text(written) => {
            let found = parse(written);
            match found {
                Ok(_) => {}
                Err(NoType::Unknown) => {
                    let message = format!("`{written}` is not a type");
                    let help =
                        hint(written, PLAIN).unwrap_or_else(|| "write `String`, `User`, `Set<String>` ...".to_owned());
                    problems.push(at.error("bad-type", message).with_help(help));
                }
                // Not shown: it is as long as it is deep.
                Err(NoType::TooDeep) => {
                    let message = format!("a type has {DEEPEST} sets within each other at the most");
                    problems
                        .push(at.error("bad-type", message).with_help("write `Set<String>`, or a record".to_owned()));
                }
            }
            found.ok()
        }
        Value::Map(map) => {
            let fields = map.iter().map(|entry| {
                let field = field(text, &entry.node, problems);
                field.map(|(ty, _)| (entry.key.clone(), ty))
            });
            // All fields are read before one that is wrong makes the record wrong.
            fields.collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(AttributeType::Record)
        }
        // Reported by the table of fields.
        _ => None,
    };
    found.map(|ty| (ty, at))
}

/// The type of a record's field, which no table of fields has looked at.
fn field(text: &Text, node: &Node, problems: &mut Diagnostics) -> Option<(AttributeType, Spot)> {
    if !matches!(node.value, Value::Text(_) | Value::Map(_)) {
        let message = format!("must be a type, found {}", node.kind());
        problems.push(Spot::of(text, &node.span).error("wrong-type", message));
    }
    read(text, node, problems)
}

fn parse(written: &str) -> Result<AttributeType, NoType> {
    let (mut item, mut sets) = (written.trim(), 0);
    while let Some(inner) = item.strip_prefix("Set<").and_then(|rest| rest.strip_suffix('>')) {
        (item, sets) = (inner.trim(), sets + 1);
        if sets > DEEPEST {
            return Err(NoType::TooDeep);
        }
    }
    let ty = plain(item).ok_or(NoType::Unknown)?;
    Ok((0..sets).fold(ty, |ty, _| AttributeType::Set(Box::new(ty))))
}

/// A type that is no set.
fn plain(written: &str) -> Option<AttributeType> {
    Some(match written {
        "Bool" | "Boolean" => AttributeType::Bool,
        "Long" => AttributeType::Long,
        "String" => AttributeType::String,
        "ipaddr" => AttributeType::Extension("ipaddr"),
        "decimal" => AttributeType::Extension("decimal"),
        "datetime" => AttributeType::Extension("datetime"),
        "duration" => AttributeType::Extension("duration"),
        name if super::names::is_identifier(name) => AttributeType::Entity(name.to_owned()),
        _ => return None,
    })
}

/// The entity types that a type refers to.
pub(super) fn entities(ty: &AttributeType, found: &mut Vec<String>) {
    match ty {
        AttributeType::Entity(name) => found.push(name.clone()),
        AttributeType::Set(inner) => entities(inner, found),
        AttributeType::Record(fields) => fields.iter().for_each(|(_, ty)| entities(ty, found)),
        AttributeType::Bool | AttributeType::Long | AttributeType::String | AttributeType::Extension(_) => {}
    }
}

/// The known names of types, for hints.
pub(super) fn plain_names() -> impl Iterator<Item = &'static str> + Clone {
    PLAIN.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_cedar_names_them() {
        let set = |ty| AttributeType::Set(Box::new(ty));
        assert_eq!(parse("Set<Set<Long>>"), Ok(set(set(AttributeType::Long))));
        assert_eq!(parse(" Set< User > "), Ok(set(AttributeType::Entity("User".to_owned()))));
        assert_eq!(parse("ipaddr"), Ok(AttributeType::Extension("ipaddr")));
        for wrong in ["Set<", "Set<>", "a b", "", "Set<String", "9x"] {
            assert_eq!(parse(wrong), Err(NoType::Unknown), "{wrong}");
        }
    }

    #[test]
    fn sets_within_each_other_come_to_an_end() {
        let nested = |levels: usize| format!("{}Long{}", "Set<".repeat(levels), ">".repeat(levels));
        assert!(parse(&nested(DEEPEST)).is_ok());
        // As deep as a file of 100 KB has it, which is deeper than any stack.
        for levels in [DEEPEST + 1, 20_000] {
            assert_eq!(parse(&nested(levels)), Err(NoType::TooDeep), "{levels}");
        }
    }
}
