//! Which claim of a token says what.

use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, fmt};

/// The place of a claim: the names that lead to it, from the outermost object on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath(Vec<String>);

impl ClaimPath {
    /// Reads `realm_access.roles`, or a JSON pointer such as `/https:~1~1example.com~1roles` for names with dots.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let names: Vec<String> = match text.strip_prefix('/') {
            Some(pointer) => pointer.split('/').map(|name| name.replace("~1", "/").replace("~0", "~")).collect(),
            None => text.split('.').map(str::to_owned).collect(),
        };
        let fits = names.iter().all(|name| !name.is_empty() && !name.contains(char::is_control));
        (fits && names.len() <= 8).then_some(Self(names))
    }

    /// The names.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_simple = |name: &String| !name.contains(['.', '/']);
        if self.0.iter().all(is_simple) {
            return f.write_str(&self.0.join("."));
        }
        self.0.iter().try_for_each(|name| write!(f, "/{}", name.replace('~', "~0").replace('/', "~1")))
    }
}

/// A claim, and what becomes of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRule {
    /// Where it is.
    pub path: ClaimPath,
    /// What its values begin with, and what is taken off them. A value that begins otherwise does not count.
    pub prefix: String,
    /// What its values stand for. Where there are any, a value that is not among them does not count.
    pub names: BTreeMap<String, String>,
}

impl ClaimRule {
    /// A claim whose values are taken as they are.
    #[must_use]
    pub fn plain(path: ClaimPath) -> Self {
        Self { path, prefix: String::new(), names: BTreeMap::new() }
    }

    /// What a value of the claim stands for; `None` where it does not count.
    #[must_use]
    pub fn name<'n>(&'n self, value: &'n str) -> Option<&'n str> {
        let value = value.strip_prefix(&*self.prefix)?;
        if self.names.is_empty() { Some(value) } else { self.names.get(value).map(String::as_str) }
    }

    pub(super) fn to_json(&self) -> Value {
        if *self == Self::plain(self.path.clone()) {
            return json!(self.path.to_string());
        }
        let mut rule = Map::from_iter([("claim".to_owned(), json!(self.path.to_string()))]);
        if !self.prefix.is_empty() {
            rule.insert("prefix".to_owned(), json!(self.prefix));
        }
        if !self.names.is_empty() {
            rule.insert("names".to_owned(), json!(self.names));
        }
        Value::Object(rule)
    }
}

/// The tenant in which a token's user acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantRule {
    /// A claim says it. A token without the claim is of no tenant.
    Claim(ClaimRule),
    /// It is this one for every token of the issuer.
    Is(String),
}

impl TenantRule {
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Claim(rule) => rule.to_json(),
            Self::Is(tenant) => json!({ "is": tenant }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_and_written_the_same() {
        for (text, names) in [
            ("sub", vec!["sub"]),
            ("realm_access.roles", vec!["realm_access", "roles"]),
            ("/https:~1~1example.com~1roles", vec!["https://example.com/roles"]),
            ("/a.b/c~0d", vec!["a.b", "c~d"]),
        ] {
            let path = ClaimPath::parse(text).unwrap();
            assert_eq!((path.to_string(), path.names().join(" ")), (text.to_owned(), names.join(" ")));
        }
        for text in ["", "a..b", ".a", "/", "a.b.c.d.e.f.g.h.i", "a\nb"] {
            assert_eq!(ClaimPath::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn values_lose_their_prefix_and_are_named_anew() {
        let path = ClaimPath::parse("roles").unwrap();
        let names = BTreeMap::from([("admins".to_owned(), "administrator".to_owned())]);
        let rule = ClaimRule { prefix: "shop-".to_owned(), names, path: path.clone() };
        for (value, name) in [("shop-admins", Some("administrator")), ("admins", None), ("shop-clerks", None)] {
            assert_eq!(rule.name(value), name, "{value}");
        }
        assert_eq!(ClaimRule::plain(path).name("clerk"), Some("clerk"));
    }
}
