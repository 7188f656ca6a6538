//! Roles: each cell becomes a rule.

use super::{Effect, Rule, known, levels::add, order::inclusion_order};
use crate::{
    document::{Diagnostics, hint},
    policy::{
        catalog::{self, Catalog},
        declared::{Cell, Declared, Role, What},
        names::{EVERY_MODULE, NO_LEVEL},
        section::Named,
    },
};
use rustc_hash::{FxHashMap, FxHashSet};

/// The rules of all roles, and the roles that have none. The roles go into the catalogue.
pub(super) fn resolve(
    declared: &Declared,
    catalog: &mut Catalog,
    problems: &mut Diagnostics,
) -> (Vec<Rule>, Vec<Named>) {
    let mut cells = Resolver {
        declared,
        levels: catalog.levels.iter().map(|level| (level.name.as_str(), level)).collect(),
        modules: catalog.modules.iter().enumerate().map(|(at, module)| (module.id.as_str(), at)).collect(),
        catalog,
        problems,
        rules: Vec::new(),
    };
    let roles: Vec<_> = declared.roles.iter().map(|(name, role)| cells.role(name, role)).collect();
    let made = cells.rules;
    let idle = idle(declared, &roles, problems);
    catalog.roles = roles;
    (made, idle)
}

/// Roles that grant nothing, neither by themselves nor by what they include. A role with a cell that is wrong meant to.
fn idle(declared: &Declared, roles: &[catalog::Role], problems: &mut Diagnostics) -> Vec<Named> {
    let order = inclusion_order(&declared.roles, "role", |role| &role.includes, problems);
    let items: Vec<_> = declared.roles.iter().collect();
    let mut busy: FxHashSet<&str> = FxHashSet::default();
    let mut idle = Vec::new();
    for at in order {
        let (Some((name, role)), Some(resolved)) = (items.get(at), roles.get(at)) else { continue };
        let meant =
            role.grants.iter().any(|(_, cells)| cells.is_empty() || cells.iter().any(|cell| !grants_none(cell)));
        let included = role
            .includes
            .iter()
            .any(|include| busy.contains(include.name.as_str()) || !declared.roles.contains(&include.name));
        if meant || included || !resolved.cells.is_empty() {
            busy.insert(&name.name);
        } else {
            idle.push(name.clone());
        }
    }
    idle
}

fn grants_none(cell: &Cell) -> bool {
    matches!(&cell.what, What::Level(level) if level.name == NO_LEVEL)
}

struct Resolver<'r> {
    declared: &'r Declared,
    catalog: &'r Catalog,
    levels: FxHashMap<&'r str, &'r catalog::Level>,
    modules: FxHashMap<&'r str, usize>,
    problems: &'r mut Diagnostics,
    rules: Vec<Rule>,
}

impl<'r> Resolver<'r> {
    fn role(&mut self, name: &Named, role: &Role) -> catalog::Role {
        for include in &role.includes {
            let _found = self.declared.roles.find(include, self.problems);
        }
        let mut cells = Vec::new();
        for (module, declared) in &role.grants {
            if module.name == EVERY_MODULE {
                self.every_module(name, role, declared, &mut cells);
            } else if self.declared.modules.find(module, self.problems).is_some() {
                let Some(&at) = self.modules.get(module.name.as_str()) else { continue };
                let mut number = 0;
                for cell in declared {
                    self.cell(name, at, cell, &mut number, &mut cells);
                }
            }
        }
        catalog::Role {
            id: name.name.clone(),
            label: role.label.clone(),
            rank: role.rank,
            family: role.family.clone(),
            includes: role.includes.iter().map(|include| include.name.clone()).collect(),
            cells,
        }
    }

    /// `"*"`: every module that the role does not name.
    fn every_module(&mut self, name: &Named, role: &Role, declared: &[Cell], cells: &mut Vec<catalog::Cell>) {
        for cell in declared {
            if let Some(area) = cell.areas.first() {
                let message = "areas belong to one module and cannot be named for all";
                self.problems.push(area.at.error("unknown-area", message));
                return;
            }
            if let What::Actions(actions) = &cell.what {
                self.anywhere(actions);
            }
            self.uses(cell);
        }
        let named: FxHashSet<&str> = role.grants.iter().map(|(module, _)| module.name.as_str()).collect();
        let catalog: &'r Catalog = self.catalog;
        for (at, module) in catalog.modules.iter().enumerate().filter(|(_, module)| !named.contains(module.id.as_str()))
        {
            let mut number = 0;
            for cell in declared {
                let granted = match &cell.what {
                    What::Level(level) => {
                        let Some(found) = self.levels.get(level.name.as_str()) else { continue };
                        Granted { level: Some(level.name.clone()), actions: module.actions_of(found) }
                    }
                    What::Actions(actions) => {
                        let wanted = actions.iter().map(|action| action.name.clone());
                        Granted { level: None, actions: wanted.filter(|name| module.actions.contains(name)).collect() }
                    }
                };
                if !granted.actions.is_empty() {
                    number += 1;
                    let place = Place { role: name, module: at, number, named: false };
                    cells.extend(self.rule(&place, cell, granted));
                }
            }
        }
    }

    /// Actions for all modules must be known in some module.
    fn anywhere(&mut self, actions: &[Named]) {
        let mut all = Vec::new();
        for module in &self.catalog.modules {
            add(&mut all, module.actions.iter().map(String::as_str));
        }
        for action in actions {
            let message = || format!("no module has the action `{}`", action.name);
            known(action, all.iter().map(String::as_str), "unknown-action", message, self.problems);
        }
    }

    /// Reports levels and conditions that are not declared.
    fn uses(&mut self, cell: &Cell) -> bool {
        let mut sound = true;
        if let What::Level(level) = &cell.what {
            let known = self.levels.contains_key(level.name.as_str()) || level.name == NO_LEVEL;
            sound &= known || self.declared.levels.find(level, self.problems).is_some();
        }
        for condition in &cell.when {
            sound &= self.declared.conditions.find(condition, self.problems).is_some();
        }
        sound
    }

    fn cell(&mut self, role: &Named, at: usize, cell: &Cell, number: &mut usize, cells: &mut Vec<catalog::Cell>) {
        let catalog: &'r Catalog = self.catalog;
        let Some(module) = catalog.modules.get(at) else { return };
        let sound = self.uses(cell) & self.areas(module, cell);
        if grants_none(cell) {
            return;
        }
        let granted = match &cell.what {
            What::Level(level) => {
                let Some(found) = self.levels.get(level.name.as_str()) else { return };
                let actions = module.actions_of(found);
                if actions.is_empty() {
                    let message = format!("the level `{}` has no action of the module `{}`", level.name, module.id);
                    let help = hint("", module.actions.iter().map(String::as_str));
                    self.problems.push(level.at.error("level-without-effect", message).with_help(help));
                }
                Granted { level: Some(level.name.clone()), actions }
            }
            What::Actions(actions) => Granted { level: None, actions: self.actions(module, actions) },
        };
        if sound && !granted.actions.is_empty() {
            *number += 1;
            let place = Place { role, module: at, number: *number, named: true };
            cells.extend(self.rule(&place, cell, granted));
        }
    }

    fn actions(&mut self, module: &catalog::Module, actions: &[Named]) -> Vec<String> {
        let mut found = Vec::new();
        for action in actions {
            let message = || format!("the module `{}` has no action `{}`", module.id, action.name);
            let all = module.actions.iter().map(String::as_str);
            if known(action, all, "unknown-action", message, self.problems) {
                add(&mut found, [action.name.as_str()]);
            }
        }
        found
    }

    fn areas(&mut self, module: &catalog::Module, cell: &Cell) -> bool {
        if let (Some(area), true) = (cell.areas.first(), module.areas.is_empty()) {
            self.problems.push(area.at.error("unknown-area", format!("the module `{}` has no areas", module.id)));
            return false;
        }
        let mut sound = true;
        for area in &cell.areas {
            let message = || format!("the module `{}` has no area `{}`", module.id, area.name);
            let all = module.areas.iter().map(String::as_str);
            sound &= known(area, all, "unknown-area", message, self.problems);
        }
        sound
    }

    /// Makes the rule of a cell; tells how the catalogue shows it.
    fn rule(&mut self, place: &Place<'_>, cell: &Cell, granted: Granted) -> Option<catalog::Cell> {
        let module = self.catalog.modules.get(place.module)?;
        let role = &place.role.name;
        let suffix = if place.number > 1 { format!("/{}", place.number) } else { String::new() };
        let id = format!("role/{role}/{}{suffix}", module.id);
        let mut areas = Vec::new();
        add(&mut areas, cell.areas.iter().map(|area| area.name.as_str()));
        let when: Vec<String> = cell.when.iter().map(|condition| condition.name.clone()).collect();
        let what = granted.level.clone().unwrap_or_else(|| granted.actions.join(", "));
        let limit = if areas.is_empty() { String::new() } else { format!(" ({})", areas.join(", ")) };
        let only = if when.is_empty() { String::new() } else { format!(" when {}", when.join(" and ")) };
        self.rules.push(Rule {
            id: id.as_str().into(),
            summary: format!("{role} grants {what} on {}{limit}{only}", module.id).into(),
            at: cell.at.clone(),
            module: place.module,
            effect: Effect::Permit {
                holder: ("Role", role.clone()),
                actions: granted.actions.clone(),
                areas: areas.clone(),
                when: cell.when.clone(),
                named: place.named,
            },
        });
        let Granted { level, actions } = granted;
        Some(catalog::Cell { module: module.id.clone(), level, actions, when, areas, policy: id })
    }
}

/// Which cell of which role.
struct Place<'p> {
    role: &'p Named,
    module: usize,
    /// From 1; a module may have several cells.
    number: usize,
    /// Whether the module was named, and not meant by a wildcard.
    named: bool,
}

/// What a cell grants.
struct Granted {
    level: Option<String>,
    actions: Vec<String>,
}
