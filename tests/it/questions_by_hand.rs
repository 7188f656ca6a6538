//! Access and matrices beside policies written by hand: nothing is told as allowed that one of them forbids.

use crate::{
    questions::check,
    support::{PolicyDir, repo},
};
use serde_json::json;
use sidegate::{
    directory::Subjects,
    engine::{Subject, decide},
    model::{Attributes, Request, Resource, Timestamp, Value},
    policy::{self, Matrix, Options, Overview, Snapshot},
};

fn load(set: &PolicyDir) -> Snapshot {
    policy::load(set.path(), &Options::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T12:00:00Z").expect("a time")
}

const FROZEN: &str = "@id(\"frozen\")
forbid (principal, action == Action::\"edit\", resource in Area::\"settings/billing\");
";

#[test]
fn what_is_forbidden_in_one_area_is_not_told_as_always_allowed() {
    let set = PolicyDir::copy_of(repo("policies/8move"));
    set.write("frozen.cedar", FROZEN);
    let snapshot = load(&set);
    let subjects = Subjects::bind(&snapshot.program, &snapshot.users);
    let overview = Overview::new(&snapshot);
    for (user, summary, edit) in [
        ("ada", "view-create + delete; edit unless frozen", json!({ "access": "depends", "unless": ["frozen"] })),
        // Where nothing of a grant is left there is nothing to tell, and a grant elsewhere is not touched.
        ("fin", "view-create + delete in billing", json!(null)),
        ("mona", "view; edit in general", json!({ "access": "depends", "unless": null })),
    ] {
        let user = subjects.find(user).expect("a user");
        let access = json!(overview.access(user, Some("north"), now()).expect("a known tenant"));
        let settings = &access["modules"][4];
        assert_eq!((&settings["id"], &settings["summary"]), (&json!("settings"), &json!(summary)), "{settings:#}");
        assert_eq!(settings["level"], json!(null), "{settings:#}");
        let found = settings["actions"].as_array().expect("actions").iter().find(|action| action["action"] == "edit");
        let found = found.map(|found| json!({ "access": found["access"], "unless": found["unless"] }));
        assert_eq!(found.unwrap_or_default(), edit, "{settings:#}");
    }
    let users = Matrix::of_users(&snapshot, [subjects.find("ada").expect("a user")], Some("north"), now());
    let roles = Matrix::of_roles(&snapshot, None, now());
    for matrix in [users, roles] {
        let matrix = matrix.expect("a matrix");
        let settings = &matrix.rows[0].cells[4];
        assert_eq!((&settings.always, &settings.depends), (&words("view create delete"), &words("edit")));
        assert_eq!(settings.summary, "view-create + delete; edit unless frozen");
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

const YARD: &str = "policy_set: yard
levels: { view: [view], full: { includes: [view], actions: [edit] } }
modules:
  docs: { resources: { doc: { owner: User }, note: { owner: User } }, areas: [open, closed] }
conditions: { own: { description: d, cedar: resource has owner && resource.owner == principal } }
roles:
  clerk: { grants: { docs: full } }
  half: { grants: { docs: { level: full, areas: [open] } } }
  own: { grants: { docs: { level: full, when: own } } }
users: { ada: { roles: [clerk] }, ben: { roles: [half] }, cyd: { roles: [own] }, dee: { roles: [half, own] }, eve: {} }
";

/// Policies on areas, types and single resources, with conditions and without.
const BY_HAND: [&str; 12] = [
    "forbid (principal, action == Action::\"edit\", resource in Area::\"docs/closed\");",
    "forbid (principal, action, resource is note);",
    "forbid (principal, action == Action::\"edit\", resource == doc::\"o-1\");",
    "forbid (principal == User::\"ada\", action, resource) when { resource has owner && resource.owner == principal };",
    "forbid (principal in Role::\"clerk\", action == Action::\"view\", resource is note in Area::\"docs/open\");",
    "forbid (principal, action, resource in Module::\"docs\") when { resource in Area::\"docs/open\" };",
    "forbid (principal, action == Action::\"edit\", resource) unless { principal in Role::\"clerk\" };",
    "forbid (principal, action == Action::\"view\", resource == note::\"open\");",
    // What these cover is no product of areas and types.
    "permit (principal, action == Action::\"view\", resource) when { resource in Area::\"docs/open\" || resource is note };",
    "permit (principal == User::\"eve\", action, resource) unless { resource in Area::\"docs/closed\" && resource is doc };",
    "permit (principal == User::\"eve\", action == Action::\"edit\", resource == note::\"o-1\");",
    "permit (principal, action == Action::\"edit\", resource is doc in Area::\"docs/closed\");",
];

#[test]
fn access_says_beside_policies_by_hand_what_decisions_say() {
    let mut compared = 0;
    for (at, first) in BY_HAND.iter().enumerate() {
        for second in std::iter::once(&"").chain(&BY_HAND[at + 1..]) {
            let by_hand = format!("{first}\n{second}\n");
            let set = PolicyDir::with(&[("set.yaml", YARD), ("by-hand.cedar", &by_hand)]);
            compared += compare(&load(&set), &by_hand);
        }
    }
    assert!(compared > 3_000, "{compared} cells");
}

/// Compares what is told of each action with decisions about resources of the user's own and of others.
fn compare(snapshot: &Snapshot, by_hand: &str) -> usize {
    let subjects = Subjects::bind(&snapshot.program, &snapshot.users);
    let overview = Overview::new(snapshot);
    let module = &snapshot.catalog.modules[0];
    let mut compared = 0;
    for user in subjects.iter() {
        let access = overview.access(user, None, now()).expect("a set with modules");
        let own = [("owner".into(), Value::text(user.id()))];
        for action in &module.actions {
            let found = access.modules[0].actions.iter().find(|found| found.action == action);
            for ty in &module.resource_types {
                for attributes in [&[] as &Attributes<'_>, &own] {
                    let says = |id: &str| {
                        let resource = Resource { ty, id, attributes };
                        let (context, subject_attributes) = (&[], &[]);
                        let request =
                            Request { action, resource, tenant: None, context, subject_attributes, time: now() };
                        decide(&snapshot.program, Subject::User(user), &request).decision.is_allow()
                    };
                    // A panic tells the cell; this tells the set.
                    let _told = Told(by_hand, user.id());
                    check(found, &module.areas, ty, &says);
                    compared += 1;
                }
            }
        }
    }
    compared
}

/// Tells what was compared where a comparison fails.
struct Told<'t>(&'t str, &'t str);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} beside\n{}", self.1, self.0);
        }
    }
}
