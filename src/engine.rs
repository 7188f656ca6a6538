//! Decides: a compiled policy set, its slicing index, and [`decide()`].
//!
//! Nothing here does IO, reads a clock, or panics on a request. A decision is a pure function of (program, subject, request),
//! equal to plain Cedar's on the whole policy set.

mod program;
mod vocabulary;

mod asserted;
mod bearing;
mod bind;
mod names;
mod open;
mod question;
mod subject;

mod asker;

mod compile;
mod expression;
mod index;
mod store;
mod uid;

mod decide;
mod evaluate;
mod exact;
mod explain;
mod implication;
mod message;
mod prospects;
mod reach;
mod shortfall;
mod verify;

pub use asker::Asker;
pub use asserted::Ignored;
pub use bearing::Bearing;
pub use decide::{EvaluationError, Outcome, decide, refuse, settle};
pub use explain::{ConditionResult, Considered, Explanation, explain};
pub use implication::implies;
pub use message::of_token;
pub use program::{BuildError, ForbidErrors, Location, PolicyFacts, PolicyIndex, PolicyKind, Program, Source};
pub use prospects::{Prospects, groups_permitted, permits_for};
pub use reach::{Hidden, Part, Parts, Reach, Touched, Touching};
pub use shortfall::{Shortfall, shortfalls, value_text};
pub use subject::{Binder, BoundMembership, BoundUser, Likeness, Origin, Subject};
pub use verify::{Difference, Summary, verify};
pub use vocabulary::{AttributeType, Dialect, Module, ModuleIndex, ResourceType, Sessions, Tenancy, Vocabulary};
