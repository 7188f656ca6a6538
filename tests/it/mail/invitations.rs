//! Invitations from the call to the mail server and back: the letter, its link, what it opens, and where it must never stand.

use crate::support::{MailServer, Sidecar, repo};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// What every link begins with.
const BEFORE_TOKEN: &str = "https://app.example.com/accept#";

fn config(port: u16) -> String {
    format!(
        "directory: {{ invitations: {{ link: '{BEFORE_TOKEN}{{token}}' }} }}\n\
         mail:\n\
         \x20 transport: smtp\n\
         \x20 from: 8Move <no-reply@8move.example>\n\
         \x20 smtp: {{ host: localhost, port: {port}, tls: none, timeout: 5s }}\n\
         \x20 retry: {{ first: 50ms, longest: 200ms, give_up_after: 1h }}\n"
    )
}

/// The token that a mail carries.
fn token(mail: &Value) -> String {
    let text = mail["text"].as_str().expect("a text");
    let (_, after) = text.split_once(BEFORE_TOKEN).unwrap_or_else(|| panic!("no link in {text}"));
    after.split_whitespace().next().expect("a token").to_owned()
}

#[test]
fn an_invitation_waits_for_the_mail_server_and_its_link_lets_in_once() {
    let port = MailServer::free_port();
    let sidecar = Sidecar::builder().policies(repo("policies/8move")).config(&config(port)).start();
    let invitation =
        json!({ "email": "nell@8move.example", "language": "de", "assignments": { "roles": ["sales-rep"] } });
    let invited = sidecar.admin_post("/v1/invitations?tenant=north", &invitation);
    assert_eq!(invited.status, 201, "nobody waits for a mail server: {}", invited.body);
    let user = invited.json()["user"].as_str().expect("a user").to_owned();
    let question =
        json!({ "tenant": "north", "user": user, "action": "view", "resource": { "type": "client", "id": "c1" } });
    assert_eq!(sidecar.authorize(&question).1["reason"]["code"], "user_invited");
    let deadline = Duration::from_secs(30);
    sidecar.wait_event("letter_failed", deadline, |event| event["recipient"] == *user);

    let server = MailServer::builder().port(port).start();
    let mail = server.wait_mail("nell@8move.example");
    assert!(mail["text"].as_str().is_some_and(|text| text.contains("Konto anzulegen")), "{mail}");
    let token = token(&mail);

    let accept = |token: &str| {
        sidecar
            .admin_post("/v1/invitations/accept", &json!({ "token": token, "first_name": "Nell", "last_name": "Park" }))
    };
    let forged = format!("{}x", token.trim_end_matches(|last: char| last.is_ascii_hexdigit()));
    assert_eq!(accept(&forged).status, 404, "a forged link");
    let accepted = accept(&token);
    assert_eq!(accepted.status, 200, "{}", accepted.body);
    assert_eq!(sidecar.authorize(&question).1["decision"], "allow", "the next request knows it");
    assert_eq!(accept(&token).json()["error"]["code"], "invitation_used");

    let secret = token.rsplit('.').next().expect("a secret");
    assert_eq!(sidecar.stop().code, Some(0));
    assert!(!sidecar.log().contains(secret), "no line of the log holds the link");
    for file in files(sidecar.data()) {
        let bytes = fs::read(&file).expect("readable");
        let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!found, "the link stands in {}", file.display());
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
