//! `server.admin.tokens`: a list in the file, one text in the environment.

use super::{
    file::Reading,
    kinds::{Kind, ReadNode},
};
use crate::{
    document::{Node, Value},
    model::{from_hex, to_hex},
};
use std::fmt;

/// What a token opens. A route says which scopes it takes; one of them is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// To look: at what decides, at users and what they have. Not at the audit log.
    Read,
    /// To change the directory, and to report what happens in the application: sessions and activities.
    Directory,
    /// To read the audit log.
    Audit,
    /// To have policies loaded anew.
    Policies,
}

impl Scope {
    /// All of them, in the order of the documents.
    pub const ALL: [Self; 4] = [Self::Read, Self::Directory, Self::Audit, Self::Policies];

    /// The word for it, in settings and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Directory => "directory",
            Self::Audit => "audit",
            Self::Policies => "policies",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

/// One of `server.admin.tokens`. The token itself is never kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminToken {
    /// Who it was given to.
    pub name: String,
    /// The SHA-256 of the token's text.
    pub sha256: [u8; 32],
    /// What it opens; all scopes where the setting names none. Never empty.
    pub scopes: Vec<Scope>,
    /// Whether calls that name no actor are taken as the operator's own, who is not bound by the rules of delegation.
    pub operator: bool,
}

impl AdminToken {
    /// What the name of a token is, as a message says it.
    pub const NAME: &str = "a name of letters, digits, `-`, `_` and `.`";

    /// Whether it can be the name of a token.
    #[must_use]
    pub fn is_name(text: &str) -> bool {
        read_name(text).is_some()
    }

    /// A token that opens everything and speaks for nobody: what a name and a digest alone mean.
    #[must_use]
    pub fn new(name: impl Into<String>, sha256: [u8; 32]) -> Self {
        Self { name: name.into(), sha256, scopes: Scope::ALL.to_vec(), operator: false }
    }
}

/// As the file has it.
impl fmt::Display for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scopes: Vec<_> = self.scopes.iter().map(|scope| scope.as_str()).collect();
        let operator = if self.operator { ", operator: true" } else { "" };
        let (name, digest) = (&self.name, to_hex(&self.sha256));
        write!(f, "{{ name: {name}, sha256: {digest}, scopes: [{}]{operator} }}", scopes.join(", "))
    }
}

/// The word of the environment's form that stands for `operator: true`.
const OPERATOR: &str = "operator";

/// The keys of one token in the file.
const KEYS: [&str; 4] = ["name", "sha256", "scopes", OPERATOR];

/// What the scopes are, as a message says it.
pub(super) const SCOPES_WANTED: &str = "a list of `read`, `directory`, `audit` and `policies` that names at least one";

/// What a digest is, as a message says it.
pub(super) const DIGEST_WANTED: &str =
    "64 hexadecimal digits, such as `sidegate token` or `printf %s \"$TOKEN\" | sha256sum` prints";

/// The list as one text: `ops=<digest>,ci=<digest>:policies`.
pub(super) struct Tokens;

impl Kind for Tokens {
    type Value = Vec<AdminToken>;
    const WANTED: &'static str = "a list of `{ name, sha256, scopes }` in which no name and no digest stands twice";
    const NODE: Option<ReadNode<Self::Value>> = Some(read_list);
    const SECRET: bool = true;

    fn read(text: &str) -> Option<Self::Value> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let tokens: Vec<AdminToken> = items.map(read_text).collect::<Option<_>>()?;
        let differ = tokens.iter().enumerate().all(|(index, token)| {
            !tokens.iter().take(index).any(|earlier| earlier.name == token.name || earlier.sha256 == token.sha256)
        });
        differ.then_some(tokens)
    }

    fn show(value: &Self::Value) -> String {
        let items = value.iter().map(ToString::to_string);
        format!("[{}]", items.collect::<Vec<_>>().join(", "))
    }
}

/// `name=<digest>`, `name=<digest>:read+audit` or `name=<digest>:directory+operator`.
fn read_text(item: &str) -> Option<AdminToken> {
    let (name, rest) = item.split_once('=')?;
    let (digest, words) = rest.split_once(':').map_or((rest, None), |(digest, words)| (digest, Some(words)));
    let mut token = AdminToken::new(read_name(name.trim())?, read_digest(digest.trim())?);
    let mut words: Vec<&str> = words.map_or_else(Vec::new, |words| words.split('+').map(str::trim).collect());
    let named = words.len();
    words.retain(|word| *word != OPERATOR);
    token.operator = words.len() + 1 == named;
    if words.len() + 1 < named {
        return None;
    }
    if !words.is_empty() {
        token.scopes = scopes(words.into_iter().map(Scope::parse))?;
    }
    Some(token)
}

/// The scopes in their order; `None` where one is unknown or named twice.
fn scopes(words: impl Iterator<Item = Option<Scope>>) -> Option<Vec<Scope>> {
    let mut scopes: Vec<Scope> = words.collect::<Option<_>>()?;
    let named = scopes.len();
    scopes.sort_unstable();
    scopes.dedup();
    (named > 0 && scopes.len() == named).then_some(scopes)
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
        // Which of the two were it to be? They may open different things.
        if let Some(earlier) = tokens.iter().find(|earlier| earlier.sha256 == token.sha256) {
            let message = format!("the tokens `{}` and `{}` have the same digest", earlier.name, token.name);
            let help = "give each its own token: `sidegate token` makes one".to_owned();
            reading.problem("duplicate-token", &item.span, message, Some(help));
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
        if !KEYS.contains(&entry.key.as_str()) {
            reading.unknown(&entry.key, &entry.key_span, "server.admin.tokens", &KEYS);
        }
    }
    let name = part(node, "name", AdminToken::NAME, read_name, reading);
    let sha256 = part(node, "sha256", DIGEST_WANTED, read_digest, reading);
    let scopes = match node.get("scopes") {
        None => Some(Scope::ALL.to_vec()),
        Some(node) => read_scopes(node, reading),
    };
    let operator = match node.get(OPERATOR) {
        None => Some(false),
        Some(node) => read_operator(node, reading),
    };
    Some(AdminToken { name: name?, sha256: sha256?, scopes: scopes?, operator: operator? })
}

fn read_scopes(node: &Node, reading: &mut Reading<'_>) -> Option<Vec<Scope>> {
    let words = node.as_list().map(|items| {
        items.iter().map(|item| match &item.value {
            Value::Text(word) => Scope::parse(word),
            _ => None,
        })
    });
    let scopes = words.and_then(scopes);
    if scopes.is_none() {
        let message = format!("`scopes` of a token is {SCOPES_WANTED}, none twice");
        let help = "leave `scopes` out for a token that opens everything".to_owned();
        reading.problem("invalid-value", &node.span, message, Some(help));
    }
    scopes
}

fn read_operator(node: &Node, reading: &mut Reading<'_>) -> Option<bool> {
    if let Value::Bool(operator) = node.value {
        return Some(operator);
    }
    let message = format!("`{OPERATOR}` of a token is `true` or `false`, not {}", node.kind());
    reading.problem("invalid-value", &node.span, message, None);
    None
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

/// Reads a name.
pub(super) fn read_name(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    fits.then(|| text.to_owned())
}

/// Reads a digest.
pub(super) fn read_digest(text: &str) -> Option<[u8; 32]> {
    from_hex(text)?.try_into().ok()
}
