//! Connections to others: plain, or over TLS to somebody whose certificate is good.

use super::{Fault, Part, pem, provider};
use crate::{config, document};
use hyper_rustls::ConfigBuilderExt as _;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{InvalidDnsNameError, ServerName},
};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// Longest file of certificates.
const MOST_BYTES: usize = 1 << 20;

/// Whom to trust, and who to be. Cheap to clone.
#[derive(Clone)]
pub struct Connector(Arc<ClientConfig>);

/// Files by which a client shows who it is.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'i> {
    /// The certificate in PEM.
    pub certificate: &'i Path,
    /// Its key in PEM.
    pub key: &'i Path,
}

/// Why nobody can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A file is of no use.
    #[error("{0}")]
    File(Fault),
    /// There is nothing to begin with.
    #[error("this machine trusts no certificates; name a file of some")]
    NoRoots(#[source] io::Error),
    /// What the files hold does not fit together.
    #[error("the certificate `{}` and its key cannot be used", certificate.display())]
    Identity {
        /// The certificate.
        certificate: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// The library refuses.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nobody answers there.
    #[error("nobody answers")]
    Connect(#[source] io::Error),
    /// It can be no name in a certificate.
    #[error("`{0}` can be no name in a certificate")]
    Name(String, #[source] InvalidDnsNameError),
    /// Who answers is not who was meant, or speaks something else.
    #[error("there is no agreement on TLS")]
    Handshake(#[source] io::Error),
}

/// A stream to somebody.
pub type Dialled = Box<dyn Duplex>;

/// What can be read and written.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

impl Connector {
    /// Trusts the certificates of a file, or without one those that the system trusts; shows a certificate where there is one.
    ///
    /// # Errors
    /// Fails where a file is of no use, or the system trusts nobody.
    pub fn new(ca: Option<&Path>, identity: Option<Identity<'_>>) -> Result<Self, TrustError> {
        let builder = ClientConfig::builder_with_provider(provider());
        let builder = builder.with_safe_default_protocol_versions().map_err(TrustError::Setup)?;
        let builder = match ca {
            Some(path) => builder.with_root_certificates(of_file(path)?),
            None => builder.with_native_roots().map_err(TrustError::NoRoots)?,
        };
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let bytes = read(Part::Certificate, certificate)?;
                let chain = pem::certificates(Part::Certificate, certificate, &bytes).map_err(TrustError::File)?;
                let secret = config::read_private(key, "the key")
                    .map_err(|message| TrustError::File(Fault::new(Part::Key, key, message)))?;
                let private = pem::key(key, secret.reveal().as_bytes()).map_err(TrustError::File)?;
                let chain = chain.into_iter().map(|(der, _)| der).collect();
                let failed = |source| TrustError::Identity { certificate: certificate.to_owned(), source };
                builder.with_client_auth_cert(chain, private).map_err(failed)?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

/// Connects to a host, over TLS where there is a connector.
///
/// # Errors
/// Fails where nobody answers, or where who answers is not who was meant.
pub async fn dial(host: &str, port: u16, connector: Option<&Connector>) -> Result<Dialled, DialError> {
    let stream = TcpStream::connect((host, port)).await.map_err(DialError::Connect)?;
    let Some(Connector(config)) = connector else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| DialError::Name(host.to_owned(), error))?;
    let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await.map_err(DialError::Handshake)?;
    Ok(Box::new(stream))
}

fn read(part: Part, path: &Path) -> Result<Vec<u8>, TrustError> {
    document::read_file(path, MOST_BYTES).map_err(|error| {
        TrustError::File(Fault::new(part, path, format!("`{}` cannot be read: {error}", path.display())))
    })
}

fn of_file(path: &Path) -> Result<RootCertStore, TrustError> {
    let bytes = read(Part::ClientCa, path)?;
    let mut roots = RootCertStore::empty();
    for (der, facts) in pem::certificates(Part::ClientCa, path, &bytes).map_err(TrustError::File)? {
        let message = |error| format!("`{}` of `{}` cannot sign certificates: {error}", facts.shown, path.display());
        roots.add(der).map_err(|error| TrustError::File(Fault::new(Part::ClientCa, path, message(error))))?;
    }
    Ok(roots)
}
