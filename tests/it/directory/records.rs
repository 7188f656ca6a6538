//! What was answered outlives the process, however it ends: every change is in the log once, and every letter goes out.

use super::desk::{Desk, LINK, active};
use crate::support::{Sidecar, repo};
use std::{collections::BTreeMap, path::Path};

fn start(data: &Path) -> Sidecar {
    start_with(data, "{}")
}

fn start_with(data: &Path, settings: &str) -> Sidecar {
    let link = format!("directory: {{ invitations: {{ link: '{LINK}{{token}}' }} }}");
    Sidecar::builder().policies(repo("policies/8move")).data(data).config(&link).config(settings).start()
}

/// How often the log has each id.
fn records(sidecar: &Sidecar) -> BTreeMap<String, usize> {
    let exported = sidecar.admin_get("/v1/audit/export?format=ndjson&kind=directory").body;
    let mut found = BTreeMap::new();
    for line in exported.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record");
        *found.entry(record["id"].as_str().expect("an id").to_owned()).or_default() += 1;
    }
    found
}

#[test]
fn a_change_is_in_the_log_once_however_the_process_ends_and_however_often_it_starts() {
    let data = tempfile::tempdir().expect("a folder");
    let mut wanted = 0;
    for (round, kills) in [false, true, true, false, false].into_iter().enumerate() {
        let sidecar = start(data.path());
        assert_eq!(records(&sidecar).len(), wanted, "round {round}: no record is missing");
        let desk = Desk::operator(&sidecar).at("north");
        desk.user(&format!("one{round}"));
        let users: Vec<_> = (0..40).map(|n| active(&format!("many{round}-{n}"))).collect();
        let users: Vec<_> = users
            .into_iter()
            .map(|mut user| {
                user.as_object_mut().expect("an object").remove("activation");
                user["status"] = "active".into();
                user
            })
            .collect();
        desk.ok("POST", "/v1/users/import", &serde_json::json!({ "users": users }));
        wanted += 1 + 1 + 40;
        if kills {
            sidecar.kill();
            sidecar.wait_exit(std::time::Duration::from_secs(20));
        } else {
            assert_eq!(sidecar.stop().code, Some(0));
        }
        // A start that nothing follows records nothing either.
        let sidecar = start(data.path());
        let found = records(&sidecar);
        assert!(found.values().all(|times| *times == 1), "round {round}: {found:?}");
        assert_eq!(found.len(), wanted, "round {round}");
        if kills {
            sidecar.kill();
            sidecar.wait_exit(std::time::Duration::from_secs(20));
        } else {
            sidecar.stop();
        }
    }
}

#[test]
fn a_letter_that_no_server_takes_outlives_a_kill_and_goes_out_once_it_can() {
    let data = tempfile::tempdir().expect("a folder");
    let dead = "mail: { transport: smtp, from: office@example.org, smtp: { host: localhost, port: 1, tls: none }, \
                retry: { first: 50ms, longest: 100ms } }";
    let sidecar = start_with(data.path(), dead);
    let invitation = serde_json::json!({ "email": "ann@example.com", "assignments": { "roles": ["sales-rep"] } });
    let made = Desk::operator(&sidecar).at("north").ok("POST", "/v1/invitations", &invitation);
    sidecar.kill();
    sidecar.wait_exit(std::time::Duration::from_secs(20));
    let sidecar = start_with(data.path(), "mail: { retry: { first: 50ms, longest: 100ms } }");
    let token = Desk::operator(&sidecar).tokens("ann@example.com", 1).remove(0);
    assert!(token.starts_with(made["id"].as_str().expect("an id")), "{token}");
}
