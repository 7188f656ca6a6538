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
            // The last column, which may be as long as it must.
            "reason" => match detail(record) {
                more if more.is_empty() => cell,
                more => format!("{cell}: {more}"),
            },
            _ => cell,
        }
    })
}

/// Who has changed what, of a change of policies or settings, and the first thing that is wrong with it.
fn detail(record: &Record<'_>) -> String {
    let kind = text(record, "kind");
    if kind != "policy" && kind != "system" {
        return String::new();
    }
    let read = |field: &str| record.get(field).and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let after = read("after").unwrap_or_default();
    let word = |key: &str| after.get(key).and_then(Value::as_str).map(shown);
    let keys = |key: &str| {
        let all = after.get(key).and_then(Value::as_array).into_iter().flatten();
        let all: Vec<_> = all.filter_map(Value::as_str).map(shown).collect();
        Some(all.join(", ")).filter(|all| !all.is_empty())
    };
    let revision = word("revision").or_else(|| Some(text(record, "revision")).filter(|text| !text.is_empty()));
    let errors = read("errors").unwrap_or_default();
    let first =
        errors.get(0).and_then(Value::as_str).map(shown).map(|first| match errors.as_array().map_or(0, Vec::len) {
            0 | 1 => first,
            all => format!("{first} (and {} more)", all - 1),
        });
    let parts = [
        word("version").map(|version| format!("version {version}")),
        keys("applied"),
        keys("waiting").map(|keys| format!("{keys} at the next start")),
        revision.map(|revision| format!("revision {revision}")),
        word("commit").map(|commit| format!("commit {}", commit.get(..12).unwrap_or(&commit))),
        word("author").map(|author| format!("by {author}")),
        first,
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
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

    /// The word of the outcome alone says nothing to whoever looks for a change.
    #[test]
    fn changes_of_policies_and_settings_say_what_was_changed_by_whom_and_what_is_wrong() {
        let page = br#"{"items":[
            {"seq":4,"kind":"policy","reason":"swapped","revision":"3f9c01d2a7b4","after":
                {"revision":"3f9c01d2a7b4","commit":"0123456789abcdef0123456789abcdef01234567","author":"Jane <j@x>"}},
            {"seq":3,"kind":"policy","reason":"rejected_validation","revision":"3f9c01d2a7b4","errors":["a.yaml:1:2: bad","b"],
                "after":{"revision":"77aa","commit":null}},
            {"seq":2,"kind":"system","reason":"config_applied","after":{"applied":["audit.hold"],"waiting":["server.x"]}},
            {"seq":1,"kind":"system","reason":"started","after":{"version":"1.2.3","pid":7}},
            {"seq":0,"kind":"decision","decision":"allow","reason":"granted","revision":"3f9c01d2a7b4"}]}"#;
        let mut out = Vec::new();
        assert!(print(page, &mut out, &mut |_| ()).unwrap());
        let out = String::from_utf8(out).unwrap();
        let reasons: Vec<&str> = out.lines().skip(1).map(|line| line.rsplit("  ").next().unwrap()).collect();
        assert_eq!(
            reasons,
            [
                "swapped: revision 3f9c01d2a7b4, commit 0123456789ab, by Jane <j@x>",
                "rejected_validation: revision 77aa, a.yaml:1:2: bad (and 1 more)",
                "config_applied: audit.hold, server.x at the next start",
                "started: version 1.2.3",
                "granted",
            ]
        );
    }

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
