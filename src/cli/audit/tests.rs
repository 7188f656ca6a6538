//! The commands over data directories and over a real listener.

use super::*;
use crate::{
    audit::{Entry, Kind, Log, Options, Origin},
    http::admin::audit::routes,
    model::{Decision, Timestamp, TraceId},
};
use clap::Parser;
use std::{net::SocketAddr, path::Path, thread};
use tokio::sync::oneshot;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    audit: AuditArgs,
}

/// What a command printed, and what it said.
fn run(arguments: &[&str]) -> (Result<String, String>, String) {
    let line = Line::try_parse_from([&["audit"], arguments].concat()).unwrap();
    let (mut out, mut said) = (Vec::new(), String::new());
    let done = line.audit.command.execute(&mut out, &mut |text| said.push_str(text));
    (done.map(|()| String::from_utf8(out).unwrap()).map_err(|error| error.to_string()), said)
}

fn log_with(data: &Path, users: &[&str]) -> Log {
    let log = Log::open(Options { ring_bytes: 0, ..Options::new(data) }).unwrap();
    for (n, user) in (0..).zip(users) {
        let decision = if n % 2 == 0 { Decision::Allow } else { Decision::Deny };
        log.append(&Entry {
            time: Timestamp::from_micros(1_800_000_000_000_000 + n),
            kind: Kind::Decision,
            id: [1; 16],
            request_id: "",
            tenant: "north",
            user,
            roles: &[],
            action: "edit",
            module: "orders",
            resource_type: "order",
            resource_id: "o-1",
            decision: Some(decision),
            reason: if n % 2 == 0 { "granted" } else { "not_granted" },
            policies: &["role/x"],
            errors: &[],
            revision: "3f9c01d2a7b4",
            duration_ns: 900,
            origin: Origin::Native,
            actor: "",
            before: "",
            after: "",
            context: "",
            trace_id: TraceId::NONE,
        })
        .unwrap();
    }
    log.settle().unwrap();
    log
}

/// Runs `ask` with the address of an admin listener over the log.
fn with_listener(log: Log, ask: impl FnOnce(&str)) {
    let (stop, stopped) = oneshot::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel::<SocketAddr>();
    let server = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let serving = axum_serve(listener, log);
            tokio::select! {
                () = serving => {}
                _ = stopped => {}
            }
        });
    });
    ask(&format!("http://{}/", told.recv().unwrap()));
    stop.send(()).unwrap();
    server.join().unwrap();
}

async fn axum_serve(listener: tokio::net::TcpListener, log: Log) {
    let service = hyper_util::service::TowerToHyperService::new(routes(log));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        // One after the other is enough here.
        drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone()).await);
    }
}

use hyper_util::rt::TokioIo;

#[test]
fn a_stopped_and_a_running_instance_answer_alike() {
    let data = tempfile::tempdir().unwrap();
    let log = log_with(data.path(), &["sam", "mona", "sam", "a b&c=d+é"]);
    let directory = data.path().to_str().unwrap();
    let cases: [&[&str]; 8] = [
        &["list"],
        &["stats"],
        &["stats", "--output", "json", "--user", "sam"],
        &["list", "--output", "json", "--limit", "2"],
        &["list", "--user", "a b&c=d+é", "--output", "json"],
        &["list", "--decision", "deny", "--order", "asc", "--from", "2027-01-15T08:00:00Z"],
        &["export", "--format", "csv", "--user", "sam"],
        &["export", "--limit", "2", "--after-seq", "4"],
    ];
    let mut remote = Vec::new();
    with_listener(log, |address| {
        for case in cases {
            remote.push(run(&[case, &["--admin", address]].concat()));
        }
    });
    for (case, remote) in cases.iter().zip(remote) {
        let local = run(&[case, &["--data", directory][..]].concat());
        assert_eq!(comparable(&local), comparable(&remote), "{case:?}");
        assert!(local.0.as_ref().is_ok_and(|printed| printed.lines().count() >= 1), "{case:?}: {local:?}");
    }
}

/// Without the size on disk, which opening changes.
fn comparable((printed, said): &(Result<String, String>, String)) -> (Result<String, String>, String) {
    let size = |line: &&str| !line.contains("on disk") && !line.contains("store_bytes");
    let printed = printed.clone().map(|printed| printed.lines().filter(size).collect::<Vec<_>>().join("\n"));
    (printed, said.clone())
}

#[test]
fn a_list_is_a_table_and_says_how_to_go_on() {
    let data = tempfile::tempdir().unwrap();
    drop(log_with(data.path(), &["sam", "mo\u{1b}[2Jna", "max"]));
    let (printed, said) = run(&["list", "--limit", "2", "--data", data.path().to_str().unwrap()]);
    assert_eq!(
        printed.unwrap(),
        "SEQ  TIME                         WHAT   USER           ACTION  RESOURCE   TENANT  REASON\n\
         3    2027-01-15T08:00:00.000002Z  allow  max            edit    order:o-1  north   granted\n\
         2    2027-01-15T08:00:00.000001Z  deny   mo\\u{1b}[2Jna  edit    order:o-1  north   not_granted\n"
    );
    assert_eq!(said, "there are more; go on with `--cursor 2`");
    let (printed, said) = run(&["list", "--user", "nobody", "--data", data.path().to_str().unwrap()]);
    assert_eq!((printed.unwrap().as_str(), said.as_str()), ("", "no records"));
}

#[test]
fn figures_say_how_much_who_and_what_was_denied() {
    let data = tempfile::tempdir().unwrap();
    drop(log_with(data.path(), &["sam", "mona", "sam", "mo\u{1b}na", "mona"]));
    let directory = data.path().to_str().unwrap();
    let (printed, said) = run(&["stats", "--data", directory]);
    let printed = printed.unwrap();
    let (figures, lists) = printed.split_once("\n\n").unwrap();
    for line in [
        "records                  5",
        "first                    2027-01-15T08:00:00.000000Z (1)",
        "span                     0.0 s",
    ] {
        assert!(figures.contains(line), "{line} in\n{figures}");
    }
    assert_eq!(
        lists,
        "KIND      RECORDS\ndecision  5\n\nDECISION  RECORDS\nallow     3\ndeny      2\n\nUSER        RECORDS\n\
         mona        2\nsam         2\nmo\\u{1b}na  1\n\nMODULE  RECORDS\norders  5\n\nDENIED USER  RECORDS\n\
         mo\\u{1b}na   1\nmona         1\n\nDENIED MODULE  RECORDS\norders         2\n\nDENIED FOR   RECORDS\nnot_granted  2\n"
    );
    assert_eq!(said, "");
    let (printed, _) = run(&["stats", "--user", "mona", "--output", "json", "--data", directory]);
    let figures: serde_json::Value = serde_json::from_str(&printed.unwrap()).unwrap();
    assert_eq!(
        (&figures["records"], &figures["stands_for"], &figures["counts_low_by"]),
        (&2.into(), &2.into(), &0.into())
    );
    assert_eq!(figures["denials"]["users"], serde_json::json!([{ "name": "mona", "count": 1 }]));
    assert_eq!(figures["last"], serde_json::json!({ "seq": 5, "time": "2027-01-15T08:00:00.000004Z" }));
    assert_eq!(run(&["stats", "--user", "nobody", "--data", directory]), (Ok(String::new()), "no records".to_owned()));
}

#[test]
fn an_export_that_broke_off_goes_on_after_its_last_record() {
    let data = tempfile::tempdir().unwrap();
    drop(log_with(data.path(), &["sam", "mona", "a,\"b\"\r\nc", "max"]));
    let directory = data.path().to_str().unwrap();
    for format in ["csv", "ndjson"] {
        for order in ["asc", "desc"] {
            let export = |more: &[&str]| {
                let asked = ["export", "--data", directory, "--format", format, "--order", order];
                run(&[&asked, more].concat()).0.unwrap()
            };
            let whole = export(&[]);
            for taken in 1..=4u32 {
                let first = export(&["--limit", &taken.to_string()]);
                let last = if order == "asc" { taken } else { 5 - taken };
                assert_eq!(first + &export(&["--after-seq", &last.to_string()]), whole, "{format} {order} {taken}");
            }
        }
    }
}

#[test]
fn a_directory_that_is_in_use_leads_to_the_admin_listener() {
    let data = tempfile::tempdir().unwrap();
    let _log = log_with(data.path(), &["sam"]);
    let error = run(&["list", "--data", data.path().to_str().unwrap()]).0.unwrap_err();
    assert!(error.contains("is in use by another process"), "{error}");
    assert!(error.ends_with("read the log of the running instance with `--admin URL`"), "{error}");
}

#[test]
fn what_is_wrong_with_the_arguments_is_said() {
    let data = tempfile::tempdir().unwrap();
    let directory = data.path().to_str().unwrap();
    let cases: [(&[&str], &str); 8] = [
        (&["list", "--data", directory], "there is no audit log in"),
        (&["list", "--data", directory, "--decision", "maybe"], "`maybe` is no value of `decision`: `allow` or `deny`"),
        (&["list", "--data", directory, "--limit", "1001"], "a page has at most 1000 records"),
        (&["export", "--data", directory, "--from", "yesterday"], "`yesterday` is no value of `from`: a time such as"),
        (&["list", "--admin", "127.0.0.1:8481"], "it looks like `http://127.0.0.1:8481`"),
        (&["list", "--admin", "http://127.0.0.1:1", "--ca", "x"], "`--ca` and `--client-certificate` are for `https`"),
        (&["list", "--admin", "https://127.0.0.1:1", "--ca", "/no/such"], "`/no/such` cannot be read"),
        (&["list", "--admin", "http://127.0.0.1:1"], "`127.0.0.1:1` cannot be reached"),
    ];
    for (arguments, expected) in cases {
        let error = run(arguments).0.unwrap_err();
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
    for arguments in [&["audit", "list"][..], &["audit", "list", "--data", "a", "--admin", "b"]] {
        assert!(Line::try_parse_from(arguments).is_err());
    }
}

#[test]
fn a_refusal_of_the_listener_is_passed_on() {
    let data = tempfile::tempdir().unwrap();
    with_listener(log_with(data.path(), &["sam"]), |address| {
        let error = run(&["list", "--admin", &format!("{address}nowhere")]).0.unwrap_err();
        assert_eq!(error, "the admin listener answered 404 Not Found: no such path");
    });
}

#[test]
fn a_query_that_names_the_plain_value_of_a_hashed_field_is_told_what_to_ask_for() {
    use crate::{
        audit::Intake,
        config::{Redact, RedactAction, RedactField, RedactKey, RedactRule},
    };
    let rule = RedactRule { field: RedactField::User, below: Vec::new(), action: RedactAction::Hash };
    let redact = Redact { fields: vec![rule], key_file: None, key: RedactKey::new(&[7; 32]) };
    let data = tempfile::tempdir().unwrap();
    let intake = Intake::new(&redact, &[]).unwrap().map(std::sync::Arc::new);
    let log = Log::open(Options { intake, ..Options::new(data.path()) }).unwrap();
    let now = Timestamp::from_micros(1);
    log.append(&Entry { user: "sam", tenant: "north", ..Entry::blank(Kind::Activity, now, [7; 16]) }).unwrap();
    log.close().unwrap();
    drop(log);
    let data = data.path().to_str().unwrap();
    let hint = "`user` is hashed in this log: ask for `hmac:...`, as its records have it";
    for (filters, wanted) in [
        (&["--user", "sam"][..], format!("no records{hint}")),
        (&["--user", "hmac:00"], "no records".to_owned()),
        (&["--tenant", "south"], "no records".to_owned()),
    ] {
        let (done, said) = run(&[&["list", "--data", data], filters].concat());
        assert_eq!((done.unwrap().as_str(), said), ("", wanted), "{filters:?}");
    }
}

#[test]
fn an_export_goes_on_after_a_record_of_the_log_only() {
    let data = tempfile::tempdir().unwrap();
    drop(log_with(data.path(), &["a", "b", "c"]));
    let data = data.path().to_str().unwrap();
    for order in ["asc", "desc"] {
        let (done, _) = run(&["export", "--data", data, "--format", "csv", "--order", order, "--after-seq", "1000"]);
        assert_eq!(done.unwrap(), "", "{order}");
    }
    let (done, _) = run(&["export", "--data", data, "--after-seq", "2"]);
    assert_eq!(done.unwrap().lines().count(), 1);
    for wrong in ["two", "-1", ""] {
        let (done, _) = run(&["export", "--data", data, &format!("--after-seq={wrong}")]);
        assert_eq!(done.unwrap_err(), format!("`{wrong}` is no value of `after_seq`: the number of a record"));
    }
}

#[test]
fn a_damaged_segment_is_named_with_what_to_do_and_without_the_words_of_its_store() {
    for keeps_snapshots in [true, false] {
        let data = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            // The second start closes the first one's segment.
            let log = Log::open(Options { segment_bytes: 1, ..Options::new(data.path()) }).unwrap();
            log.append(&Entry::blank(Kind::System, Timestamp::from_micros(1), [7; 16])).unwrap();
            log.close().unwrap();
        }
        let segment = data.path().join("audit/seg-00000000000000000001");
        for file in std::fs::read_dir(&segment).unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            if name == "db" {
                std::fs::write(file, vec![0xa5; 700_000]).unwrap();
            } else if name.starts_with("snap") && !keeps_snapshots || name == "SUMMARIES" {
                std::fs::remove_file(file).unwrap();
            }
        }
        for command in ["list", "export", "stats"] {
            let (done, _) = run(&[command, "--data", data.path().to_str().unwrap()]);
            let said = done.unwrap_err();
            let wanted = format!(
                "the segment `{}` of the audit log is damaged; run `sidegate audit verify`, which says what is wrong",
                segment.display()
            );
            assert!(said.ends_with(&wanted), "{command}: {said}");
            assert!(!said.contains("sled") && !said.contains("backtrace"), "{command}: {said}");
        }
    }
}
