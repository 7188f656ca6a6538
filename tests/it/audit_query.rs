//! The admin routes over a log in process.

use crate::{
    audit::entry,
    support::{Client, wait_for},
};
use sidegate::{
    audit::{Export, Format, Log, Options, Order, Query},
    http::admin::audit::routes,
};
use std::{
    net::SocketAddr,
    ops::ControlFlow,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};
use tokio::sync::oneshot;

/// Runs `ask` with the address of an admin listener over the log.
fn with_listener(log: Log, ask: impl FnOnce(SocketAddr)) {
    let (stop, stopped) = oneshot::channel::<()>();
    let (tell, told) = mpsc::channel();
    let server = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let served = axum::serve(listener, routes(log)).with_graceful_shutdown(async { drop(stopped.await) });
            served.await.unwrap();
        });
    });
    ask(told.recv().unwrap());
    stop.send(()).unwrap();
    server.join().unwrap();
}

#[test]
fn the_admin_listener_lists_and_exports() {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options { ring_bytes: 0, ..Options::new(data.path()) }).unwrap();
    for n in 0..3_000 {
        log.append(&entry(&format!("user-{}", n % 7), "")).unwrap();
    }
    log.settle().unwrap();
    let mut csv = Vec::new();
    let export = Export { format: Format::Csv, after_seq: None };
    log.reader().export(&Query::all(Order::Descending), export, &mut csv).unwrap();
    with_listener(log, |address| {
        let client = Client::new();
        let get = |path: &str| client.get(address, path, &[("x-request-id", "r-9"), ("connection", "close")]).unwrap();

        let answer = get("/v1/audit?user=user-3&limit=2&order=asc");
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
        assert_eq!(answer.header("x-request-id"), "r-9");
        let page = answer.json();
        assert_eq!((&page["items"][0]["seq"], &page["items"][1]["seq"]), (&4.into(), &11.into()));
        assert_eq!(page["next_cursor"], "11");
        assert_eq!(get("/v1/audit?user=nobody").body, r#"{"items":[]}"#);

        let answer = get("/v1/audit/export?format=csv");
        assert_eq!((answer.status, answer.header("content-type")), (200, "text/csv; charset=utf-8; header=present"));
        assert_eq!(answer.header("content-disposition"), "attachment; filename=\"audit.csv\"");
        assert_eq!(answer.body.as_bytes(), csv);

        let answer = get("/v1/audit/export?user=user%2D5");
        assert_eq!(answer.header("content-type"), "application/x-ndjson");
        let seqs: Vec<u64> = answer
            .body
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(seqs, (1..=3_000u64).rev().filter(|seq| (seq - 1) % 7 == 5).collect::<Vec<_>>());
    });
}

#[test]
fn the_admin_listener_says_what_is_wrong_with_a_query() {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options { ring_bytes: 0, ..Options::new(data.path()) }).unwrap();
    with_listener(log, |address| {
        let client = Client::new();
        for (path, message) in [
            ("/v1/audit?usr=sam", "unknown parameter `usr`; did you mean `user`?"),
            ("/v1/audit?format=csv", "unknown parameter `format`"),
            (
                "/v1/audit/export?cursor=3",
                "`cursor` is no parameter of this path: an export that broke off goes on with `after_seq`",
            ),
            ("/v1/audit/export?after_seq=x", "`x` is no value of `after_seq`: the number of a record"),
            ("/v1/audit/stats?limit=3", "`limit` is no parameter of this path: figures are of all records that match"),
            (
                "/v1/audit?limit=5000",
                "`5000` is no value of `limit`: a page has at most 1000 records; an export has no bound",
            ),
            ("/v1/audit/export?format=xml", "`xml` is no value of `format`: `csv` or `ndjson`"),
            ("/v1/audit/export?format=csv&format=csv", "parameter `format` is given more than once"),
            ("/v1/audit?user=%zz", "`%zz` in the address is not percent-encoded UTF-8"),
            ("/v1/audit?user=%ff", "`%ff` in the address is not percent-encoded UTF-8"),
        ] {
            let answer = client.get(address, path, &[("x-request-id", "r-1"), ("connection", "close")]).unwrap();
            let error = serde_json::json!({ "code": "malformed_request", "message": message, "request_id": "r-1" });
            assert_eq!((answer.status, &answer.json()["error"]), (400, &error), "{path}");
        }
        let answer = client.get(address, "/v1/audit", &[("connection", "close")]).unwrap();
        assert_eq!(answer.header("x-request-id").len(), 26, "one is made up");
    });
}

#[test]
fn a_client_that_hangs_up_ends_its_export() {
    use std::io::{Read, Write};
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options { ring_bytes: 0, ..Options::new(data.path()) }).unwrap();
    let filler = "x".repeat(8_000);
    for _ in 0..2_000 {
        log.append(&entry("sam", &filler)).unwrap();
    }
    log.settle().unwrap();
    // The listener ends only when the export has, long before it would give a stalled client up: the runtime waits for threads
    // that block.
    with_listener(log, |address| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /v1/audit/export HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut some = [0; 1024];
        stream.read_exact(&mut some).unwrap();
    });
}

#[test]
fn only_so_many_exports_run_at_once_and_others_are_told_to_come_back() {
    use std::io::{Read, Write};
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options { ring_bytes: 0, ..Options::new(data.path()) }).unwrap();
    // More than the buffers of a connection take, so that an export does not end before it is read.
    let filler = "x".repeat(9_000);
    for _ in 0..4_000 {
        log.append(&entry("sam", &filler)).unwrap();
    }
    log.settle().unwrap();
    with_listener(log, |address| {
        let exports: Vec<_> = (0..4)
            .map(|_| {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                stream.write_all(b"GET /v1/audit/export HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
                stream.read_exact(&mut [0; 1024]).unwrap();
                stream
            })
            .collect();
        let client = Client::new();
        let get = |path: &str| client.get(address, path, &[("connection", "close")]).unwrap();
        let refused = get("/v1/audit/export");
        assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
        assert_eq!(refused.json()["error"]["message"], "4 exports and backups are running already");
        assert_eq!(get("/v1/audit?limit=1").status, 200, "queries have threads left");
        drop(exports);
        wait_for("an export has a place again", Duration::from_secs(20), || {
            get("/v1/audit/export?limit=1").status == 200
        });
    });
}

#[test]
fn a_visit_can_be_broken_off() {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options { ring_bytes: 0, ..Options::new(data.path()) }).unwrap();
    for _ in 0..500 {
        log.append(&entry("sam", "")).unwrap();
    }
    log.settle().unwrap();
    let mut seen = 0;
    log.reader()
        .for_each(&Query::all(Order::Descending), |_| {
            seen += 1;
            if seen == 200 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!(seen, 200);
}

/// `script` gives the command a terminal.
#[test]
fn an_export_says_how_far_it_is_where_somebody_sees_it_and_nowhere_else() {
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options { ring_bytes: 0, ..Options::new(data.path()) }).unwrap();
    for n in 0..300 {
        log.append(&entry(&format!("user-{n}"), "")).unwrap();
    }
    log.close().unwrap();
    drop(log);
    let program = env!("CARGO_BIN_EXE_sidegate");
    let (folder, file) = (data.path().display(), data.path().join("exported"));
    for (command, is_shown) in [
        (format!("{program} audit export --data {folder} > {}", file.display()), true),
        (format!("{program} audit export --data {folder} > {} 2> /dev/null", file.display()), false),
    ] {
        let shown = Command::new("script").args(["-qec", &command, "/dev/null"]).stdin(Stdio::null()).output();
        let Ok(shown) = shown else { return eprintln!("skipped: `script` is not installed") };
        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.status.success(), "{text}");
        assert_eq!(text.contains(" written, "), is_shown, "{text}");
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 300);
    }
}
