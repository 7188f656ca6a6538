//! What names may look like, and which are taken.

use super::{routes::split_resource, section::Named};
use crate::document::Diagnostics;

/// Entity types that every compiled set has, and words that would hide a type of Cedar.
const RESERVED_TYPES: [&str; 19] = [
    "User",
    "Role",
    "Grant",
    "Gate",
    "Module",
    "Area",
    "Action",
    "Bool",
    "Boolean",
    "Long",
    "String",
    "Set",
    "Record",
    "Entity",
    "Extension",
    "ipaddr",
    "decimal",
    "datetime",
    "duration",
];

/// Words that Cedar's grammar keeps.
const KEYWORDS: [&str; 9] = ["true", "false", "if", "then", "else", "in", "is", "like", "has"];

/// The words that a level may not be called: it is what a cell says to grant nothing.
pub(super) const NO_LEVEL: &str = "none";

/// The key that stands for every module.
pub(super) const EVERY_MODULE: &str = "*";

/// The parameter of conditions that stands for the rank of the role.
pub(super) const RANK: &str = "rank";

/// The parameter of conditions that stands for the family of the role.
pub(super) const FAMILY: &str = "family";

/// What a user is given to have every value of a listed type.
pub(super) const EVERY_VALUE: &str = "all";

/// Whether Cedar takes it as an identifier.
pub(super) fn is_identifier(name: &str) -> bool {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !KEYWORDS.contains(&name)
        && !name.starts_with("__cedar")
}

/// Whether it can be part of a policy id: letters, digits, `.`, `_`, `-`, `:`.
pub(super) fn is_id(name: &str) -> bool {
    name.chars().next().is_some_and(char::is_alphanumeric)
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':'))
}

/// Reports a name that cannot be an id.
pub(super) fn check_id(noun: &str, name: &Named, problems: &mut Diagnostics) {
    if !is_id(&name.name) {
        let message = format!("`{}` cannot be the name of {noun}", name.name);
        let help = "use letters, digits, `-`, `_`, `.` and `:`, beginning with a letter or digit".to_owned();
        problems.push(name.at.error("bad-name", message).with_help(help));
    }
}

/// Reports a name of a module that the short form of a resource, `type:id`, would take apart.
pub(super) fn check_module(name: &Named, problems: &mut Diagnostics) {
    if split_resource(&name.name).0 != name.name {
        let message = format!("`{}` cannot be the name of a module: `type:id` is how a resource is written", name.name);
        problems.push(name.at.error("bad-name", message).with_help("use `-`, `_` or `.` in its place".to_owned()));
    }
}

/// Reports a name that conditions could not write: types and attributes must be Cedar identifiers.
pub(super) fn check_identifier(noun: &str, name: &Named, problems: &mut Diagnostics) -> bool {
    let fits = is_identifier(&name.name);
    if !fits {
        let message = format!("`{}` cannot be the name of {noun}", name.name);
        let plain: String = name.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let help = if is_identifier(&plain) {
            format!("Cedar takes letters, digits and `_`: `{plain}`")
        } else {
            "Cedar takes letters, digits and `_`, and keeps some words for itself".to_owned()
        };
        problems.push(name.at.error("bad-name", message).with_help(help));
    }
    fits
}

/// Reports a resource type whose name Cedar could not take, or that means something already.
pub(super) fn check_type(name: &Named, problems: &mut Diagnostics) -> bool {
    if RESERVED_TYPES.contains(&name.name.as_str()) {
        let message = format!("`{}` is reserved and cannot be the name of a resource type", name.name);
        problems.push(name.at.error("reserved-name", message));
        return false;
    }
    check_identifier("a resource type", name, problems)
}

/// Whether it looks like a mail address: something, one `@`, a domain with no empty part.
pub(super) fn is_email(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    let clean =
        |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@');
    clean(local) && clean(domain) && domain.split('.').all(|label| !label.is_empty()) && address.len() <= 254
}

/// Whether it can be the id of a user or a tenant: anything visible.
pub(crate) fn is_visible(id: &str) -> bool {
    !id.is_empty() && id.len() <= 256 && id.trim() == id && !id.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_those_of_cedar() {
        for name in ["order", "_x", "a1", "account_manager"] {
            assert!(is_identifier(name), "{name}");
            assert!(name.parse::<cedar_policy::EntityTypeName>().is_ok(), "{name}");
        }
        for name in ["", "1a", "a-b", "in", "has", "__cedar", "é"] {
            assert!(!is_identifier(name), "{name}");
        }
    }

    #[test]
    fn mail_addresses_have_a_name_and_a_domain() {
        for address in ["ada@8move.example", "a.b+c@x.y", "x@localhost"] {
            assert!(is_email(address), "{address}");
        }
        for address in ["ada", "@x", "a@", "a b@x.y", "a@@x.y", "a@x..y", "a@.x"] {
            assert!(!is_email(address), "{address}");
        }
    }
}
