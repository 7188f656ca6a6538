//! The listener's side of a connection.

use super::certificate::{self, Facts};
use crate::model::Timestamp;
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use std::{fmt, io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// What connections are taken with, as the files had it.
#[derive(Clone)]
pub struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// Whom the certificate names.
    pub names: Vec<String>,
    /// Until when it holds.
    pub expires: Timestamp,
}

/// Takes the connections of one listener, each with what counts at its beginning. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Acceptor {
    current: Arc<ArcSwap<Loaded>>,
    patience: Duration,
}

/// A connection that can be used.
#[derive(Debug)]
pub struct Greeted<S> {
    /// The stream.
    pub stream: TlsStream<S>,
    /// What the client's certificate says, where one was shown. It has been verified.
    pub shown: Option<Shown>,
}

/// What a client's certificate says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Whom it names.
    pub names: Vec<String>,
    /// Until when it holds.
    pub expires: Timestamp,
}

/// Why a connection cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The client took too long.
    #[error("the client took too long")]
    Slow,
    /// The client wants something else, is nobody to talk to, or is gone.
    #[error("the handshake has failed")]
    Failed(#[source] io::Error),
}

impl Acceptor {
    /// Takes connections with this; a handshake may take as long as `patience`.
    #[must_use]
    pub fn new(loaded: Loaded, patience: Duration) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(loaded)), patience }
    }

    /// Takes connections with something else from now on. Those that are there stay as they are.
    pub fn replace(&self, loaded: Loaded) {
        self.current.store(Arc::new(loaded));
    }

    /// What counts now.
    #[must_use]
    pub fn current(&self) -> Arc<Loaded> {
        self.current.load_full()
    }

    /// Agrees with a client on how to go on.
    ///
    /// # Errors
    /// Fails where the client does not come to an agreement in time.
    pub async fn greet<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Result<Greeted<S>, HandshakeError> {
        let acceptor = TlsAcceptor::from(Arc::clone(&self.current.load().config));
        let stream = timeout(self.patience, acceptor.accept(stream)).await.map_err(|_| HandshakeError::Slow)?;
        let stream = stream.map_err(HandshakeError::Failed)?;
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let shown = shown.and_then(certificate::read).map(|Facts { names, expires, .. }| Shown { names, expires });
        Ok(Greeted { stream, shown })
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("names", &self.names).field("expires", &self.expires).finish_non_exhaustive()
    }
}
