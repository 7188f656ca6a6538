//! `server.*.tls`: the files of a listener's certificate, and whom it lets in.
//!
//! What the files hold is looked at where they are read; here is what must hold between the settings.

use super::{Settings, load::Given};
use crate::document::Diagnostics;
use std::{path::PathBuf, time::Duration};

/// `server.*.tls`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// `certificate`: the certificate and those that lead to who is trusted. Without it the listener speaks no TLS.
    pub certificate: Option<PathBuf>,
    /// `key`: there with the certificate.
    pub key: Option<PathBuf>,
    /// `client_ca`: who may sign the certificates of clients.
    pub client_ca: Option<PathBuf>,
    /// `client_certificates`
    pub client_certificates: ClientCertificates,
    /// `minimum_version`
    pub minimum_version: TlsVersion,
    /// `handshake_timeout`: how long a client may take until the connection can be used.
    pub handshake_timeout: Duration,
}

/// `client_certificates`: whether clients show who they are by a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientCertificates {
    /// They are not asked.
    #[default]
    Off,
    /// They may; a certificate that does not hold ends the connection.
    Optional,
    /// They must.
    Required,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsVersion {
    /// 1.2
    #[default]
    V1_2,
    /// 1.3
    V1_3,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            certificate: None,
            key: None,
            client_ca: None,
            client_certificates: ClientCertificates::default(),
            minimum_version: TlsVersion::default(),
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

impl Tls {
    /// Whether the listener speaks TLS.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.certificate.is_some()
    }
}

/// The keys of one listener, so that a problem can name them.
struct Keys {
    certificate: &'static str,
    key: &'static str,
    client_ca: &'static str,
    client_certificates: &'static str,
}

macro_rules! keys_of {
    ($section:literal) => {
        Keys {
            certificate: concat!($section, ".certificate"),
            key: concat!($section, ".key"),
            client_ca: concat!($section, ".client_ca"),
            client_certificates: concat!($section, ".client_certificates"),
        }
    };
}

/// Checks the settings of all listeners.
pub(super) fn check(settings: &Settings, given: &Given, problems: &mut Diagnostics) {
    let server = &settings.server;
    for (tls, keys) in [
        (&server.authorize.tls, keys_of!("server.authorize.tls")),
        (&server.admin_tls, keys_of!("server.admin.tls")),
        (&server.ops_tls, keys_of!("server.ops.tls")),
    ] {
        listener(tls, &keys, given, problems);
    }
    // Nobody is told from anybody else there.
    if server.ops_tls.client_certificates == ClientCertificates::Optional {
        const KEY: &str = "server.ops.tls.client_certificates";
        let message = format!("`{KEY}: optional` has no effect: everybody is served alike");
        let problem = given.problem(&[KEY], "certificates-without-effect", message);
        problems.push(problem.with_help("say `required`, or `off`".to_owned()));
    }
}

fn listener(tls: &Tls, keys: &Keys, given: &Given, problems: &mut Diagnostics) {
    let mut problem = |at: &[&'static str], code, message: String| problems.push(given.problem(at, code, message));
    let Keys { certificate, key, client_ca, client_certificates } = *keys;
    match (&tls.certificate, &tls.key) {
        (Some(_), None) => problem(&[certificate], "missing-value", format!("`{certificate}` needs `{key}`")),
        (None, Some(_)) => problem(&[key], "missing-value", format!("`{key}` needs `{certificate}`")),
        _ => {}
    }
    let asks = tls.client_certificates != ClientCertificates::Off;
    match (&tls.client_ca, asks) {
        (Some(_), false) => problem(
            &[client_ca],
            "ca-without-effect",
            format!("`{client_ca}` has no effect with `{client_certificates}: off`: say `required` or `optional`"),
        ),
        (None, true) => problem(
            &[client_certificates],
            "missing-value",
            format!("`{client_certificates}` needs `{client_ca}`: whose certificates are good?"),
        ),
        _ => {}
    }
    if asks && !tls.is_on() {
        let message = format!("clients show certificates over TLS only: `{client_certificates}` needs `{certificate}`");
        problem(&[client_certificates], "missing-value", message);
    }
}
