//! A real proxy in front of an application, with a configuration that is shipped: only its ports are others.

use super::{
    envoy,
    process::Process,
    raw::{Raw, RawResponse},
    repo,
    wait::wait_for,
};
use std::{
    env, fs, iter,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(30);

/// A running proxy. Dropping it kills it.
#[derive(Debug)]
pub struct Proxy {
    process: Process,
    address: SocketAddr,
    // Deleted last, after the process has gone.
    _scratch: TempDir,
}

/// The programs that can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Nginx,
    Caddy,
    Envoy,
}

impl Program {
    /// The shipped configuration.
    pub fn config(self) -> &'static str {
        match self {
            Self::Nginx => "config/nginx.conf",
            Self::Caddy => "config/Caddyfile",
            Self::Envoy => "config/envoy-http.yaml",
        }
    }

    fn path(self) -> PathBuf {
        let (name, place) = match self {
            Self::Nginx => ("nginx", repo(".tools/debian/usr/sbin/nginx")),
            Self::Caddy => ("caddy", repo(".tools/debian/usr/bin/caddy")),
            Self::Envoy => return envoy::binary(),
        };
        let on_the_path = env::var_os("PATH").unwrap_or_default();
        let mut all = iter::once(place).chain(env::split_paths(&on_the_path).map(|folder| folder.join(name)));
        let found = all.find(|path| path.is_file());
        found.unwrap_or_else(|| panic!("`{name}` is not installed: run `scripts/install-test-tools`"))
    }

    fn command(self, config: &Path, scratch: &Path) -> Command {
        let mut command = Command::new(self.path());
        match self {
            Self::Nginx => command.arg("-p").arg(scratch).arg("-c").arg(config).args(["-g", "daemon off;"]),
            Self::Caddy => command.args(["run", "--adapter", "caddyfile", "--config"]).arg(config),
            Self::Envoy => command.arg("-c").arg(config).args([
                "--concurrency",
                "1",
                "--disable-hot-restart",
                "--log-level",
                "warn",
            ]),
        };
        command.env("HOME", scratch).env("XDG_CONFIG_HOME", scratch).env("XDG_DATA_HOME", scratch);
        command
    }
}

impl Proxy {
    /// Starts a proxy on a free port, in front of an application, and waits until it listens. Its configuration is the one that
    /// is shipped, as `change` makes it.
    #[track_caller]
    pub fn start(
        program: Program,
        sidecar: SocketAddr,
        application: SocketAddr,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut text = fs::read_to_string(repo(program.config())).expect("a configuration that is shipped");
        for (shipped, port) in [("8080", address.port()), ("8480", sidecar.port()), ("3000", application.port())] {
            assert!(text.contains(shipped), "{} has no port {shipped}", program.config());
            text = text
                .lines()
                // What is said about the ports stays as it is.
                .map(|line| if line.trim_start().starts_with('#') { line.to_owned() } else { line.replace(shipped, &port.to_string()) } + "\n")
                .collect();
        }
        let config = scratch.path().join(Path::new(program.config()).file_name().expect("a file"));
        fs::write(&config, change(text)).expect("a configuration can be written");
        let process = Process::spawn(program.command(&config, scratch.path()));
        wait_for("the proxy listens", DEADLINE, || {
            assert!(process.exit_status().is_none(), "the proxy has ended:\n{}", process.log());
            TcpStream::connect(address).is_ok()
        });
        Self { process, address, _scratch: scratch }
    }

    /// Sends one request as it is written here, on a connection of its own. The target is not touched.
    #[track_caller]
    pub fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> RawResponse {
        self.send_bytes(method, target.as_bytes(), headers)
    }

    /// As [`Proxy::send`], with a target that may be anything.
    #[track_caller]
    pub fn send_bytes(&self, method: &str, target: &[u8], headers: &[(&str, &str)]) -> RawResponse {
        let mut request = [method.as_bytes(), b" ", target, b" HTTP/1.1\r\n"].concat();
        if headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("host")) {
            request.extend(b"Host: shop.example\r\n");
        }
        for (name, value) in headers {
            request.extend(format!("{name}: {value}\r\n").bytes());
        }
        request.extend(b"\r\n");
        let mut raw = Raw::connect(self.address);
        raw.send(request)
            .response()
            .unwrap_or_else(|| panic!("the proxy has closed the connection:\n{}", self.process.log()))
    }

    /// Everything that it has printed so far.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}
