//! Fetches keys: one connection each, bounded in time and in size. Redirects are not followed, since the address says whom to trust.

use crate::config::KeyAddress;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::{Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, InvalidDnsNameError, ServerName, pem::PemObject as _},
};
use std::{error::Error, fmt, io, path::Path, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Longest set of keys.
pub(super) const MOST_BYTES: usize = 256 << 10;

/// Longest head of an answer.
const MOST_HEAD_BYTES: usize = 16 << 10;

/// Why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The certificates to trust cannot be read.
    #[error("the certificates of `subjects.keys.ca_file` cannot be read")]
    Certificates(#[source] rustls::pki_types::pem::Error),
    /// A certificate to trust is none.
    #[error("a certificate of `subjects.keys.ca_file` cannot be used")]
    Certificate(#[source] rustls::Error),
    /// There is nothing to trust.
    #[error("there is no certificate to trust: the system has none, or `subjects.keys.ca_file` holds none")]
    NoTrust,
    /// TLS cannot be spoken at all.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The host has no name that a certificate can have.
    #[error("the host is no name that a certificate can have")]
    Name(#[source] InvalidDnsNameError),
    /// No connection, or no trust in who answers.
    #[error("it cannot be reached")]
    Connect(#[source] io::Error),
    /// The conversation broke off.
    #[error("the conversation broke off")]
    Broken(#[source] hyper::Error),
    /// The body broke off.
    #[error("the answer broke off")]
    Body(#[source] Box<dyn Error + Send + Sync>),
    /// The request cannot be made of the address.
    #[error("the request cannot be made")]
    Request(#[source] hyper::http::Error),
    /// It answered something else than `200`.
    #[error("it answered {0}")]
    Refused(StatusCode),
    /// The answer is too long.
    #[error("the answer is longer than {MOST_BYTES} bytes")]
    TooLong,
    /// It took too long.
    #[error("it did not answer in time")]
    Slow,
}

/// Fetches keys. To be made once for many fetches.
#[derive(Clone)]
pub(super) struct Fetcher {
    /// Where an address is `https`.
    tls: Option<TlsConnector>,
}

impl Fetcher {
    /// A fetcher that speaks TLS where an address needs it. Trusts the certificates of a file, or else those of the system.
    pub(super) fn new(ca_file: Option<&Path>, speaks_tls: bool) -> Result<Self, FetchError> {
        if !speaks_tls {
            return Ok(Self { tls: None });
        }
        let trusted = match ca_file {
            Some(path) => of_file(path)?,
            None => of_system(),
        };
        if trusted.is_empty() {
            return Err(FetchError::NoTrust);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(FetchError::Tls)?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        Ok(Self { tls: Some(TlsConnector::from(Arc::new(config))) })
    }

    /// Fetches what is at an address.
    pub(super) async fn fetch(&self, address: &KeyAddress, patience: Duration) -> Result<Bytes, FetchError> {
        timeout(patience, self.connect(address)).await.unwrap_or(Err(FetchError::Slow))
    }

    async fn connect(&self, address: &KeyAddress) -> Result<Bytes, FetchError> {
        let stream = TcpStream::connect((address.host.as_str(), address.port())).await.map_err(FetchError::Connect)?;
        match (&self.tls, address.secure) {
            (_, false) => exchange(stream, address).await,
            (Some(tls), true) => {
                let name = ServerName::try_from(address.host.clone()).map_err(FetchError::Name)?;
                exchange(tls.connect(name, stream).await.map_err(FetchError::Connect)?, address).await
            }
            (None, true) => Err(FetchError::NoTrust),
        }
    }
}

async fn exchange<S>(stream: S, address: &KeyAddress) -> Result<Bytes, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MOST_HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(FetchError::Broken)?;
    let request = Request::get(&address.target)
        .header(header::HOST, address.authority())
        .header(header::ACCEPT, "application/jwk-set+json, application/json")
        .header(header::USER_AGENT, concat!("sidegate/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(FetchError::Request)?;
    let asking = async move {
        let response = sender.send_request(request).await.map_err(FetchError::Broken)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Refused(response.status()));
        }
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|error| if error.is::<LengthLimitError>() { FetchError::TooLong } else { FetchError::Body(error) })
    };
    let (mut asking, mut connection) = (pin!(asking), pin!(connection));
    tokio::select! {
        biased;
        answer = asking.as_mut() => answer,
        // What has arrived before the end is still to be read.
        ended = connection.as_mut() => match ended {
            Ok(()) => asking.await,
            Err(error) => Err(FetchError::Broken(error)),
        },
    }
}

fn of_file(path: &Path) -> Result<RootCertStore, FetchError> {
    let mut trusted = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(FetchError::Certificates)? {
        trusted.add(certificate.map_err(FetchError::Certificates)?).map_err(FetchError::Certificate)?;
    }
    Ok(trusted)
}

/// Those of the system that can be used: among a hundred there may be one that cannot.
fn of_system() -> RootCertStore {
    let mut trusted = RootCertStore::empty();
    trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    trusted
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").field("tls", &self.tls.is_some()).finish()
    }
}
