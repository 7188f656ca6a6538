//! Values of attributes, as YAML gives them.

use crate::{
    document::{Diagnostic, Diagnostics, Node, Text, Value as Written, hint},
    engine::AttributeType,
    model::Value,
    policy::{declared::Declared, names::EVERY_VALUE},
};
use std::borrow::Cow;

/// A value of a declared type. What does not fit is reported and is none.
pub(super) fn typed(
    text: &Text,
    node: &Node,
    ty: &AttributeType,
    declared: &Declared,
    problems: &mut Diagnostics,
) -> Option<Value<'static>> {
    let owned = |text: &String| Cow::Owned(text.clone());
    match (ty, &node.value) {
        (AttributeType::Bool, Written::Bool(value)) => Some(Value::Bool(*value)),
        (AttributeType::Long, Written::Int(value)) => Some(Value::Long(*value)),
        (AttributeType::String, Written::Text(value)) => Some(Value::String(owned(value))),
        (AttributeType::Entity(entity), Written::Text(id)) if declared.values.contains(entity) => {
            listed(text, node, entity, id, declared, problems)
        }
        (AttributeType::Entity(entity), Written::Text(id)) => Some(Value::Entity { ty: owned(entity), id: owned(id) }),
        (AttributeType::Extension(name), Written::Text(value)) => extension(text, node, name, value, problems),
        (AttributeType::Set(inner), Written::Text(all)) if all == EVERY_VALUE => {
            every(text, node, inner, declared, problems)
        }
        (AttributeType::Set(inner), Written::List(items)) => {
            let values: Vec<_> = items.iter().map(|item| typed(text, item, inner, declared, problems)).collect();
            values.into_iter().collect::<Option<_>>().map(Value::Set)
        }
        (AttributeType::Record(fields), Written::Map(map)) => {
            let mut values = Vec::new();
            for entry in map {
                let Some((name, ty)) = fields.iter().find(|(name, _)| *name == entry.key) else {
                    let message = format!("the record has no field `{}`", entry.key);
                    let help = hint(&entry.key, fields.iter().map(|(name, _)| name.as_str()));
                    let problem = Diagnostic::error("unknown-attribute", text, entry.key_span.clone(), message);
                    problems.push(problem.with_help(help));
                    continue;
                };
                values.extend(typed(text, &entry.node, ty, declared, problems).map(|value| (owned(name), value)));
            }
            Some(Value::Record(values))
        }
        _ => wrong_type(text, node, ty, problems),
    }
}

fn wrong_type(text: &Text, node: &Node, ty: &AttributeType, problems: &mut Diagnostics) -> Option<Value<'static>> {
    let message = format!("must be {}, found {}", describe(ty), node.kind());
    problems.push(Diagnostic::error("wrong-type", text, node.span.clone(), message));
    None
}

/// One of the values that a type lists.
fn listed(
    text: &Text,
    node: &Node,
    ty: &str,
    id: &str,
    declared: &Declared,
    problems: &mut Diagnostics,
) -> Option<Value<'static>> {
    let values = declared.values.get(ty).map(Vec::as_slice).unwrap_or_default();
    if values.iter().any(|value| value.name == id) {
        return Some(value_of(ty, id));
    }
    let help = hint(id, values.iter().map(|value| value.name.as_str()));
    let problem = Diagnostic::error("unknown-value", text, node.span.clone(), format!("no {ty} `{id}`"));
    problems.push(problem.with_help(help));
    None
}

/// `all`: every value that the type lists.
fn every(
    text: &Text,
    node: &Node,
    inner: &AttributeType,
    declared: &Declared,
    problems: &mut Diagnostics,
) -> Option<Value<'static>> {
    let values = match inner {
        AttributeType::Entity(ty) => declared.values.get(ty).map(|values| (ty, values)),
        _ => None,
    };
    let Some((ty, values)) = values else {
        return wrong_type(text, node, &AttributeType::Set(Box::new(inner.clone())), problems);
    };
    Some(Value::Set(values.iter().map(|value| value_of(ty, &value.name)).collect()))
}

fn value_of(ty: &str, id: &str) -> Value<'static> {
    Value::Entity { ty: Cow::Owned(ty.to_owned()), id: Cow::Owned(id.to_owned()) }
}

/// A text that one of Cedar's extension functions must take.
fn extension(
    text: &Text,
    node: &Node,
    name: &'static str,
    value: &str,
    problems: &mut Diagnostics,
) -> Option<Value<'static>> {
    let found = extension_value(name, value);
    if found.is_none() {
        let message = format!("`{value}` is not a value of type {name}");
        problems.push(Diagnostic::error("bad-value", text, node.span.clone(), message));
    }
    found
}

fn extension_value(name: &'static str, value: &str) -> Option<Value<'static>> {
    let function = if name == "ipaddr" { "ip" } else { name };
    crate::policy::cedar::is_extension_value(function, value).then(|| Value::Extension {
        function: Cow::Borrowed(function),
        arguments: vec![Value::String(Cow::Owned(value.to_owned()))],
    })
}

/// A JSON value of a declared type, as requests give it: entities by their ids.
///
/// # Errors
/// Fails with what the value must be.
pub(in crate::policy) fn json(value: &serde_json::Value, ty: &AttributeType) -> Result<Value<'static>, String> {
    use serde_json::Value as Json;
    let wanted = || describe(ty);
    match (ty, value) {
        (AttributeType::Bool, Json::Bool(value)) => Ok(Value::Bool(*value)),
        (AttributeType::Long, Json::Number(value)) => value.as_i64().map(Value::Long).ok_or_else(wanted),
        (AttributeType::String, Json::String(value)) => Ok(Value::String(Cow::Owned(value.clone()))),
        (AttributeType::Entity(entity), Json::String(id)) => {
            Ok(Value::Entity { ty: Cow::Owned(entity.clone()), id: Cow::Owned(id.clone()) })
        }
        (AttributeType::Extension(name), Json::String(value)) => extension_value(name, value).ok_or_else(wanted),
        (AttributeType::Set(inner), Json::Array(items)) => {
            items.iter().map(|item| json(item, inner)).collect::<Result<_, _>>().map(Value::Set)
        }
        (AttributeType::Record(fields), Json::Object(members)) => {
            let field = |(name, value): (&String, &Json)| {
                let known = fields.iter().find(|(known, _)| known == name);
                let (_, ty) = known.ok_or_else(|| format!("a record without the field `{name}`"))?;
                Ok((Cow::Owned(name.clone()), json(value, ty)?))
            };
            members.iter().map(field).collect::<Result<_, String>>().map(Value::Record)
        }
        _ => Err(wanted()),
    }
}

fn describe(ty: &AttributeType) -> String {
    match ty {
        AttributeType::Bool => "`true` or `false`".to_owned(),
        AttributeType::Long => "an integer".to_owned(),
        AttributeType::String => "a text".to_owned(),
        AttributeType::Entity(name) => format!("the id of a {name}"),
        AttributeType::Set(_) => "a list".to_owned(),
        AttributeType::Record(_) => "a mapping".to_owned(),
        AttributeType::Extension(name) => format!("a text of type {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::yaml;

    fn check(document: &str, ty: &AttributeType) -> Result<Value<'static>, String> {
        let text = Text::new("a.yaml", document);
        let node = yaml::read(&text).unwrap();
        let mut problems = Diagnostics::default();
        let value = typed(&text, &node, ty, &Declared::default(), &mut problems);
        if problems.is_empty() { Ok(value.unwrap()) } else { Err(problems.to_string()) }
    }

    #[test]
    fn values_take_the_declared_type_or_are_refused() {
        let set = AttributeType::Set(Box::new(AttributeType::Entity("User".to_owned())));
        let user = Value::Entity { ty: "User".into(), id: "ada".into() };
        assert_eq!(check("[ada]", &set), Ok(Value::Set(vec![user])));
        let ip = Value::Extension { function: "ip".into(), arguments: vec![Value::text("10.0.0.1")] };
        assert_eq!(check("10.0.0.1", &AttributeType::Extension("ipaddr")), Ok(ip));
        assert!(check("10.0.0", &AttributeType::Extension("ipaddr")).unwrap_err().contains("bad-value"));
        assert!(check("x", &AttributeType::Long).unwrap_err().contains("must be an integer, found a text"));
        let record = AttributeType::Record(vec![("city".to_owned(), AttributeType::String)]);
        assert!(check("{ ciyt: x }", &record).unwrap_err().contains("did you mean `city`?"));
    }
}
