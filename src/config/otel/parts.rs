//! The parts of an export, each from its variables.

use super::{Batching, Sampler, SpanExport, Variables};
use crate::config::{Secret, WebAddress};
use std::{path::PathBuf, time::Duration};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
const CLIENT_CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
const CLIENT_KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";

/// Where collectors take spans, below their address.
const PATH: &str = "v1/traces";

/// Headers that every post has already.
const OWN_HEADERS: [&str; 6] =
    ["content-type", "content-length", "host", "connection", "transfer-encoding", "user-agent"];

/// Samplers without `parentbased_`, each with the ratio that it stands for; `None`: that of the argument.
const SAMPLERS: [(&str, Option<f64>); 3] =
    [("always_on", Some(1.0)), ("always_off", Some(0.0)), ("traceidratio", None)];

impl Variables<'_> {
    pub(super) fn export(&mut self) -> Option<SpanExport> {
        self.spoken();
        let endpoint = self.endpoint();
        let headers = self.headers();
        let (ca, identity) = self.files(endpoint.as_ref());
        let timeout = match self.of_exporter("OTEL_EXPORTER_OTLP_TIMEOUT") {
            Some((name, _)) => self.number(&name, 10_000),
            None => 10_000,
        };
        let of_batch = self.number("OTEL_BSP_EXPORT_TIMEOUT", 30_000);
        let sampler = self.sampler();
        let resource = self.resource();
        let batching = self.batching();
        let timeout = Duration::from_millis(timeout.min(of_batch));
        Some(SpanExport { endpoint: endpoint?, headers, ca, identity, timeout, sampler, resource, batching })
    }

    /// What is spoken, where something else may be wanted.
    fn spoken(&mut self) {
        if let Some((name, value)) = self.of_exporter("OTEL_EXPORTER_OTLP_PROTOCOL")
            && value != "http/protobuf"
        {
            let help = "collectors take `http/protobuf` as well, by default on port 4318".to_owned();
            self.refuse(&name, format!("`{value}` cannot be honoured: `{name}` is `http/protobuf`"), Some(help));
        }
        if let Some((name, value)) = self.of_exporter("OTEL_EXPORTER_OTLP_COMPRESSION")
            && value != "none"
        {
            self.refuse(&name, format!("`{value}` cannot be honoured: `{name}` is `none`"), None);
        }
    }

    fn endpoint(&mut self) -> Option<WebAddress> {
        let given = self.of_exporter(ENDPOINT);
        let (name, value) = given.unwrap_or_else(|| (ENDPOINT.to_owned(), "http://localhost:4318"));
        let is_base = name == ENDPOINT;
        let text = if is_base { format!("{}/{PATH}", value.trim_end_matches('/')) } else { value.to_owned() };
        let address = WebAddress::parse(&text).filter(|_| !(is_base && value.contains('?')));
        if address.is_none() {
            // Not repeated: an address that does not fit may be one with a login.
            let message =
                format!("what is given does not fit `{name}`: it is an address such as `http://collector:4318`");
            self.refuse(&name, message, None);
        }
        address
    }

    /// `name=value,name=value`, the values encoded as in an address.
    fn headers(&mut self) -> Vec<(String, Secret)> {
        let Some((name, value)) = self.of_exporter("OTEL_EXPORTER_OTLP_HEADERS") else { return Vec::new() };
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let fits = |(name, value): &(String, String)| {
            name.bytes().all(is_token)
                && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
                && !OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str())
        };
        let Some(headers) = pairs(value).filter(|pairs| pairs.iter().all(fits)) else {
            let message = format!(
                "what is given does not fit `{name}`: it is a list such as `authorization=Bearer%20abc,x-team=shop`, \
                 without headers that every post has"
            );
            self.refuse(&name, message, None);
            return Vec::new();
        };
        headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), Secret::from(value))).collect()
    }

    /// Whom to trust, and who to be.
    fn files(&mut self, endpoint: Option<&WebAddress>) -> (Option<PathBuf>, Option<(PathBuf, PathBuf)>) {
        let [ca, certificate, key] = [CERTIFICATE, CLIENT_CERTIFICATE, CLIENT_KEY].map(|name| self.of_exporter(name));
        if endpoint.is_some_and(|endpoint| !endpoint.secure) {
            for (name, _) in [&ca, &certificate, &key].into_iter().flatten() {
                let message = format!("`{name}` has no effect, since the collector's address is not `https`");
                self.refuse(name, message, None);
            }
            return (None, None);
        }
        let path = |(_, value): (String, &str)| PathBuf::from(value);
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((path(certificate), path(key))),
            (None, None) => None,
            (Some((name, _)), None) => {
                self.refuse(&name, format!("`{name}` needs `{CLIENT_KEY}`"), None);
                None
            }
            (None, Some((name, _))) => {
                self.refuse(&name, format!("`{name}` needs `{CLIENT_CERTIFICATE}`"), None);
                None
            }
        };
        (ca.map(path), identity)
    }

    fn sampler(&mut self) -> Sampler {
        const NAME: &str = "OTEL_TRACES_SAMPLER";
        const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
        let value = self.find(NAME).unwrap_or("parentbased_always_on");
        let (heeds_parent, own) = value.strip_prefix("parentbased_").map_or((false, value), |own| (true, own));
        let Some((_, ratio)) = SAMPLERS.iter().find(|(name, _)| *name == own) else {
            let names = ["", "parentbased_"].map(|prefix| SAMPLERS.map(|(name, _)| format!("{prefix}{name}")));
            self.refuse_word(NAME, value, names.as_flattened().iter().map(String::as_str));
            return Sampler { heeds_parent: true, ratio: 0.0 };
        };
        if let Some(ratio) = *ratio {
            return Sampler { heeds_parent, ratio };
        }
        let argument = self.find(ARGUMENT).unwrap_or("1.0");
        let ratio = argument.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        if ratio.is_none() {
            let message = format!("`{argument}` does not fit `{ARGUMENT}`: it is a number from 0 to 1, such as `0.05`");
            self.refuse(ARGUMENT, message, None);
        }
        Sampler { heeds_parent, ratio: ratio.unwrap_or_default() }
    }

    fn resource(&mut self) -> Vec<(String, String)> {
        const NAME: &str = "OTEL_RESOURCE_ATTRIBUTES";
        const SERVICE: &str = "service.name";
        let mut attributes = match self.find(NAME).map(pairs) {
            None => Vec::new(),
            Some(Some(pairs)) => pairs,
            Some(None) => {
                let message = format!(
                    "what is given does not fit `{NAME}`: it is a list such as `service.namespace=shop,host.name=a1`"
                );
                self.refuse(NAME, message, None);
                Vec::new()
            }
        };
        if let Some(service) = self.find("OTEL_SERVICE_NAME") {
            attributes.retain(|(name, _)| name != SERVICE);
            attributes.push((SERVICE.to_owned(), service.to_owned()));
        }
        if attributes.iter().all(|(name, _)| name != SERVICE) {
            attributes.push((SERVICE.to_owned(), "sidegate".to_owned()));
        }
        attributes
    }

    fn batching(&mut self) -> Batching {
        const SIZE: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
        let delay = self.number("OTEL_BSP_SCHEDULE_DELAY", 5_000);
        let queue = self.number("OTEL_BSP_MAX_QUEUE_SIZE", 2_048);
        let size = self.number(SIZE, 512.min(queue));
        if size > queue {
            self.refuse(SIZE, format!("`{SIZE}` is at most `OTEL_BSP_MAX_QUEUE_SIZE`, {queue}"), None);
        }
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Batching { delay: Duration::from_millis(delay), queue: count(queue), size: count(size) }
    }
}

/// `name=value` between commas; values are encoded as in an address. `None` where it is something else.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=')?;
        let (name, value) = (decoded(name.trim())?, decoded(value.trim())?);
        if name.is_empty() || pairs.iter().any(|(known, _)| *known == name) {
            return None;
        }
        pairs.push((name, value));
    }
    Some(pairs)
}

/// A text without its `%20`.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
            let digits = str::from_utf8(digits).ok().filter(|_| is_hex)?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
