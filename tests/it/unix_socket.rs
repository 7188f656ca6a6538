//! The Unix socket of the authorize listener.

use crate::support::{Raw, Sidecar, SidecarBuilder, Signal, wait_for};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);

fn question() -> String {
    json!({ "user": "bob", "action": "edit", "resource": "order:o-1" }).to_string()
}

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = folder.path().join("authorize.sock");
    (folder, path)
}

fn on(path: &Path) -> SidecarBuilder {
    Sidecar::builder().config(&format!("server: {{ authorize: {{ unix_socket: {} }} }}", path.display()))
}

fn connect(path: &Path) -> Raw<UnixStream> {
    let stream = UnixStream::connect(path).expect("somebody listens");
    stream.set_read_timeout(Some(SOON)).expect("a timeout");
    Raw::over(stream)
}

fn ask(raw: &mut Raw<UnixStream>) -> u16 {
    raw.ask("POST", "/v1/authorize", &[], &question()).expect("an answer").status
}

#[test]
fn it_answers_as_the_network_does_and_goes_with_the_process() {
    let (_folder, path) = place();
    let sidecar = on(&path).start();
    let listening = sidecar.wait_event("listening", SOON, |event| {
        event["address"].as_str().is_some_and(|address| address == format!("unix:{}", path.display()))
    });
    assert_eq!(listening["listener"], "authorize");
    let file = fs::symlink_metadata(&path).expect("it is there");
    assert!(file.file_type().is_socket());
    assert_eq!(file.permissions().mode() & 0o7777, 0o600);

    let mut raw = connect(&path);
    let answer = raw.ask("POST", "/v1/authorize", &[("x-request-id", "r-9")], &question()).expect("an answer");
    let network = sidecar.post_text("/v1/authorize", &[], &question());
    let (answer, network): (Value, Value) = (serde_json::from_str(&answer.body).expect("JSON"), network.json());
    for part in ["decision", "reason", "revision"] {
        assert_eq!(answer[part], network[part], "{part}");
    }
    for _ in 0..3 {
        assert_eq!(ask(&mut raw), 200, "the connection is kept");
    }
    assert_eq!(raw.ask("GET", "/nowhere", &[], "").expect("an answer").status, 404);
    assert_eq!(raw.ask("POST", "/v1/authorize", &[], "{}").expect("an answer").status, 400);
    wait_for("its record is in the log", SOON, || {
        let page = sidecar.admin_get("/v1/audit?kind=decision&order=asc&limit=1").json();
        page["items"][0]["request_id"] == "r-9"
    });

    let exited = sidecar.stop();
    assert_eq!(exited.code, Some(0), "{exited:?}");
    assert!(raw.is_closed() && !path.exists());
}

#[test]
fn it_is_open_where_the_network_demands_callers() {
    let (_folder, path) = place();
    let callers = format!("server: {{ authorize: {{ callers: [{{ name: shop, sha256: {} }}] }} }}", "0".repeat(64));
    let sidecar = on(&path).listen("authorize", "0.0.0.0:0").config(&callers).start();
    assert_eq!(ask(&mut connect(&path)), 200);
    assert_eq!(sidecar.post_text("/v1/authorize", &[], &question()).status, 401);
}

#[test]
fn curl_speaks_through_it() {
    let (_folder, path) = place();
    let _sidecar = on(&path).start();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--unix-socket"]).arg(&path);
    let output =
        curl.args(["--json", &question(), "http://sidegate/v1/authorize"]).output().expect("curl is installed");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(answer["decision"].is_string(), "{answer}");
}

#[test]
fn limits_hold_and_a_stop_answers_what_has_begun() {
    let (_folder, path) = place();
    let limits = |limits: &str| format!("server: {{ authorize: {{ limits: {{ {limits} }} }} }}");
    let sidecar = on(&path).config(&limits("header_timeout: 1s, body_bytes: 1KiB")).start();
    // A client that is silent is closed.
    assert!(connect(&path).is_closed());
    let long = format!(r#"{{"user":"{}"}}"#, "x".repeat(2000));
    assert_eq!(connect(&path).ask("POST", "/v1/authorize", &[], &long).expect("an answer").status, 413);
    assert_eq!(sidecar.stop().code, Some(0));

    let sidecar = on(&path).config(&limits("connections: 2")).start();
    let (mut one, mut two) = (connect(&path), connect(&path));
    assert_eq!((ask(&mut one), ask(&mut two)), (200, 200));
    let mut third = connect(&path);
    let answer = third.response().expect("it is told");
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));

    let body = question();
    one.send(format!(
        "POST /v1/authorize HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    assert_eq!(one.response().expect("an interim answer").status, 100);
    sidecar.signal(Signal::TERM);
    sidecar.wait_event("stop_phase", SOON, |phase| phase["phase"] == "finish requests");
    assert!(two.is_closed(), "idle ones end at once");
    wait_for("the file is gone", SOON, || !path.exists());
    one.send(&body);
    assert_eq!(one.response().expect("an answer in spite of the stop").status, 200);
    assert_eq!(sidecar.wait_exit(SOON).code, Some(0));
}

#[test]
fn neither_door_keeps_anybody_out_of_the_other() {
    let (_folder, path) = place();
    let sidecar = on(&path).config("server: { authorize: { limits: { connections: 2 } } }").start();
    let question = question();
    let network = |raw: &mut Raw| raw.ask("POST", "/v1/authorize", &[], &question).expect("an answer").status;
    let mut strangers = [sidecar.raw(), sidecar.raw()];
    assert!(strangers.iter_mut().all(|raw| network(raw) == 200));
    assert_eq!(sidecar.raw().response().map(|answer| answer.status), Some(503));
    let (mut one, mut two) = (connect(&path), connect(&path));
    assert_eq!((ask(&mut one), ask(&mut two)), (200, 200));
    assert_eq!(connect(&path).response().map(|answer| answer.status), Some(503));
    drop(strangers);
    wait_for("the network has places again", SOON, || network(&mut sidecar.raw()) == 200);
}

#[test]
fn a_proxy_that_comes_through_it_is_trusted_where_the_settings_say_so() {
    let (_folder, path) = place();
    let trusting = "server: { authorize: { trusted_proxies: [unix], proxy: { user_header: x-who } } }";
    let sidecar = on(&path).config(trusting).start();
    let told = |method| [("x-forwarded-method", method), ("x-forwarded-uri", "/orders/o-1"), ("x-who", "bob")];
    for (method, status) in [("GET", 200), ("DELETE", 403)] {
        let answer = connect(&path).ask("GET", "/auth-request", &told(method), "").expect("an answer");
        assert_eq!((answer.status, answer.header("sidegate-decision").len()), (status, 26), "{answer:?}");
    }
    let elsewhere = sidecar.raw().ask("GET", "/auth-request", &told("GET"), "").expect("an answer");
    assert_eq!(elsewhere.status, 403, "who comes through the network is not that proxy");
}

#[test]
fn one_that_a_crash_has_left_is_taken_and_one_that_is_alive_is_not() {
    let (_folder, path) = place();
    let crashed = on(&path).start();
    crashed.kill();
    crashed.wait_exit(SOON);
    assert!(path.exists(), "a crash leaves it");

    let second = on(&path).start();
    assert_eq!(ask(&mut connect(&path)), 200);
    let third = on(&path).start_failing();
    assert_eq!(third.code, Some(1), "{third:?}");
    let says = format!("somebody listens on `{}` already", path.display());
    assert!(third.stderr.contains("server.authorize.unix_socket") && third.stderr.contains(&says), "{}", third.stderr);
    assert_eq!(ask(&mut connect(&path)), 200, "the one that is alive goes on");
    assert_eq!(second.stop().code, Some(0));
    assert!(!path.exists());
}

#[test]
fn somebody_elses_socket_is_not_taken_though_it_never_answers() {
    let (_folder, path) = place();
    let other = UnixListener::bind(&path).expect("bound");
    let refused = on(&path).start_failing();
    assert!(refused.code == Some(1) && refused.stderr.contains("somebody listens"), "{refused:?}");
    let mut client = UnixStream::connect(&path).expect("still theirs");
    let accepting = std::thread::spawn(move || {
        // The first to come is the one that has looked whether somebody is there.
        for stream in other.incoming().take(2) {
            drop(stream.expect("a connection").write_all(b"theirs"));
        }
    });
    let mut text = String::new();
    client.read_to_string(&mut text).expect("read");
    assert_eq!(text, "theirs");
    accepting.join().expect("ended");
}

#[test]
fn of_many_that_start_at_once_exactly_one_gets_it() {
    let (_folder, path) = place();
    drop(UnixListener::bind(&path).expect("what a crash has left"));
    let winners: Vec<bool> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| on(&path).start_or_fail())).collect();
        let started: Vec<_> = starts.into_iter().map(|start| start.join().expect("ended")).collect();
        assert_eq!(ask(&mut connect(&path)), 200);
        started.iter().map(Result::is_ok).collect()
    });
    assert_eq!(winners.iter().filter(|won| **won).count(), 1, "{winners:?}");
}

#[test]
fn mode_owner_and_group_are_what_the_settings_say() {
    for (settings, mask, mode) in [
        ("unix_socket_mode: 0660", "umask 077", 0o660),
        ("unix_socket_mode: \"0666\"", "umask 027", 0o666),
        ("unix_socket_mode: 0600", "umask 000", 0o600),
    ] {
        let (folder, path) = place();
        let group = fs::metadata(folder.path()).expect("a folder").gid();
        let settings = format!("server: {{ authorize: {{ {settings}, unix_socket_group: {group} }} }}");
        let _sidecar = on(&path).config(&settings).shell(mask).start();
        let file = fs::symlink_metadata(&path).expect("it is there");
        assert_eq!((file.permissions().mode() & 0o7777, file.gid()), (mode, group), "{settings}");
    }
    if rustix::process::geteuid().is_root() {
        let (_folder, path) = place();
        let settings = "server: { authorize: { unix_socket_owner: nobody, unix_socket_group: 65534 } }";
        let _sidecar = on(&path).config(settings).start();
        let file = fs::symlink_metadata(&path).expect("it is there");
        assert_ne!(file.uid(), 0);
        assert_eq!(file.gid(), 65534);
    }
}

#[test]
fn what_cannot_be_stops_the_start_with_the_setting_and_the_mend() {
    let (folder, path) = place();
    fs::write(folder.path().join("file"), "kept").expect("written");
    let at = |path: PathBuf| format!("unix_socket: {}", path.display());
    for (settings, says) in [
        (at(folder.path().join("missing/s")), "the directory of"),
        (at(folder.path().join("file")), "is there and is no socket; name another path, or move it away"),
        (at(folder.path().join("file/s")), "the directory of"),
        (at(folder.path().join("x".repeat(110))), "the address of a Unix socket 107 at most"),
        (at(path.clone()) + ", unix_socket_owner: no-such-user", "there is no user `no-such-user`"),
        (at(path.clone()) + ", unix_socket_group: no-such-group", "there is no group `no-such-group`"),
        // To the system -1, which leaves the owner as it is.
        (at(path.clone()) + ", unix_socket_owner: 4294967295", "`4294967295` does not fit"),
        (at(path.clone()) + ", unix_socket_group: '4294967295'", "`4294967295` does not fit"),
        (at(path.clone()) + ", unix_socket_mode: 0888", "`0888` does not fit `server.authorize.unix_socket_mode`"),
        ("unix_socket_owner: root".to_owned(), "has no effect without `server.authorize.unix_socket`"),
    ] {
        let exited = Sidecar::builder().config(&format!("server: {{ authorize: {{ {settings} }} }}")).start_failing();
        let said: String = exited.stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert!(exited.code == Some(64) && said.contains(says), "{settings}: {exited:?}");
        assert!(said.contains("server.authorize.unix_socket"), "{said}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("file")).expect("there"), "kept");
    assert!(!path.exists());
}
