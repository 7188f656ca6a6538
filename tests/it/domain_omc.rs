//! Every right of the order management centre, asked over HTTP of `policies/omc`, with its channels and ranks.

use crate::{
    domain::load,
    support::{
        Grid, Sidecar,
        facts::{Expected, Facts, keys, text, texts},
        repo,
    },
};
use serde_json::json;
use serde_yaml::Value;
use sidegate::{model, policy::Matrix};
use std::collections::{BTreeMap, BTreeSet};

/// Module and action.
type Right = (String, String);

/// The right that an advanced twin of a right is, which the facts name beside it.
const ADVANCED: [&str; 3] =
    ["delivery:configure_advanced", "orders:configure_advanced", "stock-locations:configure_advanced"];

fn split(right: &str) -> Right {
    let (module, action) = right.split_once(':').expect("module:action");
    (module.to_owned(), action.to_owned())
}

/// What a role holds. Rule omc-advanced: the roles with all rights, or all but one, hold the advanced twins too.
fn held(root: &Value, role: &str) -> BTreeSet<Right> {
    let rights = &root["roles"][role]["rights"];
    let named = |name: &str| split(root["rights"][name].as_str().unwrap_or(name));
    if rights.is_sequence() {
        return texts(rights).iter().map(|right| named(right)).collect();
    }
    let but = text(rights);
    let but = but.strip_prefix("all but ");
    let all = keys(&root["rights"]).into_iter().filter(|name| Some(name.as_str()) != but);
    all.map(|name| named(&name)).chain(ADVANCED.iter().map(|right| split(right))).collect()
}

fn channels(root: &Value, user: &str) -> Vec<String> {
    let channels = &root["users"][user]["channels"];
    if channels == "all" { texts(&root["channels"]) } else { texts(channels) }
}

fn role_of(root: &Value, user: &str) -> String {
    text(&root["users"][user]["role"])
}

/// Rules omc-users-page and omc-advanced; and the first half of omc-channel.
#[test]
fn every_right_is_answered_as_the_facts_say() {
    let Some(facts) = Facts::read("omc") else { return };
    let root = facts.root();
    let sidecar = Sidecar::builder().policies(repo("policies/omc")).start();
    let mut grid = Grid::new(&sidecar);
    let catalog = load("omc").catalog;
    for user in keys(&root["users"]) {
        let held = held(root, &role_of(root, &user));
        let no_channel = channels(root, &user).is_empty();
        for module in &catalog.modules {
            for action in &module.actions {
                let is_of_orders = module.id == "orders" && (action == "read" || action == "write");
                let want: Expected = match held.contains(&(module.id.clone(), action.clone())) {
                    false => ("deny", "not_granted"),
                    true if is_of_orders && no_channel => ("deny", "condition_not_met"),
                    true => ("allow", "granted"),
                };
                grid.ask(&json!({ "user": user, "action": action, "resource": { "type": module.id } }), want);
            }
        }
    }
    assert!(grid.finish() > 300);
}

/// Rule omc-channel.
#[test]
fn orders_are_open_to_users_who_have_their_channel() {
    let Some(facts) = Facts::read("omc") else { return };
    let root = facts.root();
    let sidecar = Sidecar::builder().policies(repo("policies/omc")).start();
    let mut grid = Grid::new(&sidecar);
    for user in keys(&root["users"]) {
        let (held, own) = (held(root, &role_of(root, &user)), channels(root, &user));
        for channel in texts(&root["channels"]) {
            for action in ["read", "write"] {
                let want: Expected = match held.contains(&split(&format!("orders:{action}"))) {
                    false => ("deny", "not_granted"),
                    true if own.contains(&channel) => ("allow", "granted"),
                    true => ("deny", "condition_not_met"),
                };
                let order = json!({ "type": "order", "id": "o-1", "attributes": { "channel": channel } });
                grid.ask(&json!({ "user": user, "action": action, "resource": order }), want);
            }
        }
    }
    assert_eq!(grid.finish(), 12 * 4 * 2);
}

/// Rules omc-rank and omc-store-users.
#[test]
fn users_administrate_their_own_family_at_their_own_rank_or_below() {
    let Some(facts) = Facts::read("omc") else { return };
    let root = facts.root();
    let sidecar = Sidecar::builder().policies(repo("policies/omc")).start();
    let mut grid = Grid::new(&sidecar);
    for user in keys(&root["users"]) {
        let role = role_of(root, &user);
        let (held, own) = (held(root, &role), &root["roles"][role.as_str()]);
        for target in keys(&root["roles"]) {
            let target = &root["roles"][target.as_str()];
            let (family, rank) = (text(&target["family"]), target["rank"].as_i64().expect("a rank"));
            for (module, action, types) in
                [("users", "admin", ["user", "role"]), ("store-users", "manage", ["store_user", "store_role"])]
            {
                let may = held.contains(&(module.to_owned(), action.to_owned()));
                let reaches = family == text(&own["family"]) && rank >= own["rank"].as_i64().expect("a rank");
                let want: Expected = match (may, reaches) {
                    (false, _) => ("deny", "not_granted"),
                    (true, true) => ("allow", "granted"),
                    (true, false) => ("deny", "condition_not_met"),
                };
                for ty in types {
                    let resource = json!({ "type": ty, "id": "x", "attributes": { "family": family, "rank": rank } });
                    grid.ask(&json!({ "user": user, "action": action, "resource": resource }), want);
                }
            }
        }
    }
    assert_eq!(grid.finish(), 12 * 12 * 4);
}

#[test]
fn rights_families_and_ranks_are_those_of_the_facts() {
    let Some(facts) = Facts::read("omc") else { return };
    let (root, catalog) = (facts.root(), load("omc").catalog);
    let declared: BTreeMap<_, _> =
        catalog.rights.iter().map(|right| (right.name.clone(), format!("{}:{}", right.module, right.action))).collect();
    assert_eq!(keys(&root["rights"]).len(), 28);
    for name in keys(&root["rights"]) {
        assert_eq!(declared.get(&name).map(String::as_str), root["rights"][name.as_str()].as_str(), "{name}");
    }
    let others = declared.iter().filter(|(name, _)| root["rights"][name.as_str()].is_null());
    assert_eq!(others.map(|(_, right)| right.as_str()).collect::<BTreeSet<_>>(), ADVANCED.into_iter().collect());
    let families: Vec<_> = catalog.families.iter().map(|family| family.id.clone()).collect();
    assert_eq!(families, keys(&root["families"]));
    for role in &catalog.roles {
        let wanted = &root["roles"][role.id.as_str()];
        assert_eq!(role.rank, wanted["rank"].as_i64(), "{}", role.id);
        assert_eq!(role.family.as_deref(), wanted["family"].as_str(), "{}", role.id);
    }
}

#[test]
fn channels_and_who_has_them_are_those_of_the_facts() {
    let Some(facts) = Facts::read("omc") else { return };
    let (root, snapshot) = (facts.root(), load("omc"));
    let [listed] = &snapshot.catalog.values[..] else { panic!("one type with listed values") };
    assert_eq!(listed.values, texts(&root["channels"]));
    for user in &snapshot.users {
        let Some((_, model::Value::Set(has))) = user.attributes.iter().find(|(name, _)| name == "channels") else {
            panic!("{} has no channels", user.id)
        };
        let has: Vec<_> = has
            .iter()
            .map(|value| match value {
                model::Value::Entity { id, .. } => id.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(has, channels(root, &user.id), "{}", user.id);
    }
}

#[test]
fn access_to_a_module_is_full_read_only_or_none() {
    let Some(facts) = Facts::read("omc") else { return };
    let (root, catalog) = (facts.root(), load("omc").catalog);
    let mut seen = BTreeSet::new();
    for role in &catalog.roles {
        let held = held(root, &role.id);
        for module in &catalog.modules {
            let held = || held.iter().filter(|(of, _)| *of == module.id).map(|(_, action)| action.as_str());
            let wanted = match (held().count(), held().all(|action| action.starts_with("read"))) {
                (0, _) => "none",
                (_, true) => "read-only",
                (_, false) => "full",
            };
            let cells = role.cells.iter().filter(|cell| cell.module == module.id);
            let found = catalog.access(cells.flat_map(|cell| &cell.actions).map(String::as_str)).expect("read actions");
            assert_eq!(found.as_str(), wanted, "{} on {}", role.id, module.id);
            seen.insert(wanted);
        }
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

/// A role is held by users with and without channels, so its row leaves open what depends on them.
#[test]
fn the_matrix_of_roles_leaves_open_what_depends_on_the_holder() {
    let snapshot = load("omc");
    let matrix = Matrix::of_roles(&snapshot, None, model::Timestamp::from_micros(0)).expect("a matrix");
    let cell = |role: &str, module: &str| {
        let row = matrix.rows.iter().find(|row| row.id == role).expect("a role");
        row.cells.iter().find(|cell| cell.module == module).expect("a module")
    };
    let orders = cell("customer_service", "orders");
    assert_eq!((orders.always.len(), &orders.depends[..]), (0, &["read".to_owned(), "write".to_owned()][..]));
    assert_eq!(orders.summary, "read, write when own-channels");
    assert_eq!(cell("customer_service", "users").summary, "");
    assert_eq!(cell("headquarters", "users").summary, "all when own-rank-or-below");
}
