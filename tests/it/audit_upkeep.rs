//! What the sidecar does with its audit log while it runs: segments of age, checkpoints, damaged segments, settings that are refused.

use crate::support::{Authority, Exited, Issued, Safe, Sidecar, repo, wait_for};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{self, Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

const SOON: Duration = Duration::from_secs(30);

fn ask(sidecar: &Sidecar, count: usize) {
    for _ in 0..count {
        let question = json!({ "user": "bob", "action": "edit", "resource": "order:o-1" });
        assert_eq!(sidecar.authorize(&question).0, 200);
    }
}

fn segments(data: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data.join("audit")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("seg-")).collect();
    found.sort();
    found
}

fn system(sidecar: &Sidecar, reason: &str) -> Vec<Value> {
    let page = sidecar.admin_get("/v1/audit?kind=system&limit=1000").json();
    page["items"].as_array().unwrap().iter().filter(|record| record["reason"] == reason).cloned().collect()
}

#[test]
fn a_segment_comes_of_age_while_nothing_happens_and_none_is_empty() {
    let sidecar = Sidecar::builder().config("audit: { segment: { age: 500ms } }").start();
    ask(&sidecar, 3);
    let is_closed = |path: &PathBuf| path.join("SEALED").exists();
    wait_for("a segment is closed", SOON, || segments(sidecar.data()).iter().any(is_closed));
    // One without a record stays, however old it is.
    wait_for("the last segment is three times as old as it may get", SOON, || {
        let begun = segments(sidecar.data()).last().and_then(|path| fs::metadata(path.join("ORIGIN")).ok());
        begun.is_some_and(|begun| begun.modified().unwrap().elapsed().unwrap_or_default() > Duration::from_millis(1500))
    });
    let before = segments(sidecar.data()).len();
    ask(&sidecar, 1);
    wait_for("a record brings the next", SOON, || segments(sidecar.data()).len() == before + 1);
    sidecar.stop();
    let exited = crate::support::sidegate(["audit", "verify", "--data", sidecar.data().to_str().unwrap()]);
    assert_eq!(exited.code, Some(0), "{}", exited.stdout);
}

/// A receiver of webhooks: answers 204 to each, and hands its body on.
fn receiver() -> (String, mpsc::Receiver<String>) {
    receiver_that_says("204 No Content", None)
}

/// One that answers with this status, over TLS where it has a certificate.
fn receiver_that_says(status: &'static str, identity: Option<&Issued>) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = identity.map(|identity| {
        let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Arc::new(config.with_single_cert(chain, key).unwrap())
    });
    let scheme = if tls.is_some() { "https" } else { "http" };
    let (send, received) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let body = match &tls {
                None => answer(stream, status),
                Some(config) => {
                    answer(StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream), status)
                }
            };
            // Who does not trust the certificate says nothing.
            let Ok(body) = body else { continue };
            if send.send(body).is_err() {
                return;
            }
        }
    });
    (format!("{scheme}://localhost:{port}/checkpoints"), received)
}

fn answer(mut stream: impl Read + Write, status: &str) -> io::Result<String> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let body = loop {
        let read = stream.read(&mut chunk)?;
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
            if body.len() == length.unwrap().parse::<usize>().unwrap() {
                assert!(head.starts_with("POST /checkpoints HTTP/1.1"), "{head}");
                break body.to_owned();
            }
        }
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")?;
    stream.flush()?;
    Ok(body)
}

/// A webhook that is not believed, or that does not want it, has not got it.
#[test]
fn a_webhook_counts_as_reached_where_it_is_trusted_and_says_so() {
    let (ours, theirs, safe) = (Authority::new("ours"), Authority::new("theirs"), Safe::new());
    let ca = safe.write("ca.pem", &ours.pem());
    let (good, bad) = (ours.issue(&["localhost"]), theirs.issue(&["localhost"]));
    for (status, identity, failure) in [
        ("200 OK", Some(&good), None),
        ("204 No Content", Some(&bad), Some("there is no agreement on TLS")),
        ("500 Internal Server Error", None, Some("it answered 500")),
        ("302 Found", Some(&good), Some("it answered 302")),
    ] {
        let (address, received) = receiver_that_says(status, identity);
        let trust = if identity.is_some() { format!(", webhook_ca: \"{}\"", ca.display()) } else { String::new() };
        let settings = format!("audit: {{ checkpoint: {{ interval: 200ms, webhook: \"{address}\"{trust} }} }}");
        let sidecar = Sidecar::builder().config(&settings).start();
        ask(&sidecar, 1);
        let failures = || sidecar.metric("sidegate_audit_checkpoint_failures_total{to=\"webhook\"}");
        match failure {
            None => {
                let first: Value = serde_json::from_str(&received.recv_timeout(SOON).unwrap()).unwrap();
                assert_eq!(first["statement"]["type"], "sidegate.checkpoint.v1");
                assert!(failures() < 0.5, "{}", sidecar.log());
            }
            Some(says) => {
                let told = sidecar.wait_event("audit_checkpoint_failed", SOON, |_| true);
                assert!(told["error"].as_str().unwrap().contains(says), "{status}: {told}");
                wait_for("the failure is counted", SOON, || failures() >= 1.0);
            }
        }
    }
}

#[test]
fn retention_and_hold_are_what_the_configuration_says_by_now() {
    let sidecar = Sidecar::builder().config("audit: { segment: { age: 500ms } }").start();
    for count in 1..=3 {
        ask(&sidecar, 1);
        wait_for("a segment is closed", SOON, || {
            segments(sidecar.data()).iter().filter(|path| path.join("SEALED").exists()).count() >= count
        });
    }
    let all = segments(sidecar.data());
    let name = all[1].file_name().unwrap().to_str().unwrap();
    let second: u64 = name.strip_prefix("seg-").unwrap().parse().unwrap();
    sidecar.configure("audit: { hold: true, retention: { age: 1s } }");
    wait_for("the change is in force", SOON, || !sidecar.events("config_changed").is_empty());
    sidecar.configure(&format!("audit: {{ hold: {second} }}"));
    wait_for("what is not held goes", SOON, || !all[0].exists());
    assert!(all[1].exists(), "what is held stays");
    sidecar.configure("audit: { hold: false }");
    wait_for("nothing is held", SOON, || !all[1].exists());
}

#[test]
fn checkpoints_go_to_log_metric_file_and_webhook_and_at_the_end_too() {
    let (address, received) = receiver();
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("checkpoints");
    let settings =
        format!("audit: {{ checkpoint: {{ interval: 200ms, file: \"{}\", webhook: \"{address}\" }} }}", file.display());
    let sidecar = Sidecar::builder().config(&settings).start();
    ask(&sidecar, 5);
    let first: Value = serde_json::from_str(&received.recv_timeout(SOON).unwrap()).unwrap();
    assert_eq!(first["statement"]["type"], "sidegate.checkpoint.v1");
    let logged = sidecar.wait_event("audit_checkpoint", SOON, |event| event["seq"] == first["statement"]["seq"]);
    assert_eq!(serde_json::from_str::<Value>(logged["checkpoint"].as_str().unwrap()).unwrap(), first);
    wait_for("the metric names a checkpoint", SOON, || {
        sidecar.metric("sidegate_audit_checkpoint_seq") > 5.0
            && sidecar.metric("sidegate_audit_checkpoint_timestamp_seconds") > 1e9
    });
    sidecar.stop();
    let lines = fs::read_to_string(&file).unwrap();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let posted: Vec<Value> = received.try_iter().map(|body| serde_json::from_str(&body).unwrap()).collect();
    assert_eq!(posted.last(), Some(&last));
    let exited = crate::support::sidegate([
        "audit",
        "verify",
        "--output",
        "json",
        "--data",
        sidecar.data().to_str().unwrap(),
        "--checkpoint",
        file.to_str().unwrap(),
    ]);
    assert_eq!(exited.code, Some(0), "{}", exited.stdout);
    let report: Value = serde_json::from_str(&exited.stdout).unwrap();
    assert_eq!(report["last_seq"], last["statement"]["seq"], "the last checkpoint is of the end");
    assert_eq!(report["checkpoints"].as_u64().unwrap(), lines.lines().count() as u64);
}

#[test]
fn a_checkpoint_that_is_not_delivered_is_counted_and_nothing_waits_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("gone/checkpoints");
    fs::create_dir(file.parent().unwrap()).unwrap();
    let settings = format!(
        "audit: {{ checkpoint: {{ interval: 100ms, file: \"{}\", webhook: \"http://{address}/\" }} }}",
        file.display()
    );
    let sidecar = Sidecar::builder().config(&settings).start();
    // It was there at the start.
    fs::remove_dir_all(file.parent().unwrap()).unwrap();
    ask(&sidecar, 2);
    wait_for("both failures are counted", SOON, || {
        let failed = |to: &str| sidecar.metric(&format!("sidegate_audit_checkpoint_failures_total{{to=\"{to}\"}}"));
        failed("file") >= 1.0 && failed("webhook") >= 1.0
    });
    let undelivered = || {
        ["file", "webhook"]
            .map(|to| sidecar.metric(&format!("sidegate_audit_checkpoint_undelivered{{to=\"{to}\"}}")) > 0.5)
    };
    wait_for("the newest has reached neither place", SOON, || undelivered() == [true, true]);
    fs::create_dir(file.parent().unwrap()).unwrap();
    ask(&sidecar, 2);
    wait_for("the next one reaches the file", SOON, || undelivered() == [false, true]);
    assert_eq!(sidecar.ops_get("/readyz").status, 200);
}

#[test]
fn a_damaged_segment_is_put_aside_told_and_recorded_and_the_sidecar_goes_on() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    let sidecar = Sidecar::builder().data(&data).start();
    ask(&sidecar, 20);
    sidecar.stop();
    let segment = segments(&data).remove(0);
    for entry in fs::read_dir(&segment).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("snap") {
            fs::remove_file(&path).unwrap();
        } else if name == "db" {
            fs::write(&path, vec![0xa5; 700_000]).unwrap();
        }
    }
    let sidecar = Sidecar::builder().data(&data).start();
    let told = sidecar.wait_event("audit_segment_quarantined", SOON, |_| true);
    assert!(told["kept_as"].as_str().unwrap().contains(".corrupt-"), "{told}");
    ask(&sidecar, 1);
    wait_for("the gap has a record", SOON, || system(&sidecar, "audit_gap").len() == 1);
    let gap = system(&sidecar, "audit_gap").remove(0);
    assert_eq!(gap["after"]["first_seq"], 1, "{gap}");
    let last = gap["after"]["last_seq"].as_u64().unwrap();
    assert!(gap["seq"].as_u64().unwrap() == last + 1 && last >= 20, "{gap}");
    assert_eq!(sidecar.count("sidegate_audit_missing_records", &[]), last);
    let ready = sidecar.ops_get("/readyz");
    assert_eq!(ready.status, 200);
    assert!(ready.body.contains("the audit log has a gap"), "{}", ready.body);
    sidecar.stop();
    // The next start knows of it.
    let sidecar = Sidecar::builder().data(&data).start();
    ask(&sidecar, 1);
    assert_eq!(system(&sidecar, "audit_gap").len(), 1);
    sidecar.stop();
    let exited = crate::support::sidegate(["audit", "verify", "--data", data.to_str().unwrap()]);
    assert_eq!(exited.code, Some(5));
    assert!(exited.stdout.contains(&format!("record 1: records 1 to {last} are missing")), "{}", exited.stdout);
}

#[test]
fn settings_of_the_log_that_cannot_be_honoured_stop_the_start() {
    let scratch = tempfile::tempdir().unwrap();
    let exposed = scratch.path().join("key.pem");
    fs::write(&exposed, "no key").unwrap();
    for (settings, said) in [
        (format!("audit: {{ signing_key: \"{}\" }}", exposed.display()), "can be read by others"),
        ("audit: { signing_key: /no/such/key }".to_owned(), "cannot be read"),
        (
            "audit: { checkpoint: { file: /no/such/directory/file } }".to_owned(),
            "make its directory, or name another file",
        ),
        ("audit: { checkpoint: { file: / } }".to_owned(), "`audit.checkpoint.file`"),
        ("audit: { checkpoint: { webhook: \"ftp://collector/\" } }".to_owned(), "an address such as `https://"),
        ("audit: { hold: maybe }".to_owned(), "audit.hold"),
        ("audit: { retention: { age: soon } }".to_owned(), "audit.retention.age"),
    ] {
        let Exited { code, stdout, stderr } =
            Sidecar::builder().policies(repo("policies/demo")).config(&settings).start_failing();
        assert_eq!(code, Some(64), "{settings}");
        assert!(format!("{stdout}{stderr}").contains(said), "{settings}: {stdout}{stderr}");
        let file = scratch.path().join("sidegate.yaml");
        fs::write(&file, &settings).unwrap();
        let checked = crate::support::sidegate(["serve", "--check-config", "--config", file.to_str().unwrap()]);
        assert_eq!(checked.code, Some(64), "{settings}: the check lets it pass");
        assert!(checked.stderr.contains(said), "{settings}: {}", checked.stderr);
    }
}

#[test]
fn a_sample_of_a_module_that_there_is_not_is_told_and_no_reason_not_to_start() {
    let settings = "audit: { sample: [{ module: orders, keep_one_in: 2 }, { module: oders, keep_one_in: 2 }] }";
    let sidecar = Sidecar::builder().config(settings).start();
    let told = sidecar.wait_event("audit_sample_fits_nothing", SOON, |_| true);
    assert_eq!(told["module"], "oders");
    assert_eq!(sidecar.events("audit_sample_fits_nothing").len(), 1);
}

#[test]
fn a_data_directory_that_is_removed_while_it_is_used_is_a_failure_of_the_store() {
    for taken in ["", "audit", "audit/LOCK", "audit/HEAD", "audit/rings"] {
        let scratch = tempfile::tempdir().unwrap();
        let data = scratch.path().join("data");
        let sidecar = Sidecar::builder().data(&data).start();
        ask(&sidecar, 3);
        fs::rename(data.join(taken), scratch.path().join("taken")).unwrap();
        let told = sidecar.wait_event("audit_store_failed", SOON, |_| true);
        assert!(told["error"].as_str().unwrap().contains("was removed or replaced"), "{taken}: {told}");
        if taken == "audit/HEAD" {
            // Another segment, and another anchor, are all that it takes.
            sidecar.wait_event("audit_store_recovered", SOON, |_| true);
            ask(&sidecar, 1);
            assert_eq!(sidecar.ops_get("/readyz").status, 200);
            continue;
        }
        let ready = sidecar.ops_get("/readyz");
        assert!(ready.status == 503 && ready.body.contains("was removed or replaced"), "{taken}: {}", ready.body);
        let question = json!({ "user": "bob", "action": "view", "resource": "product:p-1" });
        assert_eq!(sidecar.authorize(&question).1["reason"]["code"], "audit_unavailable", "{taken}");
        if taken != "audit" && !taken.is_empty() {
            // What was taken is put back.
            fs::rename(scratch.path().join("taken"), data.join(taken)).unwrap();
            sidecar.wait_event("audit_store_recovered", SOON, |_| true);
            assert_eq!(sidecar.ops_get("/readyz").status, 200, "{taken}");
        }
    }
}

#[test]
fn retention_does_not_remove_a_damaged_segment_before_that_is_told() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    // Closes a segment with each start, since what is there is of age.
    for _ in 0..3 {
        let sidecar = Sidecar::builder().data(&data).config("audit: { segment: { age: 1s } }").start();
        ask(&sidecar, 5);
        wait_for("a segment is closed", SOON, || {
            segments(&data).iter().rev().nth(1).is_some_and(|path| path.join("SEALED").exists())
        });
        sidecar.stop();
    }
    let first = segments(&data).remove(0);
    for entry in fs::read_dir(&first).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("snap") {
            fs::remove_file(&path).unwrap();
        } else if name == "db" {
            // sled takes it for a new one.
            fs::write(&path, "").unwrap();
        }
    }
    let sidecar =
        Sidecar::builder().data(&data).config("audit: { segment: { age: 1s }, retention: { age: 1s } }").start();
    let told = sidecar.wait_event("audit_segment_quarantined", SOON, |_| true);
    assert_eq!(told["first_seq"], 1, "{told}");
    wait_for("the gap has a record", SOON, || system(&sidecar, "audit_gap").len() == 1);
    sidecar.wait_event("audit_retention", SOON, |_| true);
    assert!(segments(&data).iter().any(|path| path.to_string_lossy().contains(".corrupt-")), "its files are kept");
}
