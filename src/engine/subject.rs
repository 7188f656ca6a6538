//! Who asks.

use super::{
    Program,
    index::{Keys, Place},
    uid::{Uid, UidIndex},
};
use crate::model::{AssignmentKind, GivenValue, Membership, Status, Timestamp, User, Value};
use hashbrown::HashTable;
use rustc_hash::{FxBuildHasher, FxHashSet};
use smallvec::SmallVec;
use smol_str::SmolStr;
use std::{
    borrow::Cow,
    fmt::Debug,
    hash::{BuildHasher, Hash},
    sync::Arc,
};

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
///
/// It is kept small, and what a decision needs is in it: among many users each place that has to be gone to is a wait for memory.
#[derive(Debug)]
pub struct BoundUser {
    id: SmolStr,
    /// The number of the user's entity, where policies name the user.
    pub(super) own: Option<UidIndex>,
    pub(super) status: Status,
    pub(super) session: Session,
    pub(super) attributes: Box<OwnedAttributes>,
    pub(super) memberships: SmallVec<[BoundMembership; 1]>,
    /// What few users have.
    few: Option<Box<Few>>,
    /// What the user has where nothing was assigned.
    bare: Arc<Standing>,
    origin: Arc<dyn Origin>,
}

/// What few users have.
#[derive(Debug, Default)]
struct Few {
    /// From when on the user is denied everything.
    until: Option<Timestamp>,
    /// The tenant to which an assertion ties the user: the only one in which it may be asked about.
    place: Option<Box<str>>,
    /// Whether attributes come from an assertion, so that nobody has looked at their types yet.
    is_asserted: bool,
}

/// Where a user comes from that was bound. It gives all that is known of the user, for whoever asks for more than decisions.
pub trait Origin: Debug + Send + Sync {
    /// The user.
    fn user(&self) -> &User;
}

impl Origin for User {
    fn user(&self) -> &User {
        self
    }
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
    /// What counts up to points in time, in order of these: assignments that run out make a new one each.
    periods: Box<[(Timestamp, Period)]>,
    /// What counts from then on.
    lasting: Period,
}

#[derive(Debug)]
struct Period {
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
        let few = Few { place: place.map(Into::into), is_asserted: true, until: self.until() };
        Self { session, few: Some(Box::new(few)), ..self }
    }

    /// Another user in the place of this one: known or asserted as this one is, and tied to the same tenant. Its session counts as open.
    #[must_use]
    pub fn replaced_by(&self, program: &Program, user: &Arc<User>) -> Self {
        let new = Self::new(program, user);
        if self.is_asserted() { new.tied(Session::Unknown, self.place()) } else { new }
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

    /// Binds the user again.
    #[must_use]
    pub fn again(&self, program: &Program) -> Self {
        Binder::new(program).bind_of(self.user(), Arc::clone(&self.origin))
    }

    /// The user that was bound.
    #[must_use]
    pub fn user(&self) -> &User {
        self.origin.user()
    }

    /// Whether the user may act.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// The tenants in which the user was given anything; `None` where there are no tenants.
    pub fn tenants(&self) -> impl Iterator<Item = Option<&str>> {
        self.memberships.iter().map(|membership| membership.tenant.as_deref())
    }

    pub(super) fn until(&self) -> Option<Timestamp> {
        self.few.as_ref()?.until
    }

    pub(super) fn place(&self) -> Option<&str> {
        self.few.as_ref()?.place.as_deref()
    }

    pub(super) fn is_asserted(&self) -> bool {
        self.few.as_ref().is_some_and(|few| few.is_asserted)
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
            is_over: self.until().is_some_and(|until| time >= until),
            is_in_session: self.session.is_open(time),
        })
    }

    /// Everything that the user was or will have been given, in every tenant and at every time.
    pub(super) fn standings(&self) -> impl Iterator<Item = &Standing> {
        let periods = self
            .memberships
            .iter()
            .flat_map(|membership| membership.periods.iter().map(|(_, period)| period).chain([&membership.lasting]));
        periods.map(|period| &period.standing).chain([&self.bare]).map(AsRef::as_ref)
    }

    /// What the user was given in a tenant, as it counts at a time, and the user's attributes as they count there and then.
    pub(super) fn placed(&self, tenant: Option<&str>, time: Timestamp) -> (&Standing, &OwnedAttributes) {
        let membership = self.memberships.iter().find(|membership| membership.tenant.as_deref() == tenant);
        let Some(BoundMembership { periods, lasting, .. }) = membership else { return (&self.bare, &self.attributes) };
        let period = periods.iter().find(|(until, _)| time < *until).map_or(lasting, |(_, period)| period);
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
    standings: HashTable<(Given<'static>, Arc<Standing>)>,
    tenants: FxHashSet<Arc<str>>,
}

/// All that a standing depends on.
#[derive(Debug, Hash)]
struct Given<'g> {
    /// The user's own number, where policies name the user.
    own: Option<UidIndex>,
    assignments: SmallVec<[(AssignmentKind, Cow<'g, str>); 2]>,
    expired: bool,
}

impl Given<'_> {
    fn is(&self, other: &Given<'_>) -> bool {
        (self.own, self.expired) == (other.own, other.expired)
            && self.assignments.as_slice() == other.assignments.as_slice()
    }

    fn into_owned(self) -> Given<'static> {
        let assignments = self.assignments.into_iter().map(|(kind, name)| (kind, Cow::Owned(name.into_owned())));
        Given { assignments: assignments.collect(), ..self }
    }
}

impl<'b> Binder<'b> {
    /// One that has bound nobody yet.
    #[must_use]
    pub fn new(program: &'b Program) -> Self {
        Self { program, standings: HashTable::new(), tenants: FxHashSet::default() }
    }

    /// Binds a user, and keeps it.
    pub fn bind(&mut self, user: &Arc<User>) -> BoundUser {
        self.bind_of(user, Arc::clone(user) as Arc<dyn Origin>)
    }

    /// Binds a user that has an origin.
    pub fn bind_of(&mut self, user: &User, origin: Arc<dyn Origin>) -> BoundUser {
        let own = self.program.store().uids.find(Uid { ty: USER_TYPE, id: &user.id });
        BoundUser {
            id: user.id.as_str().into(),
            own,
            status: user.status,
            session: Session::Unknown,
            attributes: owned(user).into(),
            memberships: user.memberships.iter().map(|place| self.membership(user, own, place)).collect(),
            few: user.until.map(|until| Box::new(Few { until: Some(until), ..Few::default() })),
            bare: self.standing(Given { own, assignments: SmallVec::new(), expired: false }),
            origin,
        }
    }

    fn membership(&mut self, user: &User, own: Option<UidIndex>, membership: &Membership) -> BoundMembership {
        let Membership { tenant, assignments, values } = membership;
        let ends = assignments.iter().map(|given| given.until).chain(values.iter().map(|value| value.until));
        let mut ends: SmallVec<[Timestamp; 4]> = ends.flatten().collect();
        ends.sort_unstable();
        ends.dedup();
        let mut period = |until: Option<Timestamp>| {
            let counts = |end: Option<Timestamp>| match (end, until) {
                (None, _) => true,
                (Some(end), Some(until)) => end >= until,
                (Some(_), None) => false,
            };
            let given = assignments.iter().filter(|given| counts(given.until));
            let counting: SmallVec<_> = given.map(|given| (given.kind, Cow::Borrowed(given.name.as_str()))).collect();
            let expired = !assignments.is_empty() && counting.is_empty();
            let attributes = with_values(user, values.iter().filter(|value| counts(value.until)));
            Period { standing: self.standing(Given { own, assignments: counting, expired }), attributes }
        };
        let periods = ends.into_iter().map(|until| (until, period(Some(until)))).collect();
        let lasting = period(None);
        BoundMembership { tenant: tenant.as_deref().map(|id| self.tenant(id)), periods, lasting }
    }

    fn tenant(&mut self, id: &str) -> Arc<str> {
        if let Some(known) = self.tenants.get(id) {
            return Arc::clone(known);
        }
        let tenant: Arc<str> = id.into();
        self.tenants.insert(Arc::clone(&tenant));
        tenant
    }

    fn standing(&mut self, given: Given<'_>) -> Arc<Standing> {
        let hash = FxBuildHasher.hash_one(&given);
        if let Some((_, known)) = self.standings.find(hash, |(known, _)| known.is(&given)) {
            return Arc::clone(known);
        }
        let standing = Arc::new(Standing::of(self.program, &given));
        let entry = (given.into_owned(), Arc::clone(&standing));
        self.standings.insert_unique(hash, entry, |(known, _)| FxBuildHasher.hash_one(known));
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
        for (kind, name) in &given.assignments {
            if *kind == AssignmentKind::Role {
                roles.push(name.clone().into_owned());
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
