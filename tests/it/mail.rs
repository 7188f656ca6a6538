//! Mail: the worker against a real mail server, files, and what of the settings is refused.

mod invitations;
mod office;
mod queue;

use crate::support::{Certificate, MailServer, Sidecar, sidegate, wait_for};
use office::{DEADLINE, LINK, Office};
use queue::{UNWRITTEN, letter};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// Waits of a test: short, and many of them.
const RETRY: &str = "  retry: { first: 50ms, longest: 200ms, give_up_after: 1h }\n";

/// Settings for a server on this machine without TLS.
fn plain(port: u16) -> String {
    smtp(port, "none", "")
}

fn smtp(port: u16, tls: &str, more: &str) -> String {
    format!(
        "  transport: smtp\n  from: Back office <office@example.org>\n\
         \x20 smtp: {{ host: localhost, port: {port}, tls: {tls}, timeout: 5s{more} }}\n{RETRY}"
    )
}

fn secret(folder: &Path, text: &str) -> String {
    let path = folder.join("password");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

fn header<'m>(mail: &'m Value, name: &str) -> &'m str {
    let headers = mail["headers"].as_array().unwrap();
    let found = headers.iter().find(|header| header[0] == name).unwrap_or_else(|| panic!("no `{name}` in {mail}"));
    found[1].as_str().unwrap()
}

#[test]
fn letters_go_out_secured_and_logged_in_over_one_connection() {
    let certificate = Certificate::new();
    let password = secret(certificate.folder(), "korrekt pferd\n");
    let more = format!(", ca_file: {}, username: office, password_file: {password}", certificate.path().display());
    for tls in ["starttls", "required"] {
        let server = MailServer::builder().tls(tls, &certificate).login("office", "korrekt pferd").start();
        let mut office = Office::open(&smtp(server.port(), tls, &more));
        for id in ["ada", "bob", "cyd"] {
            office.queue.push(letter(id));
        }
        office.wait_empty();
        let mail = server.wait_mail("ada@example.com");
        assert_eq!(mail["encrypted"], true, "{tls}: {mail}");
        assert_eq!(mail["login"], "office", "{tls}: {mail}");
        assert_eq!(mail["from"], "office@example.org");
        assert_eq!(mail["hello"], "example.org");
        assert_eq!(header(&mail, "from"), "Back office <office@example.org>");
        assert_eq!(header(&mail, "to"), "Zoë Ångström <ada@example.com>");
        assert_eq!(header(&mail, "subject"), "You are invited to join North");
        assert_eq!(header(&mail, "message-id"), "<ada@example.org>");
        for part in ["text", "html"] {
            let part = mail[part].as_str().unwrap();
            for needed in ["https://app.example.com/accept#token-ada", "Zoë Ångström", "Grace Hopper", "Sales"] {
                assert!(part.contains(needed), "no `{needed}` in {part}");
            }
        }
        // The worker has the server's answer before the server has told of the letter.
        for address in ["bob@example.com", "cyd@example.com"] {
            server.wait_mail(address);
        }
        let mails = server.mails();
        let connections: BTreeSet<_> = mails.iter().map(|mail| mail["connection"].as_u64()).collect();
        assert_eq!((mails.len(), connections.len()), (3, 1), "{tls}: {mails:?}");
        assert_eq!(office.outcomes(), [3, 0, 0]);
        office.stop();
        assert!(office.log().contains("user-ada"), "recipients are known by their ids: {}", office.log());
    }
}

#[test]
fn a_server_that_is_down_loses_nothing_and_is_asked_for_one_letter_at_a_time() {
    let port = MailServer::free_port();
    let office = Office::open(&plain(port));
    let ids: Vec<String> = (0..12).map(|number| format!("user{number:02}")).collect();
    for id in &ids {
        office.queue.push(letter(id));
    }
    wait_for("three attempts", DEADLINE, || office.queue.told().len() >= 3);
    let told = office.queue.told();
    assert!(told.len() < ids.len(), "letters behind a failure are left as they are: {told:?}");
    assert!(told.iter().all(|told| told.next.is_some()), "nothing is given up: {told:?}");
    assert!(office.queue.failures()[0].contains(&format!("localhost:{port}` failed at the connection")));
    assert_eq!(office.metric("sidegate_mail_queue_depth"), 12);

    let server = MailServer::builder().port(port).start();
    office.wait_empty();
    let mut to: Vec<_> = server.mails().iter().map(|mail| mail["to"][0].as_str().unwrap().to_owned()).collect();
    to.sort();
    assert_eq!(to, ids.iter().map(|id| format!("{id}@example.com")).collect::<Vec<_>>(), "each once");
    assert_eq!(office.metric("sidegate_mail_queue_depth"), 0);
}

#[test]
fn what_concerns_one_letter_holds_up_no_other() {
    let cases = [
        ("RCPT", "550 5.1.1 <ada@example.com> no such user", true, "refused the recipient: 550 5.1.1"),
        ("RCPT", "450 4.2.0 <ada@example.com> greylisted", false, "refused the recipient: 450 4.2.0"),
        ("RCPT", "554 5.7.1 relay access denied", false, "refused the recipient: 554 5.7.1"),
        (
            "DATA",
            "554 5.6.0 https://app.example.com/accept#token-ada is blocked",
            true,
            "refused the message: 554 5.6.0",
        ),
        ("DATA", "452 4.3.1 disk full", false, "refused the message: 452 4.3.1"),
        ("MAIL", "550 5.1.0 sender unknown", false, "refused the sender: 550 5.1.0"),
    ];
    let server = MailServer::builder().start();
    for (command, answer, is_final, wanted) in cases {
        server.refuse(&[(command, answer)]);
        let office = Office::open(&plain(server.port()));
        office.queue.push(letter("ada"));
        wait_for("an attempt", DEADLINE, || !office.queue.told().is_empty());
        let first = office.queue.told().remove(0);
        let why = first.why.unwrap();
        assert!(why.ends_with(wanted), "{command} {answer}: {why}");
        assert_eq!(first.next.is_none(), is_final, "{command} {answer}");

        server.accept();
        office.queue.push(letter("bob"));
        office.wait_empty();
        server.wait_mail("bob@example.com");
        let [sent, _, gave_up] = office.outcomes();
        assert_eq!((sent, gave_up), if is_final { (1, 1) } else { (2, 0) }, "{command} {answer}");
    }
}

#[test]
fn what_concerns_the_operator_is_tried_again_and_says_what_is_wrong() {
    let certificate = Certificate::new();
    let trusted = format!(", ca_file: {}", certificate.path().display());
    let wrong = format!("{trusted}, username: office, password_file: {}", secret(certificate.folder(), "wrong"));
    let secured = MailServer::builder().tls("starttls", &certificate).login("office", "right").start();
    let open = MailServer::builder().start();
    for (server, tls, more, wanted) in [
        (&secured, "starttls", wrong.as_str(), "refused the login: 535 5.7.8"),
        (&secured, "starttls", trusted.as_str(), "refused the sender: 530 5.7.0"),
        (&secured, "starttls", "", "failed at `STARTTLS`"),
        (&open, "starttls", trusted.as_str(), "failed at `STARTTLS`"),
        (&open, "required", trusted.as_str(), "failed at the connection"),
    ] {
        let office = Office::open(&smtp(server.port(), tls, more));
        office.queue.push(letter("ada"));
        wait_for("two attempts", DEADLINE, || office.queue.told().len() >= 2);
        let failures = office.queue.failures();
        assert!(failures[0].contains(wanted), "{tls} {more}: {failures:?}");
        assert_eq!(office.outcomes()[2], 0, "nothing is given up");
        assert!(server.mails().is_empty(), "nothing was sent in the open");
    }
}

#[test]
fn a_server_that_hangs_delays_letters_and_a_stop_by_seconds_at_the_most() {
    let server = MailServer::builder().start();
    server.hang("DATA");
    let office = Office::open(&plain(server.port()).replace("timeout: 5s", "timeout: 200ms"));
    office.queue.push(letter("ada"));
    wait_for("an attempt", DEADLINE, || !office.queue.told().is_empty());
    assert!(office.queue.failures()[0].contains("gave no answer to the message within 200ms"));
    server.accept();
    office.wait_empty();

    server.hang("RCPT");
    let mut office = Office::open(&plain(server.port()).replace("timeout: 5s", "timeout: 1h"));
    office.queue.push(letter("bob"));
    server.wait_hanging("RCPT");
    let began = Instant::now();
    office.stop();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(!office.queue.is_empty(), "the letter is sent after the next start");
}

#[test]
fn a_letter_that_was_sent_is_not_sent_again_because_that_could_not_be_kept() {
    let server = MailServer::builder().start();
    let office = Office::open(&plain(server.port()));
    office.queue.forgets.store(2, Ordering::SeqCst);
    office.queue.push(letter("ada"));
    office.queue.push(letter("bob"));
    office.wait_empty();
    assert_eq!(server.mails().len(), 2, "{:?}", server.mails());
    assert_eq!(office.outcomes(), [2, 0, 0]);
    assert_eq!(office.log().matches("mail_queue_failed").count(), 2);
}

#[test]
fn a_letter_that_the_queue_does_not_give_keeps_nobody_busy() {
    let office = Office::open(&plain(MailServer::free_port()));
    office.queue.push(letter(UNWRITTEN));
    office.queue.push(letter("ada"));
    wait_for("two attempts", DEADLINE, || office.queue.told().len() >= 2);
    let looks = office.queue.looks.load(Ordering::SeqCst);
    assert!(looks < 20, "it was asked {looks} times");
}

#[test]
fn a_letter_that_nobody_can_write_is_given_up_and_said() {
    let office = Office::open(&plain(MailServer::free_port()));
    office.queue.push_unwritable("ghost", "its user is gone");
    office.wait_empty();
    assert_eq!(office.queue.failures(), ["its user is gone"]);
    assert_eq!(office.outcomes(), [0, 0, 1]);
}

#[test]
fn what_is_too_old_is_given_up() {
    use sidegate::model::Timestamp;
    let office = Office::open(&plain(MailServer::free_port()));
    let long_ago = Timestamp::parse("2020-01-01T00:00:00Z").unwrap();
    let mut expired = letter("expired");
    expired.values.expires = long_ago;
    office.queue.push(expired);
    office.wait_empty();
    assert_eq!(office.queue.failures(), ["its link has expired"]);

    office.queue.push_from(letter("old"), long_ago);
    office.wait_empty();
    assert!(office.queue.failures()[1].contains("failed at the connection"), "it was tried once");
    assert_eq!(office.outcomes(), [0, 0, 2]);
}

#[test]
fn an_address_beyond_ascii_is_told_to_the_server_as_such() {
    let server = MailServer::builder().start();
    let office = Office::open(&plain(server.port()));
    let mut foreign = letter("x");
    foreign.address = "zoë@bücher.example".parse().unwrap();
    office.queue.push(foreign);
    let mail = server.wait_mail("zoë@bücher.example");
    assert_eq!(mail["options"], json!(["SMTPUTF8"]), "{mail}");
}

#[test]
fn without_a_server_each_letter_is_a_private_file() {
    let office = Office::open("  from: office@example.org\n");
    office.queue.push(letter("ada"));
    office.queue.push(letter("bob"));
    office.wait_empty();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = office.folder();
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    let file = folder.join("ada.eml");
    assert_eq!(mode(&file), 0o600);
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains("<ada@example.com>\r\n") && text.contains("token-ada"), "{text}");
    assert_eq!(office.outcomes(), [2, 0, 0]);
}

#[test]
fn settings_that_would_send_secrets_in_the_open_or_nothing_at_all_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let password = secret(folder.path(), "p");
    let open = folder.path().join("open");
    fs::write(&open, "p").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let (open, empty) = (open.display(), folder.path().join("empty"));
    fs::write(&empty, "\n").unwrap();
    fs::set_permissions(&empty, fs::Permissions::from_mode(0o600)).unwrap();
    let from = "transport: smtp, from: a@example.org";
    let mail = |smtp: &str| format!("mail: {{ {from}, smtp: {{ {smtp} }} }}");
    for (config, wanted) in [
        ("mail: { transport: smtp, smtp: { host: mail } }".to_owned(), "`mail.transport: smtp` needs `mail.from`"),
        (format!("mail: {{ {from} }}"), "`mail.transport: smtp` needs `mail.smtp.host`"),
        (mail("host: mail.example.com, tls: none"), "in the open to `mail.example.com`"),
        (mail("host: 192.0.2.1, tls: none"), "in the open to `192.0.2.1`"),
        (mail("host: localhost.example.com, tls: none"), "in the open to `localhost.example.com`"),
        (mail("host: mail, username: u"), "needs `mail.smtp.password_file`"),
        (mail("host: mail, username: u, password_file: /no/such/file"), "`/no/such/file` cannot be read"),
        (mail(&format!("host: mail, username: u, password_file: {open}")), "has mode 0644"),
        (mail(&format!("host: mail, username: u, password_file: {}", empty.display())), "does not hold one line"),
        (mail(&format!("host: mail, password_file: {password}")), "has no effect without `mail.smtp.username`"),
        (mail("host: mail, ca_file: /no/such/file"), "`/no/such/file` cannot be read"),
        (mail(&format!("host: mail, ca_file: {password}")), "holds no certificates in PEM"),
        (mail("host: 'mail server'"), "`mail server` does not fit `mail.smtp.host`"),
        (mail("host: mail, tls: maybe"), "`required`, `starttls` or `none`"),
        ("mail: { from: nobody }".to_owned(), "`nobody` does not fit `mail.from`"),
        ("mail: { from: \"a@b.example\\nBcc: c@d.example\" }".to_owned(), "does not fit `mail.from`"),
        ("mail: { language: '../de' }".to_owned(), "does not fit `mail.language`"),
        ("mail: { retry: { first: 2h } }".to_owned(), "`mail.retry.longest` is at least `mail.retry.first`"),
        ("mail: { retry: { give_up_after: 1s } }".to_owned(), "`mail.retry.give_up_after` is at least"),
        ("mail: { templates: /no/such/folder }".to_owned(), "/no/such/folder"),
    ] {
        let file = folder.path().join("sidegate.yaml");
        fs::write(&file, format!("{LINK}{config}")).unwrap();
        let exited = sidegate(["serve", "--check-config", "--config", file.to_str().unwrap()]);
        assert_eq!(exited.code, Some(64), "{config}: {exited:?}");
        assert!(flat(&exited.stderr).contains(wanted), "no `{wanted}` for {config} in {}", exited.stderr);
    }
    let good = mail(&format!("host: '::1', tls: none, username: u, password_file: {password}"));
    let file = folder.path().join("sidegate.yaml");
    fs::write(&file, format!("{LINK}{good}")).unwrap();
    let exited = sidegate(["serve", "--check-config", "--config", file.to_str().unwrap()]);
    assert_eq!(exited.code, Some(0), "to this machine a password may go in the open: {exited:?}");
}

#[test]
fn a_broken_template_stops_the_start_with_its_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("invitation.en.subject.txt"), "Hello").unwrap();
    fs::write(folder.path().join("invitation.en.txt"), "Hello\n{{ link }}\n{{ tennant }}\n").unwrap();
    let config = format!("mail: {{ templates: {} }}", folder.path().display());
    let exited = Sidecar::builder().config(&config).start_failing();
    assert_eq!(exited.code, Some(64), "{exited:?}");
    let told = flat(&exited.stderr);
    for wanted in ["invitation.en.txt:3:4", "there is no value `tennant`", "did you mean `tenant`?"] {
        assert!(told.contains(wanted), "no `{wanted}` in {}", exited.stderr);
    }
}

/// What was printed for people, without its line breaks and borders.
fn flat(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter == '│').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}
