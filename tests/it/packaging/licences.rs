//! The licences of what is linked, which whoever passes on the binary passes on as well.

use super::sbom::linked;
use crate::support::{repo, run};
use std::{collections::BTreeSet, fs, path::PathBuf, process::Command, sync::LazyLock};

/// The file where image and package take it from, written once.
static WRITTEN: LazyLock<PathBuf> = LazyLock::new(|| {
    let mut script = Command::new(repo("scripts/licences"));
    script.env("CARGO_NET_OFFLINE", "true");
    let written = run(script);
    assert_eq!(written.code, Some(0), "{written:?}");
    repo("target/THIRD-PARTY-LICENCES")
});

/// The same.
pub(super) fn written() -> &'static PathBuf {
    &WRITTEN
}

#[test]
fn everything_that_is_linked_has_its_licence_there() {
    let text = String::from_utf8_lossy(&fs::read(written()).expect("the licences")).into_owned();
    let mut lines = text.lines().peekable();
    let mut headed = BTreeSet::new();
    while let Some(line) = lines.next() {
        let is_rule = |line: &str| line.len() == 80 && line.bytes().all(|byte| byte == b'=');
        let Some(head) = lines.peek().filter(|_| is_rule(line)) else { continue };
        let mut words = head.split(' ');
        if let (Some(name), Some(version), Some(licence)) = (words.next(), words.next(), words.next())
            && licence.starts_with('(')
        {
            headed.insert(format!("{name} {version}"));
        }
    }
    assert_eq!(headed, linked());
    for words in ["Permission is hereby granted, free of charge", "Apache License"] {
        assert!(text.contains(words), "{words}");
    }
}
