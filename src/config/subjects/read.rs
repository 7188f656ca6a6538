//! Reads `subjects.tokens`: a list of mappings in the file, the same list as one line of YAML or JSON in the environment.

use super::{Algorithm, ClaimPath, ClaimRule, Family, KeyAddress, KeySource, TenantRule, TokenIssuer};
use crate::{
    config::{
        file::{self, Reading},
        kinds::{Kind, ReadNode},
    },
    document::{Node, Value},
};
use std::{collections::BTreeMap, path::PathBuf};

const KEYS: [&str; 10] = [
    "issuer",
    "audiences",
    "jwks",
    "secret_file",
    "algorithms",
    "user",
    "tenant",
    "roles",
    "attributes",
    "known_users_only",
];
const RULE_KEYS: [&str; 3] = ["claim", "prefix", "names"];
const TENANT_KEYS: [&str; 4] = ["claim", "prefix", "names", "is"];

/// The claim that says who the user is, where the setting names none.
const USER_CLAIM: &str = "sub";

const CLAIM_WANTED: &str =
    "the place of a claim, such as `sub`, `realm_access.roles` or `/https:~1~1example.com~1roles`";

/// The kind of `subjects.tokens`.
pub(in crate::config) struct Issuers;

impl Kind for Issuers {
    type Value = Vec<TokenIssuer>;
    const WANTED: &'static str = "a list of issuers such as `{ issuer: https://id.example, audiences: [shop], jwks: \
                                  https://id.example/certs, roles: realm_access.roles }`";
    const NODE: Option<ReadNode<Self::Value>> = Some(read_list);

    fn read(text: &str) -> Option<Self::Value> {
        file::apart(text, read_list)
    }

    fn show(value: &Self::Value) -> String {
        serde_json::Value::Array(value.iter().map(TokenIssuer::to_json).collect()).to_string()
    }
}

fn read_list(node: &Node, reading: &mut Reading<'_>) -> Option<Vec<TokenIssuer>> {
    let items = node.as_list()?;
    Some(items.iter().filter_map(|item| read_issuer(item, reading)).collect())
}

fn read_issuer(node: &Node, reading: &mut Reading<'_>) -> Option<TokenIssuer> {
    if !is_mapping_of(node, "an issuer", "subjects.tokens", &KEYS, reading) {
        return None;
    }
    let issuer = needed(node, "issuer", reading).and_then(|issuer| text(issuer, "`issuer`", reading));
    let audiences = needed(node, "audiences", reading).and_then(|list| texts(list, "`audiences`", reading));
    let keys = read_keys(node, reading);
    let is_secret = matches!(keys, Some(KeySource::Secret { .. }));
    let algorithms = match node.get("algorithms") {
        None => Some(Algorithm::defaults(is_secret)),
        Some(list) => read_algorithms(list, is_secret, reading),
    };
    let user = match node.get("user") {
        None => ClaimPath::parse(USER_CLAIM).map(ClaimRule::plain),
        Some(rule) => read_rule(rule, "user", reading),
    };
    let tenant = optional(node, "tenant", reading, read_tenant)?;
    let roles = optional(node, "roles", reading, |rule, reading| read_rule(rule, "roles", reading))?;
    let attributes = optional(node, "attributes", reading, read_attributes)?;
    let known_users_only = optional(node, "known_users_only", reading, read_switch)?;
    Some(TokenIssuer {
        issuer: issuer?,
        audiences: audiences?,
        keys: keys?,
        algorithms: algorithms?,
        user: user?,
        tenant,
        roles,
        attributes: attributes.unwrap_or_default(),
        known_users_only: known_users_only.unwrap_or_default(),
    })
}

/// What may be left out: `None` where it is there and wrong.
#[expect(clippy::option_option, reason = "the outer says whether it can be read")]
fn optional<T>(
    node: &Node,
    key: &str,
    reading: &mut Reading<'_>,
    read: impl FnOnce(&Node, &mut Reading<'_>) -> Option<T>,
) -> Option<Option<T>> {
    match node.get(key) {
        None => Some(None),
        // Whoever wrote it has meant something, and nothing is seldom it.
        Some(value) if value.is_null() => {
            let message = format!("`{key}` of an issuer is written and says nothing");
            reading.problem("invalid-value", &value.span, message, Some("give it a value, or leave it out".to_owned()));
            None
        }
        Some(value) => read(value, reading).map(Some),
    }
}

fn needed<'n>(node: &'n Node, key: &str, reading: &mut Reading<'_>) -> Option<&'n Node> {
    let found = node.get(key);
    if found.is_none() {
        reading.problem("missing-key", &node.span, format!("an issuer needs `{key}`"), None);
    }
    found
}

fn invalid(node: &Node, what: &str, wanted: &str, reading: &mut Reading<'_>) {
    reading.problem("invalid-value", &node.span, format!("{what} of an issuer is {wanted}"), None);
}

fn is_mapping_of(node: &Node, what: &str, section: &str, keys: &[&'static str], reading: &mut Reading<'_>) -> bool {
    let Some(map) = node.as_map() else {
        let message = format!("{what} is a mapping, not {}", node.kind());
        reading.problem("invalid-value", &node.span, message, None);
        return false;
    };
    let mut known = true;
    for entry in map {
        if !keys.contains(&entry.key.as_str()) {
            reading.unknown(&entry.key, &entry.key_span, section, keys);
            known = false;
        }
    }
    known
}

/// A text that is not empty. Numbers count as they were written.
fn text(node: &Node, what: &str, reading: &mut Reading<'_>) -> Option<String> {
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => reading.written(&node.span).to_owned(),
        Value::Null | Value::List(_) | Value::Map(_) => String::new(),
    };
    if text.is_empty() || text.contains(char::is_control) {
        invalid(node, what, "a text", reading);
        return None;
    }
    Some(text)
}

/// One text or several.
fn texts(node: &Node, what: &str, reading: &mut Reading<'_>) -> Option<Vec<String>> {
    match node.as_list() {
        None => text(node, what, reading).map(|text| vec![text]),
        Some([]) => {
            invalid(node, what, "a list that is not empty", reading);
            None
        }
        Some(items) => items.iter().map(|item| text(item, what, reading)).collect(),
    }
}

fn read_keys(node: &Node, reading: &mut Reading<'_>) -> Option<KeySource> {
    match (node.get("jwks"), node.get("secret_file")) {
        (Some(jwks), None) => {
            let place = text(jwks, "`jwks`", reading)?;
            if !KeyAddress::is_meant(&place) {
                return Some(KeySource::File(PathBuf::from(place)));
            }
            match KeyAddress::parse(&place) {
                Ok(address) => Some(KeySource::Address(address)),
                Err(message) => {
                    reading.problem("invalid-value", &jwks.span, message, None);
                    None
                }
            }
        }
        (None, Some(file)) => {
            let path = PathBuf::from(text(file, "`secret_file`", reading)?);
            Some(KeySource::Secret { path, secret: None })
        }
        (Some(_), Some(file)) => {
            let message = "an issuer has `jwks` or `secret_file`: with both, a public key could be taken for a secret";
            reading.problem("contradiction", &file.span, message.to_owned(), None);
            None
        }
        (None, None) => {
            let message = "an issuer needs `jwks`, an address or a file, or else `secret_file`".to_owned();
            reading.problem("missing-key", &node.span, message, None);
            None
        }
    }
}

fn read_algorithms(node: &Node, is_secret: bool, reading: &mut Reading<'_>) -> Option<Vec<Algorithm>> {
    let mut algorithms = Vec::new();
    for name in texts(node, "`algorithms`", reading)? {
        let Some(algorithm) = Algorithm::parse(&name) else {
            let known: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect();
            let message = format!("`{name}` is no algorithm for tokens: they are {}", known.join(", "));
            reading.problem("invalid-value", &node.span, message, None);
            return None;
        };
        if (algorithm.family() == Family::Secret) != is_secret {
            let message = if is_secret {
                format!("`{name}` is for public keys; with `secret_file` it is HS256, HS384 or HS512")
            } else {
                format!("`{name}` is for a secret in `secret_file`; with `jwks` it could be forged with a public key")
            };
            reading.problem("contradiction", &node.span, message, None);
            return None;
        }
        if !algorithms.contains(&algorithm) {
            algorithms.push(algorithm);
        }
    }
    Some(algorithms)
}

fn read_path(node: &Node, what: &str, reading: &mut Reading<'_>) -> Option<ClaimPath> {
    let path = node.as_text().and_then(ClaimPath::parse);
    if path.is_none() {
        invalid(node, &format!("`{what}`"), CLAIM_WANTED, reading);
    }
    path
}

/// A claim by its place alone, or with what becomes of its values.
fn read_rule(node: &Node, what: &str, reading: &mut Reading<'_>) -> Option<ClaimRule> {
    if node.as_map().is_none() {
        return read_path(node, what, reading).map(ClaimRule::plain);
    }
    let section = format!("subjects.tokens.{what}");
    if !is_mapping_of(node, what, &section, &RULE_KEYS, reading) {
        return None;
    }
    read_parts(node, what, reading)
}

fn read_parts(node: &Node, what: &str, reading: &mut Reading<'_>) -> Option<ClaimRule> {
    let Some(claim) = node.get("claim") else {
        reading.problem("missing-key", &node.span, format!("`{what}` of an issuer needs `claim`"), None);
        return None;
    };
    let path = read_path(claim, what, reading);
    let prefix = optional(node, "prefix", reading, |prefix, reading| text(prefix, "`prefix`", reading))?;
    let names = optional(node, "names", reading, read_names)?;
    Some(ClaimRule { path: path?, prefix: prefix.unwrap_or_default(), names: names.unwrap_or_default() })
}

fn read_names(node: &Node, reading: &mut Reading<'_>) -> Option<BTreeMap<String, String>> {
    // Without any, every value would count under its own name.
    let Some(map) = node.as_map().filter(|map| !map.is_empty()) else {
        invalid(node, "`names`", "a mapping from values of the claim to names of the policy set", reading);
        return None;
    };
    map.iter().map(|entry| Some((entry.key.clone(), text(&entry.node, "`names`", reading)?))).collect()
}

fn read_tenant(node: &Node, reading: &mut Reading<'_>) -> Option<TenantRule> {
    let Some(is) = node.get("is") else { return read_rule(node, "tenant", reading).map(TenantRule::Claim) };
    if !is_mapping_of(node, "tenant", "subjects.tokens.tenant", &TENANT_KEYS, reading) {
        return None;
    }
    if node.as_map().is_some_and(|map| map.len() > 1) {
        let message = "`tenant` of an issuer has `is` or a claim: it cannot be both".to_owned();
        reading.problem("contradiction", &node.span, message, None);
        return None;
    }
    text(is, "`tenant`", reading).map(TenantRule::Is)
}

fn read_attributes(node: &Node, reading: &mut Reading<'_>) -> Option<Vec<(String, ClaimPath)>> {
    let Some(map) = node.as_map() else {
        invalid(node, "`attributes`", "a mapping from user attributes to claims", reading);
        return None;
    };
    map.iter().map(|entry| Some((entry.key.clone(), read_path(&entry.node, &entry.key, reading)?))).collect()
}

fn read_switch(node: &Node, reading: &mut Reading<'_>) -> Option<bool> {
    let value = node.as_bool();
    if value.is_none() {
        invalid(node, "`known_users_only`", "`true` or `false`", reading);
    }
    value
}
