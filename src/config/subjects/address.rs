//! Where keys are fetched from: `https`, or `http` on this machine.

use crate::config::mail::{is_host, is_this_machine};
use std::fmt;

/// An address that keys are fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAddress {
    // INVARIANT: true, or the host is this machine.
    /// Whether it is `https`.
    pub secure: bool,
    /// The host; an IPv6 address without brackets.
    pub host: String,
    /// The port, where it is not the usual one.
    pub port: Option<u16>,
    /// Path and query, from the slash on.
    pub target: String,
}

impl KeyAddress {
    /// Whether a text is meant as an address, and not as a path of a file.
    pub(super) fn is_meant(text: &str) -> bool {
        text.contains("://")
    }

    /// Reads an address.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wanted = || format!("`{text}` is no address such as `https://id.example/realms/shop/certs`");
        let (secure, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(wanted()),
        };
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['#', '\\']);
        let (authority, target) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, "/"));
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or_else(wanted)?;
                (host, if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(wanted)?) })
            }
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let port: Option<u16> = port.map(|port| port.parse().map_err(|_| wanted())).transpose()?;
        if !is_plain || !is_host(host) || port == Some(0) {
            return Err(wanted());
        }
        if !secure && !is_this_machine(host) {
            return Err(format!(
                "`{text}` would fetch keys in the open: `http` is taken for this machine alone, elsewhere it is `https`"
            ));
        }
        Ok(Self { secure, host: host.to_owned(), port, target: target.to_owned() })
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

impl fmt::Display for KeyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_the_same() {
        for (text, host, port) in [
            ("https://id.example/certs", "id.example", 443),
            ("https://id.example:8443/realms/a/certs?x=1", "id.example", 8443),
            ("http://127.0.0.1:8080/jwks.json", "127.0.0.1", 8080),
            ("http://[::1]:80/", "::1", 80),
            ("https://[2001:db8::1]/k", "2001:db8::1", 443),
            ("http://localhost/k", "localhost", 80),
        ] {
            let address = KeyAddress::parse(text).unwrap();
            assert_eq!((address.to_string().as_str(), address.host.as_str(), address.port()), (text, host, port));
        }
        assert_eq!(KeyAddress::parse("https://id.example").unwrap().to_string(), "https://id.example/");
    }

    #[test]
    fn what_is_no_address_or_leaves_the_machine_in_the_open_is_refused() {
        for text in [
            "http://id.example/certs",
            "http://10.0.0.1/certs",
            "http://localhost.example/certs",
            "ftp://id.example/certs",
            "https://",
            "https:///certs",
            "https://user:secret@id.example/certs",
            "https://id.example:0/certs",
            "https://id.example:99999/certs",
            "https://id.example/a b",
            "https://id.example/certs#x",
            "https://[::1/certs",
            "https://[::1]x/certs",
        ] {
            assert!(KeyAddress::parse(text).is_err(), "{text}");
        }
    }
}
