//! TLS on every listener: who is served, who is not, what stops a start, what a half-open handshake costs.

use crate::support::{Authority, Issued, Raw, Safe, Sidecar, SidecarBuilder, Signal, TlsClient, wait_for};
use rcgen::date_time_ymd;
use rustls::{
    SupportedProtocolVersion,
    version::{TLS12, TLS13},
};
use serde_json::json;
use std::{
    fs,
    io::Write as _,
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    process::Command,
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_secs(20);
static OLD: &[&SupportedProtocolVersion] = &[&TLS12];
static NEW: &[&SupportedProtocolVersion] = &[&TLS13];
const LISTENERS: [&str; 3] = ["authorize", "admin", "ops"];

fn question() -> String {
    json!({ "user": "bob", "action": "edit", "resource": "order:o-1" }).to_string()
}

/// An authority, and a certificate of `localhost` in a folder.
fn house() -> (Authority, Safe) {
    let (authority, safe) = (Authority::new("test CA"), Safe::new());
    safe.put(&authority.issue(&["localhost"]));
    (authority, safe)
}

fn guarded(safe: &Safe, listener: &str) -> SidecarBuilder {
    Sidecar::builder().config(&safe.settings(listener, ""))
}

fn place(sidecar: &Sidecar, listener: &str) -> SocketAddr {
    match listener {
        "authorize" => sidecar.authorize_address(),
        "admin" => sidecar.admin_address(),
        _ => sidecar.ops_address(),
    }
}

/// Asks a listener for something that it answers with `200`.
fn ask(client: &TlsClient, sidecar: &Sidecar, listener: &str) -> Result<u16, String> {
    let (path, body) = match listener {
        "authorize" => ("/v1/authorize", question()),
        "admin" => ("/v1/policies", String::new()),
        _ => ("/healthz", String::new()),
    };
    client.status(place(sidecar, listener), path, &[], &body)
}

#[test]
fn every_listener_serves_who_trusts_its_authority_and_nobody_who_does_not() {
    let (authority, safe) = house();
    let builder =
        LISTENERS.iter().fold(Sidecar::builder(), |builder, listener| builder.config(&safe.settings(listener, "")));
    let sidecar = builder.start();
    let stranger = TlsClient::trusting(&Authority::new("another CA"));
    for listener in LISTENERS {
        assert_eq!(ask(&TlsClient::trusting(&authority), &sidecar, listener), Ok(200), "{listener}");
        let error = ask(&stranger, &sidecar, listener).unwrap_err();
        assert!(error.contains("UnknownIssuer"), "{listener}: {error}");
        // Whoever speaks without TLS gets nothing that could be taken for an answer.
        let mut plain = Raw::connect(place(&sidecar, listener));
        plain.send("GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n");
        assert!(plain.ask("GET", "/healthz", &[], "").is_err(), "{listener}");
        let loaded = sidecar.wait_event("tls_loaded", SOON, |event| event["listener"] == listener);
        assert_eq!(loaded["names"], "localhost");
    }
}

#[test]
fn a_certificate_of_another_name_is_no_good_to_a_client() {
    let (authority, safe) = house();
    safe.put(&authority.issue(&["elsewhere.internal"]));
    let sidecar = guarded(&safe, "authorize").start();
    let error = ask(&TlsClient::trusting(&authority), &sidecar, "authorize").unwrap_err();
    assert!(error.contains("not valid for name"), "{error}");
    assert_eq!(sidecar.count(r#"sidegate_tls_handshakes_total{listener="authorize",outcome="failed"}"#, &[]), 1);
}

#[test]
fn curl_is_served_through_a_chain_and_keeps_its_connection() {
    let (authority, safe) = house();
    let middle = authority.sub("test CA 2");
    let leaf = middle.issue(&["localhost"]);
    safe.put(&Issued { certificate: leaf.certificate + &middle.pem(), key: leaf.key });
    let ca = safe.write("ca.pem", &authority.pem());
    let sidecar = guarded(&safe, "authorize").start();
    let address = sidecar.authorize_address();
    let url = format!("https://localhost:{}/v1/authorize", address.port());
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--http1.1", "--write-out", " %{http_code} %{num_connects}\\n"]);
    curl.arg("--cacert").arg(ca).arg("--resolve").arg(format!("localhost:{}:127.0.0.1", address.port()));
    curl.args(["--json", &question(), &url, &url]);
    let output = curl.output().expect("curl is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let ends: Vec<&str> = text.lines().filter_map(|line| line.split_once("} ").map(|(_, end)| end)).collect();
    assert_eq!(ends, ["200 1", "200 0"], "{text}");
}

#[test]
fn what_is_older_than_the_minimum_is_refused() {
    let (authority, safe) = house();
    let client = |version| TlsClient::trusting(&authority).versions(version);
    for (minimum, old) in [("1.2", true), ("1.3", false)] {
        let sidecar =
            Sidecar::builder().config(&safe.settings("authorize", &format!(", minimum_version: {minimum}"))).start();
        assert_eq!(ask(&client(NEW), &sidecar, "authorize"), Ok(200), "{minimum}");
        let with_old = ask(&client(OLD), &sidecar, "authorize");
        assert_eq!(with_old.is_ok(), old, "{minimum}: {with_old:?}");
        for version in ["-tls1_1", "-tls1"] {
            let mut openssl = Command::new("openssl");
            openssl.args(["s_client", version, "-cipher", "DEFAULT@SECLEVEL=0", "-connect"]);
            let address = sidecar.authorize_address().to_string();
            let output =
                openssl.arg(address).stdin(std::process::Stdio::null()).output().expect("openssl is installed");
            let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
            assert!(!output.status.success() && said.contains("alert"), "{minimum} {version}: {said}");
        }
    }
}

#[test]
fn a_client_that_wants_a_protocol_which_is_not_spoken_is_refused() {
    let (authority, safe) = house();
    let sidecar = guarded(&safe, "authorize").config(&safe.settings("admin", "")).start();
    for listener in ["authorize", "admin"] {
        let client = TlsClient::trusting(&authority);
        assert_eq!(ask(&client.clone().speaking(&["http/1.1"]), &sidecar, listener), Ok(200));
        let error = ask(&client.speaking(&["smtp"]), &sidecar, listener).unwrap_err();
        assert!(error.contains("NoApplicationProtocol"), "{listener}: {error}");
    }
}

#[test]
fn half_open_handshakes_are_dropped_by_the_deadline_and_stop_nobody() {
    let (authority, safe) = house();
    let short = ", handshake_timeout: 1s";
    let sidecar = Sidecar::builder()
        .config(&safe.settings("authorize", short))
        .config(&safe.settings("admin", short))
        .config("server: { authorize: { limits: { connections: 20 } } }")
        .start();
    // The beginning of a record that never ends, and nothing at all.
    let openings: [&[u8]; 3] = [b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"];
    for listener in ["authorize", "admin"] {
        let began = Instant::now();
        let mut open: Vec<Raw> = (0..18)
            .map(|n| {
                let mut raw = Raw::connect(place(&sidecar, listener));
                raw.send(openings[n % openings.len()]);
                raw
            })
            .collect();
        let client = TlsClient::trusting(&authority);
        assert_eq!(ask(&client, &sidecar, listener), Ok(200), "{listener}: others are served meanwhile");
        assert!(open.iter_mut().all(Raw::is_closed), "{listener}");
        assert!(
            began.elapsed() >= Duration::from_secs(1) && began.elapsed() < SOON,
            "{listener}: {:?}",
            began.elapsed()
        );
        let timed_out = format!(r#"sidegate_tls_handshakes_total{{listener="{listener}",outcome="timed_out"}}"#);
        wait_for("all are counted", SOON, || sidecar.count(&timed_out, &[]) == 18);
        assert_eq!(ask(&client, &sidecar, listener), Ok(200), "{listener}: their places are free again");
    }
}

#[test]
fn a_handshake_takes_a_place_among_the_connections() {
    let (authority, safe) = house();
    let sidecar = guarded(&safe, "authorize").config("server: { authorize: { limits: { connections: 2 } } }").start();
    let half: Vec<TcpStream> =
        (0..2).map(|_| TcpStream::connect(sidecar.authorize_address()).expect("accepted")).collect();
    // Who comes when all places are taken sees the end at once, and no text that it could not read.
    let client = TlsClient::trusting(&authority);
    wait_for("there is no place", SOON, || ask(&client, &sidecar, "authorize").is_err());
    drop(half);
    wait_for("there is a place again", SOON, || ask(&client, &sidecar, "authorize") == Ok(200));
}

#[test]
fn a_stop_answers_what_has_begun_ends_what_idles_and_waits_for_no_handshake() {
    let (authority, safe) = house();
    let sidecar = guarded(&safe, "authorize").start();
    let (client, address) = (TlsClient::trusting(&authority), sidecar.authorize_address());
    let mut idle = client.connect(address).expect("agreed");
    assert_eq!(idle.ask("POST", "/v1/authorize", &[], &question()).expect("an answer").status, 200);
    let mut half = Raw::connect(address);
    half.send(b"\x16\x03\x01");
    let mut slow = client.connect(address).expect("agreed");
    let body = question();
    slow.send(format!(
        "POST /v1/authorize HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    ));
    // The interim answer shows that the request has begun.
    assert_eq!(slow.response().expect("an interim answer").status, 100);
    sidecar.signal(Signal::TERM);
    sidecar.wait_event("stop_phase", SOON, |phase| phase["phase"] == "finish requests");
    assert!(idle.is_closed() && half.is_closed());
    slow.send(&body);
    assert_eq!(slow.response().expect("an answer in spite of the stop").status, 200);
    assert!(slow.is_closed());
    let exited = sidecar.wait_exit(SOON);
    assert_eq!(exited.code, Some(0), "{exited:?}");
}

/// Writes a certificate and a key, and says what a start must complain of.
struct Broken {
    name: &'static str,
    make: fn(&Authority, &Safe),
    setting: &'static str,
    says: &'static [&'static str],
}

const BROKEN: [Broken; 12] = [
    Broken {
        name: "no certificate",
        make: |_, safe| fs::remove_file(safe.path("certificate.pem")).unwrap(),
        setting: "server.authorize.tls.certificate",
        says: &["certificate.pem` cannot be read: No such file"],
    },
    Broken {
        name: "no key",
        make: |_, safe| fs::remove_file(safe.path("key.pem")).unwrap(),
        setting: "server.authorize.tls.key",
        says: &["key.pem` cannot be read: No such file"],
    },
    Broken {
        name: "an empty certificate",
        make: |_, safe| drop(safe.write("certificate.pem", "")),
        setting: "server.authorize.tls.certificate",
        says: &["certificate.pem` holds no certificate", "the file is empty"],
    },
    Broken {
        name: "an empty key",
        make: |_, safe| drop(safe.write("key.pem", "")),
        setting: "server.authorize.tls.key",
        says: &["key.pem` holds no private key", "the file is empty"],
    },
    Broken {
        name: "mixed up",
        make: |_, safe| {
            let (certificate, key) = (safe.path("certificate.pem"), safe.path("key.pem"));
            let (a, b) = (fs::read_to_string(&certificate).unwrap(), fs::read_to_string(&key).unwrap());
            safe.write("certificate.pem", &b);
            safe.write("key.pem", &a);
        },
        setting: "server.authorize.tls.certificate",
        says: &["it holds a key: are the two files mixed up?", "it holds a certificate: are the two files mixed up?"],
    },
    Broken {
        name: "the key of another certificate",
        make: |authority, safe| drop(safe.write("key.pem", &authority.issue(&["localhost"]).key)),
        setting: "server.authorize.tls.key",
        says: &["key.pem` is not that of the first certificate of", "both files must come from the same request"],
    },
    Broken {
        name: "the wrong order",
        make: |authority, safe| {
            let leaf = fs::read_to_string(safe.path("certificate.pem")).unwrap();
            safe.write("certificate.pem", &(authority.pem() + &leaf));
        },
        setting: "server.authorize.tls.certificate",
        says: &["has not signed the one before it", "put the listener's own certificate first"],
    },
    Broken {
        name: "expired",
        make: |authority, safe| {
            safe.put(&authority.issue_with(&["localhost"], |params| params.not_after = date_time_ymd(2020, 1, 1)));
        },
        setting: "server.authorize.tls.certificate",
        says: &["has expired at 2020-01-01T00:00:00", "put a new one in its place, with its key"],
    },
    Broken {
        name: "not yet",
        make: |authority, safe| {
            safe.put(&authority.issue_with(&["localhost"], |params| params.not_before = date_time_ymd(2500, 1, 1)));
        },
        setting: "server.authorize.tls.certificate",
        says: &["does not hold before 2500-01-01T00:00:00", "is the clock of this machine right?"],
    },
    Broken {
        name: "a key for everybody",
        make: |_, safe| fs::set_permissions(safe.path("key.pem"), fs::Permissions::from_mode(0o644)).unwrap(),
        setting: "server.authorize.tls.key",
        says: &["has mode 0644", "`chmod 600` mends it"],
    },
    Broken {
        name: "a key behind a passphrase",
        make: |_, safe| {
            let text = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
            safe.write("key.pem", text);
        },
        setting: "server.authorize.tls.key",
        says: &["it is behind a passphrase: `openssl pkey"],
    },
    Broken {
        name: "no authority of clients",
        make: |_, safe| drop(safe.write("clients.pem", "# none yet\n")),
        setting: "server.authorize.tls.client_ca",
        says: &["clients.pem` holds no certificate", "begins with `-----BEGIN CERTIFICATE-----`"],
    },
];

#[test]
fn what_cannot_be_honoured_stops_the_start_and_names_setting_file_and_mend() {
    for Broken { name, make, setting, says } in BROKEN {
        let (authority, safe) = house();
        safe.write("clients.pem", &authority.pem());
        make(&authority, &safe);
        let builder = || Sidecar::builder().config(&safe.settings_for_clients("authorize", "required"));
        for exited in [builder().start_failing(), builder().arg("--check-config").start_failing()] {
            assert_eq!(exited.code, Some(64), "{name}: {exited:?}");
            // The report breaks lines where the terminal would.
            let said: String =
                exited.stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
            for text in std::iter::once(&setting).chain(says) {
                assert!(said.contains(text), "{name}: no `{text}` in\n{}", exited.stderr);
            }
            assert!(!said.contains("listening"), "{name}: nothing is served: {said}");
        }
    }
}

#[test]
fn every_key_and_certificate_that_tools_make_is_taken() {
    let folder = Safe::new();
    let make = |name: &str, arguments: &[&str]| {
        let (key, certificate) = (folder.path(&format!("{name}.key")), folder.path(&format!("{name}.crt")));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"]);
        openssl.args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]);
        openssl.args(arguments).arg("-keyout").arg(&key).arg("-out").arg(&certificate);
        let output = openssl.output().expect("openssl is installed");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        Issued { certificate: fs::read_to_string(certificate).unwrap(), key: fs::read_to_string(key).unwrap() }
    };
    let rsa = make("rsa", &["-newkey", "rsa:2048"]);
    let traditional = {
        let output = Command::new("openssl").args(["rsa", "-traditional", "-in"]).arg(folder.path("rsa.key")).output();
        Issued { key: String::from_utf8(output.expect("openssl").stdout).expect("PEM"), ..rsa.clone() }
    };
    let p384 = make("p384", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"]);
    let ed25519 = make("ed25519", &["-newkey", "ed25519"]);
    for (name, issued) in [("RSA", rsa), ("RSA, traditional", traditional), ("P-384", p384), ("Ed25519", ed25519)] {
        let safe = Safe::new();
        safe.put(&issued);
        let exited = Sidecar::builder().config(&safe.settings("authorize", "")).arg("--check-config").start_failing();
        assert_eq!(exited.code, Some(0), "{name}: {exited:?}");
    }
}

#[test]
fn settings_that_do_not_fit_together_are_told_at_their_place() {
    let (_, safe) = house();
    let ca = safe.write("clients.pem", "").display().to_string();
    let certificate = safe.path("certificate.pem").display().to_string();
    for (settings, says) in [
        (format!("certificate: {certificate}"), "`server.ops.tls.certificate` needs `server.ops.tls.key`".to_owned()),
        (format!("key: {certificate}"), "`server.ops.tls.key` needs `server.ops.tls.certificate`".to_owned()),
        (format!("client_ca: {ca}"), "has no effect with `server.ops.tls.client_certificates: off`".to_owned()),
        ("client_certificates: required".to_owned(), "needs `server.ops.tls.client_ca`".to_owned()),
        (
            format!("client_ca: {ca}, client_certificates: optional"),
            "clients show certificates over TLS only".to_owned(),
        ),
        (
            format!("certificate: {certificate}, key: {certificate}, client_ca: {ca}, client_certificates: optional"),
            "`server.ops.tls.client_certificates: optional` has no effect".to_owned(),
        ),
        ("minimum_version: 1.1".to_owned(), "`1.1` does not fit `server.ops.tls.minimum_version`".to_owned()),
    ] {
        let exited = Sidecar::builder()
            .config(&format!("server: {{ ops: {{ tls: {{ {settings} }} }} }}"))
            .arg("--check-config")
            .start_failing();
        let said: String = exited.stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert!(exited.code == Some(64) && said.contains(&says), "{settings}: {}", exited.stderr);
    }
}

#[test]
fn a_client_that_says_nothing_after_the_handshake_is_closed_by_the_header_timeout() {
    let (authority, safe) = house();
    let sidecar =
        guarded(&safe, "authorize").config("server: { authorize: { limits: { header_timeout: 1s } } }").start();
    let mut silent = TlsClient::trusting(&authority).connect(sidecar.authorize_address()).expect("agreed");
    assert!(silent.is_closed());
    // Neither does it help to send what no TLS is, once it is spoken.
    let mut garbage = TlsClient::trusting(&authority).connect(sidecar.authorize_address()).expect("agreed");
    garbage.stream().sock.try_clone().expect("a socket").write_all(&[0x17, 3, 3, 0, 5, 1, 2, 3, 4, 5]).expect("sent");
    assert!(garbage.ask("GET", "/healthz", &[], "").is_err());
    assert_eq!(ask(&TlsClient::trusting(&authority), &sidecar, "authorize"), Ok(200));
}
