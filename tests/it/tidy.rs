//! Holds the repository to its own rules: who may import whom, sizes, documents that must not drift.
//!
//! A rule that a tool enforces already (formatting, lints, licences) is not repeated here.

mod documents;
mod imports;
mod layers;
mod source;

use source::SourceFile;
pub use source::walk as files;

/// Most lines of code of a file: comments, blank lines and the trailing test module are not counted.
const MAX_LINES: usize = 400;
/// Most lines of code of the binary's root.
const MAX_LINES_OF_MAIN: usize = 40;

/// Files over [`MAX_LINES`], each with the reason. May only shrink.
const EXCUSED_FROM_LENGTH: &[(&str, &str)] = &[];

/// Files that may sleep in tests, each with the reason. May only shrink.
const EXCUSED_FROM_SLEEP: &[(&str, &str)] =
    &[("tests/it/support/wait.rs", "the helper that polls for a condition, so that no test needs to sleep")];

/// Where `unsafe` is allowed.
const UNSAFE_MODULES: [&str; 5] =
    ["allocator", "audit::ring", "lifecycle::priority", "lifecycle::start_pages", "lifecycle::synchronised"];

#[test]
fn every_file_begins_with_its_module_documentation() {
    // A `tests.rs` beside the file it tests says with its name what it is.
    let explains_itself = |file: &&SourceFile| file.path.starts_with("src/") && file.is_test();
    let files = source::all().iter().filter(|file| !explains_itself(file));
    let bare = names(files.filter(|file| !file.text.starts_with("//!")));
    assert!(bare.is_empty(), "files that do not say in a `//!` comment what they are: {bare:#?}");
}

#[test]
fn no_file_is_longer_than_the_budget() {
    let long: Vec<_> = source::all()
        .iter()
        .filter(|file| !file.is_test() && file.lines_of_code() > limit(file))
        .filter(|file| !is_excused(EXCUSED_FROM_LENGTH, file))
        .map(|file| format!("{}: {} lines, at most {}", file.path, file.lines_of_code(), limit(file)))
        .collect();
    assert!(long.is_empty(), "files that should be taken apart: {long:#?}");
}

#[test]
fn modules_are_named_files() {
    let found = names(source::all().iter().filter(|file| file.path.ends_with("/mod.rs")));
    assert!(found.is_empty(), "`foo.rs` and `foo/`, never `mod.rs`: {found:#?}");
}

#[test]
fn unsafe_code_stays_where_it_is_allowed() {
    let found = names(source::all().iter().filter(|file| {
        let within = |module: &&str| {
            file.module.strip_prefix(*module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        file.has_word("unsafe") && !UNSAFE_MODULES.iter().any(within)
    }));
    assert!(found.is_empty(), "`unsafe` outside {UNSAFE_MODULES:?}: {found:#?}");
}

#[test]
fn tests_neither_sleep_nor_expect_panics_nor_are_switched_off() {
    let mut found = Vec::new();
    for file in source::all() {
        let tests = file.test_code();
        if source::has_word(tests, "sleep") && !is_excused(EXCUSED_FROM_SLEEP, file) {
            found.push(format!("{}: sleeps; wait for a condition with a deadline instead", file.path));
        }
        if source::has_word(&file.code, "should_panic") {
            found.push(format!("{}: `should_panic`; assert on what is returned or said", file.path));
        }
        if file.code.contains("#[ignore]") {
            found.push(format!("{}: a test is switched off and does not say why", file.path));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn excuses_are_still_needed() {
    for (path, reason) in EXCUSED_FROM_LENGTH.iter().chain(EXCUSED_FROM_SLEEP) {
        assert!(
            source::all().iter().any(|file| file.path == *path),
            "`{path}` is gone, and with it its excuse: {reason}"
        );
    }
    for (path, _) in EXCUSED_FROM_LENGTH {
        let file = source::all().iter().find(|file| file.path == *path);
        assert!(file.is_some_and(|file| file.lines_of_code() > MAX_LINES), "`{path}` is short enough now");
    }
}

fn limit(file: &SourceFile) -> usize {
    if file.path == "src/main.rs" { MAX_LINES_OF_MAIN } else { MAX_LINES }
}

fn is_excused(excuses: &[(&str, &str)], file: &SourceFile) -> bool {
    excuses.iter().any(|(path, _)| *path == file.path)
}

fn names<'f>(files: impl Iterator<Item = &'f SourceFile>) -> Vec<&'f str> {
    files.map(|file| file.path.as_str()).collect()
}
