//! Posts checkpoints: one connection each, over TLS where the address says so, and never longer than a few seconds.

use crate::{
    telemetry::trace::{Outgoing, TRACEPARENT},
    tls::{Connector, DialError, TrustError, dial},
};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use std::{io, path::Path, time::Duration};
use tokio::{runtime::Runtime, time::timeout};

/// How long one delivery may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// A receiver of checkpoints.
#[derive(Debug)]
pub(crate) struct Webhook {
    runtime: Runtime,
    uri: Uri,
    host: String,
    port: u16,
    connector: Option<Connector>,
}

/// Why there is nobody to post to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error("it is no address of HTTP or HTTPS")]
    Address,
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("the runtime cannot be started")]
    Runtime(#[from] io::Error),
}

/// Why a checkpoint was not delivered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    #[error("it cannot be reached")]
    Connect(#[from] DialError),
    #[error("the conversation broke off")]
    Broken(#[from] hyper::Error),
    #[error("the request cannot be made")]
    Request(#[from] hyper::http::Error),
    #[error("it did not answer in time")]
    Slow,
    #[error("it answered {0}")]
    Refused(StatusCode),
}

impl Webhook {
    /// For an address. Whom to trust is said by a file, or without one by the system.
    pub(crate) fn new(address: &str, ca: Option<&Path>) -> Result<Self, SetupError> {
        let uri: Uri = address.parse().map_err(|_| SetupError::Address)?;
        let (port, connector) = match uri.scheme_str() {
            Some("http") => (80, None),
            Some("https") => (443, Some(Connector::new(ca, None)?)),
            _ => return Err(SetupError::Address),
        };
        let host = uri.host().ok_or(SetupError::Address)?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(port);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { runtime, uri, host, port, connector })
    }

    /// Posts a line of JSON and waits for the answer, which must be a success.
    pub(crate) fn post(&self, line: &str) -> Result<(), WebhookError> {
        let call = Outgoing::begin("POST", &self.host, self.port);
        let exchange = async { timeout(PATIENCE, self.exchange(line.to_owned(), &call)).await };
        let status = self.runtime.block_on(exchange).unwrap_or(Err(WebhookError::Slow));
        call.end(status.as_ref().ok().map(StatusCode::as_u16));
        let status = status?;
        if status.is_success() { Ok(()) } else { Err(WebhookError::Refused(status)) }
    }

    /// Posts it; answers the status.
    async fn exchange(&self, line: String, call: &Outgoing) -> Result<StatusCode, WebhookError> {
        let stream = dial(&self.host, self.port, self.connector.as_ref()).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::post(path)
            .header(header::HOST, authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close");
        if let Some(place) = call.header() {
            request = request.header(TRACEPARENT, place);
        }
        let request = request.body(Full::new(Bytes::from(line)))?;
        let asking = async move { sender.send_request(request).await.map(|response| response.status()) };
        // The connection ends by itself once the answer's head is there and nobody wants more.
        let (_, status) = tokio::join!(connection, asking);
        Ok(status?)
    }
}
