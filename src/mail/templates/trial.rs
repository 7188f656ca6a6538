//! Tries templates out, with samples, before there is a letter.

use super::{Kind, Letter, NAMES, Part, Templates, template_name};
use crate::{
    document::{self, Diagnostic, Diagnostics, Text},
    mail::{Address, Link, Values},
    model::Timestamp,
};
use minijinja::{Error, ErrorKind};
use std::collections::{BTreeMap, BTreeSet};

/// Names that the language of templates gives a meaning.
const OF_THE_LANGUAGE: [&str; 5] = ["loop", "self", "super", "caller", "varargs"];

/// Renders every part of every letter, with all values and with as few as there can be.
pub(super) fn all(templates: &Templates, files: &BTreeMap<String, Text>, problems: &mut Diagnostics) {
    for (&kind, languages) in &templates.languages {
        for (language, parts) in languages {
            for (&part, file) in parts {
                let mut found = names(templates, &template_name(kind, language, part), file);
                if found.is_empty() {
                    found.extend(samples(templates, files, kind, language, part, file));
                }
                problems.append(found.into_iter().collect());
            }
        }
    }
}

/// Names that there are not, wherever they stand: a branch that no sample enters is looked at too.
fn names(templates: &Templates, name: &str, file: &Text) -> Vec<Diagnostic> {
    let Ok(template) = templates.environment.get_template(name) else { return Vec::new() };
    let globals: BTreeSet<&str> = templates.environment.globals().map(|(name, _)| name).collect();
    let known = |name: &str| NAMES.contains(&name) || OF_THE_LANGUAGE.contains(&name) || globals.contains(name);
    let unknown: BTreeSet<String> =
        template.undeclared_variables(false).into_iter().filter(|name| !known(name)).collect();
    let problem = |name: &String| {
        let message = format!("there is no value `{name}`");
        let problem = match word(file.content(), name) {
            Some(at) => Diagnostic::error("unknown-value", file, at..at + name.len(), message),
            None => Diagnostic::whole("unknown-value", file, message),
        };
        let every = NAMES.map(|name| format!("`{name}`")).join(", ");
        let nearest = document::nearest(name, NAMES).map(|nearest| format!("did you mean `{nearest}`?"));
        problem.with_help(nearest.unwrap_or_else(|| format!("known: {every}")))
    };
    unknown.iter().map(problem).collect()
}

fn samples(
    templates: &Templates,
    files: &BTreeMap<String, Text>,
    kind: Kind,
    language: &str,
    part: Part,
    file: &Text,
) -> Option<Diagnostic> {
    for letter in [full(kind)?, sparse(kind)?] {
        match templates.render_part(&letter, "Sample", language, part) {
            Err(error) => return Some(problem(&error, files, file)),
            Ok(text) if text.trim().is_empty() => {
                return Some(Diagnostic::whole("empty-template", file, "the template renders to nothing"));
            }
            Ok(text) if part != Part::Subject && !text.contains(letter.values.link.as_str()) => {
                let problem = Diagnostic::whole("template-without-link", file, "the template does not show the link");
                return Some(problem.with_help("name it as `{{ link }}`".to_owned()));
            }
            Ok(_) => {}
        }
    }
    None
}

/// An error of the template language as a problem of a file. Its text says what is wrong with the file, and holds no value.
pub(super) fn problem(error: &Error, files: &BTreeMap<String, Text>, file: &Text) -> Diagnostic {
    let error = innermost(error);
    // The error may be in a file that this one includes.
    let file = error.name().and_then(|name| files.get(name)).unwrap_or(file);
    let message = match (error.kind(), error.detail()) {
        (ErrorKind::UndefinedError, None) => "there is no such value".to_owned(),
        (kind, None) => kind.to_string(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
    };
    let start = error.line().map(|line| file.offset(line, 1));
    match (error.range(), start) {
        (Some(range), _) if file.content().get(range.clone()).is_some() => {
            Diagnostic::error("bad-template", file, range, message)
        }
        (_, Some(start)) => Diagnostic::error("bad-template", file, start..start, message),
        (_, None) => Diagnostic::whole("bad-template", file, message),
    }
}

/// The error that the others tell of: a failed include says only that it failed.
fn innermost(error: &Error) -> &Error {
    let inner = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>());
    inner.map_or(error, innermost)
}

/// Where a name stands as a word of its own, inside a tag.
fn word(content: &str, name: &str) -> Option<usize> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    content.match_indices(name).map(|(at, _)| at).find(|&at| {
        let (before, from) = content.split_at(at);
        let after = from.strip_prefix(name).unwrap_or_default();
        let opened =
            before.rfind(['{', '}']).is_some_and(|last| before.get(last..).is_some_and(|b| b.starts_with('{')));
        opened && !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

/// A letter that has everything.
fn full(kind: Kind) -> Option<Letter> {
    let letter = sparse(kind)?;
    let roles = ["Sales", "Warehouse"].map(str::to_owned).to_vec();
    let values = Values { inviter: Some("Grace Hopper".to_owned()), roles, ..letter.values };
    Some(Letter { name: Some("Ada Lovelace".to_owned()), language: Some("en".to_owned()), values, ..letter })
}

/// A letter that has what every letter has.
fn sparse(kind: Kind) -> Option<Letter> {
    let address: Address = "ada@example.com".parse().ok()?;
    let link = Link::new("https://app.example.com/invitations/sample".to_owned())?;
    let expires = Timestamp::from_micros(1_800_000_000_000_000);
    let values = Values { link, expires, tenant: "North".to_owned(), inviter: None, roles: Vec::new() };
    let id = "sample".to_owned();
    Some(Letter { recipient: id.clone(), id, kind, address, name: None, language: None, values })
}
