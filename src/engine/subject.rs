//! Who asks.

use super::{
    Program,
    index::{Keys, Place},
    uid::{Uid, UidIndex},
};
use crate::model::{Assignment, AssignmentKind, GivenValue, Membership, Status, Timestamp, User, Value};
use std::{borrow::Cow, sync::Arc};

/// Who asks, as far as the directory knows.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// A user of the directory or of the policy set.
    User(&'a BoundUser),
    /// Nobody that the directory knows.
    Unknown {
        /// The id that the request named.
        id: &'a str,
    },
    /// An entity of a plain Cedar policy set, stored or not.
    Entity {
        /// Its Cedar type.
        ty: &'a str,
        /// Its id.
        id: &'a str,
    },
}

/// The Cedar type of the users of a policy set with declared roles.
pub(super) const USER_TYPE: &str = "User";

/// Attributes that belong to nobody else.
pub(super) type OwnedAttributes = [(Cow<'static, str>, Value<'static>)];

/// A user made ready for one program: assignments are resolved to the keys of its index.
#[derive(Debug)]
pub struct BoundUser {
    user: Arc<User>,
    // Copies, so that a decision finds them where it looks anyway.
    pub(super) status: Status,
    pub(super) until: Option<Timestamp>,
    pub(super) session: Session,
    pub(super) attributes: Vec<(Cow<'static, str>, Value<'static>)>,
    pub(super) memberships: Vec<BoundMembership>,
    /// What the user has where nothing was assigned.
    pub(super) bare: Standing,
}

/// Whether a user is logged in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Session {
    /// Nobody keeps count of sessions, so the user's counts as open.
    Unknown,
    /// Until this time, unless it is reported closed before.
    OpenUntil(Timestamp),
    /// The user has none.
    Closed,
}

impl Session {
    /// Whether it is open at a time.
    pub(super) fn is_open(self, time: Timestamp) -> bool {
        match self {
            Self::Unknown => true,
            Self::OpenUntil(until) => time < until,
            Self::Closed => false,
        }
    }
}

/// What a bound user has in one tenant.
#[derive(Debug)]
pub struct BoundMembership {
    pub(super) tenant: Option<String>,
    // INVARIANT: not empty; each counts until its `until`, the last one for good.
    periods: Vec<Period>,
}

/// What counts up to a point in time. Assignments that run out make a new period each.
#[derive(Debug)]
struct Period {
    until: Option<Timestamp>,
    standing: Standing,
}

/// What the index asks of a principal.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) roles: Vec<String>,
    /// Roles, grants and gates with what lies above them, sorted.
    pub(super) ancestors: Vec<UidIndex>,
    pub(super) keys: Keys,
    /// The user's attributes with the values that were given one by one, where there are any.
    pub(super) attributes: Option<Box<OwnedAttributes>>,
    /// There were assignments, and all have run out.
    pub(super) expired: bool,
}

impl BoundUser {
    /// Binds a user to a program. Call it again for every new program.
    #[must_use]
    pub fn new(program: &Program, user: &Arc<User>) -> Self {
        let bind = Binder { program, user };
        Self {
            user: Arc::clone(user),
            status: user.status,
            until: user.until,
            session: Session::Unknown,
            attributes: user.attributes.iter().map(|(name, value)| (Cow::Owned(name.clone()), value.clone())).collect(),
            memberships: user.memberships.iter().map(|membership| bind.membership(membership)).collect(),
            bare: bind.standing([].into_iter(), None),
        }
    }

    /// The same user with an open session until a time, or with none. Where nobody keeps sessions this is not called, and then they
    /// count as open.
    #[must_use]
    pub fn with_session(self, until: Option<Timestamp>) -> Self {
        Self { session: until.map_or(Session::Closed, Session::OpenUntil), ..self }
    }

    /// Whether the user is logged in at a time, as far as anybody keeps count.
    #[must_use]
    pub fn has_session(&self, time: Timestamp) -> bool {
        self.session.is_open(time)
    }

    /// The user's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.user.id
    }

    /// The same, to be bound again.
    #[must_use]
    pub fn shared(&self) -> Arc<User> {
        Arc::clone(&self.user)
    }

    /// The user that was bound.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }

    /// The user's attributes as they count in a tenant at a time: with the values that were given one by one.
    #[must_use]
    pub fn attributes_in(&self, tenant: Option<&str>, time: Timestamp) -> &[(Cow<'static, str>, Value<'static>)] {
        let only = if let [only] = self.memberships.as_slice() { only.tenant.as_deref() } else { None };
        self.attributes(self.standing(tenant.or(only), time))
    }

    /// Everything that the user was or will have been given, in every tenant and at every time.
    pub(super) fn standings(&self) -> impl Iterator<Item = &Standing> {
        let periods = self.memberships.iter().flat_map(|membership| &membership.periods);
        periods.map(|period| &period.standing).chain([&self.bare])
    }

    /// The attributes of the user in a standing.
    pub(super) fn attributes<'a>(&'a self, standing: &'a Standing) -> &'a OwnedAttributes {
        standing.attributes.as_deref().unwrap_or(&self.attributes)
    }

    /// What the user was given in a tenant, as it counts at a time.
    pub(super) fn standing(&self, tenant: Option<&str>, time: Timestamp) -> &Standing {
        let membership = self.memberships.iter().find(|membership| membership.tenant.as_deref() == tenant);
        let period = membership.and_then(|membership| {
            membership.periods.iter().find(|period| period.until.is_none_or(|until| time < until))
        });
        period.map_or(&self.bare, |period| &period.standing)
    }
}

struct Binder<'b> {
    program: &'b Program,
    user: &'b User,
}

impl Binder<'_> {
    fn membership(&self, membership: &Membership) -> BoundMembership {
        let Membership { tenant, assignments, values } = membership;
        let ends = assignments.iter().map(|assignment| assignment.until).chain(values.iter().map(|value| value.until));
        let mut ends: Vec<_> = ends.flatten().collect();
        ends.sort_unstable();
        ends.dedup();
        let period = |until: Option<Timestamp>| {
            let counts = |end: Option<Timestamp>| match (end, until) {
                (None, _) => true,
                (Some(end), Some(until)) => end >= until,
                (Some(_), None) => false,
            };
            let attributes = self.attributes(values.iter().filter(|value| counts(value.until)));
            let counting = || assignments.iter().filter(|assignment| counts(assignment.until));
            let mut standing = self.standing(counting(), attributes);
            standing.expired = !assignments.is_empty() && counting().next().is_none();
            Period { until, standing }
        };
        let periods = ends.into_iter().map(Some).chain([None]).map(period).collect();
        BoundMembership { tenant: tenant.clone(), periods }
    }

    /// The user's attributes with these values among them; `None` where there are no values.
    fn attributes<'a>(&self, values: impl Iterator<Item = &'a GivenValue>) -> Option<Box<OwnedAttributes>> {
        let mut values = values.peekable();
        values.peek()?;
        let own = self.user.attributes.iter().map(|(name, value)| (Cow::Owned(name.clone()), value.clone()));
        let mut attributes: Vec<(Cow<'static, str>, Value<'static>)> = own.collect();
        for GivenValue { attribute, value, .. } in values {
            match attributes.iter_mut().find(|(name, _)| name == attribute) {
                Some((_, Value::Set(known))) if known.contains(value) => {}
                Some((_, Value::Set(known))) => known.push(value.clone()),
                // An attribute that holds one value has no room for another.
                Some(_) => {}
                None => attributes.push((Cow::Owned(attribute.clone()), Value::Set(vec![value.clone()]))),
            }
        }
        Some(attributes.into())
    }

    fn standing<'a>(
        &self,
        assignments: impl Iterator<Item = &'a Assignment>,
        attributes: Option<Box<OwnedAttributes>>,
    ) -> Standing {
        let store = self.program.store();
        let (mut roles, mut ancestors) = (Vec::new(), Vec::new());
        for Assignment { kind, name, .. } in assignments {
            if *kind == AssignmentKind::Role {
                roles.push(name.clone());
            }
            // What the program does not know, no policy can ask for.
            if let Some(index) = store.uids.find(Uid { ty: kind.entity_type(), id: name }) {
                ancestors.push(index);
                ancestors.extend(store.at(index).into_iter().flat_map(|stored| stored.ancestors.iter().copied()));
            }
        }
        ancestors.sort_unstable();
        ancestors.dedup();
        let own = store.uids.find(Uid { ty: USER_TYPE, id: &self.user.id });
        let place = Place { ty: store.uids.find_type(USER_TYPE), own, ancestors: &ancestors };
        let keys = self.program.index().principals.keys_of(place);
        Standing { roles, ancestors, keys, attributes, expired: false }
    }
}
