//! Names with their places, and the sections that hold them.

use crate::{
    document::{Diagnostic, Diagnostics, Entry, Node, Span, Text, hint},
    engine::Location,
};
use rustc_hash::FxHashMap;

/// A place in a file.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) text: Text,
    pub(super) span: Span,
}

impl Spot {
    pub(super) fn of(text: &Text, span: &Span) -> Self {
        Self { text: text.clone(), span: span.clone() }
    }

    /// The place in the engine's terms.
    pub(super) fn location(&self) -> Location {
        let (line, column) = self.text.position(self.span.start);
        Location { file: self.text.shared_path(), line, column }
    }

    /// Whether both are one line and column of one file, whatever else has changed in it.
    pub(super) fn is_same_place(&self, other: &Self) -> bool {
        self.text.is_same(&other.text) && self.span.start == other.span.start || self.location() == other.location()
    }

    /// An error at this place.
    pub(super) fn error(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, &self.text, self.span.clone(), message)
    }

    /// A warning at this place.
    pub(super) fn warning(&self, code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic::warning(code, &self.text, self.span.clone(), message)
    }
}

/// A name, where it is declared or used.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) at: Spot,
}

impl Named {
    /// The name that is a mapping's key.
    pub(super) fn key(text: &Text, entry: &Entry) -> Self {
        Self { name: entry.key.clone(), at: Spot::of(text, &entry.key_span) }
    }

    /// The name that is a text. Anything else has been reported and is none.
    pub(super) fn value(text: &Text, node: &Node) -> Option<Self> {
        node.as_text().map(|name| Self { name: name.to_owned(), at: Spot::of(text, &node.span) })
    }

    /// The names of a list.
    pub(super) fn list(text: &Text, node: Option<&Node>) -> Vec<Self> {
        let items = node.and_then(Node::as_list).unwrap_or_default();
        items.iter().filter_map(|item| Self::value(text, item)).collect()
    }
}

/// What one kind of section declares, over all files, in their order.
#[derive(Debug)]
pub(super) struct Section<T> {
    /// What a thing is called: `role`.
    noun: &'static str,
    /// The code of the problem that a name is not among them: `unknown-role`.
    unknown: &'static str,
    // Each in a box: a hundred thousand users would be moved about as the list grows.
    items: Vec<Box<(Named, T)>>,
    index: FxHashMap<String, usize>,
}

impl<T> Section<T> {
    pub(super) fn new(noun: &'static str, unknown: &'static str) -> Self {
        Self { noun, unknown, items: Vec::new(), index: FxHashMap::default() }
    }

    /// Adds a thing. A name that is taken is reported with the place of the first.
    pub(super) fn add(&mut self, name: Named, value: T, problems: &mut Diagnostics) {
        if let Some(first) = self.declared(&name.name) {
            let message = format!("the {} `{}` is defined twice", self.noun, name.name);
            let problem = name.at.error("duplicate-name", message);
            problems.push(problem.with_related("first defined", &first.text, first.span.clone()));
            return;
        }
        self.index.insert(name.name.clone(), self.items.len());
        self.items.push(Box::new((name, value)));
    }

    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.at(name).map(|(_, value)| value)
    }

    /// The thing that a name refers to. A name that refers to nothing is reported with the nearest one.
    pub(super) fn find(&self, name: &Named, problems: &mut Diagnostics) -> Option<&T> {
        let found = self.get(&name.name);
        if found.is_none() {
            let message = format!("no {} `{}`", self.noun, name.name);
            problems.push(name.at.error(self.unknown, message).with_help(hint(&name.name, self.names())));
        }
        found
    }

    /// The place where a name is declared.
    pub(super) fn declared(&self, name: &str) -> Option<&Spot> {
        self.at(name).map(|(name, _)| &name.at)
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.iter().map(|(name, _)| name.name.as_str())
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &(Named, T)> + Clone {
        self.items.iter().map(|item| &**item)
    }

    /// All things by value, so that each can be dropped once it is of no more use.
    pub(super) fn into_items(self) -> impl ExactSizeIterator<Item = (Named, T)> {
        self.items.into_iter().map(|item| *item)
    }

    fn at(&self, name: &str) -> Option<&(Named, T)> {
        self.index.get(name).and_then(|&at| self.items.get(at)).map(|item| &**item)
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }
}
