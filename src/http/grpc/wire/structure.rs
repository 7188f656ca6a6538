//! `google/protobuf/struct.proto`: JSON in protobuf.

use prost::{Message, Oneof};
use serde_json::{Map, Number};
use std::collections::BTreeMap;

/// `Struct`
#[derive(Clone, PartialEq, Message)]
pub(in crate::http::grpc) struct Struct {
    /// Its members.
    #[prost(btree_map = "string, message", tag = "1")]
    pub(in crate::http::grpc) fields: BTreeMap<String, Value>,
}

/// `Value`
#[derive(Clone, PartialEq, Message)]
pub(in crate::http::grpc) struct Value {
    /// What it is.
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6")]
    pub(in crate::http::grpc) kind: Option<Kind>,
}

/// `Value.kind`
#[derive(Clone, PartialEq, Oneof)]
pub(in crate::http::grpc) enum Kind {
    /// `null`
    #[prost(int32, tag = "1")]
    Null(i32),
    /// A number.
    #[prost(double, tag = "2")]
    Number(f64),
    /// A string.
    #[prost(string, tag = "3")]
    Text(String),
    /// `true` or `false`
    #[prost(bool, tag = "4")]
    Bool(bool),
    /// An object.
    #[prost(message, tag = "5")]
    Object(Struct),
    /// An array.
    #[prost(message, tag = "6")]
    List(List),
}

/// `ListValue`
#[derive(Clone, PartialEq, Message)]
pub(in crate::http::grpc) struct List {
    /// Its items.
    #[prost(message, repeated, tag = "1")]
    pub(in crate::http::grpc) values: Vec<Value>,
}

impl Value {
    /// A string.
    pub(in crate::http::grpc) fn text(text: impl Into<String>) -> Self {
        Self { kind: Some(Kind::Text(text.into())) }
    }
}

impl From<Struct> for Map<String, serde_json::Value> {
    fn from(object: Struct) -> Self {
        object.fields.into_iter().map(|(name, value)| (name, value.into())).collect()
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        match value.kind {
            None | Some(Kind::Null(_)) => Self::Null,
            Some(Kind::Number(number)) => number_of(number),
            Some(Kind::Text(text)) => Self::String(text),
            Some(Kind::Bool(flag)) => Self::Bool(flag),
            Some(Kind::Object(object)) => Self::Object(object.into()),
            Some(Kind::List(list)) => Self::Array(list.values.into_iter().map(Self::from).collect()),
        }
    }
}

/// JSON tells whole numbers from others and protobuf does not: `7` came as `7.0`.
fn number_of(number: f64) -> serde_json::Value {
    /// Up to here every whole number is a double of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and small enough")]
        return serde_json::Value::from(number as i64);
    }
    // Neither infinite nor no number at all has a place in JSON.
    Number::from_f64(number).map_or(serde_json::Value::Null, serde_json::Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_struct_is_the_json_that_it_was() {
        let number = |number| Value { kind: Some(Kind::Number(number)) };
        let list =
            List { values: vec![Value::text("a"), Value { kind: Some(Kind::Bool(true)) }, Value { kind: None }] };
        let inner = Struct { fields: [("list".to_owned(), Value { kind: Some(Kind::List(list)) })].into() };
        let fields = [
            ("sub", Value::text("sam")),
            ("exp", number(1_800_000_000.0)),
            ("share", number(0.5)),
            ("large", number(1e300)),
            ("odd", number(f64::NAN)),
            ("none", Value { kind: Some(Kind::Null(0)) }),
            ("inner", Value { kind: Some(Kind::Object(inner)) }),
        ];
        let object = Struct { fields: fields.map(|(name, value)| (name.to_owned(), value)).into() };
        let read = Struct::decode(&*object.encode_to_vec()).unwrap();
        assert_eq!(
            serde_json::Value::Object(read.into()),
            json!({"sub": "sam", "exp": 1_800_000_000, "share": 0.5, "large": 1e300, "odd": null, "none": null,
                   "inner": {"list": ["a", true, null]}})
        );
    }
}
