//! What the shipped sets declare, beside the facts: users, modules, levels, gates, areas, ranks.

use crate::support::{
    facts::{Facts, keys, texts},
    repo, shared,
};
use serde_yaml::Value;
use sidegate::{
    document::Diagnostics,
    model::User,
    policy::{self, Options, Snapshot},
};
use std::{collections::BTreeSet, fs, path::Path};

/// All five back offices.
const SYSTEMS: [&str; 5] = ["demo", "8move", "propeller", "omc", "backbone"];

pub fn load(system: &str) -> Snapshot {
    policy::load(&repo(&format!("policies/{system}")), &Options::default())
        .unwrap_or_else(|error| panic!("{}", Diagnostics::from(error).render(false)))
}

fn set(names: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    names.into_iter().collect()
}

/// Tenant and role of each role that a sample user has; the facts give it in three ways.
fn roles_of(facts: &Value) -> BTreeSet<(Option<String>, String)> {
    let mut roles = BTreeSet::new();
    if let Some(role) = facts["role"].as_str() {
        roles.insert((facts["organization"].as_str().map(str::to_owned), role.to_owned()));
    }
    for tenant in keys(&facts["roles"]) {
        roles.extend(texts(&facts["roles"][tenant.as_str()]).into_iter().map(|role| (Some(tenant.clone()), role)));
    }
    roles
}

fn given_roles(user: &User) -> BTreeSet<(Option<String>, String)> {
    let given = user.memberships.iter().flat_map(|membership| {
        membership.assignments.iter().map(move |assignment| (membership.tenant.clone(), assignment))
    });
    given
        .filter(|(_, assignment)| assignment.kind.entity_type() == "Role")
        .map(|(tenant, assignment)| (tenant, assignment.name.clone()))
        .collect()
}

#[test]
fn the_declared_users_are_the_sample_users() {
    for system in SYSTEMS {
        let Some(facts) = Facts::read(system) else { return };
        let snapshot = load(system);
        let declared: Vec<_> = snapshot.users.iter().map(|user| user.id.clone()).collect();
        assert_eq!(declared, keys(&facts.root()["users"]), "{system}");
        for user in &snapshot.users {
            let wanted = &facts.root()["users"][user.id.as_str()];
            for (key, found) in [("name", &user.name), ("email", &user.email)] {
                if let Some(wanted) = wanted[key].as_str() {
                    assert_eq!(found.as_deref(), Some(wanted), "{system}: {}", user.id);
                }
            }
            assert_eq!(user.status.as_str(), wanted["status"].as_str().unwrap_or("active"), "{system}: {}", user.id);
            assert_eq!(given_roles(user), roles_of(wanted), "{system}: {}", user.id);
        }
    }
}

#[test]
fn modules_have_the_resources_actions_and_areas_of_the_facts() {
    for system in SYSTEMS {
        let Some(facts) = Facts::read(system) else { return };
        let snapshot = load(system);
        let modules = &facts.root()["modules"];
        let ids = if modules.is_sequence() { texts(modules) } else { keys(modules) };
        let declared: Vec<_> = snapshot.catalog.modules.iter().map(|module| module.id.clone()).collect();
        assert_eq!(declared[..ids.len()], ids, "{system}");
        // The order management centre has two more, which its rights name.
        assert_eq!(declared.len() - ids.len(), if system == "omc" { 2 } else { 0 }, "{system}: {declared:?}");
        if modules.is_sequence() {
            continue;
        }
        for module in &snapshot.catalog.modules {
            let wanted = &modules[module.id.as_str()];
            assert_eq!(module.resource_types, texts(&wanted["resources"]), "{system}: {}", module.id);
            assert_eq!(module.areas, texts(&wanted["areas"]), "{system}: {}", module.id);
            assert_eq!(set(module.actions.iter().cloned()), set(facts.actions(&module.id)), "{system}: {}", module.id);
        }
    }
}

#[test]
fn levels_are_the_actions_of_the_facts() {
    for system in SYSTEMS {
        let Some(facts) = Facts::read(system) else { return };
        let snapshot = load(system);
        for name in keys(&facts.root()["levels"]) {
            let level = snapshot.catalog.levels.iter().find(|level| level.name == name);
            let level = level.unwrap_or_else(|| panic!("{system}: no level {name}"));
            assert_eq!(set(level.actions.clone()), set(texts(&facts.root()["levels"][name.as_str()])), "{system}");
        }
    }
}

#[test]
fn tenants_conditions_and_roles_are_those_of_the_facts() {
    for system in SYSTEMS {
        let Some(facts) = Facts::read(system) else { return };
        let (snapshot, root) = (load(system), facts.root());
        let roles = if root["roles"].is_mapping() { &root["roles"] } else { &root["cells"] };
        let declared: Vec<_> = snapshot.catalog.roles.iter().map(|role| role.id.clone()).collect();
        assert_eq!(declared, keys(roles), "{system}");
        let used = snapshot.catalog.roles.iter().flat_map(|role| &role.cells).flat_map(|cell| cell.when.clone());
        let used = set(used);
        for condition in keys(&root["conditions"]) {
            assert!(used.contains(&condition), "{system}: {condition} in {used:?}");
        }
        let sidegate::engine::Dialect::Declared(vocabulary) = snapshot.program.dialect() else { panic!("{system}") };
        let tenants = vocabulary.tenants.clone().unwrap_or_default();
        let organizations = root["users"].as_mapping().expect("users").values();
        let organizations = organizations.filter_map(|user| user["organization"].as_str().map(str::to_owned));
        assert_eq!(set(tenants), set(texts(&root["tenants"]).into_iter().chain(organizations)), "{system}");
    }
}

/// What the source leaves open is said in the set, where a reviewer reads it, and in its README.
#[test]
fn what_was_assumed_stands_in_the_files() {
    for system in SYSTEMS {
        let Some(facts) = shared(&format!("domain/{system}.yaml")) else { return };
        let says = |path: &Path| fs::read_to_string(path).expect("a file").to_lowercase().contains("assumed");
        let assumed = says(&facts);
        let folder = fs::read_dir(repo(&format!("policies/{system}"))).expect("a set");
        let paths: Vec<_> = folder.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect();
        for kind in ["yaml", "md"] {
            let mut of_kind = paths.iter().filter(|path| path.extension().is_some_and(|found| found == kind));
            assert_eq!(of_kind.any(|path| says(path)), assumed, "{system}: *.{kind}");
        }
    }
}
