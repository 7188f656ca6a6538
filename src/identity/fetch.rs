//! Fetches keys: one connection each, bounded in time and in size. Redirects are not followed, since the address says whom to trust.

use crate::{
    config::KeyAddress,
    telemetry::trace::{Outgoing, TRACEPARENT},
    tls::{self, Connector, DialError, TrustError},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::{Request, StatusCode, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use std::{error::Error, path::Path, pin::pin, time::Duration};
use tokio::time::timeout;

/// Longest set of keys.
pub(super) const MOST_BYTES: usize = 256 << 10;

/// Longest head of an answer.
const MOST_HEAD_BYTES: usize = 16 << 10;

/// Why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is nobody to trust.
    #[error("`subjects.keys.ca_file`")]
    Trust(#[source] TrustError),
    /// No connection, or no trust in who answers.
    #[error("it cannot be reached")]
    Dial(#[source] DialError),
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
    /// The address is `https`, and nobody was to be trusted.
    #[error("there is nobody to trust")]
    Untrusted,
    /// It took too long.
    #[error("it did not answer in time")]
    Slow,
}

/// Fetches keys. To be made once for many fetches.
#[derive(Debug, Clone)]
pub(super) struct Fetcher {
    /// There where an address is `https`.
    trusted: Option<Connector>,
}

impl Fetcher {
    /// A fetcher that speaks TLS where an address needs it. Trusts the certificates of a file, or else those of the system.
    pub(super) fn new(ca_file: Option<&Path>, speaks_tls: bool) -> Result<Self, FetchError> {
        let trusted = speaks_tls.then(|| Connector::new(ca_file, None)).transpose().map_err(FetchError::Trust)?;
        Ok(Self { trusted })
    }

    /// Fetches what is at an address.
    pub(super) async fn fetch(&self, address: &KeyAddress, patience: Duration) -> Result<Bytes, FetchError> {
        let call = Outgoing::begin("GET", &address.host, address.port());
        let fetched = timeout(patience, self.ask(address, &call)).await.unwrap_or(Err(FetchError::Slow));
        call.end(match &fetched {
            Ok(_) => Some(StatusCode::OK.as_u16()),
            Err(FetchError::Refused(status)) => Some(status.as_u16()),
            Err(_) => None,
        });
        fetched
    }

    async fn ask(&self, address: &KeyAddress, call: &Outgoing) -> Result<Bytes, FetchError> {
        let connector = match (&self.trusted, address.secure) {
            (_, false) => None,
            (Some(trusted), true) => Some(trusted),
            // It was made for the addresses of the settings; for another one nobody is trusted.
            (None, true) => return Err(FetchError::Untrusted),
        };
        let stream = tls::dial(&address.host, address.port(), connector).await.map_err(FetchError::Dial)?;
        exchange(stream, address, call).await
    }
}

async fn exchange(stream: tls::Dialled, address: &KeyAddress, call: &Outgoing) -> Result<Bytes, FetchError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MOST_HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(FetchError::Broken)?;
    let mut request = Request::get(&address.target)
        .header(header::HOST, address.authority())
        .header(header::ACCEPT, "application/jwk-set+json, application/json")
        .header(header::USER_AGENT, concat!("sidegate/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close");
    if let Some(place) = call.header() {
        request = request.header(TRACEPARENT, place);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(FetchError::Request)?;
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
