//! Who is at the other end of a connection, and what one request says beside its body.

use super::{callers::Admitted, trace::Trace};
use crate::{model::Timestamp, tls::Shown};
use std::{
    fmt,
    future::pending,
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::time::sleep;

/// The longest wait without a look at the clock, which others may set.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Who is at the other end of a connection. A proxy in between is who is seen here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peer {
    /// Where it is.
    pub(super) address: PeerAddress,
    /// What its certificate says, where one was demanded, given and verified: that of the applicant, not of who signed.
    pub(super) shown: Option<Shown>,
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
    /// Who the caller is, where somebody needs to be known, and what it has used up.
    pub(super) admitted: &'c Admitted,
    /// The trace that it belongs to.
    pub(super) trace: &'c Trace,
}

impl Call<'_> {
    /// The name of the caller; empty where nobody needs to be known.
    pub(super) fn caller(&self) -> &str {
        self.admitted.caller()
    }
}

/// The name of whoever was let in by the admin listener, as the frame around its answers is told.
#[derive(Debug, Clone)]
pub(super) struct CallerName(pub(super) String);

impl Peer {
    /// Somebody at an address, without a certificate.
    pub(super) const fn at(address: PeerAddress) -> Self {
        Self { address, shown: None, is_secure: false }
    }

    /// The names of its certificate for as long as that holds; a connection may outlive it.
    pub(super) fn names(&self, now: impl FnOnce() -> Timestamp) -> &[String] {
        match &self.shown {
            Some(Shown { names, expires }) if now() <= *expires => names,
            _ => &[],
        }
    }

    /// Resolves once its certificate holds no longer; never where there is none.
    pub(super) async fn expired(&self, now: impl Fn() -> Timestamp) {
        let Some(Shown { expires, .. }) = &self.shown else { return pending().await };
        loop {
            let left = expires.as_micros() - now().as_micros();
            let Ok(left) = u64::try_from(left) else { return };
            sleep(Duration::from_micros(left.saturating_add(1)).min(LONGEST_WAIT)).await;
        }
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
