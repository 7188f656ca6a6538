//! An issuer's address: serves keys over HTTP or TLS, or whatever else a test wants it to.

use super::Certificate;
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::Value;
use std::{
    fmt,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// What is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// `200` with this body.
    Text(String),
    /// This status and an empty body, with one more header.
    Status(u16, &'static str),
    /// A body of so many bytes without an announced length.
    Endless(usize),
    /// Nothing, while the connection stays open.
    Silence,
    /// The head of an answer and a part of its body.
    Half,
}

impl From<&Value> for Reply {
    fn from(json: &Value) -> Self {
        Self::Text(json.to_string())
    }
}

/// A server of keys. Dropping it closes its port.
pub struct KeyServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    reply: Mutex<Reply>,
    asked: AtomicUsize,
    closed: AtomicBool,
    /// Connections that are kept open and not answered.
    silent: Mutex<Vec<TcpStream>>,
    tls: Option<Arc<ServerConfig>>,
}

impl KeyServer {
    /// Over plain HTTP, on a free port.
    pub fn start(reply: impl Into<Reply>) -> Self {
        Self::bind("127.0.0.1:0".parse().expect("an address"), reply.into(), None)
    }

    /// Over plain HTTP, where another one was before.
    pub fn start_at(address: SocketAddr, reply: impl Into<Reply>) -> Self {
        Self::bind(address, reply.into(), None)
    }

    /// Over TLS, on a free port.
    pub fn start_secured(certificate: &Certificate, reply: impl Into<Reply>) -> Self {
        let chain = CertificateDer::pem_file_iter(certificate.path()).expect("certificates");
        let chain = chain.map(|one| one.expect("a certificate")).collect();
        let key = PrivateKeyDer::from_pem_file(certificate.key()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate with its key");
        Self::bind("127.0.0.1:0".parse().expect("an address"), reply.into(), Some(Arc::new(config)))
    }

    fn bind(address: SocketAddr, reply: Reply, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(address).expect("the port is free");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            reply: Mutex::new(reply),
            asked: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            silent: Mutex::default(),
            tls,
        });
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if served.closed.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let served = Arc::clone(&served);
                // A client that hangs up is no concern of the server.
                thread::spawn(move || served.serve(stream).ok());
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its keys.
    pub fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}/keys", self.address.port())
    }

    /// Answers with something else from now on.
    pub fn reply(&self, reply: impl Into<Reply>) {
        *self.shared.reply.lock().expect("no panic") = reply.into();
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the thread, which closes the port.
        drop(TcpStream::connect(self.address));
        self.shared.silent.lock().expect("no panic").clear();
    }
}

impl fmt::Debug for KeyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyServer").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        match &self.tls {
            None => self.answer(&stream, &stream),
            Some(config) => {
                let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
                let mut secured = StreamOwned::new(connection, stream.try_clone()?);
                self.answer(&mut secured, &stream)?;
                secured.conn.send_close_notify();
                secured.flush()
            }
        }
    }

    fn answer(&self, mut stream: impl Read + Write, bare: &TcpStream) -> io::Result<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read(&mut byte)? == 0 {
                return Ok(());
            }
            head.push(byte[0]);
        }
        self.asked.fetch_add(1, Ordering::SeqCst);
        let reply = self.reply.lock().expect("no panic").clone();
        match reply {
            Reply::Text(body) => {
                let length = body.len();
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
                )?;
            }
            Reply::Status(status, header) => {
                write!(stream, "HTTP/1.1 {status} Whatever\r\n{header}\r\ncontent-length: 0\r\n\r\n")?;
            }
            Reply::Endless(bytes) => {
                write!(stream, "HTTP/1.1 200 OK\r\n\r\n")?;
                for _ in 0..bytes.div_ceil(1024) {
                    stream.write_all(&[b' '; 1024])?;
                }
            }
            Reply::Silence => self.silent.lock().expect("no panic").push(bare.try_clone()?),
            Reply::Half => write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{{\"keys\":")?,
        }
        stream.flush()
    }
}
