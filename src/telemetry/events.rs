//! What operators are told: one function an event. Each log line carries the event's name in `event`, and where an event
//! has a metric, the same function counts it.

mod doors;
mod mail;
mod policies;
mod settings;
mod spans;
mod tokens;

pub use doors::*;
pub use mail::*;
pub use policies::*;
pub use settings::*;
pub use spans::*;
pub use tokens::*;

use crate::{engine::Difference, model::Revision};
use std::{error::Error, fmt, net::IpAddr, path::Path, time::Duration};
use tracing::{error, info, warn};

/// The process has read its settings and begins.
pub fn starting(version: &str, policies: &Path, data: &Path) {
    info!(
        event = "starting",
        version,
        policies = %policies.display(),
        data = %data.display(),
        "sidegate is starting"
    );
}

/// A socket is bound. The address of a Unix socket is `unix:` and its path.
pub fn listening(listener: &str, address: impl fmt::Display) {
    info!(event = "listening", listener, %address, "listening");
}

/// All parts run and the process answers.
pub fn ready(took: Duration) {
    info!(event = "ready", took_ms = millis(took), "ready");
}

/// A decision differs from plain Cedar's on the whole policy set.
pub fn self_check_different(check: &SelfCheck<'_>) {
    error!(
        event = "self_check_different",
        id = check.id,
        request_id = check.request_id,
        tenant = check.tenant,
        user = check.user,
        action = check.action,
        resource_type = check.resource_type,
        resource_id = check.resource_id,
        revision = check.revision.short(),
        engine = ?check.difference.engine,
        cedar = ?check.difference.cedar,
        "a decision differs from plain Cedar's: please report it with the policy set of this revision"
    );
}

/// What [`self_check_different`] tells.
#[derive(Debug)]
pub struct SelfCheck<'a> {
    /// Names the decision, in the audit log too.
    pub id: &'a str,
    /// The request.
    pub request_id: &'a str,
    /// The tenant, where one was named.
    pub tenant: &'a str,
    /// Who asked.
    pub user: &'a str,
    /// The action.
    pub action: &'a str,
    /// The type of the resource.
    pub resource_type: &'a str,
    /// Its id.
    pub resource_id: &'a str,
    /// The revision that has decided.
    pub revision: Revision,
    /// What both say.
    pub difference: &'a Difference,
}

/// A part that should run has ended by itself.
pub fn part_failed(part: &str, is_vital: bool) {
    let consequence = if is_vital { "the process stops" } else { "the others go on" };
    error!(event = "part_failed", part, consequence, "a part of the process has failed");
}

/// Administrators can do nothing until there is a token.
pub fn admin_has_no_tokens() {
    warn!(
        event = "admin_has_no_tokens",
        help = "list a name and the SHA-256 of a token under `server.admin.tokens`, or set `server.admin.auth: none` on \
                a loopback address",
        "the admin listener refuses every request, since no token is configured"
    );
}

/// Somebody tried a bearer token that is not known. Told for the first of an address and for the last that is borne.
pub fn admin_token_unknown(from: IpAddr, is_last: bool) {
    warn!(
        event = "admin_token_unknown",
        %from,
        is_last,
        "{}",
        if is_last {
            "unknown tokens from this address: it is not heard for a moment"
        } else {
            "a bearer token is not known"
        }
    );
}

/// A sample of the audit log names a module that there is not.
pub fn audit_sample_fits_nothing(module: &str) {
    warn!(
        event = "audit_sample_fits_nothing",
        module, "`audit.sample` names a module that the policy set does not have: its rule fits nothing"
    );
}

/// The audit log has no place for a record of the process itself.
pub fn audit_append_failed(what: &str, error: &(dyn Error + 'static)) {
    error!(event = "audit_append_failed", what, error = %Chain(error), "an audit record could not be written");
}

/// A stop has begun.
pub fn stopping(signal: &str, deadline: Duration) {
    info!(event = "stopping", signal, deadline_ms = millis(deadline), "stopping");
}

/// A phase of the stop has begun.
pub fn stop_phase(phase: &str) {
    info!(event = "stop_phase", phase, "{phase}");
}

/// The stop waits for these.
pub fn stragglers(tasks: &[String]) {
    warn!(event = "stragglers", tasks = listed(tasks), "still waiting for tasks to end");
}

/// Names, as many as somebody reads: of ten thousand connections the number says more.
fn listed(tasks: &[String]) -> String {
    const MOST: usize = 20;
    let named: Vec<&str> = tasks.iter().take(MOST).map(String::as_str).collect();
    match tasks.len().saturating_sub(MOST) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// Everything is closed.
pub fn stopped(took: Duration) {
    info!(event = "stopped", took_ms = millis(took), "stopped");
}

/// The end was forced.
pub fn stop_forced(why: &str, tasks: &[String]) {
    error!(event = "stop_forced", why, tasks = listed(tasks), "the stop was forced");
}

/// The audit log could not be brought to its end.
pub fn audit_close_failed(error: &(dyn Error + 'static)) {
    error!(event = "audit_close_failed", error = %Chain(error), "the audit log could not be closed in order");
}

/// A listener has ended by itself.
pub fn listener_failed(listener: &str, error: &(dyn Error + 'static)) {
    error!(event = "listener_failed", listener, error = %Chain(error), "a listener has failed");
}

/// A connection could not be taken: the system lacks descriptors or memory. It is tried again.
pub fn accept_failed(listener: &str, error: &(dyn Error + 'static)) {
    warn!(event = "accept_failed", listener, error = %Chain(error), "a connection could not be accepted");
}

/// A request has failed inside.
pub fn request_failed(listener: &str, route: &str, request_id: &str) {
    error!(event = "request_failed", listener, route, request_id, "a request has failed");
}

fn millis(duration: Duration) -> f64 {
    // Tenths of a millisecond are fine enough for people.
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// An error with its causes, as one line.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
