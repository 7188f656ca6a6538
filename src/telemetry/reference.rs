//! The reference of metrics, made from the table.

use super::table::{Kind, Metric, TABLE};
use std::fmt::Write as _;

/// `docs/reference/metrics.md`.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "# Metrics\n\n<!-- generated from the table in src/telemetry/table.rs; `make reference` writes it anew -->\n\n\
         Served by the ops listener under `/metrics` in the Prometheus text format.\n\
         All are in base units, and every series whose labels are known is there from the start at zero.\n\
         No label carries the id of a user or of a resource.\n\
         Beside these there are the usual `process_*`.\n",
    );
    for metric in TABLE {
        // Writing into a string cannot fail.
        drop(entry(&mut text, metric));
    }
    text
}

fn entry(text: &mut String, metric: &Metric) -> std::fmt::Result {
    writeln!(text, "\n## `{}`\n\n{} ({}).", metric.name, metric.help, metric.kind.as_str())?;
    if !metric.labels.is_empty() {
        writeln!(text, "\n| label | values |\n| --- | --- |")?;
        for (label, values) in metric.labels {
            writeln!(text, "| `{label}` | {values} |")?;
        }
    }
    if let Kind::Histogram(buckets) = metric.kind {
        let bounds: Vec<String> = buckets.iter().map(ToString::to_string).collect();
        writeln!(text, "\nBuckets: {}.", bounds.join(", "))?;
    }
    Ok(())
}
