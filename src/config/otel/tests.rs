//! The variables: what they mean, and what cannot be honoured.

use super::*;
use crate::document::Diagnostics;

fn read(given: &[(&str, &str)]) -> (Option<SpanExport>, Vec<String>) {
    let given: Vec<(String, String)> =
        given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut problems = Diagnostics::default();
    let export = super::read(&given, &mut problems);
    let problems = problems.iter().map(|problem| format!("{}: {}", problem.path(), problem.message())).collect();
    (export, problems)
}

#[track_caller]
fn export(given: &[(&str, &str)]) -> SpanExport {
    let (export, problems) = read(given);
    assert!(problems.is_empty(), "{problems:?}");
    export.unwrap()
}

#[test]
fn nothing_is_exported_unless_a_variable_asks_for_it() {
    for given in [
        &[][..],
        &[("OTEL_SERVICE_NAME", "shop")],
        &[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")],
        &[("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318")],
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "  ")],
    ] {
        let (export, problems) = read(given);
        assert!(export.is_none() && problems.is_empty(), "{given:?} {problems:?}");
    }
}

#[test]
fn the_endpoint_is_a_base_or_the_whole_address() {
    for (given, address) in [
        (&[("OTEL_TRACES_EXPORTER", "otlp")][..], "http://localhost:4318/v1/traces"),
        (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:8443/otlp/")], "https://c:8443/otlp/v1/traces"),
        (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://[::1]:9/in?x=1")], "http://[::1]:9/in?x=1"),
        (
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:1"), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b:2")],
            "http://b:2/",
        ),
    ] {
        assert_eq!(export(given).endpoint.to_string(), address);
    }
}

#[test]
fn every_variable_counts_and_those_of_traces_before_the_others() {
    let given = export(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x=general"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "Authorization=Bearer%20a%2Cb, x-team=shop"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/me.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/me.key"),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ("OTEL_SERVICE_NAME", "gate"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,host.name=a%201"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "64"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "16"),
        ("OTEL_PROPAGATORS", "tracecontext, baggage"),
    ]);
    let headers: Vec<_> = given.headers.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
    assert_eq!(headers, [("authorization", "Bearer a,b"), ("x-team", "shop")]);
    assert_eq!(given.timeout, Duration::from_millis(2500));
    assert_eq!(given.ca, Some("/ca.pem".into()));
    assert_eq!(given.identity, Some(("/me.pem".into(), "/me.key".into())));
    assert_eq!(given.sampler, Sampler { heeds_parent: true, ratio: 0.25 });
    let resource: Vec<_> = given.resource.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(resource, [("host.name", "a 1"), ("service.name", "gate")]);
    assert_eq!(given.batching, Batching { delay: Duration::from_millis(100), queue: 64, size: 16 });

    let defaults = export(&[("OTEL_TRACES_EXPORTER", "otlp")]);
    assert_eq!(defaults.sampler, Sampler { heeds_parent: true, ratio: 1.0 });
    assert_eq!(defaults.timeout, Duration::from_secs(10));
    assert_eq!(defaults.batching, Batching { delay: Duration::from_secs(5), queue: 2048, size: 512 });
    assert_eq!(defaults.resource, [("service.name".to_owned(), "sidegate".to_owned())]);
}

#[test]
fn what_cannot_be_honoured_is_named_and_no_secret_is_repeated() {
    for (name, value, message) in [
        ("OTEL_SDK_DISABLED", "yes", "`yes` cannot be honoured: `OTEL_SDK_DISABLED` is `true` or `false`"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "`zipkin` cannot be honoured: `OTEL_TRACES_EXPORTER` is `otlp` or `none`"),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "grpc",
            "`grpc` cannot be honoured: `OTEL_EXPORTER_OTLP_PROTOCOL` is `http/protobuf`",
        ),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip", "is `none`"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318", "it is an address such as `http://collector:4318`"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://me:hush@c:4318", "what is given does not fit"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Bearer hush", "what is given does not fit `OTEL_EXPORTER_OTLP_HEADERS`"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "host=hush", "without headers that every post has"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=hush%0d", "what is given does not fit"),
        (
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "10s",
            "`10s` does not fit `OTEL_EXPORTER_OTLP_TIMEOUT`: it is a whole number from 1",
        ),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem", "has no effect, since the collector's address is not `https`"),
        (
            "OTEL_TRACES_SAMPLER",
            "jaeger_remote",
            "`jaeger_remote` cannot be honoured: `OTEL_TRACES_SAMPLER` is `always_on` or",
        ),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "it is a whole number from 1"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096", "at most `OTEL_BSP_MAX_QUEUE_SIZE`, 2048"),
        ("OTEL_RESOURCE_ATTRIBUTES", "shop", "what is given does not fit `OTEL_RESOURCE_ATTRIBUTES`"),
        ("OTEL_PROPAGATORS", "b3", "`b3` cannot be honoured in `OTEL_PROPAGATORS`"),
        ("OTEL_PROPAGATORS", "baggage", "lacks `tracecontext`"),
    ] {
        let (_, problems) = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"), (name, value)]);
        let [problem] = problems.as_slice() else { panic!("{name}={value}: {problems:?}") };
        assert!(problem.starts_with(&format!("{name}: ")) && problem.contains(message), "{problem}");
        assert!(!problem.contains("hush"), "{problem}");
    }
    let ratio =
        [("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "5%")];
    assert_eq!(read(&ratio).1.len(), 1);
    let lone = [("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c"), ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/k")];
    assert_eq!(
        read(&lone).1,
        [
            "OTEL_EXPORTER_OTLP_CLIENT_KEY: `OTEL_EXPORTER_OTLP_CLIENT_KEY` needs `OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE`"
        ]
    );
}

#[test]
fn the_table_names_every_variable_that_is_read() {
    let code = concat!(include_str!("../otel.rs"), include_str!("parts.rs"));
    let read = code.split('"').filter(|text| text.starts_with(PREFIX) && *text != PREFIX && !text.ends_with('_'));
    for name in read {
        assert!(VARIABLES.iter().any(|[known, ..]| *known == name), "{name}");
    }
}
