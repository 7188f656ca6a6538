//! Posts batches to a collector: OTLP over HTTP, on one connection that is kept.

use super::wire::Answer;
use crate::{
    config::{SpanExport, WebAddress},
    tls::{Connector, DialError, Identity, TrustError, dial},
};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    HeaderMap, Request, StatusCode,
    client::conn::http1::{self, SendRequest},
    header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use prost::Message as _;
use std::{error::Error, time::Duration};
use tokio::task::JoinSet;

/// What is read of an answer at the most.
const MOST_ANSWER: usize = 64 << 10;

/// The other end of the export.
#[derive(Debug)]
pub(super) struct Collector {
    address: WebAddress,
    connector: Option<Connector>,
    headers: HeaderMap,
    kept: Option<Kept>,
}

/// A connection that the next batch can use.
#[derive(Debug)]
struct Kept {
    sender: SendRequest<Full<Bytes>>,
    /// Drives the connection, and ends with it.
    _driver: JoinSet<()>,
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("it cannot be reached")]
    Dial(#[source] DialError),
    #[error("the conversation broke off")]
    Broken(#[source] hyper::Error),
    #[error("the answer broke off")]
    Body(#[source] Box<dyn Error + Send + Sync>),
    #[error("the request cannot be made")]
    Request(#[source] hyper::http::Error),
    #[error("it answered {status}")]
    Refused {
        status: StatusCode,
        /// When to ask again, where it said so.
        after: Option<Duration>,
    },
    #[error("it did not answer in time")]
    Slow,
}

impl PostError {
    /// Whether the same batch may be taken later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Dial(_) | Self::Broken(_) | Self::Body(_) => true,
            Self::Refused { status, .. } => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Request(_) | Self::Slow => false,
        }
    }

    /// When at the soonest, where it said so.
    pub(super) const fn after(&self) -> Option<Duration> {
        match self {
            Self::Refused { after, .. } => *after,
            _ => None,
        }
    }
}

impl Collector {
    /// The collector of the settings, not connected yet.
    pub(super) fn new(settings: &SpanExport) -> Result<Self, TrustError> {
        let connector = if settings.endpoint.secure {
            let identity = settings.identity.as_ref().map(|(certificate, key)| Identity { certificate, key });
            Some(Connector::new(settings.ca.as_deref(), identity)?)
        } else {
            None
        };
        // Names and values were checked with the settings.
        let headers = settings.headers.iter().filter_map(|(name, value)| {
            let mut value = HeaderValue::from_str(value.reveal()).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
        });
        Ok(Self { address: settings.endpoint.clone(), connector, headers: headers.collect(), kept: None })
    }

    /// Posts a batch. Answers how many spans of it were refused.
    pub(super) async fn post(&mut self, body: Bytes) -> Result<u64, PostError> {
        if let Some(kept) = self.kept.take() {
            match self.exchange(kept, body.clone()).await {
                // The other end has closed what was kept: that says nothing of a new connection.
                Err(PostError::Broken(_)) => {}
                outcome => return outcome,
            }
        }
        let kept = self.connect().await?;
        self.exchange(kept, body).await
    }

    async fn connect(&self) -> Result<Kept, PostError> {
        let Self { address, connector, .. } = self;
        let stream = dial(&address.host, address.port(), connector.as_ref()).await.map_err(PostError::Dial)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(PostError::Broken)?;
        let mut driver = JoinSet::new();
        // What goes wrong on it is told by the request that needs it.
        driver.spawn(async move { drop(connection.await) });
        Ok(Kept { sender, _driver: driver })
    }

    async fn exchange(&mut self, mut kept: Kept, body: Bytes) -> Result<u64, PostError> {
        kept.sender.ready().await.map_err(PostError::Broken)?;
        let mut request = Request::post(&self.address.target)
            .header(HOST, self.address.authority())
            .header(CONTENT_TYPE, "application/x-protobuf")
            .header(USER_AGENT, concat!("sidegate/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(PostError::Request)?;
        request.headers_mut().extend(self.headers.clone());
        let response = kept.sender.send_request(request).await.map_err(PostError::Broken)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MOST_ANSWER).collect().await.map_err(PostError::Body)?.to_bytes();
        self.kept = Some(kept).filter(|kept| !kept.sender.is_closed());
        if !head.status.is_success() {
            let after = head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            return Err(PostError::Refused { status: head.status, after: after.map(Duration::from_secs) });
        }
        // An answer that says nothing of refused spans has refused none.
        let partial = Answer::decode(body).ok().and_then(|answer| answer.partial_success);
        Ok(partial.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or_default()))
    }
}
