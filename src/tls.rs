//! Certificates, keys and whom they make trust: read from files, checked, and put to use on connections that others have made.
//!
//! Only this module names rustls. What a file lacks is said with the setting, the file and the mend; nothing falls back to less.

mod certificate;
mod client;
mod fault;
mod files;
mod pem;
mod server;

pub use client::{Connector, DialError, Dialled, Identity, TrustError, dial};
pub use fault::{Fault, Part};
pub use files::Files;
pub use server::{Acceptor, Greeted, HandshakeError, Loaded, Shown};

use rustls::crypto::{CryptoProvider, ring};
use std::sync::Arc;

/// The one set of ciphers, for servers and clients.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

#[cfg(test)]
mod tests;
