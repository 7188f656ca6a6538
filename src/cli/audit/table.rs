//! A page of records as people read it.

use super::AuditError;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use std::{
    collections::BTreeMap,
    io::{self, Write},
};

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

type Record<'p> = BTreeMap<String, &'p RawValue>;

/// A page. Of its records only what is shown is read: one value that nobody can read must not hide all others.
#[derive(Deserialize)]
struct Page<'p> {
    #[serde(borrow, default)]
    items: Vec<Record<'p>>,
    next_cursor: Option<String>,
}

/// Prints a page; says how to go on where there is more. `false` where there is nothing on it.
pub(super) fn print(page: &[u8], out: &mut dyn Write, say: &mut dyn FnMut(&str)) -> Result<bool, AuditError> {
    let Page { items: records, next_cursor } = serde_json::from_slice(page).map_err(AuditError::Answer)?;
    if records.is_empty() {
        say("no records");
        return Ok(false);
    }
    let heading = COLUMNS.map(|(heading, _)| heading.to_owned());
    let rows: Vec<[String; 8]> = std::iter::once(heading).chain(records.iter().map(row)).collect();
    aligned(&rows, out)?;
    if let Some(cursor) = next_cursor {
        say(&format!("there are more; go on with `--cursor {}`", shown(&cursor)));
    }
    Ok(true)
}

/// Whether the first record of a page says that this field of it was hashed.
pub(super) fn is_hashed(page: &[u8], field: &str) -> bool {
    let Ok(Page { items, .. }) = serde_json::from_slice(page) else { return false };
    let redacted = items.first().and_then(|record| record.get("redacted"));
    let places: Vec<String> = redacted.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    places.contains(&format!("/{field}:hash"))
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

fn row(record: &Record<'_>) -> [String; 8] {
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

fn text(record: &Record<'_>, field: &str) -> String {
    let Some(raw) = record.get(field) else { return String::new() };
    match serde_json::from_str(raw.get()) {
        Ok(Value::Null) => String::new(),
        Ok(Value::String(text)) => shown(&text),
        Ok(_) | Err(_) => shown(raw.get()),
    }
}

/// A text as a terminal may get it: whoever chose a user's or a resource's name must not move the cursor.
pub(super) fn shown(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_nobody_can_read_hides_no_record() {
        let page =
            br#"{"items":[{"seq":1,"user":"sam","before":"\ud800","after":{"n":1e400}},{"seq":2,"user":"\ud800"}]}"#;
        let mut out = Vec::new();
        assert!(print(page, &mut out, &mut |_| ()).unwrap());
        let out = String::from_utf8(out).unwrap();
        let lines: Vec<Vec<&str>> = out.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines, [["1", "sam"], ["2", r#""\ud800""#]]);
    }
}
