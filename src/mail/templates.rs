//! Templates: which one a letter takes, and what it may name.
//!
//! All of them are compiled and rendered with samples before the first letter is, so that a slip in a file is found by whoever
//! made it and not by a recipient. Values never become more than text: HTML is escaped, and a subject is one line.

mod builtin;
mod read;
mod trial;

use super::{Kind, Letter};
use crate::document::{Diagnostics, Text};
use minijinja::{Environment, UndefinedBehavior, Value, context};
use std::{collections::BTreeMap, path::Path};

/// The language that every kind has a built-in template for.
const LAST_RESORT: &str = "en";

/// What a template may name.
const NAMES: [&str; 9] = ["name", "email", "link", "expires", "tenant", "inviter", "roles", "sender", "language"];

/// A part of a letter; each has a template of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Subject,
    Text,
    Html,
}

/// All templates, compiled.
pub(super) struct Templates {
    environment: Environment<'static>,
    // INVARIANT: each language has a subject and a text; English has them for every kind.
    languages: BTreeMap<Kind, BTreeMap<String, Parts>>,
    language: String,
}

/// The parts that there are for a kind and a language, with the files they come from.
type Parts = BTreeMap<Part, Text>;

/// A letter in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rendered {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: Option<String>,
    /// The language it is in.
    pub(super) language: String,
}

impl Part {
    const ALL: [Self; 3] = [Self::Subject, Self::Text, Self::Html];

    /// What a template's name ends with.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Subject => "subject.txt",
            Self::Text => "txt",
            Self::Html => "html",
        }
    }
}

impl Templates {
    /// The built-in templates with those of a folder in their place, each tried out.
    ///
    /// # Errors
    /// Fails with all problems of all files at once.
    pub(super) fn load(folder: Option<&Path>, language: &str) -> Result<Self, Diagnostics> {
        let mut problems = Diagnostics::default();
        let mut files = builtin::files(&mut problems);
        if let Some(folder) = folder {
            read::folder(folder, &mut files, &mut problems);
        }
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        // Errors with their place in the file; they are never printed with the values at hand.
        environment.set_debug(true);
        for (name, file) in &files.all {
            if let Err(error) = environment.add_template_owned(name.clone(), file.content().to_owned()) {
                problems.push(trial::problem(&error, &files.all, file));
            }
        }
        let templates = Self { environment, languages: files.languages, language: tag(language) };
        // Where a file does not compile, others that build on it fail as well, which helps nobody.
        if problems.is_empty() {
            trial::all(&templates, &files.all, &mut problems);
        }
        problems.finish().map(|_warnings| templates)
    }

    /// A letter in words. `sender` is who it is from.
    ///
    /// # Errors
    /// Fails where a template cannot cope with the values, some of which the error's detail may quote.
    pub(super) fn render(&self, letter: &Letter, sender: &str) -> Result<Rendered, minijinja::Error> {
        let language = self.language_for(letter.kind, letter.language.as_deref());
        let part = |part: Part| self.render_part(letter, sender, &language, part);
        let html = match self.parts(letter.kind, &language) {
            Some(parts) if parts.contains_key(&Part::Html) => Some(part(Part::Html)?),
            _ => None,
        };
        Ok(Rendered { subject: one_line(&part(Part::Subject)?), text: part(Part::Text)?, html, language })
    }

    fn render_part(
        &self,
        letter: &Letter,
        sender: &str,
        language: &str,
        part: Part,
    ) -> Result<String, minijinja::Error> {
        let link = letter.values.link.as_str();
        // A slash needs no escape in an attribute, and mail is read by simpler things than browsers.
        let link = if part == Part::Html { Value::from_safe_string(escape(link)) } else { Value::from(link) };
        let roles: Vec<String> = letter.values.roles.iter().map(|role| one_line(role)).collect();
        let optional = |text: &Option<String>| text.as_deref().map(one_line).unwrap_or_default();
        let values = context! {
            name => optional(&letter.name),
            email => letter.address.as_str(),
            link,
            expires => minutes(letter),
            tenant => one_line(&letter.values.tenant),
            inviter => optional(&letter.values.inviter),
            roles,
            sender => one_line(sender),
            language,
        };
        self.environment.get_template(&template_name(letter.kind, language, part))?.render(values)
    }

    fn parts(&self, kind: Kind, language: &str) -> Option<&Parts> {
        self.languages.get(&kind)?.get(language)
    }

    /// The nearest language that there is: `de-at`, `de`, the default and what it is nearest to, English.
    fn language_for(&self, kind: Kind, wanted: Option<&str>) -> String {
        let wanted = wanted.map(tag).unwrap_or_default();
        let found = [wanted.as_str(), &self.language]
            .into_iter()
            .flat_map(wider)
            .find(|language| self.parts(kind, language).is_some());
        found.unwrap_or(LAST_RESORT).to_owned()
    }
}

/// `invitation.de.subject.txt`
fn template_name(kind: Kind, language: &str, part: Part) -> String {
    format!("{}.{language}.{}", kind.as_str(), part.suffix())
}

/// A language in the form in which languages are compared.
fn tag(language: &str) -> String {
    language.trim().replace('_', "-").to_ascii_lowercase()
}

/// A language, and each that is one subtag shorter.
fn wider(language: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(language), |language| language.rsplit_once('-').map(|(wider, _)| wider))
}

/// Text without line breaks and other control characters: what came from outside cannot begin a line of its own.
pub(super) fn one_line(text: &str) -> String {
    let breaks = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    let spaced: String = text.chars().map(|letter| if breaks(letter) { ' ' } else { letter }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// When the link dies, to the minute: `2027-01-31 08:00 UTC`.
fn minutes(letter: &Letter) -> String {
    let time = letter.values.expires.to_string();
    let (date, clock) = time.split_once('T').unwrap_or((&time, ""));
    format!("{date} {} UTC", clock.get(..5).unwrap_or_default())
}

fn escape(link: &str) -> String {
    link.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests;
