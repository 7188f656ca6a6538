//! A disk that takes 100 ms for each write and each sync: the queue is what it was made, and memory stays within it.

use super::{number, scratch, shim::Shim};
use crate::support::{Sidecar, Signal, wait_for};
use serde_json::{Value, json};
use std::{fs, thread, time::Duration};

/// How much longer each call takes, in microseconds.
const DELAY: u64 = 100_000;
/// Two workers and one for all else.
const RINGS: u64 = 3;
const RING_BYTES: u64 = 256 << 10;
const CLIENTS: usize = 8;
/// What the process may grow by beside its rings: the step that the writer has in hand, buffers of connections, the allocator's slack.
/// A store without back-pressure takes as much with a tenth of a million records.
const SLACK: u64 = 48 << 20;

#[test]
fn memory_is_bounded_while_decisions_wait_for_a_slow_disk() {
    let load = Load::run("block");
    assert_eq!(load.refused, 0, "`block` refuses nobody");
    assert!(load.fullest * 2 > RING_BYTES, "the queue was hardly used: {} bytes", load.fullest);
}

#[test]
fn memory_is_bounded_while_decisions_are_refused_before_a_slow_disk() {
    let load = Load::run("refuse");
    assert!(load.refused > 0, "nobody was refused, so nothing was shown");
    assert_eq!(load.counted, load.refused, "each refusal is counted");
}

#[test]
fn what_finds_no_room_before_a_slow_disk_is_left_out_and_counted() {
    const ASKED: usize = 1000;
    let scratch = scratch();
    let shim = Shim::new(scratch.path(), false);
    let sidecar = behind(
        &shim,
        "server: { authorize: { workers: 1 } }\naudit: { when_full: drop_and_count, ring_bytes: 256KiB }\n\
         engine: { verify_one_in: 0 }",
    );
    let dropped = || sidecar.metric("sidegate_audit_records_total{outcome=\"dropped\"}") as usize;
    assert_eq!(dropped(), 0);
    shim.delay(Duration::from_hours(1).as_micros().try_into().unwrap());
    let answered = (0..ASKED).filter_map(|n| ask(&sidecar, 0, n)).count();
    assert_eq!(answered, ASKED, "everybody is answered");
    assert!(dropped() > 0 && dropped() < ASKED, "{}", dropped());
    shim.heal();
    wait_for("all others are in the log, and no number is missing", Duration::from_secs(30), || {
        recorded(&sidecar) == ASKED - dropped()
    });
}

/// A sidecar whose disk is the shim's.
fn behind(shim: &Shim, config: &str) -> Sidecar {
    let mut builder = Sidecar::builder().data(shim.directory().join("data")).config(config);
    for (name, value) in shim.variables() {
        builder = builder.env(name, value.to_str().unwrap());
    }
    builder.start()
}

/// A call that does not come back is no failure, so that nothing but the time tells of it.
#[test]
fn a_disk_that_hangs_before_answers_is_told_by_readiness_and_metrics() {
    let scratch = scratch();
    let shim = Shim::new(scratch.path(), false);
    let sidecar = behind(&shim, "audit: { mode: synced }\nengine: { verify_one_in: 0 }");
    assert!(sidecar.metric("sidegate_audit_lag_seconds") < 5.0);
    shim.delay(Duration::from_hours(1).as_micros().try_into().unwrap());
    thread::scope(|scope| {
        let asked = scope.spawn(|| ask(&sidecar, 0, 0));
        wait_for("/readyz says no", Duration::from_mins(1), || sidecar.ops_get("/readyz").status == 503);
        let reasons = sidecar.ops_get("/readyz").json();
        assert_eq!(reasons["reasons"][0]["name"], "audit", "{reasons}");
        assert!(sidecar.metric("sidegate_audit_lag_seconds") > 10.0);
        assert!(sidecar.metric("sidegate_audit_fullest_queue_ratio") > 0.0);
        assert_eq!(sidecar.ops_get("/status").json()["ready"], false);
        assert!(!asked.is_finished(), "nobody is answered without a record");
        shim.heal();
        assert!(asked.join().unwrap().is_some(), "it is answered once the disk does its work");
    });
    wait_for("/readyz says yes", Duration::from_secs(30), || sidecar.ops_get("/readyz").status == 200);
}

/// An orchestrator that gives up on a start is not to wait for a disk that does not answer.
#[test]
fn a_start_on_a_disk_that_hangs_is_left_at_the_word_to_stop() {
    let scratch = scratch();
    let shim = Shim::new(scratch.path(), false);
    shim.delay(Duration::from_hours(1).as_micros().try_into().unwrap());
    let data = shim.directory().join("data");
    let builder = || {
        let builder = Sidecar::builder().data(&data);
        shim.variables().into_iter().fold(builder, |builder, (name, value)| builder.env(name, value.to_str().unwrap()))
    };
    for signal in [Signal::TERM, Signal::INT] {
        let (process, _configuration) = builder().begin();
        let starting = |line: &str| line.contains(r#""event":"starting""#).then_some(());
        process.wait_line(Duration::from_secs(30), starting).unwrap_or_else(|| panic!("{}", process.log()));
        process.signal(Signal::HUP);
        process.signal(signal);
        let exited = process.wait_exit(Duration::from_secs(20)).expect("it does not wait for the disk");
        assert_eq!(exited.code, Some(0), "{exited:?}");
        let log = exited.stdout.clone() + &exited.stderr;
        assert!(log.contains(r#""event":"stopped""#) && !log.contains(r#""event":"listening""#), "{log}");
    }
    shim.heal();
    let sidecar = builder().start();
    assert_eq!(sidecar.stop().code, Some(0), "what was left does not keep the next start from its work");
}

/// What a load on a slow disk has shown.
struct Load {
    refused: u64,
    counted: u64,
    // Bytes in the queue, as seen from outside.
    fullest: u64,
}

impl Load {
    fn run(when_full: &str) -> Self {
        let scratch = scratch();
        let shim = Shim::new(scratch.path(), false);
        let sidecar = behind(
            &shim,
            &format!(
                "server: {{ authorize: {{ workers: 2 }} }}\naudit: {{ when_full: {when_full}, ring_bytes: 256KiB }}\nengine: {{ verify_one_in: 0 }}"
            ),
        );
        let before = memory(&sidecar, "VmRSS");
        shim.delay(DELAY);
        let requests = number("SIDEGATE_ROUNDS").map_or(100, |rounds| rounds.min(2_000)) as usize;
        let (mut answered, mut fullest) = (Vec::new(), 0);
        thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let sidecar = &sidecar;
                    scope.spawn(move || (0..requests).map(|n| ask(sidecar, client, n)).collect::<Vec<_>>())
                })
                .collect();
            wait_for("everybody has an answer", Duration::from_mins(30), || {
                let depth = sidecar.metric("sidegate_audit_queue_depth") as u64;
                assert!(depth <= RINGS * RING_BYTES, "{depth} bytes in the queue");
                fullest = fullest.max(depth);
                clients.iter().all(thread::ScopedJoinHandle::is_finished)
            });
            answered = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        });
        let grown = memory(&sidecar, "VmHWM").saturating_sub(before);
        println!("{when_full}: {} asked, queue at most {fullest} bytes, grown by {} KiB", answered.len(), grown >> 10);
        assert!(grown <= RINGS * RING_BYTES + SLACK, "the process has grown by {grown} bytes");
        shim.heal();
        let ids: Vec<_> = answered.iter().flatten().collect();
        wait_for("every answered decision is in the log once", Duration::from_secs(30), || {
            recorded(&sidecar) == ids.len()
        });
        let refused = (answered.len() - ids.len()) as u64;
        let counted = sidecar
            .count("sidegate_http_request_duration_seconds_count", &[r#"listener="authorize""#, r#"code="503""#]);
        Self { refused, counted, fullest }
    }
}

/// The id of the decision; `None` where it was refused.
fn ask(sidecar: &Sidecar, client: usize, n: usize) -> Option<String> {
    // Long, so that a few fill the queue.
    let resource = format!("order:{client}-{n}-{}", "x".repeat(900));
    let (status, body) = sidecar.authorize(&json!({ "user": "bob", "action": "edit", "resource": resource }));
    match status {
        200 => Some(body["id"].as_str().unwrap().to_owned()),
        503 => None,
        other => panic!("{other}: {body}"),
    }
}

/// How many decisions the log holds; every number once.
fn recorded(sidecar: &Sidecar) -> usize {
    let export = sidecar.admin_get("/v1/audit/export?format=ndjson");
    let records: Vec<Value> = export.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sequence: Vec<_> = records.iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert!(sequence.windows(2).all(|pair| pair[0] + 1 == pair[1] || pair[0] == pair[1] + 1), "gaps in {sequence:?}");
    records.iter().filter(|record| record["kind"] == "decision").count()
}

/// A figure of the kernel, in bytes.
fn memory(sidecar: &Sidecar, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", sidecar.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
