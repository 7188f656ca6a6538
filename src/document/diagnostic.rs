//! Problems as data: what is wrong, where, and what was probably meant.

use super::{Span, Text};
use std::fmt;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// What was read cannot be used.
    Error,
    /// It can be used, but hardly says what was meant.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Another place that a problem has to do with, such as the first of two definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What it is, so that ` at roles.yaml:3:5` can follow: `first defined`.
    pub what: String,
    /// The file.
    pub text: Text,
    /// Where in the file.
    pub span: Span,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.text.position(self.span.start);
        write!(f, "{} at {}:{line}:{column}", self.what, self.text.path())
    }
}

/// One problem of one file.
///
/// Its one-line form is what logs and tools carry:
/// ``roles.yaml:17:7: error[unknown-module]: no module `order`; did you mean `orders`?``
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    severity: Severity,
    code: &'static str,
    message: String,
    text: Text,
    span: Option<Span>,
    label: Option<String>,
    help: Option<String>,
    related: Vec<Place>,
}

impl Diagnostic {
    /// An error at a place in a file.
    pub fn error(code: &'static str, text: &Text, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            text: text.clone(),
            span: Some(span),
            label: None,
            help: None,
            related: Vec::new(),
        }
    }

    /// A warning at a place in a file.
    pub fn warning(code: &'static str, text: &Text, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, text, span, message) }
    }

    /// An error that concerns a file as a whole.
    pub fn whole(code: &'static str, text: &Text, message: impl Into<String>) -> Self {
        Self { span: None, ..Self::error(code, text, 0..0, message) }
    }

    /// Adds a few words for the marked place itself.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Adds advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }

    /// Adds another place that has to do with it. `what` reads well before ` at roles.yaml:3:5`.
    #[must_use]
    pub fn with_related(mut self, what: impl Into<String>, text: &Text, span: Span) -> Self {
        self.related.push(Place { what: what.into(), text: text.clone(), span });
        self
    }

    /// How bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// The stable name of this kind of problem.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.path()
    }

    /// The file.
    #[must_use]
    pub const fn text(&self) -> &Text {
        &self.text
    }

    /// Where in the file; `None` where it concerns the file as a whole.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        self.span.clone()
    }

    /// Line, from 1.
    #[must_use]
    pub fn line(&self) -> Option<u32> {
        self.position().map(|(line, _)| line)
    }

    /// Column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> Option<u32> {
        self.position().map(|(_, column)| column)
    }

    /// The offending text.
    #[must_use]
    pub fn excerpt(&self) -> Option<&str> {
        self.span.as_ref().map(|span| self.text.slice(span)).filter(|excerpt| !excerpt.is_empty())
    }

    /// A few words for the marked place.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Advice.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Other places that have to do with it.
    #[must_use]
    pub fn related(&self) -> &[Place] {
        &self.related
    }

    fn position(&self) -> Option<(u32, u32)> {
        self.span.as_ref().map(|span| self.text.position(span.start))
    }

    /// Files in order of their paths, problems in order of their places.
    fn key(&self) -> (&str, usize, Severity, &str, &str) {
        let start = self.span.as_ref().map_or(0, |span| span.start);
        (self.text.path(), start, self.severity, self.code, &self.message)
    }
}

/// The one-line form.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text.path())?;
        if let Some((line, column)) = self.position() {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}[{}]: {}", self.severity.as_str(), self.code, self.message)?;
        for place in &self.related {
            write!(f, "; {place}")?;
        }
        self.help.iter().try_for_each(|help| write!(f, "; {help}"))
    }
}

impl std::error::Error for Diagnostic {}

/// Problems, sorted by file and place.
///
/// Where it is an error, it holds at least one problem of severity [`Severity::Error`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Adds a problem. The order is restored by [`Diagnostics::finish`].
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.items.push(diagnostic);
    }

    /// Adds all of another list.
    pub fn append(&mut self, other: Self) {
        self.items.extend(other.items);
    }

    /// Whether any problem is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|item| item.severity == Severity::Error)
    }

    /// Whether there is no problem at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many problems there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.items.len()
    }

    /// The problems in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.items.iter()
    }

    /// Sorts, drops repeats, and tells whether what was read can be used: `Ok` holds the warnings.
    ///
    /// # Errors
    /// Fails with all problems where one of them is an error.
    pub fn finish(mut self) -> Result<Vec<Diagnostic>, Self> {
        self.sort();
        if self.has_errors() { Err(self) } else { Ok(self.items) }
    }

    /// Puts the problems into their order and drops repeats.
    pub fn sort(&mut self) {
        self.items.sort_by(|a, b| a.key().cmp(&b.key()));
        self.items.dedup();
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { items: vec![diagnostic] }
    }
}

impl FromIterator<Diagnostic> for Diagnostics {
    fn from_iter<I: IntoIterator<Item = Diagnostic>>(items: I) -> Self {
        let mut list = Self { items: items.into_iter().collect() };
        list.sort();
        list
    }
}

impl Extend<Diagnostic> for Diagnostics {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, items: I) {
        self.items.extend(items);
    }
}

impl<'d> IntoIterator for &'d Diagnostics {
    type Item = &'d Diagnostic;
    type IntoIter = std::slice::Iter<'d, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

/// All one-line forms, a line each.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items = self.items.iter();
        if let Some(first) = items.next() {
            write!(f, "{first}")?;
        }
        items.try_for_each(|item| write!(f, "\n{item}"))
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_names_place_code_and_advice() {
        let text = Text::new("roles.yaml", "roles:\n  rep:\n    grants: { order: full }\n");
        let at = text.content().find("order").unwrap();
        let problem = Diagnostic::error("unknown-module", &text, at..at + 5, "no module `order`")
            .with_help("did you mean `orders`?".to_owned());
        assert_eq!(
            problem.to_string(),
            "roles.yaml:3:15: error[unknown-module]: no module `order`; did you mean `orders`?"
        );
        assert_eq!(problem.excerpt(), Some("order"));
        assert_eq!((problem.line(), problem.column()), (Some(3), Some(15)));
    }

    #[test]
    fn problems_come_in_order_of_file_and_place_without_repeats() {
        let (a, b) = (Text::new("a", "xyz"), Text::new("b", "xyz"));
        let list: Diagnostics = [
            Diagnostic::error("two", &b, 0..1, "m"),
            Diagnostic::warning("one", &a, 2..3, "m"),
            Diagnostic::error("zero", &a, 1..2, "m"),
            Diagnostic::error("zero", &a, 1..2, "m"),
        ]
        .into_iter()
        .collect();
        let codes: Vec<_> = list.iter().map(Diagnostic::code).collect();
        assert_eq!(codes, ["zero", "one", "two"]);
        assert!(list.finish().is_err());
    }

    #[test]
    fn warnings_alone_do_not_fail() {
        let text = Text::absent("a");
        let list = Diagnostics::from(Diagnostic::warning("w", &text, 0..0, "m"));
        assert_eq!(list.finish().map(|warnings| warnings.len()), Ok(1));
    }
}
