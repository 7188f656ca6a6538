//! `sidegate test`: what it prints, what it counts, and how it ends.

use crate::support::{PolicyDir, repo, sidegate};
use serde_json::Value;

const SET: &str = "policy_set: shop
levels: { view: [view], edit: { includes: [view], actions: [edit] } }
modules:
  orders: { resources: { order: { owner: User } } }
conditions:
  own: { cedar: resource has owner && resource.owner == principal }
roles:
  clerk: { grants: { orders: edit } }
  rep: { grants: { orders: { level: edit, when: own } } }
users:
  bob: { roles: [clerk] }
  carol: { roles: [rep] }
";

/// What covers the whole set.
const WHOLE: &str = "users:
  vera: { grants: { orders: view } }
  ella: { grants: { orders: edit } }
tables:
  - rule: shop-levels
    columns: [order]
    rows: { bob: [edit], vera: [view], ella: [edit] }
  - attributes: { owner: carol }
    columns: [order]
    rows: { carol: [all] }
  - reason: condition_not_met
    columns: [order]
    rows: { carol: [none] }
";

/// One wrong expectation of each sort.
const WRONG: &str = "cases:
  - { name: bob is no clerk, rule: shop-x, user: bob, action: edit, resource: order:o-1, expect: deny, reason: not_granted }
  - { user: carol, action: edit, resource: order:o-1, expect: deny, reason: not_granted, policies: [role/rep/orders] }
tables:
  - columns: [order]
    rows: { carol: [view] }
presets:
  - { user: bob, preset: none-such }
";

fn test(set: &PolicyDir, args: &[&str]) -> (Option<i32>, String, String) {
    let directory = set.path().to_str().expect("UTF-8");
    let exited = sidegate([&["test", directory], args].concat());
    (exited.code, exited.stdout, exited.stderr)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_set_whose_tests_pass_and_cover_it_ends_with_0() {
    let set = PolicyDir::with(&[("set.yaml", SET), ("tests/all.yaml", WHOLE)]);
    let (code, out, error) = test(&set, &["--min-coverage", "100"]);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    let expected = "file            passed  failed\n\
                    tests/all.yaml      10       0\n\n\
                    shop: 10 of 10 tests passed\n\
                    coverage 100.0 %: policies 4 of 4, conditions 1 of 1, cells 4 of 4\n";
    assert_eq!(out, expected);
}

#[test]
fn where_a_set_demands_sessions_tests_say_who_is_logged_out() {
    const SESSIONS: &str = "cases:
  - { user: bob, action: edit, resource: order, expect: allow }
  - { user: bob, session: none, action: [view, edit], resource: [order, orders], expect: deny, reason: session_missing }
";
    let demanding = format!("sessions: required\n{SET}");
    let set = PolicyDir::with(&[("set.yaml", &demanding), ("tests/all.yaml", SESSIONS)]);
    let (code, out, error) = test(&set, &[]);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    // A set that does not demand them takes no notice.
    let set = PolicyDir::with(&[("set.yaml", SET), ("tests/all.yaml", SESSIONS)]);
    let (code, out, _) = test(&set, &[]);
    assert_eq!(code, Some(4), "{out}");
    assert!(out.contains("expected deny (session_missing)\n  got      allow"), "{out}");
}

#[test]
fn what_fails_is_told_with_place_expectation_and_reason() {
    let wrong = WRONG.replace("presets:\n  - { user: bob, preset: none-such }\n", "");
    let set = PolicyDir::with(&[("set.yaml", SET), ("tests/a.yaml", &wrong)]);
    let (code, out, _) = test(&set, &[]);
    assert_eq!(code, Some(4), "{out}");
    for told in [
        "FAILED tests/a.yaml:2:5\n  bob is no clerk: bob edit order:o-1\n  expected deny (not_granted)\n  \
         got      allow (granted: clerk grants edit on orders)\n",
        "FAILED tests/a.yaml:3:5\n  carol edit order:o-1\n  expected deny (not_granted) by role/rep/orders\n  \
         got      deny (condition_not_met: the condition is not met: rep grants edit on orders when own) by nothing\n",
        "FAILED tests/a.yaml:6:21\n  carol view order\n  expected allow (granted)\n",
        "tests/a.yaml       1       3\n",
        "shop: 1 of 4 tests passed\n",
        "  not covered, policies: role/rep/orders\n",
        "  not covered, cells: clerk view orders\n",
    ] {
        assert!(out.contains(told), "{told}\nis not in\n{out}");
    }
}

#[test]
fn coverage_under_what_is_wanted_ends_with_4() {
    let cases = "cases: [{ user: bob, action: edit, resource: order, expect: allow }]\n";
    let set = PolicyDir::with(&[("set.yaml", SET), ("tests/a.yaml", cases)]);
    // A policy and a cell of 4 policies, a condition and 4 cells.
    for (least, code) in [("0", 0), ("22", 0), ("22.3", 4), ("100", 4)] {
        let (found, out, error) = test(&set, &["--min-coverage", least]);
        assert_eq!(found, Some(code), "{least}: {out}");
        assert_eq!(error.is_empty(), code == 0, "{error}");
        assert!(out.contains("coverage 22.2 %: policies 1 of 4, conditions 0 of 1, cells 1 of 4"), "{out}");
    }
}

#[test]
fn results_are_data_where_they_are_asked_for_as_data() {
    let wrong = WRONG.replace("presets:\n  - { user: bob, preset: none-such }\n", "");
    let set = PolicyDir::with(&[("set.yaml", SET), ("tests/a.yaml", &wrong)]);
    let (code, out, _) = test(&set, &["--output", "json"]);
    let report = json(&out);
    assert_eq!((code, &report["passed"], &report["policy_set"]), (Some(4), &false.into(), &"shop".into()));
    let first = &report["tests"][0];
    assert_eq!((&first["file"], &first["line"], &first["column"]), (&"tests/a.yaml".into(), &2.into(), &5.into()));
    assert_eq!((&first["rules"][0], &first["passed"]), (&"shop-x".into(), &false.into()));
    assert_eq!(first["got"], "allow (granted: clerk grants edit on orders)");
    assert_eq!(report["coverage"]["conditions"], serde_json::json!({ "covered": 1, "total": 1, "missing": [] }));

    let (code, out, _) = test(&set, &["--output", "junit"]);
    assert_eq!(code, Some(4));
    assert!(out.starts_with(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"shop\" tests=\"4\" failures=\"3\">\n"
    ));
    let case = "<testcase classname=\"tests/a.yaml\" name=\"bob is no clerk: bob edit order:o-1\" file=\"tests/a.yaml\" line=\"2\">\n      \
                <failure message=\"expected deny (not_granted), got allow (granted: clerk grants edit on orders)\">tests/a.yaml:2:5</failure>\n";
    assert!(out.contains(case), "{out}");
    assert!(out.ends_with("  </testsuite>\n</testsuites>\n"), "{out}");
}

#[test]
fn a_filter_runs_what_it_names_by_name_file_or_rule() {
    let set = PolicyDir::with(&[
        ("set.yaml", SET),
        ("tests/all.yaml", WHOLE),
        ("tests/more.yaml", "cases:\n  - { user: bob, action: view, resource: orders, expect: allow }\n"),
    ]);
    for (filter, passed) in [("shop-levels", 6), ("more.yaml", 1), ("carol", 4), ("view orders", 1)] {
        let (code, out, _) = test(&set, &["--filter", filter]);
        assert_eq!(code, Some(0), "{out}");
        assert!(out.contains(&format!("shop: {passed} of {passed} tests passed\n")), "{filter}: {out}");
        assert!(!out.contains("coverage"), "a part of the tests says nothing about coverage: {out}");
    }
    let (code, out, error) = test(&set, &["--filter", "caroline"]);
    assert_eq!((code, out.as_str()), (Some(64), ""));
    assert!(error.contains("none of 11 tests has `caroline`"), "{error}");
}

#[test]
fn a_set_with_errors_ends_with_3_and_a_test_with_an_error_is_one() {
    let set = PolicyDir::with(&[("set.yaml", SET), ("tests/a.yaml", WRONG)]);
    let (code, out, error) = test(&set, &[]);
    assert_eq!((code, out.as_str()), (Some(3), ""));
    assert!(error.contains("no preset `none-such`") && error.contains("tests/a.yaml:8"), "{error}");
    let (code, ..) = test(&set, &["--min-coverage", "101"]);
    assert_eq!(code, Some(64));
}

#[test]
fn the_menu_of_a_user_is_compared_item_by_item() {
    let screens = "gates: { hub: }\nmenu:\n  sales: { gate: hub, modules: [orders] }\n  home:\n";
    let wrong = "menus:\n  - { user: bob, visible: [sales] }\n  - { user: carol, missing: { sales: [\"gate:hub\"], home: [\"gate:hub\"] } }\n";
    let set = PolicyDir::with(&[("set.yaml", SET), ("screens.yaml", screens), ("tests/a.yaml", wrong)]);
    let (code, out, _) = test(&set, &[]);
    assert_eq!(code, Some(4), "{out}");
    assert!(out.contains("  expected exactly sales visible\n  got      home visible\n"), "{out}");
    assert!(out.contains("got      home visible\n"), "{out}");
    let right = "menus:\n  - { user: bob, visible: [home], missing: { sales: [\"gate:hub\"] } }\n";
    set.write("tests/a.yaml", right);
    assert_eq!(test(&set, &[]).0, Some(0));
}

#[test]
fn a_set_of_plain_cedar_has_tests_too() {
    let policies = "@id(\"own\") permit (principal, action == Action::\"edit\", resource is Photo) when { resource.owner == principal };\n\
                    @id(\"locked\") forbid (principal, action, resource) when { resource has locked && resource.locked };\n";
    let entities = "[{ \"uid\": { \"type\": \"Photo\", \"id\": \"sea\" }, \"attrs\": { \"owner\": { \"__entity\": { \"type\": \"User\", \"id\": \"ann\" } } }, \"parents\": [] }]";
    let tests = "cases:
  - { user: ann, action: edit, resource: Photo:sea, expect: allow, reason: granted, policies: [own] }
  - { user: bob, action: edit, resource: Photo:sea, expect: deny, reason: condition_not_met }
  - { user: ann, action: edit, resource: Photo:sea, attributes: { locked: true }, expect: deny, reason: forbidden, policies: [locked] }
";
    let set = PolicyDir::with(&[("a.cedar", policies), ("entities.json", entities), ("tests/a.yaml", tests)]);
    let (code, out, error) = test(&set, &["--min-coverage", "100"]);
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("coverage 100.0 %: policies 2 of 2, conditions 2 of 2, cells 0 of 0\n"), "{out}");
}

#[test]
fn the_shipped_sets_pass_with_full_coverage() {
    for set in ["demo", "8move", "propeller", "omc", "backbone"] {
        let directory = repo(&format!("policies/{set}"));
        let exited = sidegate(["test", directory.to_str().expect("UTF-8"), "--min-coverage", "100"]);
        assert_eq!(exited.code, Some(0), "{}{}", exited.stdout, exited.stderr);
    }
}
