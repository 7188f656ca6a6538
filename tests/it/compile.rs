//! Broken policy sets and what is said about them, to the letter.
//!
//! Each directory of `tests/cases/compile` is a policy set with an `expected.txt`: first the one-line forms, then what people
//! see. `SIDEGATE_UPDATE=1 cargo test --test it compile` writes the files anew; read the difference before you commit it.

use crate::support::PolicyDir;
use sidegate::{
    document::{Diagnostic, Diagnostics},
    policy::{self, Options},
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/compile")
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<_> = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// What is said about the set in a directory: problems, or warnings alone.
fn problems(directory: &Path) -> Diagnostics {
    match policy::load(directory, &Options::default()) {
        Ok(snapshot) => snapshot.warnings.into_iter().collect(),
        Err(error) => error.into(),
    }
}

fn rendered(directory: &Path) -> String {
    let problems = problems(directory);
    let text = format!("{problems}\n\n{}", problems.render(false)).replace(&*directory.to_string_lossy(), "<set>");
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[test]
fn every_kind_of_mistake_is_reported_with_its_place_and_advice() {
    let update = std::env::var_os("SIDEGATE_UPDATE").is_some();
    let mut wrong = Vec::new();
    for case in cases() {
        let (actual, path) = (rendered(&case), case.join("expected.txt"));
        if update {
            fs::write(&path, &actual).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if actual != expected {
            wrong.push(format!("== {}\n-- expected\n{expected}\n-- actual\n{actual}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_has_exactly_the_problem_it_is_named_for_or_more() {
    for case in cases() {
        assert!(!problems(&case).is_empty(), "{} compiles without a word", case.display());
    }
}

#[test]
fn at_least_forty_kinds_of_mistakes_are_told_apart() {
    let all: Vec<_> = cases().iter().map(|case| problems(case)).collect();
    let kinds: BTreeSet<_> = all.iter().flatten().map(Diagnostic::code).collect();
    assert!(cases().len() >= 40, "{} cases", cases().len());
    assert!(kinds.len() >= 40, "{} kinds: {kinds:?}", kinds.len());
}

#[test]
fn problems_have_a_place_and_messages_are_lower_case_phrases() {
    for case in cases() {
        for problem in &problems(&case) {
            let message = problem.message();
            assert!(!message.ends_with('.'), "{}: {message}", case.display());
            assert!(!message.starts_with(char::is_uppercase), "{}: {message}", case.display());
        }
    }
}

/// A set of these files, and what is said about it.
fn said(files: &[(&str, &str)]) -> Vec<(&'static str, String)> {
    let set = PolicyDir::with(files);
    problems(set.path()).iter().map(|problem| (problem.code(), problem.message().to_owned())).collect()
}

fn list(prefix: &str, count: usize) -> String {
    (0..count).map(|n| format!("{prefix}{n}")).collect::<Vec<_>>().join(", ")
}

/// The stack of a thread, which ends the process, is not what tells how deep a type may be.
#[test]
fn a_type_of_twenty_thousand_sets_is_a_bad_type() {
    let deep = format!("{}String{}", "Set<".repeat(20_000), ">".repeat(20_000));
    let set = format!("policy_set: s\nuser_attributes: {{ tags: \"{deep}\" }}\n");
    let bad: Vec<_> = said(&[("set.yaml", &set)]).into_iter().filter(|(code, _)| *code == "bad-type").collect();
    assert!(matches!(bad.as_slice(), [(_, message)] if message.contains("16 sets")), "{bad:?}");
}

#[test]
fn conflicts_between_routes_are_told_until_they_are_enough() {
    let route = |path: String| format!("  - {{ path: \"{path}\", method: GET, public: true }}\n");
    let one = (0..40).map(|n| route(format!("/a{n}/{{x}}")));
    let other = (0..40).map(|n| route(format!("/{{y}}/b{n}")));
    let routes = format!("routes:\n{}", one.chain(other).collect::<String>());
    let said = said(&[("all.cedar", "permit (principal, action, resource);"), ("routes.yaml", &routes)]);
    assert_eq!(said.len(), 101, "{said:?}");
    assert!(said.iter().all(|(code, _)| *code == "ambiguous-route"), "{said:?}");
    assert!(
        said.iter().any(|(_, message)| message.contains("more conflicts between routes than these 100")),
        "{said:?}"
    );
}

#[test]
fn a_case_that_stands_for_more_tests_than_there_may_be_is_told_once() {
    let case = |users, resources| {
        let (users, resources) = (list("u", users), list("order:o-", resources));
        format!("cases:\n  - {{ user: [{users}], action: view, resource: [{resources}], expect: allow }}\n")
    };
    let all = ("all.cedar", "permit (principal, action, resource);");
    let said = said(&[all, ("tests/a.yaml", &case(1000, 101)), ("tests/b.yaml", &case(10, 10))]);
    assert!(matches!(said.as_slice(), [("too-many-tests", message)] if message.contains("100000 tests")), "{said:?}");
}

/// `a:b` as a resource is the type `a` and the id `b`, and nothing that is written would mean the module.
#[test]
fn a_module_has_a_name_that_can_be_written() {
    let set = |name: &str| format!("policy_set: s\nlevels: {{ view: [view] }}\nmodules: {{ \"{name}\": {{}} }}\n");
    for (name, fits) in
        [("a:b", false), ("a:", false), ("a::b:c", false), ("a:::b", false), ("a-b", true), ("a.b", true)]
    {
        let bad = said(&[("set.yaml", &set(name))]).iter().any(|(code, _)| *code == "bad-name");
        assert_eq!(bad, !fits, "{name}");
    }
}

/// What a set is compiled to: names and kinds of its policies, and all of it as Cedar.
fn printed(directory: &Path) -> String {
    let snapshot = policy::load(directory, &Options::default())
        .unwrap_or_else(|error| panic!("{}", Diagnostics::from(error).render(false)));
    assert!(snapshot.warnings.is_empty(), "{:?}", snapshot.warnings);
    let policies = snapshot.program.policies().iter().map(|facts| {
        let place = facts.location.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{:?} {} ({place}): {}\n", facts.kind, facts.id, facts.summary)
    });
    let entities: Vec<serde_json::Value> = serde_json::from_str(&snapshot.entities_json()).unwrap();
    let entities = entities.iter().map(|entity| format!("{entity}\n"));
    let users = snapshot.users.iter().map(|user| format!("{user:#?}\n"));
    let parts = [policies.collect::<String>(), snapshot.to_cedar(), entities.collect(), users.collect()];
    parts.join("\n")
}

#[test]
fn sound_sets_become_exactly_this_cedar() {
    let root = root().with_file_name("printed");
    for name in ["plain", "rich"] {
        let (actual, path) = (printed(&root.join(name)), root.join(name).join("expected.txt"));
        if std::env::var_os("SIDEGATE_UPDATE").is_some() {
            fs::write(&path, &actual).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(actual == expected, "{name}:\n{actual}");
    }
}

/// A set of 100 roles on 100 modules, every third cell with a condition.
fn large_set() -> tempfile::TempDir {
    let modules: String =
        (0..100).map(|n| format!("  m{n}: {{ resources: {{ t{n}: {{ owner: User }} }}, areas: [a, b] }}\n")).collect();
    let cells = |role: usize| -> String {
        let cell = |module: usize| match (role + module) % 3 {
            0 => "{ level: full, when: own }",
            1 => "{ level: view, areas: [a, b] }",
            _ => "[view, edit]",
        };
        (0..100).map(|module| format!("      m{module}: {}\n", cell(module))).collect()
    };
    let roles: String = (0..100).map(|role| format!("  r{role}:\n    grants:\n{}", cells(role))).collect();
    let directory = tempfile::tempdir().unwrap();
    let head = "levels: { view: [view], full: [view, edit] }\nconditions:\n  own: { cedar: resource has owner && resource.owner == principal }\n";
    fs::write(directory.path().join("set.yaml"), format!("{head}modules:\n{modules}")).unwrap();
    fs::write(directory.path().join("roles.yaml"), format!("roles:\n{roles}")).unwrap();
    directory
}

#[test]
fn ten_thousand_policies_compile_without_quadratic_work() {
    let directory = large_set();
    let started = Instant::now();
    let snapshot = policy::load(directory.path(), &Options::default()).unwrap();
    assert_eq!(snapshot.program.policies().len(), 10_000 + 200);
    // Far above what an unoptimised build takes, far below what quadratic work would.
    assert!(started.elapsed() < Duration::from_secs(20), "took {:?}", started.elapsed());
    println!("compiled in {:?}", started.elapsed());
}

#[test]
fn the_deepest_expressions_that_are_taken_fit_the_stack_of_a_thread() {
    let chain = |word: &str| vec!["context has late"; 990].join(word);
    let nested = format!("{}context has late{}", "(".repeat(98), ")".repeat(98));
    let branches = format!("{}true", "if context has late then false else ".repeat(990));
    for condition in [chain(" && "), chain(" || "), nested, branches] {
        let directory = tempfile::tempdir().unwrap();
        let yaml = format!(
            "levels: {{ view: [view] }}\nmodules: {{ m: {{}} }}\ncontext: {{ late: Bool }}\nconditions: {{ c: {{ cedar: '{condition}' }} }}\n\
             roles: {{ r: {{ grants: {{ m: {{ level: view, when: c }} }} }} }}\n"
        );
        fs::write(directory.path().join("set.yaml"), yaml).unwrap();
        let cedar = format!("permit (principal, action, resource) when {{ {condition} }};\n");
        fs::write(directory.path().join("hand.cedar"), cedar).unwrap();
        // The smallest stack that a compiling thread has: tokio's blocking threads and test threads alike.
        let path = directory.path().to_owned();
        let compile = move || policy::load(&path, &Options::default()).map(drop).map_err(Diagnostics::from);
        let outcome = std::thread::Builder::new().stack_size(2 * 1024 * 1024).spawn(compile).unwrap().join().unwrap();
        outcome.unwrap_or_else(|problems| panic!("{problems}"));
    }
}
