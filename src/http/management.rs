//! What the admin and the ops listener share: sockets, connections, and the frame around every answer.
//!
//! Both are for few callers with small requests, so they run on the shared runtime, apart from the threads that decide.

mod connection;
mod frame;
mod patient;
mod places;
mod unread;

pub use connection::{Serving, serve};
pub(super) use frame::{Error, framed};

use std::{io, net::SocketAddr};
use tokio::net::TcpListener;

/// A socket that listens, not served yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// Binds a listener. Needs a runtime with IO around it.
pub fn bind(address: SocketAddr) -> io::Result<Bound> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok(Bound { listener: TcpListener::from_std(listener)?, address })
}

impl Bound {
    /// The address, with the port that the system chose where none was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}
