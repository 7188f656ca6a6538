//! What a list tells, and what is judged of a change that policies do not see whole.

use super::{
    tools::{olga, somebody, with_deputy},
    *,
};
use crate::policy::{Files, compile};

fn code<T: std::fmt::Debug>(done: Result<T, Refusal>) -> String {
    done.unwrap_err().code().to_owned()
}

/// A set in which `dee` may give and not change, and in which two grants together open what neither of them does.
pub(super) fn small_set() -> Snapshot {
    let set = "policy_set: small\n\
        levels: { view: [view], edit: { includes: [view], actions: [edit] }, full: { includes: [edit], actions: [create, delete] } }\n\
        user_attributes: { region: String }\n\
        modules:\n  m0: { resources: { t0: {} } }\n  m1: { resources: { t1: {} } }\n  m2: { resources: { t2: {} } }\n  \
        m3: { resources: { t3: {} } }\n  people: { resources: { person: {} } }\n\
        roles:\n  boss: { grants: { \"*\": full } }\n  giver: { grants: { people: edit, m1: view, m3: view } }\n\
        delegation: { administrators: [boss], user: person, actions: { view: view, create: create, change: create, assign: edit, delete: delete } }\n\
        users:\n  ann: { roles: [boss] }\n  dee: { roles: [giver], attributes: { region: east } }\n";
    let cedar = "@id(\"both\") permit (principal in Grant::\"m0/view\", action == Action::\"view\", resource in Module::\"m2\") \
        when { principal in Grant::\"m1/view\" };";
    let files = [("set.yaml", set), ("both.cedar", cedar)].map(|(name, text)| (name.to_owned(), text.to_owned()));
    let files = Files::from_parts("small", files.to_vec()).unwrap();
    compile(&files, &Compiling::default()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn small() -> World {
    World::with(Arc::new(small_set()), tempfile::tempdir().unwrap())
}

#[test]
fn a_list_does_not_tell_by_its_filters_what_it_does_not_show() {
    let world = World::of("backbone");
    somebody(&world, "joe");
    let [acme, bolt] = ["acme", "bolt"].map(|tenant| Call { tenant: Some(tenant), ..operator() });
    world.directory.assign(&acme, "joe", Manner::Give, &json!({ "roles": ["member"] })).unwrap();
    world.directory.assign(&bolt, "joe", Manner::Give, &json!({ "roles": ["administrator"] })).unwrap();
    let listed = |call: &Call<'_>, query: UserQuery| -> Vec<String> {
        let page = world.directory.list_users(call, &UserQuery { limit: 99, ..query }).unwrap();
        page.users.iter().map(|listed| listed.cursor.id.clone()).collect()
    };
    let text = |text: &str| Some(text.to_owned());
    let role = |name: &str| UserQuery { role: text(name), ..UserQuery::default() };
    let module = |name: &str| UserQuery { module: text(name), ..UserQuery::default() };
    let tenant = |name: &str| UserQuery { tenant: text(name), ..UserQuery::default() };
    for (call, query, expected) in [
        (user("bea"), role("administrator"), &["bea"][..]),
        (user("bea"), role("member"), &["bob", "joe"]),
        (user("bea"), module("administration"), &["bea"]),
        (user("bea"), module("invoicing"), &["bea", "bob", "joe"]),
        (user("bea"), tenant("bolt"), &[]),
        (user("bix"), role("administrator"), &["bix", "joe"]),
        (user("bix"), role("member"), &["ben"]),
        (user("bix"), module("administration"), &["bix", "joe"]),
        (operator(), role("administrator"), &["bea", "bix", "joe"]),
        (operator(), module("administration"), &["bea", "bix", "joe"]),
    ] {
        assert_eq!(listed(&call, query.clone()), expected, "{call:?} {query:?}");
    }
}

#[test]
fn what_policies_do_not_see_is_changed_by_those_alone_who_may_change_the_user() {
    let world = small();
    somebody(&world, "pat");
    let change = |call: &Call<'_>, fields: &Value| world.directory.change_user(call, "pat", fields);
    for hidden in [
        json!({ "phone": "+31201234567" }),
        json!({ "job": "Clerk" }),
        json!({ "gender": "F" }),
        json!({ "language": "nl" }),
    ] {
        let mut with_an_attribute = hidden.clone();
        with_an_attribute["attributes"] = json!({ "region": "east" });
        for fields in [&hidden, &with_an_attribute] {
            assert_eq!(code(change(&user("dee"), fields)), "not_granted", "{fields}");
        }
        change(&user("ann"), &hidden).unwrap();
    }
    // What may be given may still be given.
    change(&user("dee"), &json!({ "attributes": { "region": "east" } })).unwrap();
}

#[test]
fn a_role_is_changed_with_an_eye_to_what_its_holders_have_been_promised() {
    let world = small();
    let ann = user("ann");
    let desk = json!({ "grants": { "m3": "view" } });
    let more = json!({ "grants": { "m3": "view", "m1": "view" } });
    world.directory.put_role(&ann, "desk", &desk).unwrap();
    let put = |what: &Value| world.directory.put_role(&user("dee"), "desk", what).map(drop);
    let invite = |who: &str, what: Value| {
        world.directory.invite(&ann, &json!({ "email": format!("{who}@x.example"), "assignments": what })).unwrap()
    };
    // Alone it is what the deputy has, and beside a promise it opens what the deputy has not.
    somebody(&world, "pat");
    world.directory.assign(&ann, "pat", Manner::Give, &json!({ "roles": ["desk"] })).unwrap();
    put(&more).unwrap();
    put(&desk).unwrap();
    let promise = invite("pat", json!({ "grants": { "m0": "view" } }));
    assert_eq!(code(put(&more)), "not_held");
    world.directory.revoke_invitation(&ann, &promise.id).unwrap();
    put(&more).unwrap();
    put(&desk).unwrap();
    // So it is for somebody who is promised the role and the other thing.
    somebody(&world, "quin");
    invite("quin", json!({ "roles": ["desk"] }));
    put(&more).unwrap();
    put(&desk).unwrap();
    invite("quin", json!({ "grants": { "m0": "view" } }));
    assert_eq!(code(put(&more)), "not_held");
}

#[test]
fn a_role_that_somebody_is_invited_with_grows_no_further_than_whoever_changes_it() {
    let world = World::of("propeller");
    with_deputy(&world);
    let desk = |level: &str| json!({ "grants": { "pricing": level } });
    world.directory.put_role(&olga(), "desk", &desk("viewer")).unwrap();
    somebody(&world, "pat");
    let body = json!({ "email": "pat@x.example", "assignments": { "roles": ["desk"] } });
    assert!(world.directory.invite(&olga(), &body).unwrap().joins);
    assert_eq!(code(world.directory.put_role(&user("dee"), "desk", &desk("owner"))), "not_held");
    world.directory.put_role(&olga(), "desk", &desk("owner")).unwrap();
}

#[test]
fn a_role_is_changed_by_those_of_its_tenant_and_by_operators() {
    let world = World::of("backbone");
    let of = |actor: &'static str, tenant: &'static str| Call { tenant: Some(tenant), ..user(actor) };
    let (bea, bix) = (of("bea", "acme"), of("bix", "bolt"));
    let more = json!({ "grants": { "invoicing": "manage", "shipping": "use" } });
    let less = json!({ "grants": { "shipping": "use" } });
    let made = world.directory.put_role(&bea, "desk", &more).unwrap();
    assert_eq!(made.role.tenant.as_deref(), Some("acme"));
    assert_eq!(code(world.directory.put_role(&bix, "desk", &less)), "other_tenant");
    assert_eq!(code(world.directory.delete_role(&bix, "desk")), "other_tenant");
    world.directory.read_role(&bix, "desk").unwrap();
    let changed = world.directory.put_role(&operator(), "desk", &less).unwrap();
    assert_eq!(changed.role.tenant.as_deref(), Some("acme"), "it stays theirs");
    let world = world.again();
    world.directory.put_role(&bea, "desk", &more).unwrap();
    world.directory.delete_role(&bea, "desk").unwrap();
    // A role of no tenant is the operators' until they leave it to one.
    world.directory.put_role(&operator(), "all", &more).unwrap();
    for call in [&bea, &bix] {
        assert_eq!(code(world.directory.put_role(call, "all", &less)), "other_tenant");
    }
    let acme = Call { tenant: Some("acme"), ..operator() };
    let left = world.directory.put_role(&acme, "all", &more).unwrap();
    assert_eq!(left.role.tenant.as_deref(), Some("acme"));
    assert_eq!(code(world.directory.delete_role(&bix, "all")), "other_tenant");
    world.directory.delete_role(&bea, "all").unwrap();
}

#[test]
fn a_role_that_was_stored_before_tenants_were_noted_is_read() {
    let stored =
        json!({ "id": "desk", "grants": { "m0": "view" }, "by": "bea", "created": 0, "updated": 0, "version": 1 });
    let role: CustomRole = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(role.tenant, None);
    assert_eq!(serde_json::to_value(role).unwrap(), stored);
}
