//! A JSON Schema of the configuration, made from the table of keys: for the chart, which is to refuse what would keep a pod from its start.

use super::{
    keys::{KEYS, Key, OFF},
    kinds::{Kind, Switch},
};
use serde_json::{Map, Value, json};

/// Which keys there are, and the words of those that take one of several. What else a value must be, only the process knows.
#[must_use]
pub fn schema() -> Value {
    let mut root = section();
    for key in KEYS {
        put(&mut root, key.path, value(key));
    }
    root
}

fn section() -> Value {
    json!({ "type": "object", "additionalProperties": false, "properties": {} })
}

/// Puts the schema of a value at its place, and those of sections on the way there.
fn put(within: &mut Value, path: &str, schema: Value) {
    let Some(properties) = within.get_mut("properties").and_then(Value::as_object_mut) else { return };
    match path.split_once('.') {
        None => drop(properties.insert(path.to_owned(), schema)),
        Some((first, rest)) => put(properties.entry(first).or_insert_with(section), rest, schema),
    }
}

/// Null everywhere: by it values of the chart are taken away from those that they lie over.
fn value(key: &Key) -> Value {
    let is_switch = key.wanted == Switch::WANTED;
    let words = if is_switch { &["true", "false"] } else { key.words };
    let mut schema = Map::new();
    if !words.is_empty() {
        // Yes and no, and numbers, are written without quotes as a rule.
        let plain: Vec<Value> = words.iter().filter_map(|word| serde_json::from_str(word).ok()).collect();
        let texts = words.iter().map(|word| json!(word));
        if plain.iter().any(Value::is_number) {
            // In one list a number would be the same to Helm as its digits.
            let texts: Vec<Value> = texts.chain([Value::Null]).collect();
            schema.insert("anyOf".to_owned(), json!([{ "enum": texts }, { "enum": plain }]));
        } else {
            // The chart writes the word in its place.
            let off = words.contains(&OFF).then_some(Value::Bool(false));
            let all: Vec<Value> = texts.chain(plain).chain(off).chain([Value::Null]).collect();
            schema.insert("enum".to_owned(), all.into());
        }
    } else if let Some(pattern) = key.digits {
        schema.insert("type".to_owned(), json!(["string", "null"]));
        schema.insert("pattern".to_owned(), json!(pattern));
    } else if key.has_parts {
        schema.insert("type".to_owned(), json!(["array", "object", "string", "null"]));
    } else {
        schema.insert("type".to_owned(), json!(["string", "number", "boolean", "null"]));
    }
    Value::Object(schema)
}
