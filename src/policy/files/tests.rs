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
        assert!(walk.problems.is_empty() && !walk.links.iter().any(Link::is_turned), "{link}");
        turn(link, target);
        assert!(walk.links.iter().any(Link::is_turned), "{link}");
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
