//! Reads a team's templates: `<kind>.<language>.{subject.txt,txt,html}`, and files for others to include, which begin with `_`.

use super::{Kind, Part, Parts, tag};
use crate::document::{self, Diagnostic, Diagnostics, Text};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

/// Bytes of a template at most.
const MOST_BYTES: usize = 256 * 1024;

/// Templates by name, later ones in the place of earlier ones.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Every file.
    pub(super) all: BTreeMap<String, Text>,
    /// Those of letters.
    pub(super) languages: BTreeMap<Kind, BTreeMap<String, Parts>>,
}

impl Files {
    /// Takes a file in. Its name says what it is for.
    pub(super) fn add(&mut self, name: &str, text: &Text, problems: &mut Diagnostics) {
        if name.starts_with('_') {
            self.all.insert(name.to_owned(), text.clone());
            return;
        }
        match parse(name) {
            Ok((kind, language, part)) => {
                self.all.insert(super::template_name(kind, &language, part), text.clone());
                self.languages.entry(kind).or_default().entry(language).or_default().insert(part, text.clone());
            }
            Err((message, help)) => {
                problems.push(Diagnostic::whole("unknown-template", text, message).with_help(help));
            }
        }
    }
}

/// Puts the files of a folder in the place of those that are there.
pub(super) fn folder(folder: &Path, files: &mut Files, problems: &mut Diagnostics) {
    let mut names = match names(folder) {
        Ok(names) => names,
        Err(error) => {
            let place = Text::absent(folder.to_string_lossy());
            let message = format!("the directory of `mail.templates` cannot be read: {error}");
            return problems.push(Diagnostic::whole("unreadable", &place, message));
        }
    };
    names.sort();
    let mut own = Files::default();
    for name in names {
        let path = folder.join(&name);
        let shown = path.to_string_lossy();
        match read(&path) {
            Ok(content) => own.add(&name, &Text::new(shown, content), problems),
            Err(error) => {
                let message = format!("the template cannot be read: {error}");
                problems.push(Diagnostic::whole("unreadable", &Text::absent(shown), message));
            }
        }
    }
    for (kind, languages) in own.languages {
        for (language, parts) in languages {
            complete(kind, &language, &parts, problems);
            // A set takes the place of a set: a team's text beside a built-in page would say two things.
            for part in Part::ALL {
                files.all.remove(&super::template_name(kind, &language, part));
            }
            files.languages.entry(kind).or_default().insert(language, parts);
        }
    }
    files.all.extend(own.all);
}

/// What may be a template. Hidden files are those of editors, of git, and of mounted volumes.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_template = [".txt", ".html"].iter().any(|suffix| name.ends_with(suffix));
        if is_template && !name.starts_with('.') {
            names.push(name);
        }
    }
    Ok(names)
}

fn read(path: &Path) -> io::Result<String> {
    let bytes = document::read_file(path, MOST_BYTES)?;
    if bytes.len() > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than a template may be"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8"))
}

/// What a file is for, or what is wrong with its name, and a hint.
fn parse(name: &str) -> Result<(Kind, String, Part), (String, Option<String>)> {
    let unknown = || {
        let message = format!("`{name}` is no name of a template: it is `<kind>.<language>.{{subject.txt,txt,html}}`");
        (message, Some("a file for others to include begins with `_`".to_owned()))
    };
    let (kind, rest) = name.split_once('.').ok_or_else(unknown)?;
    let (language, suffix) = rest.split_once('.').ok_or_else(unknown)?;
    let part = Part::ALL.into_iter().find(|part| part.suffix() == suffix).ok_or_else(unknown)?;
    let kinds = Kind::ALL.map(Kind::as_str);
    let found = Kind::ALL.into_iter().find(|known| known.as_str() == kind);
    let kind = found.ok_or_else(|| (format!("there is no mail `{kind}`"), document::hint(kind, kinds)))?;
    Ok((kind, tag(language), part))
}

/// A letter needs a subject and a text; a page is welcome.
fn complete(kind: Kind, language: &str, parts: &Parts, problems: &mut Diagnostics) {
    let missing: BTreeSet<Part> =
        [Part::Subject, Part::Text].into_iter().filter(|part| !parts.contains_key(part)).collect();
    let Some(there) = parts.values().next() else { return };
    for part in missing {
        let message = format!("`{}` is missing beside it", super::template_name(kind, language, part));
        problems.push(Diagnostic::whole("missing-template", there, message));
    }
}
