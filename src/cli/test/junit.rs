//! Results as XML in the form of `JUnit`: a suite for each file, a case for each test.

use crate::policy::TestReport;
use std::fmt::Write as _;

/// The whole document.
pub(super) fn to_xml(name: &str, report: &TestReport) -> String {
    let (all, failed) = (report.results.len(), report.failures().count());
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _written = writeln!(out, "<testsuites name=\"{}\" tests=\"{all}\" failures=\"{failed}\">", escaped(name));
    for (file, results) in super::by_file(report) {
        let failed = results.iter().filter(|result| !result.passed).count();
        let file = escaped(file);
        let _written = writeln!(out, "  <testsuite name=\"{file}\" tests=\"{}\" failures=\"{failed}\">", results.len());
        for result in results {
            let test = &result.test;
            let _written = write!(
                out,
                "    <testcase classname=\"{file}\" name=\"{}\" file=\"{file}\" line=\"{}\"",
                escaped(&test.name),
                test.location.line
            );
            if result.passed {
                out.push_str("/>\n");
                continue;
            }
            let message = escaped(&format!("expected {}, got {}", result.expected, result.got));
            let place = escaped(&test.location.to_string());
            let _written = writeln!(out, ">\n      <failure message=\"{message}\">{place}</failure>\n    </testcase>");
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// A text for an attribute or an element. Characters that XML cannot say at all become `?`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' | '\r' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn whatever_a_name_holds_the_document_stays_well_formed() {
        assert_eq!(escaped("a<b & \"c\">\n\u{1}é"), "a&lt;b &amp; &quot;c&quot;&gt; ?é");
    }
}
