//! The review as a table: CSV for spreadsheets, Markdown for documents.

use super::{Counted, ReviewPage, ReviewQuery, ReviewRow};
use crate::{directory::Refusal, document::defused};
use std::io::{self, Write};

/// The forms of the review as a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewForm {
    /// RFC 4180. What a spreadsheet would take for a formula gets an apostrophe in front.
    Csv,
    /// A table.
    Markdown,
}

impl ReviewForm {
    /// The media type.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Markdown => "text/markdown; charset=utf-8",
        }
    }
}

/// Entries that are written in one go.
const STRETCH: usize = 1000;

/// The columns of a CSV, one for each field.
const COLUMNS: [&str; 17] = [
    "user",
    "name",
    "email",
    "status",
    "declared",
    "last_login",
    "tenant",
    "kind",
    "what",
    "role",
    "since",
    "by",
    "why",
    "until",
    "expired",
    "last_used",
    "uses",
];

/// The head of a Markdown table, for people.
const HEAD: &str = "| user | status | tenant | has | since | by | why | until | last used | last login |\n\
                    | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";

/// Writes pages into a file.
enum ReviewWriter<'w> {
    /// RFC 4180.
    Csv(Box<csv::Writer<&'w mut dyn Write>>),
    /// A table.
    Markdown(&'w mut dyn Write),
}

impl<'w> ReviewWriter<'w> {
    /// Begins a file. What holds for all of it is taken from the first page.
    fn new(form: ReviewForm, first: &ReviewPage, out: &'w mut dyn Write) -> io::Result<Self> {
        match form {
            ReviewForm::Csv => {
                let mut out = csv::WriterBuilder::new()
                    .quote_style(csv::QuoteStyle::Always)
                    .terminator(csv::Terminator::CRLF)
                    .from_writer(out);
                out.write_record(COLUMNS)?;
                Ok(Self::Csv(Box::new(out)))
            }
            ReviewForm::Markdown => {
                out.write_all(b"# Access review\n\n")?;
                match &first.log_since {
                    Some(since) => writeln!(out, "Uses are known since {since}.")?,
                    None => out.write_all(b"The audit log has no decisions yet, so no use is known.\n")?,
                }
                if !first.uses_are_complete {
                    out.write_all(b"Not every allowed decision was kept, so a use may be missing.\n")?;
                }
                out.write_all(b"\n")?;
                out.write_all(HEAD.as_bytes())?;
                Ok(Self::Markdown(out))
            }
        }
    }

    /// Writes a page.
    fn write(&mut self, page: &ReviewPage) -> io::Result<()> {
        for row in &page.items {
            match self {
                Self::Csv(out) => {
                    for cell in cells(row) {
                        out.write_field(&*defused(cell))?;
                    }
                    out.write_record(None::<&[u8]>)?;
                }
                Self::Markdown(out) => out.write_all(line(row).as_bytes())?,
            }
        }
        Ok(())
    }

    /// Ends the file.
    fn finish(self) -> io::Result<()> {
        match self {
            Self::Csv(mut out) => out.flush(),
            Self::Markdown(out) => out.flush(),
        }
    }
}

/// Writes all pages of a review.
///
/// # Errors
/// Fails where a page cannot be had or written.
pub fn write_review(
    form: ReviewForm,
    mut asked: ReviewQuery,
    mut next: impl FnMut(&ReviewQuery) -> Result<ReviewPage, Refusal>,
    out: &mut dyn Write,
) -> io::Result<()> {
    asked.limit = STRETCH;
    let mut page = next(&asked).map_err(io::Error::other)?;
    let mut writer = ReviewWriter::new(form, &page, out)?;
    loop {
        writer.write(&page)?;
        let Some(cursor) = page.next_cursor.take() else { break };
        asked.after = Some(cursor);
        page = next(&asked).map_err(io::Error::other)?;
    }
    writer.finish()
}

fn word(yes: bool) -> &'static str {
    if yes { "true" } else { "false" }
}

/// The cells of a row, in the order of [`COLUMNS`].
fn cells(row: &ReviewRow) -> [&str; 17] {
    [
        &row.user,
        opt(row.name.as_ref()),
        opt(row.email.as_ref()),
        row.status,
        word(row.declared),
        opt(row.last_login.as_ref()),
        opt(row.tenant.as_ref()),
        row.kind,
        opt(row.what.as_ref()),
        row.role.unwrap_or_default(),
        opt(row.since.as_ref()),
        opt(row.by.as_ref()),
        opt(row.why.as_ref()),
        opt(row.until.as_ref()),
        word(row.expired),
        opt(row.last_used.as_ref()),
        row.uses.map_or("", Counted::as_str),
    ]
}

fn opt(text: Option<&String>) -> &str {
    text.map_or("", String::as_str)
}

fn line(row: &ReviewRow) -> String {
    let name = row.name.as_ref().map_or_else(String::new, |name| format!("{name} "));
    let has = match &row.what {
        Some(what) => format!("{} `{what}`", row.kind),
        None => row.kind.to_owned(),
    };
    let note = match row.role {
        Some("custom") => " (custom)",
        Some("shadowed") => " (the policy set declares a role of this name, which counts)",
        Some("unknown") => " (there is no such role any more)",
        _ => "",
    };
    let mut line = String::from("|");
    for cell in [
        format!("{name}({})", row.user),
        row.status.to_owned(),
        row.tenant.clone().unwrap_or_default(),
        format!("{has}{note}"),
        row.since.clone().unwrap_or_else(|| if row.declared { "in git".to_owned() } else { String::new() }),
        row.by.clone().unwrap_or_default(),
        row.why.clone().unwrap_or_default(),
        format!("{}{}", opt(row.until.as_ref()), if row.expired { " (has run out)" } else { "" }),
        match row.uses {
            Some(Counted::Not) => "cannot be told".to_owned(),
            Some(Counted::Partly) => {
                format!("{} (conditions not counted)", opt(row.last_used.as_ref())).trim_start().to_owned()
            }
            _ => opt(row.last_used.as_ref()).to_owned(),
        },
        row.last_login.clone().unwrap_or_else(|| "never".to_owned()),
    ] {
        line.push(' ');
        // A cell ends at a bar and a row at a line break, whatever a name says.
        for character in cell.chars() {
            match character {
                '|' | '\\' | '<' => line.extend(['\\', character]),
                character if character.is_control() => line.push(' '),
                character => line.push(character),
            }
        }
        line.push_str(" |");
    }
    line.push('\n');
    line
}
