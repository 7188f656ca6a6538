//! Addresses of HTTP, taken apart.

use super::mail::is_host;
use std::fmt;

/// An address of `http` or `https`, without a login and without a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAddress {
    /// Whether it is `https`.
    pub secure: bool,
    /// The host; an IPv6 address without brackets.
    pub host: String,
    /// The port, where it is not the usual one.
    pub port: Option<u16>,
    /// Path and query, from the slash on.
    pub target: String,
}

impl WebAddress {
    /// Reads an address; `None` where the text is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (secure, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return None,
        };
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['#', '\\']);
        let (authority, target) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, "/"));
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']')?;
                (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
            }
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let port: Option<u16> = port.map(str::parse).transpose().ok()?;
        let fits = is_plain && is_host(host) && port != Some(0);
        fits.then(|| Self { secure, host: host.to_owned(), port, target: target.to_owned() })
    }

    /// The port to connect to.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.secure { 443 } else { 80 })
    }

    /// Host and port as a request names them.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        self.port.map_or(host.clone(), |port| format!("{host}:{port}"))
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.target)
    }
}
