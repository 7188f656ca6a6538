//! Tokens as subjects, over HTTP: what they are believed, every way in which they are not, and the keys that they rest on.

mod doors;
mod keys;
mod settings;

use crate::support::{
    KeyServer, PolicyDir, Sidecar, SidecarBuilder, SigningKey, jwks, repo, seconds_now, unsigned, wait_for,
};
use serde_json::{Value, json};
use std::{fs, time::Duration};

const ISSUER: &str = "https://id.example/realms/shop";
const SOON: Duration = Duration::from_secs(30);

/// What a good token says.
fn claims(user: &str) -> Value {
    json!({ "iss": ISSUER, "aud": "back-office", "exp": seconds_now() + 300, "sub": user })
}

/// Claims with others over them.
fn with(mut claims: Value, over: &Value) -> Value {
    claims.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    claims
}

/// A sidecar on the distributor back office that knows one issuer. `more` goes into the issuer's settings.
fn office(keys: &str, more: &str) -> SidecarBuilder {
    Sidecar::builder().policies(repo("policies/8move")).config(&subjects(keys, more))
}

fn subjects(keys: &str, more: &str) -> String {
    format!(
        "subjects:\n  keys: {{ refresh: 200ms, max_age: 1h, keep_removed: 0s, pause: 20ms, timeout: 2s }}\n  tokens:\n  \
         - {{ issuer: '{ISSUER}', audiences: back-office, {keys}{more} }}\n"
    )
}

/// Keys in a file.
fn file(folder: &PolicyDir, keys: &Value) -> String {
    let path = folder.path().join("keys.json");
    fs::write(&path, keys.to_string()).unwrap();
    format!("jwks: '{}'", path.display())
}

/// What is answered to a token: decision and code.
fn ask(sidecar: &Sidecar, token: &str) -> (String, String) {
    let (status, answer) = sidecar.authorize(&question(&json!({ "token": token })));
    assert_eq!(status, 200, "{answer}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&answer["decision"]), text(&answer["reason"]["code"]))
}

fn question(subject: &Value) -> Value {
    json!({ "subject": subject, "action": "view", "tenant": "north", "resource": "order:o-1" })
}

fn code(sidecar: &Sidecar, token: &str) -> String {
    ask(sidecar, token).1
}

const ROLES: &str = ", tenant: org, roles: { claim: realm_access.roles, prefix: 'shop-', names: { clerks: warehouse, bosses: admin, ghosts: ghost } }";

fn of_roles(user: &str, org: &Value, roles: &[&str]) -> Value {
    with(claims(user), &json!({ "org": org, "realm_access": { "roles": roles } }))
}

#[test]
fn every_token_that_is_not_as_it_should_be_is_a_deny_with_its_code_and_a_record() {
    let folder = PolicyDir::with(&[]);
    let (good, rsa, encrypting) = (SigningKey::p256("good"), SigningKey::rsa("rsa", 2048), SigningKey::p256("enc"));
    let mut listed = jwks(&[&good, &rsa, &encrypting]);
    listed["keys"][2]["use"] = json!("enc");
    let sidecar = office(&file(&folder, &listed), ROLES).start();
    let header = |more: Value| with(json!({ "alg": "ES256", "kid": "good" }), &more);
    let sam = claims("sam");
    let valid = good.sign(&sam);
    let public = rsa.jwk().to_string();
    let cases = [
        (valid.clone(), "condition_not_met"),
        (rsa.sign(&sam), "condition_not_met"),
        ("nonsense".to_owned(), "token_malformed"),
        (format!("{valid}.x"), "token_malformed"),
        (good.sign(&with(sam.clone(), &json!({ "x": "x".repeat(9000) }))), "token_too_large"),
        (unsigned(&sam), "token_unsigned"),
        (SigningKey::secret("rsa", public.as_bytes()).sign(&sam), "token_algorithm"),
        (good.sign_headed(&header(json!({ "alg": "ES512" })), &sam), "token_algorithm"),
        (good.sign_headed(&header(json!({ "crit": ["x"], "x": 1 })), &sam), "token_critical"),
        (good.sign_headed(&header(json!({ "typ": "logout+jwt" })), &sam), "token_type"),
        (good.sign(&with(sam.clone(), &json!({ "iss": "https://evil.example" }))), "token_issuer"),
        (SigningKey::p256("other").sign(&sam), "token_key_unknown"),
        (SigningKey::p256("rsa").sign(&sam), "token_key_mismatch"),
        (encrypting.sign(&sam), "token_key_mismatch"),
        (SigningKey::p256("good").sign(&sam), "token_signature"),
        (SigningKey::rsa("rsa", 2048).sign(&sam), "token_signature"),
        (good.sign(&with(sam.clone(), &json!({ "aud": "shop-window" }))), "token_audience"),
        (good.sign(&with(sam.clone(), &json!({ "exp": seconds_now() - 40 }))), "token_expired"),
        (good.sign(&with(sam.clone(), &json!({ "nbf": seconds_now() + 300 }))), "token_not_yet_valid"),
        (good.sign(&with(sam.clone(), &json!({ "sub": null }))), "token_claims"),
        (good.sign(&with(sam.clone(), &json!({ "realm_access": { "roles": 5 } }))), "token_claims"),
    ];
    for (token, wanted) in &cases {
        assert_eq!(ask(&sidecar, token), ("deny".to_owned(), (*wanted).to_owned()), "{token}");
        let body = json!({ "subject": { "type": "user", "id": "", "token": token }, "action": { "name": "view" },
            "resource": { "type": "order", "id": "o-1" }, "context": { "tenant": "north" } });
        let answer = sidecar.post("/access/v1/evaluation", &body);
        let answered =
            (answer.status, answer.json()["decision"].clone(), answer.json()["context"]["reason"]["code"].clone());
        assert_eq!(answered, (200, json!(false), json!(wanted)), "{token}");
    }
    // Somebody else than the request names.
    let (_, answer) = sidecar.authorize(&question(&json!({ "id": "max", "token": valid })));
    assert_eq!(answer["reason"]["code"], "token_subject");

    for (_, wanted) in cases.iter().filter(|(_, wanted)| wanted.starts_with("token_")) {
        let refused = sidecar.count("sidegate_tokens_total", &[&format!("outcome=\"{wanted}\"")]);
        assert!(refused >= 2, "{wanted}: {refused}");
        wait_for("the denies are in the log", SOON, || {
            let records = sidecar.admin_get("/v1/audit?decision=deny&limit=1000").json();
            records["items"].as_array().unwrap().iter().any(|record| record["reason"] == *wanted)
        });
    }
    let everything = format!("{}{}", sidecar.log(), sidecar.admin_get("/v1/audit?limit=1000").body);
    for (token, _) in &cases {
        assert!(!everything.contains(token.as_str()), "a token is never logged or recorded");
    }
    let signature = valid.rsplit('.').next().unwrap();
    assert!(!everything.contains(signature), "nor is a part of one");
}

#[test]
fn rsa_keys_verify_every_algorithm_of_theirs() {
    let folder = PolicyDir::with(&[]);
    let mut key = SigningKey::rsa("k", 2048);
    let sidecar = office(&file(&folder, &jwks(&[&key])), "").start();
    for algorithm in ["RS256", "RS512", "PS256", "PS384"] {
        key = key.signing(algorithm);
        assert_eq!(ask(&sidecar, &key.sign(&claims("wes"))), ("allow".to_owned(), "granted".to_owned()), "{algorithm}");
    }
    let sidecar = office(&file(&folder, &jwks(&[&key])), ", algorithms: [RS256]").start();
    assert_eq!(code(&sidecar, &key.sign(&claims("wes"))), "token_algorithm", "PS384 is not among them");
}

#[test]
fn a_secret_in_a_file_verifies_tokens_of_an_issuer_without_public_keys() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = PolicyDir::with(&[]);
    let path = folder.path().join("secret");
    fs::write(&path, "0123456789abcdef0123456789abcdef\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let sidecar = office(&format!("secret_file: '{}'", path.display()), "").start();
    let key = SigningKey::secret("any", b"0123456789abcdef0123456789abcdef");
    assert_eq!(ask(&sidecar, &key.sign(&claims("wes"))), ("allow".to_owned(), "granted".to_owned()));
    let other = SigningKey::secret("any", b"another-0123456789abcdef01234567");
    assert_eq!(code(&sidecar, &other.sign(&claims("wes"))), "token_signature");
    assert_eq!(code(&sidecar, &SigningKey::p256("any").sign(&claims("wes"))), "token_algorithm");
}

#[test]
fn the_directory_has_the_last_word_on_whom_it_knows() {
    let folder = PolicyDir::with(&[]);
    let key = SigningKey::p256("k");
    let sidecar = office(&file(&folder, &jwks(&[&key])), ROLES).start();
    let north = json!("north");
    for (claims, decision, code) in [
        // Known users have what the directory gives and what the token says.
        (of_roles("wes", &north, &[]), "allow", "granted"),
        (of_roles("sam", &north, &["shop-bosses"]), "allow", "granted"),
        (of_roles("sue", &north, &["shop-bosses"]), "deny", "user_suspended"),
        (of_roles("ivy", &north, &["shop-bosses"]), "deny", "user_invited"),
        // Others exist for the request, with what the token says and nothing else.
        (of_roles("zoe", &north, &["shop-clerks"]), "allow", "granted"),
        (of_roles("zoe", &north, &[]), "deny", "not_granted"),
        (of_roles("zoe", &north, &["warehouse", "admin"]), "deny", "not_granted"),
        (of_roles("zoe", &north, &["shop-ghosts", "shop-unheard-of"]), "deny", "not_granted"),
        // Roles count in the token's tenant, and that is where its user acts.
        (of_roles("zoe", &json!("south"), &["shop-bosses"]), "deny", "tenant_mismatch"),
        (of_roles("max", &json!("south"), &[]), "deny", "tenant_mismatch"),
        (of_roles("zoe", &json!("west"), &["shop-bosses"]), "deny", "tenant_mismatch"),
        (of_roles("zoe", &Value::Null, &["shop-bosses"]), "deny", "not_granted"),
        (of_roles("max", &Value::Null, &["shop-bosses"]), "allow", "granted"),
    ] {
        assert_eq!(ask(&sidecar, &key.sign(&claims)), (decision.to_owned(), code.to_owned()), "{claims}");
    }
    // Without a tenant in the request, the token's is meant.
    let ask_nowhere = |claims: &Value| {
        let question = json!({ "subject": { "token": key.sign(claims) }, "action": "edit", "resource": "order:o-1" });
        sidecar.authorize(&question).1["reason"]["code"].clone()
    };
    assert_eq!(ask_nowhere(&of_roles("zoe", &north, &["shop-bosses"])), "granted");
    assert_eq!(ask_nowhere(&of_roles("max", &json!("south"), &[])), "not_granted", "a warehouse worker there");
    assert_eq!(ask_nowhere(&of_roles("max", &json!("north"), &[])), "granted", "a manager there");
    assert_eq!(ask_nowhere(&of_roles("zoe", &json!("west"), &["shop-bosses"])), "tenant_unknown");
    assert!(sidecar.count("sidegate_asserted_roles_ignored_total", &["why=\"unknown\""]) >= 1);
    assert!(sidecar.count("sidegate_asserted_roles_ignored_total", &["why=\"without_tenant\""]) >= 1);
}

#[test]
fn an_explanation_leaves_a_token_in_its_tenant() {
    let folder = PolicyDir::with(&[]);
    let key = SigningKey::p256("k");
    let sidecar = office(&file(&folder, &jwks(&[&key])), ROLES).start();
    // In the south max has a role that allows it, but what the token says is of the north.
    let asked = |org: &str| {
        let token = key.sign(&of_roles("max", &json!(org), &[]));
        let in_the_south = json!({ "tenant": "south", "explain": true });
        sidecar.authorize(&with(question(&json!({ "token": token })), &in_the_south)).1
    };
    assert_eq!(asked("south")["decision"], "allow");
    let answer = asked("north");
    assert_eq!(answer["reason"]["code"], "tenant_mismatch", "{answer:#}");
    assert_eq!(answer["explanation"]["nearest"], json!([]), "{answer:#}");
}

#[test]
fn a_change_of_the_directory_counts_for_tokens_that_were_seen_before() {
    let folder = PolicyDir::with(&[]);
    let key = SigningKey::p256("k");
    let sidecar = office(&file(&folder, &jwks(&[&key])), ROLES).start();
    let admin = |path: &str, body: Value| {
        let answer = sidecar.admin_post(path, &body);
        assert!(answer.status < 300, "{path}: {answer:?}");
    };
    admin(
        "/v1/users",
        json!({ "id": "zed", "email": "zed@x.example", "first_name": "Z", "last_name": "Ed", "activation": "none" }),
    );
    let token = key.sign(&of_roles("zed", &json!("north"), &["shop-clerks"]));
    assert_eq!(ask(&sidecar, &token), ("allow".to_owned(), "granted".to_owned()));
    assert_eq!(ask(&sidecar, &token), ("allow".to_owned(), "granted".to_owned()));
    admin("/v1/users/zed/suspend", Value::Null);
    assert_eq!(ask(&sidecar, &token), ("deny".to_owned(), "user_suspended".to_owned()));
    admin("/v1/users/zed/reactivate", Value::Null);
    assert_eq!(ask(&sidecar, &token), ("allow".to_owned(), "granted".to_owned()));
}

#[test]
fn users_whom_nobody_knows_are_nobody_where_only_known_ones_count() {
    let folder = PolicyDir::with(&[]);
    let key = SigningKey::p256("k");
    let more = format!("{ROLES}, known_users_only: true");
    let sidecar = office(&file(&folder, &jwks(&[&key])), &more).start();
    assert_eq!(code(&sidecar, &key.sign(&of_roles("zoe", &json!("north"), &["shop-bosses"]))), "user_unknown");
    assert_eq!(code(&sidecar, &key.sign(&of_roles("sam", &json!("north"), &["shop-bosses"]))), "granted");
}

#[test]
fn a_verified_token_is_not_verified_again_until_its_key_is_gone() {
    let (old, new) = (SigningKey::p256("old"), SigningKey::p256("new"));
    let server = KeyServer::start(&jwks(&[&old]));
    let sidecar =
        office(&format!("jwks: '{}'", server.url()), "").config("server: { authorize: { workers: 1 } }").start();
    let token = old.sign(&claims("wes"));
    for _ in 0..20 {
        assert_eq!(code(&sidecar, &token), "granted");
    }
    let counted = |outcome: &str| sidecar.count("sidegate_tokens_total", &[&format!("outcome=\"{outcome}\"")]);
    assert_eq!((counted("verified"), counted("cached")), (1, 19));
    server.reply(&jwks(&[&new]));
    wait_for("the old key counts no longer", SOON, || code(&sidecar, &token) == "token_key_unknown");
    assert_eq!(code(&sidecar, &new.sign(&claims("wes"))), "granted");
}
