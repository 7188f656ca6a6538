//! What a running instance says of itself through its ops listener.

use crate::{
    cli::remote::{Remote, RemoteError},
    model::Timestamp,
};
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;

/// The answers of an instance.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    /// Where it was asked.
    pub(super) address: String,
    /// `/status`
    pub(super) status: Value,
    /// `/readyz`
    pub(super) readiness: Value,
    /// Its clock, to the second.
    pub(super) clock: Option<Timestamp>,
    metrics: String,
}

impl Instance {
    /// Asks for everything.
    pub(super) fn ask(ops: &Remote) -> Result<Self, RemoteError> {
        let status = ops.look("/status", &[])?;
        let json = |body: &[u8]| serde_json::from_slice(body).unwrap_or_default();
        let answer: Value = json(&status.body);
        if answer["policies"].is_null() {
            return Err(RemoteError::Stranger { address: ops.authority() });
        }
        Ok(Self {
            address: ops.authority(),
            clock: status.date.as_deref().and_then(http_date),
            status: answer,
            readiness: json(&ops.look("/readyz", &[])?.body),
            metrics: String::from_utf8_lossy(&ops.look("/metrics", &[])?.body).into_owned(),
        })
    }

    /// The sum of a metric's series whose labels contain a text; `None` where there is none.
    pub(super) fn metric(&self, name: &str, label: &str) -> Option<f64> {
        let series = self.metrics.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let fits = rest.starts_with(['{', ' ']) && rest.contains(label);
            rest.rsplit(' ').next().filter(|_| fits)?.parse::<f64>().ok()
        });
        series.fold(None, |sum: Option<f64>, value| Some(sum.unwrap_or_default() + value))
    }

    /// A counter, or nothing where it is at zero.
    pub(super) fn counted(&self, name: &str, label: &str) -> Option<f64> {
        self.metric(name, label).filter(|count| *count > 0.0)
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn http_date(text: &str) -> Option<Timestamp> {
    let time = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp::from_micros(time.as_microsecond()))
}

/// The texts under a key of each entry of a list, such as the messages of reasons.
pub(super) fn texts<'v>(list: &'v Value, key: &str) -> Vec<&'v str> {
    list.as_array().into_iter().flatten().filter_map(|entry| entry[key].as_str()).collect()
}

/// The first diagnostics of a list as lines, and how many there are beyond.
pub(super) fn diagnostics(list: &Value) -> String {
    const MOST: usize = 3;
    let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let line = |item: &Value| {
        let text = |key: &str| item[key].as_str().unwrap_or_default();
        let place = match (item["line"].as_u64(), item["column"].as_u64()) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", text("file")),
            _ => text("file").to_owned(),
        };
        let help = item["help"].as_str().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{place}: {}{help}", text("message"))
    };
    let mut lines: Vec<String> = all.iter().take(MOST).map(line).collect();
    if let Some(more) = all.len().checked_sub(MOST).filter(|more| *more > 0) {
        lines.push(format!("{more} more"));
    }
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_summed_by_name_and_label() {
        let metrics = "# HELP a_total A\na_total{outcome=\"x\"} 2\na_total{outcome=\"y\"} 3\na_total_more 9\nb 1.5\n";
        let instance = Instance {
            address: String::new(),
            status: Value::Null,
            readiness: Value::Null,
            clock: None,
            metrics: metrics.to_owned(),
        };
        for (name, label, want) in [
            ("a_total", "", Some(5.0)),
            ("a_total", "outcome=\"y\"", Some(3.0)),
            ("b", "", Some(1.5)),
            ("c", "", None),
            ("a_total", "outcome=\"z\"", None),
        ] {
            assert_eq!(instance.metric(name, label), want, "{name} {label}");
        }
    }

    #[test]
    fn the_date_of_an_answer_is_read() {
        let time = http_date("Fri, 15 Jan 2027 08:00:00 GMT");
        assert_eq!(time, Some(Timestamp::from_micros(1_800_000_000_000_000)));
        assert_eq!(http_date("yesterday"), None);
    }
}
