//! Lists of entries with a name: mappings in the file, `name=a key=value+value, name=b ...` in the environment.
//!
//! An entry is read from both in the same way. In the file every problem is told at its place; in the environment the whole is
//! refused.

use super::{AdminToken, file::Reading, tokens};
use crate::document::{Node, Span, Value};
use std::cell::RefCell;

/// What can stand in a list.
pub(super) trait Item: Sized {
    /// The key that holds the list.
    const SECTION: &'static str;
    /// What one is called in messages, with its article.
    const WHAT: &'static str;
    /// The keys of an entry.
    const KEYS: &'static [&'static str];

    /// Reads an entry; what is wrong is left with it.
    fn read(entry: &Entry<'_>) -> Option<Self>;

    /// The name.
    fn name(&self) -> &str;

    /// The digest of the token, where there is one.
    fn digest(&self) -> Option<&[u8; 32]>;

    /// The names of certificates.
    fn certificates(&self) -> &[String];
}

/// One entry, wherever it was written.
pub(super) struct Entry<'e> {
    what: &'static str,
    values: Vec<(&'e str, Given)>,
    faults: RefCell<Vec<Fault>>,
}

/// The value of one key: its texts, one unless it is a list.
struct Given {
    texts: Vec<String>,
    is_list: bool,
}

/// What is wrong with an entry.
struct Fault {
    key: Option<&'static str>,
    code: &'static str,
    message: String,
    help: Option<&'static str>,
}

impl Entry<'_> {
    /// Notes that a value does not fit. It is not repeated: it may be a secret, put there by mistake.
    pub(super) fn refuse(&self, key: &'static str, wanted: &str) {
        let message = format!("`{key}` of {} is {wanted}", self.what);
        self.faults.borrow_mut().push(Fault { key: Some(key), code: "invalid-value", message, help: None });
    }

    /// Notes what concerns the whole entry.
    pub(super) fn lacks(&self, message: String, help: Option<&'static str>) {
        self.faults.borrow_mut().push(Fault { key: None, code: "missing-key", message, help });
    }

    fn given(&self, key: &str) -> Option<&Given> {
        self.values.iter().find(|(name, _)| *name == key).map(|(_, given)| given)
    }

    /// A single value, where the key is there.
    pub(super) fn one<T>(&self, key: &'static str, wanted: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let given = self.given(key)?;
        let value = match given.texts.as_slice() {
            [text] if !given.is_list => read(text),
            _ => None,
        };
        if value.is_none() {
            self.refuse(key, wanted);
        }
        value
    }

    /// A list of at least one value, none twice; `None` where the key is absent or the list does not fit.
    pub(super) fn list<T: PartialEq>(
        &self,
        key: &'static str,
        wanted: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let given = self.given(key)?;
        let mut values = Vec::with_capacity(given.texts.len());
        for text in &given.texts {
            let Some(value) = read(text).filter(|value| !values.contains(value)) else {
                self.refuse(key, wanted);
                return None;
            };
            values.push(value);
        }
        if values.is_empty() {
            self.refuse(key, wanted);
            return None;
        }
        Some(values)
    }

    /// Whether the key is there, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.given(key).is_some()
    }

    /// The name, which every entry has.
    pub(super) fn name(&self) -> Option<String> {
        if !self.has("name") {
            self.lacks(format!("{} needs `name`", self.what), None);
        }
        self.one("name", AdminToken::NAME, tokens::read_name)
    }

    /// The names of certificates, in the form in which they are compared.
    pub(super) fn certificates(&self) -> Vec<String> {
        let wanted =
            "a list of names of certificates, such as `shop.internal` or `spiffe://cluster/ns/shop`, none twice";
        self.list("certificates", wanted, certificate_name).unwrap_or_default()
    }
}

/// A certificate's name: names of hosts are the same in capital letters, addresses are not.
fn certificate_name(text: &str) -> Option<String> {
    let fits = !text.is_empty() && !text.contains(char::is_control) && text.trim() == text;
    fits.then(|| if text.contains("://") { text.to_owned() } else { text.to_lowercase() })
}

/// Reads the list of the file; problems are left with `reading`.
pub(super) fn of_file<T: Item>(node: &Node, reading: &mut Reading<'_>) -> Option<Vec<T>> {
    let mut items: Vec<T> = Vec::new();
    for node in node.as_list()? {
        let Some(item) = entry_of_file::<T>(node, reading) else { continue };
        if let Some(message) = clash(&items, &item) {
            reading.problem("duplicate-entry", &node.span, message, None);
        }
        items.push(item);
    }
    Some(items)
}

fn entry_of_file<T: Item>(node: &Node, reading: &mut Reading<'_>) -> Option<T> {
    let Some(map) = node.as_map() else {
        let message = format!("{} is a mapping such as `{{ name: shop }}`, not {}", T::WHAT, node.kind());
        reading.problem("invalid-value", &node.span, message, None);
        return None;
    };
    let mut values = Vec::new();
    let mut spans: Vec<(&str, &Span)> = Vec::new();
    for entry in map {
        if !T::KEYS.contains(&entry.key.as_str()) {
            reading.unknown(&entry.key, &entry.key_span, T::SECTION, T::KEYS);
            continue;
        }
        // Digests and numbers that YAML reads as something else count as they were written.
        let text = |node: &Node| match &node.value {
            Value::Text(text) => text.clone(),
            _ => reading.written(&node.span).to_owned(),
        };
        let given = match entry.node.as_list() {
            Some(items) => Given { texts: items.iter().map(text).collect(), is_list: true },
            None => Given { texts: vec![text(&entry.node)], is_list: false },
        };
        values.push((entry.key.as_str(), given));
        spans.push((entry.key.as_str(), &entry.node.span));
    }
    let entry = Entry { what: T::WHAT, values, faults: RefCell::default() };
    let item = T::read(&entry);
    for Fault { key, code, message, help } in entry.faults.into_inner() {
        let span = spans.iter().find(|(name, _)| Some(*name) == key).map_or(&node.span, |(_, span)| *span);
        reading.problem(code, span, message, help.map(str::to_owned));
    }
    item
}

/// Reads the list of the environment. Lists within it are joined by `+`.
pub(super) fn of_environment<T: Item>(text: &str) -> Option<Vec<T>> {
    let mut items: Vec<T> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let mut values: Vec<(&str, Given)> = Vec::new();
        for pair in part.split_whitespace() {
            let (key, value) = pair.split_once('=').filter(|(key, _)| T::KEYS.contains(key))?;
            if values.iter().any(|(known, _)| *known == key) {
                return None;
            }
            values.push((key, Given { texts: value.split('+').map(str::to_owned).collect(), is_list: false }));
        }
        let entry = Entry { what: T::WHAT, values, faults: RefCell::default() };
        let item = T::read(&entry).filter(|_| entry.faults.borrow().is_empty())?;
        if clash(&items, &item).is_some() {
            return None;
        }
        items.push(item);
    }
    Some(items)
}

/// Why an entry cannot stand beside those before it: who of the two were it to be?
fn clash<T: Item>(earlier: &[T], item: &T) -> Option<String> {
    for other in earlier {
        if other.name() == item.name() {
            return Some(format!("`{}` is listed twice in `{}`", item.name(), T::SECTION));
        }
        if item.digest().is_some() && other.digest() == item.digest() {
            return Some(format!("`{}` and `{}` have the same digest", other.name(), item.name()));
        }
        if let Some(name) = item.certificates().iter().find(|name| other.certificates().contains(name)) {
            return Some(format!("`{}` and `{}` have the certificate `{name}` both", other.name(), item.name()));
        }
    }
    None
}
