//! The words of the product: user, tenant, action, resource, decision, reason, revision.
//!
//! Plain types without serde and without IO. The boundary converts from and to its own wire shapes.

mod assertion;
mod decision;
mod origin;
mod request;
mod revision;
mod time;
mod user;
mod value;

pub use assertion::Assertion;
pub use decision::{Decision, ReasonCode};
pub use origin::Origin;
pub use request::{Attributes, Request, Resource};
pub use revision::Revision;
pub use time::Timestamp;
pub use user::{Assignment, AssignmentKind, GivenValue, Membership, Status, User};
pub use value::Value;
