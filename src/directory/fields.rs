//! The fields of a user, as calls give them: each is checked, and every problem is told with its place.

use super::{Account, Gender};
use crate::{
    document::hint,
    engine::{AttributeType, Vocabulary},
    mail::Address,
    model::Status,
    policy::{self, Problem},
};
use serde_json::{Map, Value};

/// What a call may give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A new user. The required fields must be there.
    Create,
    /// A change of one that is there. What is left out stays.
    Change,
    /// Whoever accepts an invitation says who it is.
    Accept,
}

/// The fields that every purpose knows.
const NAMES: [&str; 9] =
    ["first_name", "middle_name", "last_name", "gender", "phone", "job", "language", "family", "attributes"];
/// Longest name.
const NAME: usize = 100;
/// What stands below `/v1/users` and is no user.
const PATHS: [&str; 2] = ["import", "export"];
/// Longest id.
pub(super) const ID: usize = 128;

/// Reads members into an account, and collects what is wrong with them.
pub(super) struct Fields<'f> {
    pub(super) vocabulary: &'f Vocabulary,
    pub(super) families: Vec<&'f str>,
    pub(super) problems: Vec<Problem>,
}

impl Fields<'_> {
    /// Takes what the members say. Members that `also` lists are somebody else's.
    pub(super) fn read(
        &mut self,
        members: &Map<String, Value>,
        purpose: Purpose,
        also: &[&str],
        account: &mut Account,
    ) {
        for (name, value) in members {
            let at = pointer("", name);
            match name.as_str() {
                "first_name" => self.name(&at, value, &mut account.first_name),
                "last_name" => self.name(&at, value, &mut account.last_name),
                "middle_name" => account.middle_name = self.optional(&at, value, NAME, visible),
                "job" => account.job = self.optional(&at, value, NAME, visible),
                "phone" => account.phone = self.optional(&at, value, 32, phone),
                "gender" => account.gender = self.gender(&at, value),
                "language" => account.language = self.optional(&at, value, 35, language).unwrap_or_default(),
                "family" if purpose == Purpose::Create => account.family = self.family(&at, value),
                "attributes" if purpose != Purpose::Accept => self.attributes(&at, value, account),
                "email" if purpose == Purpose::Create => self.email(&at, value, account),
                "email" if purpose == Purpose::Change && same_text(value, &account.email) => {}
                "id" if purpose == Purpose::Create => self.id(&at, value, account),
                "email" | "id" | "family" => self.report(&at, "is fixed once the user exists", None),
                "status" if purpose == Purpose::Create => self.status(&at, value, account),
                _ if also.contains(&name.as_str()) => {}
                _ => self.unknown(&at, name, also),
            }
        }
        if purpose != Purpose::Change {
            self.required("/first_name", &account.first_name);
            self.required("/last_name", &account.last_name);
        }
        if purpose == Purpose::Create {
            self.required("/email", &account.email);
        }
    }

    fn required(&mut self, at: &str, value: &str) {
        if value.is_empty() && !self.problems.iter().any(|problem| problem.pointer == at) {
            self.report(at, "is required", None);
        }
    }

    fn unknown(&mut self, at: &str, name: &str, also: &[&str]) {
        let help = match name {
            "roles" | "grants" | "gates" | "preset" | "assignments" => {
                Some("assign it with `/v1/users/{id}/assignments` once the user exists".to_owned())
            }
            "status" => Some("use `/v1/users/{id}/suspend` and `/v1/users/{id}/reactivate`".to_owned()),
            _ => hint(name, NAMES.into_iter().chain(["id", "email"]).chain(also.iter().copied())),
        };
        self.report(at, format!("there is no field `{name}` here"), help);
    }

    fn report(&mut self, at: &str, message: impl Into<String>, help: Option<String>) {
        self.problems.push(Problem { pointer: at.to_owned(), message: message.into(), help });
    }

    fn text<'v>(&mut self, at: &str, value: &'v Value, most: usize) -> Option<&'v str> {
        let Value::String(text) = value else {
            self.report(at, "must be a text", None);
            return None;
        };
        if text.chars().count() > most {
            self.report(at, format!("is longer than {most} characters"), None);
            return None;
        }
        Some(text)
    }

    /// A name that has to be there: it can be changed and not taken away.
    fn name(&mut self, at: &str, value: &Value, into: &mut String) {
        let Some(text) = self.text(at, value, NAME) else { return };
        match visible(text.trim()) {
            Ok(()) => text.trim().clone_into(into),
            Err(wrong) => self.report(at, wrong, None),
        }
    }

    /// A text that may be missing: `null` takes it away.
    fn optional(
        &mut self,
        at: &str,
        value: &Value,
        most: usize,
        check: impl Fn(&str) -> Result<(), &'static str>,
    ) -> Option<String> {
        if value.is_null() {
            return None;
        }
        let text = self.text(at, value, most)?.trim();
        match check(text) {
            Ok(()) => Some(text.to_owned()),
            Err(wrong) => {
                self.report(at, wrong, None);
                None
            }
        }
    }

    fn gender(&mut self, at: &str, value: &Value) -> Option<Gender> {
        match value.as_str() {
            _ if value.is_null() => None,
            Some("F") => Some(Gender::F),
            Some("M") => Some(Gender::M),
            Some("U") => Some(Gender::U),
            _ => {
                self.report(at, "must be `F`, `M` or `U`", None);
                None
            }
        }
    }

    fn family(&mut self, at: &str, value: &Value) -> Option<String> {
        let name = value.as_str().unwrap_or_default();
        if value.is_null() || self.families.contains(&name) {
            return value.as_str().map(str::to_owned);
        }
        let help = hint(name, self.families.iter().copied());
        self.report(at, format!("no family `{name}`"), help);
        None
    }

    fn email(&mut self, at: &str, value: &Value, account: &mut Account) {
        let Some(text) = self.text(at, value, 254) else { return };
        match checked_email(text) {
            Some(email) => account.email = email,
            None => self.report(at, "is no mail address", None),
        }
    }

    fn id(&mut self, at: &str, value: &Value, account: &mut Account) {
        let Some(text) = self.text(at, value, ID) else { return };
        let reserved =
            [super::call::OPERATOR, super::call::APPLICATION].into_iter().find(|word| text.starts_with(word));
        match (visible(text), reserved) {
            (Err(_), _) => {
                self.report(at, "must be a text without spaces at its ends and without control characters", None);
            }
            (Ok(()), Some(word)) => self.report(at, format!("must not begin with `{word}`"), None),
            (Ok(()), None) if PATHS.contains(&text) => {
                self.report(at, format!("must not be `{text}`: that is another path below `/v1/users`"), None);
            }
            (Ok(()), None) => text.clone_into(&mut account.id),
        }
    }

    fn status(&mut self, at: &str, value: &Value, account: &mut Account) {
        match value.as_str() {
            Some("active") => account.status = Status::Active,
            Some("invited") => account.status = Status::Invited,
            _ => self.report(at, "must be `invited` or `active` for a new user", None),
        }
    }

    fn attributes(&mut self, at: &str, value: &Value, account: &mut Account) {
        let Value::Object(members) = value else { return self.report(at, "must be an object", None) };
        for (name, value) in members {
            let at = pointer(at, name);
            let vocabulary = self.vocabulary;
            let Some((_, ty)) = vocabulary.user_attributes.iter().find(|(known, _)| known == name) else {
                let help = hint(name, vocabulary.user_attributes.iter().map(|(known, _)| known.as_str()));
                self.report(&at, format!("no user attribute `{name}`"), help);
                continue;
            };
            if matches!(ty, AttributeType::Set(_)) {
                let help = "give its values one by one with `/v1/users/{id}/assignments`".to_owned();
                self.report(&at, "holds a set", Some(help));
            } else if value.is_null() {
                account.attributes.remove(name);
            } else if let Err(wanted) = policy::attribute_value(value, ty) {
                self.report(&at, format!("must be {wanted}"), None);
            } else {
                account.attributes.insert(name.clone(), value.clone());
            }
        }
    }
}

fn same_text(value: &Value, text: &str) -> bool {
    value.as_str() == Some(text)
}

/// A mail address, where it is one that mail can go to.
pub(super) fn checked_email(text: &str) -> Option<String> {
    text.parse::<Address>().ok().map(|_| text.to_owned())
}

fn visible(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text != text.trim() || text.chars().any(char::is_control) {
        return Err("must be a text that is not empty and has no control characters");
    }
    Ok(())
}

fn phone(text: &str) -> Result<(), &'static str> {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let rest = text.strip_prefix('+').unwrap_or(text);
    if (3..=20).contains(&digits) && rest.chars().all(|c| c.is_ascii_digit() || " -./()".contains(c)) {
        return Ok(());
    }
    Err("must be a telephone number such as `+44 20 7946 0000`")
}

/// The form of a language tag: a language, then parts.
pub(super) fn language(text: &str) -> Result<(), &'static str> {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let is_language = (2..=3).contains(&language.len()) && language.chars().all(|c| c.is_ascii_alphabetic());
    let is_part = |part: &str| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric());
    if is_language && parts.all(is_part) { Ok(()) } else { Err("must be a language tag such as `de` or `en-GB`") }
}

/// A JSON pointer one step further.
pub(super) fn pointer(to: &str, member: &str) -> String {
    format!("{to}/{}", member.replace('~', "~0").replace('/', "~1"))
}
