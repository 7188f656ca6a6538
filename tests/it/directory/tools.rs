//! Roles that are put together, files of users, backups and the review, over HTTP and from the command line.

use super::desk::{Desk, sidecar, with};
use crate::support::{Exited, Raw, Sidecar, repo, sidegate, wait_for};
use serde_json::{Value, json};
use std::{fs, time::Duration};

/// A user of `propeller` with a role that was put together.
fn price_desk(sidecar: &Sidecar) -> Desk<'_> {
    let olga = Desk::of(sidecar, "olga");
    let role = json!({ "name": "Price desk", "grants": { "pricing": "editor" }, "gates": ["backoffice"] });
    assert_eq!(olga.send("PUT", "/v1/roles/price-desk", Some(&role)).status, 201);
    olga.user("pat");
    olga.ok("POST", "/v1/users/pat/assignments/give", &json!({ "roles": ["price-desk"], "why": "season" }));
    olga
}

#[test]
fn a_role_that_was_put_together_has_a_life_of_its_own() {
    let sidecar = sidecar("propeller");
    let olga = price_desk(&sidecar);
    assert_eq!(olga.asks("pat", None, "tax", "edit").0, "allow");
    let read = olga.get("/v1/roles/price-desk");
    assert_eq!((read.json()["holders"].as_u64(), read.json()["shadowed"].as_bool()), (Some(1), Some(false)));
    let tag = read.header("etag").to_owned();
    let viewer = json!({ "grants": { "pricing": "viewer" }, "gates": ["backoffice"] });
    assert_eq!(olga.and("if-match", &tag).ok("PUT", "/v1/roles/price-desk", &viewer)["version"], 2);
    assert_eq!(olga.asks("pat", None, "tax", "edit").0, "deny", "the request sent right after the answer");
    assert_eq!(olga.and("if-match", &tag).refused("PUT", "/v1/roles/price-desk", &viewer).0, 412);
    assert_eq!(olga.refused("DELETE", "/v1/roles/price-desk", &Value::Null), (409, "role_in_use".to_owned()));
    assert_eq!(olga.get("/v1/roles").json()["custom"][0]["id"], "price-desk");
    assert_eq!(olga.ids("/v1/users?role=price-desk"), ["pat"]);
    olga.ok("POST", "/v1/users/pat/assignments/take", &json!({ "roles": ["price-desk"] }));
    olga.ok("DELETE", "/v1/roles/price-desk", &Value::Null);
    assert_eq!(olga.refused("GET", "/v1/roles/price-desk", &Value::Null).0, 404);
}

/// Runs the command line.
fn run(arguments: &[&str]) -> Exited {
    sidegate(arguments)
}

#[test]
fn users_go_out_and_come_in_from_the_command_line() {
    let first = sidecar("propeller");
    price_desk(&first);
    let second = sidecar("propeller");
    let role = json!({ "grants": { "pricing": "editor" }, "gates": ["backoffice"] });
    Desk::operator(&second).ok("PUT", "/v1/roles/price-desk", &role);
    let admin = |sidecar: &Sidecar| format!("http://{}", sidecar.admin_address());
    let folder = tempfile::tempdir().expect("a folder");
    for form in ["json", "yaml", "csv"] {
        let exported = run(&["directory", "export", "--admin", &admin(&first), "--format", form]);
        assert_eq!(exported.code, Some(0), "{exported:?}");
        let file = folder.path().join(format!("users.{form}"));
        fs::write(&file, &exported.stdout).expect("a file");
        let file = file.to_str().expect("a path");
        let again = run(&["directory", "import", "--admin", &admin(&first), file]);
        let said: Value = serde_json::from_slice(again.stdout.as_bytes()).expect("an answer");
        assert_eq!((&said["unchanged"], &said["updated"]), (&json!(1), &json!(0)), "{form}");
        let trial = run(&["directory", "import", "--admin", &admin(&second), "--dry-run", file]);
        assert!(trial.stdout.contains("\"dry_run\":true"), "{trial:?}");
    }
    let file = folder.path().join("users.yaml");
    let come = run(&["directory", "import", "--admin", &admin(&second), file.to_str().expect("a path")]);
    assert_eq!(come.code, Some(0), "{come:?}");
    assert_eq!(Desk::operator(&second).asks("pat", None, "tax", "edit").0, "allow");
    let wrong = folder.path().join("wrong.yaml");
    fs::write(&wrong, "users:\n- id: one\n  email: bad\n- id: two\n  email: two@x.example\n  first_nam: T\n")
        .expect("a file");
    let refused = run(&["directory", "import", "--admin", &admin(&second), wrong.to_str().expect("a path")]);
    assert_eq!(refused.code, Some(1));
    for told in
        ["/users/0/email: line 2: is no mail address", "/users/1/first_nam: line 4:", "did you mean `first_name`?"]
    {
        assert!(refused.stderr.contains(told), "{told}: {}", refused.stderr);
    }
}

#[test]
fn an_import_that_is_too_long_is_refused_before_it_is_read() {
    let sidecar = with("propeller", "directory: { import: { bytes: 2KiB } }");
    let mut raw = Raw::connect(sidecar.admin_address());
    let head = format!(
        "POST /v1/users/import HTTP/1.1\r\nhost: {}\r\ncontent-length: 3000\r\n\r\n{{",
        sidecar.admin_address()
    );
    raw.send(head);
    assert_eq!(raw.response().map(|answer| answer.status), Some(413), "told while the body has hardly begun");
    let long = json!({ "users": [{ "id": "x".repeat(4000) }] });
    assert_eq!(Desk::operator(&sidecar).refused("POST", "/v1/users/import", &long), (413, "body_too_large".to_owned()));
}

/// More than a restore takes: whoever looks at the length first says so first.
#[test]
fn whoever_may_not_restore_is_refused_before_the_file_is_looked_at() {
    let sidecar = sidecar("propeller");
    for (actor, status) in [("sidegate-actor: olga\r\n", 403), ("", 413)] {
        let mut raw = Raw::connect(sidecar.admin_address());
        let host = sidecar.admin_address();
        raw.send(format!(
            "POST /v1/directory/restore HTTP/1.1\r\nhost: {host}\r\n{actor}content-length: 999999999\r\n\r\n{{"
        ));
        assert_eq!(raw.response().map(|answer| answer.status), Some(status), "{actor}");
    }
    let records = Desk::operator(&sidecar).records("kind=directory&action=restore", |records| !records.is_empty());
    assert_eq!((&records[0]["actor"], &records[0]["reason"]), (&json!("olga"), &json!("operator_only")));
}

#[test]
fn a_backup_comes_back_into_a_running_and_into_a_stopped_instance() {
    let sidecar = sidecar("propeller");
    let olga = price_desk(&sidecar);
    let admin = format!("http://{}", sidecar.admin_address());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("directory.ndjson");
    let path = file.to_str().expect("a path");
    let backup = run(&["directory", "backup", "--admin", &admin]);
    assert_eq!(backup.code, Some(0), "{backup:?}");
    fs::write(&file, &backup.stdout).expect("a file");
    assert_eq!(olga.refused("GET", "/v1/directory/backup", &Value::Null), (403, "operator_only".to_owned()));

    olga.ok("DELETE", "/v1/users/pat", &Value::Null);
    assert_eq!(olga.asks("pat", None, "tax", "edit").1, "user_unknown");
    let cut = folder.path().join("cut.ndjson");
    fs::write(&cut, &backup.stdout.as_bytes()[..backup.stdout.len() - 40]).expect("a file");
    let refused = run(&["directory", "restore", "--admin", &admin, cut.to_str().expect("a path")]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("nothing was changed"), "{}", refused.stderr);
    assert_eq!(olga.asks("pat", None, "tax", "edit").1, "user_unknown");
    let restored = run(&["directory", "restore", "--admin", &admin, path]);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    assert_eq!(olga.asks("pat", None, "tax", "edit").0, "allow", "deciders have it with the answer");

    let in_use = run(&["directory", "restore", "--data", sidecar.data().to_str().expect("a path"), path]);
    assert_eq!(in_use.code, Some(1));
    assert!(in_use.stderr.contains("in use"), "{}", in_use.stderr);
    let data = tempfile::tempdir().expect("a folder");
    let data_path = data.path().to_str().expect("a path");
    let offline = run(&["directory", "restore", "--data", data_path, path]);
    assert_eq!(offline.code, Some(0), "{offline:?}");
    let other = Sidecar::builder().policies(repo("policies/propeller")).data(data.path()).start();
    let operator = Desk::operator(&other);
    assert_eq!(operator.asks("pat", None, "tax", "edit").0, "allow");
    // The log's readers see a record once it is committed.
    wait_for("the start has recorded what was done while it was stopped", Duration::from_secs(20), || {
        let record = operator.get("/v1/audit?action=restore").json()["items"][0].clone();
        record["actor"] == "operator:cli" && record["source"] == "cli"
    });
}

#[test]
fn one_backup_comes_back_at_a_time_and_whoever_hangs_up_makes_room() {
    let sidecar = sidecar("propeller");
    let operator = Desk::operator(&sidecar);
    operator.user("pat");
    let backup = operator.get("/v1/directory/backup").body;
    operator.ok("DELETE", "/v1/users/pat", &Value::Null);
    let restore = |body: &str| sidecar.client().post(sidecar.admin_address(), "/v1/directory/restore", &[], body);
    let status = |body: &str| restore(body).expect("an answer").status;
    let begun = || {
        let mut raw = Raw::connect(sidecar.admin_address());
        let host = sidecar.admin_address();
        raw.send(format!("POST /v1/directory/restore HTTP/1.1\r\nhost: {host}\r\ncontent-length: 9999\r\n\r\n{{"));
        raw
    };
    // One that is no backup is refused either way: in the end for want of room. It may have been in the way of the one begun.
    let mut all_begun = Vec::new();
    wait_for("one that has begun has the place", Duration::from_secs(20), || {
        all_begun.push(begun());
        match status("{}") {
            409 => false,
            503 => true,
            other => panic!("{other}"),
        }
    });
    assert_eq!(status(&backup), 503, "nor is a good one looked at");
    drop(all_begun);
    wait_for("the place is free again", Duration::from_secs(20), || match status(&backup) {
        503 => false,
        200 => true,
        other => panic!("{other}"),
    });
    assert_eq!(operator.get("/v1/users/pat").status, 200);
}

#[test]
fn the_review_tells_what_was_used_from_the_log() {
    // propeller-review: who has what and why it was granted, and what has gone unused.
    let sidecar = sidecar("propeller");
    let olga = price_desk(&sidecar);
    olga.ok("POST", "/v1/users/pat/assignments/give", &json!({ "grants": { "logistics": "viewer" } }));
    assert_eq!(olga.asks("pat", None, "tax", "edit").0, "allow");
    let page = olga.get("/v1/review?user=pat").json();
    let items = page["items"].as_array().expect("items");
    let of = |kind: &str| items.iter().find(|item| item["kind"] == kind).expect("an entry");
    assert_eq!(
        (&of("role")["what"], &of("role")["by"], &of("role")["why"]),
        (&json!("price-desk"), &json!("olga"), &json!("season"))
    );
    assert!(of("role")["last_used"].is_string(), "{page}");
    assert!(of("grant")["last_used"].is_null(), "{page}");
    let unused = olga.get("/v1/review?user=pat&unused_for=0s").json();
    assert_eq!(unused["items"].as_array().map(Vec::len), Some(2), "{unused}");
    assert_eq!(olga.get("/v1/review?user=pat&unused_for=90d").json()["items"], json!([]));
    assert_eq!(olga.get("/v1/review?unused_for=soon").status, 400);
    assert_eq!(Desk::of(&sidecar, "pia").get("/v1/review").status, 403);
    let csv = olga.get("/v1/review?format=csv");
    assert!(csv.header("content-type").starts_with("text/csv"), "{csv:?}");
    assert!(csv.body.contains("price-desk"), "{csv:?}");
    let admin = format!("http://{}", sidecar.admin_address());
    let remote = run(&["review", "--admin", &admin, "--user", "pat"]);
    assert!(remote.stdout.contains("| pat Doe (pat) | active |"), "{remote:?}");
    let data = sidecar.data().to_path_buf();
    sidecar.stop();
    let policies = repo("policies/propeller");
    let arguments =
        ["review", "--data", data.to_str().expect("a path"), "--policies", policies.to_str().expect("a path")];
    let local = run(&[&arguments[..], &["--user", "pat", "--format", "json"]].concat());
    let local: Value = serde_json::from_str(&local.stdout).unwrap_or_else(|error| panic!("{error}: {local:?}"));
    let used = local["items"].as_array().expect("items").iter().filter(|item| item["last_used"].is_string()).count();
    assert_eq!(used, 1, "{local}");
}
