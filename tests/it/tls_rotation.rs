//! Certificates that rotate while the sidecar runs.

use crate::support::{Authority, Issued, Safe, Sidecar, Signal, TlsClient, TlsRaw, wait_for};
use rcgen::date_time_ymd;
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde_json::{Value, json};
use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::symlink,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);
const QUICK: &str = "policies: { poll_interval: 200ms, debounce: 20ms }";

fn question() -> String {
    json!({ "user": "bob", "action": "edit", "resource": "order:o-1" }).to_string()
}

/// What the listener shows on a new connection.
fn shown(client: &TlsClient, address: SocketAddr) -> CertificateDer<'static> {
    let raw = client.connect(address).expect("agreed");
    raw.stream().conn.peer_certificates().expect("it shows one")[0].clone().into_owned()
}

fn der(issued: &Issued) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(issued.certificate.as_bytes()).expect("PEM")
}

fn status(sidecar: &Sidecar) -> Value {
    sidecar.ops_get("/status").json()["certificates"][0].clone()
}

fn answers(raw: &mut TlsRaw) -> bool {
    raw.ask("POST", "/v1/authorize", &[], &question()).is_ok_and(|answer| answer.status == 200)
}

#[test]
fn certificates_rotate_under_traffic_without_a_failed_request() {
    let (authority, safe) = (Authority::new("test CA"), Safe::new());
    safe.put(&authority.issue(&["localhost"]));
    let sidecar = Sidecar::builder().config(&safe.settings("authorize", "")).config(QUICK).start();
    let (client, address) = (TlsClient::trusting(&authority), sidecar.authorize_address());
    let (done, failed, asked) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let ask = |raw: &mut TlsRaw| {
        asked.fetch_add(1, Ordering::Relaxed);
        if !answers(raw) {
            failed.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        // One keeps its connection for the whole time, the other makes one for each request.
        scope.spawn(|| {
            let mut raw = client.connect(address).expect("agreed");
            while !done.load(Ordering::Relaxed) {
                ask(&mut raw);
            }
        });
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                match client.connect(address) {
                    Ok(mut raw) => ask(&mut raw),
                    Err(_) => drop(failed.fetch_add(1, Ordering::Relaxed)),
                }
            }
        });
        for _ in 0..5 {
            let next = authority.issue(&["localhost"]);
            safe.put(&next);
            wait_for("the next one is shown", SOON, || shown(&client, address) == der(&next));
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(failed.load(Ordering::Relaxed), 0, "of {} requests", asked.load(Ordering::Relaxed));
    assert!(asked.load(Ordering::Relaxed) > 20);
    assert!(sidecar.count("sidegate_tls_reloads_total", &[r#"listener="authorize""#, r#"outcome="loaded""#]) >= 5);
}

#[test]
fn certificates_of_the_admin_and_the_ops_listener_rotate_too() {
    let authority = Authority::new("test CA");
    let client = TlsClient::trusting(&authority);
    for listener in ["admin", "ops"] {
        let safe = Safe::new();
        safe.put(&authority.issue(&["localhost"]));
        let sidecar = Sidecar::builder().config(&safe.settings(listener, "")).config(QUICK).start();
        let address = if listener == "admin" { sidecar.admin_address() } else { sidecar.ops_address() };
        let path = if listener == "admin" { "/v1/policies" } else { "/healthz" };
        let mut kept = client.connect(address).expect("agreed");
        for _ in 0..2 {
            let next = authority.issue(&["localhost"]);
            safe.put(&next);
            wait_for("the next one is shown", SOON, || shown(&client, address) == der(&next));
            assert_eq!(kept.ask("GET", path, &[], "").expect("an answer").status, 200, "{listener}");
            assert_eq!(client.status(address, path, &[], ""), Ok(200), "{listener}");
        }
        sidecar.wait_event("tls_reloaded", SOON, |event| event["listener"] == listener);
    }
}

#[test]
fn a_volume_of_kubernetes_rotates_with_its_link() {
    let (authority, safe) = (Authority::new("test CA"), Safe::new());
    let generation = |n: usize| {
        let issued = authority.issue(&["localhost"]);
        fs::create_dir(safe.path(&format!("..{n}"))).expect("made");
        safe.write(&format!("..{n}/certificate.pem"), &issued.certificate);
        safe.write(&format!("..{n}/key.pem"), &issued.key);
        symlink(format!("..{n}"), safe.path("..next")).expect("linked");
        fs::rename(safe.path("..next"), safe.path("..data")).expect("turned");
        issued
    };
    generation(1);
    for file in ["certificate.pem", "key.pem"] {
        symlink(format!("..data/{file}"), safe.path(file)).expect("linked");
    }
    // No poll: only the event tells.
    let sidecar =
        Sidecar::builder().config(&safe.settings("authorize", "")).config("policies: { poll_interval: 1h }").start();
    let next = generation(2);
    let client = TlsClient::trusting(&authority);
    wait_for("the next one is shown", SOON, || shown(&client, sidecar.authorize_address()) == der(&next));
}

#[test]
fn a_pair_that_is_of_no_use_leaves_the_last_good_one_and_is_told_until_it_is_mended() {
    let (authority, safe) = (Authority::new("test CA"), Safe::new());
    let expires = |year| move |params: &mut rcgen::CertificateParams| params.not_after = date_time_ymd(year, 1, 1);
    let good = authority.issue_with(&["localhost"], expires(2400));
    safe.put(&good);
    let sidecar = Sidecar::builder().config(&safe.settings("authorize", "")).config(QUICK).start();
    let (client, address) = (TlsClient::trusting(&authority), sidecar.authorize_address());
    let expiry = r#"sidegate_tls_certificate_expiry_timestamp_seconds{listener="authorize"}"#;
    let rejected = r#"sidegate_tls_reloads_total{listener="authorize",outcome="rejected"}"#;
    assert_eq!(sidecar.count(expiry, &[]), 13_569_465_600);
    assert_eq!(sidecar.count(r#"sidegate_tls_certificate_expiry_timestamp_seconds{listener="admin"}"#, &[]), 0);
    assert_eq!(status(&sidecar)["names"], json!(["localhost"]));

    let old = authority.issue_with(&["localhost"], expires(2020));
    for (n, (name, text, says)) in [
        ("key.pem", authority.issue(&["localhost"]).key, "is not that of the first certificate"),
        ("key.pem", String::new(), "holds no private key"),
        ("certificate.pem", "nothing\n".to_owned(), "holds no certificate"),
    ]
    .into_iter()
    .enumerate()
    {
        safe.write(name, &text);
        let told = sidecar.wait_event("tls_rejected", SOON, |event| {
            event["problem"].as_str().is_some_and(|problem| problem.contains(says))
        });
        assert_eq!((told["listener"].as_str(), told["level"].as_str()), (Some("authorize"), Some("ERROR")));
        assert!(status(&sidecar)["problems"].to_string().contains(says), "{}", status(&sidecar));
        assert_eq!(shown(&client, address), der(&good), "{says}");
        assert!(sidecar.count(rejected, &[]) > n as u64);
    }
    safe.put(&old);
    sidecar.wait_event("tls_rejected", SOON, |event| event["problem"].to_string().contains("has expired at 2020"));
    assert_eq!(shown(&client, address), der(&good));
    // A word makes it look at once, and what was said is not said again.
    let before = sidecar.count(rejected, &[]);
    sidecar.signal(Signal::HUP);
    assert_eq!(ask_until_stable(&sidecar, rejected), before);
    let is_rejected = |listener| sidecar.count("sidegate_tls_rejected", &[&format!("listener=\"{listener}\"")]);
    assert_eq!(["authorize", "admin", "ops"].map(is_rejected), [1, 0, 0], "for as long as it is so");

    let mended = authority.issue_with(&["localhost"], expires(2500));
    safe.put(&mended);
    wait_for("the mended pair is shown", SOON, || shown(&client, address) == der(&mended));
    wait_for("and the status says so", SOON, || status(&sidecar)["problems"] == json!([]));
    assert_eq!(is_rejected("authorize"), 0);
    assert_eq!(sidecar.count(expiry, &[]), 16_725_225_600);
    assert_eq!(status(&sidecar)["expires_at"], "2500-01-01T00:00:00.000000Z");
}

/// The metric after a few more looks at the files.
fn ask_until_stable(sidecar: &Sidecar, series: &str) -> u64 {
    let mut looks = 0;
    wait_for("a few looks", SOON, || {
        looks += usize::from(sidecar.ops_get("/healthz").status == 200);
        looks > 100
    });
    sidecar.count(series, &[])
}

#[test]
fn the_authority_of_clients_rotates_too_and_a_session_of_before_does_not_go_on() {
    let (authority, safe) = (Authority::new("test CA"), Safe::new());
    let (old, new) = (Authority::new("old clients"), Authority::new("new clients"));
    safe.put(&authority.issue(&["localhost"]));
    safe.write("clients.pem", &old.pem());
    let sidecar = Sidecar::builder().config(&safe.settings_for_clients("authorize", "required")).config(QUICK).start();
    let client = |authority_of_clients: &Authority| {
        TlsClient::trusting(&authority).showing(&authority_of_clients.issue(&["shop.internal"]))
    };
    let (with_old, with_new) = (client(&old), client(&new));
    let ask = |client: &TlsClient| client.status(sidecar.authorize_address(), "/v1/authorize", &[], &question());
    assert_eq!(ask(&with_old), Ok(200));
    assert!(ask(&with_new).is_err());
    let mut kept = with_old.connect(sidecar.authorize_address()).expect("agreed");
    assert!(answers(&mut kept));

    safe.write("clients.pem", &new.pem());
    wait_for("clients of the new authority are let in", SOON, || ask(&with_new) == Ok(200));
    assert!(ask(&with_old).is_err());
    assert!(answers(&mut kept), "a connection that is there goes on");
}
