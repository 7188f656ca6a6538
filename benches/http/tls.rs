//! The same sidecar with and without TLS, over kept connections, in one run.

use super::{AUTHORIZE, Bench, CONNECTIONS, median, servers::Server};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use std::{
    cell::RefCell,
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    task::LocalSet,
};
use tokio_rustls::TlsConnector;

/// Of the throughput without TLS.
const LEAST_THROUGHPUT: f64 = 0.75;

/// What came of one run.
#[derive(Debug, Clone, Copy)]
struct Figures {
    per_second: f64,
    /// Microseconds.
    p50: f64,
    p99: f64,
}

/// Measures both in turns, prints the figures and says whether they hold.
pub fn measure(&Bench { seconds, rounds }: &Bench) -> bool {
    let (files, connector) = identity();
    let tls = format!(
        ", authorize: {{ tls: {{ certificate: {0}/certificate.pem, key: {0}/key.pem }} }}",
        files.path().display()
    );
    let (plain, safe) = (Server::sidecar("{ mode: durable }"), Server::sidecar_with("{ mode: durable }", &tls));
    let mut met = true;
    for connections in CONNECTIONS {
        println!("\n{connections} connection(s), {rounds} rounds of {seconds:?}, medians");
        let sides = [("without TLS", plain.address, None), ("with TLS", safe.address, Some(&connector))];
        for (_, address, connector) in sides {
            load(address, connector, connections, seconds / 3);
        }
        let measured: Vec<[Figures; 2]> = (0..rounds)
            .map(|_| sides.map(|(_, address, connector)| load(address, connector, connections, seconds)))
            .collect();
        for (side, (name, ..)) in sides.iter().enumerate() {
            let of = |pick: fn(&Figures) -> f64| median(measured.iter().map(|round| pick(&round[side])).collect());
            let (rate, p50, p99) = (of(|f| f.per_second), of(|f| f.p50), of(|f| f.p99));
            println!("{name:<26} {rate:>10.0} {p50:>9.1} {p99:>9.1}");
        }
        let ratio = median(measured.iter().map(|[plain, safe]| safe.per_second / plain.per_second).collect());
        println!("{:<26} {ratio:>10.2}", "ratio");
        met &= ratio >= LEAST_THROUGHPUT;
    }
    met
}

/// A certificate in files, and a client that trusts it.
fn identity() -> (TempDir, TlsConnector) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let files = tempfile::tempdir().expect("a directory");
    let (certificate_file, key_file) = (files.path().join("certificate.pem"), files.path().join("key.pem"));
    fs::write(certificate_file, certificate.pem()).expect("a file");
    fs::write(&key_file, key.serialize_pem()).expect("a file");
    fs::set_permissions(key_file, fs::Permissions::from_mode(0o600)).expect("private");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate.der().to_vec())).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions");
    (files, TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

fn load(address: SocketAddr, connector: Option<&TlsConnector>, connections: usize, duration: Duration) -> Figures {
    let latencies = Rc::new(RefCell::new(Vec::with_capacity(1 << 20)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let started = LocalSet::new().block_on(&runtime, async {
        // Handshakes are over before anything counts.
        let mut streams = Vec::new();
        for _ in 0..connections {
            streams.push(connect(address, connector).await);
        }
        let started = Instant::now();
        let clients = streams
            .into_iter()
            .map(|stream| tokio::task::spawn_local(client(stream, started + duration, Rc::clone(&latencies))));
        for client in clients.collect::<Vec<_>>() {
            client.await.expect("a client");
        }
        started
    });
    let took = started.elapsed();
    let mut latencies = latencies.borrow_mut();
    latencies.sort_unstable();
    let at = |part: f64| f64::from(latencies[((latencies.len() - 1) as f64 * part) as usize]) / 1000.0;
    Figures { per_second: latencies.len() as f64 / took.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
}

/// A stream that both sides use in the same way, so that the difference is that of TLS alone.
trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

async fn connect(address: SocketAddr, connector: Option<&TlsConnector>) -> Box<dyn Stream> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("nodelay");
    match connector {
        None => Box::new(stream),
        Some(connector) => {
            let name = ServerName::try_from("localhost").expect("a name");
            Box::new(connector.connect(name, stream).await.expect("a handshake"))
        }
    }
}

async fn client(mut stream: Box<dyn Stream>, end: Instant, latencies: Rc<RefCell<Vec<u32>>>) {
    let request = format!(
        "POST /v1/authorize HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{AUTHORIZE}",
        AUTHORIZE.len()
    );
    let mut buffer = vec![0; 4096];
    // All answers to one question have one length; the first one tells it.
    let mut length = 0;
    loop {
        let sent = Instant::now();
        if sent >= end {
            return;
        }
        stream.write_all(request.as_bytes()).await.expect("a write");
        let mut read = 0;
        while read == 0 || read < length || (length == 0 && !super::load::is_whole(&buffer[..read])) {
            read += stream.read(&mut buffer[read..]).await.expect("an answer");
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..read]));
        length = read;
        latencies.borrow_mut().push(sent.elapsed().as_nanos() as u32);
    }
}
