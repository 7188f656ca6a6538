//! What the judge lets somebody bring about opens nothing that neither the user nor whoever does it could do before.

use super::super::{difference::Thing, held::Place, judge::Judge};
use crate::{
    engine::{BoundUser, Subject, decide},
    model::{Assignment, AssignmentKind, GivenValue, Membership, Request, Resource, Timestamp, User, Value},
    policy::{Deed, Files, Operation, Options, Snapshot, compile},
};
use std::{borrow::Cow, sync::Arc};

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
const VALUES: [&str; 3] = ["a", "b", "c"];
const ROLES: [&str; 4] = ["r0", "r1", "r2", "r3"];

/// Conditions that more values help to meet, that fewer do, and that look at other things beside.
const CONDITIONS: [&str; 12] = [
    "principal has likes && resource has kind && principal.likes.contains(resource.kind)",
    "resource has kind && !(principal has hates && principal.hates.contains(resource.kind))",
    "principal has hates && resource has kind && !principal.hates.contains(resource.kind)",
    "if principal has hates then principal.hates.isEmpty() else true",
    "resource has kinds && principal has likes && resource.kinds.containsAll(principal.likes)",
    "resource has kinds && principal has likes && principal.likes.containsAll(resource.kinds)",
    "resource has kinds && principal has hates && !resource.kinds.containsAny(principal.hates)",
    "principal has desk && resource has kind && principal.desk == resource.kind",
    "!(principal has desk)",
    "if principal has hates then resource has open && resource.open else true",
    "resource has open && resource.open && !(principal in Role::\\\"r3\\\")",
    "resource has open && (resource.open || principal has likes && principal.likes.contains(\\\"a\\\"))",
];

fn set(random: &mut fastrand::Rng) -> Snapshot {
    let condition = |random: &mut fastrand::Rng| format!("c{}", random.usize(..CONDITIONS.len()));
    let conditions: Vec<_> =
        CONDITIONS.iter().enumerate().map(|(n, text)| format!("  c{n}: {{ cedar: \"{text}\" }}")).collect();
    let roles: Vec<_> = ROLES
        .iter()
        .map(|role| match random.u8(..4) {
            0 => format!("  {role}: {{ grants: {{ m: view }} }}"),
            _ => format!("  {role}: {{ grants: {{ m: {{ level: view, when: {} }} }} }}", condition(random)),
        })
        .collect();
    let text = format!(
        "policy_set: s\ntenancy: none\nlevels: {{ view: [view] }}\n\
         user_attributes: {{ likes: Set<String>, hates: Set<String>, desk: String }}\n\
         modules:\n  m: {{ resources: {{ thing: {{ kind: String, kinds: Set<String>, open: Boolean }} }} }}\n\
         conditions:\n{}\nroles:\n{}\n",
        conditions.join("\n"),
        roles.join("\n")
    );
    let forbid = CONDITIONS[random.usize(..CONDITIONS.len())].replace("\\\"", "\"");
    let cedar = format!("forbid (principal, action, resource) when {{ resource is thing && ({forbid}) }};");
    let mut files = vec![("set.yaml".to_owned(), text)];
    if random.bool() {
        files.push(("more.cedar".to_owned(), cedar));
    }
    compiled(files)
}

fn compiled(files: Vec<(String, String)>) -> Snapshot {
    let files = Files::from_parts("set", files).unwrap();
    compile(&files, &Options::default()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn roles(names: &[&str]) -> Vec<Assignment> {
    let role =
        |name: &&str| Assignment { kind: AssignmentKind::Role, name: (*name).to_owned(), until: None, why: None };
    names.iter().map(role).collect()
}

fn some_of<'v>(random: &mut fastrand::Rng, all: &[&'v str]) -> Vec<&'v str> {
    all.iter().copied().filter(|_| random.bool()).collect()
}

fn values(items: &[&'static str]) -> Value<'static> {
    Value::Set(items.iter().map(|item| Value::String(Cow::Borrowed(item))).collect())
}

fn user(random: &mut fastrand::Rng, id: &str) -> User {
    let mut attributes = Vec::new();
    for name in ["likes", "hates"] {
        if random.bool() {
            attributes.push((name.to_owned(), values(&some_of(random, &VALUES))));
        }
    }
    if random.bool() {
        attributes.push(("desk".to_owned(), Value::String(VALUES[random.usize(..VALUES.len())].into())));
    }
    let assignments = roles(&some_of(random, &ROLES));
    let given = some_of(random, &VALUES).into_iter().filter(|_| random.u8(..4) == 0).map(|value| GivenValue {
        attribute: "hates".to_owned(),
        value: Value::String(value.into()),
        until: None,
        why: None,
    });
    let given = given.collect();
    let memberships = vec![Membership { tenant: None, assignments, values: given }];
    User { attributes, memberships, ..User::new(id) }
}

/// The user with a little less or more.
fn changed(random: &mut fastrand::Rng, before: &User) -> User {
    let mut after = before.clone();
    let other = user(random, &before.id);
    match random.u8(..4) {
        0 => after.attributes = other.attributes,
        1 => after.memberships = other.memberships,
        2 => after.attributes.retain(|_| random.bool()),
        _ => after.memberships[0].values.clear(),
    }
    after
}

/// The things that a user may view.
fn reaches(snapshot: &Snapshot, user: &User) -> Vec<String> {
    let user = BoundUser::new(&snapshot.program, &Arc::new(user.clone()));
    let mut found = Vec::new();
    let subsets = (0..8_usize).map(|bits| {
        let chosen = VALUES.into_iter().enumerate().filter(move |(n, _)| bits >> n & 1 == 1);
        chosen.map(|(_, value)| value).collect::<Vec<_>>()
    });
    for kinds in subsets {
        for kind in VALUES {
            for open in [true, false] {
                let attributes = [
                    (Cow::Borrowed("kind"), Value::String(kind.into())),
                    (Cow::Borrowed("kinds"), values(&kinds)),
                    (Cow::Borrowed("open"), Value::Bool(open)),
                ];
                let resource = Resource { ty: "thing", id: "x", attributes: &attributes };
                let request = Request {
                    action: "view",
                    resource,
                    tenant: None,
                    context: &[],
                    subject_attributes: &[],
                    time: NOW,
                };
                if decide(&snapshot.program, Subject::User(&user), &request).decision.is_allow() {
                    found.push(format!("{kind} {kinds:?} {open}"));
                }
            }
        }
    }
    found
}

#[test]
fn nothing_opens_that_neither_the_user_nor_the_giver_could_do() {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut let_through, mut opened, mut refused) = (0, 0, 0);
    for round in 0..150 {
        let snapshot = set(&mut random);
        let judge = Judge::new(&snapshot);
        for _ in 0..20 {
            let (giver, before) = (user(&mut random, "giver"), user(&mut random, "user"));
            let after = changed(&mut random, &before);
            let actor = BoundUser::new(&snapshot.program, &Arc::new(giver.clone()));
            let place = Place { tenant: None, time: NOW };
            let [had, would] = [&before, &after].map(|user| reaches(&snapshot, user));
            let new: Vec<_> = would.iter().filter(|thing| !had.contains(thing)).collect();
            if !judge.scales().has_growth(&actor, Some(&before), &after, place) {
                refused += 1;
                continue;
            }
            let_through += 1;
            let own = reaches(&snapshot, &giver);
            let beyond: Vec<_> = new.iter().filter(|thing| !own.contains(thing)).collect();
            assert!(beyond.is_empty(), "round {round}: {beyond:?}\n{giver:?}\n{before:?}\n{after:?}");
            opened += usize::from(!new.is_empty());
        }
    }
    println!("{let_through} let through, {opened} of them opened something; {refused} refused");
    assert!(opened > 20 && refused > 100, "{let_through} {opened} {refused}");
}

/// Whoever takes a role that forbids opens what it kept closed: also to values that the user has not been given yet, or that a token brings.
#[test]
fn a_role_that_forbids_is_taken_only_by_whom_all_is_open_that_it_kept_closed() {
    let set = "
policy_set: s
tenancy: none
levels: { view: [view] }
user_attributes: { likes: Set<String> }
modules: { m: { resources: { thing: { kind: String, owner: User } } } }
conditions:
  liked: { cedar: resource has kind && principal has likes && principal.likes.contains(resource.kind) }
  own: { cedar: resource has owner && resource.owner == principal }
roles:
  both: { grants: { m: { level: view, when: [liked, own] } } }
  liked: { grants: { m: { level: view, when: liked } } }
  own: { grants: { m: { level: view, when: own } } }
  all: { grants: { m: view } }
  one: { grants: {} }
  closed: { grants: {} }
";
    let cedar = r#"
        forbid (principal in Role::"closed", action, resource in Module::"m");
        permit (principal in Role::"one", action, resource == thing::"x-1");
    "#;
    let snapshot = compiled(vec![("set.yaml".to_owned(), set.to_owned()), ("more.cedar".to_owned(), cedar.to_owned())]);
    let holder = |id: &str, names: &[&str]| User::new(id).given(None, roles(names));
    let judge = Judge::new(&snapshot);
    for (own, fine) in
        [("all", true), ("both", true), ("liked", true), ("own", true), ("one", false), ("closed", false)]
    {
        let giver = User { attributes: vec![("likes".to_owned(), values(&["a"]))], ..holder("giver", &[own]) };
        let actor = BoundUser::new(&snapshot.program, &Arc::new(giver));
        let place = Place { tenant: None, time: NOW };
        let (before, after) = (holder("user", &["both", "closed"]), holder("user", &["both"]));
        assert_eq!(judge.scales().has_growth(&actor, Some(&before), &after, place), fine, "{own} takes");
        assert_eq!(judge.scales().has(&actor, Thing::Assignment(&roles(&["both"])[0]), place), fine, "{own} gives");
    }
}

/// A promise that is never taken up closes nothing.
#[test]
fn a_role_that_forbids_is_not_taken_because_it_is_promised_again() {
    let set = "
policy_set: s
tenancy: none
levels: { view: [view], full: { includes: [view], actions: [create, edit, delete] } }
modules:
  m: { resources: { thing: {} } }
  people: { resources: { person: { family: String, rank: Long, status: String } } }
roles:
  chief: { grants: { '*': full } }
  viewer: { grants: { m: view } }
  closed: { grants: {} }
delegation: { administrators: [chief], user: person, actions: { view: view, create: create, change: edit, delete: delete } }
";
    let cedar = r#"forbid (principal in Role::"closed", action, resource in Module::"m");"#;
    let snapshot = compiled(vec![("set.yaml".to_owned(), set.to_owned()), ("more.cedar".to_owned(), cedar.to_owned())]);
    let (before, after) = (
        User::new("user").given(None, roles(&["viewer", "closed"])),
        User::new("user").given(None, roles(&["viewer"])),
    );
    for (own, promised, code) in [
        (&["chief"][..], &[][..], "granted"),
        (&["chief"], &["closed"], "granted"),
        (&["chief", "closed"], &[], "not_held"),
        (&["chief", "closed"], &["closed"], "not_held"),
    ] {
        let giver = User::new("giver").given(None, roles(own));
        let promised: Vec<_> = promised
            .iter()
            .map(|name| Membership { tenant: None, assignments: roles(&[name]), values: Vec::new() })
            .collect();
        let deed = Deed {
            operation: Operation::Assign,
            tenant: None,
            before: Some(&before),
            after: Some(&after),
            promised: &promised,
            time: NOW,
        };
        let actor = BoundUser::new(&snapshot.program, &Arc::new(giver));
        let verdict = Judge::new(&snapshot).judge(&actor, &deed, &|_, _| 1);
        assert_eq!(verdict.code, code, "{own:?} {promised:?}: {}", verdict.message);
    }
}
