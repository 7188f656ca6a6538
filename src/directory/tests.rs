//! The directory over the shipped policy sets: a real store, real decisions, a witness that remembers.

mod flows;
mod invited;
mod lasting;
mod lists;
mod random;
mod records;
mod review;
mod seen;
mod standing;
mod told;
mod tools;

use super::*;
use crate::{
    engine::{Outcome as Decided, Subject, decide},
    model::{Request, Resource, Timestamp, TraceId},
    policy::{self, Options as Compiling, Snapshot},
};
use arc_swap::ArcSwap;
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;

const START: i64 = 1_800_000_000_000_000;
const DAY: i64 = 24 * 3600 * 1_000_000;
/// In microseconds too.
const MINUTE: i64 = 60 * 1_000_000;

/// A directory with deciders and a witness.
struct World {
    directory: Directory,
    deciders: Arc<Deciders>,
    witness: Arc<Remembering>,
    files: TempDir,
}

#[derive(Debug)]
struct Deciders {
    snapshot: Arc<Snapshot>,
    subjects: ArcSwap<Subjects>,
}

impl Policies for Deciders {
    fn current(&self) -> (Arc<Snapshot>, Arc<Subjects>) {
        (Arc::clone(&self.snapshot), self.subjects.load_full())
    }
}

impl Audience for Deciders {
    fn changed(&self, book: &Book, users: &[Arc<str>]) {
        let mut subjects = Subjects::clone(&self.subjects.load());
        book.renew(&self.snapshot, &mut subjects, users);
        self.subjects.store(Arc::new(subjects));
    }
}

#[derive(Debug, Default)]
struct Remembering {
    events: Mutex<Vec<Event>>,
    deaf: std::sync::atomic::AtomicBool,
    // It says that it is ready, and takes nothing: a queue that is full.
    full: std::sync::atomic::AtomicBool,
}

impl Witness for Remembering {
    fn is_ready(&self) -> bool {
        !self.deaf.load(std::sync::atomic::Ordering::Relaxed)
    }

    fn record_all(&self, events: &[Event]) -> usize {
        if self.full.load(std::sync::atomic::Ordering::Relaxed) {
            return 0;
        }
        self.events.lock().unwrap().extend_from_slice(events);
        events.len()
    }

    fn known_since(&self, from: Timestamp) -> HashSet<String> {
        let events = self.events.lock().unwrap();
        events.iter().filter(|event| event.at >= from).map(|event| event.id.clone()).collect()
    }
}

fn load(set: &str) -> Arc<Snapshot> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(set);
    Arc::new(policy::load(&directory, &Compiling::default()).unwrap())
}

impl World {
    fn of(set: &str) -> Self {
        Self::with(load(set), tempfile::tempdir().unwrap())
    }

    fn with(snapshot: Arc<Snapshot>, files: TempDir) -> Self {
        let witness = Arc::new(Remembering::default());
        let options = Options { session_idle: Some(Duration::from_mins(30)), ..Options::new(files.path()) };
        let directory = Directory::open(options, Arc::clone(&witness) as Arc<dyn Witness>).unwrap();
        let bound = directory.roster().bind(&snapshot);
        let deciders = Arc::new(Deciders { snapshot, subjects: ArcSwap::from_pointee(bound.subjects) });
        directory.attach(Arc::clone(&deciders) as Arc<dyn Policies>, vec![Arc::clone(&deciders) as Arc<dyn Audience>]);
        Self { directory, deciders, witness, files }
    }

    /// The same files, opened again.
    fn again(self) -> Self {
        let Self { directory, deciders, files, .. } = self;
        drop(directory);
        Self::with(Arc::clone(&deciders.snapshot), files)
    }

    fn decide(&self, user: &str, action: &str, ty: &str, tenant: Option<&str>, at: Timestamp) -> &'static str {
        let (snapshot, subjects) = self.deciders.current();
        let subject = subjects.find(user).map_or(Subject::Unknown { id: user }, Subject::User);
        let resource = Resource { ty, id: "", attributes: &[] };
        let request = Request { action, resource, tenant, context: &[], subject_attributes: &[], time: at };
        let Decided { code, .. } = decide(&snapshot.program, subject, &request);
        code.as_str()
    }

    fn last_event(&self) -> Event {
        self.witness.events.lock().unwrap().last().cloned().expect("an event")
    }
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(START + micros)
}

fn operator<'c>() -> Call<'c> {
    Call {
        actor: Actor::Operator("ops"),
        tenant: None,
        request_id: "r-1",
        trace_id: TraceId::NONE,
        now: at(0),
        if_match: None,
        barred: None,
    }
}

fn user(id: &str) -> Call<'_> {
    Call { actor: Actor::User(id), ..operator() }
}

fn lena() -> Value {
    json!({ "id": "lena", "email": "lena@8move.example", "first_name": "Lena", "last_name": "Maier", "activation": "none" })
}

fn pointers(refusal: Refusal) -> Vec<String> {
    match refusal {
        Refusal::Invalid(problems) => problems.into_iter().map(|problem| problem.pointer).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_change_counts_for_the_very_next_decision() {
    let world = World::of("8move");
    let north = Call { tenant: Some("north"), ..user("ada") };
    let view = |world: &World| world.decide("lena", "view", "order", Some("north"), at(1));
    assert_eq!(view(&world), "user_unknown");
    world.directory.create_user(&north, &lena()).unwrap();
    assert_eq!(view(&world), "not_granted");
    world.directory.assign(&north, "lena", Manner::Give, &json!({ "roles": ["warehouse"], "why": "new" })).unwrap();
    assert_eq!(view(&world), "granted");
    world.directory.suspend_user(&north, "lena").unwrap();
    assert_eq!(view(&world), "user_suspended");
    world.directory.reactivate_user(&north, "lena").unwrap();
    assert_eq!(view(&world), "granted");
    let taken = world.directory.assign(&north, "lena", Manner::Take, &json!({ "roles": ["warehouse"] })).unwrap();
    assert!(!taken.belongs_to(Some("north")), "whoever has nothing in a tenant is not in it");
    let left = Place { tenant: Some("north".to_owned()), left: true, ..Place::default() };
    assert_eq!(taken.places, [left], "and it was the only one");
    assert_eq!(view(&world), "not_granted");
    world.directory.delete_user(&north, "lena").unwrap();
    assert_eq!(view(&world), "user_unknown");
}

#[test]
fn what_was_changed_is_there_after_opening_again() {
    let world = World::of("8move");
    let north = Call { tenant: Some("north"), ..operator() };
    world.directory.create_user(&operator(), &lena()).unwrap();
    let until = json!({ "roles": [{ "role": "manager", "until": "2027-01-31T00:00:00Z", "why": "covers for Mona" }] });
    let given = world.directory.assign(&north, "lena", Manner::Replace, &until).unwrap();
    let session = world.directory.login(&operator(), &Login { user: "lena".to_owned(), ..Login::default() }).unwrap();
    let later = Call { now: at(1_000_000), ..operator() };
    world.directory.login(&later, &Login { user: "mona".to_owned(), ..Login::default() }).unwrap();
    let invited = world
        .directory
        .invite(&north, &json!({ "email": "new@8move.example", "assignments": { "roles": ["finance"] } }));
    let (invited, world) = (invited.unwrap(), world.again());
    let Found::Account(found) = world.directory.read_user(&operator(), "lena").unwrap() else { panic!() };
    assert_eq!(found.places, given.places);
    assert_eq!((found.first_login, found.last_login), (Some(at(0)), Some(at(0))));
    assert_eq!(world.decide("lena", "view", "order", Some("north"), at(0)), "granted");
    assert_eq!(world.decide("lena", "view", "order", Some("north"), at(30 * DAY)), "user_expired");
    let Found::Declared(_, logins) = world.directory.read_user(&operator(), "mona").unwrap() else { panic!() };
    assert_eq!(logins, Some(Logins { first: at(1_000_000), last: at(1_000_000) }));
    let page = world
        .directory
        .list_sessions(&operator(), &SessionQuery { limit: 9, open: Some(true), ..SessionQuery::default() });
    let open: Vec<_> = page.unwrap().sessions.iter().map(|session| session.user.clone()).collect();
    assert_eq!(open, ["mona", "lena"]);
    assert!(
        world.directory.end_session(&Call { actor: Actor::Application("shop"), ..operator() }, &session.id).is_ok()
    );
    let token = world.directory.token(&invited);
    let body = json!({ "token": token, "first_name": "Nora", "last_name": "New" });
    let accepted = world.directory.accept_invitation(&Call { actor: Actor::Application("shop"), ..operator() }, &body);
    assert_eq!(accepted.unwrap().status, crate::model::Status::Active);
    assert_eq!(world.decide(&invited.user, "view", "invoice", None, at(1)), "granted");
}

#[test]
fn every_problem_of_a_user_is_told_at_once_with_its_place() {
    // Names the rules propeller-required, propeller-email-fixed and propeller-after-save.
    let world = World::of("propeller");
    let wrong =
        json!({ "id": " x", "email": "nobody", "gender": "X", "phone": "abc", "language": "x", "roles": [], "hat": 1 });
    let mut found = pointers(world.directory.create_user(&operator(), &wrong).unwrap_err());
    found.sort();
    let wanted = ["/email", "/first_name", "/gender", "/hat", "/id", "/language", "/last_name", "/phone", "/roles"];
    assert_eq!(found, wanted);
    let full = json!({
        "email": "kim@propeller.example", "first_name": "Kim", "middle_name": "J.", "last_name": "Lee", "gender": "U",
        "phone": "+31 20 123 4567", "job": "Buyer", "activation": "none",
    });
    let kim = world.directory.create_user(&operator(), &full).unwrap();
    assert_eq!(
        (kim.language.as_str(), kim.places.len()),
        ("en", 0),
        "the language of the system, and nothing assigned"
    );
    let change = json!({ "email": "other@propeller.example" });
    assert_eq!(pointers(world.directory.change_user(&operator(), &kim.id, &change).unwrap_err()), ["/email"]);
    let same = json!({ "email": "kim@propeller.example", "job": null, "middle_name": "Jo" });
    let changed = world.directory.change_user(&operator(), &kim.id, &same).unwrap();
    assert_eq!((changed.job.as_deref(), changed.middle_name.as_deref(), changed.version), (None, Some("Jo"), 2));
    let twice = json!({ "email": "KIM@propeller.example", "first_name": "K", "last_name": "L" });
    assert_eq!(world.directory.create_user(&operator(), &twice).unwrap_err().code(), "email_taken");
}

#[test]
fn who_has_seen_an_older_version_overwrites_nothing() {
    let world = World::of("8move");
    world.directory.create_user(&operator(), &lena()).unwrap();
    let seen = |version| Call { if_match: Some(Seen::Version(version)), ..operator() };
    let change = |call: &Call<'_>, job: &str| world.directory.change_user(call, "lena", &json!({ "job": job }));
    assert_eq!(change(&seen(1), "Buyer").unwrap().version, 2);
    assert_eq!(change(&seen(1), "Seller").unwrap_err().code(), "version_mismatch");
    assert_eq!(change(&seen(2), "Buyer").unwrap().version, 2, "what changes nothing is no change");
}

#[test]
fn what_git_declares_is_read_only_and_keeps_its_name() {
    let world = World::of("8move");
    for refused in [
        world.directory.change_user(&operator(), "mona", &json!({ "job": "x" })).map(drop),
        world.directory.suspend_user(&operator(), "mona").map(drop),
        world.directory.delete_user(&operator(), "mona"),
    ] {
        assert_eq!(refused.unwrap_err().code(), "user_declared");
    }
    let same = json!({ "id": "mona", "email": "m@8move.example", "first_name": "M", "last_name": "H" });
    assert_eq!(world.directory.create_user(&operator(), &same).unwrap_err().code(), "user_exists");
}

#[test]
fn an_id_belongs_to_one_family() {
    // Names the rule omc-family.
    let world = World::of("omc");
    let of = |family: &str| json!({ "id": "kai", "email": format!("kai-{family}@omc.example"), "first_name": "K", "last_name": "A", "family": family });
    world.directory.create_user(&operator(), &of("store-app")).unwrap();
    let refused = world.directory.create_user(&operator(), &of("backoffice")).unwrap_err();
    assert_eq!(refused.code(), "user_exists");
    assert!(refused.to_string().contains("store-app"), "{refused}");
    let role = json!({ "roles": ["client_viewer"] });
    assert_eq!(pointers(world.directory.assign(&operator(), "kai", Manner::Give, &role).unwrap_err()), ["/roles"]);
}

#[test]
fn channels_are_given_and_taken_one_by_one_and_count_at_once() {
    // Names the rule omc-channel-grant.
    let world = World::of("omc");
    let nia = json!({ "id": "nia", "email": "nia@omc.example", "first_name": "N", "last_name": "A",
        "family": "backoffice", "activation": "none" });
    world.directory.create_user(&user("hugo"), &nia).unwrap();
    let give = |what| world.directory.assign(&user("hugo"), "nia", Manner::Give, &what).unwrap();
    give(json!({ "roles": ["customer_service"] }));
    let may = |world: &World| {
        let (snapshot, subjects) = world.deciders.current();
        let found = subjects.find("nia").expect("there");
        let channel = crate::model::Value::Entity { ty: "channel".into(), id: "web-fr".into() };
        let attributes = [("channel".into(), channel)];
        let resource = Resource { ty: "order", id: "o-1", attributes: &attributes };
        let request =
            Request { action: "read", resource, tenant: None, context: &[], subject_attributes: &[], time: at(1) };
        decide(&snapshot.program, Subject::User(found), &request).decision.is_allow()
    };
    assert!(!may(&world));
    let given = give(
        json!({ "attributes": { "channels": ["web-fr", { "value": "web-uk", "until": "2027-02-01T00:00:00Z" }] } }),
    );
    assert!(may(&world));
    assert_eq!(given.places[0].given.iter().filter(|given| given.kind == GivenKind::Value).count(), 2);
    let unknown = json!({ "attributes": { "channels": ["web-de"] } });
    assert_eq!(
        pointers(world.directory.assign(&user("hugo"), "nia", Manner::Give, &unknown).unwrap_err()),
        ["/attributes/channels/0"]
    );
    world
        .directory
        .assign(&user("hugo"), "nia", Manner::Take, &json!({ "attributes": { "channels": ["web-fr"] } }))
        .unwrap();
    assert!(!may(&world));
}

#[test]
fn nothing_is_changed_that_nobody_would_know_of() {
    let world = World::of("8move");
    world.witness.deaf.store(true, std::sync::atomic::Ordering::Relaxed);
    let refused = world.directory.create_user(&operator(), &lena()).unwrap_err();
    assert_eq!(refused.code(), "audit_unavailable");
    world.witness.deaf.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(world.directory.read_user(&operator(), "lena").unwrap_err().code(), "not_found");
    assert_eq!(world.last_event().reason, "not_found", "a refused call is recorded too");
}

#[test]
fn a_record_says_who_changed_what_from_what_to_what() {
    let world = World::of("8move");
    let north = Call { tenant: Some("north"), ..user("ada") };
    world.directory.create_user(&north, &lena()).unwrap();
    world.directory.assign(&north, "lena", Manner::Give, &json!({ "roles": ["manager"], "why": "new" })).unwrap();
    let event = world.last_event();
    assert_eq!(
        (event.actor.as_str(), event.action.as_str(), event.user.as_str(), event.allowed),
        ("ada", "give", "lena", true)
    );
    assert_eq!(event.before, Some(json!({ "assignments": [{ "tenant": "north" }] })));
    let after = event.after.expect("something");
    assert_eq!(after["assignments"][0]["roles"][0]["role"], "manager");
    assert!(!event.policies.is_empty(), "the policies that allowed it are named");
    let refused = world.directory.create_user(&Call { tenant: Some("north"), ..user("sam") }, &lena()).unwrap_err();
    assert!(matches!(refused, Refusal::Forbidden { .. }), "{refused:?}");
    assert!(!world.last_event().allowed);
}

#[test]
fn what_the_audit_log_has_not_taken_is_told_again_in_its_order_and_once() {
    let world = World::of("8move");
    let full = |is_full| world.witness.full.store(is_full, std::sync::atomic::Ordering::Relaxed);
    let told = |world: &World| -> Vec<String> {
        let events = world.witness.events.lock().unwrap();
        events.iter().map(|event| event.action.clone()).collect()
    };
    world.directory.create_user(&operator(), &lena()).unwrap();
    full(true);
    let change = |job: &str| world.directory.change_user(&operator(), "lena", &json!({ "job": job })).unwrap();
    change("Buyer");
    // The next change does not take what was not told for told.
    change("Seller");
    assert_eq!(told(&world).len(), 1);
    full(false);
    // Nobody has to change anything for it.
    world.directory.tidy_sessions(at(0)).unwrap();
    let jobs: Vec<Value> = {
        let events = world.witness.events.lock().unwrap();
        events.iter().skip(1).map(|event| event.after.as_ref().unwrap()["job"].clone()).collect()
    };
    assert_eq!(jobs, ["Buyer", "Seller"]);
    change("Clerk");
    assert_eq!(told(&world).len(), 4);
    full(true);
    change("Buyer");
    // A start finds what was not told in the store, and nothing else but the last that was.
    let again = world.again();
    let jobs: Vec<Value> = {
        let events = again.witness.events.lock().unwrap();
        events.iter().map(|event| event.after.as_ref().unwrap()["job"].clone()).collect()
    };
    assert_eq!(jobs.last().unwrap(), "Buyer", "{jobs:?}");
    assert!(jobs.len() <= 2, "{jobs:?}");
}
