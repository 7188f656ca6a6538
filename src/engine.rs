//! Decides: a compiled policy set, its slicing index, and [`decide`].
//!
//! Nothing here does IO, reads a clock, or panics on a request. A decision is a pure function of (program, subject, request),
//! equal to plain Cedar's on the whole policy set.

mod decide;
mod program;
mod subject;
mod vocabulary;

pub use decide::{EvaluationError, Outcome, decide};
pub use program::{BuildError, ForbidErrors, Location, PolicyFacts, PolicyIndex, PolicyKind, Program, Source};
pub use subject::{BoundMembership, BoundUser, Subject};
pub use vocabulary::{AttributeType, Dialect, Module, ModuleIndex, ResourceType, Tenancy, Vocabulary};
