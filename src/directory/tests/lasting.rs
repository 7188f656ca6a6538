//! What somebody has for a time is given for no longer, whichever the way.

use super::{tools::somebody, *};

const TOMORROW: &str = "2027-01-16T08:00:00Z";
const LATER: &str = "2027-01-17T08:00:00Z";

fn code<T: std::fmt::Debug>(done: Result<T, Refusal>) -> String {
    done.unwrap_err().code().to_owned()
}

fn admin(until: Option<&str>) -> Value {
    json!({ "roles": [{ "role": "admin", "until": until }] })
}

#[test]
fn whoever_administers_for_a_time_makes_nobody_an_administrator_for_longer() {
    let world = World::of("8move");
    let north = |actor| Call { tenant: Some("north"), ..actor };
    for id in ["temp", "sock", "perm"] {
        somebody(&world, id);
    }
    world.directory.assign(&north(operator()), "temp", Manner::Give, &admin(Some(TOMORROW))).unwrap();
    world.directory.assign(&north(operator()), "perm", Manner::Give, &admin(None)).unwrap();
    let put = |actor, to: &str, until| world.directory.assign(&north(user(actor)), to, Manner::Replace, &admin(until));
    for until in [None, Some(LATER)] {
        let refusal = put("temp", "sock", until).unwrap_err();
        assert_eq!(refusal.code(), "not_held", "{until:?}");
        assert!(refusal.to_string().contains("would outlast"), "{refusal}");
    }
    put("temp", "sock", Some(TOMORROW)).unwrap();
    assert_eq!(code(put("sock", "temp", None)), "not_held", "nor do two help each other");
    let invited = |until| {
        let body = json!({ "email": "new@x.example", "assignments": admin(until) });
        world.directory.invite(&north(user("temp")), &body)
    };
    assert_eq!(code(invited(None)), "not_held");
    invited(Some(TOMORROW)).unwrap();
    world.directory.suspend_user(&north(operator()), "perm").unwrap();
    assert_eq!(code(world.directory.reactivate_user(&north(user("temp")), "perm")), "not_held");
    assert!(world.directory.reactivate_user(&north(user("ada")), "perm").is_ok(), "whoever has it for good may");
    put("perm", "sock", None).unwrap();
}

#[test]
fn an_open_gate_and_a_channel_are_given_for_no_longer_than_they_are_had() {
    let world = World::of("propeller");
    somebody(&world, "dee");
    somebody(&world, "pat");
    let has =
        json!({ "gates": [{ "gate": "backoffice", "until": TOMORROW }], "grants": { "roles-permissions": "owner" } });
    world.directory.assign(&operator(), "dee", Manner::Replace, &has).unwrap();
    let gate = |until: Option<&str>| {
        let what = json!({ "gates": [{ "gate": "backoffice", "until": until }] });
        world.directory.assign(&user("dee"), "pat", Manner::Replace, &what)
    };
    assert_eq!(code(gate(None)), "not_held");
    gate(Some(TOMORROW)).unwrap();

    let world = World::of("omc");
    let member = |id: &str| {
        let body = json!({ "id": id, "email": format!("{id}@omc.example"), "first_name": "N", "last_name": "A",
            "family": "backoffice", "activation": "none" });
        world.directory.create_user(&operator(), &body).unwrap();
    };
    member("nia");
    member("noa");
    let channel =
        |until: Option<&str>| json!({ "attributes": { "channels": [{ "value": "web-fr", "until": until }] } });
    let roles = json!({ "roles": ["headquarters"], "attributes": channel(Some(TOMORROW))["attributes"] });
    world.directory.assign(&operator(), "nia", Manner::Replace, &roles).unwrap();
    let give = |until| world.directory.assign(&user("nia"), "noa", Manner::Give, &channel(until));
    assert_eq!(code(give(None)), "not_held");
    give(Some(TOMORROW)).unwrap();
}

#[test]
fn what_is_misspelt_is_refused_so_that_no_end_is_lost() {
    let world = World::of("propeller");
    somebody(&world, "pat");
    let role = json!({ "grants": { "pricing": "viewer" }, "gates": ["backoffice"] });
    world.directory.put_role(&operator(), "desk", &role).unwrap();
    for (what, places) in [
        (json!({ "roles": [{ "role": "desk", "unitl": LATER }] }), &["/roles/0/unitl"][..]),
        (json!({ "gates": [{ "gate": "backoffice", "unitl": LATER }] }), &["/gates/0/unitl"]),
        (json!({ "grants": { "pricing": { "level": "viewer", "unitl": LATER } } }), &["/grants/pricing/unitl"]),
        (
            json!({ "grants": { "pricing": { "level": "viewer", "until": 7, "why": [] } } }),
            &["/grants/pricing/until", "/grants/pricing/why"],
        ),
        (json!({ "roles": [{ "role": "desk", "why": 7 }], "why": {} }), &["/why", "/roles/0/why"]),
        (json!({ "attributes": { "nope": [] } }), &["/attributes/nope"]),
        (json!({ "attributes": { "nope": ["a", "b"] } }), &["/attributes/nope"]),
        (json!({ "attributes": { "nope": "a" } }), &["/attributes/nope"]),
    ] {
        let refused = world.directory.assign(&operator(), "pat", Manner::Give, &what).unwrap_err();
        assert_eq!(pointers(refused), places, "{what}");
    }
    // As it is shown it can be sent back.
    let again = json!({ "roles": [{ "role": "desk", "until": null, "why": null, "by": "olga", "at": LATER }] });
    world.directory.assign(&operator(), "pat", Manner::Give, &again).unwrap();
    let world = World::of("omc");
    let nia = json!({ "id": "nia", "email": "nia@omc.example", "first_name": "N", "last_name": "A", "family": "backoffice",
        "activation": "none" });
    world.directory.create_user(&operator(), &nia).unwrap();
    let value = json!({ "attributes": { "channels": [{ "value": "web-fr", "unitl": LATER }] } });
    let refused = world.directory.assign(&operator(), "nia", Manner::Give, &value).unwrap_err();
    assert_eq!(pointers(refused), ["/attributes/channels/0/unitl"]);
    let take = json!({ "roles": ["client_admin"], "attributes": { "channels": ["web-fr"] } });
    let refused = world.directory.assign(&operator(), "nia", Manner::Take, &take).unwrap_err();
    assert_eq!(pointers(refused), ["/roles/0", "/attributes/channels/0"]);
}
