//! Reads paths out of the code and holds them against the layer table.

use super::{
    layers::{self, BANNED, IMPURE, LAYERS, MODULES, OWNED, PURE, is_inside},
    source::{self, SourceFile, words},
};
use std::collections::BTreeSet;

#[test]
fn imports_follow_the_layer_table() {
    let mut wrong = BTreeSet::new();
    for file in source::all().iter().filter(|file| !file.top_module().is_empty()) {
        let from = file.top_module();
        for to in crate_modules(file) {
            if !layers::allows(from, &to) {
                wrong.insert(format!("{}: `{from}` may not use `{to}`", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that the layer table does not allow: {wrong:#?}");
}

#[test]
fn every_module_has_its_place_in_the_layer_table() {
    let files = source::all().iter().filter(|file| file.path.starts_with("src/") && !file.top_module().is_empty());
    let found: BTreeSet<_> = files.map(SourceFile::top_module).collect();
    let listed: BTreeSet<_> = MODULES.iter().map(|module| module.name).collect();
    assert_eq!(found, listed);
    assert!(MODULES.iter().all(|module| LAYERS.contains(&module.layer)));
}

#[test]
fn heavy_dependencies_have_one_owner() {
    let mut wrong = Vec::new();
    for file in source::all().iter().filter(|file| file.path.starts_with("src/")) {
        for owned in OWNED.iter().filter(|owned| names_dependency(&file.code, owned.dependency)) {
            if !owned.only_in.iter().any(|owner| is_inside(&file.module, owner)) {
                wrong.push(format!("{}: `{}` belongs to {:?}", file.path, owned.dependency, owned.only_in));
            }
        }
        for (dependency, modules) in BANNED {
            let banned = modules.iter().any(|module| is_inside(&file.module, module));
            if banned && names_dependency(&file.code, dependency) {
                wrong.push(format!("{}: does without `{dependency}`", file.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_decides_reads_no_clock_and_does_no_io() {
    let mut wrong = Vec::new();
    let deciding = |file: &&SourceFile| PURE.iter().any(|module| is_inside(&file.module, module)) && !file.is_test();
    for file in source::all().iter().filter(deciding) {
        let found = IMPURE.iter().filter(|name| file.has_word(name));
        wrong.extend(found.map(|name| format!("{}: `{name}`", file.path)));
    }
    assert!(wrong.is_empty(), "a decision depends on program, subject and request alone: {wrong:#?}");
}

/// The modules under the crate's root that a file names, by `crate::`, by the library's name, or by enough `super::`.
fn crate_modules(file: &SourceFile) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for root in ["crate", "sidegate"] {
        for at in words(&file.code, root) {
            if let Some(path) = file.code[at + root.len()..].strip_prefix("::") {
                first_segments(path, &mut found);
            }
        }
    }
    // `super::` in an inline module climbs one step less than it seems to, so this sees at most too much, never too little.
    let depth = file.module.split("::").count();
    let climb = "super::".repeat(depth);
    for (at, _) in file.code.match_indices(&climb) {
        let path = &file.code[at + climb.len()..];
        if !file.code[..at].ends_with("super::") && !path.starts_with("super::") {
            first_segments(path, &mut found);
        }
    }
    // A group may begin with a name of the crate's root itself, or end with a comma.
    found.retain(|name| MODULES.iter().any(|module| module.name == name.as_str()));
    found
}

/// The first names of a path: one, or those of a group such as `{audit::Log, model::{A, B}}`.
fn first_segments(path: &str, found: &mut BTreeSet<String>) {
    let name =
        |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = path.strip_prefix('{') else {
        found.insert(name(path));
        return;
    };
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                found.insert(name(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    return;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
}

/// Whether the code names a dependency at the start of a path or imports it whole.
fn names_dependency(code: &str, dependency: &str) -> bool {
    words(code, dependency).any(|at| {
        let starts_path = !code[..at].ends_with("::") || code[..at].ends_with(" ::");
        let after = code[at + dependency.len()..].trim_start();
        let is_import = code[..at].trim_end().ends_with("use") && after.starts_with([';', ' ']);
        starts_path && (after.starts_with("::") || is_import)
    })
}

#[test]
fn groups_give_the_first_name_of_each_member() {
    let mut found = BTreeSet::new();
    first_segments("{\n    audit::{Mode, WhenFull},\n    engine::ForbidErrors, model,\n};", &mut found);
    found.remove("");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["audit", "engine", "model"]);
}

#[test]
fn a_dependency_is_told_from_a_module_of_the_same_name() {
    assert!(names_dependency("use notify::Watcher;", "notify"));
    assert!(names_dependency("fn f() { sled::open() }", "sled"));
    assert!(names_dependency("use sled;", "sled"));
    assert!(!names_dependency("use tokio::sync::notify::X;", "notify"));
    assert!(!names_dependency("let notify = 1;", "notify"));
    assert!(!names_dependency("crate::notify_all::x", "notify"));
}
