//! The entries of one user.

use super::{Counted, ReviewQuery, ReviewRow, Used, Uses, ago};
use crate::{
    directory::{
        Found, Refusal,
        account::{Given, GivenKind},
        role::Lens,
        scene::Scene,
    },
    engine::{Bearing, Program, value_text},
    model::{Assignment, AssignmentKind, Timestamp, User},
    policy::Catalog,
};
use std::{collections::HashMap, time::Duration};

/// One thing that a user has, before it is shown.
struct Thing {
    tenant: Option<String>,
    kind: GivenKind,
    name: String,
    until: Option<Timestamp>,
    why: Option<String>,
    by: Option<String>,
    at: Option<Timestamp>,
}

/// Appends what a user has, as far as it is asked for.
pub(super) fn of(
    scene: &Scene<'_>,
    query: &ReviewQuery,
    tenant: Option<&str>,
    (found, user): (&Found, &User),
    (log, bearings): (&dyn Uses, &mut Bearings<'_>),
    rows: &mut Vec<ReviewRow>,
) -> Result<(), Refusal> {
    let lens = scene.lens()?;
    let things = match found {
        Found::Account(account) => given(account),
        Found::Declared(user, _) => declared(user),
    };
    let blank = ReviewRow {
        user: user.id.clone(),
        name: user.name.clone(),
        email: user.email.clone(),
        status: user.status.as_str(),
        declared: matches!(found, Found::Declared(..)),
        last_login: scene.book.logins(&user.id).map(|logins| logins.last.to_string()),
        tenant: None,
        kind: "nothing",
        what: None,
        role: None,
        since: None,
        by: None,
        why: None,
        until: None,
        expired: false,
        last_used: None,
        uses: None,
    };
    let belongs = tenant.is_none() || user.memberships.iter().any(|place| place.tenant.as_deref() == tenant);
    if things.is_empty() && belongs && query.asks_for_users() {
        rows.push(ReviewRow { tenant: tenant.map(str::to_owned), ..blank });
        return Ok(());
    }
    let only = user.memberships.len() == 1;
    for thing in things.into_iter().filter(|thing| tenant.is_none() || thing.tenant.as_deref() == tenant) {
        let LastUse { last, counted } = last_use(&scene.snapshot.catalog, lens, bearings, &user.id, &thing, only, log);
        if !query.fits(&thing, last, counted, scene.now()) {
            continue;
        }
        rows.push(ReviewRow {
            kind: thing.kind.as_str(),
            role: (thing.kind == GivenKind::Role).then(|| standing(scene, lens, &thing.name)),
            since: thing.at.map(|at| at.to_string()),
            until: thing.until.map(|until| until.to_string()),
            expired: thing.until.is_some_and(|until| scene.now() >= until),
            last_used: last.map(|last| last.to_string()),
            uses: Some(counted),
            tenant: thing.tenant,
            what: Some(thing.name),
            by: thing.by,
            why: thing.why,
            ..blank.clone()
        });
    }
    Ok(())
}

/// What a user of the directory was given.
fn given(account: &crate::directory::Account) -> Vec<Thing> {
    let places = account.places.iter();
    let things = places.flat_map(|place| place.given.iter().map(|given| (place.tenant.clone(), given)));
    let thing = |(tenant, given): (Option<String>, &Given)| Thing {
        tenant,
        kind: given.kind,
        name: match &given.value {
            Some(serde_json::Value::String(text)) => format!("{}/{text}", given.name),
            Some(value) => format!("{}/{value}", given.name),
            None => given.name.clone(),
        },
        until: given.until,
        why: given.why.clone(),
        by: Some(given.by.clone()),
        at: Some(given.at),
    };
    things.map(thing).collect()
}

/// What a user was given in the files of the policy set.
fn declared(user: &User) -> Vec<Thing> {
    let mut things = Vec::new();
    for place in &user.memberships {
        let assignment = |given: &Assignment| Thing {
            tenant: place.tenant.clone(),
            kind: match given.kind {
                AssignmentKind::Role => GivenKind::Role,
                AssignmentKind::Grant => GivenKind::Grant,
                AssignmentKind::Gate => GivenKind::Gate,
            },
            name: given.name.clone(),
            until: given.until,
            why: given.why.clone(),
            by: None,
            at: None,
        };
        things.extend(place.assignments.iter().map(assignment));
        things.extend(place.values.iter().map(|given| Thing {
            tenant: place.tenant.clone(),
            kind: GivenKind::Value,
            name: format!("{}/{}", given.attribute, value_text(&given.value)),
            until: given.until,
            why: given.why.clone(),
            by: None,
            at: None,
        }));
    }
    things
}

fn standing(scene: &Scene<'_>, lens: Lens<'_>, role: &str) -> &'static str {
    let custom = scene.book.roles().contains_key(role);
    match (lens.custom_role(role), custom) {
        (Some(_), _) => "custom",
        (None, true) => "shadowed",
        (None, false) if scene.snapshot.catalog.role(role).is_some() => "declared",
        (None, false) => "unknown",
    }
}

/// What is known of the uses of one thing.
#[derive(Debug, Clone, Copy)]
struct LastUse {
    last: Option<Timestamp>,
    counted: Counted,
}

/// What bears on uses, worked out once for all who have it.
#[derive(Debug)]
pub(super) struct Bearings<'p> {
    program: &'p Program,
    known: HashMap<(AssignmentKind, String), Known>,
}

/// The ids of the policies that something bears on, and whether conditions ask for it too.
type Known = (Vec<String>, bool);

impl<'p> Bearings<'p> {
    pub(super) fn of(program: &'p Program) -> Self {
        Self { program, known: HashMap::new() }
    }

    fn get(&mut self, kind: AssignmentKind, name: &str) -> &Known {
        let program = self.program;
        self.known.entry((kind, name.to_owned())).or_insert_with(|| {
            let Bearing { policies, is_asked_for } = program.bearing(kind, name);
            let ids = policies.into_iter().filter_map(|policy| Some(program.policy(policy)?.id.to_string()));
            (ids.collect(), is_asked_for)
        })
    }
}

/// When something was last used, as far as decisions tell.
fn last_use(
    catalog: &Catalog,
    lens: Lens<'_>,
    bearings: &mut Bearings<'_>,
    user: &str,
    thing: &Thing,
    only: bool,
    log: &dyn Uses,
) -> LastUse {
    let tenant = thing.tenant.as_deref().unwrap_or_default();
    // Where a user has one tenant, requests need not name it.
    let last = |what: Used<'_>| {
        let unnamed = if only && !tenant.is_empty() { log.last(user, "", what) } else { None };
        log.last(user, tenant, what).max(unnamed)
    };
    let mut of_policies = |kind, name: &str| {
        let (policies, is_asked_for) = bearings.get(kind, name);
        let counted = if *is_asked_for { Counted::Partly } else { Counted::All };
        LastUse { last: policies.iter().filter_map(|id| last(Used::Policy(id))).max(), counted }
    };
    let gate = |gate: &str| {
        let behind = catalog.modules.iter().filter(|module| module.gates.iter().any(|known| known == gate));
        LastUse { last: behind.filter_map(|module| last(Used::Module(&module.id))).max(), counted: Counted::All }
    };
    match thing.kind {
        GivenKind::Role => match lens.custom_role(&thing.name) {
            Some(role) => {
                let grants = role.parts().filter(|(kind, _)| *kind == AssignmentKind::Grant);
                let counts = grants.map(|(kind, name)| of_policies(kind, &name));
                counts.fold(LastUse { last: None, counted: Counted::All }, |all, one| LastUse {
                    last: all.last.max(one.last),
                    counted: all.counted.max(one.counted),
                })
            }
            None => of_policies(AssignmentKind::Role, &thing.name),
        },
        GivenKind::Grant => of_policies(AssignmentKind::Grant, &thing.name),
        GivenKind::Gate => gate(&thing.name),
        GivenKind::Value => LastUse { last: None, counted: Counted::Not },
    }
}

impl ReviewQuery {
    /// Whether users are of interest who have nothing.
    fn asks_for_users(&self) -> bool {
        self.role.is_none() && self.unused_for.is_none() && !self.expired && self.expiring_within.is_none()
    }

    fn fits(&self, thing: &Thing, last: Option<Timestamp>, counted: Counted, now: Timestamp) -> bool {
        let is_role = |role: &String| thing.kind == GivenKind::Role && thing.name == *role;
        let is_unused = |span: Duration| {
            // Whatever nobody can tell of is not said to be unused.
            counted != Counted::Not && last.or(thing.at).is_none_or(|time| time <= ago(now, span))
        };
        let ends_within = |span: Duration| {
            let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
            let end = Timestamp::from_micros(now.as_micros().saturating_add(span));
            thing.until.is_some_and(|until| until > now && until <= end)
        };
        self.role.as_ref().is_none_or(is_role)
            && self.unused_for.is_none_or(is_unused)
            && (!self.expired || thing.until.is_some_and(|until| now >= until))
            && self.expiring_within.is_none_or(ends_within)
    }
}
