//! Where keys are fetched from: `https`, or `http` on this machine.

use crate::config::{WebAddress, mail::is_this_machine};
use std::ops::Deref;

/// An address that keys are fetched from.
// INVARIANT: it is `https`, or the host is this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAddress(WebAddress);

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
        let address = WebAddress::parse(text)
            .ok_or_else(|| format!("`{text}` is no address such as `https://id.example/realms/shop/certs`"))?;
        if !address.secure && !is_this_machine(&address.host) {
            return Err(format!(
                "`{text}` would fetch keys in the open: `http` is taken for this machine alone, elsewhere it is `https`"
            ));
        }
        Ok(Self(address))
    }
}

impl Deref for KeyAddress {
    type Target = WebAddress;

    fn deref(&self) -> &WebAddress {
        &self.0
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
