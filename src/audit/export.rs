//! Records as JSON and CSV.
//!
//! - JSON: the fields of the contract, all of them, in its order. An absent text is `null`. `before`, `after` and `context` stand as the JSON
//!   that they are; one that was cut to fit stands as a text that ends in `…[cut]`.
//! - CSV (RFC 4180): UTF-8; the head names the fields; lines end in CRLF; lists are joined by a space; an absent text is an empty cell. A
//!   text that a spreadsheet would take for a formula gets an apostrophe in front, and so does one that begins with an apostrophe: a
//!   reader who takes one leading apostrophe off every cell has what was recorded, to the byte.

#[cfg(test)]
mod tests;

use super::{
    Kind, Query, Reader, Record, fields,
    query::{DEFAULT_LIMIT, QueryError},
    reader::ReadError,
};
use crate::{document::defused, model::Decision};
use serde::de::IgnoredAny;
use std::{
    borrow::Cow,
    io::{self, Write},
    ops::ControlFlow,
};

/// The forms of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// A JSON object a line.
    #[default]
    Ndjson,
    /// RFC 4180.
    Csv,
}

impl Format {
    /// `csv` or `ndjson`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "csv" => Some(Self::Csv),
            "ndjson" => Some(Self::Ndjson),
            _ => None,
        }
    }

    /// As on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }

    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Export {
    /// The form.
    pub format: Format,
    /// Goes on where an earlier export broke off: only what comes after this record in the order asked for, and no second head.
    /// Nothing where the log does not go so far.
    pub after_seq: Option<u64>,
}

impl Export {
    /// Reads the parameter `after_seq`.
    pub fn after(value: &str) -> Result<u64, QueryError> {
        let (name, expected) = ("after_seq", "the number of a record");
        value.parse().map_err(|_| QueryError::Value { name, value: value.to_owned(), expected })
    }
}

/// Why an export ends early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The log.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The reader of the export has gone, or its disk is full.
    #[error("the export cannot be written")]
    Write(#[from] io::Error),
}

impl Reader {
    /// Writes every record that the query asks for, in constant memory. Answers how many there were.
    pub fn export(&self, query: &Query, export: Export, out: &mut dyn Write) -> Result<u64, ExportError> {
        let limit = query.limit.map_or(u64::MAX, |limit| limit as u64);
        let mut query = query.clone();
        query.cursor = export.after_seq.or(query.cursor);
        let mut writer = RecordWriter::new(export, out)?;
        if export.after_seq.is_some_and(|after| after > self.last_seq()) {
            // No export has seen such a record, so none goes on after it: backwards that would be all of the log once more.
            writer.finish()?;
            return Ok(0);
        }
        let (mut count, mut failed) = (0, None);
        self.for_each(&query, |record| {
            if let Err(error) = writer.write(record) {
                failed = Some(error);
                return ControlFlow::Break(());
            }
            count += 1;
            if count < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        failed.map_or(Ok(()), Err)?;
        writer.finish()?;
        Ok(count)
    }

    /// One page as JSON: `{"items":[...],"next_cursor":"..."}`. There is no `next_cursor` when nothing follows.
    pub fn page(&self, query: &Query) -> Result<Vec<u8>, ReadError> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        let (mut page, mut count, mut last, mut more) = (b"{\"items\":[".to_vec(), 0, 0, false);
        self.for_each(query, |record| {
            // One beyond the page tells that there is another page.
            if count == limit {
                more = true;
                return ControlFlow::Break(());
            }
            if count > 0 {
                page.push(b',');
            }
            write_json(record, &mut page);
            (count, last) = (count + 1, record.seq);
            ControlFlow::Continue(())
        })?;
        page.push(b']');
        if more {
            page.extend_from_slice(format!(",\"next_cursor\":\"{last}\"").as_bytes());
        }
        page.push(b'}');
        Ok(page)
    }
}

/// Writes records in one of the forms.
enum RecordWriter<'w> {
    Ndjson { out: &'w mut dyn Write, line: Vec<u8> },
    Csv { out: Box<csv::Writer<&'w mut dyn Write>>, cell: String },
}

impl<'w> RecordWriter<'w> {
    fn new(export: Export, out: &'w mut dyn Write) -> io::Result<Self> {
        Ok(match export.format {
            Format::Ndjson => Self::Ndjson { out, line: Vec::new() },
            Format::Csv => {
                let mut out = Box::new(csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out));
                if export.after_seq.is_none() {
                    out.write_record(fields::NAMES)?;
                }
                Self::Csv { out, cell: String::new() }
            }
        })
    }

    fn write(&mut self, record: &Record<'_>) -> io::Result<()> {
        match self {
            Self::Ndjson { out, line } => {
                line.clear();
                write_json(record, line);
                line.push(b'\n');
                out.write_all(line)
            }
            Self::Csv { out, cell } => {
                each_field(record, |_, value| {
                    cell.clear();
                    value.write_cell(cell);
                    out.write_field(&cell)
                })?;
                Ok(out.write_record(None::<&[u8]>)?)
            }
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Ndjson { out, .. } => out.flush(),
            Self::Csv { mut out, .. } => out.flush(),
        }
    }
}

/// A field's value, before it is written in one form or the other.
enum Value<'r> {
    /// A number or a word of ours: never a formula, never in need of an escape.
    Plain(Cow<'r, str>),
    Number(String),
    /// A number that is absent where it is 0.
    Rate(u32),
    Text(&'r str),
    List(super::List<'r>),
    Json(&'r str),
}

fn each_field<E>(record: &Record<'_>, mut take: impl FnMut(&'static str, Value<'_>) -> Result<(), E>) -> Result<(), E> {
    // Only decisions are measured.
    let duration = match record.duration_ns {
        0 if record.kind != Kind::Decision => Value::Text(""),
        nanoseconds => Value::Number(format!("{}.{:03}", nanoseconds / 1000, nanoseconds % 1000)),
    };
    let values: [Value<'_>; fields::COUNT] = [
        Value::Number(record.seq.to_string()),
        Value::Plain(record.time.to_string().into()),
        Value::Plain(record.kind.as_str().into()),
        Value::Plain(ulid::Ulid::from_bytes(record.id).to_string().into()),
        Value::Text(record.request_id),
        Value::Text(record.tenant),
        Value::Text(record.user),
        Value::List(record.roles),
        Value::Text(record.action),
        Value::Text(record.module),
        Value::Text(record.resource_type),
        Value::Text(record.resource_id),
        Value::Plain(record.decision.map_or("", Decision::as_str).into()),
        Value::Text(record.reason),
        Value::List(record.policies),
        Value::List(record.errors),
        Value::Text(record.revision),
        duration,
        Value::Plain(record.origin.as_str().into()),
        Value::Text(record.actor),
        Value::Json(record.before),
        Value::Json(record.after),
        Value::Json(record.context),
        Value::List(record.redacted),
        Value::Rate(record.kept_one_in),
        Value::Plain(record.trace_id.to_string().into()),
    ];
    fields::NAMES.into_iter().zip(values).try_for_each(|(name, value)| take(name, value))
}

/// Appends a record as a JSON object.
pub(crate) fn write_json(record: &Record<'_>, out: &mut Vec<u8>) {
    let mut before = b'{';
    let Ok(()) = each_field::<std::convert::Infallible>(record, |name, value| {
        out.push(before);
        before = b',';
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        value.write_json(out);
        Ok(())
    });
    out.push(b'}');
}

impl Value<'_> {
    fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Plain(text) => write_text(text, out),
            Self::Number(digits) => out.extend_from_slice(digits.as_bytes()),
            Self::Rate(0) => out.extend_from_slice(b"null"),
            Self::Rate(rate) => out.extend_from_slice(rate.to_string().as_bytes()),
            Self::Text(text) => write_text(text, out),
            Self::List(list) => {
                out.push(b'[');
                for (index, item) in list.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_string(item, out);
                }
                out.push(b']');
            }
            // What is no JSON (any more) must not break the object around it, nor a line of NDJSON.
            Self::Json(text) if text.contains(['\n', '\r']) || serde_json::from_str::<IgnoredAny>(text).is_err() => {
                write_text(text, out);
            }
            Self::Json(text) => out.extend_from_slice(text.as_bytes()),
        }
    }

    fn write_cell(&self, cell: &mut String) {
        match self {
            Self::Number(text) => return cell.push_str(text),
            Self::Rate(0) => return,
            Self::Rate(rate) => return cell.push_str(&rate.to_string()),
            Self::Plain(text) => return cell.push_str(text),
            Self::Text(text) | Self::Json(text) => cell.push_str(text),
            Self::List(list) => {
                for (index, item) in list.iter().enumerate() {
                    if index > 0 {
                        cell.push(' ');
                    }
                    cell.push_str(item);
                }
            }
        }
        if let Cow::Owned(defused) = defused(cell) {
            *cell = defused;
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    if text.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        write_string(text, out);
    }
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    // A text always has a JSON form, and a vector takes every byte.
    drop(serde_json::to_writer(out, text));
}
