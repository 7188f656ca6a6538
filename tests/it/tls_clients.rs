//! Certificates of administrators, and the product's own clients: `--admin https://`, the webhook of checkpoints.

use crate::support::{Authority, Issued, Safe, Sidecar, SidecarBuilder, TlsClient, seconds_now, sidegate, wait_for};
use rustls::{
    HandshakeKind, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

const SOON: Duration = Duration::from_secs(20);
static OLD: &[&SupportedProtocolVersion] = &[&TLS12];
static NEW: &[&SupportedProtocolVersion] = &[&TLS13];

/// Authorities of the server and of clients, and a folder with what both sides need.
struct House {
    authority: Authority,
    clients: Authority,
    safe: Safe,
}

impl House {
    fn new() -> Self {
        let house =
            Self { authority: Authority::new("test CA"), clients: Authority::new("clients"), safe: Safe::new() };
        house.safe.put(&house.authority.issue(&["localhost"]));
        house.safe.write("clients.pem", &house.clients.pem());
        house.safe.write("ca.pem", &house.authority.pem());
        house
    }

    /// Writes a certificate for a client of the command line, and gives the flags that use it.
    fn flags(&self, name: &str) -> [String; 4] {
        let issued = self.clients.issue(&[name]);
        let certificate = self.safe.write(&format!("{name}.pem"), &issued.certificate).display().to_string();
        let key = self.safe.write(&format!("{name}.key"), &issued.key).display().to_string();
        ["--client-certificate".to_owned(), certificate, "--client-key".to_owned(), key]
    }

    fn ca(&self) -> [String; 2] {
        ["--ca".to_owned(), self.safe.path("ca.pem").display().to_string()]
    }
}

fn admin(sidecar: &Sidecar) -> [String; 2] {
    ["--admin".to_owned(), format!("https://localhost:{}", sidecar.admin_address().port())]
}

const CLIENTS: &str = "server: { admin: { auth: tokens, clients: [\
    { name: ops, certificates: [ops.internal], operator: true }, \
    { name: auditor, certificates: [\"spiffe://cluster/auditor\"], scopes: [audit] }] } }";

#[test]
fn administrators_are_told_by_their_certificates_and_held_to_their_scopes() {
    let house = House::new();
    let sidecar =
        Sidecar::builder().config(CLIENTS).config(&house.safe.settings_for_clients("admin", "optional")).start();
    let ask = |names: &[&str], path: &str| {
        let client = TlsClient::trusting(&house.authority).showing(&house.clients.issue(names));
        let mut raw = client.connect(sidecar.admin_address()).expect("agreed");
        let answer = raw.ask("GET", path, &[], "").expect("an answer");
        let error: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        (answer.status, error["error"]["message"].as_str().unwrap_or_default().to_owned())
    };
    for (names, path, status, says) in [
        (&["ops.internal"][..], "/v1/policies", 200, ""),
        (&["ops.internal"], "/v1/audit", 200, ""),
        (&["spiffe://cluster/auditor"], "/v1/audit", 200, ""),
        (
            &["spiffe://cluster/auditor"],
            "/v1/policies",
            403,
            "the client `auditor` lacks the scope: one of `read`, `policies`",
        ),
        (&["x.internal"], "/v1/audit", 401, "no client has the certificate of `x.internal`"),
        (&["x.internal"], "/openapi.json", 200, ""),
    ] {
        assert_eq!(ask(names, path), (status, says.to_owned()), "{names:?} {path}");
    }
    // Without a certificate, the listener says what it wants.
    let bare = TlsClient::trusting(&house.authority);
    assert_eq!(bare.status(sidecar.admin_address(), "/v1/audit", &[], ""), Ok(401));
    // An operator's change is recorded as that of the client.
    let ops = TlsClient::trusting(&house.authority).showing(&house.clients.issue(&["ops.internal"]));
    let mut raw = ops.connect(sidecar.admin_address()).expect("agreed");
    let user = json!({ "id": "tess", "first_name": "Tess", "last_name": "Ort", "email": "tess@demo.example" });
    let created = raw.ask("POST", "/v1/users", &[], &user.to_string()).expect("an answer");
    assert_eq!(created.status, 201, "{created:?}");
    wait_for("the change is recorded as that of the client", SOON, || {
        let found = raw.ask("GET", "/v1/audit?kind=directory", &[], "").expect("an answer");
        found.body.contains(r#""actor":"operator:ops""#)
    });
}

#[test]
fn a_certificate_that_ends_takes_its_sessions_and_its_connections_along() {
    let house = House::new();
    let callers = "server: { authorize: { callers: [{ name: ops, certificates: [ops.internal] }] } }";
    let builder = Sidecar::builder().listen("authorize", "0.0.0.0:0").config(CLIENTS).config(callers);
    let required = |builder: SidecarBuilder, listener: &&str| {
        builder.config(&house.safe.settings_for_clients(listener, "required"))
    };
    let sidecar = ["authorize", "admin", "ops"].iter().fold(builder, required).start();
    let question = json!({ "user": "bob", "action": "edit", "resource": "order:o-1" }).to_string();
    let doors = [
        (sidecar.authorize_address(), "POST", "/v1/authorize", question.as_str()),
        (sidecar.admin_address(), "GET", "/v1/policies", ""),
        (sidecar.ops_address(), "GET", "/healthz", ""),
    ];
    let end = seconds_now() + 10;
    let brief = house.clients.issue_with(&["ops.internal"], |params| {
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(end.unsigned_abs());
    });
    let mut kept = Vec::new();
    for versions in [OLD, NEW] {
        for (address, method, path, body) in doors {
            let client = TlsClient::trusting(&house.authority);
            assert!(client.status(address, path, &[], body).is_err(), "{path}: a certificate is required");
            let client = Arc::new(client.showing(&brief).versions(versions).config());
            // Had the first one left anything to go on with, the second one would.
            for _ in 0..2 {
                let mut raw = TlsClient::connect_with(&client, address).expect("agreed");
                assert_eq!(raw.ask(method, path, &[], body).expect("an answer").status, 200, "{path}");
                assert_eq!(raw.stream().conn.handshake_kind(), Some(HandshakeKind::Full), "{path}");
                kept.push((raw, Arc::clone(&client), (address, method, path, body)));
            }
        }
    }
    assert!(seconds_now() < end, "the certificate has held until now");
    wait_for("the certificate has ended", SOON, || seconds_now() > end);
    for (mut raw, client, (address, method, path, body)) in kept {
        assert!(raw.is_closed(), "{path}");
        let again = TlsClient::connect_with(&client, address);
        assert!(again.and_then(|mut raw| raw.ask(method, path, &[], body)).is_err(), "{path}");
    }
}

#[test]
fn names_and_certificates_of_administrators_are_told_apart_or_the_start_fails() {
    let house = House::new();
    let digest = "0".repeat(64);
    for (settings, certificates, says) in [
        (
            format!("tokens: [{{ name: ops, sha256: {digest} }}], clients: [{{ name: ops, certificates: [a] }}]"),
            "optional",
            "`ops` is the name of a token and of a client",
        ),
        (
            "clients: [{ name: a, certificates: [x] }, { name: b, certificates: [x] }]".to_owned(),
            "optional",
            "have the certificate `x` both",
        ),
        ("clients: [{ name: a }]".to_owned(), "optional", "a client needs `certificates`"),
        ("clients: [{ name: a, certificates: [x] }]".to_owned(), "off", "has no effect while"),
        (
            "auth: none, clients: [{ name: a, certificates: [x] }]".to_owned(),
            "optional",
            "has no effect with `server.admin.auth: none`",
        ),
    ] {
        let settings = format!("server: {{ admin: {{ auth: tokens, {settings} }} }}")
            .replace("auth: tokens, auth: none", "auth: none");
        let tls = match certificates {
            "off" => house.safe.settings("admin", ""),
            word => house.safe.settings_for_clients("admin", word),
        };
        let exited = Sidecar::builder().config(&settings).config(&tls).arg("--check-config").start_failing();
        let said: String = exited.stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        assert!(exited.code == Some(64) && said.contains(says), "{settings}: {}", exited.stderr);
    }
}

#[test]
fn the_command_line_speaks_to_an_instance_over_tls_and_shows_its_certificate() {
    let house = House::new();
    let sidecar =
        Sidecar::builder().config(CLIENTS).config(&house.safe.settings_for_clients("admin", "optional")).start();
    sidecar.post_text("/v1/authorize", &[], r#"{"user":"bob","action":"edit","resource":"order:o-1"}"#);
    let ops = house.flags("ops.internal");
    let run = |command: &[&str], flags: &[&[String]]| {
        sidegate(command.iter().map(|word| (*word).to_owned()).chain(flags.concat()))
    };
    let (at, ca) = (admin(&sidecar), house.ca());
    wait_for("the record is in the log, and the command finds it", SOON, || {
        let listed = run(&["audit", "list", "--kind", "decision", "--output", "json"], &[&at, &ca, &ops]);
        let page: Value = serde_json::from_str(&listed.stdout).unwrap_or_else(|_| panic!("{listed:?}"));
        page["items"][0]["user"] == "bob"
    });
    for command in [&["audit", "stats"][..], &["directory", "export"], &["review", "--format", "json"]] {
        let ran = run(command, &[&at, &ca, &ops]);
        assert_eq!(ran.code, Some(0), "{command:?}: {ran:?}");
    }
    for (flags, code, says) in [
        (&[&at[..], &ca[..]][..], 1, "wants a bearer token"),
        (&[&at[..], &ops[..]], 1, "UnknownIssuer"),
        (&[&at[..], &ca[..], &house.flags("x.internal")[..]], 1, "wants a bearer token"),
        (&[&at[..], &ca[..], &ops[..2]], 64, "--client-key"),
        (&[&at[..], &["--ca".to_owned(), "/no/such".to_owned()][..]], 64, "`/no/such` cannot be read"),
        (&[&at[..], &["--ca".to_owned(), ops[3].clone()][..]], 64, "holds no certificate"),
    ] {
        let ran = run(&["audit", "stats"], flags);
        assert!(ran.code == Some(code) && ran.stderr.contains(says), "{flags:?}: {ran:?}");
    }
    // An address by which the certificate does not name the instance.
    let other = ["--admin".to_owned(), format!("https://{}", sidecar.admin_address())];
    let ran = run(&["audit", "stats"], &[&other, &ca, &ops]);
    assert!(ran.code == Some(1) && ran.stderr.contains("not valid for name"), "{ran:?}");
}

/// A receiver over TLS that answers `204` to each request and hands its body on.
fn receiver(issued: &Issued) -> (SocketAddr, mpsc::Receiver<String>) {
    let chain = CertificateDer::pem_slice_iter(issued.certificate.as_bytes()).map(|der| der.expect("PEM")).collect();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
    let config = Arc::new(config.with_single_cert(chain, key).expect("an identity"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (hand, taken) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a server");
            let mut stream = BufReader::new(StreamOwned::new(connection, stream.expect("a connection")));
            let mut length = 0;
            let mut line = String::new();
            // Whoever does not trust this one goes without a word.
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().expect("a number");
                }
                line.clear();
            }
            let mut body = vec![0; length];
            if length > 0 && stream.read_exact(&mut body).is_ok() {
                drop(stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n"));
                if hand.send(String::from_utf8(body).expect("UTF-8")).is_err() {
                    return;
                }
            }
        }
    });
    (address, taken)
}

fn webhook(address: SocketAddr, ca: &Path) -> String {
    format!(
        "audit: {{ checkpoint: {{ interval: 200ms, webhook: \"https://localhost:{}/checkpoints\", webhook_ca: {} }} }}",
        address.port(),
        ca.display()
    )
}

#[test]
fn checkpoints_are_posted_over_tls_to_who_is_trusted_and_to_nobody_else() {
    let house = House::new();
    let (address, posted) = receiver(&house.authority.issue(&["localhost"]));
    let failures = r#"sidegate_audit_checkpoint_failures_total{to="webhook"}"#;
    let sidecar = Sidecar::builder().config(&webhook(address, &house.safe.path("ca.pem"))).start();
    let checkpoint: Value = serde_json::from_str(&posted.recv_timeout(SOON).expect("a checkpoint")).expect("JSON");
    assert!(checkpoint["statement"]["seq"].as_u64().is_some_and(|seq| seq > 0), "{checkpoint}");
    assert_eq!(sidecar.count(failures, &[]), 0);

    let stranger = Sidecar::builder().config(&webhook(address, &house.safe.path("clients.pem"))).start();
    wait_for("it is not delivered", SOON, || stranger.count(failures, &[]) > 0);
    let missing = Sidecar::builder().config(&webhook(address, Path::new("/no/such"))).start_failing();
    assert!(missing.code == Some(64) && missing.stderr.contains("`/no/such` cannot be read"), "{missing:?}");
    assert!(missing.stderr.contains("audit.checkpoint.webhook"), "{missing:?}");
}
