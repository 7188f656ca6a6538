//! Users about whom somebody else than the directory has something to say: a trusted caller, a verified token.
//!
//! What is asserted becomes part of a user like any other, so that slicing, explanations and reports know nothing of it. Roles are
//! added in one tenant, attributes where the directory has none. Status, expiry, sessions, gates and grants stay the directory's.

use super::{BoundUser, Dialect, Program, Tenancy, Vocabulary, subject::Session, uid::Uid};
use crate::model::{Assertion, Assignment, AssignmentKind, Membership, User};
use std::sync::Arc;

/// What is said of an assignment that comes from an assertion, where reports show why it was given.
const WHY: &str = "asserted";

/// Asserted roles that count for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ignored {
    /// Roles that the policy set does not have.
    pub unknown: usize,
    /// Roles of an assertion that names no tenant, in a set where roles count in a tenant only.
    pub without_tenant: usize,
}

impl BoundUser {
    /// A user as it is known, with what is asserted of it.
    ///
    /// Who is not known exists for the request, without a session. `None` where only known users count and this one is not, and in a
    /// policy set of plain Cedar, which has no roles to assert.
    #[must_use]
    pub fn asserted(program: &Program, known: Option<&Self>, assertion: &Assertion) -> Option<(Self, Ignored)> {
        let Dialect::Declared(vocabulary) = program.dialect() else { return None };
        if known.is_none() && assertion.known_users_only {
            return None;
        }
        let mut user = known.map_or_else(|| User::new(&assertion.user), |known| known.user().clone());
        add_attributes(&mut user, assertion, vocabulary);
        let ignored = add_roles(&mut user, assertion, program, vocabulary);
        let session = known.map_or(Session::Closed, |known| known.session);
        let place = assertion.tenant.as_deref().filter(|_| vocabulary.tenancy == Tenancy::Required);
        Some((Self::new(program, &Arc::new(user)).tied(session, place), ignored))
    }
}

/// Declared attributes that the user has no value for. Their types are looked at when a question is bound, since a value of another
/// type is a reason to deny and none to go on without it.
fn add_attributes(user: &mut User, assertion: &Assertion, vocabulary: &Vocabulary) {
    for (name, value) in &assertion.attributes {
        let is_declared = vocabulary.user_attributes.iter().any(|(known, _)| *known == **name);
        let mut given = user.memberships.iter().flat_map(|membership| &membership.values);
        let is_known =
            user.attributes.iter().any(|(known, _)| *known == **name) || given.any(|given| given.attribute == **name);
        if is_declared && !is_known {
            user.attributes.push((name.to_string(), value.clone()));
        }
    }
}

fn add_roles(user: &mut User, assertion: &Assertion, program: &Program, vocabulary: &Vocabulary) -> Ignored {
    let mut ignored = Ignored::default();
    let tenant = match vocabulary.tenancy {
        Tenancy::None => None,
        Tenancy::Required => match (&assertion.tenant, user.memberships.as_slice()) {
            (Some(tenant), _) => Some(tenant.clone()),
            // As for any user of one tenant: that is where it is taken to be.
            (None, [only]) => only.tenant.clone(),
            (None, _) => {
                ignored.without_tenant = assertion.roles.len();
                return ignored;
            }
        },
    };
    // Sorted by tenant, as a user's memberships are.
    let at = match user.memberships.binary_search_by(|known| known.tenant.cmp(&tenant)) {
        Ok(at) => at,
        Err(at) => {
            user.memberships.insert(at, Membership { tenant, assignments: Vec::new(), values: Vec::new() });
            at
        }
    };
    let Some(membership) = user.memberships.get_mut(at) else { return ignored };
    for name in &assertion.roles {
        let kind = AssignmentKind::Role;
        if program.store().uids.find(Uid { ty: kind.entity_type(), id: name }).is_none() {
            ignored.unknown += 1;
            continue;
        }
        let given = &mut membership.assignments;
        let is_this = |known: &Assignment| known.kind == kind && known.name == *name;
        if given.iter().any(|known| is_this(known) && known.until.is_none()) {
            continue;
        }
        // One that runs out, or has, does not stand beside the one that is asserted now.
        given.retain(|known| !is_this(known));
        given.push(Assignment { kind, name: name.clone(), until: None, why: Some(WHY.to_owned()) });
    }
    ignored
}
