//! What each mode of the audit log does when the writer stands still or the store fails, seen over HTTP.
//!
//! The writer's thread is stopped from outside; the store fails because its files may not grow. Nothing in the product knows of either.

use crate::support::{PolicyDir, Sidecar, wait_for};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// For what happens a moment later; the machine may be busy.
const SOON: Duration = Duration::from_secs(20);

/// The smallest ring, one worker.
fn settings(audit: &str) -> String {
    format!("server: {{ authorize: {{ workers: 1 }} }}\naudit: {{ ring_bytes: 256KiB, {audit} }}\n")
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
    let sidecar = Sidecar::builder().config(&settings("when_full: refuse")).start();
    let stalled = sidecar.stall("audit-writer");
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
    drop(stalled);
    wait_for("questions are answered again", SOON, || sidecar.post("/v1/authorize", &small()).status == 200);
    wait_for("what was answered is in the log", SOON, || kept(&sidecar) == answered + 1);
    assert_eq!(outcome(&sidecar, "dropped"), 0);
}

#[test]
fn where_it_drops_every_question_is_answered_and_what_is_left_out_is_counted() {
    let sidecar = Sidecar::builder().config(&settings("when_full: drop_and_count")).start();
    let stalled = sidecar.stall("audit-writer");
    for n in 0..600 {
        assert_eq!(sidecar.post("/v1/authorize", &large(n)).status, 200);
    }
    let dropped = outcome(&sidecar, "dropped");
    assert!((50..600).contains(&dropped), "{dropped}");
    drop(stalled);
    wait_for("what found room is in the log", SOON, || kept(&sidecar) == 600 - dropped);
    assert_eq!(outcome(&sidecar, "dropped"), dropped);
}

#[test]
fn where_it_blocks_questions_wait_for_room_and_every_one_is_kept() {
    const ALL: usize = 500;
    let sidecar = Sidecar::builder().config(&settings("when_full: block")).start();
    let answered = AtomicUsize::new(0);
    let stalled = sidecar.stall("audit-writer");
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
        drop(stalled);
        asking.join().expect("every question is answered");
    });
    wait_for("every decision is in the log", SOON, || kept(&sidecar) == ALL);
    assert_eq!((outcome(&sidecar, "dropped"), outcome(&sidecar, "failed")), (0, 0));
}

#[test]
fn synced_answers_after_the_commit_and_durable_before_it() {
    for mode in ["durable", "synced"] {
        let sidecar = Sidecar::builder().config(&settings(&format!("mode: {mode}"))).start();
        let before = sidecar.metric("sidegate_audit_queue_depth");
        let stalled = sidecar.stall("audit-writer");
        let answered = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let answer = sidecar.post("/v1/authorize", &small());
                answered.store(1, Ordering::SeqCst);
                // Whoever has the answer finds the record, with no wait between them.
                (answer.status, if mode == "synced" { kept(&sidecar) } else { 1 })
            });
            wait_for("the record is in the queue", SOON, || sidecar.metric("sidegate_audit_queue_depth") > before);
            if mode == "durable" {
                wait_for("it is answered while the writer stands still", SOON, || answered.load(Ordering::SeqCst) == 1);
            } else {
                // Each of these goes through the whole of the process; the answer has had the time.
                (0..20).for_each(|_| drop(sidecar.ops_get("/metrics")));
                assert_eq!((answered.load(Ordering::SeqCst), kept(&sidecar)), (0, 0));
            }
            drop(stalled);
            assert_eq!(asking.join().expect("an answer"), (200, 1), "{mode}");
        });
    }
}

#[test]
fn what_was_answered_while_the_writer_stood_still_survives_the_death_of_the_process() {
    let data = tempfile::tempdir().expect("a directory");
    let sidecar = Sidecar::builder().data(data.path()).config(&settings("mode: durable")).start();
    let stalled = sidecar.stall("audit-writer");
    for n in 0..20 {
        assert_eq!(sidecar.post("/v1/authorize", &large(n)).status, 200);
    }
    sidecar.kill();
    drop(stalled);
    let next = Sidecar::builder().data(data.path()).start();
    assert_eq!(kept(&next), 20);
}

/// A sidecar whose store has failed: its files may not grow any more.
fn failed_store(when_failed: &str) -> Sidecar {
    let sidecar =
        Sidecar::builder().shell("trap '' XFSZ").config(&settings(&format!("when_failed: {when_failed}"))).start();
    assert_eq!(sidecar.authorize(&small()).1["decision"], "allow");
    sidecar.limit_files(Some(4096));
    wait_for("the sidecar is not ready", SOON, || {
        // Something to write.
        drop(sidecar.post("/v1/authorize", &large(0)));
        sidecar.ops_get("/readyz").status == 503
    });
    sidecar
}

#[test]
fn a_failed_store_denies_with_a_reason_of_its_own() {
    let sidecar = failed_store("deny");
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
    let sidecar = failed_store("allow_and_count");
    wait_for("lost records are counted", SOON, || {
        let (status, answer) = sidecar.authorize(&small());
        assert_eq!((status, &answer["decision"]), (200, &"allow".into()));
        drop(sidecar.post("/v1/authorize", &large(1)));
        outcome(&sidecar, "failed") > 0
    });
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
        "conditions: { office: { description: from the office, cedar: 'context has ip && context.ip == \"10.1.2.3\"' } }\n\
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
    let mut report = |body: &Value| {
        let headers = [("authorization", "Bearer canary-7b1f"), ("cookie", CANARY)];
        sidecar.client().post(sidecar.admin_address(), "/v1/activity", &headers, &body.to_string()).expect("an answer")
    };
    assert_eq!(report(&json!({ "user": "gus", "action": "login" })).status, 200);
    wait_for("all three are in the log", SOON, || kept(&sidecar) == 2);
    let export = sidecar.admin_get("/v1/audit/export?user=gus").body;
    assert_eq!(export.lines().count(), 3, "{export}");
    assert!(export.contains(r#""context":{"ip":"10.1.2.3"}"#), "{export}");
    assert!(!sidecar.admin_get("/v1/audit/export").body.contains(CANARY), "{export}");
    assert!(!sidecar.log().contains(CANARY), "nor is it in the log of the process");
}
