//! Every call leaves a record, those as well that come to nothing; and who may read the records, and be named in them.

use super::{tools::somebody, *};
use crate::directory::{book::Step, link::steps};
use std::sync::atomic::Ordering;

fn code<T: std::fmt::Debug>(done: Result<T, Refusal>) -> String {
    done.unwrap_err().code().to_owned()
}

fn app<'c>() -> Call<'c> {
    Call { actor: Actor::Application("shop"), ..operator() }
}

/// Action, actor and reason of the last record.
fn told(world: &World) -> [String; 3] {
    let event = world.last_event();
    [event.action, event.actor, event.reason]
}

#[test]
fn a_file_or_a_login_that_cannot_be_read_is_a_record_like_any_other_refusal() {
    let world = World::of("8move");
    let import = |call: &Call<'_>| world.directory.import_file(call, Form::Json, b"{\"users\":7}", false);
    assert_eq!(pointers(import(&operator()).unwrap_err()), [""]);
    assert_eq!(told(&world), ["import_users", "operator:ops", "invalid"]);
    let sam = Call { tenant: Some("north"), ..user("sam") };
    assert!(matches!(import(&sam), Err(Refusal::Forbidden { .. })), "whoever may not hears nothing of the file");
    assert_eq!(told(&world)[..2], ["import_users", "sam"]);
    let wrong = || Err(Refusal::problem("/user", "is required"));
    assert_eq!(pointers(world.directory.report_login(&app(), wrong()).unwrap_err()), ["/user"]);
    assert_eq!(told(&world), ["login", "application:shop", "invalid"]);
    assert!(world.last_event().of_session);
    assert_eq!(code(world.directory.report_login(&user("nobody"), wrong())), "actor_unknown");
}

#[test]
fn whoever_names_nobody_is_refused_and_the_refusal_is_recorded() {
    let world = World::of("8move");
    let calls: [(&str, &dyn Fn() -> String); 7] = [
        ("list_users", &|| code(world.directory.list_users(&app(), &UserQuery { limit: 1, ..UserQuery::default() }))),
        ("read_user", &|| code(world.directory.read_user(&app(), "no-such-user"))),
        ("create_user", &|| code(world.directory.create_user(&app(), &json!({})))),
        ("import_users", &|| code(world.directory.import(&app(), &[], false))),
        ("put_role", &|| code(world.directory.put_role(&app(), "admin", &json!({})))),
        ("backup", &|| code(world.directory.backup(&app()))),
        ("restore", &|| code(world.directory.begin_restore(&app()))),
    ];
    for (action, call) in calls {
        assert_eq!(call(), "actor_missing", "{action}: nothing else is told");
        assert_eq!(told(&world), [action, "application:shop", "actor_missing"]);
    }
}

#[test]
fn nobody_is_answered_whose_call_cannot_be_recorded() {
    let world = World::of("8move");
    somebody(&world, "lena");
    let read = |call: &Call<'_>, id: &str| world.directory.read_user(call, id).map(drop);
    let nothing = || world.directory.change_user(&operator(), "lena", &json!({})).map(drop);
    let dry = || world.directory.import(&operator(), &[], true).map(drop);
    world.witness.full.store(true, Ordering::Relaxed);
    for done in [read(&operator(), "lena"), read(&operator(), "nobody"), read(&user("sam"), "lena"), nothing(), dry()] {
        assert_eq!(code(done), "audit_unavailable");
    }
    world.witness.full.store(false, Ordering::Relaxed);
    for done in [read(&operator(), "lena"), nothing(), dry()] {
        done.unwrap();
    }
}

#[test]
fn a_login_is_reported_by_an_application_by_the_user_or_by_who_may_end_it() {
    let world = World::of("8move");
    let north = |actor| Call { tenant: Some("north"), ..actor };
    let login =
        |call: &Call<'_>| world.directory.login(call, &Login { user: "sam".to_owned(), ..Login::default() }).map(drop);
    for call in [app(), user("sam"), north(user("sam")), north(user("ada"))] {
        login(&call).unwrap();
    }
    for actor in ["wes", "mona"] {
        let refused = login(&north(user(actor)));
        assert!(matches!(refused, Err(Refusal::Forbidden { .. })), "{actor}: {refused:?}");
        assert!(!world.last_event().allowed);
    }
}

#[test]
fn the_log_is_read_by_whom_the_policies_let_and_in_the_tenant_that_they_are_shown() {
    let world = World::of("backbone");
    let acme = Some("acme".to_owned());
    let of = |id, tenant| world.directory.begin_log(&Call { tenant, ..user(id) });
    assert_eq!(of("bea", None).unwrap(), acme, "the only one of hers");
    let event = world.last_event();
    assert_eq!((event.action.as_str(), event.actor.as_str(), event.tenant.as_str()), ("read_log", "bea", "acme"));
    assert_eq!(of("bea", Some("acme")).unwrap(), acme);
    for (id, tenant) in [("bea", Some("bolt")), ("bea", Some("none")), ("bob", None), ("nobody", Some("acme"))] {
        of(id, tenant).unwrap_err();
        assert_eq!((world.last_event().actor.as_str(), world.last_event().allowed), (id, false));
    }
    assert_eq!(world.directory.begin_log(&operator()).unwrap(), None);
    let world = World::of("8move");
    let ada = |tenant| world.directory.begin_log(&Call { tenant, ..user("ada") });
    assert_eq!(ada(Some("south")).unwrap().as_deref(), Some("south"));
    assert_eq!(pointers(ada(None).unwrap_err()), ["/tenant"], "she has two");
    let world = World::of("propeller");
    assert_eq!(world.directory.begin_log(&user("olga")).unwrap(), None, "there are no tenants");
    // Where families are administered apart, the log of all of them is for operators.
    let world = World::of("omc");
    assert_eq!(code(world.directory.begin_log(&user("cleo"))), "log_of_others");
}

#[test]
fn who_is_named_in_a_report_is_known_unless_the_set_has_no_users() {
    let world = World::of("8move");
    world.directory.knows_actor(&user("mona")).unwrap();
    world.directory.knows_actor(&app()).unwrap();
    assert_eq!(code(world.directory.knows_actor(&user("nobody"))), "actor_unknown");
}

#[test]
fn a_reason_has_its_length_wherever_it_stands_and_an_id_is_no_path() {
    let world = World::of("omc");
    let body = json!({ "id": "nia", "email": "nia@omc.example", "first_name": "N", "last_name": "A",
        "family": "backoffice", "activation": "none" });
    world.directory.create_user(&operator(), &body).unwrap();
    let (most, long) = ("é".repeat(500), "é".repeat(501));
    let give = |why: &str, all: &str| {
        let what = json!({
            "roles": [{ "role": "customer_service", "why": why }],
            "attributes": { "channels": [{ "value": "web-fr", "why": why }] }, "why": all,
        });
        world.directory.assign(&operator(), "nia", Manner::Give, &what)
    };
    give(&most, &most).unwrap();
    let mut places = pointers(give(&long, &long).unwrap_err());
    places.sort();
    assert_eq!(places, ["/attributes/channels/0/why", "/roles/0/why", "/why"]);
    for id in ["import", "export"] {
        let named =
            json!({ "id": id, "email": "x@omc.example", "first_name": "N", "last_name": "A", "family": "backoffice" });
        assert_eq!(pointers(world.directory.create_user(&operator(), &named).unwrap_err()), ["/id"]);
    }
}

#[test]
fn whatever_is_wrong_with_a_link_as_much_is_hashed_and_compared() {
    let world = World::of("8move");
    let north = Call { tenant: Some("north"), ..operator() };
    let invite = |name: &str| {
        let body = json!({ "email": format!("{name}@x.example"), "assignments": { "roles": ["finance"] } });
        let invitation = world.directory.invite(&north, &body).unwrap();
        (world.directory.token(&invitation), invitation.id.clone())
    };
    let [good, used, revoked, replaced, expired] = ["good", "used", "revoked", "replaced", "expired"].map(invite);
    let accept = |now: Timestamp, token: &str| {
        let body = json!({ "token": token, "first_name": "Joe", "last_name": "Doe" });
        let done = world.directory.accept_invitation(&Call { now, ..app() }, &body);
        done.map_or_else(|refusal| refusal.code().to_owned(), |_| "accepted".to_owned())
    };
    accept(at(0), &used.0);
    world.directory.revoke_invitation(&north, &revoked.1).unwrap();
    for _ in 0..3 {
        world.directory.resend_invitation(&north, &replaced.1).unwrap();
    }
    let forged = format!("{}.{}", good.1, "0".repeat(64));
    let mut counted = Vec::new();
    for (now, token, expected) in [
        (0, "", "invitation_unknown"),
        (0, "no-such-invitation.7", "invitation_unknown"),
        (0, &forged, "invitation_unknown"),
        (0, &used.0, "invitation_used"),
        (0, &revoked.0, "invitation_revoked"),
        (0, &replaced.0, "invitation_replaced"),
        (8 * DAY, &expired.0, "invitation_expired"),
        (0, &good.0, "accepted"),
    ] {
        steps::take();
        assert_eq!(accept(at(now), token), expected);
        counted.push((expected, steps::take()));
    }
    assert!(counted.iter().all(|(_, steps)| *steps == counted[0].1 && steps.0 == 1), "{counted:?}");
}

#[test]
fn sessions_are_forgotten_once_they_ended_long_ago_and_so_many_at_once() {
    let world = World::of("8move");
    let keep = i64::try_from(world.directory.0.options.session_keep.as_micros()).unwrap();
    let now = 2 * keep;
    let session = |start: i64, end: Option<i64>| {
        let id = link::new_id(at(start));
        let ended = end.map(|_| Ended::Logout);
        let (start, seen, end) = (at(start), at(now - MINUTE), end.map(at));
        let (user, tenant, address, agent) = ("mona".to_owned(), None, None, None);
        Arc::new(Session { id, user, tenant, start, seen, end, ended, address, agent })
    };
    let old = (0..1001).map(|n| session(n * MINUTE, Some(n * MINUTE + 1)));
    let (open, late, young) =
        (session(1, None), session(2, Some(now - keep + 1)), session(now - keep + 1, Some(now - keep + 2)));
    let kept = [&open.id, &late.id, &young.id].map(Clone::clone);
    let steps: Vec<_> = old.chain([open, late, young]).map(Step::Session).collect();
    assert!(world.directory.note(|_| (steps, Vec::new())).unwrap());
    let tidied: Vec<_> = (0..3).map(|_| world.directory.tidy_sessions(at(now)).unwrap()).collect();
    assert_eq!(tidied, [(0, 1000), (0, 1), (0, 0)]);
    let query = SessionQuery { user: Some("mona".to_owned()), limit: 2000, ..SessionQuery::default() };
    let page = world.directory.list_sessions(&Call { now: at(now), ..operator() }, &query).unwrap();
    let mut left: Vec<_> = page.sessions.iter().map(|session| session.id.clone()).collect();
    left.sort();
    let mut kept = kept.to_vec();
    kept.sort();
    assert_eq!(left, kept);
    assert_eq!(world.directory.0.roster.lock().sessions().count(), 1, "the open one counts");
}
