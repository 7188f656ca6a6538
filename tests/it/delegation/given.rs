//! What users are given.

use sidegate::model::{Membership, User};

/// A user once everything is there that it was promised.
pub fn kept(user: &User, promised: &[Membership]) -> User {
    let mut user = user.clone();
    for one in promised {
        membership(&mut user, one.tenant.as_ref()).assignments.extend(one.assignments.iter().cloned());
    }
    user.memberships.sort_by(|one, other| one.tenant.cmp(&other.tenant));
    user
}

/// What a user has in a tenant.
pub fn membership<'u>(user: &'u mut User, tenant: Option<&String>) -> &'u mut Membership {
    if !user.memberships.iter().any(|one| one.tenant.as_ref() == tenant) {
        user.memberships.push(Membership { tenant: tenant.cloned(), assignments: Vec::new(), values: Vec::new() });
    }
    user.memberships.iter_mut().find(|one| one.tenant.as_ref() == tenant).unwrap()
}
