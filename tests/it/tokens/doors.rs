//! Where a token may stand, and what else than a decision it answers for.

use super::{ROLES, SOON, claims, code, file, of_roles, office, question, with};
use crate::support::{PolicyDir, Sidecar, SigningKey, jwks, seconds_now, wait_for};
use serde_json::{Value, json};

fn boss() -> Value {
    of_roles("zoe", &json!("north"), &["shop-bosses"])
}

fn evaluation(subject: &Value) -> Value {
    json!({ "subject": subject, "action": { "name": "edit" }, "resource": { "type": "order", "id": "o-1" } })
}

#[test]
fn a_token_stands_in_for_the_user_in_both_ways_of_asking() {
    let folder = PolicyDir::with(&[]);
    let key = SigningKey::p256("k");
    let sidecar = office(&file(&folder, &jwks(&[&key])), ROLES).start();
    let token = key.sign(&boss());
    for subject in
        [json!({ "token": token }), json!({ "id": "zoe", "token": token }), json!({ "token": token, "id": null })]
    {
        let (_, answer) = sidecar.authorize(&question(&subject));
        assert_eq!(answer["decision"], "allow", "{subject}: {answer}");
    }
    for subject in [
        json!({ "type": "user", "id": "zoe", "token": token }),
        json!({ "type": "user", "id": "", "token": token }),
        json!({ "type": "user", "id": "zoe", "properties": { "token": token } }),
        json!({ "type": "user", "id": "", "properties": { "token": token, "tenant": "north" } }),
    ] {
        let answer = sidecar.post("/access/v1/evaluation", &evaluation(&subject)).json();
        assert_eq!(answer["decision"], true, "{subject}: {answer}");
        let batch = json!({ "subject": subject, "evaluations": [
            { "action": { "name": "edit" }, "resource": { "type": "order", "id": "o-1" } },
            { "action": { "name": "fly" }, "resource": { "type": "order", "id": "o-1" } },
            evaluation(&json!({ "type": "user", "id": "max", "token": token })),
            evaluation(&json!({ "type": "user", "id": "", "token": "nonsense" })),
        ], "options": { "reasons": true } });
        let answer = sidecar.post("/access/v1/evaluations", &batch).json();
        let codes: Vec<_> = answer["evaluations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["context"]["reason"]["code"].clone())
            .collect();
        assert_eq!(codes, ["granted", "action_unknown", "token_subject", "token_malformed"], "{answer}");
    }
    wait_for("the records name user, tenant and roles", SOON, || {
        let records = sidecar.admin_get("/v1/audit?user=zoe&decision=allow").json();
        let records = records["items"].as_array().unwrap().clone();
        !records.is_empty()
            && records.iter().all(|record| record["tenant"] == "north" && record["roles"] == json!(["admin"]))
    });
}

#[test]
fn bodies_that_say_two_things_about_the_subject_are_not_answered() {
    let folder = PolicyDir::with(&[]);
    let key = SigningKey::p256("k");
    let sidecar = office(&file(&folder, &jwks(&[&key])), "").start();
    let token = key.sign(&claims("wes"));
    let ask = |members: Value| with(json!({ "action": "view", "resource": "order:o-1" }), &members);
    for (path, body, message) in [
        ("/v1/authorize", ask(json!({ "user": "wes", "subject": { "id": "wes" } })), "`user` or `subject`"),
        ("/v1/authorize", ask(json!({})), "missing field `user`"),
        ("/v1/authorize", ask(json!({ "subject": {} })), "needs `id` or `token`"),
        ("/v1/authorize", ask(json!({ "subject": { "tokn": token } })), "the nearest is `token`"),
        ("/v1/authorize", ask(json!({ "subject": { "token": 5 } })), "expected a string"),
        ("/v1/authorize", ask(json!({ "subject": { "token": token, "roles": [] } })), "`token` or `roles`"),
        ("/v1/authorize", ask(json!({ "subject": { "id": "wes", "roles": [] } })), "subjects.trust_asserted_roles"),
        ("/access/v1/evaluation", evaluation(&json!({ "type": "user", "id": "wes", "token": 5 })), "`subject.token`"),
        (
            "/access/v1/evaluation",
            evaluation(&json!({ "type": "user", "id": "wes", "properties": { "token": [token] } })),
            "`subject.properties.token` must be a string",
        ),
        (
            "/access/v1/evaluation",
            evaluation(&json!({ "type": "user", "id": "wes", "token": token, "properties": { "token": token } })),
            "one token",
        ),
    ] {
        let answer = sidecar.post(path, &body);
        let text = answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == 400 && text.contains(message), "{body}: {answer:?}");
        assert!(!answer.body.contains(&token), "a token is never repeated");
    }
}

#[test]
fn without_an_issuer_no_token_is_believed() {
    let key = SigningKey::p256("k");
    let sidecar = Sidecar::builder().start();
    assert_eq!(code(&sidecar, &key.sign(&claims("bob"))), "token_issuer");
    let subject = json!({ "type": "user", "id": "bob", "token": key.sign(&claims("bob")) });
    assert_eq!(sidecar.post("/access/v1/evaluation", &evaluation(&subject)).json()["decision"], false);
    let subject = json!({ "type": "user", "id": "bob", "properties": { "token": 5 } });
    assert_eq!(sidecar.post("/access/v1/evaluation", &evaluation(&subject)).status, 200, "a property like any other");
}

#[test]
fn explanations_access_menus_and_searches_take_tokens() {
    let folder = PolicyDir::with(&[]);
    let key = SigningKey::p256("k");
    let sidecar = office(&file(&folder, &jwks(&[&key])), ROLES).start();
    let clerk = key.sign(&of_roles("zoe", &json!("north"), &["shop-clerks"]));
    let expired = key.sign(&with(boss(), &json!({ "exp": seconds_now() - 100 })));

    let mut asked = with(question(&json!({ "token": clerk })), &json!({ "action": "edit", "explain": true }));
    let explanation = sidecar.authorize(&asked).1["explanation"].clone();
    assert_eq!(explanation["roles"], json!(["warehouse"]));
    let summary = explanation["summary"][0].as_str().unwrap();
    assert!(summary.contains("would be allowed if `zoe` had the role"), "{explanation}");
    asked["subject"] = json!({ "token": expired });
    let (_, answer) = sidecar.authorize(&asked);
    assert_eq!((&answer["reason"]["code"], &answer["explanation"]), (&json!("token_expired"), &Value::Null));

    let access = sidecar.post("/v1/access", &json!({ "subject": { "token": clerk } }));
    assert_eq!(access.status, 200, "{access:?}");
    let access = access.json();
    assert_eq!(
        (&access["user"], &access["tenant"], &access["roles"][0]["id"]),
        (&json!("zoe"), &json!("north"), &json!("warehouse"))
    );
    let orders = access["modules"].as_array().unwrap().iter().find(|module| module["id"] == "orders").unwrap().clone();
    assert!(orders["summary"].as_str().unwrap().contains("view"), "{orders}");
    // What the token says is of the north, and counts for nothing in the south: there every decision is a deny.
    let elsewhere = sidecar.post("/v1/access", &json!({ "subject": { "token": clerk }, "tenant": "south" })).json();
    assert_eq!(elsewhere["refused"]["code"], "tenant_mismatch", "{elsewhere}");
    let modules = elsewhere["modules"].as_array().unwrap();
    assert!(modules.iter().all(|module| module["actions"] == json!([])), "{elsewhere}");
    let refused = sidecar.post("/v1/access", &json!({ "subject": { "token": expired } }));
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (422, &json!("token_expired")));
    let unknown = sidecar.post("/v1/access", &json!({ "subject": { "id": "zoe" }, "tenant": "north" }));
    assert_eq!(unknown.status, 404);
    let known = sidecar.post("/v1/access", &json!({ "subject": { "id": "wes" }, "tenant": "north" }));
    assert_eq!((known.status, &known.json()["user"]), (200, &json!("wes")));

    let search = |token: &str| {
        let body = json!({ "subject": { "type": "user", "id": "", "token": token },
            "resource": { "type": "order", "id": "o-1" }, "context": { "tenant": "north" } });
        sidecar.post("/access/v1/search/action", &body).json()["results"].clone()
    };
    assert_eq!(search(&clerk), json!([{ "name": "update_status" }, { "name": "view" }]));
    assert_eq!(search(&expired), json!([]));
}

#[test]
fn menus_of_a_set_without_tenants_take_tokens() {
    let folder = PolicyDir::with(&[(
        "set.yaml",
        "policy_set: small\nlevels: { view: [view] }\nmodules: { orders: { resources: [order] } }\n\
         roles: { clerk: { grants: { orders: view } } }\nmenu:\n  orders: { modules: [orders] }\n",
    )]);
    let key = SigningKey::p256("k");
    let sidecar = office(&file(&folder, &jwks(&[&key])), ", roles: roles").policies(folder.path()).start();
    let menu = |roles: Value| {
        let token = key.sign(&with(claims("zoe"), &json!({ "roles": roles })));
        sidecar.post("/v1/menu", &json!({ "subject": { "token": token } })).json()["items"][0]["visible"].clone()
    };
    assert_eq!((menu(json!(["clerk"])), menu(json!([]))), (json!(true), json!(false)));
}

#[test]
fn in_plain_cedar_a_token_gives_the_principal_and_its_attributes() {
    let policies = PolicyDir::with(&[(
        "policies.cedar",
        r#"permit (principal is User, action == Action::"view", resource)
            when { principal has roles && principal.roles.contains("clerk") };"#,
    )]);
    let keys = PolicyDir::with(&[]);
    let key = SigningKey::p256("k");
    let sidecar =
        office(&file(&keys, &jwks(&[&key])), ", attributes: { roles: realm.roles }").policies(policies.path()).start();
    let token = |roles: Value| key.sign(&with(claims("sam"), &json!({ "realm": { "roles": roles } })));
    assert_eq!(code(&sidecar, &token(json!(["clerk"]))), "granted");
    assert_eq!(code(&sidecar, &token(json!(["other"]))), "condition_not_met");
    // What the caller says beside the token does not count.
    let subject =
        json!({ "type": "User", "id": "sam", "token": token(json!([])), "properties": { "roles": ["clerk"] } });
    let answer =
        sidecar.post("/access/v1/evaluation", &with(evaluation(&subject), &json!({ "action": { "name": "view" } })));
    assert_eq!(answer.json()["decision"], false, "{answer:?}");
    let expired = key.sign(&with(claims("sam"), &json!({ "exp": 5 })));
    assert_eq!(code(&sidecar, &expired), "token_expired");
    let body = evaluation(&json!({ "type": "Admin", "id": "sam", "token": token(json!(["clerk"])) }));
    let answer = sidecar.post("/access/v1/evaluation", &body);
    assert!(
        answer.status == 400 && answer.body.contains("`User`"),
        "a caller makes nobody else of a token: {answer:?}"
    );

    let more = ", attributes: { roles: realm.roles }, known_users_only: true";
    let sidecar = office(&file(&keys, &jwks(&[&key])), more).policies(policies.path()).start();
    assert_eq!(code(&sidecar, &token(json!(["clerk"]))), "user_unknown");
}

#[test]
fn a_request_behind_a_proxy_is_of_the_user_whose_token_it_bears() {
    let keys = PolicyDir::with(&[]);
    let key = SigningKey::p256("k");
    let trusting = "server: { authorize: { trusted_proxies: [127.0.0.1], proxy: { tell_reasons: true } } }";
    let sidecar = office(&file(&keys, &jwks(&[&key])), "")
        .policies(crate::support::repo("policies/demo"))
        .config(trusting)
        .start();
    let ask = |method: &str, authorization: Option<String>| {
        let mut headers = vec![
            ("X-Original-Method", method),
            ("X-Original-URI", "/orders/o-1"),
            ("X-Forwarded-Host", "shop.example"),
        ];
        headers.extend(authorization.as_deref().map(|value| ("Authorization", value)));
        sidecar.client().get(sidecar.authorize_address(), "/auth-request", &headers).expect("an answer")
    };
    let bearer = |user: &str| Some(format!("Bearer {}", key.sign(&claims(user))));
    assert_eq!(ask("GET", bearer("bob")).status, 200);
    let denied = ask("DELETE", bearer("bob"));
    assert_eq!((denied.status, &denied.json()["error"]["code"]), (403, &json!("not_granted")));
    for (authorization, code) in [
        (None, "subject_missing"),
        (Some("Basic Ym9iOmJvYg==".to_owned()), "subject_missing"),
        (Some("Bearer nonsense".to_owned()), "token_malformed"),
        (Some(format!("bearer {}", key.sign(&with(claims("bob"), &json!({ "exp": 5 }))))), "token_expired"),
    ] {
        let answer = ask("GET", authorization.clone());
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &json!(code)), "{authorization:?}");
        assert_eq!(answer.header("www-authenticate").contains("invalid_token"), code.starts_with("token_"));
    }
    wait_for("the records name the user and the reason", SOON, || {
        let records = sidecar.admin_get("/v1/audit?limit=100").json();
        let records = records["items"].as_array().unwrap().clone();
        records.iter().any(|record| record["user"] == "bob" && record["decision"] == "allow")
            && records.iter().any(|record| record["reason"] == "token_expired")
    });
}

/// A route whose tenant is a claim of the token, and whose resource has an attribute that is one.
#[test]
fn a_route_takes_claims_of_the_token_that_the_request_bears() {
    let set = "policy_set: shop\ntenancy: required\nlevels: { view: [view] }\n\
        modules: { orders: { name: Orders, resources: [order] } }\n\
        tenants: { north: { name: North }, south: { name: South } }\n\
        roles: { reader: { name: Reader, grants: { orders: view } } }\n\
        users: { wes: { name: Wes, email: wes@demo.example, roles: { north: [reader] } } }\n\
        routes:\n  - { method: GET, path: /orders, action: view, resource: \"order:{claim.order.id}\", tenant: \"{claim.org}\" }\n";
    let (set, folder) = (PolicyDir::with(&[("set.yaml", set)]), PolicyDir::with(&[]));
    let key = SigningKey::p256("k");
    let settings = "server: { authorize: { trusted_proxies: [127.0.0.1], proxy: { tell_reasons: true } } }";
    let sidecar = office(&file(&folder, &jwks(&[&key])), "").policies(set.path()).config(settings).start();
    for (more, status, code) in [
        (json!({ "org": "north", "order": { "id": "o-7" } }), 200, ""),
        (json!({ "org": "south", "order": { "id": "o-7" } }), 403, "not_granted"),
        (json!({ "org": "nowhere", "order": { "id": "o-7" } }), 403, "tenant_unknown"),
        (json!({ "org": ["north"], "order": { "id": "o-7" } }), 403, "route_value_invalid"),
        (json!({ "org": "north" }), 403, "route_value_invalid"),
    ] {
        let bearer = format!("Bearer {}", key.sign(&with(claims("wes"), &more)));
        let told = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/orders"), ("authorization", bearer.as_str())];
        let door = sidecar.client().get(sidecar.authorize_address(), "/auth-request", &told).expect("an answer");
        let envoy =
            sidecar.client().get(sidecar.authorize_address(), "/ext-authz/orders", &told[2..]).expect("an answer");
        for answer in [door, envoy] {
            assert_eq!(answer.status, status, "{more}: {answer:?}");
            assert!(answer.body.contains(code), "{more}: {answer:?}");
        }
    }
    wait_for("the records name the order", SOON, || {
        let records = sidecar.admin_get("/v1/audit?decision=allow").json()["items"].clone();
        records.as_array().is_some_and(|all| all.len() == 2 && all.iter().all(|record| record["resource_id"] == "o-7"))
    });
}
