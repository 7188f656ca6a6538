//! Access, menus, matrices and explanations: over HTTP, on the command line, and beside the decisions that they tell of.

use crate::support::{PolicyDir, Sidecar, repo, shared, sidegate};
use serde_json::{Value, json};
use sidegate::{
    directory::Subjects,
    engine::{Subject, decide},
    model::{Request, Resource, Timestamp},
    policy::{self, ActionAccess, Options, Overview, Snapshot, UserAccess, Way},
};
use std::{collections::BTreeMap, fs, path::Path};

fn dir(set: &str) -> String {
    repo("policies").join(set).to_str().expect("UTF-8").to_owned()
}

fn load(path: &Path) -> Snapshot {
    policy::load(path, &Options::default()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T12:00:00Z").expect("a time")
}

fn sidecar(set: &str) -> Sidecar {
    Sidecar::builder().policies(repo("policies").join(set)).start()
}

/// The entry of a list with this id or action.
fn entry<'v>(list: &'v Value, key: &str, id: &str) -> &'v Value {
    let found = list.as_array().expect("a list").iter().find(|entry| entry[key] == id);
    found.unwrap_or_else(|| panic!("no `{id}` in {list:#}"))
}

#[test]
fn access_names_levels_areas_conditions_and_the_places_of_the_cells() {
    let sidecar = sidecar("8move");
    let answer = sidecar.get("/v1/users/sam/access?tenant=north");
    assert_eq!(answer.status, 200, "{answer:?}");
    let sam = answer.json();
    assert_eq!((&sam["status"], &sam["tenant"], &sam["refused"]), (&json!("active"), &json!("north"), &Value::Null));
    assert_eq!(sam["revision"], answer.header("sidegate-revision"));
    let orders = entry(&sam["modules"], "id", "orders");
    assert_eq!((&orders["summary"], &orders["level"]), (&json!("full when own-clients"), &Value::Null));
    let edit = entry(&orders["actions"], "action", "edit");
    assert_eq!(edit["access"], "depends");
    assert_eq!(edit["ways"][0]["conditions"], json!(["own-clients"]));
    assert_eq!(edit["ways"][0]["policy"], "role/sales-rep/orders");
    let source = edit["ways"][0]["source"].as_str().expect("a place");
    assert!(source.starts_with("roles.yaml:"), "{source}");
    assert_eq!(
        sam["conditions"],
        json!([{ "name": "own-clients", "description": "the client is looked after by the user who asks" }])
    );
    let catalog = entry(&sam["modules"], "id", "catalog");
    assert_eq!((&catalog["summary"], &catalog["level"]), (&json!("view"), &json!("view")));
    assert_eq!(entry(&sam["modules"], "id", "settings")["actions"], json!([]));

    let mona = sidecar.get("/v1/users/mona/access").json();
    let settings = entry(&mona["modules"], "id", "settings");
    assert_eq!(settings["summary"], "view; edit in general");
    assert_eq!(entry(&settings["actions"], "action", "edit")["ways"][0]["areas"], json!(["general"]));
    assert_eq!(entry(&settings["actions"], "action", "view")["access"], "always");
}

#[test]
fn who_may_do_nothing_is_told_why() {
    let sidecar = sidecar("8move");
    for (user, tenant, code) in
        [("sue", "?tenant=north", "user_suspended"), ("ivy", "", "user_invited"), ("max", "", "tenant_missing")]
    {
        let access = sidecar.get(&format!("/v1/users/{user}/access{tenant}")).json();
        assert_eq!(access["refused"]["code"], code, "{access:#}");
        let modules = access["modules"].as_array().expect("modules");
        assert!(modules.iter().all(|module| module["actions"] == json!([])), "{access:#}");
    }
}

#[test]
fn what_does_not_exist_is_404_with_its_name() {
    let sidecar = sidecar("8move");
    for (path, message) in [
        ("/v1/users/nobody/access", "there is no user `nobody`"),
        ("/v1/users/a%2Fb%20c/access", "there is no user `a/b c`"),
        ("/v1/users/sam/access?tenant=west", "there is no tenant `west`"),
        ("/v1/users/nobody/menu", "there is no user `nobody`"),
        ("/v1/users/sam/menu", "the policy set `8move` has no menu"),
        ("/v1/users/sam/menu?tenant=west", "there is no tenant `west`"),
        ("/v1/users//access", "no such path"),
        ("/v1/users/sam/x/access", "no such path"),
    ] {
        let answer = sidecar.get(path);
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status, &error["code"], &error["message"]),
            (404, &json!("not_found"), &json!(message)),
            "{path}"
        );
        assert_eq!(error["request_id"], answer.header("x-request-id"));
    }
    for (path, message) in [
        ("/v1/users/sam/access?tennant=north", "there is no parameter `tennant`; did you mean `tenant`?"),
        ("/v1/users/%ff/access", "`%ff` in the address is not percent-encoded UTF-8"),
    ] {
        let answer = sidecar.get(path);
        assert_eq!((answer.status, &answer.json()["error"]["message"]), (400, &json!(message)), "{path}");
    }
    let wrong_method = sidecar.post("/v1/users/sam/access", &json!({}));
    assert_eq!((wrong_method.status, wrong_method.header("allow")), (405, "GET"));
}

/// Whether a decision about a type, with nothing said about the resource, is an allow.
fn decided(
    snapshot: &Snapshot,
    subjects: &Subjects,
    access: &UserAccess<'_>,
    action: &str,
    ty: &str,
    id: &str,
) -> bool {
    let user = subjects.find(access.user.expect("a user")).expect("declared");
    let resource = Resource { ty, id, attributes: &[] };
    let request =
        Request { action, resource, tenant: access.tenant, context: &[], subject_attributes: &[], time: now() };
    decide(&snapshot.program, Subject::User(user), &request).decision.is_allow()
}

#[test]
fn access_says_of_every_cell_what_decisions_say() {
    let mut compared = 0;
    for set in fs::read_dir(repo("policies")).expect("policy sets") {
        let snapshot = load(&set.expect("an entry").path());
        let subjects = Subjects::bind(&snapshot.program, &snapshot.users);
        let overview = Overview::new(&snapshot);
        for user in subjects.iter() {
            let tenants = user.user().memberships.iter().map(|membership| membership.tenant.as_deref());
            for tenant in tenants.chain([None]) {
                let access = overview.access(user, tenant, now()).expect("a known tenant");
                for (module, declared) in access.modules.iter().zip(&snapshot.catalog.modules) {
                    for action in &declared.actions {
                        let found = module.actions.iter().find(|found| found.action == action);
                        let types = declared.resource_types.iter().map(String::as_str).chain([declared.id.as_str()]);
                        for ty in types {
                            let says = |id: &str| decided(&snapshot, &subjects, &access, action, ty, id);
                            check(found, &declared.areas, ty, &says);
                            compared += 1 + declared.areas.len();
                        }
                    }
                }
            }
        }
    }
    assert!(compared > 3000, "{compared} cells");
}

/// What access tells of an action, beside what decisions say of areas and of a resource that is in none.
#[track_caller]
pub fn check(found: Option<&ActionAccess<'_>>, areas: &[String], ty: &str, says: &dyn Fn(&str) -> bool) {
    for id in std::iter::once("o-1").chain(areas.iter().map(String::as_str)) {
        match found {
            None => assert!(!says(id), "{ty}:{id} is allowed and not told"),
            Some(access) if access.always => assert!(says(id), "{ty}:{id}: {access:?}"),
            Some(access) => {
                let resource = format!("{ty}:{id}");
                let covers = |way: &Way<'_>| {
                    (way.areas.is_empty() || way.areas.contains(&id))
                        && (way.types.is_empty() || way.types.contains(&ty))
                        && (way.resources.is_empty() || way.resources.contains(&resource))
                };
                let certain = access.ways.iter().any(|way| way.conditions.is_empty() && covers(way));
                assert!(!certain || !access.unless.is_empty() || says(id), "{ty}:{id}: {access:?}");
                let possible = access.ways.iter().any(covers);
                assert!(possible || !says(id), "{ty}:{id} is allowed and not told: {access:?}");
            }
        }
    }
}

/// Rules: propeller-menu, propeller-gate.
#[test]
fn every_menu_of_the_commerce_hub_is_what_its_facts_say() {
    let Some(path) = shared("domain/propeller.yaml") else { return };
    let facts: serde_yaml::Value = serde_yaml::from_str(&fs::read_to_string(path).expect("facts")).expect("YAML");
    let sidecar = sidecar("propeller");
    let texts = |value: &serde_yaml::Value| -> Vec<String> {
        value.as_sequence().into_iter().flatten().map(|text| text.as_str().expect("a text").to_owned()).collect()
    };
    let mut items = 0;
    for (user, given) in facts["users"].as_mapping().expect("users") {
        let user = user.as_str().expect("an id");
        let given = given["preset"].as_str().map_or(given, |preset| &facts["presets"][preset]);
        let (gates, modules) = (texts(&given["gates"]), &given["modules"]);
        let wanted: Vec<Value> = facts["menu"]
            .as_mapping()
            .expect("menu")
            .iter()
            .map(|(id, item)| {
                let gate = item["gate"].as_str().expect("a gate").to_owned();
                let needed = texts(&item["modules"]);
                let lacking =
                    needed.iter().filter(|module| modules["*"].is_null() && modules[module.as_str()].is_null());
                let gate = (!gates.contains(&gate)).then(|| format!("gate:{gate}"));
                let missing: Vec<String> =
                    gate.into_iter().chain(lacking.map(|module| format!("module:{module}"))).collect();
                json!({ "id": id.as_str(), "visible": missing.is_empty(), "missing": missing })
            })
            .collect();
        items += wanted.len();
        let answer = sidecar.get(&format!("/v1/users/{user}/menu"));
        // The pricing that somebody holds behind a closed gate is not missing: the gate is.
        assert_eq!((answer.status, answer.json()), (200, json!({ "items": wanted })), "{user}");
    }
    assert_eq!(items, 8 * 30);
}

/// Rules: propeller-menu-live, propeller-preset.
#[test]
fn a_configuration_that_is_not_saved_has_the_menu_that_it_would_have() {
    let sidecar = sidecar("propeller");
    let rex = sidecar.get("/v1/users/rex/menu").json();
    for configuration in [
        json!({ "preset": "sales-representative" }),
        json!({ "gates": ["sales-hub"], "grants": { "user-management": "owner", "product-data": "viewer", "order-data": { "level": "editor" } } }),
        json!({ "preset": "full-admin", "grants": { "pricing": "none", "shop-channel": "none", "roles-permissions": "none",
            "configuration": "none", "logistics": "none", "api-keys": "none", "user-management": "none" },
            "gates": [], "roles": null, "status": "active" }),
    ] {
        let answer = sidecar.post("/v1/menu", &configuration);
        assert_eq!(answer.status, 200, "{answer:?}");
        let same = configuration["grants"]["pricing"].is_null();
        assert_eq!(answer.json() == rex, same, "{configuration}");
    }
    for (configuration, preset) in [
        (json!({ "preset": "full-admin" }), "full-admin"),
        (json!({ "preset": "full-admin", "grants": { "pricing": "viewer" } }), "custom"),
        (json!({}), "custom"),
    ] {
        assert_eq!(sidecar.post("/v1/access", &configuration).json()["preset"], preset, "{configuration}");
    }
    for (user, preset) in
        [("olga", "full-admin"), ("rex", "sales-representative"), ("pia", "custom"), ("ned", "custom")]
    {
        assert_eq!(sidecar.get(&format!("/v1/users/{user}/access")).json()["preset"], preset, "{user}");
    }
    let suspended = sidecar.post("/v1/menu", &json!({ "preset": "full-admin", "status": "suspended" })).json();
    assert!(
        suspended["items"].as_array().expect("items").iter().all(|item| item["missing"] == json!(["user:suspended"]))
    );
    let gus = sidecar.get("/v1/users/gus/access").json();
    let pricing = entry(&gus["modules"], "id", "pricing");
    assert_eq!((&pricing["closed_gates"], &pricing["actions"]), (&json!(["backoffice"]), &json!([])));
}

#[test]
fn a_configuration_that_cannot_be_is_422_with_every_problem() {
    let sidecar = sidecar("propeller");
    let answer = sidecar.post(
        "/v1/access",
        &json!({ "preset": "ful-admin", "gates": ["backofice", 7], "grants": { "pricng": "owner", "pricing": "boss", "a/b": "owner" },
            "roles": "admin", "tenant": "north", "colour": 1, "until": "soon", "status": "away", "attributes": { "size": 1 } }),
    );
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (422, &json!("invalid_configuration")), "{answer:?}");
    let problems = answer.json()["error"]["problems"].clone();
    let mut pointers: Vec<_> =
        problems.as_array().expect("problems").iter().map(|one| one["pointer"].as_str().expect("a pointer")).collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/attributes/size",
            "/colour",
            "/gates/0",
            "/gates/1",
            "/grants/a~1b",
            "/grants/pricing",
            "/grants/pricng",
            "/preset",
            "/roles",
            "/status",
            "/tenant",
            "/until"
        ]
    );
    assert_eq!(entry(&problems, "pointer", "/preset")["help"], "did you mean `full-admin`?");
    assert_eq!(entry(&problems, "pointer", "/gates/1")["message"], "must be a text, found a number");
    for body in ["", "{", "[1]"] {
        let answer = sidecar.post_text("/v1/menu", &[], body);
        let status = if body == "[1]" { 422 } else { 400 };
        assert_eq!(answer.status, status, "{body}: {answer:?}");
    }
}

const TEMPORARY: &str = "policy_set: shop
tenancy: required
tenants: { north: {}, south: {} }
levels: { view: [view], full: { includes: [view], actions: [edit] } }
user_attributes: { channels: Set<String> }
conditions:
  own-channel: { description: the order is of a channel of the user, cedar: resource has channel && principal has channels && principal.channels.contains(resource.channel) }
modules:
  orders: { resources: { order: { channel: String } } }
  secret: { resources: [safe], gates: [vault] }
gates: { vault: { name: Vault } }
roles:
  reader: { grants: { orders: view } }
  seller: { includes: [reader], grants: { orders: { level: full, when: own-channel } } }
  keeper: { grants: { secret: full } }
users:
  ada:
    attributes: { channels: [web, shop] }
    roles:
      north: [{ role: seller, until: 2100-01-01T00:00:00Z, why: covers for Bob }, { role: keeper, until: 2020-01-01T00:00:00Z }]
    gates: { north: [vault] }
  bob: { roles: { north: [seller] } }
";

/// Rule: omc-channel-filter, the channels of a user can be asked for.
#[test]
fn temporary_assignments_attributes_and_gates_are_told() {
    let set = PolicyDir::with(&[("set.yaml", TEMPORARY)]);
    let sidecar = Sidecar::builder().policies(set.path()).start();
    let ada = sidecar.get("/v1/users/ada/access").json();
    assert_eq!(ada["attributes"], json!({ "channels": ["web", "shop"] }));
    let seller = entry(&ada["roles"], "id", "seller");
    assert_eq!(
        (&seller["until"], &seller["why"], &seller["expired"]),
        (&json!("2100-01-01T00:00:00.000000Z"), &json!("covers for Bob"), &json!(false))
    );
    assert_eq!(entry(&ada["roles"], "id", "keeper")["expired"], true);
    assert_eq!(entry(&ada["gates"], "id", "vault")["open"], true);
    assert_eq!(entry(&ada["modules"], "id", "orders")["summary"], "view; edit when own-channel");
    assert_eq!(entry(&ada["modules"], "id", "secret")["summary"], "");
    let centre = self::sidecar("omc");
    for (user, channels) in [
        ("cleo", json!(["web-fr", "web-uk", "store-paris", "store-london"])),
        ("cara", json!(["web-fr"])),
        ("conor", json!([])),
    ] {
        assert_eq!(
            centre.get(&format!("/v1/users/{user}/access")).json()["attributes"]["channels"],
            channels,
            "{user}"
        );
    }
    // Without any channel no order can be of one: what a condition can never allow is not told as possible.
    assert_eq!(entry(&sidecar.get("/v1/users/bob/access").json()["modules"], "id", "orders")["summary"], "view");
}

#[test]
fn a_deny_is_explained_by_the_nearest_change_that_would_allow_it() {
    let set = PolicyDir::with(&[("set.yaml", TEMPORARY)]);
    let root = set.path().to_str().expect("UTF-8").to_owned();
    let order = |manager: &str| json!({ "type": "order", "id": "o-1", "attributes": { "account_manager": manager } });
    for (set, question, steps) in [
        (
            dir("8move"),
            json!({ "user": "wes", "action": "edit", "resource": "order" }),
            json!([{ "kind": "role", "role": "manager", "tenant": "north" }]),
        ),
        (
            dir("8move"),
            json!({ "user": "sue", "action": "edit", "resource": "order" }),
            json!([{ "kind": "status", "status": "active", "source": "users.yaml:10:3" }]),
        ),
        (
            dir("8move"),
            json!({ "user": "max", "action": "edit", "resource": "order" }),
            json!([{ "kind": "tenant", "tenant": "north" }]),
        ),
        (
            dir("8move"),
            json!({ "user": "max", "tenant": "south", "action": "edit", "resource": "order" }),
            json!([{ "kind": "tenant", "tenant": "north" }]),
        ),
        (
            dir("8move"),
            json!({ "user": "ada", "tenant": "west", "action": "edit", "resource": "order" }),
            json!([{ "kind": "tenant", "tenant": "north" }]),
        ),
        (
            dir("8move"),
            json!({ "user": "ada", "action": "edit", "resource": "ordr" , "tenant": "north" }),
            json!([{ "kind": "name", "hint": "did you mean `order`?" }]),
        ),
        (
            dir("8move"),
            json!({ "user": "sam", "action": "edit", "resource": order("bob") }),
            json!([{ "kind": "condition", "conditions": ["own-clients"],
            "wants": [{ "attribute": "resource.account_manager", "found": "bob", "should": "be `sam`" }] }]),
        ),
        (
            dir("8move"),
            json!({ "user": "sam", "action": "edit", "resource": "order" }),
            json!([{ "kind": "condition", "conditions": ["own-clients"],
            "wants": [{ "attribute": "resource.account_manager", "found": null, "should": "be `sam`" }] }]),
        ),
        (
            dir("propeller"),
            json!({ "user": "pia", "action": "delete", "resource": "tax" }),
            json!([{ "kind": "level", "module": "pricing", "level": "owner", "tenant": null }]),
        ),
        (
            dir("propeller"),
            json!({ "user": "gus", "action": "edit", "resource": "tax" }),
            json!([{ "kind": "gate", "gate": "backoffice", "tenant": null }]),
        ),
        (
            dir("propeller"),
            json!({ "user": "ned", "action": "view", "resource": "tax" }),
            json!([
            { "kind": "gate", "gate": "backoffice", "tenant": null }, { "kind": "level", "module": "pricing", "level": "viewer", "tenant": null }]),
        ),
        (
            root.clone(),
            json!({ "user": "ada", "action": "edit", "resource": "safe" }),
            json!([{ "kind": "assignment", "name": "keeper", "until": "2020-01-01T00:00:00.000000Z" }]),
        ),
        (
            root.clone(),
            json!({ "user": "ada", "action": "edit", "resource": { "type": "order", "attributes": { "channel": "tv" } } }),
            json!([{ "kind": "condition", "conditions": ["own-channel"], "wants": [{ "attribute": "principal.channels", "found": "[web, shop]", "should": "contain `tv`" }] }]),
        ),
    ] {
        let request = PolicyDir::with(&[("question.json", &question.to_string())]);
        let file = request.path().join("question.json");
        let ran = sidegate(["explain", &set, "--request", file.to_str().expect("UTF-8"), "--output", "json"]);
        let explained: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        assert_eq!(explained["decision"], "deny", "{question}");
        assert_eq!(explained["nearest"][0]["steps"], steps, "{question}: {explained:#}");
        // The cell that would grant it stands at the place that is told.
        if let Some(source) = explained["nearest"][0]["source"].as_str() {
            let mut place = source.split(':');
            let (file, line) =
                (place.next().expect("a file"), place.next().and_then(|line| line.parse::<usize>().ok()));
            let text = fs::read_to_string(Path::new(&set).join(file)).expect("the file that is named");
            assert!(
                text.lines().nth(line.expect("a line") - 1).is_some_and(|line| !line.trim().is_empty()),
                "{source}"
            );
        }
    }
}

#[test]
fn an_explanation_over_http_is_the_one_of_the_command_line_and_costs_nothing_unasked() {
    let sidecar = sidecar("8move");
    let question = json!({ "user": "wes", "action": "edit", "resource": "order:o-1" });
    let (_, plain) = sidecar.authorize(&question);
    assert!(plain.get("explanation").is_none(), "{plain}");
    let mut asked = question.clone();
    asked["explain"] = json!(true);
    let (status, answer) = sidecar.authorize(&asked);
    assert_eq!((status, &answer["decision"], &answer["reason"]), (200, &plain["decision"], &plain["reason"]));
    let set = dir("8move");
    let args = ["explain", &set, "--user", "wes", "--action", "edit", "--resource", "order:o-1", "--output", "json"];
    let by_command: Value = serde_json::from_str(&sidegate(args).stdout).expect("JSON");
    for member in ["summary", "nearest", "considered", "tenant", "roles", "module"] {
        assert_eq!(answer["explanation"][member], by_command[member], "{member}");
    }
    let source = answer["explanation"]["nearest"][0]["source"].as_str().expect("a place");
    assert_eq!(answer["explanation"]["nearest"][0]["policy"], "role/manager/orders");
    assert!(answer["explanation"]["summary"][0].as_str().is_some_and(|text| text.contains(source)), "{answer:#}");

    let (_, allowed) =
        sidecar.authorize(&json!({ "user": "fin", "action": "edit", "resource": "invoice", "explain": true }));
    let why = allowed["explanation"]["summary"][0].as_str().expect("a sentence");
    assert!(why.starts_with("allowed because finance grants full on invoicing (roles.yaml:"), "{why}");
    assert!(why.ends_with("`fin` has the role `finance` in `north`"), "{why}");
    let wrong = sidecar
        .post("/v1/authorize", &json!({ "user": "fin", "action": "edit", "resource": "invoice", "explain": "yes" }));
    assert_eq!(wrong.status, 400);
}

#[test]
fn a_matrix_is_the_same_by_every_door_and_in_every_format() {
    let set = dir("8move");
    let markdown = sidegate(["matrix", &set, "--output", "markdown"]).stdout;
    let wanted = "\
| role | orders | catalog | clients | invoicing | settings |
| --- | --- | --- | --- | --- | --- |
| admin | full | full | full | full | full |
| manager | full | full | full | view-create | view; edit in general |
| sales-rep | full when own-clients | view | full when own-clients | view | - |
| warehouse | view + update_status | view | - | - | - |
| finance | view | view | view | full | full in billing |
| catalog-manager | view | full | view | view | view |
";
    assert_eq!(markdown, wanted);
    let csv = sidegate(["matrix", &set, "--users", "--tenant", "south", "--output", "csv"]).stdout;
    assert!(csv.contains("\r\n\"max\",\"view + update_status\",\"view\",\"\",\"\",\"\"\r\n"), "{csv}");
    let sidecar = sidecar("8move");
    assert_eq!(sidecar.admin_get("/v1/matrix?format=markdown").body, wanted);
    let by_command: Value = serde_json::from_str(&sidegate(["matrix", &set, "--output", "json"]).stdout).expect("JSON");
    assert_eq!(sidecar.admin_get("/v1/matrix").json(), by_command);
    let sam = entry(&by_command["rows"], "id", "sales-rep");
    let orders = entry(&sam["cells"], "module", "orders");
    assert_eq!((&orders["always"], orders["depends"].as_array().map(Vec::len)), (&json!([]), Some(5)));

    // Users come in pages, which together are all of them.
    let whole = sidecar.admin_get("/v1/matrix?of=users&tenant=north").json();
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = sidecar.admin_get(&format!("/v1/matrix?of=users&tenant=north&limit=4{cursor}")).json();
        rows.extend(page["rows"].as_array().expect("rows").clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((&json!(rows), rows.len()), (&whole["rows"], 9));
    assert_eq!(entry(&whole["rows"], "id", "sue")["refused"], "user_suspended");
    for (path, status) in [
        ("/v1/matrix?tenant=west", 404),
        ("/v1/matrix?of=cats", 400),
        ("/v1/matrix?limit=0", 400),
        ("/v1/matrix?of=users&limit=2&format=csv", 400),
    ] {
        assert_eq!(sidecar.admin_get(path).status, status, "{path}");
    }
}

#[test]
fn the_commands_answer_people_and_end_with_the_codes_of_the_contract() {
    let (set, hub) = (dir("8move"), dir("propeller"));
    let configuration =
        PolicyDir::with(&[("good.json", r#"{"preset":"full-admin"}"#), ("bad.json", r#"{"preset":"x"}"#)]);
    let file = |name: &str| configuration.path().join(name).to_str().expect("UTF-8").to_owned();
    let mut codes = BTreeMap::new();
    for (args, code, says) in [
        (vec!["access", &set, "--user", "sam"], 0, "full when own-clients"),
        (vec!["access", &set, "--user", "nobody"], 64, "there is no user `nobody`"),
        (vec!["access", &set, "--user", "sam", "--tenant", "west"], 64, "there is no tenant `west`"),
        (vec!["menu", &set, "--user", "sam"], 64, "has no menu"),
        (vec!["menu", &hub, "--user", "gus"], 0, "needs gate:backoffice"),
        (vec!["menu", &hub, "--configuration", &file("good.json")], 0, "visible  pricing/taxes"),
        (vec!["menu", &hub, "--configuration", &file("bad.json")], 64, "/preset: no preset `x`"),
        (vec!["menu", &hub], 64, "--user"),
        (vec!["matrix", &set, "--tenant", "west"], 64, "there is no tenant `west`"),
        (vec!["matrix", &set, "--users"], 0, "update_status"),
        (
            vec!["explain", &set, "--user", "wes", "--action", "edit", "--resource", "order"],
            0,
            "had the role `manager`",
        ),
    ] {
        let ran = sidegate(&args);
        assert_eq!(ran.code, Some(code), "{args:?}: {ran:?}");
        let told = if code == 0 { &ran.stdout } else { &ran.stderr };
        assert!(told.contains(says), "{args:?}: {ran:?}");
        assert!(code == 0 || ran.stdout.is_empty(), "{args:?}: {ran:?}");
        *codes.entry(code).or_insert(0) += 1;
    }
    assert_eq!(codes.len(), 2);
}

#[test]
fn reports_hold_up_no_decision() {
    let sidecar = sidecar("demo");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let answer = sidecar.get("/v1/users/alice/access");
                    assert!(matches!(answer.status, 200 | 503), "{answer:?}");
                }
            });
        }
        for _ in 0..50 {
            let (status, _) = sidecar.authorize(&json!({ "user": "bob", "action": "view", "resource": "order" }));
            assert_eq!(status, 200);
        }
    });
}
