//! What somebody has, and whether what is given stays within it.
//!
//! "To have" is meant by its effect and not by a name: what is given stays within the actor's access where every action that it lets
//! its holder do, on every part of every module, is one that the actor may do there, under no narrower a condition. Where that cannot
//! be told the answer is no.

use super::{
    difference::{Thing, is_later, items},
    facts::own_rank,
};
use crate::{
    engine::{BoundUser, Hidden, Part, Parts, PolicyIndex, Program, Reach, Touched, Touching, implies},
    model::{Assignment, AssignmentKind, Timestamp, User, Value},
    policy::{Catalog, Snapshot},
};
use std::sync::Arc;

/// Compares what users reach. To be made once for many comparisons.
#[derive(Debug)]
pub(super) struct Scales<'s> {
    snapshot: &'s Snapshot,
    parts: Parts,
    hidden: Hidden,
}

/// A tenant at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) tenant: Option<&'p str>,
    pub(super) time: Timestamp,
}

impl Place<'_> {
    /// The same tenant whenever something runs out there that one of these users has, up to an end; and now.
    fn until(self, end: Option<Timestamp>, users: &[&User]) -> Vec<Self> {
        let mut times: Vec<Timestamp> = users.iter().flat_map(|user| ends(user, self.tenant)).collect();
        times.retain(|time| *time > self.time && is_later(end, Some(*time)));
        times.sort_unstable();
        times.dedup();
        std::iter::once(self.time).chain(times).map(|time| Place { time, ..self }).collect()
    }
}

/// When something runs out that a user has in a tenant, or the user as such does.
fn ends<'u>(user: &'u User, tenant: Option<&'u str>) -> impl Iterator<Item = Timestamp> + 'u {
    let memberships = user.memberships.iter().filter(move |one| one.tenant.as_deref() == tenant);
    let given = memberships.flat_map(|one| {
        one.assignments.iter().map(|given| given.until).chain(one.values.iter().map(|given| given.until))
    });
    given.chain([user.until]).flatten()
}

/// Whether a user may act at all at a time, as far as that has an end.
fn is_there(user: &User, time: Timestamp) -> bool {
    user.until.is_none_or(|until| time < until)
}

impl<'s> Scales<'s> {
    pub(super) fn new(snapshot: &'s Snapshot) -> Self {
        let program = &snapshot.program;
        Self { snapshot, parts: Parts::of(program), hidden: Hidden::of(program) }
    }

    /// Whether somebody has what would be given, and goes on to have it for as long as it would last.
    pub(super) fn has(&self, actor: &BoundUser, thing: Thing<'_>, place: Place<'_>) -> bool {
        let places = place.until(thing.until(), &[actor.user()]);
        places.into_iter().all(|place| self.has_then(actor, thing, place))
    }

    /// Whether somebody has it at that time.
    pub(super) fn has_then(&self, actor: &BoundUser, thing: Thing<'_>, place: Place<'_>) -> bool {
        is_there(actor.user(), place.time)
            && match thing {
                Thing::Assignment(given) if given.kind == AssignmentKind::Gate => {
                    let mut open = actor.user().assignments(place.tenant, place.time);
                    open.any(|own| own.kind == AssignmentKind::Gate && own.name == given.name)
                }
                Thing::Assignment(given) => self.has_assignment(actor, given, place),
                Thing::Value(attribute, value, _) => has_value(actor, attribute, value, place),
                Thing::Membership => true,
            }
    }

    /// The rank that counts beside something that is given for a time: of all that somebody has until then, the lowest; `None` where
    /// there is none at some time.
    pub(super) fn rank_for(&self, user: &User, end: Option<Timestamp>, place: Place<'_>) -> Option<i64> {
        let catalog = &self.snapshot.catalog;
        let ranks = place.until(end, &[user]).into_iter();
        let ranks =
            ranks.map(|place| own_rank(catalog, user, place.tenant, place.time).filter(|_| is_there(user, place.time)));
        ranks.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Whether somebody has all that another was given in a tenant.
    pub(super) fn has_all(&self, actor: &BoundUser, of: &User, place: Place<'_>) -> bool {
        let memberships = of.memberships.iter().filter(|one| one.tenant.as_deref() == place.tenant);
        memberships.into_iter().all(|one| {
            one.assignments.iter().all(|given| self.has(actor, Thing::Assignment(given), place))
                && one
                    .values
                    .iter()
                    .all(|one| self.has(actor, Thing::Value(&one.attribute, &one.value, one.until), place))
        }) && of.attributes.iter().all(|(name, value)| {
            items(value).into_iter().all(|value| self.has(actor, Thing::Value(name, value, of.until), place))
        })
    }

    /// A role or a grant: by what anybody who was given it reaches.
    fn has_assignment(&self, actor: &BoundUser, given: &Assignment, place: Place<'_>) -> bool {
        let lasting = Assignment { until: None, ..given.clone() };
        let holder = self.with_open_gates(&User::new("").given(place.tenant, vec![lasting]), place.tenant);
        let program = &self.snapshot.program;
        let (Some(wanted), Some(own)) = (
            Reach::of_anybody_like(program, &holder, place.tenant, place.time),
            Reach::of(program, actor, place.tenant, place.time),
        ) else {
            return false;
        };
        self.within(&wanted, &[own])
    }

    /// Whether what a user would reach, beyond what the user reaches as it is, stays within what somebody else does. Several things
    /// together may open what none of them does alone, and so may one that is taken away or runs out.
    ///
    /// That holds with the values of attributes that the user has, and with any: what a role kept from the user is open too to whom
    /// values are given later, or a token brings them.
    pub(super) fn has_growth(&self, actor: &BoundUser, before: Option<&User>, after: &User, place: Place<'_>) -> bool {
        let users: Vec<&User> = before.into_iter().chain([after, actor.user()]).collect();
        let places = place.until(after.until, &users);
        let before = before.map(|before| self.with_open_gates(before, place.tenant));
        let after = self.with_open_gates(after, place.tenant);
        let stays_within = |Place { tenant, time }: Place<'_>, with_any_values: bool| {
            let program = &self.snapshot.program;
            let is_there = |user: &&BoundUser| is_there(user.user(), time);
            let as_it_is = |user| Reach::of(program, user, tenant, time);
            let reach = |user| {
                if with_any_values { Reach::of_anybody_like(program, user, tenant, time) } else { as_it_is(user) }
            };
            let Some(wanted) = reach(&after) else { return false };
            let before = before.iter().filter(is_there).filter_map(reach);
            let own = before.chain([actor].into_iter().filter(is_there).filter_map(as_it_is));
            self.within(&wanted, &own.collect::<Vec<_>>())
        };
        places.into_iter().all(|place| stays_within(place, false) && stays_within(place, true))
    }

    /// The user as if every gate were open: gates are given and taken by themselves.
    fn with_open_gates(&self, user: &User, tenant: Option<&str>) -> BoundUser {
        let mut user = user.clone();
        let gates = self.snapshot.catalog.gates.iter().map(|gate| Assignment {
            kind: AssignmentKind::Gate,
            name: gate.id.clone(),
            until: None,
            why: None,
        });
        for membership in user.memberships.iter_mut().filter(|one| one.tenant.as_deref() == tenant) {
            membership.assignments.extend(gates.clone());
        }
        BoundUser::new(&self.snapshot.program, &Arc::new(user))
    }

    fn within(&self, wanted: &Reach<'_>, own: &[Reach<'_>]) -> bool {
        let catalog: &Catalog = &self.snapshot.catalog;
        catalog.modules.iter().enumerate().all(|(index, module)| {
            self.parts
                .module(index)
                .iter()
                .all(|part| module.actions.iter().all(|action| self.covered(part, action, wanted, own)))
        })
    }

    fn covered(&self, part: &Part, action: &str, wanted: &Reach<'_>, own: &[Reach<'_>]) -> bool {
        let program = &self.snapshot.program;
        let reach = wanted;
        let wanted = reach.on_with_hidden(part, action, &self.hidden);
        if wanted.permits.is_empty() || wanted.forbids.iter().any(|forbid| forbid.certain) {
            return true;
        }
        let own: Vec<_> = own.iter().map(|own| (own, own.on_with_hidden(part, action, &self.hidden))).collect();
        wanted.permits.iter().all(|permit| own.iter().any(|own| allows(program, own, *permit, (reach, &wanted))))
    }
}

/// Whether what one standing comes to covers a permit of another: by a permit that is no narrower, and with no `forbid` that does not
/// limit the other at least as much.
fn allows(
    program: &Program,
    (own_reach, own): &(&Reach<'_>, Touching),
    permit: Touched,
    (reach, wanted): (&Reach<'_>, &Touching),
) -> bool {
    let limits_too = |forbid: PolicyIndex| {
        wanted.forbids.iter().any(|other| {
            let alike = || reach.meets_what_is_met_by(own_reach, forbid) && reach.stands_like(own_reach, forbid);
            other.policy == forbid && (other.certain || alike())
        })
    };
    let limited = |forbid: &Touched| forbid.certain || !limits_too(forbid.policy);
    let wide = |own: &Touched| {
        // A permit for one resource covers none for others, whatever the conditions say.
        let fits = !own.named || own.policy == permit.policy;
        let implied =
            || fits && implies(program, permit.policy, own.policy) && own_reach.meets_what_is_met_by(reach, own.policy);
        own.certain || !permit.certain && implied()
    };
    !own.forbids.iter().any(limited) && own.permits.iter().any(wide)
}

/// Whether a user has a value of an attribute, as it counts in a tenant.
fn has_value(user: &BoundUser, attribute: &str, value: &Value<'static>, place: Place<'_>) -> bool {
    let own = user.attributes_in(place.tenant, place.time).iter().find(|(name, _)| name == attribute);
    own.is_some_and(|(_, own)| items(own).contains(&value))
}
