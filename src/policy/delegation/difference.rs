//! From a user as it is and as it would be to the steps between: one for each thing that is given or taken, and for each change of the
//! account itself.

use super::{Ask, Concern, Deed, Operation, kind_word};
use crate::{
    engine::value_text,
    model::{Assignment, AssignmentKind, GivenValue, Membership, Status, Timestamp, User, Value},
};
use std::collections::BTreeSet;

/// One step of a deed.
#[derive(Debug, Clone)]
pub(super) enum Step<'d> {
    /// Something about the user as such, in every tenant that the user belongs to.
    Person(Ask),
    /// Something about the user in the tenant of the deed.
    Account(Ask),
    /// Something is given, or for longer.
    Give(Thing<'d>, Option<&'d str>),
    /// Something is taken away, or given for less long, or for another reason.
    Take(Thing<'d>, Option<&'d str>),
}

/// What can be given and taken.
#[derive(Debug, Clone, Copy)]
pub(super) enum Thing<'d> {
    /// A role, a grant or a gate.
    Assignment(&'d Assignment),
    /// A value of an attribute, up to a time where there is one.
    Value(&'d str, &'d Value<'static>, Option<Timestamp>),
    /// To belong to a tenant without having anything there.
    Membership,
}

impl<'d> Thing<'d> {
    /// What it is, for people and logs.
    pub(super) fn concern(self, tenant: Option<&str>) -> Concern {
        let (kind, name) = match self {
            Thing::Assignment(given) => (kind_word(given.kind), given.name.clone()),
            Thing::Value(attribute, value, _) => ("value", format!("{attribute}/{}", value_text(value))),
            Thing::Membership => ("membership", tenant.unwrap_or_default().to_owned()),
        };
        Concern { kind, name, tenant: tenant.map(str::to_owned) }
    }

    /// From when on it no longer counts.
    pub(super) const fn until(self) -> Option<Timestamp> {
        match self {
            Thing::Assignment(given) => given.until,
            Thing::Value(_, _, until) => until,
            Thing::Membership => None,
        }
    }

    /// The role, where it is one.
    pub(super) fn role(self) -> Option<&'d str> {
        match self {
            Thing::Assignment(given) if given.kind == AssignmentKind::Role => Some(&given.name),
            _ => None,
        }
    }
}

/// Whether one end comes after another; no end is the latest.
pub(super) fn is_later(end: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    match (end, other) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(end), Some(other)) => end > other,
    }
}

/// All steps of a deed; at least one.
pub(super) fn steps<'d>(deed: &Deed<'d>, home: Option<&'d str>) -> Vec<Step<'d>> {
    let mut steps = Vec::new();
    let ask = deed.operation.ask();
    if ask.looks() && deed.after.is_none() {
        return vec![Step::Account(ask)];
    }
    match (deed.before, deed.after) {
        (None, Some(_)) => {
            let creates = matches!(ask, Ask::Create | Ask::Invite | Ask::Import);
            steps.push(Step::Account(if creates { ask } else { Ask::Create }));
        }
        (Some(before), None) if ask == Ask::Revoke => {
            steps.push(Step::Account(ask));
            // Where the user is gone with it, and belongs elsewhere too, it is a deletion.
            if before.memberships.iter().any(|one| one.tenant.as_deref() != home) {
                steps.push(Step::Person(Ask::Delete));
            }
        }
        (Some(_), None) if ask == Ask::EndSession => steps.push(Step::Account(ask)),
        (Some(_), None) => steps.push(Step::Person(Ask::Delete)),
        (Some(_), Some(_)) if matches!(ask, Ask::Invite | Ask::Revoke | Ask::EndSession) => {
            steps.push(Step::Account(ask));
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    if let Some(after) = deed.after {
        person(deed.before, after, &mut steps);
        values(deed.before, after, home, &mut steps);
        memberships(deed.before, after, &mut steps);
        // Whoever creates or invites a user in a tenant makes it belong there.
        if deed.before.is_none() || invites(deed.operation) {
            steps.retain(|step| !matches!(step, Step::Give(Thing::Membership, tenant) if *tenant == home));
        }
        // Nobody is asked about where a user was before, who has nothing there: an invitation lets it in from nowhere.
        if invites(deed.operation) {
            steps.retain(|step| !matches!(step, Step::Take(Thing::Membership, _)));
        }
    }
    if steps.is_empty() {
        // A change of nothing is not for everybody either.
        let person = matches!(ask, Ask::Change | Ask::Suspend | Ask::Reactivate | Ask::Delete);
        steps.push(if person { Step::Person(ask) } else { Step::Account(ask) });
    }
    steps
}

/// Profile, status and end of the account.
fn person(before: Option<&User>, after: &User, steps: &mut Vec<Step<'_>>) {
    let Some(before) = before else { return };
    let profile = |user: &User| (user.id.clone(), user.name.clone(), user.email.clone(), user.family.clone());
    if profile(before) != profile(after) {
        steps.push(Step::Person(Ask::Change));
    }
    let mut status = BTreeSet::new();
    match (before.status, after.status) {
        (one, other) if one == other => {}
        (_, Status::Active) => drop(status.insert(true)),
        (_, Status::Suspended | Status::Invited) => drop(status.insert(false)),
    }
    if is_later(after.until, before.until) {
        status.insert(true);
    } else if after.until != before.until {
        status.insert(false);
    }
    steps.extend(status.into_iter().map(|opens| Step::Person(if opens { Ask::Reactivate } else { Ask::Suspend })));
}

/// The user's own attributes. They count in every tenant, so they are given and taken in each.
fn values<'d>(before: Option<&'d User>, after: &'d User, home: Option<&'d str>, steps: &mut Vec<Step<'d>>) {
    let memberships = before.into_iter().chain([after]).flat_map(|user| &user.memberships);
    let mut tenants: BTreeSet<Option<&'d str>> = memberships.map(|one| one.tenant.as_deref()).collect();
    if tenants.is_empty() {
        tenants.insert(home);
    }
    let attributes = |user: Option<&'d User>| user.map_or(&[][..], |user| user.attributes.as_slice());
    let (before, after) = (attributes(before), attributes(Some(after)));
    let of = |name: &str, all: &'d [(String, Value<'static>)]| {
        all.iter().find(|(known, _)| known == name).map(|(_, value)| items(value)).unwrap_or_default()
    };
    let names: BTreeSet<&str> = before.iter().chain(after).map(|(name, _)| name.as_str()).collect();
    for name in names {
        let (was, is) = (of(name, before), of(name, after));
        let missing = |from: &[&'d Value<'static>], all: &[&'d Value<'static>]| -> Vec<&'d Value<'static>> {
            all.iter().copied().filter(|value| !from.contains(value)).collect()
        };
        let attribute = names_of(name, before, after);
        for tenant in &tenants {
            let given =
                missing(&was, &is).into_iter().map(|value| Step::Give(Thing::Value(attribute, value, None), *tenant));
            steps.extend(given);
            let taken =
                missing(&is, &was).into_iter().map(|value| Step::Take(Thing::Value(attribute, value, None), *tenant));
            steps.extend(taken);
        }
    }
}

/// The name as one of the users holds it.
fn names_of<'d>(name: &str, before: &'d [(String, Value<'static>)], after: &'d [(String, Value<'static>)]) -> &'d str {
    before.iter().chain(after).find(|(known, _)| known == name).map_or("", |(known, _)| known.as_str())
}

/// The values of an attribute: those of a set, or the only one.
pub(super) fn items<'v>(value: &'v Value<'static>) -> Vec<&'v Value<'static>> {
    match value {
        Value::Set(items) => items.iter().collect(),
        one => vec![one],
    }
}

/// Roles, grants, gates and values, tenant by tenant.
fn memberships<'d>(before: Option<&'d User>, after: &'d User, steps: &mut Vec<Step<'d>>) {
    let all = |user: Option<&'d User>| user.map_or(&[][..], |user| user.memberships.as_slice());
    let (before, after) = (all(before), all(Some(after)));
    let tenants: BTreeSet<Option<&str>> =
        before.iter().chain(after).map(|membership| membership.tenant.as_deref()).collect();
    for tenant in tenants {
        let of = |all: &'d [Membership]| all.iter().find(|membership| membership.tenant.as_deref() == tenant);
        let (was, is) = (of(before), of(after));
        let had = steps.len();
        let given = |membership: Option<&'d Membership>| membership.map_or(&[][..], |one| one.assignments.as_slice());
        let same = |one: &Assignment, other: &Assignment| one.kind == other.kind && one.name == other.name;
        let ends = |one: &Assignment| (one.until, one.why.clone());
        compare(given(was), given(is), same, ends, |gives, one| step(gives, Thing::Assignment(one), tenant), steps);
        let given = |membership: Option<&'d Membership>| membership.map_or(&[][..], |one| one.values.as_slice());
        let same = |one: &GivenValue, other: &GivenValue| one.attribute == other.attribute && one.value == other.value;
        let ends = |one: &GivenValue| (one.until, one.why.clone());
        let thing = |one: &'d GivenValue| Thing::Value(&one.attribute, &one.value, one.until);
        compare(given(was), given(is), same, ends, |gives, one| step(gives, thing(one), tenant), steps);
        if was.is_some() != is.is_some() && steps.len() == had {
            steps.push(step(is.is_some(), Thing::Membership, tenant));
        }
    }
}

fn step<'d>(gives: bool, thing: Thing<'d>, tenant: Option<&'d str>) -> Step<'d> {
    if gives { Step::Give(thing, tenant) } else { Step::Take(thing, tenant) }
}

/// What is new or lasts longer is given; what is gone or otherwise not the same is taken.
fn compare<'d, T>(
    was: &'d [T],
    is: &'d [T],
    same: impl Fn(&T, &T) -> bool,
    ends: impl Fn(&T) -> (Option<Timestamp>, Option<String>),
    step: impl Fn(bool, &'d T) -> Step<'d>,
    steps: &mut Vec<Step<'d>>,
) {
    for one in is {
        match was.iter().find(|other| same(one, other)) {
            None => steps.push(step(true, one)),
            Some(other) if is_later(ends(one).0, ends(other).0) => steps.push(step(true, one)),
            Some(other) if ends(one) != ends(other) => steps.push(step(false, one)),
            Some(_) => {}
        }
    }
    steps.extend(was.iter().filter(|other| !is.iter().any(|one| same(one, other))).map(|other| step(false, other)));
}

/// Whether the deed lets somebody in who has been somewhere else so far: what invitations are for.
pub(super) fn invites(operation: Operation) -> bool {
    matches!(operation, Operation::Invite | Operation::ChangeInvitation)
}
