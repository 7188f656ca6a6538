//! What has happened is in the log once, whatever happens to the process; and sessions that end by themselves.

use super::{tools::somebody, *};

fn recorded(world: &World) -> Vec<String> {
    world.witness.events.lock().unwrap().iter().map(|event| event.action.clone()).collect()
}

#[test]
fn what_a_crash_has_left_is_recorded_once_and_what_is_recorded_is_not_again() {
    let world = World::of("8move");
    somebody(&world, "one");
    somebody(&world, "two");
    // A log that has nothing of it: the last change alone may be missing there.
    let world = world.again();
    assert_eq!(recorded(&world), ["create_user"]);
    let world = world.again();
    assert_eq!(recorded(&world), [""; 0], "it is not left any more");
    somebody(&world, "three");
    world.directory.close().unwrap();
    let world = world.again();
    assert_eq!(recorded(&world), [""; 0], "an orderly end leaves nothing");
    // A log that has it.
    somebody(&world, "four");
    let World { directory, deciders, files, witness } = world;
    drop(directory);
    let open = || Directory::open(Options::new(files.path()), Arc::clone(&witness) as Arc<dyn Witness>).unwrap();
    drop(open());
    drop(open());
    let events = witness.events.lock().unwrap().clone();
    assert_eq!(events.iter().filter(|event| event.resource_id == "four").count(), 1);
    drop(deciders);
}

#[test]
fn the_end_of_a_session_by_itself_is_kept_until_it_can_be_recorded() {
    let world = World::of("8move");
    let login = |user: &str, seconds: i64| {
        let call = Call { actor: Actor::Application("shop"), now: at(seconds * 1_000_000), ..operator() };
        world.directory.login(&call, &Login { user: user.to_owned(), ..Login::default() }).unwrap()
    };
    login("mona", 0);
    world.witness.deaf.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(world.directory.tidy_sessions(at(DAY)).unwrap(), (0, 0));
    world.witness.deaf.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(world.directory.tidy_sessions(at(DAY)).unwrap(), (1, 0));
    assert_eq!(world.last_event().action, "idle");
    let world = world.again();
    assert_eq!(recorded(&world), ["idle"], "a crash right after it takes it from nobody");
}

#[test]
fn a_login_that_comes_late_takes_the_last_one_from_nobody() {
    let world = World::of("8move");
    somebody(&world, "lena");
    let login = |user: &str, now| {
        world.directory.login(&Call { now, ..operator() }, &Login { user: user.to_owned(), ..Login::default() })
    };
    for user in ["lena", "mona"] {
        login(user, at(5_000_000)).unwrap();
        login(user, at(1_000_000)).unwrap();
        let last = world.directory.0.roster.lock().logins(user).map(|logins| logins.last);
        assert!(last >= Some(at(5_000_000)), "{user}: {last:?}");
    }
}

#[test]
fn a_user_has_so_many_open_sessions_and_the_quietest_makes_room() {
    let world = World::of("8move");
    let login = |n: i64| {
        let call = Call { actor: Actor::Application("shop"), now: at(n * 1_000_000), ..operator() };
        world.directory.login(&call, &Login { user: "mona".to_owned(), ..Login::default() }).unwrap()
    };
    let first = login(0);
    for n in 1..100 {
        login(n);
    }
    let open = || world.directory.0.roster.lock().sessions_of("mona").count();
    assert_eq!(open(), 100);
    login(100);
    assert_eq!(open(), 100);
    assert!(world.directory.0.roster.lock().session(&first.id).is_none());
    assert_eq!(world.last_event().context.unwrap()["ended"], *first.id);
}

#[test]
fn whom_the_policy_set_suspends_or_no_longer_declares_has_no_open_session() {
    let world = World::of("8move");
    for user in ["mona", "sam", "ada"] {
        world.directory.login(&operator(), &Login { user: user.to_owned(), ..Login::default() }).unwrap();
    }
    let World { directory, files, .. } = world;
    drop(directory);
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/8move");
    let mut snapshot = policy::load(&set, &Compiling::default()).unwrap();
    snapshot.users.retain(|user| user.id != "mona");
    for user in snapshot.users.iter_mut().filter(|user| user.id == "sam") {
        Arc::make_mut(user).status = crate::model::Status::Suspended;
    }
    let world = World::with(Arc::new(snapshot), files);
    assert_eq!(world.directory.tidy_sessions(at(1)).unwrap(), (2, 0));
    let open: Vec<_> = world.directory.0.roster.lock().sessions().map(|session| session.user.clone()).collect();
    assert_eq!(open, ["ada"]);
}

#[test]
fn nobody_reports_in_the_name_of_whom_nobody_knows() {
    let world = World::of("8move");
    let login = Login { user: "mona".to_owned(), ..Login::default() };
    assert_eq!(world.directory.login(&user("nobody"), &login).unwrap_err().code(), "actor_unknown");
    assert!(world.directory.login(&user("mona"), &login).is_ok());
}

#[test]
fn what_ends_while_a_call_waits_for_its_turn_counts_no_longer() {
    let world = World::of("8move");
    let north = Call { tenant: Some("north"), ..operator() };
    let invitation = world.directory.invite(&north, &json!({ "email": "joe@x.example", "assignments": {} })).unwrap();
    let token = world.directory.token(&invitation);
    let waits = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            drop(world.directory.note(|_| {
                waits.wait();
                // Some time passes.
                let (_says_nothing, never) = std::sync::mpsc::channel::<()>();
                let _nothing = never.recv_timeout(Duration::from_millis(50));
                (Vec::new(), Vec::new())
            }));
        });
        waits.wait();
        let just = Timestamp::from_micros(invitation.expires.as_micros() - 1);
        let body = json!({ "token": token, "first_name": "Joe", "last_name": "Doe" });
        let refused = world.directory.accept_invitation(&Call { now: just, ..operator() }, &body);
        assert_eq!(refused.unwrap_err().code(), "invitation_expired");
    });
}

#[test]
fn a_record_has_the_tenant_in_which_the_call_counts_whether_it_was_named_or_not() {
    let world = World::of("8move");
    let tenant = |world: &World| {
        let event = world.last_event();
        (event.action, event.tenant, event.allowed)
    };
    let of = |action: &str, tenant: &str, allowed| (action.to_owned(), tenant.to_owned(), allowed);
    // Whoever acts belongs to one tenant alone.
    somebody(&world, "amy");
    let north = Call { tenant: Some("north"), ..operator() };
    world.directory.assign(&north, "amy", Manner::Replace, &json!({ "roles": ["admin"] })).unwrap();
    world.directory.create_user(&user("amy"), &lena()).unwrap();
    assert_eq!(tenant(&world), of("create_user", "north", true));
    world.directory.assign(&user("amy"), "lena", Manner::Give, &json!({ "roles": ["warehouse"] })).unwrap();
    assert_eq!(tenant(&world), of("give", "north", true));
    world.directory.read_user(&user("sam"), "lena").unwrap_err();
    assert_eq!(tenant(&world), of("read_user", "north", false), "what is refused is in a tenant too");
    world.directory.import(&user("amy"), &[], true).unwrap();
    assert_eq!(tenant(&world), of("import_users", "north", true));
    // An invitation and a session have a tenant of their own.
    let app = Call { actor: Actor::Application("shop"), ..operator() };
    let invite = |email: &str| {
        let body = json!({ "email": email, "assignments": { "roles": ["finance"] } });
        world.directory.invite(&north, &body).unwrap()
    };
    let (joe, jim) = (invite("joe@x.example"), invite("jim@x.example"));
    let body = json!({ "token": world.directory.token(&joe), "first_name": "Joe", "last_name": "Doe" });
    world.directory.accept_invitation(&app, &body).unwrap();
    assert_eq!(tenant(&world), of("accept_invitation", "north", true));
    world.directory.revoke_invitation(&operator(), &jim.id).unwrap();
    assert_eq!(tenant(&world), of("revoke_invitation", "north", true));
    let login = Login { user: "mona".to_owned(), ..Login::default() };
    let session = world.directory.login(&Call { tenant: Some("north"), ..app }, &login).unwrap();
    world.directory.end_session(&app, &session.id).unwrap();
    assert_eq!(tenant(&world), of("logout", "north", true));
    world.directory.list_users(&operator(), &UserQuery { limit: 1, ..UserQuery::default() }).unwrap();
    assert_eq!(tenant(&world), of("list_users", "", true), "an operator is in none");
}
