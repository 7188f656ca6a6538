//! The selectors of an expression of Prometheus: which metrics, with which labels.

/// A metric and the matchers in its braces.
#[derive(Debug, PartialEq, Eq)]
pub struct Selector {
    pub metric: String,
    /// Each label with what it is compared with, whichever way.
    pub labels: Vec<(String, String)>,
}

/// Every selector of a metric of ours, of the process or of a recorded series.
pub fn selectors(expression: &str) -> Vec<Selector> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(begin) = rest.find(is_part) {
        rest = &rest[begin..];
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        if ["sidegate_", "sidegate:", "process_"].iter().any(|ours| word.starts_with(ours)) {
            let mut labels = Vec::new();
            if let Some(inside) = rest.strip_prefix('{') {
                let (matchers, after) = matchers(inside);
                (labels, rest) = (matchers, after);
            }
            found.push(Selector { metric: word.to_owned(), labels });
        } else if let Some(quoted) = rest.strip_prefix('"') {
            // A label outside of ours: its value is no selector.
            rest = quoted.split_once('"').map_or("", |(_, after)| after);
        }
    }
    found
}

/// The matchers up to the closing brace, and what follows it.
fn matchers(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',', '\n']);
        if let Some(after) = rest.strip_prefix('}') {
            return (found, after);
        }
        let (label, after) = rest.split_once('"').expect("a quoted value");
        let (value, after) = after.split_once('"').expect("the end of a value");
        found.push((label.trim_end_matches(['=', '!', '~', ' ']).to_owned(), value.to_owned()));
        rest = after;
    }
}

#[test]
fn metrics_and_matchers_are_found() {
    let expression = r#"sum by (job) (rate(sidegate_x_total{a="1", b=~"2|3"}[5m])) / on (instance) sidegate:y:rate > 0.5 * process_z"#;
    let selector = |metric: &str, labels: &[(&str, &str)]| Selector {
        metric: metric.to_owned(),
        labels: labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect(),
    };
    let wanted = [
        selector("sidegate_x_total", &[("a", "1"), ("b", "2|3")]),
        selector("sidegate:y:rate", &[]),
        selector("process_z", &[]),
    ];
    assert_eq!(selectors(expression), wanted);
}
