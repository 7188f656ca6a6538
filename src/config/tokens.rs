//! `server.admin.tokens`: a list in the file, one text in the environment.

use super::{
    AdminToken,
    file::Reading,
    kinds::{Kind, ReadNode},
};
use crate::document::{Node, Value};

/// The list as one text: `ops=<digest>,ci=<digest>`.
pub(super) struct Tokens;

impl Kind for Tokens {
    type Value = Vec<AdminToken>;
    const WANTED: &'static str = "a list of `{ name, sha256 }`";
    const NODE: Option<ReadNode<Self::Value>> = Some(read_list);

    fn read(text: &str) -> Option<Self::Value> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items
            .map(|item| {
                let (name, digest) = item.split_once('=')?;
                Some(AdminToken { name: read_name(name.trim())?, sha256: read_digest(digest.trim())? })
            })
            .collect()
    }

    fn show(value: &Self::Value) -> String {
        let items = value.iter().map(|token| format!("{{ name: {}, sha256: {} }}", token.name, hex(&token.sha256)));
        format!("[{}]", items.collect::<Vec<_>>().join(", "))
    }
}

/// Reads the list of the file; problems are left with `reading`.
fn read_list(node: &Node, reading: &mut Reading<'_>) -> Option<Vec<AdminToken>> {
    let items = node.as_list()?;
    let mut tokens: Vec<AdminToken> = Vec::new();
    for item in items {
        let Some(token) = read_item(item, reading) else { continue };
        if tokens.iter().any(|earlier| earlier.name == token.name) {
            reading.problem("duplicate-token", &item.span, format!("the token `{}` is listed twice", token.name), None);
        }
        tokens.push(token);
    }
    Some(tokens)
}

fn read_item(node: &Node, reading: &mut Reading<'_>) -> Option<AdminToken> {
    let Some(map) = node.as_map() else {
        let message = format!("a token is a mapping with `name` and `sha256`, not {}", node.kind());
        reading.problem("invalid-value", &node.span, message, None);
        return None;
    };
    for entry in map {
        if !["name", "sha256"].contains(&entry.key.as_str()) {
            reading.unknown(&entry.key, &entry.key_span, "server.admin.tokens", &["name", "sha256"]);
        }
    }
    let name = part(node, "name", "a name of letters, digits, `-`, `_` and `.`", read_name, reading);
    let wanted = "64 hexadecimal digits, such as `printf %s \"$TOKEN\" | sha256sum` prints";
    let sha256 = part(node, "sha256", wanted, read_digest, reading);
    Some(AdminToken { name: name?, sha256: sha256? })
}

fn part<T>(
    token: &Node,
    key: &str,
    wanted: &str,
    read: impl Fn(&str) -> Option<T>,
    reading: &mut Reading<'_>,
) -> Option<T> {
    let Some(node) = token.get(key) else {
        reading.problem("missing-key", &token.span, format!("a token needs `{key}`"), None);
        return None;
    };
    // Digests that happen to consist of digits alone are numbers to YAML; what was written counts.
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        _ => reading.written(&node.span).to_owned(),
    };
    let value = read(&text);
    if value.is_none() {
        // The value is not repeated: it may be the token itself, put here by mistake.
        reading.problem("invalid-value", &node.span, format!("`{key}` of a token is {wanted}"), None);
    }
    value
}

fn read_name(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    fits.then(|| text.to_owned())
}

fn read_digest(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|&[high, low]| {
            let (high, low) = (char::from(high).to_digit(16)?, char::from(low).to_digit(16)?);
            u8::try_from(high * 16 + low).ok()
        })
        .collect();
    bytes?.try_into().ok()
}

fn hex(digest: &[u8]) -> String {
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect()
}
