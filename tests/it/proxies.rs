//! Doors for proxies: forward auth and Envoy's HTTP service, by their headers and through real proxies.

mod doors;
mod real;
mod spoofed;

use crate::support::{Sidecar, SidecarBuilder};

/// Settings under which this machine is a trusted proxy that says who the user is.
const TRUSTING: &str = "server: { authorize: { trusted_proxies: [127.0.0.1, unix], proxy: { user_header: X-Demo-User, tell_reasons: true } } }";

/// The demo behind proxies.
fn trusting() -> SidecarBuilder {
    Sidecar::builder().config(TRUSTING)
}

/// The headers with which a client says who it is.
fn user(id: &str) -> Vec<(&'static str, String)> {
    if id.is_empty() { Vec::new() } else { vec![("X-Demo-User", id.to_owned())] }
}
