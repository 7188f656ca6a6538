//! What of the settings is refused before anything starts.

use super::{ISSUER, file};
use crate::support::{PolicyDir, Sidecar, SigningKey, jwks, sidegate};
use std::{fs, os::unix::fs::PermissionsExt as _};

fn issuer(lines: &str) -> String {
    format!("subjects: {{ tokens: [ {{ {lines} }} ] }}")
}

#[test]
fn what_cannot_be_honoured_stops_the_start_and_names_the_mend() {
    let folder = PolicyDir::with(&[]);
    let keys = file(&folder, &jwks(&[&SigningKey::p256("k")]));
    let open = folder.path().join("open");
    fs::write(&open, "0123456789abcdef0123456789abcdef").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let short = folder.path().join("short");
    fs::write(&short, "hunter2").unwrap();
    fs::set_permissions(&short, fs::Permissions::from_mode(0o600)).unwrap();
    let base = format!("issuer: {ISSUER}, audiences: shop");
    let good = format!("{base}, {keys}");
    for (settings, messages) in [
        (issuer(&format!("{base}, jwks: http://id.example/keys")), vec!["`http` is taken for this machine alone"]),
        (issuer(&format!("{base}, jwks: ftp://id.example/keys")), vec!["no address"]),
        (issuer(&format!("{base}, jwks: /nowhere/keys.json")), vec!["cannot be read", "/nowhere/keys.json"]),
        (issuer(&format!("{base}, jwks: '{}'", open.display())), vec!["is no JWKS"]),
        (issuer(&base), vec!["needs `jwks`"]),
        (issuer(&format!("{good}, secret_file: x")), vec!["`jwks` or `secret_file`"]),
        (issuer(&format!("{good}, algorithms: [HS256]")), vec!["forged with a public key"]),
        (issuer(&format!("{good}, algorithms: [none]")), vec!["`none` is no algorithm"]),
        (issuer(&format!("{good}, algorithms: []")), vec!["not empty"]),
        (issuer(&format!("{base}, secret_file: '{}', algorithms: [RS256]", short.display())), vec!["for public keys"]),
        (issuer(&format!("{base}, secret_file: '{}'", open.display())), vec!["chmod 600"]),
        (issuer(&format!("{base}, secret_file: '{}'", short.display())), vec!["less than 32 bytes", "openssl rand"]),
        (issuer(&format!("issuer: {ISSUER}, {keys}")), vec!["needs `audiences`"]),
        (issuer(&format!("audiences: shop, {keys}")), vec!["needs `issuer`"]),
        (issuer(&format!("issuer: {ISSUER}, audiences: [], {keys}")), vec!["not empty"]),
        (issuer(&format!("{good}, rolls: roles")), vec!["there is no `rolls`", "`roles`"]),
        (issuer(&format!("{good}, roles: a..b")), vec!["the place of a claim"]),
        (issuer(&format!("{good}, roles: {{ prefix: x }}")), vec!["needs `claim`"]),
        (issuer(&format!("{good}, tenant: {{ is: north, claim: org }}")), vec!["cannot be both"]),
        (issuer(&format!("{good}, known_users_only: perhaps")), vec!["`true` or `false`"]),
        (format!("subjects: {{ tokens: [ {{ {good} }}, {{ {good} }} ] }}"), vec!["listed twice"]),
        ("subjects: { tokens: { issuer: x } }".to_owned(), vec!["subjects.tokens"]),
        ("subjects: { verification: { leeway: 1h } }".to_owned(), vec!["at most 10m"]),
        ("subjects: { verification: { token_bytes: 1MiB } }".to_owned(), vec!["at most 64KiB"]),
        ("subjects: { keys: { refresh: 1h, max_age: 1h } }".to_owned(), vec!["at least twice"]),
        ("subjects: { keys: { ca_file: /nowhere/ca.pem } }".to_owned(), vec!["no issuer has its keys behind `https`"]),
        (
            format!(
                "subjects: {{ keys: {{ ca_file: /nowhere/ca.pem }}, tokens: [ {{ {base}, jwks: https://id.example/k }} ] }}"
            ),
            vec!["subjects.keys.ca_file"],
        ),
    ] {
        let exited = Sidecar::builder().config(&settings).start_failing();
        assert_eq!(exited.code, Some(64), "{settings}: {exited:?}");
        let said = exited.stderr.replace('\n', " ").split_whitespace().collect::<Vec<_>>().join(" ");
        for message in messages {
            assert!(said.contains(message), "{settings}: no `{message}` in {said}");
        }
        let path = folder.path().join("settings.yaml");
        fs::write(&path, &settings).unwrap();
        let checked = sidegate(["serve", "--check-config", "--config", path.to_str().unwrap()]);
        assert_eq!(checked.code, Some(64), "--check-config sees it too: {settings}: {checked:?}");
    }
}

#[test]
fn the_environment_takes_issuers_as_one_line() {
    let folder = PolicyDir::with(&[]);
    let key = SigningKey::p256("k");
    let line = format!("[{{ issuer: '{ISSUER}', audiences: [back-office], {} }}]", file(&folder, &jwks(&[&key])));
    let sidecar = Sidecar::builder()
        .policies(crate::support::repo("policies/8move"))
        .env("SIDEGATE_SUBJECTS__TOKENS", &line)
        .start();
    assert_eq!(super::code(&sidecar, &key.sign(&super::claims("wes"))), "granted");
}

#[test]
fn every_code_of_a_refusal_stands_in_the_documents() {
    let document = fs::read_to_string(crate::support::repo("docs/tokens.md")).unwrap();
    let codes = sidegate::model::ReasonCode::ALL.iter().filter(|code| code.is_of_a_token());
    for code in codes {
        assert!(document.contains(&format!("| `{code}` |")), "docs/tokens.md has no row of `{code}`");
    }
}
