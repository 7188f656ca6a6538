//! A page of records as people read it.

use super::AuditError;
use serde_json::Value;
use std::io::{self, Write};

/// What is shown, and under which heading. The rest of a record is in `--output json`.
const COLUMNS: [(&str, &str); 8] = [
    ("SEQ", "seq"),
    ("TIME", "time"),
    ("WHAT", "decision"),
    ("USER", "user"),
    ("ACTION", "action"),
    ("RESOURCE", "resource_type"),
    ("TENANT", "tenant"),
    ("REASON", "reason"),
];

/// Prints a page; says how to go on where there is more. `false` where there is nothing on it.
pub(super) fn print(page: &[u8], out: &mut dyn Write, say: &mut dyn FnMut(&str)) -> Result<bool, AuditError> {
    let page: Value = serde_json::from_slice(page).map_err(AuditError::Answer)?;
    let records = page.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if records.is_empty() {
        say("no records");
        return Ok(false);
    }
    let heading = COLUMNS.map(|(heading, _)| heading.to_owned());
    let rows: Vec<[String; 8]> = std::iter::once(heading).chain(records.iter().map(row)).collect();
    aligned(&rows, out)?;
    if let Some(cursor) = page.get("next_cursor").and_then(Value::as_str) {
        say(&format!("there are more; go on with `--cursor {}`", shown(cursor)));
    }
    Ok(true)
}

/// Whether the first record of a page says that this field of it was hashed.
pub(super) fn is_hashed(page: &[u8], field: &str) -> bool {
    let page: Value = serde_json::from_slice(page).unwrap_or_default();
    let redacted = page.pointer("/items/0/redacted").and_then(Value::as_array);
    redacted.is_some_and(|places| places.iter().any(|place| place.as_str() == Some(&format!("/{field}:hash"))))
}

/// Prints rows with their cells one below the other.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]], out: &mut dyn Write) -> io::Result<()> {
    let mut widths = [0; N];
    for row in rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = cell.chars().count().max(*width));
    }
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width + 2 - cell.chars().count()));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn row(record: &Value) -> [String; 8] {
    COLUMNS.map(|(_, field)| {
        let cell = text(record, field);
        match field {
            // What is no decision says what it is.
            "decision" if cell.is_empty() => text(record, "kind"),
            "resource_type" => match text(record, "resource_id") {
                id if id.is_empty() => cell,
                id => format!("{cell}:{id}"),
            },
            _ => cell,
        }
    })
}

fn text(record: &Value, field: &str) -> String {
    match record.get(field) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => shown(text),
        Some(other) => other.to_string(),
    }
}

/// A text as a terminal may get it: whoever chose a user's or a resource's name must not move the cursor.
pub(super) fn shown(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}
