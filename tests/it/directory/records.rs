//! Every change is in the log once, however the process ends.

use super::desk::{Desk, LINK, active};
use crate::support::{Sidecar, repo};
use std::{collections::BTreeMap, path::Path};

fn start(data: &Path) -> Sidecar {
    let link = format!("directory: {{ invitations: {{ link: '{LINK}{{token}}' }} }}");
    Sidecar::builder().policies(repo("policies/8move")).data(data).config(&link).start()
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
