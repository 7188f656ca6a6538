use super::*;
use std::os::unix::fs::symlink;

fn set(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

fn codes(directory: &Path) -> Vec<&'static str> {
    let problems = Diagnostics::from(read(directory).unwrap_err());
    problems.iter().map(Diagnostic::code).collect()
}

#[test]
fn only_what_belongs_to_a_policy_set_is_read_in_order_of_paths() {
    let directory = set(&[
        ("roles.yaml", "roles: {}"),
        ("README.md", "x"),
        ("package.json", "{}"),
        (".hidden.yaml", "x"),
        (".git/a.yaml", "x"),
        ("tests/a.yml", ""),
        ("policies/b.cedar", ""),
        ("policies/a.cedar", ""),
        ("entities/users.json", "[]"),
        ("schema.cedarschema", ""),
        ("links.json", "[]"),
    ]);
    let files = read(directory.path()).unwrap();
    let paths: Vec<_> = files.paths().collect();
    assert_eq!(
        paths,
        [
            "entities/users.json",
            "links.json",
            "policies/a.cedar",
            "policies/b.cedar",
            "roles.yaml",
            "schema.cedarschema",
            "tests/a.yml"
        ]
    );
}

#[test]
fn the_revision_changes_with_path_and_content_alone() {
    let revision = |files: &[(&str, &str)]| read(set(files).path()).unwrap().revision();
    let base = revision(&[("a.yaml", "x: 1"), ("b.yaml", "")]);
    assert_eq!(base, revision(&[("b.yaml", ""), ("a.yaml", "x: 1"), ("README.md", "new")]));
    assert_ne!(base, revision(&[("a.yaml", "x: 2"), ("b.yaml", "")]));
    assert_ne!(base, revision(&[("c.yaml", "x: 1"), ("b.yaml", "")]));
    // The border between path and content counts.
    assert_ne!(revision(&[("a.yaml", "bc")]), revision(&[("a.yaml", "b"), ("c.yaml", "")]));
}

#[test]
fn links_are_followed_as_a_config_map_needs_it() {
    let directory = set(&[("..2026_01/roles.yaml", "roles: {}")]);
    symlink("..2026_01", directory.path().join("..data")).unwrap();
    symlink("..data/roles.yaml", directory.path().join("roles.yaml")).unwrap();
    let files = read(directory.path()).unwrap();
    assert_eq!(files.paths().collect::<Vec<_>>(), ["roles.yaml"]);
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let directory = set(&[("sub/a.yaml", "")]);
    symlink("..", directory.path().join("sub/up")).unwrap();
    symlink("nowhere", directory.path().join("gone.yaml")).unwrap();
    symlink("self.yaml", directory.path().join("self.yaml")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        directory.path().join("pipe.yaml"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    fs::write(directory.path().join("latin.yaml"), b"name: \xe9\n").unwrap();
    fs::write(directory.path().join("large.yaml"), vec![b'#'; yaml::MAX_BYTES + 1]).unwrap();
    assert_eq!(
        codes(directory.path()),
        ["unreadable", "too-large", "not-utf8", "not-a-file", "unreadable", "link-loop"]
    );
    assert_eq!(codes(&directory.path().join("missing")), ["unreadable"]);
}

#[test]
fn a_link_that_turns_is_noticed_wherever_it_is() {
    let base = set(&[("one/roles.yaml", "roles: {}"), ("two/roles.yaml", "levels: {}"), ("mount/own.yaml", "")]);
    let turn = |link: &str, target: &str| {
        symlink(target, base.path().join(".draft")).unwrap();
        fs::rename(base.path().join(".draft"), base.path().join(link)).unwrap();
    };
    turn("mount/..data", "../one");
    symlink("..data/roles.yaml", base.path().join("mount/roles.yaml")).unwrap();
    turn("mount/team", "../one");
    turn("current", "mount");
    for (link, target) in [("mount/..data", "../two"), ("mount/team", "../two"), ("current", "one")] {
        let directory = base.path().join("current");
        let mut walk = Walk::default();
        walk.link(&directory);
        walk.directory(&directory, "");
        assert!(walk.problems.is_empty() && !walk.is_turned(), "{link}");
        turn(link, target);
        assert!(walk.is_turned(), "{link}");
    }
}

#[test]
fn unchanged_files_keep_their_texts_and_changed_ones_do_not() {
    let directory = set(&[("a.yaml", "levels: {}"), ("b.yaml", "roles: {}"), ("c.yaml", "gates: {}")]);
    let texts = |files: &Files| files.of(Sort::Yaml).map(|text| (text.path().to_owned(), text)).collect::<Vec<_>>();
    let first = read(directory.path()).unwrap();
    let before = texts(&first);
    fs::write(directory.path().join("b.yaml"), "roles: { }").unwrap();
    fs::remove_file(directory.path().join("a.yaml")).unwrap();
    fs::write(directory.path().join("d.yaml"), "").unwrap();
    let mut second = read(directory.path()).unwrap();
    second.adopt(&first);
    let kept: Vec<_> = texts(&second)
        .into_iter()
        .map(|(path, text)| {
            let kept = before.iter().any(|(known, earlier)| *known == path && earlier.is_same(&text));
            (path, kept)
        })
        .collect();
    assert_eq!(kept, [("b.yaml".to_owned(), false), ("c.yaml".to_owned(), true), ("d.yaml".to_owned(), false)]);
    assert_eq!(second.revision(), read(directory.path()).unwrap().revision());
}

#[test]
fn links_that_turn_at_every_reading_are_refused_and_a_few_turns_are_not() {
    let base = set(&[("one/roles.yaml", "roles: {}"), ("two/roles.yaml", "levels: {}")]);
    let current = base.path().join("current");
    symlink("one", &current).unwrap();
    for (most, readings, expected) in [(0, 1, None), (1, 2, None), (7, 8, None), (8, 8, Some("restless"))] {
        let mut count = 0;
        let read = read_until(&current, || {
            count += 1;
            if count <= most {
                fs::remove_file(&current).unwrap();
                symlink(["one", "two"][count % 2], &current).unwrap();
            }
        });
        let code = read.err().map(|error| {
            let problems = Diagnostics::from(error);
            assert_eq!(problems.len(), 1, "{problems}");
            problems.iter().next().unwrap().code()
        });
        assert_eq!((count, code), (readings, expected), "{most} turns");
        // As it was at first.
        fs::remove_file(&current).unwrap();
        symlink("one", &current).unwrap();
    }
}

/// Ten directories of which each links to all others have millions of ways through them.
#[test]
fn links_in_many_circles_are_told_once_each_and_not_followed_without_end() {
    const DIRECTORIES: usize = 10;
    let base = tempfile::tempdir().unwrap();
    for n in 0..DIRECTORIES {
        fs::create_dir(base.path().join(format!("d{n}"))).unwrap();
    }
    for (n, m) in (0..DIRECTORIES).flat_map(|n| (0..DIRECTORIES).map(move |m| (n, m))).filter(|(n, m)| n != m) {
        symlink(format!("../d{m}"), base.path().join(format!("d{n}/to-{m}"))).unwrap();
    }
    let codes = codes(base.path());
    assert_eq!(codes.iter().filter(|code| **code == "too-many").count(), 1, "{codes:?}");
    assert!(codes.len() <= 1 + DIRECTORIES * DIRECTORIES, "{} problems", codes.len());
    assert!(codes.iter().all(|code| matches!(*code, "too-many" | "link-loop")), "{codes:?}");
}

#[test]
fn as_many_directories_as_may_be_are_read() {
    let base = tempfile::tempdir().unwrap();
    for n in 1..MAX_DIRECTORIES {
        fs::create_dir(base.path().join(format!("d{n}"))).unwrap();
    }
    assert!(read(base.path()).is_ok(), "itself and one less than there may be");
    fs::create_dir(base.path().join("more")).unwrap();
    assert_eq!(codes(base.path()), ["too-many"]);
}

/// As where a file goes between the listing and each of the steps that follow.
#[test]
fn what_vanishes_while_it_is_read_is_unreadable_and_not_taken_for_empty() {
    type Step = fn(&mut Walk, &Path);

    let directory = set(&[]);
    let gone = directory.path().join("gone.yaml");
    let steps: [(&str, Step); 3] = [
        ("when it is looked at", |walk, path| walk.entry(path, "gone.yaml", "")),
        ("when it is read", |walk, path| walk.file(path, "gone.yaml".to_owned(), Sort::Yaml)),
        ("when it is listed", |walk, path| walk.directory(path, "gone.yaml")),
    ];
    for (name, step) in steps {
        let mut walk = Walk::default();
        step(&mut walk, &gone);
        let told: Vec<_> = walk.problems.iter().map(|problem| (problem.code(), problem.path())).collect();
        assert_eq!(told, [("unreadable", "gone.yaml")], "{name}");
        assert!(walk.files.is_empty(), "{name}");
    }
}
