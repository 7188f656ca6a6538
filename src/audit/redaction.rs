//! What is kept of a record: values that the operator has named are left out, hashed or masked before anything is written.
//!
//! This happens on the decider's thread, before the record is in its ring, so that the plain value is in no file of the log at any time.
//! What was done stands in the record's field `redacted`. It fails closed: JSON that cannot be read is left out as a whole, and an
//! evaluation error that repeats a redacted value is cut down to its policy.

mod json;
#[cfg(test)]
mod tests;

use super::{Entry, Texts};
use crate::config::{RedactAction, RedactField, RedactKey, RedactRule};
use hmac::{Hmac, Mac};
pub(crate) use json::Members;
use json::Walk;
use sha2::Sha256;
use std::{borrow::Cow, fmt::Write as _};

/// What stands in front of a hash.
pub const HASH_MARK: &str = "hmac:";
/// Bytes of a hash that are kept: enough to tell values apart, and half of what would not compress.
const HASH_BYTES: usize = 16;
/// What stands for what is masked.
const MASK: &str = "***";
/// From how many characters on a mask shows the first and the last.
const MASK_SHOWS_FROM: usize = 8;

/// The rules, ready to be applied.
#[derive(Debug)]
pub(crate) struct Redaction {
    rules: Vec<Rule>,
    hasher: Option<Hmac<Sha256>>,
}

#[derive(Debug)]
struct Rule {
    field: RedactField,
    below: Vec<String>,
    action: RedactAction,
    // What the record says of it: `/context/ip:hash`.
    mark: String,
}

/// Why there is no redaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedactionError {
    /// A rule hashes, and there is no key.
    #[error("`hash` needs a key in `audit.redact.key_file`")]
    NoKey,
}

impl Redaction {
    /// Takes over the rules; those that hash need the key.
    pub(crate) fn new(rules: &[RedactRule], key: Option<&RedactKey>) -> Result<Self, RedactionError> {
        let wants_key = rules.iter().any(|rule| rule.action == RedactAction::Hash);
        // A key of any length is one to HMAC.
        let hasher = key.and_then(|key| Hmac::new_from_slice(key.bytes()).ok());
        if wants_key && hasher.is_none() {
            return Err(RedactionError::NoKey);
        }
        let rules = rules.iter().map(|rule| Rule {
            field: rule.field,
            below: rule.below.clone(),
            action: rule.action,
            mark: format!("{}:{}", rule.place(), rule.action.as_str()),
        });
        Ok(Self { rules: rules.collect(), hasher })
    }

    /// What the record is to say in place of the entry.
    pub(crate) fn apply(&self, entry: &Entry<'_>) -> Redacted {
        let mut redacted = Redacted::default();
        let mut originals = Originals::default();
        for rule in &self.rules {
            let done = match rule.field {
                RedactField::Roles => redacted.roles(self, rule, entry.roles),
                RedactField::Errors => redacted.errors(self, rule, entry.errors),
                field if field.is_json() => redacted.json(self, rule, entry, &mut originals),
                _ => redacted.text(self, rule, entry, &mut originals),
            };
            if done {
                redacted.marks.push(rule.mark.clone());
            }
        }
        redacted.hide_in_errors(entry.errors, &originals);
        redacted
    }

    /// What takes the place of a value; `None` where nothing does.
    fn replacement(&self, action: RedactAction, value: &str) -> Option<String> {
        match action {
            RedactAction::Drop => None,
            RedactAction::Mask => Some(mask(value)),
            // There is a key wherever a rule hashes; without one the value would be left out.
            RedactAction::Hash => self.hasher.as_ref().map(|hasher| hash(hasher, value)),
        }
    }
}

fn hash(hasher: &Hmac<Sha256>, value: &str) -> String {
    let digest = hasher.clone().chain_update(value).finalize().into_bytes();
    let mut text = HASH_MARK.to_owned();
    for byte in digest.iter().take(HASH_BYTES) {
        // Writing to a text does not fail.
        write!(text, "{byte:02x}").ok();
    }
    text
}

fn mask(value: &str) -> String {
    let mut characters = value.chars();
    match (characters.next(), characters.next_back()) {
        (Some(first), Some(last)) if value.chars().count() >= MASK_SHOWS_FROM => format!("{first}{MASK}{last}"),
        _ => MASK.to_owned(),
    }
}

/// What a record says in place of what its entry says. What is `None` stays as it is.
#[derive(Debug, Default)]
pub(crate) struct Redacted {
    texts: Vec<(RedactField, String)>,
    roles: Option<Vec<String>>,
    errors: Option<Vec<String>>,
    marks: Vec<String>,
}

/// Plain values that were taken out, to be looked for where they might be repeated.
#[derive(Debug, Default)]
struct Originals(Vec<String>);

impl Originals {
    fn add(&mut self, value: &str) {
        if !value.is_empty() {
            self.0.push(value.to_owned());
        }
    }

    /// Cedar repeats values as they are, or quoted with escapes.
    fn any_in(&self, text: &str) -> bool {
        self.0.iter().any(|value| text.contains(value.as_str()) || text.contains(&value.escape_debug().to_string()))
    }
}

impl Redacted {
    /// What was done, as the record says it.
    pub(crate) fn marks(&self) -> &[String] {
        &self.marks
    }

    /// Calls `take` with the entry as it is to be written.
    pub(crate) fn with<R>(&self, entry: &Entry<'_>, take: impl FnOnce(&Entry<'_>) -> R) -> R {
        take(&Entry {
            request_id: self.of(RedactField::RequestId, entry.request_id),
            tenant: self.of(RedactField::Tenant, entry.tenant),
            user: self.of(RedactField::User, entry.user),
            roles: self.roles.as_deref().unwrap_or(entry.roles),
            action: self.of(RedactField::Action, entry.action),
            module: self.of(RedactField::Module, entry.module),
            resource_type: self.of(RedactField::ResourceType, entry.resource_type),
            resource_id: self.of(RedactField::ResourceId, entry.resource_id),
            errors: self.errors.as_ref().map_or(entry.errors, |errors| errors),
            actor: self.of(RedactField::Actor, entry.actor),
            before: self.of(RedactField::Before, entry.before),
            after: self.of(RedactField::After, entry.after),
            context: self.of(RedactField::Context, entry.context),
            ..*entry
        })
    }

    fn of<'t>(&'t self, field: RedactField, plain: &'t str) -> &'t str {
        self.texts.iter().find(|(of, _)| *of == field).map_or(plain, |(_, text)| text)
    }

    fn put(&mut self, field: RedactField, text: String) {
        match self.texts.iter_mut().find(|(of, _)| *of == field) {
            Some((_, place)) => *place = text,
            None => self.texts.push((field, text)),
        }
    }

    fn text(&mut self, by: &Redaction, rule: &Rule, entry: &Entry<'_>, originals: &mut Originals) -> bool {
        let value = plain(entry, rule.field);
        if value.is_empty() {
            return false;
        }
        originals.add(value);
        self.put(rule.field, by.replacement(rule.action, value).unwrap_or_default());
        true
    }

    fn json(&mut self, by: &Redaction, rule: &Rule, entry: &Entry<'_>, originals: &mut Originals) -> bool {
        // Another rule may have been there before.
        let text = self.of(rule.field, plain(entry, rule.field)).to_owned();
        if text.is_empty() {
            return false;
        }
        let mut walk = Walk { by, action: rule.action, found: false, originals };
        match walk.text(&text, &rule.below) {
            Ok(redacted) if walk.found => self.put(rule.field, redacted),
            Ok(_) => return false,
            // What cannot be read cannot be looked through.
            Err(_) => self.put(rule.field, String::new()),
        }
        true
    }

    fn roles(&mut self, by: &Redaction, rule: &Rule, roles: &[String]) -> bool {
        self.roles = Some(roles.iter().filter_map(|role| by.replacement(rule.action, role)).collect());
        !roles.is_empty()
    }

    fn errors(&mut self, by: &Redaction, rule: &Rule, errors: &dyn Texts) -> bool {
        let (mut kept, mut any) = (Vec::new(), false);
        errors.each(&mut |error| {
            any = true;
            kept.extend(by.replacement(rule.action, error));
        });
        self.errors = Some(kept);
        any
    }

    /// Cuts errors that repeat what was redacted elsewhere.
    fn hide_in_errors(&mut self, errors: &dyn Texts, originals: &Originals) {
        if originals.0.is_empty() || self.errors.is_some() {
            return;
        }
        let (mut kept, mut any) = (Vec::new(), false);
        errors.each(&mut |error| {
            let repeats = originals.any_in(error);
            any |= repeats;
            let shown =
                if repeats { Cow::Owned(format!("{}: {MASK}", policy_of(error))) } else { Cow::Borrowed(error) };
            kept.push(shown.into_owned());
        });
        if any {
            self.errors = Some(kept);
            self.marks.push("/errors:mask".to_owned());
        }
    }
}

/// An error is `policy id: message`; ids come from policy files.
fn policy_of(error: &str) -> &str {
    error.split_once(": ").map_or("", |(policy, _)| policy)
}

fn plain<'e>(entry: &Entry<'e>, field: RedactField) -> &'e str {
    match field {
        RedactField::RequestId => entry.request_id,
        RedactField::Tenant => entry.tenant,
        RedactField::User => entry.user,
        RedactField::Action => entry.action,
        RedactField::Module => entry.module,
        RedactField::ResourceType => entry.resource_type,
        RedactField::ResourceId => entry.resource_id,
        RedactField::Actor => entry.actor,
        RedactField::Before => entry.before,
        RedactField::After => entry.after,
        RedactField::Context => entry.context,
        RedactField::Roles | RedactField::Errors => "",
    }
}
