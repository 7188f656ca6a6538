//! How connections of every listener begin where TLS is spoken.

use crate::{
    telemetry::{Handshake, Metrics, events},
    tls::{Acceptor, Greeted, HandshakeError},
};
use tokio::io::{AsyncRead, AsyncWrite};

/// What clients of the authorize listener may speak (ALPN), the best first.
pub const AUTHORIZE_PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// What clients of the admin and the ops listener may speak.
pub const MANAGEMENT_PROTOCOLS: &[&[u8]] = &[b"http/1.1"];

/// Agrees with a client on how to go on, and counts what came of it. Nothing where the connection cannot be used.
pub(super) async fn greet<S>(
    acceptor: &Acceptor,
    stream: S,
    listener: &'static str,
    metrics: &Metrics,
) -> Option<Greeted<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match acceptor.greet(stream).await {
        Ok(greeted) => {
            metrics.tls_handshake(listener, Handshake::Done);
            Some(greeted)
        }
        Err(error) => {
            let outcome = match &error {
                HandshakeError::Slow => Handshake::TimedOut,
                HandshakeError::Failed(_) => Handshake::Failed,
            };
            events::handshake_failed(metrics, listener, outcome, &events::Chain(&error).to_string());
            None
        }
    }
}
