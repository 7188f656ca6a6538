//! An instance that runs, with one thing wrong in each case.

use super::house::{House, Report};
use crate::{
    faults::shim::Shim,
    support::{MailServer, Sidecar, SidecarBuilder, preload, run, wait_for},
};
use serde_json::json;
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::fs::FileExt as _,
    sync::mpsc,
    thread,
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);
const QUICK: &str = "policies: { poll_interval: 100ms, debounce: 20ms }";

/// The SHA-256 of `hunter2`.
const HUNTER2: &str = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";

/// The flags by which an instance is found.
fn flags(sidecar: &Sidecar) -> [String; 6] {
    let [authorize, admin, ops] = [sidecar.authorize_address(), sidecar.admin_address(), sidecar.ops_address()]
        .map(|address| address.to_string());
    ["--authorize-listen".into(), authorize, "--admin-listen".into(), admin, "--ops-listen".into(), ops]
}

/// Looks at a house whose instance runs.
#[track_caller]
pub fn look(house: &House, sidecar: &Sidecar) -> Report {
    look_with(house, sidecar, &[])
}

#[track_caller]
fn look_with(house: &House, sidecar: &Sidecar, more: &[&str]) -> Report {
    let flags = flags(sidecar);
    let last: Vec<&str> =
        flags.iter().map(String::as_str).chain(more.iter().copied()).chain(["--output", "json"]).collect();
    let exited = run(house.command(&last));
    let json = serde_json::from_str(&exited.stdout).unwrap_or_else(|error| panic!("{error}: {exited:?}"));
    Report { code: exited.code, json, stderr: exited.stderr }
}

/// What people are shown.
pub fn text(house: &House, sidecar: &Sidecar, more: &[&str]) -> String {
    let flags = flags(sidecar);
    run(house.command(&flags.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>())).stdout
}

fn instance(house: &House) -> SidecarBuilder {
    Sidecar::builder().policies(house.path("set")).data(house.path("data")).config(QUICK)
}

#[test]
fn an_instance_that_is_not_that_of_the_files_is_told_from_one_that_does_not_answer() {
    let (house, other) = (House::new(), House::new());
    other.live(|_| ());
    let sidecar = instance(&house).start();
    look(&other, &sidecar).assert("another data directory", "instance", "warning", &["uses another data directory"]);
    house.doctor().assert("another address", "instance", "error", &["does not answer", "--ops"]);
    let text = text(&house, &sidecar, &["--verbose"]);
    assert!(text.contains("ok       instance: it answers at"), "{text}");
}

#[test]
fn policies_that_are_refused_stale_or_not_kept_are_told_with_the_first_problems() {
    let house = House::new();
    let when_stale = "policies: { max_staleness: 1s, when_stale: not_ready }";
    let sidecar = instance(&house).config(when_stale).start();
    house.write("set/more.yaml", "roles: { temp: { name: T, grants: { ordres: view } } }");
    wait_for("the set is refused and the policies are stale", SOON, || sidecar.ops_get("/readyz").status == 503);
    let report = look(&house, &sidecar);
    report.assert("refused", "reloads", "warning", &["more.yaml:1", "ordres", "decides on", "revert"]);
    report.assert("stale", "reloads", "warning", &["stale"]);
    report.assert("not ready", "readiness", "error", &["not ready", "stale"]);
    report.assert("the files", "policies", "error", &["more.yaml:1"]);
    assert_eq!(report.code, Some(3), "{:#}", report.json);
    drop(sidecar);

    // The next start comes up on the copy.
    let sidecar = instance(&house).start();
    look(&house, &sidecar).assert("on the copy", "reloads", "warning", &["came up on the copy", "more.yaml"]);
    drop(sidecar);

    let house = House::new();
    house.write("data/policies", "");
    let sidecar = instance(&house).start();
    wait_for("the set cannot be kept", SOON, || {
        !sidecar.ops_get("/status").json()["policies"]["copy_failure"].is_null()
    });
    look(&house, &sidecar).assert("not kept", "reloads", "warning", &["not kept", "last-good.json"]);
}

#[test]
fn a_watcher_that_hears_nothing_and_files_that_are_not_live_are_told() {
    let (house, other) = (House::new(), House::new());
    other.write("set/more.yaml", "users: { nina: { email: nina@demo.example } }");
    let sidecar = instance(&house).config("policies: { watch: false }").start();
    wait_for("it has begun with all that it does", SOON, || {
        sidecar.ops_get("/status").json()["uptime_seconds"].as_i64() >= Some(5)
    });
    look(&house, &sidecar).assert("deaf", "reloads", "warning", &["no file events"]);
    let elsewhere = other.text("set");
    look_with(&house, &sidecar, &["--policies", &elsewhere]).assert("other files", "reloads", "note", &["decides"]);
}

#[test]
fn a_configuration_that_was_refused_or_waits_is_told() {
    let house = House::new();
    let sidecar = instance(&house).start();
    sidecar.configure("server: { authorize: { workers: 3 } }\nshutdown: { deadline: 33s }");
    let configuration = || sidecar.ops_get("/status").json()["configuration"].clone();
    wait_for("a setting waits", SOON, || {
        configuration()["waiting_for_restart"].as_array().is_some_and(|all| !all.is_empty())
    });
    look(&house, &sidecar).assert("waiting", "settings", "note", &["server.authorize.workers", "restart"]);
    sidecar.write_config("server: [");
    wait_for("the file is refused", SOON, || {
        configuration()["diagnostics"].as_array().is_some_and(|all| !all.is_empty())
    });
    look(&house, &sidecar).assert("refused", "settings", "error", &["would not start again", "sidegate.yaml:1"]);
}

#[test]
fn policies_that_cannot_be_evaluated_are_told() {
    let house = House::new();
    fs::remove_dir_all(house.path("set")).expect("removed");
    fs::create_dir(house.path("set")).expect("made");
    house.write("set/a.cedar", "permit (principal, action, resource) when { resource.owner == \"bob\" };");
    let sidecar = instance(&house).start();
    sidecar.authorize(&json!({ "user": "bob", "action": "view", "resource": "order:o-1" }));
    wait_for("the error is counted", SOON, || sidecar.count("sidegate_policy_errors_total", &[]) > 0);
    look(&house, &sidecar).assert("errors", "self-check", "warning", &["could not be evaluated", "errors"]);
}

#[test]
fn differences_of_the_shadow_set_and_its_errors_are_told() {
    let house = House::new();
    fs::create_dir(house.path("beside")).expect("made");
    let beside = "policy_set: beside\nlevels: { view: [view] }\n\
                  modules: { orders: { name: O, resources: [order] } }\n";
    house.write("beside/a.yaml", beside);
    let config = format!("policies: {{ shadow: {} }}", house.text("beside"));
    let sidecar = instance(&house).config(&config).start();
    wait_for("the shadow set is there", SOON, || sidecar.ops_get("/status").json()["shadow"]["revision"].is_string());
    assert_eq!(
        sidecar.authorize(&json!({ "user": "bob", "action": "view", "resource": "order:o-1" })).1["decision"],
        "allow"
    );
    wait_for("it is compared", SOON, || sidecar.count("sidegate_shadow_decisions_total", &["narrowed"]) == 1);
    look(&house, &sidecar).assert("narrowed", "shadow-differences", "note", &["deny what is allowed in 1"]);
    house.write("beside/a.yaml", "policy_set: [");
    wait_for("it is refused", SOON, || !sidecar.ops_get("/status").json()["shadow"]["failure"].is_null());
    look(&house, &sidecar).assert("refused", "shadow-differences", "warning", &["a.yaml:1"]);
}

#[test]
fn an_admin_listener_that_refuses_the_token_is_told_from_one_that_was_given_none() {
    let house = House::new();
    let tokens = format!("server: {{ admin: {{ auth: tokens, tokens: [{{ name: ops, sha256: {HUNTER2} }}] }} }}");
    house.configure(&tokens);
    let sidecar = instance(&house).config(&tokens).start();
    look(&house, &sidecar).assert("none", "admin", "note", &["no token was given", "SIDEGATE_TOKEN"]);
    let report = look_with(&house, &sidecar, &["--token", "hunter3"]);
    report.assert("a wrong one", "admin", "error", &["refuses the token", "server.admin.tokens"]);
    assert_eq!(report.code, Some(1), "{:#}", report.json);
    let right = look_with(&house, &sidecar, &["--token", "hunter2"]);
    assert_eq!(right.of("admin")[0]["level"], "ok", "{:#}", right.json);
    // Nobody is there to take any.
    let nobody = look_with(&house, &sidecar, &["--admin", "http://127.0.0.1:9"]);
    nobody.assert("nobody", "admin", "error", &["no admin listener answers", "--admin"]);
}

#[test]
fn a_store_that_fails_and_records_that_are_lost_are_told() {
    let mut house = House::new();
    let control = house.path("control");
    let set_full = |full: u64| {
        let words = [0_u64, 0, 0, 0, 0, 0, full, 0].map(u64::to_ne_bytes).concat();
        let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&control).expect("a file");
        file.write_all_at(&words, 0).expect("written");
    };
    set_full(0);
    let config = "audit: { when_failed: allow_and_count, ring_bytes: 256KiB }\nserver: { authorize: { workers: 1 } }";
    let library = preload("tests/it/faults/shim.c");
    let data = house.path("data").canonicalize().expect("a path");
    let mut builder = instance(&house).config(config);
    for (name, path) in [("LD_PRELOAD", &library), ("FAULTS_DIR", &data), ("FAULTS_CONTROL", &control)] {
        builder = builder.env(name, path.to_str().expect("UTF-8"));
    }
    let sidecar = builder.start();
    set_full(1);
    let resource: String = "order:".chars().chain(std::iter::repeat_with(fastrand::alphanumeric).take(900)).collect();
    let asked = json!({ "user": "bob", "action": "view", "resource": resource });
    wait_for("the store fails and records are lost", SOON, || {
        sidecar.authorize(&asked);
        sidecar.count("sidegate_audit_records_total", &["failed"]) > 0 && sidecar.ops_get("/readyz").status == 503
    });
    let report = look(&house, &sidecar);
    report.assert("a store that fails", "audit-queue", "error", &["takes no records", "full disk"]);
    report.assert("records that were lost", "audit-queue", "warning", &["lost while the store failed"]);
    report.assert("not ready", "readiness", "error", &["the audit store has failed"]);
    house.keep(sidecar);
}

#[test]
fn checkpoints_that_do_not_arrive_and_keys_that_cannot_be_confirmed_are_told() {
    let house = House::new();
    let config = "audit: { checkpoint: { interval: 100ms, webhook: 'http://127.0.0.1:9/c' } }\n\
                  subjects: { tokens: [{ issuer: https://id.example, jwks: 'http://127.0.0.1:9/k', audiences: shop }] }";
    house.configure(config);
    let sidecar = instance(&house).config(config).start();
    wait_for("a checkpoint has failed", SOON, || {
        sidecar.count("sidegate_audit_checkpoint_failures_total", &["webhook"]) > 0
    });
    wait_for("an issuer was asked", SOON, || sidecar.count("sidegate_token_key_looks_total", &["failed"]) > 0);
    let report = look(&house, &sidecar);
    report.assert("checkpoints", "checkpoints", "warning", &["audit.checkpoint.webhook"]);
    report.assert("the receiver", "webhook", "error", &["127.0.0.1:9"]);
    report.assert("keys", "token-keys", "error", &["refuses every token", "id.example"]);
}

/// A house whose instance keeps its data on a disk between which and the instance a test stands.
fn on_a_disk(house: &House, config: &str) -> (Shim, Sidecar) {
    let shim = Shim::new(&house.path("."), false);
    let builder = instance(house).data(shim.directory().join("data")).config(config);
    let variables = shim.variables();
    let builder =
        variables.iter().fold(builder, |builder, (name, value)| builder.env(name, value.to_str().expect("UTF-8")));
    let sidecar = builder.start();
    (shim, sidecar)
}

/// Whoever sits at the ops address is given nothing to open the admin listener with.
#[test]
fn the_ops_listener_is_not_sent_the_token_of_the_admin_listener() {
    let house = House::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (heard, hearing) = mpsc::channel();
    let record = move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let reader = BufReader::new(stream.try_clone().expect("a stream"));
            for line in reader.lines().map(|line| line.expect("a head")).take_while(|line| !line.is_empty()) {
                drop(heard.send(line));
            }
            let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 15\r\n\r\n{\"policies\":{}}";
            stream.write_all(answer.as_bytes()).expect("an answer");
        }
    };
    // It ends with the process.
    thread::spawn(record);
    let url = format!("http://{address}");
    run(house.command(&["--ops", &url, "--token", "s3cret-of-the-admin", "--output", "json"]));
    let heard: Vec<String> = hearing.try_iter().collect();
    for path in ["/status", "/readyz", "/metrics"] {
        assert!(heard.iter().any(|line| line.contains(path)), "{path} was asked for: {heard:?}");
    }
    let told = |line: &String| line.contains("s3cret") || line.to_ascii_lowercase().starts_with("authorization");
    assert!(!heard.iter().any(told), "{heard:?}");
}

#[test]
fn a_store_that_is_behind_is_told() {
    let house = House::new();
    let (shim, sidecar) = on_a_disk(&house, "audit: { mode: synced }");
    shim.delay(u64::MAX);
    thread::scope(|scope| {
        let asked = scope.spawn(|| {
            sidecar.authorize(&json!({ "user": "bob", "action": "view", "resource": "order:o-1" }));
        });
        wait_for("the store is behind", SOON, || sidecar.metric("sidegate_audit_lag_seconds") > 6.0);
        look(&house, &sidecar).assert("behind", "audit-queue", "warning", &["behind", "disk-sync"]);
        shim.heal();
        assert!(asked.join().is_ok());
    });
}

#[test]
fn a_queue_that_is_full_is_told_however_empty_the_others_are() {
    let house = House::new();
    let config = "server: { authorize: { workers: 2 } }\naudit: { when_full: drop_and_count, ring_bytes: 256KiB }";
    let (shim, sidecar) = on_a_disk(&house, config);
    shim.delay(u64::MAX);
    let large = "x".repeat(10_000);
    let activity = json!({ "user": "sam", "action": "edit", "before": large, "after": large });
    let batch = serde_json::Value::from(vec![activity; 45]);
    wait_for("activities are dropped", SOON, || {
        sidecar.admin_post("/v1/activity", &batch);
        sidecar.count("sidegate_audit_records_total", &["dropped"]) > 0
    });
    let report = look(&house, &sidecar);
    report.assert("dropped", "audit-queue", "warning", &["were dropped", "audit.when_full: block"]);
    report.assert("one of three queues", "audit-queue", "warning", &["fullest", "audit.ring_bytes"]);
    shim.heal();
}

#[test]
fn a_checkpoint_that_did_not_arrive_is_told_until_one_does() {
    let house = House::new();
    fs::create_dir(house.path("points")).expect("a directory");
    let file = house.text("points/file");
    let config = format!("audit: {{ checkpoint: {{ interval: 100ms, file: {file} }} }}");
    let sidecar = instance(&house).config(&config).start();
    let undelivered = |wanted: u64| {
        wait_for("a checkpoint", SOON, || {
            sidecar.authorize(&json!({ "user": "bob", "action": "view", "resource": "order:o-1" }));
            sidecar.count("sidegate_audit_checkpoint_undelivered", &["file"]) == wanted
        });
    };
    fs::remove_dir_all(house.path("points")).expect("removed");
    undelivered(1);
    look(&house, &sidecar).assert("undelivered", "checkpoints", "warning", &["audit.checkpoint.file"]);
    fs::create_dir(house.path("points")).expect("a directory");
    undelivered(0);
    assert!(sidecar.count("sidegate_audit_checkpoint_failures_total", &["file"]) > 0);
    let report = look(&house, &sidecar);
    assert!(report.of("checkpoints").iter().all(|finding| finding["level"] == "ok"), "{:#}", report.json);
}

#[test]
fn mails_that_wait_for_a_server_that_is_down_are_told() {
    let house = House::new();
    let config = format!(
        "directory: {{ invitations: {{ link: 'https://app.example.com/accept#{{token}}' }} }}\n\
         mail:\n\
         \x20 transport: smtp\n\
         \x20 from: Office <office@example.com>\n\
         \x20 smtp: {{ host: localhost, port: {}, tls: none }}\n",
        MailServer::free_port()
    );
    house.configure(&config);
    let sidecar = instance(&house).config(&config).start();
    let invited = sidecar.admin_post("/v1/invitations", &json!({ "email": "nell@example.com" }));
    assert_eq!(invited.status, 201, "{}", invited.body);
    sidecar.wait_event("letter_failed", SOON, |_| true);
    let report = look(&house, &sidecar);
    report.assert("waiting", "mail", "note", &["1 mails wait"]);
    report.assert("the server", "mail", "error", &["mail.smtp.host"]);
}

/// An answer of a real instance in which one line is another: a difference is not brought about from outside.
#[test]
fn decisions_that_differ_from_plain_cedar_are_told() {
    const SAME: &str = "sidegate_self_checks_total{outcome=\"different\"} 0";
    let house = House::new();
    let sidecar = instance(&house).start();
    let answers = ["/status", "/readyz", "/metrics"].map(|path| (path, sidecar.ops_get(path).body));
    let metrics = &answers[2].1;
    assert!(metrics.contains(SAME), "{metrics}");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let replay = move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut line = String::new();
            let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
            reader.read_line(&mut line).expect("a request");
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            // The head of the request is read to its end, so that nothing of it is left when the answer goes.
            while line.trim_end() != "" {
                line.clear();
                reader.read_line(&mut line).expect("a head");
            }
            let body =
                answers.iter().find(|(known, _)| *known == path).map(|(_, body)| body.as_str()).unwrap_or_default();
            let body = body.replace(SAME, &SAME.replace(" 0", " 1"));
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).expect("an answer");
        }
    };
    // It ends with the process.
    thread::spawn(replay);
    let report = look_with(&house, &sidecar, &["--ops", &format!("http://{address}")]);
    report.assert("a difference", "self-check", "error", &["1 decisions differ", "self_check_different"]);
}
