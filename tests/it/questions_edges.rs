//! Questions at their edges: single resources, pages, tenants that are none, rows that are empty, places of users.

use crate::support::{Exited, PolicyDir, Sidecar, repo, sidegate};
use serde_json::{Value, json};
use sidegate::{
    directory::Subjects,
    model::Timestamp,
    policy::{self, Options, Overview},
};

const SET: &str = "policy_set: shop
levels: { view: [view], full: { includes: [view], actions: [edit] } }
modules:
  orders: { resources: [order] }
  docs: { resources: [doc] }
roles:
  clerk: { grants: { orders: view } }
  reader: { grants: { docs: view } }
users:
  ada: { name: Ada, email: ada@demo.example, roles: [clerk] }
  ben: { name: Ben, email: ben@demo.example, status: suspended, roles: [clerk] }
  cyd: { name: Cyd, email: cyd@demo.example, until: 2020-01-01T00:00:00Z, roles: [clerk] }
  dee: { name: Dee, email: dee@demo.example, roles: [reader] }
";
const BY_HAND: &str = r#"
@id("one-order")
permit (principal in Role::"clerk", action == Action::"edit", resource == order::"o-1");
@id("frozen")
forbid (principal, action == Action::"view", resource == order::"o-9");
@id("two-docs")
permit (principal == User::"dee", action == Action::"edit", resource in doc::"d-1");
"#;

fn shop() -> PolicyDir {
    PolicyDir::with(&[("set.yaml", SET), ("by-hand.cedar", BY_HAND)])
}

fn run(set: &PolicyDir, args: &[&str]) -> Exited {
    let directory = set.path().to_str().expect("UTF-8");
    sidegate([&[args[0], directory], &args[1..]].concat())
}

#[test]
fn access_tells_of_single_resources_that_policies_name() {
    let set = shop();
    let snapshot = policy::load(set.path(), &Options::default()).unwrap_or_else(|error| panic!("{error}"));
    let subjects = Subjects::bind(&snapshot.program, &snapshot.users);
    let overview = Overview::new(&snapshot);
    let now = Timestamp::parse("2026-11-22T12:00:00Z").expect("a time");
    for (user, module, summary, actions) in [
        (
            "ada",
            0,
            "view unless frozen; edit on order:o-1",
            json!([
                { "action": "view", "access": "depends", "unless": ["frozen"] },
                { "action": "edit", "access": "depends", "resources": ["order:o-1"] },
            ]),
        ),
        (
            "dee",
            1,
            "view; edit on doc:d-1",
            json!([{ "action": "view", "access": "always" }, { "action": "edit", "access": "depends", "resources": ["doc:d-1"] }]),
        ),
    ] {
        let access = overview.access(subjects.find(user).expect("a user"), None, now).expect("a set with modules");
        let access = json!(access);
        let module = &access["modules"][module];
        assert_eq!(module["summary"], summary, "{user}");
        for (found, wanted) in
            module["actions"].as_array().expect("actions").iter().zip(actions.as_array().expect("two"))
        {
            assert_eq!((&found["action"], &found["access"]), (&wanted["action"], &wanted["access"]), "{found}");
            assert_eq!(found["ways"][0]["resources"], wanted["resources"], "{found}");
            assert_eq!(found["unless"], wanted["unless"], "{found}");
        }
    }
    let told = run(&set, &["access", "--user", "ada"]).stdout;
    assert!(told.contains("edit on order:o-1 (by-hand.cedar:2:1)"), "{told}");
}

#[test]
fn empty_rows_of_a_table_are_explained_beside_it() {
    let shop = shop();
    let bare = PolicyDir::with(&[(
        "set.yaml",
        "policy_set: bare\nlevels: { view: [view] }\nmodules: { docs: { resources: [doc] } }\n",
    )]);
    let hub = repo("policies").join("8move");
    let hub = hub.to_str().expect("UTF-8");
    for (ran, notes) in [
        (run(&shop, &["matrix"]), &[][..]),
        (run(&shop, &["matrix", "--users"]), &["these users are suspended: ben", "these users have run out: cyd"]),
        (run(&shop, &["matrix", "--users", "--output", "json"]), &[]),
        (run(&bare, &["matrix"]), &["the set declares no roles; `--users` shows what users may do"]),
        (run(&bare, &["matrix", "--users", "--output", "csv"]), &["the set declares no users"]),
        (sidegate(["matrix", hub, "--users"]), &["name one with `--tenant`: ada, max"]),
    ] {
        assert_eq!(ran.code, Some(0), "{ran:?}");
        for note in notes {
            assert!(ran.stderr.contains(note), "{note}: {ran:?}");
        }
        assert_eq!(ran.stderr.is_empty(), notes.is_empty(), "{ran:?}");
    }
}

#[test]
fn a_matrix_comes_in_pages_of_roles_too_and_only_its_own_cursors_count() {
    let set = shop();
    let sidecar = Sidecar::builder().policies(set.path()).start();
    let get = |query: &str| sidecar.admin_get(&format!("/v1/matrix{query}"));
    let ids = |page: &Value| -> Vec<String> {
        let rows = page["rows"].as_array().expect("rows").iter();
        rows.map(|row| row["id"].as_str().expect("a text").to_owned()).collect()
    };
    let first = get("?limit=1").json();
    assert_eq!((ids(&first), &first["next_cursor"]), (vec!["clerk".to_owned()], &json!("clerk")));
    let last = get("?limit=1&cursor=clerk").json();
    assert_eq!((ids(&last), &last["next_cursor"]), (vec!["reader".to_owned()], &Value::Null));
    assert_eq!(ids(&get("").json()), ["clerk", "reader"]);
    for query in ["?cursor=ada", "?cursor=zzz", "?of=users&cursor=zzz", "?of=users&cursor=clerk", "?limit=1&format=csv"]
    {
        let answer = get(query);
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!("malformed_request")), "{query}");
    }
    // A table has no place for a cursor: one that goes on behind it would be cut without a word, wherever it begins.
    for format in ["csv", "markdown"] {
        let cut = get(&format!("?of=users&limit=1&cursor=ben&format={format}"));
        assert_eq!((cut.status, &cut.json()["error"]["code"]), (400, &json!("malformed_request")), "{format}");
        let rest = get(&format!("?of=users&limit=2&cursor=ben&format={format}"));
        assert_eq!((rest.status, rest.body.contains("dee")), (200, true), "{format}");
    }
}

#[test]
fn a_tenant_is_unknown_by_every_door_of_a_set_without_tenants() {
    let set = PolicyDir::with(&[("set.yaml", &format!("{SET}menu: {{ orders: {{ modules: [orders] }} }}\n"))]);
    let sidecar = Sidecar::builder().policies(set.path()).start();
    for path in ["/v1/users/ada/access?tenant=north", "/v1/users/ada/menu?tenant=north"] {
        let answer = sidecar.get(path);
        let message = answer.json()["error"]["message"].clone();
        assert_eq!((answer.status, message), (404, json!("there is no tenant `north`")), "{path}");
    }
    for query in ["?tenant=north", "?of=users&tenant=north"] {
        assert_eq!(sidecar.admin_get(&format!("/v1/matrix{query}")).status, 404, "{query}");
    }
    for path in ["/v1/access", "/v1/menu"] {
        let answer = sidecar.post(path, &json!({ "roles": ["clerk"], "tenant": "north" }));
        let problems = answer.json()["error"]["problems"].clone();
        assert_eq!((answer.status, &problems[0]["pointer"]), (422, &json!("/tenant")), "{path}");
    }
    for args in [&["access", "--user", "ada"][..], &["menu", "--user", "ada"], &["matrix"]] {
        let ran = run(&set, &[args, &["--tenant", "north"]].concat());
        assert_eq!(ran.code, Some(64), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("there is no tenant `north`"), "{args:?}: {ran:?}");
    }
    // A decision takes no notice of it.
    let asked = json!({ "user": "ada", "action": "view", "resource": "order:o-2", "tenant": "north" });
    assert_eq!(sidecar.authorize(&asked).1["decision"], "allow");
}

#[test]
fn a_wrong_member_of_a_configuration_is_one_problem() {
    let set = shop();
    let sidecar = Sidecar::builder().policies(set.path()).start();
    for (body, message) in [
        (json!({ "user": 5 }), "must be a text, found a number"),
        (json!({ "user": " " }), "this cannot be the id of a user"),
        (json!({ "user": "" }), "this cannot be the id of a user"),
    ] {
        let answer = sidecar.post("/v1/access", &body);
        let wanted = json!([{ "pointer": "/user", "message": message }]);
        assert_eq!((answer.status, &answer.json()["error"]["problems"]), (422, &wanted), "{body}");
    }
}

#[test]
fn a_configuration_is_held_to_what_files_are_held_to() {
    let centre = Sidecar::builder().policies(repo("policies/omc")).start();
    let hub = Sidecar::builder().policies(repo("policies/propeller")).start();
    for (sidecar, body, wanted) in [
        (&centre, json!({ "roles": ["client_admin", "vendor"] }), json!([["/roles/1", null]])),
        (
            &centre,
            json!({ "roles": ["customer_service"], "attributes": { "channels": ["web-fr", "web-uz"] } }),
            json!([["/attributes/channels/1", "did you mean `web-uk`?"]]),
        ),
        (
            &centre,
            json!({ "roles": ["vendor", { "role": "vendor", "until": "2020-01-01T00:00:00Z" }, "headquarters"],
                "attributes": { "channels": ["?"] } }),
            json!([
                ["/roles/1/role", null],
                ["/roles/2", null],
                ["/attributes/channels/0", "known: `web-fr`, `web-uk`, `store-paris`, `store-london`"]
            ]),
        ),
        (
            &hub,
            json!({ "gates": ["backoffice", "sales-hub", { "gate": "backoffice" }] }),
            json!([["/gates/2/gate", null]]),
        ),
    ] {
        for path in ["/v1/access", "/v1/menu"] {
            let answer = sidecar.post(path, &body);
            if path == "/v1/menu" && answer.status == 404 {
                continue;
            }
            let problems = answer.json()["error"]["problems"].clone();
            let told = problems.as_array().expect("problems").iter().map(|one| json!([one["pointer"], one["help"]]));
            assert_eq!((answer.status, json!(told.collect::<Vec<_>>())), (422, wanted.clone()), "{body}: {problems:#}");
        }
    }
    // What is said of a gate stands in place of what the preset says.
    let ran_out =
        json!({ "preset": "full-admin", "gates": [{ "gate": "backoffice", "until": "2020-01-01T00:00:00Z" }] });
    let access = hub.post("/v1/access", &ran_out).json();
    let open = |gate: &str| {
        access["gates"].as_array().expect("gates").iter().any(|one| one["id"] == gate && one["open"] == true)
    };
    assert_eq!((open("backoffice"), open("sales-hub")), (false, true), "{access:#}");
}

#[test]
fn an_explanation_tries_levels_and_the_roles_that_policies_by_hand_name() {
    let set = shop();
    set.write("set.yaml", &SET.replace("[order] }", "[order], actions: [print] }"));
    for (user, action, resource, steps) in [
        ("ada", "edit", "doc:d-2", json!([{ "kind": "level", "module": "docs", "level": "full", "tenant": null }])),
        ("dee", "edit", "order:o-1", json!([{ "kind": "role", "role": "clerk", "tenant": null }])),
        ("ada", "edit", "order:o-2", json!([{ "kind": "level", "module": "orders", "level": "full", "tenant": null }])),
        ("ada", "print", "order:o-2", json!(null)),
    ] {
        let asked = ["explain", "--user", user, "--action", action, "--resource", resource, "--output", "json"];
        let ran = run(&set, &asked);
        let explained: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        assert_eq!(explained["nearest"][0]["steps"], steps, "{explained:#}");
        let nothing = "no role, level or tenant was found that would allow it";
        assert_eq!(explained["summary"][0] == nothing, steps.is_null(), "{explained:#}");
    }
}

/// A set in which the smallest role that would do is one of the other family.
const FAMILIES: &str = "policy_set: two-houses
tenancy: required
tenants: { north: {}, south: {} }
families: { office: {}, store: {} }
levels: { view: [view], full: { includes: [view], actions: [edit] } }
modules:
  orders: { resources: [order] }
  tills: { resources: [till] }
roles:
  clerk: { family: office, grants: { orders: view } }
  boss: { family: office, grants: { orders: full, tills: view } }
  seller: { family: store, grants: { orders: full } }
  cashier: { family: store, grants: { tills: full } }
  helper: { grants: { tills: full, orders: view } }
users:
  ann: { roles: { north: [clerk] } }
  bea: { roles: { south: [clerk, boss] } }
  cas: { family: office, roles: { north: [] } }
  dan: { roles: { north: [cashier] } }
  new: { roles: { north: [] } }
";

#[test]
fn an_explanation_proposes_no_role_that_the_user_could_not_be_given() {
    let set = PolicyDir::with(&[("set.yaml", FAMILIES)]);
    let role = |role: &str| json!([{ "kind": "role", "role": role, "tenant": "north" }]);
    for (user, resource, wanted) in [
        ("ann", "order", vec![role("boss")]),
        ("ann", "till", vec![role("helper")]),
        ("cas", "order", vec![role("boss")]),
        ("dan", "order", vec![role("seller")]),
        // The family goes with the user, whichever tenant it was given a role in.
        ("bea", "till", vec![role("helper")]),
        ("new", "order", vec![role("seller"), role("boss")]),
        ("new", "till", vec![role("cashier"), role("helper")]),
    ] {
        let asked = ["explain", "--user", user, "--tenant", "north", "--action", "edit", "--resource", resource];
        let ran = run(&set, &[&asked[..], &["--output", "json"]].concat());
        let explained: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        let nearest = explained["nearest"].as_array().expect("a list");
        let steps: Vec<_> = nearest.iter().map(|change| change["steps"].clone()).collect();
        assert_eq!(steps, wanted, "{user} {resource}: {explained:#}");
    }
}

#[test]
fn an_explanation_names_the_place_of_a_user_who_may_do_nothing() {
    let set = shop();
    for (user, says) in [
        ("ben", "`ben` were active (set.yaml:11:3)"),
        ("cyd", "the access of `cyd` had not run out at 2020-01-01T00:00:00.000000Z (set.yaml:12:3)"),
    ] {
        let ran = run(&set, &["explain", "--user", user, "--action", "view", "--resource", "order"]);
        assert!(ran.stdout.contains(says), "{ran:?}");
    }
}

/// More than a search may try: what it tells is what it would tell of one role.
#[test]
fn an_explanation_of_somebody_with_very_many_roles_is_the_usual_one() {
    const ROLES: usize = 300;
    let grants = |level: &str| format!("{{ grants: {{ orders: {level} }} }}");
    let roles = (0..ROLES).map(|n| format!("  r{n}: {}\n", grants("view")));
    let others = (0..ROLES).map(|n| format!("  s{n}: {}\n", grants("full")));
    let held = (0..ROLES).map(|n| format!("r{n}")).collect::<Vec<_>>().join(", ");
    let set = format!(
        "policy_set: shop\nlevels: {{ view: [view], full: {{ includes: [view], actions: [edit] }} }}\n\
         modules: {{ orders: {{ resources: [order], actions: [print] }} }}\nroles:\n{}{}  own: {}\n\
         conditions: {{ mine: {{ cedar: context has mine && context.mine }} }}\ncontext: {{ mine: Bool }}\n\
         users: {{ ada: {{ roles: [{held}] }}, bob: {{ roles: [own] }} }}\n",
        roles.collect::<String>(),
        others.collect::<String>(),
        grants("{ level: full, when: mine }"),
    );
    let set = PolicyDir::with(&[("set.yaml", &set)]);
    let explain = |user: &str| {
        let ran =
            run(&set, &["explain", "--user", user, "--action", "edit", "--resource", "order", "--output", "json"]);
        serde_json::from_str::<Value>(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    };
    let explained = explain("ada");
    let steps: Vec<_> = explained["nearest"].as_array().expect("a list").iter().map(|one| &one["steps"][0]).collect();
    let wanted = |n: usize| json!({ "kind": "role", "role": format!("s{n}"), "tenant": null });
    assert_eq!(steps, [&wanted(0), &wanted(1), &wanted(2), &wanted(3), &wanted(4)], "{explained:#}");

    // What a condition wants is told as what does not hold: nobody has tried what would become of it.
    let summary = &explain("bob")["summary"][0];
    let text = summary.as_str().expect("a text");
    assert!(text.starts_with("the condition `mine` does not hold") && !text.contains("would be allowed"), "{text}");
}

#[test]
fn a_configuration_of_thousands_of_unknown_names_has_twenty_problems() {
    let set = shop();
    let sidecar = Sidecar::builder().policies(set.path()).start();
    let names = |count: usize| (0..count).map(|n| format!("no-{n}")).collect::<Vec<_>>();
    for (roles, told) in [(3, 3), (5400, 20)] {
        for door in ["/v1/access", "/v1/menu"] {
            let answer = sidecar.post(door, &json!({ "roles": names(roles) }));
            let error = answer.json()["error"].clone();
            assert_eq!((answer.status, error["problems"].as_array().map(Vec::len)), (422, Some(told)), "{error}");
            assert_eq!(error["message"].as_str().expect("a text").contains("at least"), told == 20, "{error}");
        }
    }
}

/// One reader takes the first, another the last.
#[test]
fn a_configuration_says_everything_once() {
    let set = shop();
    let sidecar = Sidecar::builder().policies(set.path()).start();
    for body in [
        r#"{ "roles": ["clerk"], "status": "suspended", "status": "active" }"#,
        r#"{ "roles": ["clerk"], "roles": [] }"#,
        r#"{ "roles": [{ "role": "clerk", "until": "2020-01-01T00:00:00Z", "until": null }] }"#,
    ] {
        let answer = sidecar.post_text("/v1/access", &[("content-type", "application/json")], body);
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!("malformed_request")), "{body}");
        let beside = PolicyDir::with(&[("configuration.json", body)]);
        let file = beside.path().join("configuration.json");
        let ran = run(&set, &["access", "--configuration", file.to_str().expect("UTF-8")]);
        assert!(ran.code == Some(64) && ran.stderr.contains("given twice"), "{body}: {ran:?}");
    }
}

#[test]
fn a_menu_says_that_a_session_is_missing_as_it_says_everything_else() {
    let set = PolicyDir::with(&[(
        "set.yaml",
        "policy_set: small\nsessions: required\nlevels: { view: [view] }\nmodules: { orders: { resources: [order] } }\n\
         roles: { clerk: { grants: { orders: view } } }\nusers: { ada: { email: ada@demo.example, roles: [clerk] } }\n\
         menu:\n  orders: { modules: [orders] }\n",
    )]);
    let sidecar = Sidecar::builder().policies(set.path()).start();
    let menu = sidecar.get("/v1/users/ada/menu").json();
    assert_eq!(menu["items"], json!([{ "id": "orders", "visible": false, "missing": ["session:missing"] }]));
}
