//! `server.authorize.trusted_proxies` and `server.authorize.proxy`: whom to believe about the requests of others, and what to tell
//! the applications behind.

use super::{
    Settings,
    file::Reading,
    kinds::{Kind, ReadNode},
    load::Given,
};
use crate::document::{Diagnostics, Node};
use std::{fmt, net::IpAddr, str::FromStr};

/// `server.authorize.proxy`
#[derive(Debug, Clone)]
pub struct Proxy {
    /// `user_header`: the header in which trusted proxies say who the user is, in lower case; none without it.
    pub user_header: Option<String>,
    /// `user_claim`: the claim of a token verified by a trusted proxy that says who the user is; none without it.
    pub user_claim: Option<String>,
    /// `header_prefix`: what the names of headers for applications begin with, in lower case.
    pub header_prefix: String,
    /// `tell_reasons`: whether clients are told why they may not.
    pub tell_reasons: bool,
}

/// Somebody whom the authorize listener believes about the requests of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trusted {
    /// Whoever comes through the Unix socket.
    Unix,
    /// Whoever comes from this network.
    Network(Network),
}

/// Addresses with the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    // INVARIANT: canonical, and no bit behind the first `bits` is set.
    address: IpAddr,
    bits: u8,
}

impl Default for Proxy {
    fn default() -> Self {
        Self { user_header: None, user_claim: None, header_prefix: "sidegate-".to_owned(), tell_reasons: false }
    }
}

impl Trusted {
    /// Whether it is somebody at this address; `None` for the Unix socket.
    #[must_use]
    pub fn is_at(&self, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::Unix, None) => true,
            (Self::Network(network), Some(address)) => network.contains(address),
            (Self::Unix, Some(_)) | (Self::Network(_), None) => false,
        }
    }

    fn read(text: &str) -> Option<Self> {
        if text == UNIX { Some(Self::Unix) } else { Network::read(text).map(Self::Network) }
    }
}

/// A text that names nobody whom to trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no network, no address, and not `unix`")]
pub struct NobodyToTrust;

impl FromStr for Trusted {
    type Err = NobodyToTrust;

    fn from_str(text: &str) -> Result<Self, NobodyToTrust> {
        Self::read(text).ok_or(NobodyToTrust)
    }
}

impl Network {
    /// Whether an address belongs to it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.bits) == self.address
    }

    /// Reads `10.1.0.0/16`, `2001:db8::/32`, or one address. Bits behind the network's are an error: they say that something else was
    /// meant.
    fn read(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok().filter(|address: &IpAddr| address.to_canonical() == *address)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().ok().filter(|bits| *bits <= most)?
            }
            Some(_) => return None,
            None => most,
        };
        (masked(address, bits) == address).then_some(Self { address, bits })
    }
}

/// An address with all bits behind the first so many unset.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

impl fmt::Display for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix => f.write_str(UNIX),
            Self::Network(Network { address, bits }) => write!(f, "{address}/{bits}"),
        }
    }
}

/// The word for the Unix socket.
const UNIX: &str = "unix";

/// `server.authorize.trusted_proxies`: a list in the file, `unix, 10.1.0.0/16` in the environment.
pub(super) struct TrustedProxies;

impl Kind for TrustedProxies {
    type Value = Vec<Trusted>;
    const WANTED: &'static str = "a list of networks such as `10.1.0.0/16`, of addresses, and of the word `unix`";
    const NODE: Option<ReadNode<Self::Value>> = Some(read_list);

    fn read(text: &str) -> Option<Self::Value> {
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Trusted::read).collect()
    }

    fn show(value: &Self::Value) -> String {
        format!("[{}]", value.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
    }
}

fn read_list(node: &Node, reading: &mut Reading<'_>) -> Option<Vec<Trusted>> {
    let items = node.as_list()?;
    let mut trusted = Vec::with_capacity(items.len());
    for item in items {
        if let Some(found) = item.as_text().and_then(Trusted::read) {
            trusted.push(found);
        } else {
            let message = format!("`{}` is no network, no address, and not `unix`", reading.written(&item.span));
            let help = "a network is written with its first address: `10.1.0.0/16`".to_owned();
            reading.problem("invalid-value", &item.span, message, Some(help));
        }
    }
    Some(trusted)
}

/// The name of a header, or what one begins with: in lower case, since names of headers have no case.
pub(super) fn read_header(text: &str) -> Option<String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (!text.is_empty() && text.len() <= 128 && text.bytes().all(is_token)).then(|| text.to_ascii_lowercase())
}

/// Headers whose value is the client's to choose, or which mean something to every proxy: none can say who the user is.
const NOT_OF_PROXIES: [&str; 6] =
    ["authorization", "cookie", "host", "x-forwarded-for", "x-forwarded-host", "x-request-id"];

/// A header that nobody may be believed about says that something else was meant.
pub(super) fn check(settings: &Settings, given: &Given, problems: &mut Diagnostics) {
    const HEADER: &str = "server.authorize.proxy.user_header";
    const CLAIM: &str = "server.authorize.proxy.user_claim";
    let server = &settings.server.authorize;
    let Proxy { user_header, user_claim, .. } = &server.proxy;
    for (key, told) in [(HEADER, user_header), (CLAIM, user_claim)] {
        if told.is_some() && server.trusted_proxies.is_empty() {
            let message = format!("`{key}` has no effect: no proxy is trusted to send it");
            let problem = given.problem(&[key, "server.authorize.trusted_proxies"], "header-without-proxy", message);
            problems
                .push(problem.with_help("list the proxy's address in `server.authorize.trusted_proxies`".to_owned()));
        }
    }
    let Some(header) = user_header else { return };
    if NOT_OF_PROXIES.contains(&header.as_str()) {
        let message = format!("`{header}` cannot say who the user is: its value is not a proxy's to choose");
        problems.push(given.problem(&[HEADER], "invalid-value", message));
    }
    if header.starts_with(&server.proxy.header_prefix) {
        let message = format!("`{header}` cannot say who the user is: applications are told under such names");
        problems.push(given.problem(&[HEADER, "server.authorize.proxy.header_prefix"], "invalid-value", message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_with_its_first_bits() {
        for (network, inside, outside) in [
            ("10.1.0.0/16", "10.1.255.255", "10.2.0.0"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.2"),
            ("10.1.2.3/32", "::ffff:10.1.2.3", "::10.1.2.3"),
            ("0.0.0.0/0", "192.0.2.1", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "127.0.0.1"),
            ("::/0", "::1", "127.0.0.1"),
        ] {
            let trusted = Trusted::read(network).unwrap_or_else(|| panic!("{network}"));
            assert!(trusted.is_at(Some(inside.parse().unwrap())), "{inside} in {network}");
            assert!(!trusted.is_at(Some(outside.parse().unwrap())), "{outside} in {network}");
            assert!(!trusted.is_at(None), "the Unix socket in {network}");
        }
        assert!(Trusted::Unix.is_at(None) && !Trusted::Unix.is_at(Some([127, 0, 0, 1].into())));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.1.2.3/16",
            "10.1.0.0/33",
            "10.1.0.0/",
            "10.1.0.0/+8",
            "10.1",
            "localhost",
            "::ffff:10.0.0.1",
            "2001:db8::1/32",
            "*",
        ] {
            assert_eq!(Trusted::read(text), None, "{text}");
        }
        assert_eq!(
            TrustedProxies::read("unix, 10.1.0.0/16,::1").map(|list| TrustedProxies::show(&list)),
            Some("[unix, 10.1.0.0/16, ::1/128]".to_owned())
        );
        assert_eq!(TrustedProxies::read("unix, 10.1.0.1/16"), None);
    }
}
