//! The words of the product: user, tenant, action, resource, decision, reason, revision, trace.
//!
//! Plain types without serde and without IO. The boundary converts from and to its own wire shapes.

mod assertion;
mod decision;
mod hex;
mod origin;
mod request;
mod revision;
mod time;
mod trace_id;
mod user;
mod value;

pub use assertion::Assertion;
pub use decision::{Decision, ReasonCode};
pub use hex::{from_hex, to_hex};
pub use origin::Origin;
pub use request::{Attributes, Request, Resource};
pub use revision::Revision;
pub use time::Timestamp;
pub use trace_id::TraceId;
pub use user::{Assignment, AssignmentKind, GivenValue, Membership, Status, User};
pub use value::Value;
