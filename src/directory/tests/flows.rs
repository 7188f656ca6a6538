//! Invitations, joining, and sessions that end with what they rest on.

use super::*;

#[test]
fn a_link_that_will_not_do_has_a_code_of_its_own() {
    // Names the rules 8move-invite, 8move-invite-expiry and 8move-invite-manage.
    let world = World::of("8move");
    let north = Call { tenant: Some("north"), ..user("ada") };
    let invite = |email: &str| {
        let body =
            json!({ "email": email, "first_name": "A", "last_name": "B", "assignments": { "roles": ["warehouse"] } });
        world.directory.invite(&north, &body).unwrap()
    };
    let accept = |token: &str, now: Timestamp| {
        let call = Call { actor: Actor::Application("shop"), now, ..operator() };
        world
            .directory
            .accept_invitation(&call, &json!({ "token": token }))
            .map_err(|refusal| refusal.code().to_owned())
    };
    let first = invite("one@8move.example");
    assert_eq!(world.decide(&first.user, "view", "order", None, at(0)), "user_invited");
    let old = world.directory.token(&first);
    assert_eq!(accept(&old, at(7 * DAY + MINUTE)).unwrap_err(), "invitation_expired");
    let again = world.directory.resend_invitation(&north, &first.id).unwrap();
    let new = world.directory.token(&again);
    assert_eq!(accept(&old, at(0)).unwrap_err(), "invitation_replaced");
    assert_eq!(accept(&new.replace('.', ".0"), at(0)).unwrap_err(), "invitation_unknown");
    assert_eq!(accept("01H.none", at(0)).unwrap_err(), "invitation_unknown");
    let change = json!({ "assignments": { "roles": ["finance"] } });
    world.directory.change_invitation(&north, &first.id, &change).unwrap();
    accept(&new, at(7 * DAY - MINUTE)).unwrap();
    assert_eq!(world.decide(&first.user, "view", "invoice", None, at(0)), "granted");
    assert_eq!(accept(&new, at(0)).unwrap_err(), "invitation_used");
    let second = invite("two@8move.example");
    world.directory.revoke_invitation(&north, &second.id).unwrap();
    assert_eq!(accept(&world.directory.token(&second), at(0)).unwrap_err(), "invitation_revoked");
    assert_eq!(world.decide(&second.user, "view", "order", None, at(0)), "user_unknown", "gone with the invitation");
}

#[test]
fn whoever_has_an_account_just_joins() {
    // Names the rule backbone-invite.
    let world = World::of("backbone");
    let of = |actor, tenant| Call { tenant: Some(tenant), ..user(actor) };
    let body = json!({ "email": "joe@backbone.example", "assignments": { "roles": ["member"] } });
    let first = world.directory.invite(&of("bea", "acme"), &body).unwrap();
    let accept = |invitation: &Invitation| {
        let body = json!({ "token": world.directory.token(invitation), "first_name": "Joe", "last_name": "Doe" });
        world.directory.accept_invitation(&Call { actor: Actor::Application("erp"), ..operator() }, &body).unwrap()
    };
    accept(&first);
    let second = world.directory.invite(&of("bix", "bolt"), &body).unwrap();
    assert_eq!((second.joins, &second.user), (true, &first.user));
    let view = |tenant| world.decide(&first.user, "view", "part", Some(tenant), at(0));
    assert_eq!([view("acme"), view("bolt")], ["granted", "not_granted"]);
    accept(&second);
    assert_eq!([view("acme"), view("bolt")], ["granted", "granted"]);
}

#[test]
fn sessions_end_with_what_they_rest_on() {
    // Names the rules backbone-login and backbone-removal.
    let world = World::of("backbone");
    let acme = Call { tenant: Some("acme"), ..user("bea") };
    let body =
        json!({ "email": "joe@backbone.example", "first_name": "Joe", "last_name": "Doe", "activation": "none" });
    let joe = world.directory.create_user(&operator(), &body).unwrap();
    let erp = |seconds: i64| Call {
        actor: Actor::Application("erp"),
        tenant: Some("acme"),
        now: at(seconds * 1_000_000),
        ..operator()
    };
    let login = |seconds: i64| {
        world.directory.login(&erp(seconds), &Login { user: joe.id.clone(), ..Login::default() }).unwrap()
    };
    world
        .directory
        .assign(&Call { tenant: Some("acme"), ..operator() }, &joe.id, Manner::Give, &json!({ "roles": ["member"] }))
        .unwrap();
    let sessions = |world: &World| {
        let query = SessionQuery { user: Some(joe.id.clone()), limit: 10, ..SessionQuery::default() };
        let page = world.directory.list_sessions(&operator(), &query).unwrap();
        page.sessions.iter().map(|session| (session.ended, session.seconds(at(0)))).collect::<Vec<_>>()
    };
    let first = login(0);
    world.directory.end_session(&erp(60), &first.id).unwrap();
    assert_eq!(sessions(&world), [(Some(Ended::Logout), 60.0)]);
    login(100);
    world.directory.assign(&Call { now: at(130_000_000), ..acme }, &joe.id, Manner::Replace, &json!({})).unwrap();
    assert_eq!(world.decide(&joe.id, "view", "part", Some("acme"), at(130_000_000)), "not_granted");
    assert_eq!(sessions(&world)[0], (Some(Ended::Removed), 30.0));
    let third = login(200);
    world.directory.heartbeat(at(1000 * 1_000_000), &third.id).unwrap();
    assert_eq!(world.directory.tidy_sessions(at(2799 * 1_000_000)).unwrap(), (0, 0));
    assert_eq!(
        world.directory.tidy_sessions(at(2800 * 1_000_000)).unwrap(),
        (1, 0),
        "30 minutes after the last sign of life"
    );
    assert_eq!(sessions(&world)[0], (Some(Ended::Idle), 2600.0));
    assert_eq!(world.directory.tidy_sessions(at(200 * DAY)).unwrap(), (0, 3), "kept for 90 days");
    assert_eq!(sessions(&world), []);
}

#[test]
fn whoever_was_taken_out_stays_with_those_who_had_it() {
    let world = World::of("backbone");
    let of = |actor, tenant| Call { tenant: Some(tenant), ..user(actor) };
    let (bea, bix) = (of("bea", "acme"), of("bix", "bolt"));
    let body =
        json!({ "id": "joe", "email": "joe@x.example", "first_name": "Joe", "last_name": "Doe", "activation": "none" });
    world.directory.create_user(&bea, &body).unwrap();
    world.directory.assign(&bea, "joe", Manner::Give, &json!({ "roles": ["member"] })).unwrap();
    world.directory.assign(&bea, "joe", Manner::Replace, &json!({})).unwrap();
    let sees = |call: &Call<'_>| world.directory.read_user(call, "joe").is_ok();
    assert!(sees(&bea) && !sees(&bix), "no other administrator gets to see the user");
    let taken = world.directory.assign(&bix, "joe", Manner::Give, &json!({ "roles": ["member"] }));
    assert!(matches!(taken, Err(Refusal::Forbidden { .. })), "{taken:?}");
    let deleted = world.directory.delete_user(&bix, "joe");
    assert!(matches!(deleted, Err(Refusal::Forbidden { .. })), "{deleted:?}");
    // An invitation lets the user in from there.
    let invited = json!({ "email": "joe@x.example", "assignments": { "roles": ["member"] } });
    let invitation = world.directory.invite(&bix, &invited).unwrap();
    assert!(!sees(&bix), "not before it is accepted");
    let body = json!({ "token": world.directory.token(&invitation) });
    let account = world.directory.accept_invitation(&operator(), &body).unwrap();
    let tenants: Vec<_> = account.places.iter().map(|place| place.tenant.as_deref()).collect();
    assert_eq!(tenants, [Some("bolt")], "the old standing ends with it");
    assert!(sees(&bix) && !sees(&bea));
}

#[test]
fn a_revoked_invitation_is_seen_by_those_who_saw_its_user() {
    let world = World::of("backbone");
    let of = |actor, tenant| Call { tenant: Some(tenant), ..user(actor) };
    let (bea, bix) = (of("bea", "acme"), of("bix", "bolt"));
    let body = json!({ "email": "joe@x.example", "assignments": { "roles": ["member"] } });
    let invitation = world.directory.invite(&bea, &body).unwrap();
    world.directory.revoke_invitation(&bea, &invitation.id).unwrap();
    assert!(world.directory.read_user(&bea, &invitation.user).is_err(), "the user is gone");
    let world = world.again();
    let listed = |call: &Call<'_>| world.directory.list_invitations(call, None, 10, None).unwrap();
    let [seen] = &listed(&bea)[..] else { panic!("one invitation") };
    assert_eq!((seen.state(at(0)), seen.given[0].name.as_str()), ("revoked", "member"));
    assert_eq!(listed(&bix), []);
    assert_eq!(listed(&operator()).len(), 1);
}
