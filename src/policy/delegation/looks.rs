//! Whether a look at one user says what a look at another of the same standing would.

use super::rules::{Rule, USER};
use crate::policy::Snapshot;

/// Whether it depends on nothing but status, family, tenants and roles of a user who may look at that user: then lists over many users ask
/// once for all that have these in common. It does not where a policy looks at who it is.
///
/// A yes is certain; a no may only mean that it cannot be told.
#[must_use]
pub fn is_seen_by_standing(snapshot: &Snapshot) -> bool {
    // Of the rules only that of the own account looks at who it is, and it is not about looks.
    let facts = snapshot.program.policies().iter();
    let others = (0..).zip(facts).filter(|(_, facts)| *facts.id != *Rule::OwnAccount.policy());
    others.into_iter().all(|(index, _)| !snapshot.program.tells_resources_apart(index, USER, "user"))
}
