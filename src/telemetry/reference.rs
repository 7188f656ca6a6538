//! The reference of metrics, made from the table.

use super::table::{Kind, Metric, TABLE};

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
        entry(&mut text, metric);
    }
    text
}

fn entry(text: &mut String, metric: &Metric) {
    text.push_str(&format!("\n## `{}`\n\n{} ({}).\n", metric.name, metric.help, metric.kind.as_str()));
    if !metric.labels.is_empty() {
        text.push_str("\n| label | values |\n| --- | --- |\n");
        for (label, values) in metric.labels {
            text.push_str(&format!("| `{label}` | {values} |\n"));
        }
    }
    if let Kind::Histogram(buckets) = metric.kind {
        let bounds: Vec<String> = buckets.iter().map(ToString::to_string).collect();
        text.push_str(&format!("\nBuckets: {}.\n", bounds.join(", ")));
    }
}
