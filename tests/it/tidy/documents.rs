//! Documents that say what is: links, commands, the layer table, the invariants and the tests that hold them.

use super::{
    layers::{LAYERS, MODULES, OWNED},
    source,
};
use crate::support::repo;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Text that has no place in the repository, each with the reason. Put together, so that this file does not contain it.
const UNWANTED: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "what is not done is an issue, not a remark"),
    (concat!("FIX", "ME"), "what is broken is an issue, not a remark"),
    (concat!("/wo", "rk/"), "a path of the machine on which the product is developed"),
    (concat!("/tmp/", "wt"), "a path of the machine on which the product is developed"),
    (concat!("/ro", "ot/"), "a path of the machine on which the product is developed"),
];

#[test]
fn relative_links_lead_somewhere() {
    let mut dead = Vec::new();
    for (path, text) in markdown() {
        for link in links(&text).into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target =
                if file.is_empty() { repo("").join(&path) } else { repo("").join(&path).with_file_name("").join(file) };
            if !target.exists() {
                dead.push(format!("{}: {link}", path.display()));
            } else if !anchor.is_empty()
                && target.extension().is_some_and(|e| e == "md")
                && !has_heading(&target, anchor)
            {
                dead.push(format!("{}: {link} (no such heading)", path.display()));
            }
        }
    }
    assert!(dead.is_empty(), "links that lead nowhere: {dead:#?}");
}

#[test]
fn make_targets_named_in_documents_exist() {
    let targets = make_targets();
    let mut unknown = Vec::new();
    for (path, text) in markdown() {
        let code = text.split('`').skip(1).step_by(2).flat_map(str::lines);
        for target in code.filter_map(|code| code.trim().strip_prefix("make ")?.split_whitespace().next()) {
            if !targets.contains(target) {
                unknown.push(format!("{}: make {target}", path.display()));
            }
        }
    }
    assert!(unknown.is_empty(), "targets that the Makefile does not have: {unknown:#?}");
}

#[test]
fn the_layer_table_is_the_documented_one() {
    let documented: Vec<_> =
        rows("## Modules").into_iter().map(|row| (row[0].clone(), ticked(&row[1]), ticked(&row[2]))).collect();
    let mut layer = "";
    let wanted: Vec<_> = MODULES
        .iter()
        .map(|module| {
            let shown = if module.layer == layer { String::new() } else { module.layer.to_owned() };
            layer = module.layer;
            (shown, vec![module.name.to_owned()], module.beside.iter().map(|&name| name.to_owned()).collect())
        })
        .collect();
    assert_eq!(documented, wanted);
    assert!(MODULES.is_sorted_by_key(|module| LAYERS.iter().position(|layer| *layer == module.layer)));
}

#[test]
fn the_owners_of_dependencies_are_the_documented_ones() {
    let documented: Vec<_> =
        rows("## Dependencies").into_iter().map(|row| (ticked(&row[0]), ticked(&row[1]))).collect();
    let wanted: Vec<(Vec<String>, Vec<String>)> = OWNED
        .iter()
        .map(|owned| {
            (vec![owned.dependency.to_owned()], owned.only_in.iter().map(|&module| module.to_owned()).collect())
        })
        .collect();
    assert_eq!(documented, wanted);
}

#[test]
fn every_invariant_names_tests_that_exist() {
    let section = section("## Invariants");
    let invariants: Vec<_> = section.split("\n### ").skip(1).collect();
    assert_eq!(invariants.len(), 9, "the design has nine invariants");
    let mut wrong = Vec::new();
    for invariant in invariants {
        let title = invariant.lines().next().unwrap_or_default();
        let tests: Vec<_> = ticked(invariant).into_iter().filter(|name| name.contains(".rs::")).collect();
        let says_later = invariant.contains("Not held by a test yet:");
        if tests.is_empty() != says_later {
            wrong.push(format!("`{title}` names {} tests", tests.len()));
        }
        for test in tests {
            let (file, function) = test.split_once("::").expect("just looked for");
            let function = function.rsplit("::").next().unwrap_or_default();
            let text = fs::read_to_string(repo(file)).unwrap_or_default();
            if !source::has_word(&text, function) || !text.contains(&format!("fn {function}(")) {
                wrong.push(format!("`{title}`: there is no `{test}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn nothing_is_left_for_later_and_no_machine_is_named() {
    let mut found = Vec::new();
    for path in source::walk() {
        // Lock files hold what others chose.
        let Ok(text) = fs::read_to_string(repo("").join(&path)) else { continue };
        for (unwanted, reason) in UNWANTED {
            if text.contains(unwanted) && path != Path::new("Cargo.lock") {
                found.push(format!("{}: `{unwanted}`: {reason}", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

fn markdown() -> Vec<(PathBuf, String)> {
    let files = source::walk().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    files.map(|path| (path.clone(), fs::read_to_string(repo("").join(&path)).expect("UTF-8"))).collect()
}

/// Targets of inline links outside code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        in_code ^= line.trim_start().starts_with("```");
        if in_code {
            continue;
        }
        let mut rest = line;
        while let Some((_, after)) = rest.split_once("](") {
            let Some((link, after)) = after.split_once(')') else { break };
            found.push(link.to_owned());
            rest = after;
        }
    }
    found
}

fn has_heading(file: &Path, anchor: &str) -> bool {
    let text = fs::read_to_string(file).expect("UTF-8");
    let slug = |heading: &str| -> String {
        let kept = heading.trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    let outside_code = text.split("```").step_by(2).flat_map(str::lines);
    outside_code.filter(|line| line.starts_with('#')).any(|line| slug(line.trim_start_matches('#')) == anchor)
}

fn make_targets() -> BTreeSet<String> {
    let makefile = fs::read_to_string(repo("Makefile")).expect("a Makefile");
    let rules = makefile.lines().filter(|line| !line.starts_with(['\t', '#', '.']));
    rules.filter_map(|line| line.split_once(':')).map(|(target, _)| target.trim().to_owned()).collect()
}

fn section(heading: &str) -> String {
    let text = fs::read_to_string(repo("docs/ARCHITECTURE.md")).expect("docs/ARCHITECTURE.md");
    let (_, after) = text.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("no heading `{heading}`"));
    after.split("\n## ").next().unwrap_or_default().to_owned()
}

/// The cells of the table in a section of the architecture, without its head.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let section = section(heading);
    let lines = section.lines().filter(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The texts in backticks.
fn ticked(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
