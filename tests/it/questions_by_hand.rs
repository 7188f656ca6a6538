//! Access and matrices beside policies written by hand: nothing is told as allowed that one of them forbids.

use crate::support::{PolicyDir, repo};
use serde_json::json;
use sidegate::{
    directory::Subjects,
    model::Timestamp,
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
