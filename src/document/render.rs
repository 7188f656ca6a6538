//! Problems as people read them: the line of the file, a mark under the place, the advice below.

use super::{Diagnostic, Diagnostics, Place, Severity, Text};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};
use std::{fmt, sync::Arc};

impl Diagnostics {
    /// Every problem with the lines it is about. `color` is for terminals.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        self.iter().map(|item| item.render(color)).collect::<Vec<_>>().join("\n")
    }
}

impl Diagnostic {
    /// The problem with the lines it is about. `color` is for terminals.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler =
            GraphicalReportHandler::new_themed(theme).with_links(false).with_width(120).with_wrap_lines(false);
        let mut out = String::new();
        // Writing to a string fails only where a span lies outside its text; the one-line form has no such needs.
        match handler.render_report(&mut out, &Report::new(self)) {
            Ok(()) => out,
            Err(fmt::Error) => format!("{self}\n"),
        }
    }
}

/// A problem in miette's terms.
struct Report<'d> {
    diagnostic: &'d Diagnostic,
    source: Option<NamedSource<Arc<str>>>,
    elsewhere: Vec<Elsewhere<'d>>,
}

impl<'d> Report<'d> {
    fn new(diagnostic: &'d Diagnostic) -> Self {
        let elsewhere = diagnostic.related().iter().filter(|place| place.text != *diagnostic.text());
        Self {
            diagnostic,
            source: diagnostic.span().map(|_| named(diagnostic.text())),
            elsewhere: elsewhere.map(|place| Elsewhere { place, source: named(&place.text) }).collect(),
        }
    }
}

fn named(text: &Text) -> NamedSource<Arc<str>> {
    NamedSource::new(text.path(), text.shared_content())
}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code()))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity() {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.help().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.source.as_ref().map(|source| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = self.diagnostic.label().map(str::to_owned);
        let span = self.diagnostic.span()?;
        let main = LabeledSpan::new_primary_with_span(label, span);
        let here = self.diagnostic.related().iter().filter(|place| place.text == *self.diagnostic.text());
        let others =
            here.map(|place| LabeledSpan::new_with_span(Some(format!("{} here", place.what)), place.span.clone()));
        Some(Box::new(std::iter::once(main).chain(others)))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        (!self.elsewhere.is_empty())
            .then(|| Box::new(self.elsewhere.iter().map(|place| place as &dyn miette::Diagnostic)) as Box<_>)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.diagnostic.message())?;
        // Without a snippet nothing else would name the file.
        if self.source.is_none() { write!(f, " ({})", self.diagnostic.path()) } else { Ok(()) }
    }
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.diagnostic, f)
    }
}

impl std::error::Error for Report<'_> {}

/// A related place in another file than the problem's own.
#[derive(Debug)]
struct Elsewhere<'d> {
    place: &'d Place,
    source: NamedSource<Arc<str>>,
}

impl miette::Diagnostic for Elsewhere<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(miette::Severity::Advice)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(None, self.place.span.clone()))))
    }
}

impl fmt::Display for Elsewhere<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} here", self.place.what)
    }
}

impl std::error::Error for Elsewhere<'_> {}
