//! Who is at the other end of a connection, and what one request says beside its body.

use super::trace::Trace;
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

/// Who is at the other end of a connection. A proxy in between is who is seen here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    /// Where it is.
    pub(super) address: PeerAddress,
    /// The names of its certificate, where one was demanded, given and verified: those of the applicant, not of who signed.
    pub(super) names: Vec<String>,
    /// Whether the connection speaks TLS.
    pub(super) is_secure: bool,
}

/// Where somebody who connects is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum PeerAddress {
    /// On a network, this machine's own included.
    Ip(SocketAddr),
    /// On this machine, through a Unix socket.
    Unix,
}

/// One request, as far as whoever answers it needs to know: cheap to copy, and handed down to the record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'c> {
    /// The id that answer and record carry.
    pub(super) request_id: &'c str,
    /// Who is at the other end.
    pub(super) peer: &'c Peer,
    /// The name of the caller; empty where nobody needs to be known.
    pub(super) caller: &'c str,
    /// The trace that it belongs to.
    pub(super) trace: &'c Trace,
}

/// The name of whoever was let in by the admin listener, as the frame around its answers is told.
#[derive(Debug, Clone)]
pub(super) struct CallerName(pub(super) String);

impl Peer {
    /// Somebody at an address, without a certificate.
    pub(super) const fn at(address: PeerAddress) -> Self {
        Self { address, names: Vec::new(), is_secure: false }
    }

    /// The address; `None` for the Unix socket.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        match self.address {
            // An IPv4 address that a socket for both shows as one of IPv6 is the IPv4 address.
            PeerAddress::Ip(address) => Some(address.ip().to_canonical()),
            PeerAddress::Unix => None,
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{}", address.ip().to_canonical()),
            Self::Unix => f.write_str("the Unix socket"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ipv4_is_one_however_the_socket_shows_it() {
        for (address, ip, shown) in [
            (PeerAddress::Ip("192.0.2.1:9".parse().unwrap()), Some("192.0.2.1"), "192.0.2.1"),
            (PeerAddress::Ip("[::ffff:192.0.2.1]:9".parse().unwrap()), Some("192.0.2.1"), "192.0.2.1"),
            (PeerAddress::Ip("[2001:db8::1]:9".parse().unwrap()), Some("2001:db8::1"), "2001:db8::1"),
            (PeerAddress::Unix, None, "the Unix socket"),
        ] {
            assert_eq!(Peer::at(address).ip(), ip.map(|ip| ip.parse().unwrap()));
            assert_eq!(address.to_string(), shown);
        }
    }
}
