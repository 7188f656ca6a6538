//! The model: what a query, a table and figures are, in the plainest way, sharing nothing with the product.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The fields of a record, in the order of the contract.
pub(super) const FIELDS: [&str; 26] = [
    "seq",
    "time",
    "kind",
    "id",
    "request_id",
    "tenant",
    "user",
    "roles",
    "action",
    "module",
    "resource_type",
    "resource_id",
    "decision",
    "reason",
    "policies",
    "errors",
    "revision",
    "duration_us",
    "source",
    "actor",
    "before",
    "after",
    "context",
    "redacted",
    "kept_one_in",
    "trace_id",
];

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub(super) texts: Vec<(&'static str, String)>,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) ascending: bool,
    /// Only records with a smaller number: what the test compares of what it gets, not part of the question.
    pub(super) before: Option<u64>,
}

impl Filter {
    pub(super) fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut all = self.texts.clone();
        all.extend(self.from.clone().map(|from| ("from", from)));
        all.extend(self.to.clone().map(|to| ("to", to)));
        all.push(("order", if self.ascending { "asc" } else { "desc" }.to_owned()));
        all
    }

    /// As the rest of an address.
    pub(super) fn address(&self) -> String {
        let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        self.parameters().iter().map(|(name, value)| format!("&{name}={}", encode(value))).collect()
    }

    /// As flags of the command line.
    pub(super) fn flags(&self) -> Vec<String> {
        self.parameters().iter().map(|(name, value)| format!("--{}={value}", name.replace('_', "-"))).collect()
    }

    fn keeps(&self, record: &Value) -> bool {
        let time = record["time"].as_str().expect("a time");
        self.texts.iter().all(|(name, wanted)| match *name {
            "policy" => record["policies"].as_array().expect("a list").iter().any(|policy| policy == wanted),
            name => record[name] == **wanted,
        })
        // All times are written alike, so their texts are in their order.
        && self.from.as_deref().is_none_or(|from| time >= from)
        && self.to.as_deref().is_none_or(|to| time < to)
    }
}

pub(super) fn expected(records: &[Value], filter: &Filter) -> Vec<Value> {
    let mut found: Vec<Value> = records.iter().filter(|record| filter.keeps(record)).cloned().collect();
    if !filter.ascending {
        found.reverse();
    }
    found
}

pub(super) fn ndjson(records: &[Value]) -> String {
    // The objects of the model know no order of their members.
    records.iter().map(|record| format!("{{{}}}\n", members(record).join(","))).collect()
}

fn members(record: &Value) -> Vec<String> {
    FIELDS
        .iter()
        .map(|name| {
            let value = match (*name, &record[*name]) {
                ("duration_us", value) if !value.is_null() => micros(value),
                (_, value) => value.to_string(),
            };
            format!("\"{name}\":{value}")
        })
        .collect()
}

fn micros(value: &Value) -> String {
    format!("{:.3}", value.as_f64().expect("a number"))
}

/// What a cell says, before a spreadsheet is thought of.
pub(super) fn cells(record: &Value) -> Vec<String> {
    FIELDS
        .iter()
        .map(|name| match (*name, &record[*name]) {
            (_, Value::Null) => String::new(),
            ("duration_us", value) => micros(value),
            ("before" | "after" | "context", value) => value.to_string(),
            (_, Value::Array(items)) => {
                items.iter().map(|item| item.as_str().expect("a text")).collect::<Vec<_>>().join(" ")
            }
            (_, Value::String(text)) => text.clone(),
            (_, other) => other.to_string(),
        })
        .collect()
}

/// RFC 4180, with an apostrophe in front of what might be a formula and of what has one.
pub(super) fn csv(records: &[Value], head: bool) -> String {
    let line = |cells: Vec<String>| {
        let quoted = cells.into_iter().map(|cell| {
            if cell.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
        });
        quoted.collect::<Vec<_>>().join(",") + "\r\n"
    };
    let defused = |cell: String| if cell.starts_with(FORMULAS) { format!("'{cell}") } else { cell };
    let head = head.then(|| line(FIELDS.map(str::to_owned).to_vec()));
    let lines = records.iter().map(|record| line(cells(record).into_iter().map(defused).collect()));
    head.into_iter().chain(lines).collect()
}

const FORMULAS: [char; 12] = ['=', '+', '-', '@', '\t', '\r', '\n', '\'', '＝', '＋', '－', '＠'];

/// The cells of a table as somebody else reads it, without the apostrophes.
pub(super) fn undo_csv(table: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    assert_eq!(reader.headers().expect("a head").iter().collect::<Vec<_>>(), FIELDS);
    let undo = |cell: &str| cell.strip_prefix('\'').unwrap_or(cell).to_owned();
    reader.records().map(|record| record.expect("a line").iter().map(undo).collect()).collect()
}

/// The figures of these records, as far as they follow from them.
pub(super) fn figures(records: &[Value]) -> Value {
    let denied: Vec<&Value> = records.iter().filter(|record| record["decision"] == "deny").collect();
    let all: Vec<&Value> = records.iter().collect();
    let edge = |record: Option<&&Value>| record.map(|record| json!({ "seq": record["seq"], "time": record["time"] }));
    let mut by_seq = all.clone();
    by_seq.sort_by_key(|record| record["seq"].as_u64());
    let count =
        |name: &str, word: &str| json!({ "name": word, "count": all.iter().filter(|r| r[name] == word).count() });
    let kinds = ["decision", "activity", "directory", "session", "policy", "system"].map(|kind| count("kind", kind));
    let decisions = ["allow", "deny"].map(|decision| count("decision", decision));
    json!({
        "records": records.len(),
        "stands_for": records.len(),
        "first": edge(by_seq.first()),
        "last": edge(by_seq.last()),
        "kinds": kinds,
        "decisions": decisions,
        "users": top(&all, "user"),
        "modules": top(&all, "module"),
        "denials": { "users": top(&denied, "user"), "modules": top(&denied, "module"), "reasons": top(&denied, "reason") },
        "counts_low_by": 0,
    })
}

fn top(records: &[&Value], name: &str) -> Vec<Value> {
    let mut counts = BTreeMap::new();
    for text in records.iter().filter_map(|record| record[name].as_str()) {
        *counts.entry(text).or_insert(0_u64) += 1;
    }
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.into_iter().take(10).map(|(name, count)| json!({ "name": name, "count": count })).collect()
}
