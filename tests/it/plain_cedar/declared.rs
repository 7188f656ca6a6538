//! Policy sets with roles and modules: the engine's own check against plain Cedar, over random requests.

use sidegate::{
    engine::{self, BoundUser, Dialect, Subject},
    model::{Assertion, Request, Resource, Timestamp, Value},
    policy,
};
use std::{borrow::Cow, path::Path};

/// What the shipped sets do not use: forbids by hand, extension types, arguments, assignments that run out.
const EVERYTHING: &[(&str, &str)] = &[
    (
        "policy-set.yaml",
        "
policy_set: everything
tenancy: required
tenants: [north, south]
context: { ip: ipaddr, mfa: Bool, scores: Set<Long> }
user_attributes: { channels: Set<String>, boss: User }
levels:
  view: [view]
  edit: { includes: [view], actions: [edit] }
gates:
  backoffice: { name: Back office }
  hub: { name: Hub }
modules:
  orders:
    resources: { order: { owner: User, channel: String, weight: Long } }
    gates: [backoffice, hub]
  prices:
    resources: [price]
    gates: [backoffice]
  settings:
    resources: [setting]
    areas: [general, billing, users]
conditions:
  lighter: { parameters: { most: Long, of: Set<String> }, cedar: 'resource has weight && resource.weight < ?most && resource has channel && ?of.contains(resource.channel)' }
  below: { cedar: 'resource has weight && resource.weight >= ?rank' }
  own: { description: own, cedar: resource has owner && resource.owner == principal }
  channel: { description: channel, cedar: 'resource has channel && principal has channels && principal.channels.contains(resource.channel)' }
  office: { description: office, cedar: 'context has ip && context.ip.isInRange(ip(\"10.0.0.0/8\"))' }
  heavy: { description: heavy, cedar: 'resource has weight && resource.weight * 2 > 9223372036854775807' }
roles:
  clerk:
    grants:
      orders: [{ level: edit, when: channel }, { level: view, when: own }]
      settings: { level: edit, areas: [general, billing] }
  boss:
    grants: { orders: { level: edit, when: office }, prices: edit, settings: { level: view, areas: [users] } }
  porter:
    rank: 50
    grants: { orders: [{ level: view, when: heavy }, { level: edit, when: below }, { level: edit, when: { lighter: { most: 10, of: [web, tv] } } }] }
users:
  ann: { name: Ann, email: ann@x.example, attributes: { channels: [web, shop] }, roles: { north: [clerk], south: [boss] }, gates: { north: [hub], south: [backoffice] } }
  bea: { name: Bea, email: bea@x.example, roles: { north: [{ role: boss, until: 2026-06-01T00:00:00Z, why: covers }, clerk] }, gates: { north: [backoffice, hub] } }
  cyd: { name: Cyd, email: cyd@x.example, roles: { north: [porter] }, grants: { north: { prices: edit } }, gates: { north: [hub] } }
",
    ),
    (
        "extra.cedar",
        "
@id(\"no-mfa\") forbid (principal, action == Action::\"edit\", resource) when { context has mfa && !context.mfa };
@id(\"heavy-ban\") forbid (principal, action, resource is order) when { resource has weight && resource.weight + 1 > 100 };
@id(\"boss-views\") permit (principal, action == Action::\"view\", resource is order) when { resource has owner && resource.owner in Role::\"boss\" };
@id(\"north\") permit (principal is User, action == Action::\"view\", resource is price) when { context has tenant && context.tenant == \"north\" };
",
    ),
];

const REQUESTS: usize = 4000;
const CHANNELS: [&str; 6] = ["web", "shop", "tv", "web-fr", "store-paris", "moon"];

fn check(directory: &Path) {
    let snapshot = policy::load(directory, &policy::Options::default()).unwrap_or_else(|error| {
        panic!("{}", sidegate::document::Diagnostics::from(error));
    });
    let program = &snapshot.program;
    let users: Vec<_> = snapshot.users.iter().map(|user| BoundUser::new(program, user)).collect();
    let Dialect::Declared(vocabulary) = program.dialect() else { panic!("a set with modules") };
    let types: Vec<&str> = vocabulary
        .modules
        .iter()
        .map(|module| module.id.as_str())
        .chain(vocabulary.resource_types.iter().map(|ty| ty.name.as_str()))
        .collect();
    let known = vocabulary.tenants.iter().flatten().map(|tenant| Some(tenant.as_str()));
    let tenants: Vec<Option<&str>> = known.chain([None]).collect();
    let users: Vec<_> =
        users.into_iter().chain(snapshot.test_users.iter().map(|user| BoundUser::new(program, user))).collect();
    let mut random = fastrand::Rng::with_seed(7);
    let (mut allowed, mut denied) = (0, 0);
    for _ in 0..REQUESTS {
        let mut attributes = Vec::new();
        let mut context = Vec::new();
        let some_user = users[random.usize(..users.len())].id();
        if random.bool() {
            attributes.push((Cow::Borrowed("family"), Value::text(["backoffice", "store-app"][random.usize(..2)])));
            attributes.push((Cow::Borrowed("rank"), Value::Long(random.i64(0..11))));
        }
        for name in ["owner", "account_manager"] {
            if random.bool() {
                attributes.push((Cow::Borrowed(name), Value::text(some_user)));
            }
        }
        if random.bool() {
            attributes.push((Cow::Borrowed("channel"), Value::text(CHANNELS[random.usize(..CHANNELS.len())])));
        }
        if random.u8(..4) == 0 {
            attributes.push((Cow::Borrowed("weight"), Value::Long([1, 99, i64::MAX][random.usize(..3)])));
        }
        if random.bool() {
            context.push((Cow::Borrowed("mfa"), Value::Bool(random.bool())));
        }
        if random.bool() {
            context.push((Cow::Borrowed("ip"), Value::text(["10.1.2.3", "192.0.2.1", "nonsense"][random.usize(..3)])));
        }
        for name in ["granted", "held"] {
            if random.bool() {
                attributes.push((Cow::Borrowed(name), Value::Bool(true)));
            }
        }
        let ty = types[random.usize(..types.len())];
        let of_type =
            snapshot.catalog.modules.iter().find(|one| one.id == ty || one.resource_types.iter().any(|own| own == ty));
        let actions = of_type.filter(|_| random.bool()).map_or(&vocabulary.actions, |module| &module.actions);
        let action = &actions[random.usize(..actions.len())];
        let request = Request {
            action,
            resource: Resource {
                ty,
                id: ["", "o-1", "general", "billing", "users"][random.usize(..5)],
                attributes: &attributes,
            },
            tenant: tenants[random.usize(..tenants.len())],
            context: &context,
            subject_attributes: &[],
            time: Timestamp::parse(["2026-01-01T00:00:00Z", "2026-07-01T00:00:00Z"][random.usize(..2)]).unwrap(),
        };
        let user = &users[random.usize(..users.len())];
        let asserted = random.bool().then(|| assert_something(&snapshot, user, &tenants, &mut random)).flatten();
        let subject = Subject::User(asserted.as_ref().unwrap_or(user));
        if let Err(difference) = engine::verify(program, subject, &request) {
            panic!("{difference}\n{request:?}");
        }
        if engine::decide(program, subject, &request).decision.is_allow() { allowed += 1 } else { denied += 1 }
    }
    assert!(allowed > REQUESTS / 50 && denied > REQUESTS / 50, "{allowed} allowed, {denied} denied");
}

/// The user, or one that nobody knows, with a few roles and attributes that somebody asserts, not all of them such as there are.
fn assert_something(
    snapshot: &policy::Snapshot,
    user: &BoundUser,
    tenants: &[Option<&str>],
    random: &mut fastrand::Rng,
) -> Option<BoundUser> {
    let program = &snapshot.program;
    let Dialect::Declared(vocabulary) = program.dialect() else { panic!("a set with modules") };
    let known: Vec<&str> = snapshot.catalog.roles.iter().map(|role| role.id.as_str()).chain(["ghost"]).collect();
    let roles = (0..random.usize(..4)).map(|_| known[random.usize(..known.len())].to_owned()).collect();
    let mut attributes = Vec::new();
    for (name, _) in &vocabulary.user_attributes {
        let channels = CHANNELS.map(Value::text);
        let value = match random.u8(..8) {
            0 => Value::Long(1),
            1..4 => Value::Set(channels[..random.usize(..channels.len())].to_vec()),
            4 | 5 => Value::text("ann"),
            _ => continue,
        };
        attributes.push((Cow::Owned(name.clone()), value));
    }
    let tenant = tenants[random.usize(..tenants.len())].map(str::to_owned);
    let assertion = Assertion { user: user.id().to_owned(), tenant, roles, attributes, known_users_only: false };
    let known = random.bool().then_some(user);
    BoundUser::asserted(program, known, &assertion).map(|(user, _)| user)
}

#[test]
fn the_shipped_sets_decide_as_plain_cedar_does() {
    for set in ["demo", "8move", "propeller", "omc", "backbone"] {
        check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("policies").join(set));
    }
}

#[test]
fn a_set_that_uses_everything_decides_as_plain_cedar_does() {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in EVERYTHING {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    check(directory.path());
}
