//! The reference of metrics, made from the table.

use super::table::{Kind, Metric, TABLE};

/// `docs/reference/metrics.md`.
#[must_use]
pub fn reference() -> String {
    let head = "# Metrics\n\n<!-- generated from the table in src/telemetry/table.rs; `make reference` writes it anew -->\n\n\
                Served by the ops listener under `/metrics` in the Prometheus text format.\n\
                All are in base units, and every series whose labels are known is there from the start at zero.\n\
                No label carries the id of a user or of a resource.\n\
                Beside these there are the usual `process_*`.\n";
    std::iter::once(head.to_owned()).chain(TABLE.iter().map(|metric| entry(metric))).collect()
}

fn entry(metric: &Metric) -> String {
    let mut parts = vec![format!("\n## `{}`\n\n{} ({}).\n", metric.name, metric.help, metric.kind.as_str())];
    if !metric.labels.is_empty() {
        parts.push("\n| label | values |\n| --- | --- |\n".to_owned());
        parts.extend(metric.labels.iter().map(|(label, values)| format!("| `{label}` | {values} |\n")));
    }
    if let Kind::Histogram(buckets) = metric.kind {
        let bounds: Vec<String> = buckets.iter().map(ToString::to_string).collect();
        parts.push(format!("\nBuckets: {}.\n", bounds.join(", ")));
    }
    parts.concat()
}
