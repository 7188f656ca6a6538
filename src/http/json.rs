//! JSON between the wire and the model: values are read straight into [`Value`], borrowing from the body where they can.
//!
//! What the readers here promise: names within an object are unique; a member that is `null` is absent; what policies have no
//! value for becomes [`Value::Unrepresentable`] rather than disappearing; nothing is nested deeper than [`DEEPEST`].

pub(super) mod write;

#[cfg(test)]
mod tests;

use super::ApiError;
use crate::model::Value;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use std::{borrow::Cow, fmt, marker::PhantomData};

/// How deep objects and arrays may be nested, the outermost included.
pub(super) const DEEPEST: usize = 32;

/// Up to this many members, looking at all earlier names is faster than sorting them.
const FEW: usize = 16;

/// A null that was not a member of an object: what is left of nulls after reading stands in a set.
const NULL: Value<'static> = Value::Unrepresentable("a null inside a set");

/// A text that borrows from the body unless it has escapes.
#[derive(Debug)]
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

/// Any value.
#[derive(Debug)]
struct Any<'a>(Value<'a>);

/// What an object holds; an array of the same values, which serde would take in its place, is refused.
#[derive(Debug, Default)]
pub(super) struct Object<T>(pub(super) T);

/// The members of an object.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(pub(super) Vec<(Cow<'a, str>, Value<'a>)>);

/// Refuses a body that is empty, not UTF-8 or nested deeper than [`DEEPEST`], before it is parsed. What is skipped by the parser
/// is looked at here too.
pub(super) fn check(body: &[u8]) -> Result<&str, ApiError> {
    if body.is_empty() {
        return Err(ApiError::malformed("the body is empty"));
    }
    let text = str::from_utf8(body).map_err(|error| not_utf8(body, error.valid_up_to()))?;
    // Counting without branches is many times faster than following the structure, and settles nearly every request.
    let opened: usize = body.iter().map(|&byte| usize::from(byte == b'{') + usize::from(byte == b'[')).sum();
    if opened > DEEPEST {
        check_structure(body)?;
    }
    Ok(text)
}

/// In the words of the parser.
fn not_utf8(body: &[u8], valid: usize) -> ApiError {
    let before = body.get(..valid).unwrap_or_default();
    let line = before.split(|&byte| byte == b'\n').count();
    let column = 1 + before.iter().rev().take_while(|&&byte| byte != b'\n').count();
    ApiError::malformed(format!("invalid unicode code point at line {line} column {column}"))
}

fn check_structure(body: &[u8]) -> Result<(), ApiError> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let (mut line, mut column) = (1_usize, 0_usize);
    for &byte in body {
        column += 1;
        match byte {
            b'\n' => (line, column) = (line + 1, 0),
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                if depth > DEEPEST {
                    let message = format!("nested deeper than {DEEPEST} levels at line {line} column {column}");
                    return Err(ApiError::malformed(message));
                }
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Fills the place of a field, once.
pub(super) fn once<T, E: Error>(place: &mut Option<T>, field: &'static str, value: T) -> Result<(), E> {
    if place.is_some() {
        return Err(E::duplicate_field(field));
    }
    *place = Some(value);
    Ok(())
}

/// What is said about a field that does not exist, with the nearest one that does.
pub(super) fn unknown_field<E: Error>(name: &str, known: &[&str]) -> E {
    let nearest = known
        .iter()
        // What is far longer is far off: comparing takes as much memory as both are long, multiplied.
        .filter(|candidate| name.chars().count() <= 2 * candidate.chars().count() + 2)
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 2.max(candidate.len() / 2))
        .min();
    match nearest {
        Some((_, nearest)) => E::custom(format_args!("unknown field `{name}`, the nearest is `{nearest}`")),
        None => E::custom(format_args!("unknown field `{name}`, the fields are `{}`", known.join("`, `"))),
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Reader<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }
        deserializer.deserialize_map(Reader(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Any<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Any<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Any<'de>, E> {
                Ok(Any(Value::Bool(value)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Any<'de>, E> {
                Ok(Any(Value::Long(value)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Any<'de>, E> {
                let beyond = Value::Unrepresentable("an integer beyond 64 bits");
                Ok(Any(i64::try_from(value).map_or(beyond, Value::Long)))
            }

            // Integers that do not even fit in 64 bits without a sign arrive here too.
            fn visit_f64<E>(self, _: f64) -> Result<Any<'de>, E> {
                Ok(Any(Value::Unrepresentable("a number that is not a 64-bit integer")))
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Any<'de>, E> {
                Ok(Any(Value::String(Cow::Borrowed(text))))
            }

            fn visit_str<E>(self, text: &str) -> Result<Any<'de>, E> {
                Ok(Any(Value::String(Cow::Owned(text.to_owned()))))
            }

            fn visit_unit<E>(self) -> Result<Any<'de>, E> {
                Ok(Any(NULL))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Any<'de>, A::Error> {
                let mut set = Vec::new();
                while let Some(Any(item)) = items.next_element()? {
                    set.push(item);
                }
                Ok(Any(Value::Set(set)))
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Any<'de>, A::Error> {
                Ok(Any(record(read_members(members)?)))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Members<'de>, A::Error> {
                read_members(members).map(Members)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

fn read_members<'de, A: MapAccess<'de>>(mut map: A) -> Result<Vec<(Cow<'de, str>, Value<'de>)>, A::Error> {
    let duplicate = |name: &str| Err(A::Error::custom(format_args!("duplicate member `{name}`")));
    let mut members: Vec<(Cow<'de, str>, Value<'de>)> = Vec::new();
    let mut nulls = false;
    while let Some(Text(name)) = map.next_key()? {
        if members.len() < FEW && members.iter().any(|(earlier, _)| *earlier == name) {
            return duplicate(&name);
        }
        let Any(value) = map.next_value()?;
        nulls |= value == NULL;
        members.push((name, value));
    }
    if members.len() > FEW {
        // Comparing each with each would let one body of many members keep a worker busy.
        let mut names: Vec<&str> = members.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        if let Some((name, _)) = names.iter().zip(names.iter().skip(1)).find(|(one, next)| one == next) {
            return duplicate(name);
        }
    }
    if nulls {
        members.retain(|(_, value)| *value != NULL);
    }
    Ok(members)
}

/// A record, or what one of Cedar's JSON escapes stands for.
fn record<'a>(members: Vec<(Cow<'a, str>, Value<'a>)>) -> Value<'a> {
    if !members.iter().any(|(name, _)| matches!(&**name, "__entity" | "__extn" | "__expr")) {
        return Value::Record(members);
    }
    let mut members = members.into_iter();
    let (Some((escape, Value::Record(inner))), None) = (members.next(), members.next()) else {
        return Value::Unrepresentable("an escape that is not Cedar's");
    };
    let value = match &*escape {
        "__entity" => two_texts(inner, "type", "id").map(|(ty, id)| Value::Entity { ty, id }),
        "__extn" => call(inner).map(|(function, arguments)| Value::Extension { function, arguments }),
        _ => None,
    };
    value.unwrap_or(Value::Unrepresentable("an escape that is not Cedar's"))
}

/// The function and the arguments of an extension value: `arg` is the only one, `args` are several.
fn call<'a>(members: Vec<(Cow<'a, str>, Value<'a>)>) -> Option<(Cow<'a, str>, Vec<Value<'a>>)> {
    let (mut function, mut arguments) = (None, None);
    for (name, value) in members {
        match (&*name, value) {
            ("fn", Value::String(name)) => function = Some(name),
            ("arg", argument) if arguments.is_none() => arguments = Some(vec![argument]),
            ("args", Value::Set(several)) if arguments.is_none() => arguments = Some(several),
            _ => return None,
        }
    }
    function.zip(arguments)
}

/// The texts of an object that has exactly these two members, and both are texts.
fn two_texts<'a>(
    members: Vec<(Cow<'a, str>, Value<'a>)>,
    first: &str,
    second: &str,
) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    let (mut one, mut two) = (None, None);
    for (name, value) in members {
        match value {
            Value::String(text) if name == first => one = Some(text),
            Value::String(text) if name == second => two = Some(text),
            _ => return None,
        }
    }
    one.zip(two)
}
