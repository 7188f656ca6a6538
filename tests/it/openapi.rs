//! `GET /openapi.json`: what it says holds, for every path and whatever is sent.
//!
//! [Schemathesis](https://schemathesis.io) makes requests from the document, such as fit it and such as do not, sends them to the
//! running sidecar, and compares every answer with what the document says.

use crate::support::{Sidecar, repo, sidegate};
use serde_json::Value;
use std::{fs, process::Command};

/// No schema says which roles, users or tenants there are: a body that fits it may be refused for such reasons, and never for its form.
/// Of an address it does not say either that a cursor is one of this list, or that one time is before another.
const SETTINGS: &str = r#"
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "410", "412", "422", "503"]

# A version that is not the one that counts is told before the body is looked at.
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "412", "415", "422", "428", "429", "5xx"]

[[operations]]
include-method = "GET"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "503"]
"#;

/// Every operation of a document: method, path, itself.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let all = paths.iter().flat_map(|(path, operations)| {
        let operations = operations.as_object().expect("operations");
        operations.iter().map(|(method, operation)| (method.to_uppercase(), path.clone(), operation.clone()))
    });
    all.collect()
}

#[test]
fn what_is_sent_by_the_document_is_answered_by_the_document() {
    let tool = repo(".tools/python/bin/schemathesis");
    assert!(tool.exists(), "there is no `{}`: run `scripts/install-test-tools`", tool.display());
    let sidecar = Sidecar::builder().start();
    let seed =
        std::env::var_os("SIDEGATE_SEED").map_or_else(|| "7".to_owned(), |seed| seed.to_string_lossy().into_owned());
    let folder = tempfile::tempdir().expect("a folder");
    // The sidecar of this test wants no tokens.
    let mut document = sidecar.admin_get("/openapi.json").json();
    let count = operations(&document).len();
    for operation in document["paths"].as_object_mut().expect("paths").values_mut() {
        for operation in operation.as_object_mut().expect("operations").values_mut() {
            operation.as_object_mut().expect("an operation").remove("security");
        }
    }
    let open = folder.path().join("openapi.json");
    fs::write(&open, document.to_string()).expect("written");
    let settings = folder.path().join("schemathesis.toml");
    fs::write(&settings, SETTINGS).expect("written");
    let run = Command::new(tool)
        .current_dir(folder.path())
        .env("NO_COLOR", "1")
        .env_remove("HTTP_PROXY")
        .env_remove("http_proxy")
        .env("NO_PROXY", "127.0.0.1")
        .arg("--config-file")
        .arg(&settings)
        .args(["run", "--phases", "fuzzing"])
        .arg(&open)
        .args(["--url", &format!("http://{}", sidecar.admin_address())])
        .args(["--checks", "all"])
        // Who is let in where is tested below, without tokens that are not known: those are borne for a while only.
        .args(["--exclude-checks", "ignored_auth"])
        .args(["--max-examples", "20", "--seed", &seed, "--generation-deterministic"])
        // It writes no NDJSON. A backup that is made up has tests of its own.
        .args(["--exclude-path", "/v1/directory/restore"])
        .args(["--continue-on-failure", "--request-timeout", "20"])
        .output()
        .expect("Schemathesis runs");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "SIDEGATE_SEED={seed}\n{said}\n{}", String::from_utf8_lossy(&run.stderr));
    // It ran, and over every operation.
    assert!(said.contains(&format!("{} selected / {count} total", count - 1)), "{said}");
}

/// A token with these scopes: its text, and the entry of the configuration that takes it.
fn token(name: &str, scopes: &str) -> (String, String) {
    let made = sidegate(["token", "--name", name, "--scopes", scopes]);
    let line = |head: &str| made.stdout.lines().find_map(|line| line.strip_prefix(head)).expect("a line").to_owned();
    (line("token: "), line("entry: "))
}

#[test]
fn every_route_wants_one_of_its_scopes_and_no_other_opens_it() {
    const SCOPES: [&str; 4] = ["read", "directory", "audit", "policies"];
    let tokens = SCOPES.map(|scope| token(scope, scope));
    let entries: Vec<&str> = tokens.iter().map(|(_, entry)| entry.as_str()).collect();
    let config = format!("server: {{ admin: {{ auth: tokens, tokens: [{}] }} }}", entries.join(", "));
    let sidecar = Sidecar::builder().config(&config).start();
    let document = sidecar.admin_get("/openapi.json");
    assert_eq!(document.status, 200, "the document is open to all: {document:?}");
    let mut opened = 0;
    for (method, path, operation) in operations(&document.json()) {
        let wanted: Vec<&str> = operation["security"]
            .as_array()
            .expect("requirements")
            .iter()
            .map(|one| one["bearer"][0].as_str().expect("a scope"))
            .collect();
        let address = path.replace("{id}", "nobody");
        let ask = |headers: &[(&str, &str)]| {
            let body = operation["requestBody"].is_object().then_some("{}");
            sidecar.client().send(&method, sidecar.admin_address(), &address, headers, body).expect("an answer")
        };
        if wanted.is_empty() {
            continue;
        }
        let bare = ask(&[]);
        assert_eq!(
            (bare.status, &bare.json()["error"]["message"]),
            (401, &"no bearer token".into()),
            "{method} {path}"
        );
        assert_eq!(bare.header("www-authenticate"), "Bearer realm=\"sidegate\"");
        for (scope, (token, _)) in SCOPES.iter().zip(&tokens) {
            let answer = ask(&[("authorization", &format!("Bearer {token}"))]);
            let is_missing = answer.status == 403 && answer.json()["error"]["code"] == "scope_missing";
            assert_eq!(is_missing, !wanted.contains(scope), "{method} {path} with {scope}: {answer:?}");
            assert_ne!(answer.status, 401, "{method} {path} with {scope}: {answer:?}");
            if is_missing {
                let message = answer.json()["error"]["message"].to_string();
                assert!(wanted.iter().all(|wanted| message.contains(wanted)) && message.contains(scope), "{message}");
            } else {
                opened += 1;
            }
        }
    }
    assert!(opened > 5, "{opened}");
}

#[test]
fn every_path_names_the_methods_that_it_has() {
    let sidecar = Sidecar::builder().start();
    let document = sidecar.admin_get("/openapi.json").json();
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let answer = sidecar.client().send("OPTIONS", sidecar.admin_address(), path, &[], None).expect("an answer");
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (405, &"method_not_allowed".into()), "{path}");
        let mut allowed: Vec<String> =
            answer.header("allow").split(',').map(|method| method.trim().to_lowercase()).collect();
        allowed.retain(|method| method != "head");
        allowed.sort();
        let mut listed: Vec<&String> = operations.as_object().expect("operations").keys().collect();
        listed.sort();
        assert!(allowed.iter().eq(listed.iter().copied()), "{path}: {allowed:?} {listed:?}");
    }
}
