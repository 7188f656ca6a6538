//! Names are looked up, levels and wildcards resolved: from what files declare to rules, users and a catalogue.

mod conditions;
mod delegation;
mod levels;
mod modules;
mod order;
mod rights;
mod roles;
mod routes;
mod screens;
mod users;
mod values;

pub(super) use routes::resolve as resolve_routes;
pub(super) use values::json as json_value;

use super::{
    catalog::{self, Catalog, Family, Gate, Values},
    declared::Declared,
    delegation::Ruling,
    routes::Routes,
    section::{Named, Spot},
};
use crate::{
    document::{Diagnostics, hint},
    engine::{Tenancy, Vocabulary},
    model::User,
};
use std::sync::Arc;

pub(super) use conditions::Applied;
pub(super) use users::{Places, resolve as resolve_users};

/// A policy set with every name looked up.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) catalog: Catalog,
    pub(super) vocabulary: Vocabulary,
    pub(super) routes: Routes,
    pub(super) users: Vec<Arc<User>>,
    /// Where each of them is declared.
    pub(super) places: Places,
    /// What becomes policies, in their order.
    pub(super) rules: Vec<Rule>,
    /// Whether all types and attributes are sound, so that conditions can be checked against them.
    pub(super) types_are_sound: bool,
    /// Roles with no cell of their own or included; a hand-written policy may still name them.
    pub(super) idle_roles: Vec<Named>,
}

/// What one policy will say.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: Arc<str>,
    pub(super) summary: Arc<str>,
    pub(super) at: Spot,
    pub(super) module: usize,
    pub(super) effect: Effect,
}

/// What a rule does.
#[derive(Debug)]
pub(super) enum Effect {
    /// Whoever holds a role or a grant may do these actions.
    Permit {
        /// `Role` or `Grant`, and its id.
        holder: (&'static str, String),
        actions: Vec<String>,
        areas: Vec<String>,
        /// Conditions that must all hold.
        when: Vec<Applied>,
        /// Whether the module was named, and not meant by a wildcard.
        named: bool,
    },
    /// Nobody may do anything unless one of these gates is open.
    Gate(Vec<String>),
    /// A rule of the directory's own module.
    Directory(Ruling),
}

/// Looks everything up. The users are taken out of what was declared.
pub(super) fn resolve(declared: &mut Declared, problems: &mut Diagnostics) -> Resolved {
    let before = error_count(problems);
    let users = declared.take_users();
    let declared = &*declared;
    let levels = levels::resolve(&declared.levels, problems);
    let (modules, mut vocabulary) = modules::resolve(declared, &levels, problems);
    let types_are_sound = error_count(problems) == before;
    conditions::check(declared, problems);
    let rights = rights::resolve(declared, &modules, problems);
    let values = declared.values.iter().map(|(name, values)| Values {
        name: name.name.clone(),
        values: values.iter().map(|value| value.name.clone()).collect(),
    });
    let families = declared.families.iter().map(|(id, label)| Family { id: id.name.clone(), label: label.clone() });
    let mut catalog = Catalog {
        levels,
        modules,
        rights,
        values: values.collect(),
        families: families.collect(),
        read_actions: read_actions(declared, &vocabulary, problems),
        ..Catalog::default()
    };
    let (mut rules, idle_roles) = roles::resolve(declared, &mut catalog, problems);
    grants(declared, &catalog, &mut rules);
    gates(declared, &catalog, &mut rules);
    catalog.gates =
        declared.gates.iter().map(|(id, label)| Gate { id: id.name.clone(), label: label.clone() }).collect();
    catalog.conditions = declared
        .conditions
        .iter()
        .map(|(id, condition)| catalog::Condition { name: id.name.clone(), description: condition.description.clone() })
        .collect();
    screens::resolve(declared, &mut catalog, problems);
    delegation::resolve(declared, &mut catalog, &mut vocabulary, &mut rules, problems);
    let routes = routes::resolve(declared, Some((&catalog, &vocabulary)), problems);
    tenancy(declared, problems);
    let (users, places) = users::resolve(users, declared, &catalog, &vocabulary, problems);
    Resolved { catalog, vocabulary, routes, users, places, rules, types_are_sound, idle_roles }
}

fn error_count(problems: &Diagnostics) -> usize {
    problems.iter().filter(|problem| problem.severity() == crate::document::Severity::Error).count()
}

fn read_actions(declared: &Declared, vocabulary: &Vocabulary, problems: &mut Diagnostics) -> Vec<String> {
    let mut actions = Vec::new();
    for action in &declared.read_actions {
        let message = || format!("no module has the action `{}`", action.name);
        let all = vocabulary.actions.iter().map(String::as_str);
        if known(action, all, "unknown-action", message, problems) {
            levels::add(&mut actions, [action.name.as_str()]);
        }
    }
    actions
}

fn tenancy(declared: &Declared, problems: &mut Diagnostics) {
    if let (Tenancy::None, Some(at)) = (declared.tenancy(), &declared.tenants_at) {
        let problem = at.error("tenancy-mismatch", "tenants are listed, but `tenancy` is `none`");
        problems.push(problem.with_help("say `tenancy: required`".to_owned()));
    }
}

/// Every level on every module: users may be given any of them at run time.
fn grants(declared: &Declared, catalog: &Catalog, rules: &mut Vec<Rule>) {
    for (index, module) in catalog.modules.iter().enumerate() {
        let Some(at) = declared.modules.declared(&module.id) else { continue };
        for level in &catalog.levels {
            let actions = module.actions_of(level);
            if actions.is_empty() {
                continue;
            }
            let name = format!("{}/{}", module.id, level.name);
            rules.push(Rule {
                id: format!("grant/{name}").into(),
                summary: format!("direct grant of {} on {}", level.name, module.id).into(),
                at: at.clone(),
                module: index,
                effect: Effect::Permit {
                    holder: ("Grant", name),
                    actions,
                    areas: Vec::new(),
                    when: Vec::new(),
                    named: false,
                },
            });
        }
    }
}

fn gates(declared: &Declared, catalog: &Catalog, rules: &mut Vec<Rule>) {
    for (index, module) in catalog.modules.iter().enumerate() {
        let places = declared.modules.get(&module.id).and_then(|module| module.gates.first());
        let Some(first) = places.filter(|_| !module.gates.is_empty()) else { continue };
        rules.push(Rule {
            id: format!("gate/{}", module.id).into(),
            summary: format!("{} needs an open gate: {}", module.id, module.gates.join(" or ")).into(),
            at: first.at.clone(),
            module: index,
            effect: Effect::Gate(module.gates.clone()),
        });
    }
}

/// Looks up a name in a plain list and reports it where it is missing.
fn known<'k>(
    name: &Named,
    known: impl IntoIterator<Item = &'k str, IntoIter: Clone>,
    code: &'static str,
    message: impl FnOnce() -> String,
    problems: &mut Diagnostics,
) -> bool {
    let known = known.into_iter();
    let found = known.clone().any(|candidate| candidate == name.name);
    if !found {
        problems.push(name.at.error(code, message()).with_help(hint(&name.name, known)));
    }
    found
}
