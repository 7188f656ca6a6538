//! Figures of the log as people read them.

use super::{
    AuditError,
    table::{aligned, shown},
};
use crate::audit::{Figures, Named};
use std::io::Write;

/// Prints the figures, the lists after what is one number.
pub(super) fn print(figures: &Figures, out: &mut dyn Write, say: &mut dyn FnMut(&str)) -> Result<(), AuditError> {
    let (Some(first), Some(last)) = (figures.first, figures.last) else {
        say("no records");
        return Ok(());
    };
    let mut rows = vec![
        ["records".to_owned(), figures.records.to_string()],
        ["size of the records".to_owned(), bytes(figures.record_bytes)],
        ["size of the log on disk".to_owned(), bytes(figures.store_bytes)],
        ["first".to_owned(), format!("{} ({})", first.time, first.seq)],
        ["last".to_owned(), format!("{} ({})", last.time, last.seq)],
        ["span".to_owned(), span(figures.span_seconds)],
    ];
    if figures.stands_for != figures.records {
        rows.insert(1, ["they stand for".to_owned(), format!("{} (sampled)", figures.stands_for)]);
    }
    rows.extend(figures.per_second.map(|rate| ["records a second".to_owned(), format!("{rate:.2}")]));
    aligned(&rows, out)?;
    let denials = &figures.denials;
    for (heading, names) in [
        ("KIND", &figures.kinds),
        ("DECISION", &figures.decisions),
        ("USER", &figures.users),
        ("MODULE", &figures.modules),
        ("DENIED USER", &denials.users),
        ("DENIED MODULE", &denials.modules),
        ("DENIED FOR", &denials.reasons),
    ] {
        list(heading, names, out)?;
    }
    if figures.counts_low_by > 0 {
        say(&format!(
            "there are more names than are counted exactly: a count may be too low by {}",
            figures.counts_low_by
        ));
    }
    Ok(())
}

fn list(heading: &str, names: &[Named], out: &mut dyn Write) -> Result<(), AuditError> {
    let rows = names.iter().filter(|named| named.count > 0).map(|named| [shown(&named.name), named.count.to_string()]);
    let rows: Vec<[String; 2]> = std::iter::once([heading.to_owned(), "RECORDS".to_owned()]).chain(rows).collect();
    if rows.len() > 1 {
        writeln!(out)?;
        aligned(&rows, out)?;
    }
    Ok(())
}

/// A size with three digits or so.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && size < 100.0);
    format!("{size:.digits$} {}", UNITS.get(unit).copied().unwrap_or_default())
}

fn span(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => format!("{:.1} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} d", s / 86_400.0),
    }
}
