//! `audit.redact`: what of a record is left out, hashed or masked before it is written.

use super::{
    file::Reading,
    kinds::{Kind, ReadNode},
    secret,
};
use crate::{document::Node, model::from_hex};
use std::{fmt, path::Path};

/// One of `audit.redact.fields`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedactRule {
    /// Which field of a record.
    pub field: RedactField,
    /// The place in a field of JSON, one name a step; `*` stands for every item of a list. Empty: the field as a whole.
    pub below: Vec<String>,
    /// What is done.
    pub action: RedactAction,
}

/// What is done to a redacted value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedactAction {
    /// It is left out.
    Drop,
    /// A keyed hash takes its place: equal values have equal hashes, and who lacks the key cannot try values out.
    Hash,
    /// `***` takes its place, between its first and its last character where it has eight or more.
    Mask,
}

impl RedactAction {
    /// Every action.
    pub const ALL: [Self; 3] = [Self::Drop, Self::Hash, Self::Mask];

    /// The word of the settings, and of the record's `redacted`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Hash => "hash",
            Self::Mask => "mask",
        }
    }
}

macro_rules! fields {
    ($($(#[$doc:meta])* $field:ident = $name:literal;)*) => {
        /// The fields of a record that can be redacted. The others say what was decided, when and by what: without them a record
        /// proves nothing.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum RedactField { $($(#[$doc])* $field,)* }

        impl RedactField {
            /// Every field, in the order of a record.
            pub const ALL: &[Self] = &[$(Self::$field,)*];

            /// Its name in a record.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$field => $name,)* }
            }
        }
    };
}

fields! {
    /// `request_id`
    RequestId = "request_id";
    /// `tenant`
    Tenant = "tenant";
    /// `user`
    User = "user";
    /// `roles`
    Roles = "roles";
    /// `action`
    Action = "action";
    /// `module`
    Module = "module";
    /// `resource_type`
    ResourceType = "resource_type";
    /// `resource_id`
    ResourceId = "resource_id";
    /// `errors`
    Errors = "errors";
    /// `actor`
    Actor = "actor";
    /// `before`
    Before = "before";
    /// `after`
    After = "after";
    /// `context`
    Context = "context";
}

impl RedactField {
    /// Whether the field holds JSON, so that a place in it can be named.
    #[must_use]
    pub const fn is_json(self) -> bool {
        matches!(self, Self::Before | Self::After | Self::Context)
    }
}

impl RedactRule {
    /// The place as a JSON pointer into the record.
    #[must_use]
    pub fn place(&self) -> String {
        let below = self.below.iter().map(|step| format!("/{}", step.replace('~', "~0").replace('/', "~1")));
        std::iter::once(format!("/{}", self.field.as_str())).chain(below).collect()
    }

    /// Whether another rule redacts all of what this one names.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.field == other.field && self.below.len() > other.below.len() && self.below.starts_with(&other.below)
    }

    fn read(place: &str, action: &str) -> Result<Self, String> {
        let wanted = || {
            let fields: Vec<String> = RedactField::ALL.iter().map(|field| format!("`/{}`", field.as_str())).collect();
            format!(
                "`{place}` is no place that can be redacted: it is one of {}, and below the last three a JSON pointer such as `/context/ip`",
                fields.join(", ")
            )
        };
        let mut steps = place.strip_prefix('/').ok_or_else(wanted)?.split('/');
        let name = steps.next().unwrap_or_default();
        let field = RedactField::ALL.iter().copied().find(|field| field.as_str() == name).ok_or_else(wanted)?;
        let below: Vec<String> = steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        if !below.is_empty() && !field.is_json() {
            return Err(wanted());
        }
        let action = RedactAction::ALL
            .into_iter()
            .find(|known| known.as_str() == action)
            .ok_or_else(|| format!("`{action}` is no way to redact `{place}`: it is `drop`, `hash` or `mask`"))?;
        Ok(Self { field, below, action })
    }
}

/// `audit.redact.fields`: a mapping in the file, `/user=hash,/context/ip=mask` in the environment.
pub(super) struct RedactFields;

impl Kind for RedactFields {
    type Value = Vec<RedactRule>;
    const WANTED: &'static str = "a mapping of places in a record to `drop`, `hash` or `mask`";
    const NODE: Option<ReadNode<Self::Value>> = Some(read_fields);

    fn read(text: &str) -> Option<Self::Value> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items
            .map(|item| {
                let (place, action) = item.rsplit_once('=')?;
                RedactRule::read(place.trim(), action.trim()).ok()
            })
            .collect()
    }

    fn show(value: &Self::Value) -> String {
        let rules: Vec<_> = value.iter().map(|rule| format!("{}: {}", rule.place(), rule.action.as_str())).collect();
        if rules.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", rules.join(", ")) }
    }
}

fn read_fields(node: &Node, reading: &mut Reading<'_>) -> Option<Vec<RedactRule>> {
    let mut rules = Vec::new();
    for entry in node.as_map()? {
        match RedactRule::read(&entry.key, entry.node.as_text().unwrap_or_default()) {
            Ok(rule) => rules.push(rule),
            Err(message) => reading.problem("invalid-value", &entry.key_span, message, None),
        }
    }
    Some(rules)
}

/// The key of hashed values, read from `audit.redact.key_file`. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct RedactKey(Vec<u8>);

/// Bytes that a key has at least.
const KEY_BYTES: usize = 32;

impl RedactKey {
    /// A key of at least 32 bytes; `None` where it is shorter.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= KEY_BYTES).then(|| Self(bytes.to_owned()))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads the key's file: hexadecimal digits, and private to whoever runs the process.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = secret::read(path, "the key file")?;
        from_hex(text.reveal().trim()).and_then(|bytes| Self::new(&bytes)).ok_or_else(|| {
            format!(
                "the key file `{}` does not hold 64 or more hexadecimal digits; `openssl rand -hex 32` makes some",
                path.display()
            )
        })
    }
}

impl fmt::Debug for RedactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedactKey")
    }
}
