//! The keys of an issuer behind an address: they change, their server dies, and it says all sorts of things.

use super::{ISSUER, SOON, claims, code, office, subjects, with};
use crate::support::{
    Certificate, KeyServer, PolicyDir, Reply, Sidecar, Signal, SigningKey, jwks, seconds_now, wait_for,
};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

fn at(server: &KeyServer) -> String {
    format!("jwks: '{}'", server.url())
}

fn failures(sidecar: &Sidecar) -> u64 {
    sidecar.count("sidegate_token_key_looks_total", &["outcome=\"failed\""])
}

fn seen(sidecar: &Sidecar) -> u64 {
    sidecar.count("sidegate_token_key_looks_total", &["outcome=\"seen\""])
}

fn status(sidecar: &Sidecar) -> Value {
    sidecar.ops_get("/status").json()["token_issuers"][0].clone()
}

#[test]
fn a_new_key_is_fetched_when_a_token_names_it_at_a_limited_rate() {
    let (old, new) = (SigningKey::p256("old"), SigningKey::ed25519("new"));
    let server = KeyServer::start(&jwks(&[&old]));
    // Nobody looks by itself for an hour.
    let slow = "subjects: { keys: { refresh: 1h, max_age: 6h, pause: 50ms } }";
    let sidecar = office(&at(&server), "").config(slow).start();
    assert_eq!(code(&sidecar, &old.sign(&claims("wes"))), "granted");
    let before = server.asked();
    server.reply(&jwks(&[&old, &new]));
    let of_new = new.sign(&claims("wes"));
    wait_for("the new key counts", SOON, || code(&sidecar, &of_new) == "granted");
    assert!(server.asked() > before);
    assert_eq!(code(&sidecar, &old.sign(&claims("wes"))), "granted");
    let told = sidecar.wait_event("token_keys_seen", SOON, |told| told["added"] == 1 && told["keys"] == 2);
    assert_eq!(told["issuer"], ISSUER, "{told}");

    // With the usual pause a flood of keys that there are not leads to one look at most.
    sidecar.configure("subjects: { keys: { pause: 1h } }");
    sidecar.wait_event("config_changed", SOON, |change| change["applied"] == "subjects.keys.pause");
    wait_for("the keys were looked at with the new settings", SOON, || server.asked() >= before + 2);
    let before = server.asked();
    for number in 0..200 {
        let flood = SigningKey::p256(&format!("unheard-of-{number}"));
        assert_eq!(code(&sidecar, &flood.sign(&claims("wes"))), "token_key_unknown");
    }
    assert!(server.asked() <= before + 1, "{} looks", server.asked() - before);
}

#[test]
fn a_removed_key_counts_for_the_stated_time() {
    let (old, new) = (SigningKey::p256("old"), SigningKey::p256("new"));
    let server = KeyServer::start(&jwks(&[&old]));
    let sidecar = office(&at(&server), "").config("subjects: { keys: { keep_removed: 1h } }").start();
    let of_old = old.sign(&claims("wes"));
    assert_eq!(code(&sidecar, &of_old), "granted");
    server.reply(&jwks(&[&new]));
    sidecar.wait_event("token_keys_seen", SOON, |told| told["removed"] == 1);
    assert_eq!(code(&sidecar, &of_old), "granted");
    assert_eq!(code(&sidecar, &new.sign(&claims("wes"))), "granted");
    assert_eq!(status(&sidecar)["keys"], 1);
}

#[test]
fn whatever_the_address_says_the_keys_that_were_seen_count_on() {
    let key = SigningKey::p256("k");
    let good = jwks(&[&key]);
    let server = KeyServer::start(&good);
    let sidecar = office(&at(&server), "").config("subjects: { keys: { timeout: 300ms } }").start();
    let token = key.sign(&claims("wes"));
    assert_eq!(code(&sidecar, &token), "granted");
    let twice = good.to_string().replacen('{', "{\"keys\":[],", 1);
    for (reply, why) in [
        (Reply::Text("<html>nonsense".to_owned()), "it is not JSON"),
        (Reply::Text("{}".to_owned()), "it has no list `keys`"),
        (Reply::Text(twice), "a member twice"),
        (Reply::Text("[".repeat(100_000)), "it is not JSON"),
        (Reply::Status(500, "x: y"), "it answered 500"),
        (Reply::Status(302, "location: http://127.0.0.1:1/keys"), "it answered 302"),
        (Reply::Endless(1 << 20), "longer than"),
        (Reply::Half, "broke off"),
        (Reply::Silence, "in time"),
    ] {
        server.reply(reply.clone());
        wait_for("it is told", SOON, || status(&sidecar)["failure"].as_str().is_some_and(|told| told.contains(why)));
        // Looked at anew, not remembered: a token that nobody has seen.
        let fresh = key.sign(&with(claims("wes"), &json!({ "nonce": why })));
        assert_eq!(code(&sidecar, &fresh), "granted", "{reply:?}");
        server.reply(&good);
        wait_for("it is well again", SOON, || status(&sidecar)["failure"] == Value::Null);
    }
    assert!(failures(&sidecar) >= 9);
    let told = sidecar.wait_event("token_keys_failed", SOON, |_| true);
    assert_eq!((&told["level"], &told["issuer"]), (&json!("WARN"), &json!(ISSUER)));

    let address = server.address();
    drop(server);
    let before = failures(&sidecar);
    wait_for("nobody answers any more", SOON, || failures(&sidecar) > before);
    assert_eq!(code(&sidecar, &token), "granted");
    let _server = KeyServer::start_at(address, &good);
    let before = seen(&sidecar);
    wait_for("it is back", SOON, || seen(&sidecar) > before);
}

#[test]
fn keys_that_could_not_be_looked_at_for_too_long_count_no_longer() {
    let key = SigningKey::p256("k");
    let good = jwks(&[&key]);
    let server = KeyServer::start(&good);
    let short = "subjects: { keys: { refresh: 100ms, max_age: 1s } }";
    let sidecar = office(&at(&server), "").config(short).start();
    let token = key.sign(&claims("wes"));
    wait_for("the keys are fresh", SOON, || code(&sidecar, &token) == "granted");
    server.reply(Reply::Status(503, "x: y"));
    wait_for("the keys are stale", SOON, || code(&sidecar, &token) == "token_keys_stale");
    assert_eq!(status(&sidecar)["stale"], true);
    let told = sidecar.wait_event("token_keys_stale", SOON, |_| true);
    assert_eq!(told["level"], "ERROR");
    server.reply(&good);
    wait_for("the keys are fresh again", SOON, || code(&sidecar, &token) == "granted");
    assert!(sidecar.metric("sidegate_token_keys_confirmed_timestamp_seconds") > 1.0e9);
}

#[test]
fn an_issuer_that_is_down_at_the_start_does_not_keep_the_sidecar_down() {
    let key = SigningKey::p256("k");
    let server = KeyServer::start(Reply::Status(503, "x: y"));
    let sidecar = office(&at(&server), "").start();
    let token = key.sign(&claims("wes"));
    assert_eq!(code(&sidecar, &token), "token_keys_stale");
    let (_, known) = sidecar.authorize(&json!({ "user": "wes", "action": "view", "resource": "order:o" }));
    assert_eq!(known["decision"], "allow", "who is named without a token is decided about as ever");
    server.reply(&jwks(&[&key]));
    wait_for("the keys are there", SOON, || code(&sidecar, &token) == "granted");
}

#[test]
fn keys_are_fetched_from_whom_the_certificates_vouch_for() {
    let key = SigningKey::p256("k");
    let certificate = Certificate::new();
    let server = KeyServer::start_secured(&certificate, &jwks(&[&key]));
    let trusting = format!("subjects: {{ keys: {{ ca_file: '{}' }} }}", certificate.path().display());
    let sidecar = office(&at(&server), "").config(&trusting).start();
    assert_eq!(code(&sidecar, &key.sign(&claims("wes"))), "granted");

    let other = Certificate::new();
    let trusting = format!("subjects: {{ keys: {{ ca_file: '{}' }} }}", other.path().display());
    let sidecar = office(&at(&server), "").config(&trusting).start();
    assert_eq!(code(&sidecar, &key.sign(&claims("wes"))), "token_keys_stale");
    let why = status(&sidecar)["failure"].as_str().unwrap().to_owned();
    assert!(why.contains("certificate"), "{why}");
}

/// Puts a file in place of another, so that nobody reads half of it.
fn put(from: &Path, to: &Path) {
    let draft = to.with_extension("draft");
    fs::copy(from, &draft).unwrap();
    fs::rename(&draft, to).unwrap();
}

#[test]
fn whom_to_trust_is_read_anew_with_every_look() {
    let key = SigningKey::p256("k");
    let (right, wrong) = (Certificate::new(), Certificate::new());
    let server = KeyServer::start_secured(&right, &jwks(&[&key]));
    let folder = PolicyDir::with(&[]);
    let trusted = folder.path().join("trusted.pem");
    put(&right.path(), &trusted);
    let trusting = format!("subjects: {{ keys: {{ ca_file: '{}' }} }}", trusted.display());
    let sidecar = office(&at(&server), "").config(&trusting).start();
    assert_eq!(code(&sidecar, &key.sign(&claims("wes"))), "granted");
    for spoil in [|to: &Path, wrong: &Path| put(wrong, to), |to: &Path, _: &Path| fs::remove_file(to).unwrap()] {
        spoil(&trusted, &wrong.path());
        wait_for("who answers is not trusted", SOON, || status(&sidecar)["failure"] != Value::Null);
        let fresh = key.sign(&with(claims("wes"), &json!({ "nonce": seen(&sidecar) })));
        assert_eq!(code(&sidecar, &fresh), "granted", "the keys that were seen count on");
        put(&right.path(), &trusted);
        wait_for("and trusted again", SOON, || status(&sidecar)["failure"] == Value::Null);
    }
}

#[test]
fn a_change_that_names_nobody_to_trust_is_refused_as_a_whole_until_that_is_mended() {
    let (old, new) = (SigningKey::p256("old"), SigningKey::p256("new"));
    let (folder, certificate) = (PolicyDir::with(&[]), Certificate::new());
    let server = KeyServer::start_secured(&certificate, &jwks(&[&new]));
    let missing = folder.path().join("missing.pem");
    let sidecar =
        office(&super::file(&folder, &jwks(&[&old])), "").config("policies: { poll_interval: 100ms }").start();
    let of_old = old.sign(&claims("wes"));
    assert_eq!(code(&sidecar, &of_old), "granted");
    let trusting = format!("timeout: 2s, ca_file: '{}'", missing.display());
    sidecar.configure(&subjects(&at(&server), "").replace("timeout: 2s", &trusting));
    let told = || sidecar.ops_get("/status").json()["configuration"]["diagnostics"].to_string();
    wait_for("the change is refused", SOON, || told().contains("`subjects.keys.ca_file`"));
    assert!(told().contains("missing.pem"), "{}", told());
    // The issuers go on as they were, and their keys are looked at.
    assert_eq!(code(&sidecar, &old.sign(&with(claims("wes"), &json!({ "nonce": 1 })))), "granted");
    let before = seen(&sidecar);
    wait_for("the file is looked at", SOON, || seen(&sidecar) > before);
    put(&certificate.path(), &missing);
    wait_for("the change counts without another word", SOON, || code(&sidecar, &new.sign(&claims("wes"))) == "granted");
}

#[test]
fn a_file_of_keys_is_looked_at_again() {
    let folder = PolicyDir::with(&[]);
    let (old, new) = (SigningKey::p256("old"), SigningKey::p256("new"));
    let sidecar = office(&super::file(&folder, &jwks(&[&old])), "").start();
    let of_new = new.sign(&claims("wes"));
    assert_eq!(code(&sidecar, &of_new), "token_key_unknown");
    super::file(&folder, &jwks(&[&new]));
    wait_for("the new key counts", SOON, || code(&sidecar, &of_new) == "granted");
}

#[test]
fn a_secret_that_rotates_in_its_file_counts_after_a_word() {
    let folder = PolicyDir::with(&[]);
    let path = folder.path().join("token.secret");
    let (old, new) = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
    let write = |secret: &str| {
        fs::write(&path, secret).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    write(old);
    let sidecar = office(&format!("secret_file: '{}'", path.display()), "").start();
    let signed = |secret: &str| SigningKey::secret("k", secret.as_bytes()).sign(&claims("wes"));
    assert_eq!(
        (code(&sidecar, &signed(old)), code(&sidecar, &signed(new))),
        ("granted".into(), "token_signature".into())
    );
    write(new);
    sidecar.signal(Signal::HUP);
    wait_for("the new secret counts", SOON, || code(&sidecar, &signed(new)) == "granted");
    assert_eq!(code(&sidecar, &signed(old)), "token_signature");
    let change = sidecar.wait_event("config_changed", SOON, |_| true);
    assert_eq!(change["applied"], "subjects.tokens", "{change}");
    assert!(!sidecar.log().contains(new), "no secret in the log");
}

#[test]
fn issuers_change_while_the_sidecar_runs() {
    let (ours, theirs) = (SigningKey::p256("k"), SigningKey::p256("k"));
    let (one, other) = (KeyServer::start(&jwks(&[&ours])), KeyServer::start(&jwks(&[&theirs])));
    let sidecar = office(&at(&one), "").start();
    let (of_ours, of_theirs) = (ours.sign(&claims("wes")), theirs.sign(&claims("wes")));
    assert_eq!(
        (code(&sidecar, &of_ours), code(&sidecar, &of_theirs)),
        ("granted".to_owned(), "token_signature".to_owned())
    );
    sidecar.configure(&subjects(&at(&other), ""));
    wait_for("the other keys count", SOON, || code(&sidecar, &of_theirs) == "granted");
    assert_eq!(code(&sidecar, &of_ours), "token_signature", "also where the token was seen before");
    sidecar.configure("subjects: { tokens: [] }");
    wait_for("no token counts", SOON, || code(&sidecar, &of_theirs) == "token_issuer");
    let late = with(claims("wes"), &json!({ "exp": seconds_now() + 240 }));
    assert_eq!(code(&sidecar, &theirs.sign(&late)), "token_issuer");
}
