//! `OTEL_*`: where spans go, by the variables that OpenTelemetry has for it.
//!
//! Without one that asks for it nothing is exported. A value that cannot be honoured is a problem like any other of the settings, since
//! whoever sets it would wait in vain for what it says; values may hold secrets, so those of headers are not repeated.

mod parts;
#[cfg(test)]
mod tests;

use super::{Secret, WebAddress};
use crate::document::{self, Diagnostic, Diagnostics, Text};
use std::{path::PathBuf, time::Duration};

/// What the names of all these variables begin with.
pub(super) const PREFIX: &str = "OTEL_";

/// Every variable that counts here, with its default and its meaning.
pub const VARIABLES: &[[&str; 3]] = &[
    ["OTEL_SDK_DISABLED", "`false`", "`true`: no spans, whatever the others say"],
    ["OTEL_TRACES_EXPORTER", "`otlp` where there is an endpoint, else `none`", "`otlp` or `none`"],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "`http://localhost:4318`", "The collector; `/v1/traces` is added to its path"],
    [
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "",
        "The whole address that spans are posted to; counts before the one above",
    ],
    ["OTEL_EXPORTER_OTLP_PROTOCOL", "`http/protobuf`", "`http/protobuf`; others are not spoken"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "", "Headers of each post, such as `authorization=Bearer%20abc,x-team=shop`"],
    ["OTEL_EXPORTER_OTLP_TIMEOUT", "`10000`", "Milliseconds that one batch may take, all attempts together"],
    ["OTEL_EXPORTER_OTLP_COMPRESSION", "`none`", "`none`; `gzip` is not spoken"],
    [
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "those that the system trusts",
        "Certificates in PEM that the collector's may rest on, and no others",
    ],
    ["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "", "The certificate to show, in PEM"],
    ["OTEL_EXPORTER_OTLP_CLIENT_KEY", "", "Its private key in PEM, in a file that others can neither read nor change"],
    ["OTEL_SERVICE_NAME", "`sidegate`", "The service that spans are of"],
    [
        "OTEL_RESOURCE_ATTRIBUTES",
        "",
        "More about it, such as `service.namespace=shop,deployment.environment.name=staging`",
    ],
    [
        "OTEL_TRACES_SAMPLER",
        "`parentbased_always_on`",
        "Which requests have a span: `always_on`, `always_off`, `traceidratio`, or one of them with `parentbased_` in front, which \
         lets the caller's `traceparent` say so where there is one",
    ],
    ["OTEL_TRACES_SAMPLER_ARG", "`1.0`", "The ratio of `traceidratio`, from 0 to 1"],
    [
        "OTEL_PROPAGATORS",
        "`tracecontext,baggage`",
        "`tracecontext`, alone or with `baggage`, which nothing here reads or sends on",
    ],
    ["OTEL_BSP_SCHEDULE_DELAY", "`5000`", "Milliseconds that a span waits for others at the most"],
    [
        "OTEL_BSP_EXPORT_TIMEOUT",
        "`30000`",
        "Milliseconds that one batch may take; the shorter of this and `OTEL_EXPORTER_OTLP_TIMEOUT` counts",
    ],
    ["OTEL_BSP_MAX_QUEUE_SIZE", "`2048`", "Spans that wait at the most; more are dropped and counted"],
    ["OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "`512`", "Spans of one post at the most"],
];

/// Variables of `OTEL_EXPORTER_OTLP_` that have a form of their own for traces: `OTEL_EXPORTER_OTLP_TRACES_HEADERS`.
const OF_TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_";

/// Where spans go, and which.
#[derive(Debug, Clone)]
pub struct SpanExport {
    /// Where they are posted.
    pub endpoint: WebAddress,
    /// Headers of each post.
    pub headers: Vec<(String, Secret)>,
    /// Certificates that the collector's may rest on; those that the system trusts without it.
    pub ca: Option<PathBuf>,
    /// The certificate to show and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// How long one batch may take, all attempts together.
    pub timeout: Duration,
    /// Which requests have a span.
    pub sampler: Sampler,
    /// What the spans are of: names and values, the service's name among them.
    pub resource: Vec<(String, String)>,
    /// How they are put together.
    pub batching: Batching,
}

/// Which traces are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// Whether the caller's word counts where there is one.
    pub heeds_parent: bool,
    /// The part of the others, from 0 to 1.
    pub ratio: f64,
}

/// How spans are put into batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// How long a span waits for others at the most.
    pub delay: Duration,
    /// Spans that wait at the most.
    pub queue: usize,
    /// Spans of one batch at the most.
    pub size: usize,
}

/// The variables as they were given, and what is wrong with them.
struct Variables<'v> {
    given: &'v [(String, String)],
    problems: &'v mut Diagnostics,
}

/// Reads the variables; `None` where no spans are wanted.
pub(super) fn read(given: &[(String, String)], problems: &mut Diagnostics) -> Option<SpanExport> {
    let mut variables = Variables { given, problems };
    variables.propagators();
    let disabled = variables.choice("OTEL_SDK_DISABLED", &[("true", true), ("false", false)]).unwrap_or(false);
    let wanted = variables.choice("OTEL_TRACES_EXPORTER", &[("otlp", true), ("none", false)]);
    let has_endpoint = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"]
        .iter()
        .any(|name| variables.find(name).is_some());
    if disabled || !wanted.unwrap_or(has_endpoint) {
        return None;
    }
    variables.export()
}

impl<'v> Variables<'v> {
    /// A variable's value. An empty one is as good as none.
    fn find(&self, name: &str) -> Option<&'v str> {
        let given: &'v [(String, String)] = self.given;
        given.iter().find(|(known, value)| known == name && !value.trim().is_empty()).map(|(_, value)| value.trim())
    }

    /// A variable of the exporter: its form for traces counts before the one for everything.
    fn of_exporter(&self, name: &'static str) -> Option<(String, &'v str)> {
        let special = name.strip_prefix("OTEL_EXPORTER_OTLP_").map(|rest| format!("{OF_TRACES}{rest}"));
        let names = special.into_iter().chain([name.to_owned()]);
        names.into_iter().find_map(|name| self.find(&name).map(|value| (name.clone(), value)))
    }

    fn refuse(&mut self, name: &str, message: String, help: Option<String>) {
        self.problems.push(Diagnostic::whole("invalid-value", &Text::absent(name), message).with_help(help));
    }

    /// One of several words, in capital letters or not.
    fn choice<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let value = self.find(name)?;
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value));
        if found.is_none() {
            self.refuse_word(name, value, words.iter().map(|(word, _)| *word));
        }
        found.map(|(_, meaning)| *meaning)
    }

    fn refuse_word<'w>(&mut self, name: &str, value: &str, words: impl Iterator<Item = &'w str> + Clone) {
        let all: Vec<String> = words.clone().map(|word| format!("`{word}`")).collect();
        let help = document::nearest(value, words).map(|word| format!("did you mean `{word}`?"));
        self.refuse(name, format!("`{value}` cannot be honoured: `{name}` is {}", all.join(" or ")), help);
    }

    /// A count or a number of milliseconds, at least one.
    fn number(&mut self, name: &str, default: u64) -> u64 {
        let Some(value) = self.find(name) else { return default };
        let number = value.parse().ok().filter(|number| (1..=u64::from(u32::MAX)).contains(number));
        number.unwrap_or_else(|| {
            self.refuse(name, format!("`{value}` does not fit `{name}`: it is a whole number from 1"), None);
            default
        })
    }

    fn propagators(&mut self) {
        const NAME: &str = "OTEL_PROPAGATORS";
        let Some(value) = self.find(NAME) else { return };
        let words: Vec<&str> = value.split(',').map(str::trim).collect();
        if let Some(other) = words.iter().find(|word| !["tracecontext", "baggage"].contains(word)) {
            let help = "traces are told by `traceparent` alone: leave the variable out".to_owned();
            return self.refuse(NAME, format!("`{other}` cannot be honoured in `{NAME}`"), Some(help));
        }
        if !words.contains(&"tracecontext") {
            self.refuse(NAME, format!("`{NAME}` lacks `tracecontext`, which cannot be turned off"), None);
        }
    }
}
