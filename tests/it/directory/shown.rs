//! Rules of the shipped sets as the directory shows them, and users of the directory beside questions.

use super::desk::{Desk, active, sidecar};
use serde_json::{Value, json};

/// Rule `propeller-disable`: taking away every assignment disables a user without deleting the account.
#[test]
fn a_user_from_whom_everything_is_taken_is_disabled_and_still_there() {
    let sidecar = sidecar("propeller");
    let olga = Desk::of(&sidecar, "olga");
    olga.user("dan");
    let everything = json!({ "gates": ["backoffice"], "grants": { "pricing": "editor", "product-data": "viewer" } });
    olga.ok("POST", "/v1/users/dan/assignments/give", &everything);
    for (ty, action) in [("tax", "edit"), ("product", "view")] {
        assert_eq!(olga.asks("dan", None, ty, action).0, "allow", "{ty}");
    }
    olga.ok("POST", "/v1/users/dan/assignments/take", &everything);
    for (ty, action) in [("tax", "edit"), ("product", "view")] {
        assert_eq!(olga.asks("dan", None, ty, action), ("deny".to_owned(), "gate_closed".to_owned()), "{ty}");
    }
    let menu = sidecar.get("/v1/users/dan/menu").json();
    assert!(menu["items"].as_array().expect("items").iter().all(|item| item["visible"] == false), "{menu:#}");
    let dan = olga.ok("GET", "/v1/users/dan", &Value::Null);
    assert_eq!(
        (&dan["id"], &dan["status"], &dan["email"]),
        (&json!("dan"), &json!("active"), &json!("dan@example.com"))
    );
    assert_eq!(olga.ids("/v1/users?declared=false"), ["dan"]);
    // What is given again counts again.
    olga.ok("POST", "/v1/users/dan/assignments/give", &everything);
    assert_eq!(olga.asks("dan", None, "tax", "edit").0, "allow");
}

/// Rules `propeller-users-view`: listing backoffice users needs roles-permissions, viewer or more; and `propeller-users-own`: creating
/// or deleting them needs it as owner.
#[test]
fn backoffice_users_are_listed_by_viewers_and_created_by_owners() {
    let sidecar = sidecar("propeller");
    let olga = Desk::of(&sidecar, "olga");
    olga.user("edi");
    let editor = json!({ "gates": ["backoffice"], "grants": { "roles-permissions": "editor" } });
    olga.ok("POST", "/v1/users/edi/assignments/give", &editor);
    for (user, may_list, may_create) in
        [("olga", true, true), ("edi", true, false), ("vic", true, false), ("pia", false, false), ("rex", false, false)]
    {
        let desk = Desk::of(&sidecar, user);
        if may_list {
            assert!(desk.ids("/v1/users").contains(&"edi".to_owned()), "{user}");
        } else {
            assert_eq!(desk.refused("GET", "/v1/users", &Value::Null).0, 403, "{user}");
        }
        if may_create {
            desk.user("new");
            desk.ok("DELETE", "/v1/users/new", &Value::Null);
        } else {
            assert_eq!(desk.refused("POST", "/v1/users", &active("new")).0, 403, "{user}");
            // Whom one may not see is not there.
            let refused = desk.refused("DELETE", "/v1/users/edi", &Value::Null).0;
            assert!(matches!(refused, 403 | 404), "{user}: {refused}");
        }
    }
    assert!(olga.ids("/v1/users").contains(&"edi".to_owned()));
}

/// Rule `backbone-list`: administrators list the users of the organization and see a user's profile and access settings.
#[test]
fn administrators_see_the_users_of_their_organization() {
    let sidecar = sidecar("backbone");
    let bea = Desk::of(&sidecar, "bea").at("acme");
    assert_eq!(bea.ids("/v1/users"), ["bea", "bob"]);
    let bob = bea.ok("GET", "/v1/users/bob", &Value::Null);
    assert_eq!((&bob["id"], &bob["name"]), (&json!("bob"), &json!("Bob")));
    let given = bea.ok("GET", "/v1/users/bob/assignments", &Value::Null);
    assert_eq!(given["items"][0]["roles"][0]["role"], "member", "{given:#}");
    // Neither members, nor the users of another organization.
    assert_eq!(Desk::of(&sidecar, "bob").at("acme").refused("GET", "/v1/users", &Value::Null).0, 403);
    assert!(bea.refused("GET", "/v1/users/ben", &Value::Null).0 >= 403);
    assert!(Desk::of(&sidecar, "bea").at("bolt").send("GET", "/v1/users", None).status >= 403);
}

#[test]
fn a_search_finds_users_of_the_directory_from_the_moment_they_may() {
    let sidecar = sidecar("8move");
    let ada = Desk::of(&sidecar, "ada").at("north");
    let found = || -> Vec<String> {
        let body = json!({ "subject": { "type": "user" }, "action": { "name": "view" }, "context": { "tenant": "north" },
            "resource": { "type": "order", "id": "o-1" } });
        let answer = sidecar.post("/access/v1/search/subject", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        let results = answer.json()["results"].as_array().expect("results").clone();
        results.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
    };
    let declared = ["ada", "cat", "fin", "max", "mona", "wes"];
    assert_eq!(found(), declared);
    ada.user("dora");
    assert_eq!(found(), declared, "nothing is given yet");
    ada.ok("POST", "/v1/users/dora/assignments/give", &json!({ "roles": ["warehouse"] }));
    assert_eq!(found(), ["ada", "cat", "dora", "fin", "max", "mona", "wes"]);
    ada.ok("POST", "/v1/users/dora/suspend", &Value::Null);
    assert_eq!(found(), declared);
}
