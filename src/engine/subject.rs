//! Who asks.

use super::{
    Program,
    index::{Keys, Place},
    uid::{Uid, UidIndex},
};
use crate::model::{AssignmentKind, GivenValue, Membership, Status, Timestamp, User, Value};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
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
    // Copies, so that a decision finds them where it looks anyway: among many users each place that it has to go to is a wait for memory.
    id: Box<str>,
    /// The number of the user's entity, where policies name the user.
    pub(super) own: Option<UidIndex>,
    pub(super) status: Status,
    pub(super) until: Option<Timestamp>,
    pub(super) session: Session,
    pub(super) attributes: Vec<(Cow<'static, str>, Value<'static>)>,
    pub(super) memberships: SmallVec<[BoundMembership; 1]>,
    /// The tenant to which an assertion ties the user: the only one in which it may be asked about.
    pub(super) place: Option<Box<str>>,
    /// Whether attributes come from an assertion, so that nobody has looked at their types yet.
    pub(super) is_asserted: bool,
    /// What the user has where nothing was assigned.
    bare: Arc<Standing>,
    user: Arc<User>,
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
    pub(super) tenant: Option<Arc<str>>,
    // INVARIANT: not empty; each counts until its `until`, the last one for good.
    periods: SmallVec<[Period; 1]>,
}

/// What counts up to a point in time. Assignments that run out make a new period each.
#[derive(Debug)]
struct Period {
    until: Option<Timestamp>,
    standing: Arc<Standing>,
    /// The user's attributes with the values that were given one by one, where there are any.
    attributes: Option<Box<OwnedAttributes>>,
}

/// What the index asks of a principal.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) roles: Vec<String>,
    /// Roles, grants and gates with what lies above them, sorted.
    pub(super) ancestors: Vec<UidIndex>,
    pub(super) keys: Keys,
    /// There were assignments, and all have run out.
    pub(super) expired: bool,
}

impl BoundUser {
    /// Binds a user to a program. Call it again for every new program; many users are bound by a [`Binder`].
    #[must_use]
    pub fn new(program: &Program, user: &Arc<User>) -> Self {
        Binder::new(program).bind(user)
    }

    /// The same user with an open session until a time, or with none. Where nobody keeps sessions this is not called, and then they
    /// count as open.
    #[must_use]
    pub fn with_session(self, until: Option<Timestamp>) -> Self {
        Self { session: until.map_or(Session::Closed, Session::OpenUntil), ..self }
    }

    /// The same user as somebody asserts it: with this session, and in this tenant alone where there is one.
    pub(super) fn tied(self, session: Session, place: Option<&str>) -> Self {
        Self { session, place: place.map(Into::into), is_asserted: true, ..self }
    }

    /// Another user in the place of this one: known or asserted as this one is, and tied to the same tenant. Its session counts as open.
    #[must_use]
    pub fn replaced_by(&self, program: &Program, user: &Arc<User>) -> Self {
        Self { place: self.place.clone(), is_asserted: self.is_asserted, ..Self::new(program, user) }
    }

    /// Whether the user is logged in at a time, as far as anybody keeps count.
    #[must_use]
    pub fn has_session(&self, time: Timestamp) -> bool {
        self.session.is_open(time)
    }

    /// The user's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
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
        let only = if let [only] = &*self.memberships { only.tenant.as_deref() } else { None };
        self.placed(tenant.or(only), time).1
    }

    /// What users share to whom every question about a resource without attributes is answered alike, for whoever asks the same about many.
    /// `None` for a user whom policies may tell from all others. It means something while those of whom it was taken are there.
    #[must_use]
    pub fn likeness(&self, tenant: Option<&str>, time: Timestamp) -> Option<Likeness> {
        let (standing, attributes) = self.placed(tenant, time);
        (self.own.is_none() && attributes.is_empty()).then(|| Likeness {
            standing: std::ptr::from_ref(standing).addr(),
            status: self.status,
            is_over: self.until.is_some_and(|until| time >= until),
            is_in_session: self.session.is_open(time),
        })
    }

    /// Everything that the user was or will have been given, in every tenant and at every time.
    pub(super) fn standings(&self) -> impl Iterator<Item = &Standing> {
        let periods = self.memberships.iter().flat_map(|membership| &membership.periods);
        periods.map(|period| &period.standing).chain([&self.bare]).map(AsRef::as_ref)
    }

    /// What the user was given in a tenant, as it counts at a time, and the user's attributes as they count there and then.
    pub(super) fn placed(&self, tenant: Option<&str>, time: Timestamp) -> (&Standing, &OwnedAttributes) {
        let membership = self.memberships.iter().find(|membership| membership.tenant.as_deref() == tenant);
        let period = membership.and_then(|membership| {
            membership.periods.iter().find(|period| period.until.is_none_or(|until| time < until))
        });
        let Some(period) = period else { return (&self.bare, &self.attributes) };
        (&period.standing, period.attributes.as_deref().unwrap_or(&self.attributes))
    }
}

/// See [`BoundUser::likeness`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Likeness {
    standing: usize,
    status: Status,
    is_over: bool,
    is_in_session: bool,
}

/// Binds users to one program. What was given to several of them in the same way is worked out and kept once: a hundred thousand
/// users have a few hundred standings.
#[derive(Debug)]
pub struct Binder<'b> {
    program: &'b Program,
    standings: FxHashMap<Given<'b>, Arc<Standing>>,
    tenants: FxHashMap<&'b str, Arc<str>>,
}

/// All that a standing depends on.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Given<'b> {
    /// The user's own number, where policies name the user.
    own: Option<UidIndex>,
    assignments: SmallVec<[(AssignmentKind, &'b str); 4]>,
    expired: bool,
}

impl<'b> Binder<'b> {
    /// One that has bound nobody yet.
    #[must_use]
    pub fn new(program: &'b Program) -> Self {
        Self { program, standings: FxHashMap::default(), tenants: FxHashMap::default() }
    }

    /// Binds a user.
    pub fn bind(&mut self, user: &'b Arc<User>) -> BoundUser {
        let own = self.program.store().uids.find(Uid { ty: USER_TYPE, id: &user.id });
        BoundUser {
            id: user.id.as_str().into(),
            own,
            status: user.status,
            until: user.until,
            session: Session::Unknown,
            attributes: owned(user),
            memberships: user.memberships.iter().map(|place| self.membership(user, own, place)).collect(),
            place: None,
            is_asserted: false,
            bare: self.standing(Given { own, assignments: SmallVec::new(), expired: false }),
            user: Arc::clone(user),
        }
    }

    fn membership(&mut self, user: &User, own: Option<UidIndex>, membership: &'b Membership) -> BoundMembership {
        let Membership { tenant, assignments, values } = membership;
        let ends = assignments.iter().map(|given| given.until).chain(values.iter().map(|value| value.until));
        let mut ends: SmallVec<[Timestamp; 4]> = ends.flatten().collect();
        ends.sort_unstable();
        ends.dedup();
        let period = |until: Option<Timestamp>| {
            let counts = |end: Option<Timestamp>| match (end, until) {
                (None, _) => true,
                (Some(end), Some(until)) => end >= until,
                (Some(_), None) => false,
            };
            let given = assignments.iter().filter(|given| counts(given.until));
            let counting: SmallVec<_> = given.map(|given| (given.kind, given.name.as_str())).collect();
            let expired = !assignments.is_empty() && counting.is_empty();
            let attributes = with_values(user, values.iter().filter(|value| counts(value.until)));
            Period { until, standing: self.standing(Given { own, assignments: counting, expired }), attributes }
        };
        let periods = ends.into_iter().map(Some).chain([None]).map(period).collect();
        let tenant = tenant.as_deref().map(|id| Arc::clone(self.tenants.entry(id).or_insert_with(|| id.into())));
        BoundMembership { tenant, periods }
    }

    fn standing(&mut self, given: Given<'b>) -> Arc<Standing> {
        if let Some(known) = self.standings.get(&given) {
            return Arc::clone(known);
        }
        let standing = Arc::new(Standing::of(self.program, &given));
        self.standings.insert(given, Arc::clone(&standing));
        standing
    }
}

fn owned(user: &User) -> Vec<(Cow<'static, str>, Value<'static>)> {
    user.attributes.iter().map(|(name, value)| (Cow::Owned(name.clone()), value.clone())).collect()
}

/// The user's attributes with these values among them; `None` where there are no values.
fn with_values<'a>(user: &User, values: impl Iterator<Item = &'a GivenValue>) -> Option<Box<OwnedAttributes>> {
    let mut values = values.peekable();
    values.peek()?;
    let mut attributes = owned(user);
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

impl Standing {
    fn of(program: &Program, given: &Given<'_>) -> Self {
        let store = program.store();
        let (mut roles, mut ancestors) = (Vec::new(), Vec::new());
        for &(kind, name) in &given.assignments {
            if kind == AssignmentKind::Role {
                roles.push(name.to_owned());
            }
            // What the program does not know, no policy can ask for.
            if let Some(index) = store.uids.find(Uid { ty: kind.entity_type(), id: name }) {
                ancestors.push(index);
                ancestors.extend(store.at(index).into_iter().flat_map(|stored| stored.ancestors.iter().copied()));
            }
        }
        ancestors.sort_unstable();
        ancestors.dedup();
        let place = Place { ty: store.uids.find_type(USER_TYPE), own: given.own, ancestors: &ancestors };
        let keys = program.index().principals.keys_of(place);
        Self { roles, ancestors, keys, expired: given.expired }
    }
}
