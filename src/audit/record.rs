//! What a record says.

use crate::model::{Decision, Timestamp};
use std::fmt;

/// The sorts of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A decision that was answered.
    Decision,
    /// Something that an application reported.
    Activity,
    /// A change of the directory.
    Directory,
    /// A login or logout.
    Session,
    /// A policy set was loaded or refused.
    Policy,
    /// Start, stop, gaps, retention.
    System,
}

/// Where a record came from (`source` on the wire).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// `POST /v1/authorize`
    Native,
    /// AuthZEN.
    Authzen,
    /// Envoy `ext_authz`.
    Envoy,
    /// nginx, Traefik, Caddy.
    ForwardAuth,
    /// The admin listener.
    Admin,
    /// The command line, and the process itself.
    Cli,
}

/// A record as a decider hands it over: it borrows everything. The writer adds sequence number and hashes.
/// Empty texts stand for absent ones.
pub struct Entry<'a> {
    /// When.
    pub time: Timestamp,
    /// What sort.
    pub kind: Kind,
    /// A ULID.
    pub id: [u8; 16],
    /// `X-Request-ID`.
    pub request_id: &'a str,
    /// Tenant id.
    pub tenant: &'a str,
    /// User id; `Type::"id"` where the subject is an entity of a plain Cedar set.
    pub user: &'a str,
    /// Roles of the user in the tenant.
    pub roles: &'a [String],
    /// Action.
    pub action: &'a str,
    /// Module id.
    pub module: &'a str,
    /// Resource type.
    pub resource_type: &'a str,
    /// Resource id.
    pub resource_id: &'a str,
    /// The decision, where there is one.
    pub decision: Option<Decision>,
    /// Reason code, or what happened for other kinds (`swapped`, `rejected_tests`, ...).
    pub reason: &'a str,
    /// Ids of the determining policies.
    pub policies: &'a dyn Texts,
    /// Evaluation errors, `policy id: message`.
    pub errors: &'a dyn Texts,
    /// Revision, 12 hexadecimal digits.
    pub revision: &'a str,
    /// How long deciding took, in nanoseconds. Written as microseconds with three decimals.
    pub duration_ns: u64,
    /// Where it came from.
    pub origin: Origin,
    /// Who acted through the application, for administrative records.
    pub actor: &'a str,
    /// JSON text of the state before, or empty.
    pub before: &'a str,
    /// JSON text of the state after, or empty.
    pub after: &'a str,
    /// JSON object text of what the policies asked of the context, or empty.
    pub context: &'a str,
}

/// A list of texts that is not a slice of strings.
pub trait Texts {
    /// Calls `take` with each text, in order.
    fn each(&self, take: &mut dyn FnMut(&str));
}

impl Texts for [&str] {
    fn each(&self, take: &mut dyn FnMut(&str)) {
        self.iter().for_each(|text| take(text));
    }
}

impl<const N: usize> Texts for [&str; N] {
    fn each(&self, take: &mut dyn FnMut(&str)) {
        self.as_slice().each(take);
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("kind", &self.kind).field("user", &self.user).finish_non_exhaustive()
    }
}
