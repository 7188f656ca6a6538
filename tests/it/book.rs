//! The documents as a book that is true: every command in them is run, every sample is read by what it is for, what is said to come
//! out does, and what is named exists.
//!
//! A fenced block says behind its language what becomes of it. What only the test needs stands in a comment of HTML, which no reader
//! sees: `<!--`, a block, `-->`. Each page has a directory of its own with what the repository holds, and its blocks share it in order.
//!
//! | behind the language | what becomes of the block |
//! | --- | --- |
//! | nothing, in `sh` | bash runs it; it ends with 0, or with one of the codes in `exit=` |
//! | `eventually`, in `sh` | it is run until it prints what the block behind it says, for what is true a moment later |
//! | `serve`, in `sh` | the sidecar is started so, on free ports, in place of the one before; readers see it, too |
//! | `stop`, in `sh` | the sidecar is stopped |
//! | `output` | what the last block printed or was answered; `output=stderr`: printed there, `output=part`: has these members |
//! | `ask=PATH`, `tell=PATH` | the authorize or the admin listener is sent it, and answers 200, or what `status=` says |
//! | `file=PATH` | it stands so in that file of the repository |
//! | `write=PATH` | it is written into that file, for blocks behind it |
//! | `check=DIR/FILE` | the same, and the policy set `DIR` has no errors then |
//! | `config` | `sidegate serve --check-config` takes it |
//! | `not-run="why"` | nothing; [`NOT_RUN`] counts them |
//!
//! Addresses and directories of an installation are replaced by those of the test, and back in what comes out. Ids, times and digests
//! stand for any; `...` stands for any text, alone on a line for any lines.

mod compare;
mod contents;
mod migrations;
mod names;
mod page;
mod stage;

use crate::support::repo;
use page::Action;
use stage::Stage;
use std::{collections::BTreeMap, fs, path::PathBuf};

/// Blocks that cannot be run here, by page. May only shrink: what is new is run.
const NOT_RUN: &[(&str, usize)] = &[
    ("CONTRIBUTING.md", 1),
    ("README.md", 1),
    ("docs/kubernetes.md", 1),
    ("docs/operating.md", 2),
    ("docs/packages.md", 5),
    ("helm/sidegate/README.md", 1),
];

/// Documents that have no blocks of their own to run, each with the reason.
const NO_PAGES: &[(&str, &str)] = &[
    ("CHANGELOG.md", "says what was"),
    ("docs/reference/", "is generated, and compared with the code where that is done"),
    ("helm/examples/", "is run by the tests of the chart"),
];

/// One test for each page, so that they run side by side and a failure names its page.
macro_rules! pages {
    ($($test:ident $path:literal)*) => {
        /// Those of [`migrations`] are run by its tests, which go on where the page ends.
        const PAGES: &[&str] = &[$($path,)* "docs/migrating-from-cerbos.md", "docs/migrating-from-opa.md"];
        $(#[test] fn $test() { drop(run($path)); })*
    };
}

pages! {
    the_readme "README.md"
    contributing "CONTRIBUTING.md"
    start "docs/start.md"
    policy_sets "docs/policy-sets.md"
    policy_tests "docs/policy-tests.md"
    asking "docs/asking.md"
    clients "docs/clients.md"
    tokens "docs/tokens.md"
    proxies "docs/proxies.md"
    envoy "docs/envoy.md"
    directory "docs/directory.md"
    mail "docs/mail.md"
    kubernetes "docs/kubernetes.md"
    packages "docs/packages.md"
    operating "docs/operating.md"
    runbooks "docs/runbooks.md"
    the_audit_log "docs/audit-log.md"
    security "docs/security.md"
    the_chart "helm/sidegate/README.md"
}

/// Performs a page from its beginning to its end.
fn run(path: &str) -> Stage {
    let blocks = page::blocks(&read(path));
    let mut stage = Stage::new();
    let mut blocks = blocks.iter().peekable();
    while let Some(block) = blocks.next() {
        if let Err(problem) = stage.perform(block, blocks.peek().copied()) {
            panic!("{path}:{}: {problem}\n--- the block\n{}---", block.line, block.text);
        }
    }
    stage
}

/// Whoever types a page word by word has the sidecar that the page speaks of, on the same policies.
#[test]
fn what_is_served_is_seen_by_readers() {
    for path in PAGES {
        let blocks = page::blocks(&read(path));
        let hidden = blocks.iter().find(|block| block.is_hidden && block.action() == Ok(Action::Serve));
        assert!(hidden.is_none(), "{path}: readers do not see what is started: {hidden:?}");
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(repo(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document that is written by hand.
fn documents() -> Vec<String> {
    let files = crate::tidy::files().into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let paths = files.map(PathBuf::into_os_string).map(|path| path.into_string().expect("UTF-8"));
    paths.filter(|path| !NO_PAGES.iter().any(|(begin, _)| path.starts_with(begin))).collect()
}

#[test]
fn every_document_with_a_sample_is_run() {
    let with_blocks = documents().into_iter().filter(|path| !page::blocks(&read(path)).is_empty());
    let missing: Vec<_> = with_blocks.filter(|path| !PAGES.contains(&path.as_str())).collect();
    assert!(missing.is_empty(), "documents with samples that no test runs; add them to `pages!`: {missing:#?}");
}

#[test]
fn what_is_not_run_says_why_and_does_not_become_more() {
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for path in PAGES {
        for block in page::blocks(&read(path)) {
            match block.action() {
                Ok(Action::Leave(reason)) => {
                    assert!(reason.len() > 10, "{path}:{}: `{reason}` is no reason", block.line);
                    *found.entry(path).or_default() += 1;
                }
                Ok(_) => {}
                Err(problem) => panic!("{path}:{}: {problem}", block.line),
            }
        }
    }
    let allowed: BTreeMap<&str, usize> = NOT_RUN.iter().copied().collect();
    assert_eq!(found, allowed, "blocks that are not run; what a test can run is run");
}
