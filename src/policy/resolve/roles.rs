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
    let mut resolver = Resolver {
        declared,
        levels: catalog.levels.iter().map(|level| (level.name.as_str(), level)).collect(),
        modules: catalog.modules.iter().enumerate().map(|(at, module)| (module.id.as_str(), at)).collect(),
        catalog,
        problems,
        rules: Vec::new(),
    };
    let roles: Vec<_> = declared.roles.iter().map(|(name, role)| resolver.role(name, role)).collect();
    let rules = resolver.rules;
    let idle = idle(declared, &roles, problems);
    catalog.roles = roles;
    (rules, idle)
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
        for (at, module) in self.catalog.modules.iter().enumerate() {
            let mut number = 0;
            for cell in declared.iter().filter(|_| !named.contains(module.id.as_str())) {
                let (level, actions) = match &cell.what {
                    What::Level(level) => {
                        let Some(found) = self.levels.get(level.name.as_str()) else { continue };
                        (Some(&level.name), module.actions_of(found))
                    }
                    What::Actions(actions) => {
                        let known = actions.iter().filter(|action| module.actions.contains(&action.name));
                        (None, known.map(|action| action.name.clone()).collect())
                    }
                };
                if !actions.is_empty() {
                    number += 1;
                    self.rule(name, at, cell, number, level, actions, false, cells);
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
        let (level, actions) = match &cell.what {
            What::Level(level) => {
                let Some(found) = self.levels.get(level.name.as_str()) else { return };
                let actions = module.actions_of(found);
                if actions.is_empty() {
                    let message = format!("the level `{}` has no action of the module `{}`", level.name, module.id);
                    let help = hint("", module.actions.iter().map(String::as_str));
                    self.problems.push(level.at.error("level-without-effect", message).with_help(help));
                }
                (Some(&level.name), actions)
            }
            What::Actions(actions) => (None, self.actions(module, cell, actions)),
        };
        if sound && !actions.is_empty() {
            *number += 1;
            self.rule(role, at, cell, *number, level, actions, true, cells);
        }
    }

    fn actions(&mut self, module: &catalog::Module, cell: &Cell, actions: &[Named]) -> Vec<String> {
        if actions.is_empty() {
            let problem = cell.at.error("bad-cell", "a cell without actions grants nothing");
            self.problems.push(problem.with_help("write `none`, or leave the module out".to_owned()));
        }
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

    #[expect(clippy::too_many_arguments, reason = "one call each from the two ways to name a module")]
    fn rule(
        &mut self,
        role: &Named,
        at: usize,
        cell: &Cell,
        number: usize,
        level: Option<&String>,
        actions: Vec<String>,
        named: bool,
        cells: &mut Vec<catalog::Cell>,
    ) {
        let Some(module) = self.catalog.modules.get(at) else { return };
        let suffix = if number > 1 { format!("/{number}") } else { String::new() };
        let id = format!("role/{}/{}{suffix}", role.name, module.id);
        let names = |list: &[Named]| list.iter().map(|named| named.name.clone()).collect::<Vec<_>>();
        let mut areas = Vec::new();
        add(&mut areas, cell.areas.iter().map(|area| area.name.as_str()));
        let what = level.cloned().unwrap_or_else(|| actions.join(", "));
        let mut summary = format!("{} grants {what} on {}", role.name, module.id);
        if !areas.is_empty() {
            summary.push_str(&format!(" ({})", areas.join(", ")));
        }
        let when = names(&cell.when);
        if !when.is_empty() {
            summary.push_str(&format!(" when {}", when.join(" and ")));
        }
        cells.push(catalog::Cell {
            module: module.id.clone(),
            level: level.cloned(),
            actions: actions.clone(),
            when,
            areas: areas.clone(),
            policy: id.clone(),
        });
        self.rules.push(Rule {
            id: id.into(),
            summary: summary.into(),
            at: cell.at.clone(),
            module: at,
            effect: Effect::Permit {
                holder: ("Role", role.name.clone()),
                actions,
                areas,
                when: cell.when.clone(),
                named,
            },
        });
    }
}
