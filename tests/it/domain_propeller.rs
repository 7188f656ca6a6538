//! Every level of the commerce hub, asked over HTTP of `policies/propeller`, and its menu and presets.

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
use sidegate::{
    engine::BoundUser,
    model::{Assignment, AssignmentKind, Timestamp, User},
    policy::Overview,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What rule propeller-gate says: these are reachable through the sales hub alone.
const THROUGH_THE_SALES_HUB: [&str; 3] = ["user-management", "product-data", "order-data"];

/// What one sample user was given: open gates, and levels on modules.
struct Given {
    gates: BTreeSet<String>,
    levels: BTreeMap<String, String>,
    preset: Option<String>,
}

fn given(facts: &Facts, user: &str) -> Given {
    let root = facts.root();
    let user = &root["users"][user];
    let preset = user["preset"].as_str();
    let source = preset.map_or(user, |preset| &root["presets"][preset]);
    let mut levels = BTreeMap::new();
    for module in keys(&source["modules"]) {
        let level = text(&source["modules"][module.as_str()]);
        let modules = if module == "*" { facts.modules() } else { vec![module] };
        levels.extend(modules.into_iter().map(|module| (module, level.clone())));
    }
    Given { gates: texts(&source["gates"]).into_iter().collect(), levels, preset: preset.map(str::to_owned) }
}

impl Given {
    fn expected(&self, root: &Value, module: &str, action: &str) -> Expected {
        let through_hub = self.gates.contains("sales-hub") && THROUGH_THE_SALES_HUB.contains(&module);
        if !self.gates.contains("backoffice") && !through_hub {
            return ("deny", "gate_closed");
        }
        let actions = self.levels.get(module).map(|level| texts(&root["levels"][level.as_str()])).unwrap_or_default();
        if actions.iter().any(|known| known == action) { ("allow", "granted") } else { ("deny", "not_granted") }
    }

    /// What is missing for an item of the menu.
    fn missing(&self, item: &Value) -> BTreeSet<String> {
        let gate = text(&item["gate"]);
        let closed = (!self.gates.contains(&gate)).then(|| format!("gate:{gate}"));
        let modules = texts(&item["modules"]).into_iter().filter(|module| !self.levels.contains_key(module));
        closed.into_iter().chain(modules.map(|module| format!("module:{module}"))).collect()
    }
}

/// Rules propeller-gate and propeller-level.
#[test]
fn every_level_is_answered_as_the_facts_say() {
    let Some(facts) = Facts::read("propeller") else { return };
    let sidecar = Sidecar::builder().policies(repo("policies/propeller")).start();
    let mut grid = Grid::new(&sidecar);
    for user in keys(&facts.root()["users"]) {
        let given = given(&facts, &user);
        for module in facts.modules() {
            let types = texts(&facts.root()["modules"][module.as_str()]["resources"]);
            for ty in types.iter().chain([&module]) {
                for action in facts.actions(&module) {
                    let question = json!({ "user": user, "action": action, "resource": { "type": ty, "id": "x-1" } });
                    grid.ask(&question, given.expected(facts.root(), &module, &action));
                }
            }
        }
    }
    assert!(grid.finish() > 1_000);
}

#[test]
fn gates_presets_and_menu_are_those_of_the_facts() {
    let Some(facts) = Facts::read("propeller") else { return };
    let (root, catalog) = (facts.root(), load("propeller").catalog);
    let gates: Vec<_> = catalog.gates.iter().map(|gate| gate.id.clone()).collect();
    assert_eq!(gates, keys(&root["gates"]));
    for gate in &catalog.gates {
        assert_eq!(gate.label.name.as_deref(), root["gates"][gate.id.as_str()]["name"].as_str());
    }
    let presets: Vec<_> = catalog.presets.iter().map(|preset| preset.id.clone()).collect();
    assert_eq!(presets, keys(&root["presets"]));
    let items: Vec<_> = catalog.menu.iter().map(|item| item.id.clone()).collect();
    assert_eq!(items, keys(&root["menu"]), "in the order of the facts");
    for item in &catalog.menu {
        let wanted = &root["menu"][item.id.as_str()];
        assert_eq!(item.gate.as_deref(), wanted["gate"].as_str(), "{}", item.id);
        assert_eq!(item.modules, texts(&wanted["modules"]), "{}", item.id);
    }
}

/// Rule propeller-menu.
#[test]
fn every_item_of_the_menu_is_visible_or_says_what_is_missing() {
    let Some(facts) = Facts::read("propeller") else { return };
    let snapshot = load("propeller");
    let overview = Overview::new(&snapshot);
    let (mut visible, mut hidden) = (0, 0);
    for user in &snapshot.users {
        let given = given(&facts, &user.id);
        let bound = BoundUser::new(&snapshot.program, user);
        for item in overview.menu(&bound, None, Timestamp::from_micros(0)).expect("a menu").items {
            let wanted = given.missing(&facts.root()["menu"][item.id]);
            assert_eq!(item.visible, wanted.is_empty(), "{} {}", user.id, item.id);
            assert_eq!(item.missing.into_iter().collect::<BTreeSet<_>>(), wanted, "{} {}", user.id, item.id);
            if item.visible { visible += 1 } else { hidden += 1 }
        }
    }
    assert!(visible > 30 && hidden > 30, "{visible} visible, {hidden} hidden");
}

/// Rule propeller-menu-live: the configuration need not be anybody's.
#[test]
fn the_menu_of_a_configuration_that_is_not_saved_shows_its_effect() {
    let snapshot = load("propeller");
    let overview = Overview::new(&snapshot);
    let mut user = User { id: "nobody-yet".to_owned(), ..User::clone(snapshot.users.last().expect("users")) };
    let visible = |user: &User| -> Vec<String> {
        let bound = BoundUser::new(&snapshot.program, &Arc::new(user.clone()));
        let menu = overview.menu(&bound, None, Timestamp::from_micros(0)).expect("a menu");
        menu.items.into_iter().filter(|item| item.visible).map(|item| item.id.to_owned()).collect()
    };
    assert!(visible(&user).is_empty());
    let give = |kind, name: &str| Assignment { kind, name: name.to_owned(), until: None, why: None };
    let given = &mut user.memberships.first_mut().expect("a membership").assignments;
    given.push(give(AssignmentKind::Grant, "pricing/viewer"));
    assert!(visible(&user).is_empty(), "the gate is closed");
    user.memberships[0].assignments.push(give(AssignmentKind::Gate, "backoffice"));
    let pricing = ["pricing/pricesheets", "pricing/taxes", "pricing/surcharges", "pricing/incentives"];
    assert_eq!(visible(&user), pricing);
    user.memberships[0].assignments.push(give(AssignmentKind::Grant, "product-data/viewer"));
    assert!(visible(&user).contains(&"shop/catalogue-pricing".to_owned()), "it needs both modules");
}

/// Rule propeller-preset.
#[test]
fn configurations_are_called_by_the_preset_that_they_equal() {
    let Some(facts) = Facts::read("propeller") else { return };
    let snapshot = load("propeller");
    for user in &snapshot.users {
        let found = snapshot.catalog.preset_of(user.assignments(None, Timestamp::from_micros(0)));
        assert_eq!(found.map(|preset| preset.id.clone()), given(&facts, &user.id).preset, "{}", user.id);
    }
}
