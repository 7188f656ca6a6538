//! Random administrators make random calls while time goes by: nobody's reach grows by own doing, neither now nor later, no tenant loses
//! its last administrator, and what is in the store is what is in memory.

use super::*;
use crate::{
    engine::Dialect,
    model::Status,
    policy::{Overview, is_administrator},
};
use std::collections::BTreeSet;

/// Calls of one run.
const CALLS: usize = 120;

/// The tenants of a set; one that is none where it has none.
fn tenants(snapshot: &Snapshot) -> Vec<Option<String>> {
    let Dialect::Declared(vocabulary) = snapshot.program.dialect() else { return vec![None] };
    match &vocabulary.tenants {
        Some(tenants) if !tenants.is_empty() => tenants.iter().map(|tenant| Some(tenant.clone())).collect(),
        _ => vec![None],
    }
}

/// A set whose declared users were moved into the directory, where they can be changed.
pub(super) fn populated(set: &str) -> (World, Vec<String>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(set);
    let mut snapshot = match set {
        "small" => super::seen::small_set(),
        _ => policy::load(&directory, &Compiling::default()).unwrap(),
    };
    let users = std::mem::take(&mut snapshot.users);
    let world = World::with(Arc::new(snapshot), tempfile::tempdir().unwrap());
    for user in &users {
        let plain = user.attributes.iter().filter_map(|(name, value)| match value {
            crate::model::Value::String(text) => Some((name.clone(), Value::from(text.as_ref()))),
            _ => None,
        });
        let attributes: serde_json::Map<_, _> = plain.collect();
        let body = json!({ "id": user.id, "email": format!("{}@set.example", user.id), "first_name": "A", "last_name": "B",
            "family": user.family, "attributes": attributes, "activation": "none" });
        world.directory.create_user(&operator(), &body).unwrap();
        for place in &user.memberships {
            let named = |kind| {
                let given = place.assignments.iter().filter(move |given| given.kind == kind);
                given.map(|given| given.name.as_str()).collect::<Vec<_>>()
            };
            let split = |grant: &str| grant.rsplit_once('/').map(|(module, level)| (module.to_owned(), level.into()));
            let grants: serde_json::Map<_, Value> =
                named(crate::model::AssignmentKind::Grant).into_iter().filter_map(split).collect();
            let what = json!({ "roles": named(crate::model::AssignmentKind::Role), "grants": grants,
                "gates": named(crate::model::AssignmentKind::Gate) });
            let call = Call { tenant: place.tenant.as_deref(), ..operator() };
            world.directory.assign(&call, &user.id, Manner::Give, &what).unwrap();
        }
    }
    (world, users.iter().map(|user| user.id.clone()).collect())
}

/// What a user can do at a time: each way to each action, with its limits, and each value of an attribute.
fn reach(world: &World, user: &str, tenants: &[Option<String>], time: Timestamp) -> BTreeSet<String> {
    let (snapshot, subjects) = world.deciders.current();
    let Some(bound) = subjects.find(user) else { return BTreeSet::new() };
    let overview = Overview::new(&snapshot);
    let mut reach = BTreeSet::new();
    for tenant in tenants {
        let Ok(access) = overview.access(bound, tenant.as_deref(), time) else { continue };
        for module in &access.modules {
            for action in &module.actions {
                for way in &action.ways {
                    let limits = (&way.areas, &way.types, &way.conditions);
                    reach.insert(format!("{tenant:?} {} {} {limits:?}", module.id, action.action));
                }
            }
        }
        for (name, value) in &access.attributes {
            let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            reach.extend(items.iter().map(|item| format!("{tenant:?} {name} {item}")));
        }
    }
    reach
}

fn administered(world: &World, tenants: &[Option<String>], time: Timestamp) -> BTreeSet<Option<String>> {
    let (snapshot, subjects) = world.deciders.current();
    let has = |tenant: &&Option<String>| {
        subjects.iter().any(|user| is_administrator(&snapshot, user.user(), tenant.as_deref(), time))
    };
    tenants.iter().filter(has).cloned().collect()
}

struct Dice<'d> {
    random: fastrand::Rng,
    world: &'d World,
    tenants: &'d [Option<String>],
    /// Since the beginning, in microseconds.
    now: i64,
}

impl Dice<'_> {
    fn one<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        if of.is_empty() { None } else { of.get(self.random.usize(..of.len())) }
    }

    /// Something that somebody could be given.
    fn assignments(&mut self) -> Value {
        let snapshot = Arc::clone(&self.world.deciders.snapshot);
        let catalog = &snapshot.catalog;
        let mut what = serde_json::Map::new();
        if self.random.u8(..3) == 0 {
            let until = at(self.now + self.random.i64(1..20) * DAY);
            what.insert("until".to_owned(), until.to_string().into());
        }
        for _ in 0..=self.random.usize(..2) {
            match self.random.u8(..5) {
                0 | 1 => {
                    let role = self.one(&catalog.roles).map(|role| role.id.clone());
                    let role = if self.random.u8(..4) == 0 { Some("desk".to_owned()) } else { role };
                    what.insert("roles".to_owned(), role.into_iter().collect());
                }
                2 => {
                    let module = self.one(&catalog.modules).map(|module| module.id.clone());
                    let level = self.one(&catalog.levels).map(|level| level.name.clone());
                    if let Some((module, level)) = module.zip(level) {
                        what.insert("grants".to_owned(), json!({ module: level }));
                    }
                }
                3 => {
                    let gate = self.one(&catalog.gates).map(|gate| gate.id.clone());
                    what.insert("gates".to_owned(), gate.into_iter().collect());
                }
                _ => {
                    let value = self.one(&catalog.values).and_then(|values| values.values.first());
                    if let Some(value) = value {
                        what.insert("attributes".to_owned(), json!({ "channels": [value] }));
                    }
                }
            }
        }
        what.into()
    }

    /// One call; whether it was allowed.
    fn call(&mut self, actor: &str, people: &mut Vec<String>, number: usize) -> bool {
        let tenants = self.tenants;
        let tenant = self.one(tenants).cloned().flatten();
        let call = Call { tenant: tenant.as_deref(), now: at(self.now), ..user(actor) };
        let concerned = self.one(people).cloned().unwrap_or_default();
        let directory = &self.world.directory;
        match self.random.u8(..17) {
            0 => {
                let id = format!("new{number}");
                let body = json!({ "id": id, "email": format!("{id}@set.example"), "first_name": "N", "last_name": "N",
                    "activation": "none" });
                let made = directory.create_user(&call, &body).is_ok();
                if made {
                    people.push(id);
                }
                made
            }
            1 => directory.suspend_user(&call, &concerned).is_ok(),
            2 => directory.reactivate_user(&call, &concerned).is_ok(),
            3 if self.random.u8(..4) == 0 => directory.delete_user(&call, &concerned).is_ok(),
            4 => {
                let body = json!({ "email": format!("{concerned}@set.example"), "assignments": self.assignments() });
                directory.invite(&call, &body).is_ok()
            }
            10 => self.invitation(&call, actor),
            11 => {
                let grants = self.assignments()["grants"].clone();
                let gates = self.assignments()["gates"].clone();
                directory.put_role(&call, "desk", &json!({ "grants": grants, "gates": gates })).is_ok()
            }
            12 => {
                let mut place = self.assignments();
                drop(place.as_object_mut().map(|place| place.remove("until")));
                place["tenant"] = json!(tenant);
                let id = if self.random.bool() { concerned } else { format!("new{number}") };
                let incoming = json!({ "users": [{ "id": id, "email": format!("{id}@set.example"), "first_name": "N",
                    "last_name": "N", "status": "active", "job": format!("{number}"), "assignments": [place] }] });
                let incoming = read_users(Form::Json, incoming.to_string().as_bytes()).unwrap();
                let made = directory.import(&call, &incoming, false).is_ok();
                if made && !people.contains(&id) {
                    people.push(id);
                }
                made
            }
            15 => self.fields(&call, &concerned, number),
            16 => directory.delete_role(&call, "desk").is_ok(),
            13 => {
                let login = Login { user: concerned, ..Login::default() };
                let app = Call { actor: Actor::Application("app"), ..call };
                directory.login(&app, &login).is_ok_and(|session| directory.end_session(&call, &session.id).is_ok())
            }
            5 | 6 => {
                let what = self.assignments();
                directory.assign(&call, &concerned, Manner::Take, &what).is_ok()
            }
            7 => {
                let what = self.assignments();
                directory.assign(&call, &concerned, Manner::Replace, &what).is_ok()
            }
            _ => {
                let what = self.assignments();
                directory.assign(&call, &concerned, Manner::Give, &what).is_ok()
            }
        }
    }
}

impl Dice<'_> {
    /// Some fields of somebody; whether it was allowed. What may be changed beside something else may be changed by itself.
    fn fields(&mut self, call: &Call<'_>, concerned: &str, number: usize) -> bool {
        // Something of it is new each time: what is as it was already is no change.
        let alone = json!({ "phone": format!("+31 20 {number:07}"), "job": format!("{number}"),
            "gender": self.one(&["F", "M", "U"]), "language": self.one(&["nl", "de"]) });
        let mut fields = alone.clone();
        let snapshot = &self.world.deciders.snapshot;
        let has_region = matches!(snapshot.program.dialect(), Dialect::Declared(known)
            if known.user_attributes.iter().any(|(name, _)| name == "region"));
        match self.random.u8(..3) {
            0 => fields["first_name"] = json!(format!("N{number}")),
            _ if has_region => fields["attributes"] = json!({ "region": self.one(&["east", "west"]) }),
            _ => {}
        }
        let directory = &self.world.directory;
        if directory.change_user(call, concerned, &fields).is_err() {
            return false;
        }
        let by_itself = directory.change_user(call, concerned, &alone);
        assert!(by_itself.is_ok(), "{fields} was allowed and {alone} is not: {by_itself:?}");
        true
    }

    /// Something about an open invitation; whether it was allowed.
    fn invitation(&mut self, call: &Call<'_>, actor: &str) -> bool {
        let directory = &self.world.directory;
        let open: Vec<_> = {
            let book = directory.0.roster.lock();
            book.invitations().filter(|one| one.outcome == Outcome::Open).cloned().collect()
        };
        let Some(invitation) = self.one(&open) else { return false };
        match self.random.u8(..5) {
            0 => directory.resend_invitation(call, &invitation.id).is_ok(),
            1 => {
                let body = json!({ "assignments": self.assignments() });
                directory.change_invitation(call, &invitation.id, &body).is_ok()
            }
            2 => directory.revoke_invitation(call, &invitation.id).is_ok(),
            // Whoever accepts takes what others have given.
            _ if invitation.user == actor => false,
            _ => {
                let body = json!({ "token": directory.token(invitation), "first_name": "I", "last_name": "I" });
                let actor = if self.random.bool() { Actor::Application("app") } else { call.actor };
                directory.accept_invitation(&Call { actor, ..*call }, &body).is_ok()
            }
        }
    }
}

fn run(set: &str, seed: u64) -> usize {
    let (world, mut people) = populated(set);
    let tenants = tenants(&world.deciders.snapshot);
    let mut dice = Dice { random: fastrand::Rng::with_seed(seed), world: &world, tenants: &tenants, now: 0 };
    let mut allowed = 0;
    for number in 0..CALLS {
        let actor = dice.one(&people).cloned().expect("somebody");
        if dice.random.u8(..4) == 0 {
            dice.now += dice.random.i64(0..4 * DAY);
        }
        // Now, when something has run out, and when everything has that was given for a time.
        let times = [0, 6 * DAY, 1000 * DAY].map(|later| at(dice.now + later));
        let before = times.map(|time| reach(&world, &actor, &tenants, time));
        let administered_before = times.map(|time| administered(&world, &tenants, time));
        if dice.call(&actor, &mut people, number) {
            allowed += 1;
            for (time, before) in times.into_iter().zip(&before) {
                let after = reach(&world, &actor, &tenants, time);
                let grown: Vec<_> = after.difference(before).collect();
                assert!(
                    grown.is_empty(),
                    "{set}: {actor} has gained {grown:?} at {time} by call {number}; SIDEGATE_SEED={seed}"
                );
            }
            for (time, before) in times.into_iter().zip(&administered_before) {
                let lost: Vec<_> = before.difference(&administered(&world, &tenants, time)).cloned().collect();
                assert!(
                    lost.is_empty(),
                    "{set}: {lost:?} has no administrator at {time} after call {number}; SIDEGATE_SEED={seed}"
                );
            }
        }
    }
    let accounts = |world: &World| world.directory.0.roster.lock().users().cloned().collect::<Vec<_>>();
    let known = accounts(&world);
    assert!(known.iter().any(|account| account.status == Status::Active));
    let found = accounts(&world.again());
    assert_eq!(found, known, "{set}: the store holds what the memory does; SIDEGATE_SEED={seed}");
    allowed
}

#[test]
fn nobody_gains_by_own_doing_and_no_tenant_loses_its_last_administrator() {
    #[expect(clippy::disallowed_methods, reason = "the seed is for the test alone")]
    let chosen = std::env::var("SIDEGATE_SEED").ok().map(|seed| seed.parse::<u64>().expect("a number"));
    let seeds = chosen.map_or_else(|| (0..3).map(|_| fastrand::u64(..)).collect(), |seed| vec![seed]);
    for set in ["8move", "propeller", "omc", "backbone", "small"] {
        let allowed: usize = seeds.iter().map(|seed| run(set, *seed)).sum();
        assert!(allowed > seeds.len(), "{set}: hardly anything was allowed: {allowed}; seeds {seeds:?}");
    }
}
