//! Policy sets: a directory is read, parsed, checked as a whole and compiled into a [`Snapshot`].
use crate::{
    engine::Program,
    model::{Revision, User},
};

/// A policy set that is live or may become it: complete and immutable.
#[derive(Debug)]
pub struct Snapshot {
    /// Names the content.
    pub revision: Revision,
    /// The set's name.
    pub name: String,
    /// The compiled policies.
    pub program: Program,
    /// Users declared in the files.
    pub users: Vec<User>,
}
