//! What operators are told of those who come in: TLS and callers.

use crate::{
    model::Timestamp,
    telemetry::{Handshake, Metrics, TlsReload, limit::FINDINGS},
};
use std::net::IpAddr;
use tracing::{debug, error, info, warn};

/// A listener shows this certificate.
pub fn tls_loaded(listener: &str, names: &[String], expires: Timestamp) {
    let names = names.join(", ");
    info!(event = "tls_loaded", listener, names, %expires, "the listener speaks TLS");
}

/// A listener shows another certificate from now on, or its files are good again.
pub fn tls_reloaded(metrics: &Metrics, listener: &str, names: &[String], expires: Timestamp) {
    metrics.tls_reload(listener, TlsReload::Loaded);
    metrics.tls_rejected(listener, false);
    let names = names.join(", ");
    info!(event = "tls_reloaded", listener, names, %expires, "new connections get the certificate as the files have it");
}

/// The files of a listener's certificate are of no use; the one that is shown stays.
pub fn tls_rejected(metrics: &Metrics, listener: &str, problems: &[String]) {
    metrics.tls_reload(listener, TlsReload::Rejected);
    metrics.tls_rejected(listener, true);
    for problem in problems {
        error!(target: FINDINGS, event = "tls_rejected", listener, problem, "{problem}; the certificate that is shown stays");
    }
}

/// The certificate that a listener shows is of no use any more.
pub fn tls_expired(listener: &str, expires: Timestamp) {
    error!(event = "tls_expired", listener, %expires, "the certificate of the listener has expired");
}

/// A connection could not be made safe. Clients hang up and send garbage, so that this is no news to an operator; the metric is.
pub fn handshake_failed(metrics: &Metrics, listener: &str, outcome: Handshake, why: &str) {
    metrics.tls_handshake(listener, outcome);
    debug!(event = "handshake_failed", listener, why, "a connection could not be made safe");
}

/// Tokens are sent where others may read them.
pub fn tokens_in_the_open(listener: &str) {
    warn!(
        event = "tokens_in_the_open",
        listener,
        help = format!("set `server.{listener}.tls`, unless something else encrypts what comes here"),
        "bearer tokens come through the network without TLS"
    );
}

/// Somebody tried a bearer token of the authorize listener that is not known. Told for the first of an address and for the last that
/// is borne.
pub fn caller_token_unknown(from: IpAddr, is_last: bool) {
    warn!(
        event = "caller_token_unknown",
        %from,
        is_last,
        "{}",
        if is_last {
            "unknown tokens of callers from this address: it is not heard for a moment"
        } else {
            "a caller's bearer token is not known"
        }
    );
}
