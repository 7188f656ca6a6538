//! What documents name in backticks exists: commands and flags, settings, metrics, routes, and the words of answers and logs.

use super::{documents, read};
use crate::{support::repo, tidy};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// Endings of files, which look like settings.
const FILES: &[&str] = &[
    ".pem", ".pub", ".key", ".crt", ".yaml", ".yml", ".json", ".ndjson", ".jsonl", ".md", ".csv", ".cedar", ".rs",
    ".txt", ".service",
];

/// Routes of the authorize and the ops listener, which no table generates.
const OTHER_ROUTES: &[&str] = &[
    "POST /v1/authorize",
    "POST /v1/access",
    "POST /v1/menu",
    "GET /v1/users/{id}/access",
    "GET /v1/users/{id}/menu",
    "POST /access/v1/evaluation",
    "POST /access/v1/evaluations",
    "POST /access/v1/search/subject",
    "POST /access/v1/search/resource",
    "POST /access/v1/search/action",
    "GET /.well-known/authzen-configuration",
    "GET /metrics",
    "GET /healthz",
    "GET /readyz",
    "GET /status",
];

/// Documents that name routes of applications.
const ROUTES_OF_OTHERS: &[&str] = &[
    "docs/policy-sets.md",
    "docs/policy-tests.md",
    "docs/proxies.md",
    "docs/migrating-from-cerbos.md",
    "docs/migrating-from-opa.md",
];

/// Words of Envoy and of the kubelet.
const WORDS_OF_OTHERS: &[&str] =
    &["container_cpu_cfs_throttled_periods_total", "initial_metadata", "with_request_body"];

/// The texts in backticks outside blocks.
fn spans(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut in_block) = (Vec::new(), false);
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            found.extend(line.split('`').skip(1).step_by(2).map(|span| (index + 1, span.to_owned())));
        }
    }
    found
}

/// Looks at every text in backticks of every document.
#[track_caller]
fn check(what: &str, wrong: impl Fn(&str, &str) -> Option<String>) {
    let mut found = Vec::new();
    for path in documents() {
        for (line, span) in spans(&read(&path)) {
            found.extend(wrong(&path, &span).map(|problem| format!("{path}:{line}: {problem}")));
        }
    }
    assert!(found.is_empty(), "{what}: {found:#?}");
}

/// Commands with their flags.
fn commands() -> BTreeMap<String, BTreeSet<String>> {
    let reference = sidegate::cli::reference();
    let sections = reference.split("\n## `sidegate ").skip(1);
    let flags = |section: &str| {
        let words = section.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
        words.filter(|word| word.starts_with("--")).map(str::to_owned).collect()
    };
    sections.filter_map(|section| Some((section.split_once('`')?.0.to_owned(), flags(section)))).collect()
}

#[test]
fn commands_and_flags_that_documents_name_exist() {
    let commands = commands();
    check("commands that there are not", |_, span| {
        let words: Vec<&str> = span.strip_prefix("sidegate ")?.split_whitespace().collect();
        let named = (1..=words.len().min(2)).rev().map(|count| words[..count].join(" "));
        let Some(flags) = named.into_iter().find_map(|name| commands.get(&name)) else {
            return Some(format!("there is no command `{span}`"));
        };
        let given =
            words.iter().filter(|word| word.starts_with("--")).map(|word| word.split('=').next().unwrap_or(word));
        let unknown: Vec<_> = given.filter(|flag| !flags.contains(*flag)).collect();
        (!unknown.is_empty()).then(|| format!("`{span}` has no {unknown:?}"))
    });
}

/// The paths of a document's keys, and whether what stands there is open: a list or an empty mapping.
fn keys(value: &serde_yaml::Value, above: &str, into: &mut BTreeMap<String, bool>) {
    let serde_yaml::Value::Mapping(mapping) = value else { return };
    for (key, value) in mapping {
        let path = format!("{above}{}", key.as_str().expect("keys are texts"));
        let is_open = value.is_sequence() || value.as_mapping().is_some_and(serde_yaml::Mapping::is_empty);
        keys(value, &format!("{path}."), into);
        into.insert(path, is_open);
    }
}

#[test]
fn settings_that_documents_name_exist() {
    let settings = |text: &str| {
        let mut found = BTreeMap::new();
        keys(&serde_yaml::from_str(text).expect("YAML"), "", &mut found);
        found
    };
    let own = settings(&sidegate::config::reference());
    let chart = settings(&fs::read_to_string(repo("helm/sidegate/values.yaml")).expect("the values"));
    check("settings that there are not", |path, span| {
        let key = span.split([':', '=', ' ']).next().unwrap_or_default();
        let top = key.split_once('.')?.0;
        let is_word = key.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_'));
        let is_key = is_word && own.contains_key(top) && !FILES.iter().any(|ending| key.ends_with(ending));
        let exists = |known: &BTreeMap<String, bool>| {
            known.contains_key(key)
                || known.iter().any(|(known, is_open)| *is_open && key.starts_with(&format!("{known}.")))
        };
        let is_there = exists(&own) || ((path.contains("kubernetes") || path.starts_with("helm/")) && exists(&chart));
        (is_key && !is_there).then(|| format!("there is no setting `{key}`"))
    });
    check("variables that there are not", |_, span| {
        let name = span.split(['=', ' ']).next().filter(|name| name.starts_with("SIDEGATE_") && name.contains("__"))?;
        let key = name["SIDEGATE_".len()..].replace("__", ".").to_lowercase();
        (!own.contains_key(&key)).then(|| format!("`{name}` is no setting"))
    });
}

#[test]
fn metrics_that_documents_name_exist() {
    let reference = sidegate::telemetry::reference();
    check("metrics that there are not", |_, span| {
        let is_of_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        let names = span.split(|letter| !is_of_name(letter)).filter(|word| word.starts_with("sidegate_"));
        let unknown: Vec<_> = names
            .filter(|name| {
                let family =
                    ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
                !reference.contains(&format!("`{name}`")) && !reference.contains(&format!("`{family}`"))
            })
            .collect();
        (!unknown.is_empty()).then(|| format!("there is no metric {unknown:?}"))
    });
}

/// A route with the names of its parameters left out.
fn shape(route: &str) -> String {
    let path = route.split('?').next().unwrap_or_default();
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

#[test]
fn routes_that_documents_name_exist() {
    let admin = sidegate::http::admin::reference();
    let known: BTreeSet<String> =
        admin.split('`').skip(1).step_by(2).chain(OTHER_ROUTES.iter().copied()).map(shape).collect();
    check("routes that there are not", |path, span| {
        let (method, target) = span.split_once(' ')?;
        let is_route = ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method) && target.starts_with('/');
        let route = span.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        (is_route && !ROUTES_OF_OTHERS.contains(&path) && !known.contains(&shape(&route)))
            .then(|| format!("there is no route `{route}`"))
    });
}

#[test]
fn words_with_underscores_that_documents_name_stand_in_the_product() {
    let folders = [
        "src",
        "config",
        "policies",
        "helm",
        "packaging",
        "schemas",
        "scripts",
        "tests",
        "docs/clients",
        "docs/reference",
    ];
    let ours = |path: &&std::path::PathBuf| {
        folders.iter().any(|folder| path.starts_with(folder)) || path.components().count() == 1
    };
    let is_document = |path: &&std::path::PathBuf| {
        path.extension().is_some_and(|ending| ending == "md") && !path.starts_with("docs/reference")
    };
    let files = tidy::files();
    let mut product = String::new();
    for path in files.iter().filter(ours).filter(|path| !is_document(path)) {
        product.push_str(&fs::read_to_string(repo("").join(path)).unwrap_or_default());
    }
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let known: BTreeSet<&str> = product.split(|letter| !is_of_word(letter)).collect();
    check("words that the product does not know", |path, span| {
        let is_word = span.contains('_') && span.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_');
        // A page about another product has that one's words.
        let is_of_others = path.starts_with("docs/migrating-from-") || WORDS_OF_OTHERS.contains(&span);
        (is_word && !is_of_others && !span.ends_with('_') && !known.contains(span))
            .then(|| format!("`{span}` is nowhere"))
    });
}
