//! Whoever sends, changes or takes back an invitation is judged for all that it gives, where it gives it.

use super::{
    tools::{olga, somebody},
    *,
};

fn code<T: std::fmt::Debug>(done: Result<T, Refusal>) -> String {
    done.unwrap_err().code().to_owned()
}

fn accept(world: &World, invitation: &Invitation) {
    let body = json!({ "token": world.directory.token(invitation), "first_name": "Joe", "last_name": "Doe" });
    world.directory.accept_invitation(&Call { actor: Actor::Application("erp"), ..operator() }, &body).unwrap();
}

fn of<'c>(actor: &'c str, tenant: &'c str) -> Call<'c> {
    Call { tenant: Some(tenant), ..user(actor) }
}

/// The invitation of `joe`, who belongs to `acme` and is asked into `bolt`.
fn joining(world: &World) -> Arc<Invitation> {
    let body = json!({ "email": "joe@x.example", "user": "joe", "assignments": { "roles": ["member"] } });
    accept(world, &world.directory.invite(&of("bea", "acme"), &body).unwrap());
    let body = json!({ "email": "joe@x.example", "assignments": { "roles": ["member"] } });
    let invitation = world.directory.invite(&of("bix", "bolt"), &body).unwrap();
    assert!(invitation.joins);
    invitation
}

#[test]
fn what_somebody_may_not_give_is_not_given_by_sending_it_again() {
    let world = World::of("omc");
    let nia = json!({ "id": "nia", "email": "nia@omc.example", "first_name": "N", "last_name": "A", "family": "backoffice",
        "activation": "none" });
    world.directory.create_user(&user("cleo"), &nia).unwrap();
    let body = json!({ "email": "nia@omc.example", "assignments": { "roles": ["client_admin"] } });
    let invitation = world.directory.invite(&user("cleo"), &body).unwrap();
    let late = |actor| Call { now: at(8 * DAY), ..user(actor) };
    assert_eq!(invitation.state(at(8 * DAY)), "expired");
    assert_eq!(code(world.directory.resend_invitation(&late("rita"), &invitation.id)), "not_held");
    let less = json!({ "assignments": { "roles": ["client_viewer"] } });
    assert_eq!(code(world.directory.change_invitation(&late("rita"), &invitation.id, &less)), "higher_rank");
    assert_eq!(code(world.directory.revoke_invitation(&late("rita"), &invitation.id)), "higher_rank");
    world.directory.resend_invitation(&late("cleo"), &invitation.id).unwrap();
    world.directory.change_invitation(&late("cleo"), &invitation.id, &less).unwrap();
    world.directory.resend_invitation(&late("rita"), &invitation.id).unwrap();
    world.directory.revoke_invitation(&late("rita"), &invitation.id).unwrap();
}

#[test]
fn an_invitation_is_that_of_its_own_tenant() {
    let world = World::of("backbone");
    let invitation = joining(&world);
    let id = invitation.id.as_str();
    for (call, expected) in
        [(of("bea", "acme"), "not_found"), (user("bea"), "not_granted"), (of("bea", "bolt"), "not_granted")]
    {
        assert_eq!(code(world.directory.resend_invitation(&call, id)), expected, "{call:?}");
        assert_eq!(code(world.directory.revoke_invitation(&call, id)), expected, "{call:?}");
        let nothing = json!({ "assignments": {} });
        assert_eq!(code(world.directory.change_invitation(&call, id, &nothing)), expected, "{call:?}");
    }
    let listed = |call: &Call<'_>| -> Vec<String> {
        let listed = world.directory.list_invitations(call, Some("open"), 10, None);
        listed.unwrap().iter().map(|one| one.id.clone()).collect()
    };
    assert_eq!(listed(&user("bea")), [""; 0], "what is another tenant's is not shown");
    assert_eq!(listed(&user("bix")), [id], "who has invited sees it before it is accepted");
    assert_eq!(listed(&of("bix", "bolt")), [id]);
    world.directory.resend_invitation(&user("bix"), id).unwrap();
    let seen = |version| Call { if_match: Some(Seen::Version(version)), ..of("bix", "bolt") };
    assert_eq!(code(world.directory.revoke_invitation(&seen(1), id)), "version_mismatch");
    world.directory.revoke_invitation(&seen(2), id).unwrap();
    assert!(world.directory.read_user(&operator(), "joe").is_ok(), "who was there before stays");
}

#[test]
fn a_user_of_several_tenants_goes_with_an_invitation_only_where_it_may_be_deleted() {
    let world = World::of("backbone");
    let body = json!({ "email": "joe@x.example", "user": "joe", "assignments": { "roles": ["member"] } });
    let invitation = world.directory.invite(&of("bea", "acme"), &body).unwrap();
    let bolt = Call { tenant: Some("bolt"), ..operator() };
    world.directory.assign(&bolt, "joe", Manner::Give, &json!({ "roles": ["member"] })).unwrap();
    assert_eq!(code(world.directory.revoke_invitation(&of("bea", "acme"), &invitation.id)), "other_tenant");
    world.directory.revoke_invitation(&operator(), &invitation.id).unwrap();
    assert_eq!(code(world.directory.read_user(&operator(), "joe")), "not_found");
}

#[test]
fn whoever_is_named_accepts_the_own_invitation_or_one_that_could_have_been_sent_by_it() {
    let named = |world: &World, call: &Call<'_>, invitation: &Invitation| {
        let body = json!({ "token": world.directory.token(invitation), "first_name": "Joe", "last_name": "Doe" });
        let done = world.directory.accept_invitation(call, &body).map(|account| account.id.clone());
        let event = world.last_event();
        assert_eq!((event.user.as_str(), &event.resource_id), ("joe", &invitation.id), "the record names both");
        assert_eq!((event.allowed, event.actor), (done.is_ok(), call.actor.name()));
        done.map_err(|refusal| refusal.code().to_owned())
    };
    let body = json!({ "email": "joe@x.example", "user": "joe", "assignments": { "roles": ["warehouse"] } });
    for (actor, wanted) in [
        (Actor::User("joe"), Ok("joe")),
        (Actor::User("ada"), Ok("joe")),
        (Actor::Operator("ops"), Ok("joe")),
        (Actor::Application("erp"), Ok("joe")),
        (Actor::User("wes"), Err("not_granted")),
    ] {
        let world = World::of("8move");
        let invitation = world.directory.invite(&of("ada", "north"), &body).unwrap();
        let done = named(&world, &Call { actor, ..operator() }, &invitation);
        assert_eq!(done.as_deref().map_err(String::as_str), wanted, "{actor:?}");
        assert_eq!(
            world.decide("joe", "view", "order", Some("north"), at(1)) == "granted",
            wanted.is_ok(),
            "{actor:?}"
        );
    }
    // Whoever belongs to another tenant comes in by its own word, or by that of whoever may ask it in.
    for (actor, wanted) in [("bea", Err("not_granted")), ("joe", Ok("joe")), ("bix", Ok("joe"))] {
        let world = World::of("backbone");
        let done = named(&world, &user(actor), &joining(&world));
        assert_eq!(done.as_deref().map_err(String::as_str), wanted, "{actor}");
    }
}

#[test]
fn whoever_was_suspended_before_coming_goes_with_the_invitation_and_can_be_asked_anew() {
    let world = World::of("8move");
    let body = json!({ "email": "joe@x.example", "user": "joe", "assignments": { "roles": ["warehouse"] } });
    let invitation = world.directory.invite(&of("ada", "north"), &body).unwrap();
    world.directory.suspend_user(&of("ada", "north"), "joe").unwrap();
    assert_eq!(code(world.directory.reactivate_user(&of("ada", "north"), "joe")), "user_invited");
    world.directory.revoke_invitation(&of("ada", "north"), &invitation.id).unwrap();
    let again = world.directory.invite(&of("ada", "north"), &body).unwrap();
    accept(&world, &again);
    assert_eq!(world.decide("joe", "view", "order", Some("north"), at(1)), "granted");
}

#[test]
fn an_invitation_that_was_closed_long_ago_is_forgotten_and_its_user_stays_one_who_came() {
    let world = World::of("8move");
    let body = json!({ "email": "joe@x.example", "user": "joe", "assignments": { "roles": ["warehouse"] } });
    accept(&world, &world.directory.invite(&of("ada", "north"), &body).unwrap());
    let open = json!({ "email": "ida@x.example", "assignments": { "roles": ["warehouse"] } });
    let open = world.directory.invite(&of("ada", "north"), &open).unwrap();
    assert_eq!(world.directory.forget_invitations(at(364 * DAY)).unwrap(), 0);
    assert_eq!(world.directory.forget_invitations(at(366 * DAY)).unwrap(), 1);
    world.directory.suspend_user(&of("ada", "north"), "joe").unwrap();
    world.directory.reactivate_user(&of("ada", "north"), "joe").unwrap();
    let world = world.again();
    let left = world.directory.list_invitations(&operator(), None, 9, None).unwrap();
    assert_eq!(left.iter().map(|one| &one.id).collect::<Vec<_>>(), [&open.id]);
}

#[test]
fn a_role_that_an_invitation_gives_stays_though_the_invitation_has_expired() {
    let world = World::of("propeller");
    let role = json!({ "grants": { "pricing": "viewer" }, "gates": ["backoffice"] });
    world.directory.put_role(&olga(), "desk", &role).unwrap();
    somebody(&world, "pat");
    let body = json!({ "email": "pat@x.example", "assignments": { "roles": ["desk"] } });
    let invitation = world.directory.invite(&olga(), &body).unwrap();
    let late = Call { now: at(8 * DAY), ..olga() };
    assert_eq!(invitation.state(late.now), "expired");
    assert_eq!(code(world.directory.delete_role(&late, "desk")), "role_in_use");
    world.directory.revoke_invitation(&late, &invitation.id).unwrap();
    world.directory.delete_role(&late, "desk").unwrap();
    let any = Call { if_match: Some(Seen::Any), ..olga() };
    assert_eq!(code(world.directory.put_role(&any, "desk", &role)), "version_mismatch", "there is none to match");
}

#[test]
fn every_problem_of_an_invitation_is_told_whether_the_address_is_known_or_not() {
    let world = World::of("8move");
    let north = of("ada", "north");
    let wrong =
        json!({ "email": "nobody", "user": " x", "phone": "abc", "hat": 1, "assignments": { "roles": ["none"] } });
    let mut found = pointers(world.directory.invite(&north, &wrong).unwrap_err());
    found.sort();
    assert_eq!(found, ["/assignments/roles/0", "/email", "/hat", "/phone", "/user"]);
    let body = json!({ "email": "joe@x.example", "assignments": { "roles": ["warehouse"] } });
    let invitation = world.directory.invite(&north, &body).unwrap();
    let known = json!({ "email": "joe@x.example", "hat": 1 });
    assert_eq!(pointers(world.directory.invite(&north, &known).unwrap_err()), ["/hat"]);
    assert_eq!(code(world.directory.invite(&north, &body)), "already_invited");
    let text = world.last_event().context.unwrap().to_string();
    assert!(!text.contains("joe@x.example"), "no record has the address beside what settings want out of it: {text}");
    let stranger = world.directory.invite(&of("wes", "north"), &body);
    assert!(matches!(stranger, Err(Refusal::Forbidden { .. })), "only who may invite learns who is: {stranger:?}");
    let unknown = json!({ "assignments": {}, "hat": 1 });
    assert_eq!(pointers(world.directory.change_invitation(&north, &invitation.id, &unknown).unwrap_err()), ["/hat"]);
    let taken = json!({ "id": "joan", "email": "joe@x.example", "first_name": "J", "last_name": "D" });
    assert_eq!(code(world.directory.create_user(&north, &taken)), "email_taken");
    assert!(!world.last_event().context.unwrap().to_string().contains("joe@x.example"));
}

#[test]
fn of_a_user_of_two_tenants_each_shows_and_ends_its_own() {
    let world = World::of("backbone");
    accept(&world, &joining(&world));
    let places = |call: &Call<'_>| -> Vec<Option<String>> {
        let Found::Account(account) = world.directory.read_user(call, "joe").unwrap() else { panic!() };
        account.places.iter().map(|place| place.tenant.clone()).collect()
    };
    let [acme, bolt] = ["acme", "bolt"].map(|tenant| Some(tenant.to_owned()));
    assert_eq!(places(&user("bea")), std::slice::from_ref(&acme));
    assert_eq!(places(&of("bix", "bolt")), std::slice::from_ref(&bolt));
    assert_eq!(places(&operator()), [acme, bolt]);
    let page = world
        .directory
        .list_users(&user("bea"), &UserQuery { search: Some("joe".to_owned()), limit: 9, ..UserQuery::default() });
    let Found::Account(listed) = &page.unwrap().users[0].found.clone() else { panic!() };
    assert_eq!(listed.places.len(), 1);
    let erp = Call { actor: Actor::Application("erp"), tenant: Some("bolt"), ..operator() };
    let session = world.directory.login(&erp, &Login { user: "joe".to_owned(), ..Login::default() }).unwrap();
    let listed = |call: &Call<'_>| {
        let query = SessionQuery { limit: 9, ..SessionQuery::default() };
        world.directory.list_sessions(call, &query).unwrap().sessions.len()
    };
    assert_eq!([listed(&user("bea")), listed(&of("bea", "acme")), listed(&user("bix"))], [0, 0, 1]);
    assert_eq!(code(world.directory.end_session(&of("bea", "acme"), &session.id)), "not_found");
    assert_eq!(code(world.directory.end_session(&user("bea"), &session.id)), "not_granted");
    world.directory.end_session(&user("bix"), &session.id).unwrap();
}

#[test]
fn nobody_imports_what_they_may_not_change_nor_learns_who_is_there() {
    let world = World::of("backbone");
    let body =
        json!({ "id": "bert", "email": "bert@x.example", "first_name": "B", "last_name": "T", "activation": "none" });
    world.directory.create_user(&of("bix", "bolt"), &body).unwrap();
    let read = |user: Value| read_users(Form::Json, json!({ "users": [user] }).to_string().as_bytes()).unwrap();
    let refused = |incoming: Vec<Incoming>| {
        let Refusal::Invalid(problems) = world.directory.import(&of("bea", "acme"), &incoming, false).unwrap_err()
        else {
            panic!()
        };
        problems[0].message.clone()
    };
    let phone = read(json!({ "email": "bert@x.example", "phone": "+31201234567" }));
    assert!(refused(phone.clone()).contains("other_tenant"));
    let same = read(json!({ "email": "bert@x.example" }));
    assert!(refused(same.clone()).contains("other_tenant"));
    assert_eq!(world.directory.import(&of("bix", "bolt"), &same, false).unwrap().unchanged, 1);
    assert_eq!(world.directory.import(&of("bix", "bolt"), &phone, false).unwrap().updated, 1);
}

#[test]
fn an_import_stops_looking_where_no_more_problems_are_told() {
    let world = World::of("8move");
    let users: Vec<Value> = (0..3000).map(|n| json!({ "id": format!("u{n}"), "email": "x" })).collect();
    let users = read_users(Form::Json, json!({ "users": users }).to_string().as_bytes()).unwrap();
    let Refusal::Invalid(problems) = world.directory.import(&operator(), &users, false).unwrap_err() else { panic!() };
    assert_eq!(problems.len(), 1001);
    assert!(problems[1000].message.contains("more users, which were not looked at"), "{:?}", problems[1000]);
    let twice = br#"{"users": [{"id": "x", "id": "y"}]}"#;
    assert!(read_users(Form::Json, twice).is_err(), "which of the two were it to be?");
}
