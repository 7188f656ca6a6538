//! Roles that are put together here, files of users, backups.

use super::*;
use crate::directory::store::{Embedded, Store as _};
use std::io::Cursor;

pub(super) fn olga<'c>() -> Call<'c> {
    user("olga")
}

/// Somebody who may administer users and has no more than a viewer's level on prices.
pub(super) fn with_deputy(world: &World) {
    let deputy =
        json!({ "id": "dee", "email": "dee@x.example", "first_name": "Dee", "last_name": "P", "activation": "none" });
    world.directory.create_user(&operator(), &deputy).unwrap();
    let has = json!({ "gates": ["backoffice"], "grants": { "roles-permissions": "owner", "pricing": "viewer" } });
    world.directory.assign(&operator(), "dee", Manner::Replace, &has).unwrap();
}

pub(super) fn somebody(world: &World, id: &str) {
    let fields = json!({ "id": id, "email": format!("{id}@x.example"), "first_name": id, "last_name": "P", "activation": "none" });
    world.directory.create_user(&operator(), &fields).unwrap();
}

/// That who asks for more than decisions is told of a user what its account says.
#[track_caller]
fn is_seen_whole(world: &World, id: &str) {
    let (snapshot, subjects) = world.deciders.current();
    let book = world.directory.0.roster.lock();
    let user = book.user(id).unwrap().to_user(Lens::new(&snapshot, book.roles()).unwrap());
    assert!(!user.memberships.is_empty());
    assert_eq!(*subjects.find(id).unwrap().user(), user);
}

fn code<T: std::fmt::Debug>(done: Result<T, Refusal>) -> String {
    done.unwrap_err().code().to_owned()
}

#[test]
fn a_role_that_was_put_together_is_given_like_any_other_and_its_change_reaches_all_holders() {
    let world = World::of("propeller");
    let body = json!({ "name": "Price desk", "grants": { "pricing": "viewer" }, "gates": ["backoffice"] });
    let put = world.directory.put_role(&olga(), "price-desk", &body).unwrap();
    assert!(put.created);
    somebody(&world, "pat");
    let edits = |world: &World| world.decide("pat", "edit", "tax", None, at(1));
    let views = |world: &World| world.decide("pat", "view", "tax", None, at(1));
    world.directory.assign(&olga(), "pat", Manner::Give, &json!({ "roles": ["price-desk"] })).unwrap();
    assert_eq!((views(&world), edits(&world)), ("granted", "not_granted"));
    let more = json!({ "grants": { "pricing": "editor" }, "gates": ["backoffice"] });
    let changed = world.directory.put_role(&olga(), "price-desk", &more).unwrap();
    assert!(!changed.created);
    assert_eq!(edits(&world), "granted", "the very next decision knows");
    is_seen_whole(&world, "pat");
    let event = world.last_event();
    assert_eq!((event.action.as_str(), event.resource_type.as_str()), ("put_role", "role"));
    assert_eq!(event.before.unwrap()["grants"]["pricing"], "viewer");
    assert_eq!(event.after.unwrap()["grants"]["pricing"], "editor");
    assert_eq!(code(world.directory.delete_role(&olga(), "price-desk")), "role_in_use");
    let stale = Call { if_match: Some(Seen::Version(put.role.version)), ..olga() };
    assert_eq!(code(world.directory.put_role(&stale, "price-desk", &body)), "version_mismatch");
    let world = world.again();
    assert_eq!(edits(&world), "granted", "roles outlive a restart");
    is_seen_whole(&world, "pat");
    world.directory.assign(&olga(), "pat", Manner::Take, &json!({ "roles": ["price-desk"] })).unwrap();
    assert_ne!(views(&world), "granted");
    world.directory.delete_role(&olga(), "price-desk").unwrap();
    assert_eq!(code(world.directory.read_role(&olga(), "price-desk")), "not_found");
}

#[test]
fn nobody_puts_more_into_a_role_than_they_have_whoever_holds_it() {
    let world = World::of("propeller");
    with_deputy(&world);
    let dee = user("dee");
    let viewer = json!({ "grants": { "pricing": "viewer" } });
    let owner = json!({ "grants": { "pricing": "owner" } });
    assert_eq!(code(world.directory.put_role(&dee, "prices", &owner)), "not_held");
    world.directory.put_role(&dee, "prices", &viewer).unwrap();
    somebody(&world, "pat");
    world.directory.assign(&dee, "pat", Manner::Give, &json!({ "roles": ["prices"] })).unwrap();
    assert_eq!(code(world.directory.put_role(&dee, "prices", &owner)), "not_held");
    // Somebody else may put more into it; then the deputy can no longer hand it out.
    world.directory.put_role(&olga(), "prices", &owner).unwrap();
    somebody(&world, "quin");
    assert_eq!(code(world.directory.assign(&dee, "quin", Manner::Give, &json!({ "roles": ["prices"] }))), "not_held");
    // Nobody widens the own access through a role that they hold.
    world.directory.assign(&olga(), "dee", Manner::Give, &json!({ "roles": ["prices"] })).unwrap();
    let wider = json!({ "grants": { "pricing": "owner", "roles-permissions": "viewer" } });
    assert_eq!(code(world.directory.put_role(&dee, "prices", &wider)), "own_account");
    // Whoever may not administer users makes no roles.
    assert!(world.directory.put_role(&user("pia"), "mine", &viewer).is_err());
}

#[test]
fn what_is_wrong_with_a_role_is_told_with_its_place() {
    let world = World::of("8move");
    let north = Call { tenant: Some("north"), ..operator() };
    assert_eq!(code(world.directory.put_role(&north, "admin", &json!({ "grants": {} }))), "role_declared");
    let wrong = json!({ "name": "", "grants": { "nowhere": "view" }, "gates": ["none"], "hat": 1 });
    let mut found = pointers(world.directory.put_role(&north, "x", &wrong).unwrap_err());
    found.sort();
    assert_eq!(found, ["/gates/0", "/grants/nowhere", "/hat", "/name"]);
    assert_eq!(pointers(world.directory.put_role(&north, "x", &json!({})).unwrap_err()), [""]);
    // The place of what is wrong in a list of roles is its place in the whole list.
    let propeller = World::of("propeller");
    propeller.directory.put_role(&operator(), "prices", &json!({ "grants": { "pricing": "viewer" } })).unwrap();
    somebody(&propeller, "pat");
    let given = json!({ "roles": ["prices", "no-such", { "role": "prices", "until": "soon" }] });
    let mut found = pointers(propeller.directory.assign(&operator(), "pat", Manner::Give, &given).unwrap_err());
    found.sort();
    assert_eq!(found, ["/roles/1", "/roles/2/until"]);
}

fn exported(world: &World, call: &Call<'_>, form: Form) -> String {
    world.directory.begin_export(call, form).unwrap();
    let mut out = Vec::new();
    world.directory.export(call, form, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A directory with users whose fields are awkward in every form.
pub(super) fn awkward() -> World {
    let world = World::of("8move");
    let [north, south] = ["north", "south"].map(|tenant| Call { tenant: Some(tenant), ..operator() });
    let names = ["lena", "=1+1", "no", "0017", "'quoted'", "zoë, \"x\"", "- a: b", "2027-01-31"];
    for (number, name) in names.into_iter().enumerate() {
        let id = format!("u{number}");
        let fields = json!({
            "id": id, "email": format!("{id}@x.example"), "first_name": name, "last_name": "L", "phone": "+31 20 1234567",
            "activation": "none",
        });
        world.directory.create_user(&operator(), &fields).unwrap();
    }
    let has = json!({ "roles": [{ "role": "manager", "until": "2027-01-31T00:00:00Z", "why": "covers, \"for\" Mona" }, "finance"] });
    world.directory.assign(&north, "u0", Manner::Replace, &has).unwrap();
    world.directory.assign(&south, "u0", Manner::Replace, &json!({ "roles": ["warehouse"] })).unwrap();
    world.directory.suspend_user(&operator(), "u2").unwrap();
    let member =
        json!({ "id": "u8", "email": "u8@x.example", "first_name": "M", "last_name": "L", "activation": "none" });
    world.directory.create_user(&north, &member).unwrap();
    world
}

#[test]
fn what_is_exported_imports_again_unchanged_in_every_form() {
    for form in Form::ALL {
        let world = awkward();
        let file = exported(&world, &operator(), form);
        let users = read_users(form, file.as_bytes()).unwrap();
        assert_eq!(users.len(), 9, "{file}");
        let again = world.directory.import(&operator(), &users, false).unwrap();
        assert_eq!(again, Imported { unchanged: 9, ..Imported::default() }, "{form:?}\n{file}");
        assert_eq!(exported(&world, &operator(), form), file);
        // Into an empty directory all of them come anew.
        let empty = World::of("8move");
        let trial = empty.directory.import(&operator(), &users, true).unwrap();
        assert_eq!((trial.created, trial.invited), (9, 0));
        assert_eq!(exported(&empty, &operator(), form).matches("@x.example").count(), 0, "a dry run changes nothing");
        assert_eq!(empty.directory.import(&operator(), &users, false).unwrap(), trial);
        let noted = |file: &str| -> Vec<Value> {
            let users = read_users(form, file.as_bytes()).unwrap();
            users.into_iter().map(|user| bare(Value::Object(user.members))).collect()
        };
        assert_eq!(noted(&exported(&empty, &operator(), form)), noted(&file), "{form:?}");
        assert_eq!(empty.decide("u0", "view", "order", Some("north"), at(1)), "granted");
        assert_eq!(empty.decide("u2", "view", "order", Some("north"), at(1)), "user_suspended");
        let events = empty.witness.events.lock().unwrap();
        let created = events.iter().filter(|event| event.action == "create_user" && event.after.is_some()).count();
        assert_eq!(created, 9, "every user that an import makes has a record");
    }
}

/// Without what the directory itself notes.
fn bare(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .filter(|(name, _)| !["by", "at", "created", "updated"].contains(&name.as_str()))
                .map(|(name, value)| (name, bare(value)))
                .collect(),
        ),
        Value::Array(items) => items.into_iter().map(bare).collect(),
        other => other,
    }
}

#[test]
fn every_problem_of_an_import_is_told_with_its_place_and_nothing_is_changed() {
    let world = awkward();
    let before = exported(&world, &operator(), Form::Json);
    let csv = "id,email,first_name,last_name,assignments\r\n\
               u1,u1@x.example,Una,L,\r\n\
               new,u2@x.example,,L,\r\n\
               new2,bad,A,B,\"[{\"\"tenant\"\":\"\"north\"\",\"\"roles\"\":[\"\"admn\"\"]}]\"\r\n\
               ada,ada@8move.example,A,B,\r\n\
               u1,u1@x.example,Una,L,\r\n";
    let users = read_users(Form::Csv, csv.as_bytes()).unwrap();
    let Refusal::Invalid(problems) = world.directory.import(&operator(), &users, false).unwrap_err() else { panic!() };
    let told: Vec<(&str, &str)> =
        problems.iter().map(|one| (one.pointer.as_str(), one.message.split(':').next().unwrap())).collect();
    for wanted in [
        ("/users/1/email", "line 3"),
        ("/users/1/first_name", "line 3"),
        ("/users/2/email", "line 4"),
        ("/users/2/assignments/0/roles/0", "line 4"),
        ("/users/3", "line 5"),
        ("/users/4/id", "line 6"),
    ] {
        assert!(told.contains(&wanted), "{wanted:?} is not in {problems:#?}");
    }
    assert_eq!(exported(&world, &operator(), Form::Json), before);
    for (form, text) in [
        (Form::Json, "{\"users\": 1}"),
        (Form::Json, "[]"),
        (Form::Json, "{\"users\": [1]}"),
        (Form::Yaml, "users:\n- &a {id: x}\n"),
        (Form::Csv, "id,nme\r\nx,y\r\n"),
        (Form::Csv, "id,email\r\nx\r\n"),
    ] {
        assert!(read_users(form, text.as_bytes()).is_err(), "{text}");
    }
    assert!(read_users(Form::Json, b"{\"users\": [{\"id\": \"\xff\"}]}").is_err());
}

#[test]
fn an_import_is_judged_like_single_calls_and_keeps_the_last_administrator() {
    let world = World::of("propeller");
    with_deputy(&world);
    let user = |id: &str, grants: Value| {
        json!({ "id": id, "email": format!("{id}@x.example"), "first_name": "F", "last_name": "L", "status": "active",
                "assignments": [{ "grants": grants, "gates": ["backoffice"] }] })
    };
    let read = |users: &[Value]| read_users(Form::Json, json!({ "users": users }).to_string().as_bytes()).unwrap();
    let dee = Call { actor: Actor::User("dee"), ..operator() };
    let more = read(&[user("one", json!({ "pricing": "viewer" })), user("two", json!({ "pricing": "owner" }))]);
    let Refusal::Invalid(problems) = world.directory.import(&dee, &more, false).unwrap_err() else { panic!() };
    assert!(problems.iter().all(|problem| problem.pointer.starts_with("/users/1")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.message.contains("not_held")), "{problems:?}");
    assert!(world.directory.read_user(&operator(), "one").is_err(), "all or nothing");
    let held = read(&[user("one", json!({ "pricing": "viewer" }))]);
    assert_eq!(world.directory.import(&dee, &held, false).unwrap().created, 1);
    assert!(world.directory.import(&super::user("pia"), &held, true).is_err(), "a dry run is not for everybody either");
}

fn backup(world: &World) -> Vec<u8> {
    let mut file = Vec::new();
    world.directory.backup(&operator()).unwrap().write(&mut file).unwrap();
    file
}

#[test]
fn a_backup_brings_everything_back_and_a_file_that_is_not_whole_brings_nothing() {
    let world = awkward();
    let north = Call { tenant: Some("north"), ..operator() };
    let invited = json!({ "email": "new@x.example", "assignments": { "roles": ["finance"] } });
    let invitation = world.directory.invite(&north, &invited).unwrap();
    let token = world.directory.token(&invitation);
    let login = |user: &str| Login { user: user.to_owned(), ..Login::default() };
    let ended = world.directory.login(&operator(), &login("u0")).unwrap();
    world.directory.end_session(&operator(), &ended.id).unwrap();
    world.directory.login(&operator(), &login("mona")).unwrap();
    let file = backup(&world);
    assert!(!String::from_utf8_lossy(&file).contains(token.split_once('.').unwrap().1), "no secret of a link");
    let before = exported(&world, &operator(), Form::Json);

    world.directory.delete_user(&operator(), "u0").unwrap();
    somebody(&world, "later");
    let changed = exported(&world, &operator(), Form::Json);
    let lines: Vec<&[u8]> = file.split_inclusive(|byte| *byte == b'\n').collect();
    let without_a_line = [&lines[..2], &lines[3..]].concat().concat();
    let mut flipped = file.clone();
    let at_byte = flipped.len() / 2;
    flipped[at_byte] ^= 1;
    let longer = [&file[..], b"{}\n"].concat();
    for (what, broken) in [
        ("cut by a byte", &file[..file.len() - 1]),
        ("without its end", &lines[..lines.len() - 1].concat()[..]),
        ("without a line", &without_a_line[..]),
        ("with another byte", &flipped[..]),
        ("with more", &longer[..]),
        ("empty", &b""[..]),
        ("something else", &b"users: []\n"[..]),
    ] {
        let refused = world.directory.restore(&operator(), &mut Cursor::new(broken));
        assert_eq!(code(refused), "backup_refused", "{what}");
        assert_eq!(exported(&world, &operator(), Form::Json), changed, "{what}");
    }
    assert_eq!(code(world.directory.restore(&user("ada"), &mut Cursor::new(&file))), "operator_only");
    assert_eq!(code(world.directory.backup(&user("ada")).map(drop)), "operator_only");

    let restored = world.directory.restore(&operator(), &mut Cursor::new(&file)).unwrap();
    assert_eq!((restored.users, restored.invitations, restored.sessions), (10, 1, 2));
    assert_eq!(exported(&world, &operator(), Form::Json), before);
    assert_eq!(world.decide("u0", "view", "order", Some("north"), at(1)), "granted", "deciders have it at once");
    assert_eq!(world.decide("later", "view", "order", Some("north"), at(1)), "user_unknown");
    let world = world.again();
    assert_eq!(exported(&world, &operator(), Form::Json), before);
    let sessions = world.directory.list_sessions(&operator(), &SessionQuery { limit: 9, ..SessionQuery::default() });
    assert_eq!(sessions.unwrap().sessions.len(), 2);
    let body = json!({ "token": token, "first_name": "Nora", "last_name": "New" });
    let accepted = world.directory.accept_invitation(&Call { actor: Actor::Application("shop"), ..operator() }, &body);
    assert!(accepted.is_ok(), "a link counts on where the key is the same");
}

#[test]
fn a_backup_comes_back_where_the_store_is_damaged_and_the_next_start_records_it() {
    let world = awkward();
    let before = exported(&world, &operator(), Form::Json);
    let file = backup(&world);
    let World { directory, deciders, files, witness } = world;
    drop((directory, witness));
    let store = Embedded::open(&files.path().join("store")).unwrap();
    store.commit(&[("u/x".to_owned(), Some(b"no account".to_vec()))]).unwrap();
    drop(store);
    assert!(Directory::open(Options::new(files.path()), Arc::new(Remembering::default())).is_err());
    let unheard = || Arc::new(Remembering { deaf: true.into(), ..Remembering::default() });
    let open = || Directory::open_to_restore(Options::new(files.path()), unheard(), at(0));
    let (directory, aside) = open().unwrap();
    assert!(aside.is_some_and(|aside| aside.is_dir()));
    directory.restore_stopped(&operator(), &mut Cursor::new(&file)).unwrap();
    drop(directory);
    let world = World::with(Arc::clone(&deciders.snapshot), files);
    assert_eq!(exported(&world, &operator(), Form::Json), before);
}
