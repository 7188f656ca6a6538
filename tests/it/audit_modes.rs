//! What each mode of the audit log does when the writer stands still or the store fails, seen over HTTP.
//!
//! The disk of the data directory stands still, or is full, or fails; nothing in the product knows of it.

use crate::{
    faults::shim::{EVERY_CALL, Fault, Shim},
    support::{PolicyDir, Sidecar, wait_for},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// For what happens a moment later; the machine may be busy.
const SOON: Duration = Duration::from_secs(20);

/// A disk between which and the sidecar a test stands.
struct Disk {
    shim: Shim,
    _scratch: TempDir,
}

impl Disk {
    fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a directory");
        let shim = Shim::new(scratch.path(), false);
        shim.count(&[]);
        Self { shim, _scratch: scratch }
    }

    /// A sidecar on it, with one worker and the smallest ring.
    fn sidecar(&self, audit: &str) -> Sidecar {
        let settings = format!("server: {{ authorize: {{ workers: 1 }} }}\naudit: {{ ring_bytes: 256KiB, {audit} }}\n");
        let builder = Sidecar::builder().data(self.shim.directory()).config(&settings);
        let variables = self.shim.variables();
        variables
            .iter()
            .fold(builder, |builder, (name, value)| builder.env(name, value.to_str().expect("UTF-8")))
            .start()
    }

    /// From now on no write ends.
    fn stand_still(&self) {
        self.shim.delay(u64::MAX);
    }

    fn go_on(&self) {
        self.shim.heal();
    }
}

/// A question whose record takes more than a kilobyte, so that few of them fill a ring.
fn large(n: usize) -> Value {
    json!({ "user": format!("{n}-{}", "u".repeat(900)), "action": "view", "resource": "product:p-1" })
}

fn small() -> Value {
    json!({ "user": "bob", "action": "view", "resource": "product:p-1" })
}

/// How many decisions the log holds.
fn kept(sidecar: &Sidecar) -> usize {
    let figures = sidecar.admin_get("/v1/audit/stats?kind=decision").json();
    usize::try_from(figures["records"].as_u64().expect("a number")).expect("few")
}

fn outcome(sidecar: &Sidecar, outcome: &str) -> usize {
    usize::try_from(sidecar.count("sidegate_audit_records_total", &[&format!("outcome=\"{outcome}\"")])).expect("few")
}

#[test]
fn where_it_refuses_a_full_queue_is_a_503_with_retry_after_and_nothing_is_lost() {
    let disk = Disk::new();
    let sidecar = disk.sidecar("when_full: refuse");
    disk.stand_still();
    let mut answered = 0;
    let refused = loop {
        let answer = sidecar.post("/v1/authorize", &large(answered));
        if answer.status != 200 {
            break answer;
        }
        answered += 1;
        assert!(answered < 1_000, "the queue never fills");
    };
    assert!(answered > 50, "{answered}");
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert_eq!(refused.json()["error"]["code"], "audit_unavailable");
    disk.go_on();
    wait_for("questions are answered again", SOON, || sidecar.post("/v1/authorize", &small()).status == 200);
    wait_for("what was answered is in the log", SOON, || kept(&sidecar) == answered + 1);
    assert_eq!(outcome(&sidecar, "dropped"), 0);
}

#[test]
fn where_it_drops_every_question_is_answered_and_what_is_left_out_is_counted() {
    let disk = Disk::new();
    let sidecar = disk.sidecar("when_full: drop_and_count");
    disk.stand_still();
    for n in 0..600 {
        assert_eq!(sidecar.post("/v1/authorize", &large(n)).status, 200);
    }
    let dropped = outcome(&sidecar, "dropped");
    assert!((50..600).contains(&dropped), "{dropped}");
    disk.go_on();
    wait_for("what found room is in the log", SOON, || kept(&sidecar) == 600 - dropped);
    assert_eq!(outcome(&sidecar, "dropped"), dropped);
}

#[test]
fn a_batch_of_activities_that_finds_no_room_says_how_many_were_taken_and_these_are_kept() {
    for when_full in ["refuse", "drop_and_count"] {
        let disk = Disk::new();
        let sidecar = disk.sidecar(&format!("when_full: {when_full}"));
        disk.stand_still();
        let batch: Vec<Value> =
            (0..1000).map(|n| json!({ "user": format!("{n}-{}", "u".repeat(900)), "action": "edit" })).collect();
        let body = Value::from(batch).to_string();
        let answer = sidecar.client().post(sidecar.admin_address(), "/v1/activity", &[], &body).expect("an answer");
        assert_eq!(answer.status, 503, "{when_full}: {answer:?}");
        let message = answer.json()["error"]["message"].as_str().expect("a text").to_owned();
        let taken = message.strip_prefix("the audit queue is full; ").and_then(|rest| rest.split_once(" of 1000 "));
        let taken: u64 = taken.expect(&message).0.parse().expect("a number");
        assert!((50..1000).contains(&taken), "{when_full}: {message}");
        disk.go_on();
        wait_for("what was taken is in the log, and nothing else", SOON, || {
            sidecar.admin_get("/v1/audit/stats?kind=activity").json()["records"] == taken
        });
    }
}

#[test]
fn where_it_blocks_questions_wait_for_room_and_every_one_is_kept() {
    const ALL: usize = 500;
    let disk = Disk::new();
    let sidecar = disk.sidecar("when_full: block");
    let answered = AtomicUsize::new(0);
    disk.stand_still();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            for n in 0..ALL {
                assert_eq!(sidecar.post("/v1/authorize", &large(n)).status, 200);
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
        let mut last = (0, Instant::now());
        wait_for("the queue is full and nobody is answered", SOON, || {
            let now = answered.load(Ordering::SeqCst);
            if now != last.0 {
                last = (now, Instant::now());
            }
            last.1.elapsed() > Duration::from_millis(300) && sidecar.metric("sidegate_audit_queue_depth") > 100_000.0
        });
        assert!(answered.load(Ordering::SeqCst) < ALL && !asking.is_finished());
        disk.go_on();
        asking.join().expect("every question is answered");
    });
    wait_for("every decision is in the log", SOON, || kept(&sidecar) == ALL);
    assert_eq!((outcome(&sidecar, "dropped"), outcome(&sidecar, "failed")), (0, 0));
}

#[test]
fn synced_answers_after_the_commit_and_durable_before_it() {
    for mode in ["durable", "synced"] {
        let disk = Disk::new();
        let sidecar = disk.sidecar(&format!("mode: {mode}"));
        wait_for("the records of the start are stored", SOON, || sidecar.metric("sidegate_audit_queue_depth") == 0.0);
        disk.stand_still();
        let answered = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let answer = sidecar.post("/v1/authorize", &small());
                answered.store(1, Ordering::SeqCst);
                // Whoever has the answer finds the record, with no wait between them.
                (answer.status, if mode == "synced" { kept(&sidecar) } else { 1 })
            });
            wait_for("the record is in the queue", SOON, || sidecar.metric("sidegate_audit_queue_depth") > 0.0);
            if mode == "durable" {
                wait_for("it is answered while the disk stands still", SOON, || answered.load(Ordering::SeqCst) == 1);
            } else {
                // Each of these goes through the whole of the process; the answer has had the time.
                (0..20).for_each(|_| drop(sidecar.ops_get("/metrics")));
                assert_eq!((answered.load(Ordering::SeqCst), kept(&sidecar)), (0, 0));
            }
            disk.go_on();
            assert_eq!(asking.join().expect("an answer"), (200, 1), "{mode}");
        });
    }
}

#[test]
fn what_was_answered_while_the_disk_stood_still_survives_the_death_of_the_process() {
    let disk = Disk::new();
    let sidecar = disk.sidecar("mode: durable");
    disk.stand_still();
    for n in 0..20 {
        assert_eq!(sidecar.post("/v1/authorize", &large(n)).status, 200);
    }
    sidecar.kill();
    disk.go_on();
    let next = disk.sidecar("mode: durable");
    assert_eq!(kept(&next), 20);
}

/// A sidecar whose store has just failed.
fn failed_store(disk: &Disk, when_failed: &str) -> Sidecar {
    let sidecar = disk.sidecar(&format!("when_failed: {when_failed}"));
    assert_eq!(sidecar.authorize(&small()).1["decision"], "allow");
    disk.shim.fail(EVERY_CALL, 1, u64::MAX, Fault::Io);
    wait_for("the sidecar is not ready", SOON, || {
        // Something to write.
        drop(sidecar.post("/v1/authorize", &large(0)));
        sidecar.ops_get("/readyz").status == 503
    });
    sidecar
}

#[test]
fn a_failed_store_denies_with_a_reason_of_its_own() {
    let disk = Disk::new();
    let sidecar = failed_store(&disk, "deny");
    let (status, answer) = sidecar.authorize(&small());
    assert_eq!(
        (status, &answer["decision"], &answer["reason"]["code"]),
        (200, &"deny".into(), &"audit_unavailable".into())
    );
    let reported = sidecar.admin_post("/v1/activity", &json!({ "user": "bob", "action": "login" }));
    assert_eq!((reported.status, &reported.json()["error"]["code"]), (503, &"audit_unavailable".into()));
}

#[test]
fn a_failed_store_lets_decisions_pass_and_counts_what_is_lost_where_it_is_to() {
    let disk = Disk::new();
    let sidecar = failed_store(&disk, "allow_and_count");
    wait_for("lost records are counted", SOON, || {
        let (status, answer) = sidecar.authorize(&small());
        assert_eq!((status, &answer["decision"]), (200, &"allow".into()));
        drop(sidecar.post("/v1/authorize", &large(1)));
        outcome(&sidecar, "failed") > 0
    });
    // Nobody waits for room behind a store that has failed, so nobody is told of a queue.
    let text = "x".repeat(10_000);
    let activity = json!({ "user": "bob", "action": "login", "before": text });
    wait_for("an activity is not taken", SOON, || {
        let reported = sidecar.admin_post("/v1/activity", &activity).json();
        let said = reported["error"]["message"].as_str().unwrap_or_default();
        assert!(!said.contains("queue is full"), "{reported}");
        said == "the audit log has failed; 0 of 1 records were taken"
    });
}

#[test]
fn a_full_disk_denies_and_is_never_taken_for_an_allow() {
    let disk = Disk::new();
    let sidecar = disk.sidecar("mode: synced");
    assert_eq!(sidecar.authorize(&small()).1["decision"], "allow");
    disk.shim.set_full(true);
    let mut kept_while_full = 0;
    wait_for("it denies for want of room", SOON, || {
        let (status, answer) = sidecar.authorize(&large(kept_while_full));
        assert_eq!((status, &answer["decision"]), (200, &"deny".into()));
        kept_while_full += 1;
        answer["reason"]["code"] == "audit_unavailable"
    });
    assert_eq!(sidecar.authorize(&small()).1["reason"]["code"], "audit_unavailable");
}

#[test]
fn files_are_private_whatever_the_mask_of_the_process() {
    for mask in ["000", "077", "022"] {
        let place = tempfile::tempdir().expect("a directory");
        let data = place.path().join("below/data");
        let argument = data.display().to_string();
        let sidecar = Sidecar::builder()
            .shell(&format!("umask {mask}"))
            .arg("--data")
            .arg(&argument)
            .config("audit: { mode: synced }")
            .start();
        assert_eq!(sidecar.authorize(&small()).0, 200);
        let files = private(&data);
        assert!(files > 4, "{files} files");
        sidecar.stop();
        private(&data);
    }
}

/// Checks the directory and all in it; answers how many files there were.
fn private(path: &Path) -> usize {
    // What sled removes meanwhile needs no mode.
    let Ok(metadata) = fs::metadata(path) else { return 0 };
    let mode = metadata.permissions().mode() & 0o777;
    if !metadata.is_dir() {
        assert_eq!(mode, 0o600, "{}", path.display());
        return 1;
    }
    assert_eq!(mode, 0o700, "{}", path.display());
    fs::read_dir(path).expect("a directory").map(|entry| private(&entry.expect("an entry").path())).sum()
}

#[test]
fn nothing_of_a_request_is_kept_that_no_policy_asks_for() {
    const CANARY: &str = "canary-7b1f";
    let policies = PolicyDir::copy_of(crate::support::repo("policies/demo"));
    policies.write(
        "office.yaml",
        "context: { ip: String }\nconditions: { office: { description: from the office, cedar: 'context has ip && context.ip == \"10.1.2.3\"' } }\n\
         roles: { guest: { name: Guest, grants: { products: { level: view, when: office } } } }\n\
         users: { gus: { name: Gus, email: gus@demo.example, roles: [guest] } }\n",
    );
    let sidecar = Sidecar::builder().policies(policies.path()).start();
    let question = json!({
        "user": "gus", "action": "view",
        "resource": { "type": "product", "id": "p-1", "attributes": { "owner": CANARY, "note": CANARY } },
        "context": { "ip": "10.1.2.3", "token": CANARY, "headers": { "cookie": CANARY } },
    });
    let headers = [("authorization", "Bearer canary-7b1f"), ("cookie", CANARY), ("user-agent", CANARY)];
    let answer = sidecar.post_text("/v1/authorize", &headers, &question.to_string());
    assert_eq!(answer.json()["decision"], "allow", "{answer:?}");
    let evaluation = json!({
        "subject": { "type": "user", "id": "gus", "properties": { "token": CANARY } },
        "action": { "name": "view", "properties": { "token": CANARY } },
        "resource": { "type": "product", "id": "p-1", "properties": { "note": CANARY } },
        "context": { "ip": "10.1.2.3", "token": CANARY },
    });
    assert_eq!(sidecar.post_text("/access/v1/evaluation", &headers, &evaluation.to_string()).status, 200);
    let report = |body: &Value| {
        let headers = [("authorization", "Bearer canary-7b1f"), ("cookie", CANARY)];
        sidecar.client().post(sidecar.admin_address(), "/v1/activity", &headers, &body.to_string()).expect("an answer")
    };
    assert_eq!(report(&json!({ "user": "gus", "action": "login" })).status, 200);
    let export = || sidecar.admin_get("/v1/audit/export?user=gus").body;
    wait_for("all three are in the log", SOON, || export().lines().count() >= 3);
    let export = export();
    assert_eq!(export.lines().count(), 3, "{export}");
    assert!(export.contains(r#""context":{"ip":"10.1.2.3"}"#), "{export}");
    assert!(!sidecar.admin_get("/v1/audit/export").body.contains(CANARY), "{export}");
    assert!(!sidecar.log().contains(CANARY), "nor is it in the log of the process");
}

/// Files that are on their way wait for their clients: they share a few threads, whatever they hold, and everybody else has others.
#[test]
fn clients_who_take_their_files_slowly_hold_up_nobody_else() {
    let sidecar = Sidecar::builder().start();
    let large = "x".repeat(10_000);
    let activity = json!({ "user": "sam", "action": "edit", "before": large, "after": large });
    let batch = Value::from(vec![activity; 50]).to_string();
    // More than the system keeps between two ends of a connection.
    for _ in 0..20 {
        let answer = sidecar.client().post(sidecar.admin_address(), "/v1/activity", &[], &batch).expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let slow: Vec<TcpStream> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(sidecar.admin_address()).expect("a connection");
            let asked = format!("GET /v1/audit/export HTTP/1.1\r\nhost: {}\r\n\r\n", sidecar.admin_address());
            stream.write_all(asked.as_bytes()).expect("room");
            let mut head = [0; 15];
            stream.read_exact(&mut head).expect("an answer");
            assert_eq!(&head, b"HTTP/1.1 200 OK");
            stream
        })
        .collect();
    for path in ["/v1/audit/export", "/v1/users/export"] {
        let refused = sidecar.admin_get(path);
        assert_eq!(refused.status, 503, "{path}: {refused:?}");
        assert_eq!(refused.json()["error"]["message"], "4 exports and backups are running already", "{path}");
    }
    for path in ["/v1/audit?limit=1", "/v1/audit/stats", "/v1/users"] {
        assert_eq!(sidecar.admin_get(path).status, 200, "{path}");
    }
    drop(slow);
    wait_for("whoever hangs up makes room", SOON, || sidecar.admin_get("/v1/users/export").status == 200);
}

/// A disk that fails is no mistake of the product: 1, and not 70.
#[test]
fn a_store_that_fails_while_it_is_closed_is_a_failure_and_no_internal_error() {
    let disk = Disk::new();
    let sidecar = disk.sidecar("mode: durable");
    assert_eq!(sidecar.post("/v1/authorize", &small()).status, 200);
    disk.shim.fail(EVERY_CALL, 1, u64::MAX, Fault::Io);
    let exited = sidecar.stop();
    assert_eq!(exited.code, Some(1), "{exited:?}");
    assert!(exited.stderr.contains("audit_close_failed"), "{exited:?}");
}

/// The record of the stop waits for room too, and the deadline counts meanwhile.
#[test]
fn a_disk_that_stands_still_at_the_stop_holds_it_up_to_the_deadline() {
    let disk = Disk::new();
    let sidecar = disk.sidecar("when_full: block }\nshutdown: { deadline: 2s");
    // The log alone is to be what is waited for.
    wait_for("the policies are kept", SOON, || disk.shim.directory().join("policies/last-good.json").exists());
    wait_for("the start is in the log", SOON, || outcome(&sidecar, "written") > 0);
    disk.stand_still();
    let large = "x".repeat(10_000);
    let activity = json!({ "user": "sam", "action": "edit", "before": large, "after": large });
    let batch = Value::from(vec![activity; 45]).to_string();
    let mut client = TcpStream::connect(sidecar.admin_address()).expect("a connection");
    let head = format!(
        "POST /v1/activity HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        sidecar.admin_address(),
        batch.len()
    );
    client.write_all((head + &batch).as_bytes()).expect("room");
    wait_for("the queue is full", SOON, || sidecar.metric("sidegate_audit_fullest_queue_ratio") > 0.7);
    drop(client);
    let exited = sidecar.stop();
    assert_eq!(exited.code, Some(75), "{exited:?}");
    let forced = exited.stderr.lines().find(|line| line.contains("\"stop_forced\"")).expect("a line about it");
    assert!(forced.contains("audit log"), "{forced}");
}
