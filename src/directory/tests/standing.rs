//! Where users belong, and that each tenant goes on to have somebody who administers it.

use super::{
    random::populated,
    tools::{olga, somebody},
    *,
};
use crate::model::Status;

fn code<T: std::fmt::Debug>(done: Result<T, Refusal>) -> String {
    done.unwrap_err().code().to_owned()
}

fn of<'c>(actor: &'c str, tenant: &'c str) -> Call<'c> {
    Call { tenant: Some(tenant), ..user(actor) }
}

/// The same of an application, which reports who came.
fn accept(world: &World, invitation: &Invitation, more: &Value) -> Result<Arc<Account>, Refusal> {
    let mut body = json!({ "token": world.directory.token(invitation) });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.directory.accept_invitation(&Call { actor: Actor::Application("erp"), ..operator() }, &body)
}

fn named() -> Value {
    json!({ "first_name": "Joe", "last_name": "Doe" })
}

fn read(world: &World, id: &str) -> Arc<Account> {
    match world.directory.read_user(&operator(), id).unwrap() {
        Found::Account(account) => account,
        Found::Declared(..) => panic!("{id} is declared"),
    }
}

/// That the administrators of `bolt` neither see nor get at a user of `acme`.
#[track_caller]
fn is_not_bolts(world: &World, id: &str) {
    assert!(read(world, id).belongs_to(Some("acme")));
    for call in [user("bix"), of("bix", "bolt")] {
        let page = world.directory.list_users(&call, &UserQuery { limit: 99, ..UserQuery::default() }).unwrap();
        assert!(page.users.iter().all(|listed| listed.cursor.id != id), "{call:?}");
        let member = json!({ "roles": ["member"] });
        for refused in [
            world.directory.read_user(&call, id).map(drop),
            world.directory.assign(&call, id, Manner::Replace, &member).map(drop),
            world.directory.delete_user(&call, id),
        ] {
            assert_eq!(code(refused), "other_tenant", "{call:?}");
        }
    }
}

#[test]
fn whoever_is_invited_or_imported_with_nothing_belongs_to_the_tenant_and_to_nobody_else() {
    let world = World::of("backbone");
    let bare = json!({ "email": "joe@x.example", "user": "joe" });
    let joe = world.directory.invite(&of("bea", "acme"), &bare).unwrap();
    is_not_bolts(&world, "joe");
    accept(&world, &joe, &named()).unwrap();
    is_not_bolts(&world, "joe");
    // Nor once the invitation gives nothing any more.
    let body = json!({ "email": "kim@x.example", "user": "kim", "assignments": { "roles": ["member"] } });
    let kim = world.directory.invite(&of("bea", "acme"), &body).unwrap();
    world.directory.change_invitation(&of("bea", "acme"), &kim.id, &json!({ "assignments": {} })).unwrap();
    is_not_bolts(&world, "kim");
    for (id, places) in [("one", Value::Null), ("two", json!([]))] {
        let row = json!({ "id": id, "email": format!("{id}@x.example"), "first_name": "F", "last_name": "L",
            "status": "active", "assignments": places });
        let rows = read_users(Form::Json, json!({ "users": [row] }).to_string().as_bytes()).unwrap();
        assert_eq!(world.directory.import(&of("bea", "acme"), &rows, false).unwrap().created, 1);
        is_not_bolts(&world, id);
    }
}

#[test]
fn whoever_is_there_joins_a_tenant_by_an_invitation_with_nothing_in_it() {
    let world = World::of("backbone");
    let bare = json!({ "email": "joe@x.example", "user": "joe" });
    accept(&world, &world.directory.invite(&of("bea", "acme"), &bare).unwrap(), &named()).unwrap();
    let joining = world.directory.invite(&of("bix", "bolt"), &json!({ "email": "joe@x.example" })).unwrap();
    assert!(joining.joins);
    // What is not understood is told whether the user is new or not, and changes nothing.
    let wrong = json!({ "hat": 1, "first_name": "" });
    let mut told = pointers(accept(&world, &joining, &wrong).unwrap_err());
    told.sort();
    assert_eq!(told, ["/first_name", "/hat"]);
    let other = json!({ "first_name": "Another", "last_name": "Name" });
    let joined = accept(&world, &joining, &other).unwrap();
    assert!(joined.belongs_to(Some("acme")) && joined.belongs_to(Some("bolt")), "{:?}", joined.places);
    assert_eq!(joined.first_name, "Joe", "a letter names an account and does not change it");
}

#[test]
fn the_last_administrator_stays_one_though_an_invitation_says_otherwise() {
    let (world, _) = populated("propeller");
    somebody(&world, "dee");
    let owner = json!({ "grants": { "roles-permissions": "owner" } });
    world.directory.assign(&operator(), "dee", Manner::Give, &json!({ "gates": ["backoffice"] })).unwrap();
    world.directory.assign(&operator(), "dee", Manner::Give, &owner).unwrap();
    let less = json!({ "email": "dee@x.example", "assignments": { "grants": { "roles-permissions": "viewer" } } });
    let invitation = world.directory.invite(&olga(), &less).unwrap();
    world.directory.assign(&user("dee"), "olga", Manner::Take, &owner).unwrap();
    assert_eq!(code(accept(&world, &invitation, &json!({}))), "last_administrator");
    assert!(!world.last_event().allowed, "it is recorded as refused");
    // With another one it is as it was meant.
    world.directory.assign(&operator(), "olga", Manner::Give, &owner).unwrap();
    accept(&world, &invitation, &json!({})).unwrap();
}

#[test]
fn whoever_is_an_administrator_for_a_time_does_not_stand_in_for_one_for_good() {
    let (world, _) = populated("propeller");
    let until = |days: i64| json!({ "grants": { "roles-permissions": { "level": "owner", "until": at(days * DAY).to_string() } } });
    let for_good = json!({ "grants": { "roles-permissions": "owner" } });
    for id in ["tom", "ted"] {
        somebody(&world, id);
        world.directory.assign(&operator(), id, Manner::Give, &json!({ "gates": ["backoffice"] })).unwrap();
    }
    world.directory.assign(&operator(), "tom", Manner::Give, &until(1)).unwrap();
    let last = |done: Result<(), Refusal>| assert_eq!(code(done), "last_administrator");
    for call in [user("tom"), operator()] {
        let set = |what: &Value| world.directory.assign(&call, "olga", Manner::Replace, what).map(drop);
        last(set(&json!({})));
        last(set(&until(2)));
        last(world.directory.suspend_user(&call, "olga").map(drop));
        last(world.directory.delete_user(&call, "olga"));
    }
    assert_eq!(read(&world, "olga").status, Status::Active);
    // Another one for good does.
    world.directory.assign(&operator(), "ted", Manner::Give, &for_good).unwrap();
    world.directory.delete_user(&user("ted"), "olga").unwrap();
    world.directory.delete_user(&user("ted"), "tom").unwrap();
}
