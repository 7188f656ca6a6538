//! Users into a file, one after the other.

use super::{COLUMNS, Form, STRUCTURED};
use crate::document::{defused, yaml};
use serde_json::Value;
use std::io::{self, Write};

/// Writes users in one of the forms.
pub(super) enum UserWriter<'w> {
    /// A user a line.
    Json { out: &'w mut dyn Write, any: bool },
    /// A list.
    Yaml { out: &'w mut dyn Write, any: bool },
    /// A table.
    Csv(Box<csv::Writer<&'w mut dyn Write>>),
}

impl<'w> UserWriter<'w> {
    pub(super) fn new(form: Form, out: &'w mut dyn Write) -> io::Result<Self> {
        Ok(match form {
            Form::Json => {
                out.write_all(b"{\"users\":[")?;
                Self::Json { out, any: false }
            }
            Form::Yaml => Self::Yaml { out, any: false },
            Form::Csv => {
                let mut out = csv::WriterBuilder::new()
                    .quote_style(csv::QuoteStyle::Always)
                    .terminator(csv::Terminator::CRLF)
                    .from_writer(out);
                out.write_record(COLUMNS)?;
                Self::Csv(Box::new(out))
            }
        })
    }

    pub(super) fn write(&mut self, user: &Value) -> io::Result<()> {
        match self {
            Self::Json { out, any } => {
                out.write_all(if *any { b",\n" } else { b"\n" })?;
                *any = true;
                Ok(serde_json::to_writer(out, user)?)
            }
            Self::Yaml { out, any } => {
                if !*any {
                    out.write_all(b"users:\n")?;
                }
                *any = true;
                out.write_all(yaml::item(user)?.as_bytes())
            }
            Self::Csv(out) => {
                for column in COLUMNS {
                    let cell = match user.get(column) {
                        None => String::new(),
                        Some(value) if STRUCTURED.contains(&column) => value.to_string(),
                        Some(Value::String(text)) => defused(text).into_owned(),
                        Some(other) => other.to_string(),
                    };
                    out.write_field(cell)?;
                }
                Ok(out.write_record(None::<&[u8]>)?)
            }
        }
    }

    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Json { out, .. } => {
                out.write_all(b"\n]}\n")?;
                out.flush()
            }
            Self::Yaml { out, any } => {
                if !any {
                    out.write_all(b"users: []\n")?;
                }
                out.flush()
            }
            Self::Csv(mut out) => out.flush(),
        }
    }
}
