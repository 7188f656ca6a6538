//! Delegated administration, thrown at from all sides: random steps by random actors, over the shipped sets and over random ones.
//!
//! What must hold is looked up here by decisions alone, in a grid of every question that a set knows, and not by the judge's own means.

use crate::support::{repo, seed};
use fastrand::Rng;
use given::{kept, membership};
use grid::{Gates, Grid, reached};
use sidegate::{
    engine::{BoundUser, Dialect, Tenancy},
    model::{Assignment, AssignmentKind, GivenValue, Membership, Status, Timestamp, User, Value},
    policy::{self, Deed, Judge, Operation, Options, Snapshot},
};
use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

/// What users are given.
mod given;
/// Every question that a set knows, asked for one user.
mod grid;
/// Policy sets drawn at random.
mod sets;

const BEGIN: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const DAY: i64 = 86_400_000_000;

/// The operations that change somebody, whatever the change is.
const CHANGING: [Operation; 7] = [
    Operation::Assign,
    Operation::Assign,
    Operation::Change,
    Operation::Import,
    Operation::Invite,
    Operation::Reactivate,
    Operation::Suspend,
];

/// Steps in each set.
const STEPS: usize = 250;
/// Random sets.
const SETS: usize = 12;
/// Random sets at most, of which one must show what a missing rule lets happen. Each rule is missed within ten.
const SETS_WITHOUT_A_RULE: usize = 100;

#[test]
fn no_sequence_of_steps_gives_anybody_more_than_the_givers_have() {
    let seed = seed("delegation");
    let mut random = Rng::with_seed(seed);
    let mut allowed = 0;
    for set in ["demo", "8move", "propeller", "omc", "backbone"] {
        allowed += World::load(&repo("policies").join(set), &mut random).run(&mut random);
    }
    for _ in 0..SETS {
        let directory = tempfile::tempdir().unwrap();
        sets::write(directory.path(), None, &mut random);
        allowed += World::load(directory.path(), &mut random).run(&mut random);
    }
    assert!(allowed > 100, "only {allowed} steps were allowed: SIDEGATE_SEED={seed}");
}

/// What is looked for above is there to be found.
#[test]
fn without_one_of_the_rules_the_same_steps_do_what_must_not_happen() {
    let mut random = Rng::with_seed(seed("delegation without a rule"));
    for off in ["own_account", "rank", "family", "tenant", "only_held", "last_administrator"] {
        let goes_wrong = (1..=SETS_WITHOUT_A_RULE).find(|_| {
            let directory = tempfile::tempdir().unwrap();
            sets::write(directory.path(), Some(off), &mut random);
            let world = World::load(directory.path(), &mut random);
            catch_unwind(AssertUnwindSafe(|| world.run(&mut random))).is_err()
        });
        println!("without `{off}` set {goes_wrong:?} goes wrong");
        assert!(goes_wrong.is_some(), "without `{off}` nothing goes wrong");
    }
}

/// A set with users that change.
struct World {
    snapshot: Snapshot,
    users: Vec<User>,
    tenants: Vec<Option<String>>,
    has_tenants: bool,
    created: usize,
    now: Timestamp,
}

impl World {
    fn load(directory: &Path, random: &mut Rng) -> Self {
        let snapshot = policy::load(directory, &Options::default()).unwrap_or_else(|error| {
            panic!("{}: {}", directory.display(), sidegate::document::Diagnostics::from(error))
        });
        let Dialect::Declared(vocabulary) = snapshot.program.dialect() else { panic!("a set with modules") };
        let has_tenants = vocabulary.tenancy == Tenancy::Required;
        let tenants = match &vocabulary.tenants {
            Some(tenants) if has_tenants => tenants.iter().cloned().map(Some).collect(),
            _ => vec![None],
        };
        let mut users: Vec<User> = snapshot.users.iter().map(|user| (**user).clone()).collect();
        random.shuffle(&mut users);
        Self { snapshot, users, tenants, has_tenants, created: 0, now: BEGIN }
    }

    /// Throws steps at the judge and does what it allows. Tells how many that were.
    fn run(mut self, random: &mut Rng) -> usize {
        let mut allowed = 0;
        for _ in 0..STEPS {
            let actor = random.choice(&self.users).unwrap().clone();
            let draft = self.draft(random);
            // Time goes by, and what was given for a time runs out.
            if random.u8(..4) == 0 {
                self.now = later(self.now, random.i64(0..2 * DAY));
            }
            allowed += usize::from(self.attempt(&actor, &draft));
        }
        if self.snapshot.catalog.delegation.is_none() {
            assert_eq!(allowed, 0, "without a delegation nobody administers");
        }
        allowed
    }

    /// Has one step judged, looks whether what it would do is right, and does it.
    fn attempt(&mut self, actor: &User, draft: &Draft) -> bool {
        let bound = BoundUser::new(&self.snapshot.program, &Arc::new(actor.clone()));
        let id = draft.before.as_ref().or(draft.after.as_ref()).map(|user| user.id.clone()).unwrap();
        let deed = Deed {
            operation: draft.operation,
            tenant: draft.tenant.as_deref(),
            before: draft.before.as_ref(),
            after: draft.after.as_ref(),
            promised: &draft.promised,
            time: self.now,
        };
        let others = |tenant: Option<&str>, end| {
            let others = self.users.iter().filter(|user| user.id != id);
            others.filter(|user| policy::is_administrator_until(&self.snapshot, user, tenant, self.now, end)).count()
        };
        let verdict = Judge::new(&self.snapshot).judge(&bound, &deed, &others);
        assert_eq!(verdict.allowed, verdict.code == "granted");
        if !verdict.allowed {
            return false;
        }
        let told = || format!("{}: {actor:?} {draft:#?}", self.snapshot.name);
        if actor.id == id {
            self.nothing_was_gained(actor, draft, &told);
        } else if let Some(after) = &draft.after {
            let kept = |user: &User| kept(user, &draft.promised);
            let before = draft.before.as_ref();
            for time in self.moments(actor, before, Some(after)) {
                self.nothing_goes_beyond(actor, before, after, time, &told);
                if !draft.promised.is_empty() {
                    let before = before.map(kept);
                    self.nothing_goes_beyond(actor, before.as_ref(), &kept(after), time, &told);
                }
            }
        }
        self.ranks_and_families(actor, draft, &told);
        let times = self.moments(actor, draft.before.as_ref(), draft.after.as_ref());
        let of_all = |world: &Self| -> Vec<usize> {
            let at = |time: &Timestamp| {
                world.tenants.iter().map(|tenant| world.administrators(tenant.as_deref(), *time)).collect()
            };
            times.iter().flat_map(|time| -> Vec<usize> { at(time) }).collect()
        };
        let before = of_all(self);
        let shown = told();
        self.users.retain(|user| user.id != id);
        self.users.extend(draft.after.clone());
        let of = times.iter().flat_map(|time| self.tenants.iter().map(move |tenant| (time, tenant)));
        for ((time, tenant), (before, after)) in of.zip(before.into_iter().zip(of_all(self))) {
            assert!(before == 0 || after > 0, "{tenant:?} has no administrator at {time} after {shown}");
        }
        true
    }

    fn administrators(&self, tenant: Option<&str>, time: Timestamp) -> usize {
        self.users.iter().filter(|user| policy::is_administrator(&self.snapshot, user, tenant, time)).count()
    }

    /// Of the own account nothing but the name has changed, so nothing more is reached.
    fn nothing_was_gained(&self, actor: &User, draft: &Draft, told: &dyn Fn() -> String) {
        let after = draft.after.as_ref().unwrap_or_else(|| panic!("deleted itself: {}", told()));
        // What is not there any more and what is new, in whatever order.
        let all = |user: &User| -> BTreeSet<String> {
            let given = user.memberships.iter().flat_map(|one| {
                let assignments = one.assignments.iter().map(|given| format!("{:?} {given:?}", one.tenant));
                let values = one.values.iter().map(|value| format!("{:?} {value:?}", one.tenant));
                assignments.chain(values).chain([format!("{:?}", one.tenant)]).collect::<Vec<_>>()
            });
            given.collect()
        };
        assert_eq!(all(actor), all(after), "{}", told());
        for tenant in &self.tenants {
            let values = |user: &User| grid::values(&self.snapshot, user, tenant.as_deref(), self.now);
            assert_eq!(values(actor), values(after), "{}", told());
        }
        assert_eq!((actor.status, actor.until), (after.status, after.until), "{}", told());
        for tenant in &self.tenants {
            let grid = |user| reached(&self.snapshot, user, tenant.as_deref(), Gates::AsTheyAre, self.now);
            assert!(grid(after).is_subset(&grid(actor)), "{}", told());
        }
    }

    /// Now, and times at which something of it has run out: the next and the last.
    fn moments(&self, actor: &User, before: Option<&User>, after: Option<&User>) -> BTreeSet<Timestamp> {
        let users = [Some(actor), before, after].into_iter().flatten();
        let ends = users.flat_map(|user| {
            let given = user.memberships.iter().flat_map(|one| {
                let assignments = one.assignments.iter().map(|given| given.until);
                assignments.chain(one.values.iter().map(|given| given.until)).collect::<Vec<_>>()
            });
            given.chain([user.until]).flatten().collect::<Vec<_>>()
        });
        let ends: BTreeSet<Timestamp> = ends.filter(|end| *end > self.now).collect();
        [Some(&self.now), ends.first(), ends.last()].into_iter().flatten().copied().collect()
    }

    /// What the user reaches afterwards at a time, it would have reached then before or the actor does; with the actor's attributes, since
    /// values are given by themselves, and with open gates, since those are too.
    fn nothing_goes_beyond(
        &self,
        actor: &User,
        before: Option<&User>,
        after: &User,
        time: Timestamp,
        told: &dyn Fn() -> String,
    ) {
        let is_there = |user: &User| user.until.is_none_or(|until| time < until);
        if !is_there(after) {
            return;
        }
        let before = before.filter(|before| is_there(before));
        for tenant in &self.tenants {
            let tenant = tenant.as_deref();
            let own = reached(&self.snapshot, actor, tenant, Gates::AsTheyAre, time);
            let like = |user: &User| -> Grid {
                let attributes = actor.attributes.clone();
                let values = actor.memberships.iter().find(|one| one.tenant.as_deref() == tenant);
                let values = values.map(|one| one.values.clone()).unwrap_or_default();
                let mut user = User { attributes, status: Status::Active, until: None, ..user.clone() };
                for membership in user.memberships.iter_mut().filter(|one| one.tenant.as_deref() == tenant) {
                    membership.values.clone_from(&values);
                }
                reached(&self.snapshot, &user, tenant, Gates::Open, time)
            };
            // What anybody may do whom the tenant knows was given by nobody.
            let anybody = like(&User::new(&after.id).given(tenant, Vec::new()));
            let before_grid: Grid = before.map(like).unwrap_or_default().into_iter().chain(anybody).collect();
            for question in like(after) {
                assert!(
                    own.contains(&question) || before_grid.contains(&question),
                    "{question:?} at {time} by {}",
                    told()
                );
            }
            let gates = |user: &User| -> Vec<String> {
                let given =
                    user.assignments(tenant, time).filter(|given| is_there(user) && given.kind == AssignmentKind::Gate);
                given.map(|given| given.name.clone()).collect()
            };
            let known: Vec<String> = gates(actor).into_iter().chain(before.map(gates).unwrap_or_default()).collect();
            assert!(!self.belongs(after, tenant) || gates(after).iter().all(|gate| known.contains(gate)), "{}", told());
            let values = |user: &User| {
                if is_there(user) { grid::values(&self.snapshot, user, tenant, time) } else { BTreeSet::new() }
            };
            let known: Vec<_> = values(actor).into_iter().chain(before.map(values).unwrap_or_default()).collect();
            assert!(
                !self.belongs(after, tenant) || values(after).iter().all(|value| known.contains(value)),
                "{}",
                told()
            );
        }
    }

    fn belongs(&self, user: &User, tenant: Option<&str>) -> bool {
        !self.has_tenants || user.memberships.iter().any(|one| one.tenant.as_deref() == tenant)
    }

    /// Roles that were given or taken are of the actor's family and rank no higher; tenants that were changed are the actor's.
    fn ranks_and_families(&self, actor: &User, draft: &Draft, told: &dyn Fn() -> String) {
        let catalog = &self.snapshot.catalog;
        let roles = |user: Option<&User>, tenant: Option<&str>| -> Vec<Assignment> {
            let memberships = user.map(|user| user.memberships.clone()).unwrap_or_default();
            let own = memberships.into_iter().filter(|one| one.tenant.as_deref() == tenant);
            own.flat_map(|one| one.assignments).filter(|given| given.kind == AssignmentKind::Role).collect()
        };
        for tenant in &self.tenants {
            let tenant = tenant.as_deref();
            let (before, after) = (roles(draft.before.as_ref(), tenant), roles(draft.after.as_ref(), tenant));
            let rank = |given: &Assignment| catalog.role(&given.name).and_then(|role| role.rank);
            let own = roles(Some(actor), tenant)
                .iter()
                .filter(|one| one.until.is_none_or(|end| self.now < end))
                .filter_map(rank)
                .min();
            let changed = before
                .iter()
                .filter(|one| !after.contains(one))
                .chain(after.iter().filter(|one| !before.contains(one)));
            for role in changed {
                assert!(
                    rank(role).is_none_or(|rank| own.is_some_and(|own| own <= rank)),
                    "rank of {role:?}: {}",
                    told()
                );
                let family = catalog.role(&role.name).and_then(|role| role.family.clone());
                assert!(family.is_none() || family == actor.family, "family of {role:?}: {}", told());
                assert!(
                    !self.has_tenants || actor.memberships.iter().any(|one| one.tenant.as_deref() == tenant),
                    "tenant of {role:?}: {}",
                    told()
                );
            }
        }
    }
}

/// A step that somebody tries.
#[derive(Debug)]
struct Draft {
    operation: Operation,
    tenant: Option<String>,
    before: Option<User>,
    after: Option<User>,
    /// What the user may take up by accepting invitations.
    promised: Vec<Membership>,
}

impl World {
    fn draft(&mut self, random: &mut Rng) -> Draft {
        let tenant = random.choice(&self.tenants).unwrap().clone();
        let families: Vec<_> = self.snapshot.catalog.families.iter().map(|family| Some(family.id.clone())).collect();
        if random.u8(..8) == 0 {
            self.created += 1;
            let family = random.choice(&families).cloned().flatten();
            let mut user = User { family, ..User::new(format!("new-{}", self.created)) };
            let operation = *random.choice(&[Operation::Create, Operation::Invite, Operation::Import]).unwrap();
            if random.bool() {
                self.change(&mut user, tenant.as_ref(), random);
            }
            return Draft { operation, tenant, before: None, after: Some(user), promised: Vec::new() };
        }
        let before = random.choice(&self.users).unwrap().clone();
        if random.u8(..12) == 0 {
            return Draft {
                operation: Operation::Delete,
                tenant,
                before: Some(before),
                after: None,
                promised: Vec::new(),
            };
        }
        let mut after = before.clone();
        for _ in 0..=random.usize(..3) {
            let place =
                if random.u8(..6) == 0 { random.choice(&self.tenants).unwrap().clone() } else { tenant.clone() };
            self.change(&mut after, place.as_ref(), random);
        }
        let operation = *random.choice(&CHANGING).unwrap();
        let roles = &self.snapshot.catalog.roles;
        let promised = random.choice(roles).filter(|_| random.u8(..4) == 0).map(|role| {
            let given = Assignment { kind: AssignmentKind::Role, name: role.id.clone(), until: None, why: None };
            Membership { tenant: tenant.clone(), assignments: vec![given], values: Vec::new() }
        });
        let promised = promised.into_iter().collect();
        Draft { operation, tenant, before: Some(before), after: Some(after), promised }
    }

    /// One random change of a user.
    fn change(&self, user: &mut User, tenant: Option<&String>, random: &mut Rng) {
        let catalog = &self.snapshot.catalog;
        let until = match random.u8(..4) {
            0 => Some(later(self.now, DAY * random.i64(-3..30))),
            _ => None,
        };
        let roles = catalog.roles.iter().map(|role| (AssignmentKind::Role, role.id.clone()));
        let levels = catalog.levels.iter();
        let grants = levels
            .flat_map(|level| catalog.grants_of_level(&level.name))
            .map(|(_, name)| (AssignmentKind::Grant, name));
        let gates = catalog.gates.iter().map(|gate| (AssignmentKind::Gate, gate.id.clone()));
        let of_kind: Vec<Vec<(AssignmentKind, String)>> = [roles.collect(), grants.collect(), gates.collect()]
            .into_iter()
            .filter(|all: &Vec<_>| !all.is_empty())
            .collect();
        match random.u8(..14) {
            0 => user.name = Some(format!("name {}", random.u8(..))),
            1 => user.status = if user.status == Status::Active { Status::Suspended } else { Status::Active },
            2 => user.until = until,
            3 | 4 => self.value(user, tenant, until, random),
            5..=8 => {
                let membership = membership(user, tenant);
                if !membership.assignments.is_empty() {
                    let at = random.usize(..membership.assignments.len());
                    if random.bool() {
                        membership.assignments.remove(at);
                    } else {
                        membership.assignments[at].until = until;
                    }
                }
            }
            _ => {
                let all = random.choice(&of_kind).unwrap();
                let (kind, name) = random.choice(all).unwrap().clone();
                let membership = membership(user, tenant);
                membership.assignments.retain(|given| given.kind != kind || given.name != name);
                membership.assignments.push(Assignment { kind, name, until, why: None });
            }
        }
        user.memberships.sort_by(|one, other| one.tenant.cmp(&other.tenant));
    }

    /// A value of a listed type, given or taken, as an attribute of the user or one by one.
    fn value(&self, user: &mut User, tenant: Option<&String>, until: Option<Timestamp>, random: &mut Rng) {
        let Some(listed) = self.snapshot.catalog.values.first() else { return };
        let id = random.choice(&listed.values).unwrap().clone();
        let value = Value::Entity { ty: listed.name.clone().into(), id: id.into() };
        if random.bool() {
            let membership = membership(user, tenant);
            let given = GivenValue { attribute: "channels".to_owned(), value, until, why: None };
            match membership.values.iter().position(|one| one.value == given.value) {
                Some(at) if random.bool() => drop(membership.values.remove(at)),
                Some(at) => membership.values[at] = given,
                None => membership.values.push(given),
            }
            return;
        }
        let items: Vec<Value<'static>> = match user.attributes.iter().find(|(name, _)| name == "channels") {
            Some((_, Value::Set(items))) if random.bool() => {
                items.iter().filter(|one| **one != value).cloned().collect()
            }
            Some((_, Value::Set(items))) => items.iter().cloned().chain([value]).collect(),
            _ => vec![value],
        };
        user.attributes.retain(|(name, _)| name != "channels");
        user.attributes.push(("channels".to_owned(), Value::Set(items)));
    }
}

fn later(time: Timestamp, micros: i64) -> Timestamp {
    Timestamp::from_micros(time.as_micros() + micros)
}
