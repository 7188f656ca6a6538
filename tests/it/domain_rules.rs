//! Every rule of the facts is named by a policy test or by a test here, or stands in the list of those that wait for a part of the
//! product that can show them.

use crate::support::{repo, shared};
use sidegate::policy::{self, Options};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Rules that no test names yet, and why. A rule that one names leaves the list.
const PENDING: &[(&str, &str)] = &[];

/// This file, which names all that wait.
const SELF: &str = "domain_rules.rs";

/// The ids of all rules.
fn rules() -> Option<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    for file in fs::read_dir(shared("domain")?).expect("the facts") {
        let path = file.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let facts: serde_yaml::Value =
                serde_yaml::from_str(&fs::read_to_string(path).expect("the facts are readable")).expect("YAML");
            ids.extend(
                facts["rules"]
                    .as_mapping()
                    .into_iter()
                    .flat_map(serde_yaml::Mapping::keys)
                    .map(|id| id.as_str().expect("rules have names").to_owned()),
            );
        }
    }
    Some(ids)
}

/// Where each rule that a policy test or an integration test names is named.
fn named(rules: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut named = BTreeMap::new();
    for set in fs::read_dir(repo("policies")).expect("policies") {
        let snapshot = policy::load(&set.expect("an entry").path(), &Options::default()).expect("a sound set");
        for test in &snapshot.tests {
            for rule in &test.rules {
                assert!(rules.contains(rule), "{}: {}: there is no rule `{rule}`", snapshot.name, test.location);
                named.entry(rule.clone()).or_insert_with(|| format!("{}: {}", snapshot.name, test.location));
            }
        }
    }
    for (path, text) in sources(&repo("tests/it")) {
        for rule in rules.iter().filter(|rule| has_id(&text, rule)) {
            named.entry(rule.clone()).or_insert_with(|| path.display().to_string());
        }
    }
    named
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.file_name().is_some_and(|name| name != SELF) {
            found.push((path.clone(), fs::read_to_string(&path).unwrap_or_default()));
        }
    }
    found
}

/// Whether a text has an id, and not as a part of a longer one.
fn has_id(text: &str, id: &str) -> bool {
    let part_of_id = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.match_indices(id)
        .any(|(at, _)| !text[..at].ends_with(part_of_id) && !text[at + id.len()..].starts_with(part_of_id))
}

#[test]
fn every_rule_of_the_facts_is_named_by_a_test() {
    let Some(rules) = rules() else { return };
    assert!(rules.len() > 40, "{rules:?}");
    let named = named(&rules);
    let pending: BTreeMap<_, _> = PENDING.iter().copied().collect();
    let unnamed: Vec<_> =
        rules.iter().filter(|rule| !named.contains_key(*rule) && !pending.contains_key(rule.as_str())).collect();
    assert!(unnamed.is_empty(), "no test names these rules: {unnamed:#?}");
    let done: Vec<_> = PENDING.iter().filter_map(|(rule, _)| Some((rule, named.get(*rule)?))).collect();
    assert!(done.is_empty(), "these rules are named by a test and wait no longer: {done:#?}");
    let gone: Vec<_> = pending.keys().filter(|rule| !rules.contains(**rule)).collect();
    assert!(gone.is_empty(), "there are no such rules: {gone:#?}");
}

#[test]
fn a_longer_id_does_not_count_for_a_shorter_one() {
    assert!(has_id("rule: 8move-log,", "8move-log"));
    assert!(!has_id("rule: 8move-log-filter", "8move-log"));
    assert!(!has_id("x8move-log", "8move-log"));
}
