//! `server.authorize.callers` and `server.admin.clients`: who may ask, told by a token or by a certificate.

use super::{
    Scope,
    entries::{self, Entry, Item},
    file::Reading,
    kinds::{Kind, ReadNode},
    tokens,
};
use crate::{document::Node, model::to_hex};
use std::{fmt, num::NonZeroU32, sync::Arc};

/// What a caller of the authorize listener may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallerScope {
    /// For decisions, singly or in batches, in whichever protocol.
    Decide,
    /// For searches: who may do something, and what somebody may do.
    Search,
    /// For somebody's access and menu.
    Access,
}

impl CallerScope {
    /// All of them, in the order of the documents.
    pub const ALL: [Self; 3] = [Self::Decide, Self::Search, Self::Access];

    /// The word for it, in settings and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decide => "decide",
            Self::Search => "search",
            Self::Access => "access",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == word)
    }
}

/// One of `server.authorize.callers`. The token itself is never kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is, in records and metrics.
    pub name: String,
    /// The SHA-256 of its token's text, where it has one.
    pub sha256: Option<[u8; 32]>,
    /// Names of its certificates. It has these, a token, or both.
    pub certificates: Vec<String>,
    /// What it may ask; everything where the setting names nothing. Never empty.
    pub scopes: Vec<CallerScope>,
    /// Requests that are answered in a second, all connections together.
    pub requests_per_second: Option<NonZeroU32>,
    /// Requests that are answered at once, all connections together.
    pub in_flight: Option<NonZeroU32>,
}

/// One of `server.admin.clients`: who administers, told by a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminClient {
    /// Who it is, in records.
    pub name: String,
    /// Names of its certificates; at least one.
    pub certificates: Vec<String>,
    /// What it opens; all scopes where the setting names none. Never empty.
    pub scopes: Vec<Scope>,
    /// Whether calls that name no actor are taken as the operator's own, who is not bound by the rules of delegation.
    pub operator: bool,
}

impl Caller {
    /// A caller that may ask everything, without limits of its own: what a name and a digest alone mean.
    #[must_use]
    pub fn new(name: impl Into<String>, sha256: [u8; 32]) -> Self {
        Self {
            name: name.into(),
            sha256: Some(sha256),
            certificates: Vec::new(),
            scopes: CallerScope::ALL.to_vec(),
            requests_per_second: None,
            in_flight: None,
        }
    }
}

const COUNT: &str = "a whole number from 1";

impl Item for Caller {
    const SECTION: &'static str = "server.authorize.callers";
    const WHAT: &'static str = "a caller";
    const KEYS: &'static [&'static str] =
        &["name", "sha256", "certificates", "scopes", "requests_per_second", "in_flight"];

    fn read(entry: &Entry<'_>) -> Option<Self> {
        let wanted = "a list of `decide`, `search` and `access` that names at least one, none twice";
        let count = |text: &str| text.parse().ok();
        let caller = Self {
            name: entry.name()?,
            sha256: entry.one("sha256", tokens::DIGEST_WANTED, tokens::read_digest),
            certificates: entry.certificates(),
            scopes: entry.list("scopes", wanted, CallerScope::parse).unwrap_or_else(|| CallerScope::ALL.to_vec()),
            requests_per_second: entry.one("requests_per_second", COUNT, count),
            in_flight: entry.one("in_flight", COUNT, count),
        };
        if !entry.has("sha256") && !entry.has("certificates") {
            let help = "`sidegate token --caller` makes a token and its digest";
            entry.lacks("a caller needs `sha256`, `certificates`, or both".to_owned(), Some(help));
            return None;
        }
        Some(caller)
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn digest(&self) -> Option<&[u8; 32]> {
        self.sha256.as_ref()
    }

    fn certificates(&self) -> &[String] {
        &self.certificates
    }
}

impl Item for AdminClient {
    const SECTION: &'static str = "server.admin.clients";
    const WHAT: &'static str = "a client";
    const KEYS: &'static [&'static str] = &["name", "certificates", "scopes", "operator"];

    fn read(entry: &Entry<'_>) -> Option<Self> {
        let wanted = format!("{}, none twice", tokens::SCOPES_WANTED);
        if !entry.has("certificates") {
            entry.lacks("a client needs `certificates`".to_owned(), None);
        }
        Some(Self {
            name: entry.name()?,
            certificates: Some(entry.certificates()).filter(|names| !names.is_empty())?,
            scopes: entry.list("scopes", &wanted, Scope::parse).unwrap_or_else(|| Scope::ALL.to_vec()),
            operator: entry.one("operator", "`true` or `false`", |text| text.parse().ok()).unwrap_or(false),
        })
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn digest(&self) -> Option<&[u8; 32]> {
        None
    }

    fn certificates(&self) -> &[String] {
        &self.certificates
    }
}

/// As the file has it.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ name: {}", self.name)?;
        if let Some(digest) = &self.sha256 {
            write!(f, ", sha256: {}", to_hex(digest))?;
        }
        certificates(f, &self.certificates)?;
        let scopes: Vec<_> = self.scopes.iter().map(|scope| scope.as_str()).collect();
        write!(f, ", scopes: [{}]", scopes.join(", "))?;
        for (name, most) in [("requests_per_second", self.requests_per_second), ("in_flight", self.in_flight)] {
            if let Some(most) = most {
                write!(f, ", {name}: {most}")?;
            }
        }
        f.write_str(" }")
    }
}

/// As the file has it.
impl fmt::Display for AdminClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{ name: {}", self.name)?;
        certificates(f, &self.certificates)?;
        let scopes: Vec<_> = self.scopes.iter().map(|scope| scope.as_str()).collect();
        let operator = if self.operator { ", operator: true" } else { "" };
        write!(f, ", scopes: [{}]{operator} }}", scopes.join(", "))
    }
}

fn certificates(f: &mut fmt::Formatter<'_>, names: &[String]) -> fmt::Result {
    if names.is_empty() {
        return Ok(());
    }
    // Quoted: a name may hold what means something to YAML.
    let names: Vec<String> = names.iter().map(|name| format!("\"{}\"", name.escape_default())).collect();
    write!(f, ", certificates: [{}]", names.join(", "))
}

/// `server.authorize.callers`
pub(super) struct Callers;

impl Kind for Callers {
    /// Shared, so that whoever has looked somebody up can tell whether the list is still the same.
    type Value = Arc<[Caller]>;
    const WANTED: &'static str = "a list of `{ name, sha256, certificates, scopes }` in which no name, no digest and no certificate stands twice";
    const NODE: Option<ReadNode<Self::Value>> = Some(read_callers);
    const SECRET: bool = true;

    fn read(text: &str) -> Option<Self::Value> {
        entries::of_environment(text).map(Into::into)
    }

    fn show(value: &Self::Value) -> String {
        show(value)
    }
}

fn read_callers(node: &Node, reading: &mut Reading<'_>) -> Option<Arc<[Caller]>> {
    entries::of_file(node, reading).map(Into::into)
}

/// `server.admin.clients`
pub(super) struct AdminClients;

impl Kind for AdminClients {
    type Value = Vec<AdminClient>;
    const WANTED: &'static str =
        "a list of `{ name, certificates, scopes }` in which no name and no certificate stands twice";
    const NODE: Option<ReadNode<Self::Value>> = Some(entries::of_file);

    fn read(text: &str) -> Option<Self::Value> {
        entries::of_environment(text)
    }

    fn show(value: &Self::Value) -> String {
        show(value)
    }
}

fn show<T: fmt::Display>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    format!("[{}]", items.join(", "))
}
