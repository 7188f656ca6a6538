//! Certificates for tests, made when they run, and a client that is particular about them.

use super::raw::Raw;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use std::{
    fs, io,
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(20);

/// Who signs certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, in PEM.
#[derive(Debug, Clone)]
pub struct Issued {
    pub certificate: String,
    pub key: String,
}

/// A folder of certificates and keys.
#[derive(Debug)]
pub struct Safe(TempDir);

/// Whom a client trusts, and who it is.
#[derive(Debug, Clone, Default)]
pub struct TlsClient {
    ca: String,
    identity: Option<Issued>,
    protocols: Vec<Vec<u8>>,
    versions: Option<&'static [&'static SupportedProtocolVersion]>,
}

/// A connection over TLS.
pub type TlsRaw = Raw<StreamOwned<ClientConnection, TcpStream>>;

impl Authority {
    /// One that nobody has signed.
    pub fn new(name: &str) -> Self {
        Self(CertifiedIssuer::self_signed(Self::params(name), key()).expect("a certificate"))
    }

    /// One that this one has signed.
    pub fn sub(&self, name: &str) -> Self {
        Self(CertifiedIssuer::signed_by(Self::params(name), key(), &self.0).expect("a certificate"))
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names: hosts, addresses, and URIs where they have a `://`.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(names, |_| ())
    }

    /// The same, with something changed.
    pub fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let (uris, hosts): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.contains("://"));
        let hosts: Vec<String> = hosts.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(hosts).expect("names");
        params.subject_alt_names.extend(uris.into_iter().map(|uri| SanType::URI(uri.try_into().expect("ASCII"))));
        params.distinguished_name.push(DnType::CommonName, "leaf");
        change(&mut params);
        let key = key();
        let certificate = params.signed_by(&key, &self.0).expect("a certificate").pem();
        Issued { certificate, key: key.serialize_pem() }
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

impl Safe {
    pub fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    /// The path of a file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Puts a file in place of another, as careful tools do, readable by its owner alone.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let (draft, path) = (self.path(".draft"), self.path(name));
        fs::write(&draft, text).expect("written");
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o600)).expect("private");
        fs::rename(&draft, &path).expect("moved");
        path
    }

    /// Puts a certificate and its key in place.
    pub fn put(&self, issued: &Issued) {
        self.write("key.pem", &issued.key);
        self.write("certificate.pem", &issued.certificate);
    }

    /// Settings in YAML by which a listener uses what is here; `more` stands beside them.
    pub fn settings(&self, listener: &str, more: &str) -> String {
        let (certificate, key) = (self.path("certificate.pem"), self.path("key.pem"));
        format!(
            "server: {{ {listener}: {{ tls: {{ certificate: {}, key: {}{more} }} }} }}",
            certificate.display(),
            key.display()
        )
    }

    /// The same, with clients that must show a certificate of the file `clients.pem`, or may.
    pub fn settings_for_clients(&self, listener: &str, word: &str) -> String {
        let ca = self.path("clients.pem");
        self.settings(listener, &format!(", client_ca: {}, client_certificates: {word}", ca.display()))
    }
}

impl TlsClient {
    /// Trusts an authority.
    pub fn trusting(authority: &Authority) -> Self {
        Self { ca: authority.pem(), ..Self::default() }
    }

    /// Shows a certificate.
    #[must_use]
    pub fn showing(mut self, identity: &Issued) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    /// Asks for protocols (ALPN).
    #[must_use]
    pub fn speaking(mut self, protocols: &[&str]) -> Self {
        self.protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    /// Speaks these versions of TLS only.
    #[must_use]
    pub fn versions(mut self, versions: &'static [&'static SupportedProtocolVersion]) -> Self {
        self.versions = Some(versions);
        self
    }

    /// What rustls makes of it.
    pub fn config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(self.ca.as_bytes()) {
            roots.add(certificate.expect("PEM")).expect("an authority");
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(self.versions.unwrap_or(rustls::ALL_VERSIONS)).expect("versions");
        let builder = builder.with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(Issued { certificate, key }) => {
                let chain =
                    CertificateDer::pem_slice_iter(certificate.as_bytes()).map(|der| der.expect("PEM")).collect();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("an identity")
            }
        };
        config.alpn_protocols.clone_from(&self.protocols);
        config
    }

    /// Connects to `localhost` at an address, and agrees on TLS as far as that shows to the client.
    pub fn connect(&self, address: SocketAddr) -> io::Result<TlsRaw> {
        Self::connect_with(&Arc::new(self.config()), address)
    }

    /// The same, for a client that remembers sessions from one connection to the next.
    pub fn connect_with(config: &Arc<ClientConfig>, address: SocketAddr) -> io::Result<TlsRaw> {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut connection = ClientConnection::new(Arc::clone(config), name).expect("a client");
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(Raw::over(StreamOwned::new(connection, stream)))
    }

    /// Connects, asks one thing, and gives the status; or what went wrong.
    pub fn status(&self, address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> Result<u16, String> {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let asked = self.connect(address).and_then(|mut raw| raw.ask(method, path, headers, body));
        asked.map(|answer| answer.status).map_err(|error| error.to_string())
    }
}
