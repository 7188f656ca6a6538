//! Posts checkpoints: plain HTTP, one connection each, and never longer than a few seconds.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use std::{io, time::Duration};
use tokio::{net::TcpStream, runtime::Runtime, time::timeout};

/// How long one delivery may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// A receiver of checkpoints.
#[derive(Debug)]
pub(crate) struct Webhook {
    runtime: Runtime,
    uri: Uri,
    host: String,
    port: u16,
}

/// Why a checkpoint was not delivered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebhookError {
    #[error("it cannot be reached")]
    Connect(#[from] io::Error),
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
    /// For a plain `http` address. `None` where it is none.
    pub(crate) fn new(address: &str) -> Option<io::Result<Self>> {
        let uri: Uri = address.parse().ok()?;
        if uri.scheme_str() != Some("http") {
            return None;
        }
        let host = uri.host()?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(80);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Some(runtime.map(|runtime| Self { runtime, uri, host, port }))
    }

    /// Posts a line of JSON and waits for the answer, which must be a success.
    pub(crate) fn post(&self, line: &str) -> Result<(), WebhookError> {
        let exchange = async { timeout(PATIENCE, self.exchange(line.to_owned())).await };
        self.runtime.block_on(exchange).unwrap_or(Err(WebhookError::Slow))
    }

    async fn exchange(&self, line: String) -> Result<(), WebhookError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::post(path)
            .header(header::HOST, authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::CONNECTION, "close")
            .body(Full::new(Bytes::from(line)))?;
        let asking = async move { sender.send_request(request).await.map(|response| response.status()) };
        // The connection ends by itself once the answer's head is there and nobody wants more.
        let (_, status) = tokio::join!(connection, asking);
        let status = status?;
        if status.is_success() { Ok(()) } else { Err(WebhookError::Refused(status)) }
    }
}
