//! JSON Schema out of a table of fields, so that editors complete and check while typing.

use super::{Kind, Shape, Table};
use serde_json::{Map, Value, json};

/// The JSON Schema (2020-12) of a document. `id` is its address.
#[must_use]
pub fn json_schema(table: &'static Table, id: &str) -> Value {
    let mut definitions = Map::new();
    let mut root = record(table, &mut definitions);
    if let Value::Object(root) = &mut root {
        root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        root.insert("$id".to_owned(), json!(id));
        root.insert("title".to_owned(), json!(table.name));
        root.insert("$defs".to_owned(), Value::Object(definitions));
    }
    root
}

fn record(table: &'static Table, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for field in table.fields {
        let mut schema = value(&field.shape, definitions);
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".to_owned(), json!(field.meaning));
        }
        properties.insert(field.name.to_owned(), schema);
    }
    let required: Vec<_> = table.fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    let mut schema = json!({
        "type": "object",
        "description": table.meaning,
        "additionalProperties": false,
        "properties": properties,
    });
    if let (Value::Object(schema), false) = (&mut schema, required.is_empty()) {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

fn value(shape: &Shape, definitions: &mut Map<String, Value>) -> Value {
    match shape.kind {
        Kind::Text => json!({ "type": "string" }),
        Kind::Choice(choices) => json!({ "enum": choices }),
        Kind::Time => json!({ "type": "string", "format": "date-time" }),
        Kind::Int => json!({ "type": "integer" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Any => json!({}),
        Kind::List(item) => json!({ "type": "array", "items": value(item, definitions) }),
        Kind::Map(values) => json!({ "type": "object", "additionalProperties": value(values, definitions) }),
        Kind::Record(table) => {
            if !definitions.contains_key(table.name) {
                // The name goes in first: a table may hold itself.
                definitions.insert(table.name.to_owned(), Value::Null);
                let schema = record(table, definitions);
                definitions.insert(table.name.to_owned(), schema);
            }
            json!({ "$ref": format!("#/$defs/{}", table.name) })
        }
        Kind::OneOf(alternatives) => {
            json!({ "anyOf": alternatives.iter().map(|one| value(one, definitions)).collect::<Vec<_>>() })
        }
        Kind::Optional(inner) => json!({ "anyOf": [value(inner, definitions), { "type": "null" }] }),
    }
}
