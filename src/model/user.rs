//! Users and what they were given.

use super::{Timestamp, Value};

/// Whether a user may act at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// Invited, has not accepted yet. Never allowed anything.
    Invited,
    /// May do what was granted.
    Active,
    /// Suspended. Never allowed anything.
    Suspended,
}

impl Status {
    /// `invited`, `active` or `suspended`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }
}

/// A user of the directory or of the policy set.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The id that requests name.
    pub id: String,
    /// The name to show.
    pub name: Option<String>,
    /// The mail address.
    pub email: Option<String>,
    /// Whether the user may act.
    pub status: Status,
    /// From when on the user is denied everything.
    pub until: Option<Timestamp>,
    /// The family that the user belongs to, where the policy set has families.
    pub family: Option<String>,
    /// Declared attributes, by name.
    pub attributes: Vec<(String, Value<'static>)>,
    /// What the user was given, per tenant. At most one entry a tenant, sorted by tenant; where the policy set has no
    /// tenants there is at most one entry, with `tenant: None`.
    pub memberships: Vec<Membership>,
}

impl User {
    /// Somebody who is active and has nothing.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: None,
            email: None,
            status: Status::Active,
            until: None,
            family: None,
            attributes: Vec::new(),
            memberships: Vec::new(),
        }
    }

    /// The same, and has been given this in one tenant, or without a tenant.
    #[must_use]
    pub fn given(mut self, tenant: Option<&str>, assignments: Vec<Assignment>) -> Self {
        self.memberships.push(Membership { tenant: tenant.map(str::to_owned), assignments, values: Vec::new() });
        self
    }

    /// What the user was given in a tenant, as far as it counts at a time. Where no tenant is named and the user has one
    /// membership, that is the tenant, as it is in a decision.
    pub fn assignments<'u>(&'u self, tenant: Option<&'u str>, at: Timestamp) -> impl Iterator<Item = &'u Assignment> {
        let only = if let [only] = self.memberships.as_slice() { only.tenant.as_deref() } else { None };
        let tenant = tenant.or(only);
        let memberships = self.memberships.iter().filter(move |membership| membership.tenant.as_deref() == tenant);
        let given = memberships.flat_map(|membership| &membership.assignments);
        given.filter(move |assignment| assignment.until.is_none_or(|until| at < until))
    }
}

/// What a user was given in one tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct Membership {
    /// The tenant's id; `None` in a policy set without tenants.
    pub tenant: Option<String>,
    /// Roles, grants and open gates.
    pub assignments: Vec<Assignment>,
    /// Values that were given one by one, such as sales channels. They count beside those of the user's own attribute of the same name.
    pub values: Vec<GivenValue>,
}

/// One value of an attribute that holds a set.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenValue {
    /// The attribute.
    pub attribute: String,
    /// The value.
    pub value: Value<'static>,
    /// From when on it no longer counts.
    pub until: Option<Timestamp>,
    /// Why it was given.
    pub why: Option<String>,
}

/// One thing that a user was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// What sort of thing.
    pub kind: AssignmentKind,
    /// Its name: a role id, a grant such as `pricing/editor`, a gate id.
    pub name: String,
    /// From when on it no longer counts.
    pub until: Option<Timestamp>,
    /// Why it was given.
    pub why: Option<String>,
}

/// The sorts of things that a user can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AssignmentKind {
    /// A role: Cedar's `Role::"<name>"`.
    Role,
    /// A direct grant of a level on a module: Cedar's `Grant::"<module>/<level>"`.
    Grant,
    /// An open gate: Cedar's `Gate::"<name>"`.
    Gate,
}

impl AssignmentKind {
    /// The Cedar entity type that stands for it.
    #[must_use]
    pub const fn entity_type(self) -> &'static str {
        match self {
            Self::Role => "Role",
            Self::Grant => "Grant",
            Self::Gate => "Gate",
        }
    }
}
