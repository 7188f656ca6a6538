//! JSON as tokens and key sets have it. A member that stands twice is refused: two readers could take one of the two each.

use crate::model::Value;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// Any other number.
    Number(f64),
    /// A text.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Object(BTreeMap<String, Json>),
}

/// Why a text is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonFault {
    /// It is not JSON, or is nested too deep.
    Malformed,
    /// An object has a member twice.
    Duplicate,
}

impl Json {
    /// Reads a text.
    pub(super) fn read(text: &[u8]) -> Result<Self, JsonFault> {
        // Any JSON is taken, so that what the reader itself has to object to is a repeated member.
        serde_json::from_slice(text)
            .map_err(|error| if error.is_data() { JsonFault::Duplicate } else { JsonFault::Malformed })
    }

    /// The member of an object that is not `null`.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.get(name).filter(|value| **value != Self::Null)
    }

    /// The value at the end of these names, where it is not `null`.
    pub(super) fn at(&self, names: &[String]) -> Option<&Self> {
        names.iter().try_fold(self, |value, name| value.get(name))
    }

    /// The text, where it is one.
    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The same in the form of the library.
    pub(super) fn into_serde(self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => value.into(),
            Self::Int(number) => number.into(),
            Self::Number(number) => number.into(),
            Self::Text(text) => text.into(),
            Self::List(items) => items.into_iter().map(Self::into_serde).collect(),
            Self::Object(members) => members.into_iter().map(|(name, value)| (name, value.into_serde())).collect(),
        }
    }

    /// The value as policies see it. What they have no value for is a reason to deny and does not disappear.
    pub(super) fn to_value(&self) -> Value<'static> {
        match self {
            Self::Null => Value::Unrepresentable("a null inside a set"),
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(number) => Value::Long(*number),
            Self::Number(_) => Value::Unrepresentable("a number that is not a 64-bit integer"),
            Self::Text(text) => Value::String(Cow::Owned(text.clone())),
            Self::List(items) => Value::Set(items.iter().map(Self::to_value).collect()),
            Self::Object(members) => {
                let there = members.iter().filter(|(_, value)| **value != Self::Null);
                Value::Record(there.map(|(name, value)| (Cow::Owned(name.clone()), value.to_value())).collect())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Int(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "beyond 64 bits with a sign it is only known that it is large")]
    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Number(value as f64), Json::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, value)) = members.next_entry::<String, Json>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_member_is_told_from_what_is_no_json() {
        for (text, fault) in [
            (r#"{"a":1,"a":2}"#, JsonFault::Duplicate),
            (r#"{"a":[{"b":{"c":1,"d":2,"c":1}}]}"#, JsonFault::Duplicate),
            (r#"{"a":1,"\u0061":2}"#, JsonFault::Duplicate),
            (r#"{"a":1"#, JsonFault::Malformed),
            (r#"{"a":1} x"#, JsonFault::Malformed),
            ("", JsonFault::Malformed),
            ("{\"a\":1e999}", JsonFault::Malformed),
            ("\"\u{0}\"", JsonFault::Malformed),
        ] {
            assert_eq!(Json::read(text.as_bytes()), Err(fault), "{text}");
        }
        assert_eq!(Json::read(&b"[".repeat(100_000)), Err(JsonFault::Malformed));
        assert_eq!(Json::read(b"\"\xff\""), Err(JsonFault::Malformed));
    }

    #[test]
    fn values_are_found_by_their_names_and_null_is_absent() {
        let json = Json::read(br#"{"a":{"b":["x",null,1.5]},"n":null,"t":"text"}"#).unwrap();
        let names = ["a", "b"].map(str::to_owned);
        let Some(Json::List(items)) = json.at(&names) else { panic!("{json:?}") };
        assert_eq!(items.len(), 3);
        assert_eq!((json.get("n"), json.get("t").and_then(Json::as_text)), (None, Some("text")));
        let Value::Record(members) = json.to_value() else { panic!("a record") };
        assert_eq!(members.len(), 2);
    }
}
