//! `/v1/users`: fields, lists, versions, who may.

use super::desk::{Desk, sidecar};
use serde_json::{Value, json};

fn jane() -> Value {
    json!({ "email": "jane@example.com", "first_name": "Jane", "last_name": "Doe", "activation": "none" })
}

fn over(base: Value, more: &Value) -> Value {
    let mut whole = base;
    for (name, value) in more.as_object().expect("an object") {
        whole[name] = value.clone();
    }
    whole
}

/// Rule `propeller-required`: first name, last name and email are required; gender (F, M or U), middle name, phone, job and language
/// are not; language defaults to the system's. Rule `propeller-columns`: the list shows id, name, email, phone, first login, created
/// and updated, the last two sortable.
#[test]
fn a_user_has_the_fields_of_the_facts() {
    let sidecar = sidecar("propeller");
    let olga = Desk::of(&sidecar, "olga");
    let places: Vec<String> =
        olga.problems("POST", "/v1/users", &json!({})).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, ["/first_name", "/last_name", "/email"]);
    let jane = olga.ok("POST", "/v1/users", &jane());
    assert_eq!((jane["language"].as_str(), jane["name"].as_str()), (Some("en"), Some("Jane Doe")));
    for optional in ["gender", "middle_name", "phone", "job", "first_login"] {
        assert!(jane[optional].is_null(), "{optional}: {jane}");
    }
    let whole = json!({
        "id": "karl", "email": "karl@example.com", "first_name": "Karl", "middle_name": "van", "last_name": "Dyk", "gender": "M",
        "phone": "+31 20 555 0100", "job": "Buyer", "language": "nl", "activation": "none",
    });
    let karl = olga.ok("POST", "/v1/users", &whole);
    for (name, value) in whole.as_object().expect("an object").iter().filter(|(name, _)| *name != "activation") {
        assert_eq!(&karl[name], value, "{name}");
    }
    for gender in ["F", "M", "U"] {
        olga.ok("PATCH", "/v1/users/karl", &json!({ "gender": gender }));
    }
    let listed = olga.get("/v1/users?declared=false&sort=created&order=desc").json();
    let names: Vec<&Value> = listed["items"].as_array().expect("items").iter().map(|user| &user["name"]).collect();
    assert_eq!(names, [&json!("Karl van Dyk"), &json!("Jane Doe")]);
    for column in ["id", "name", "email", "phone", "first_login", "created", "updated"] {
        assert!(listed["items"][0].get(column).is_some(), "{column}: {listed}");
    }
    olga.ok("PATCH", &format!("/v1/users/{}", jane["id"].as_str().expect("an id")), &json!({ "job": "Seller" }));
    let of = |order: &str| olga.ids(&format!("/v1/users?declared=false&{order}"));
    assert_eq!(of("sort=updated&order=desc")[0], jane["id"].as_str().expect("an id"));
    assert_eq!(of("sort=created&order=asc")[0], jane["id"].as_str().expect("an id"));
    assert_eq!(of("sort=name"), [jane["id"].as_str().expect("an id"), "karl"]);
}

#[test]
fn every_problem_of_a_user_is_in_one_answer_with_its_place() {
    let sidecar = sidecar("propeller");
    let olga = Desk::of(&sidecar, "olga");
    let wrong = json!({
        "id": " x", "email": "nobody", "first_name": "", "last_name": 7, "gender": "X", "phone": "12", "language": "english!",
        "family": "none", "attributes": { "no~such/one": 1 }, "status": "suspended", "jbo": "x", "activation": "maybe",
    });
    let problems = olga.problems("POST", "/v1/users", &wrong);
    let mut places: Vec<&str> = problems.iter().map(|(place, _)| place.as_str()).collect();
    places.sort_unstable();
    let mut expected: Vec<String> =
        wrong.as_object().expect("an object").keys().map(|name| format!("/{name}")).collect();
    expected.retain(|place| place != "/attributes");
    expected.push("/attributes/no~0such~1one".to_owned());
    expected.sort_unstable();
    assert_eq!(places, expected, "{problems:#?}");
    assert_eq!(olga.problems("POST", "/v1/users", &json!([1]))[0].0, "");
    let not_json = olga.and("content-type", "text/plain").send("POST", "/v1/users", Some(&jane()));
    assert_eq!((not_json.status, not_json.json()["error"]["code"].as_str()), (400, Some("unsupported_content_type")));
    let large = json!({ "first_name": "x".repeat(70_000) });
    assert_eq!(olga.refused("POST", "/v1/users", &large), (413, "body_too_large".to_owned()));
}

/// Rule `propeller-email-fixed`: a user's email cannot be changed once the user exists. Rule `propeller-after-save`: roles are
/// assigned to a user that exists, never in the creating call. Rule `propeller-immediate`: a changed level counts for the very next
/// request.
#[test]
fn what_is_fixed_stays_and_what_is_given_counts_at_once() {
    let sidecar = sidecar("propeller");
    let olga = Desk::of(&sidecar, "olga");
    for name in ["roles", "grants", "gates", "preset", "assignments"] {
        let problems = olga.problems("POST", "/v1/users", &over(jane(), &json!({ name: [] })));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].0, format!("/{name}"));
    }
    olga.ok("POST", "/v1/users", &over(jane(), &json!({ "id": "jane" })));
    assert_eq!(olga.problems("PATCH", "/v1/users/jane", &json!({ "email": "other@example.com" }))[0].0, "/email");
    assert_eq!(olga.ok("PATCH", "/v1/users/jane", &json!({ "email": "jane@example.com" }))["version"], 1);

    let ask = |action: &str| olga.asks("jane", None, "pricing", action).0;
    assert_eq!(ask("view"), "deny");
    let assignments = "/v1/users/jane/assignments";
    olga.ok("PUT", assignments, &json!({ "gates": ["backoffice"], "grants": { "pricing": "viewer" } }));
    assert_eq!((ask("view").as_str(), ask("edit").as_str()), ("allow", "deny"));
    olga.ok(
        "POST",
        "/v1/users/jane/assignments/give",
        &json!({ "grants": { "pricing": { "level": "editor", "why": "season" } } }),
    );
    assert_eq!((ask("view").as_str(), ask("edit").as_str()), ("allow", "allow"));
    let given = olga.get(assignments).json();
    assert_eq!(
        (&given["items"][0]["grants"]["pricing"]["level"], &given["items"][0]["grants"]["pricing"]["why"]),
        (&json!("editor"), &json!("season"))
    );
    assert_eq!(given["items"][0]["grants"]["pricing"]["by"], "olga");
    olga.ok("POST", "/v1/users/jane/assignments/take", &json!({ "gates": ["backoffice"] }));
    assert_eq!(olga.asks("jane", None, "pricing", "view"), ("deny".to_owned(), "gate_closed".to_owned()));
    let preset = olga.ok("PUT", assignments, &json!({ "preset": "sales-representative" }));
    assert!(!preset["assignments"][0]["gates"].as_array().expect("gates").is_empty(), "{preset}");
}

#[test]
fn a_lost_update_is_refused() {
    let sidecar = sidecar("propeller");
    let olga = Desk::of(&sidecar, "olga");
    olga.ok("POST", "/v1/users", &over(jane(), &json!({ "id": "jane" })));
    let seen = olga.get("/v1/users/jane").header("etag").to_owned();
    assert_eq!(seen, "\"1\"");
    let changed = olga.and("if-match", &seen).send("PATCH", "/v1/users/jane", Some(&json!({ "job": "Buyer" })));
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""));
    let late = olga.and("if-match", &seen);
    for (method, path, body) in [
        ("PATCH", "/v1/users/jane", json!({ "job": "Seller" })),
        ("PUT", "/v1/users/jane/assignments", json!({ "gates": ["backoffice"] })),
        ("POST", "/v1/users/jane/suspend", Value::Null),
        ("DELETE", "/v1/users/jane", Value::Null),
    ] {
        assert_eq!(late.refused(method, path, &body), (412, "version_mismatch".to_owned()), "{method} {path}");
    }
    assert_eq!(olga.get("/v1/users/jane").json()["job"], "Buyer");
    let odd = olga.and("if-match", "W/\"2\"").refused("DELETE", "/v1/users/jane", &Value::Null);
    assert_eq!(odd, (400, "malformed_request".to_owned()));
    assert_eq!(olga.and("if-match", "*").send("DELETE", "/v1/users/jane", None).status, 204);
    assert_eq!(olga.refused("GET", "/v1/users/jane", &Value::Null), (404, "not_found".to_owned()));
}

/// Rule `8move-directory`: the user directory lists name, email, role, status and last login, with search by text and filter by role
/// and status.
#[test]
fn users_are_searched_and_filtered_declared_ones_among_them() {
    let sidecar = sidecar("8move");
    let ada = Desk::of(&sidecar, "ada").at("north");
    for id in ["uma", "ugo"] {
        ada.user(id);
        ada.ok("PUT", &format!("/v1/users/{id}/assignments?tenant=north"), &json!({ "roles": ["sales-rep"] }));
    }
    ada.ok("POST", "/v1/users/ugo/suspend?tenant=north", &Value::Null);
    assert_eq!(ada.asks("ugo", Some("north"), "order", "view"), ("deny".to_owned(), "user_suspended".to_owned()));
    ada.ok("POST", "/v1/sessions?tenant=north", &json!({ "user": "uma" }));
    for (filter, expected) in [
        ("role=sales-rep", &["sam", "ugo", "uma"][..]),
        ("role=sales-rep&status=active", &["sam", "uma"]),
        ("search=uma@example", &["uma"]),
        ("search=OKAFOR", &["sam"]),
        ("search=nobody", &[]),
        ("status=suspended", &["sue", "ugo"]),
        ("status=invited", &["ivy"]),
        ("tenant=south", &["ada", "max"]),
        ("declared=false", &["ugo", "uma"]),
        ("tenant=north&role=warehouse", &["wes"]),
        ("sort=last_login&order=desc&limit=1", &["uma"]),
    ] {
        assert_eq!(ada.ids(&format!("/v1/users?{filter}")), expected, "{filter}");
    }
    let uma = &ada.get("/v1/users?tenant=north&search=uma").json()["items"][0];
    assert_eq!(
        (&uma["name"], &uma["email"], &uma["status"]),
        (&json!("uma Doe"), &json!("uma@example.com"), &json!("active"))
    );
    assert_eq!(uma["assignments"][0]["roles"][0]["role"], "sales-rep");
    assert!(uma["last_login"].is_string() && uma["declared"] == false, "{uma}");
    let sam = &ada.get("/v1/users?tenant=north&search=okafor").json()["items"][0];
    assert_eq!((&sam["declared"], &sam["assignments"][0]["roles"][0]["role"]), (&json!(true), &json!("sales-rep")));
    for (filter, message) in [
        ("statsu=active", "there is no parameter `statsu`; did you mean `status`?"),
        ("status=gone", "`gone` is no value of `status`: `invited`, `active` or `suspended`"),
        ("limit=0", "`0` is no value of `limit`: a number from 1 to 1000"),
        ("cursor=zz", "`zz` is no value of `cursor`: the `next_cursor` of the page before"),
    ] {
        let answer = ada.get(&format!("/v1/users?{filter}"));
        assert_eq!((answer.status, &answer.json()["error"]["message"]), (400, &json!(message)), "{filter}");
    }
}

#[test]
fn pages_together_are_the_whole_list_in_every_order() {
    let sidecar = sidecar("8move");
    let ada = Desk::of(&sidecar, "ada").at("north");
    for n in 0..7 {
        ada.user(&format!("u{n}"));
    }
    for order in
        ["sort=id", "sort=name", "sort=name&order=desc", "sort=created", "sort=updated&order=desc", "sort=last_login"]
    {
        let whole = ada.ids(&format!("/v1/users?{order}"));
        assert_eq!(whole.len(), 16, "{whole:?}");
        let (mut pages, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = ada.get(&format!("/v1/users?{order}&limit=5{cursor}")).json();
            let items = page["items"].as_array().expect("items").clone();
            assert!(items.len() <= 5);
            pages.extend(items.iter().map(|user| user["id"].as_str().expect("an id").to_owned()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(pages, whole, "{order}");
        let other = ada.get(&format!("/v1/users?sort=created&order=desc{cursor}"));
        assert_eq!(other.status, 400, "a cursor of another order: {other:?}");
    }
}

#[test]
fn nobody_is_changed_by_whom_the_policies_do_not_let() {
    let sidecar = sidecar("8move");
    let (ada, mona, operator) =
        (Desk::of(&sidecar, "ada").at("north"), Desk::of(&sidecar, "mona"), Desk::operator(&sidecar));
    ada.user("uma");
    let role = |role: &str| json!({ "roles": [role] });
    let north = "/v1/users/uma/assignments?tenant=north";
    assert_eq!(mona.refused("PUT", north, &role("admin")).0, 403);
    assert_eq!(
        Desk::of(&sidecar, "nobody").refused("PUT", north, &role("sales-rep")),
        (403, "actor_unknown".to_owned())
    );
    assert_eq!(ada.refused("PATCH", "/v1/users/sam", &json!({ "job": "x" })), (409, "user_declared".to_owned()));
    assert_eq!(ada.problems("PUT", "/v1/users/uma/assignments?tenant=north", &role("adimn"))[0].0, "/roles/0");
    assert_eq!(
        ada.refused("PUT", "/v1/users/uma/assignments?tenant=nowhere", &role("admin")),
        (404, "not_found".to_owned())
    );
    assert_eq!(
        ada.refused(
            "POST",
            "/v1/users",
            &json!({ "id": "uma", "email": "x@example.com", "first_name": "x", "last_name": "x" })
        ),
        (409, "user_exists".to_owned())
    );
    assert_eq!(
        ada.refused(
            "POST",
            "/v1/users",
            &json!({ "id": "u2", "email": "UMA@example.com", "first_name": "x", "last_name": "x" })
        ),
        (409, "email_taken".to_owned())
    );
    ada.ok("PUT", north, &role("sales-rep"));
    operator.ok("PUT", "/v1/users/uma/assignments?tenant=south", &role("warehouse"));
    let given = operator.get("/v1/users/uma/assignments?tenant=south").json();
    assert_eq!(given["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(given["items"][0]["roles"][0]["by"], "operator:local");
    // Allowed or refused: every call is on record.
    let has = |records: &[Value], actor: &str, decision: &str| {
        records.iter().any(|record| record["actor"] == actor && record["decision"] == decision)
    };
    operator.records("kind=directory&user=uma", |records| {
        has(records, "mona", "deny") && has(records, "ada", "allow") && has(records, "operator:local", "allow")
    });
}

#[test]
fn without_an_operators_token_somebody_has_to_be_named() {
    let token = |name: &str, more: &[&str]| {
        let made = crate::support::sidegate(["token", "--name", name].iter().chain(more));
        let line =
            |head: &str| made.stdout.lines().find_map(|line| line.strip_prefix(head)).expect("a line").to_owned();
        (line("token: "), line("entry: "))
    };
    let (app, ops) = (token("app", &["--scopes", "read,directory"]), token("ops", &["--operator"]));
    let config = format!("server: {{ admin: {{ auth: tokens, tokens: [{}, {}] }} }}", app.1, ops.1);
    let sidecar = super::desk::with("8move", &config);
    let by = |token: &str| Desk::operator(&sidecar).and("authorization", &format!("Bearer {token}"));
    assert_eq!(by(&app.0).refused("GET", "/v1/users", &Value::Null), (403, "actor_missing".to_owned()));
    assert_eq!(by(&ops.0).get("/v1/users").status, 200);
    assert_eq!(by(&app.0).and("sidegate-actor", "ada").at("north").get("/v1/users").status, 200);
    assert_eq!(by(&ops.0).and("sidegate-actor", "sam").refused("GET", "/v1/users", &Value::Null).0, 403);
    // What an application reports is its own word.
    assert_eq!(by(&app.0).send("POST", "/v1/sessions?tenant=north", Some(&json!({ "user": "sam" }))).status, 201);
}
