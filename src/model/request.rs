//! One question, as the engine takes it.

use super::{Timestamp, Value};
use std::borrow::Cow;

/// Named values. Names are unique: the reader of the wire form has refused repeats.
pub type Attributes<'a> = [(Cow<'a, str>, Value<'a>)];

/// What the action is done to.
#[derive(Debug, Clone, Copy)]
pub struct Resource<'a> {
    /// A declared resource type, or the id of a module when the question is about the module as a whole.
    /// In a policy set of plain Cedar: the entity type.
    pub ty: &'a str,
    /// The resource's id; empty where the question names none.
    pub id: &'a str,
    /// Attributes given with the request. They lie over stored ones of the same name.
    pub attributes: &'a Attributes<'a>,
}

/// One question: may the subject do this action on this resource?
///
/// The subject is given to the engine beside it, since it comes from the directory and not from the caller.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The action's name.
    pub action: &'a str,
    /// What it is done to.
    pub resource: Resource<'a>,
    /// The tenant that the caller names, if any.
    pub tenant: Option<&'a str>,
    /// The context that the caller gives.
    pub context: &'a Attributes<'a>,
    /// Attributes of the subject given with the request; they lie over stored ones in plain Cedar sets and are ignored in others.
    pub subject_attributes: &'a Attributes<'a>,
    /// When the question is asked. Decisions never read a clock.
    pub time: Timestamp,
}
