//! Roles: each cell becomes a rule.

use super::{
    Effect, Rule,
    conditions::{self, Applied},
    known,
    levels::add,
    order::inclusion_order,
};
use crate::{
    document::{Diagnostics, hint},
    policy::{
        catalog::{self, Catalog},
        declared::{Cell, Declared, Role, What},
        names::{EVERY_MODULE, NO_LEVEL},
        section::{Named, Spot},
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
        numbers: FxHashMap::default(),
        speaking: FxHashSet::default(),
    };
    let roles: Vec<_> = declared.roles.iter().map(|(name, role)| cells.role(name, role)).collect();
    let (made, speaking) = (cells.rules, cells.speaking);
    let order = inclusion_order(&declared.roles, "role", |role| &role.includes, problems);
    let idle = idle(declared, &roles, &order);
    foreign_ranks(declared, speaking, &order, problems);
    catalog.roles = roles;
    (made, idle)
}

/// Reports roles that would lend the rank or family of a role they include to holders of another: a cell that says "own rank or
/// below" means the rank of the role that it stands in.
fn foreign_ranks(declared: &Declared, mut speaking: FxHashSet<String>, order: &[usize], problems: &mut Diagnostics) {
    let items: Vec<_> = declared.roles.iter().collect();
    for (name, role) in order.iter().filter_map(|&at| items.get(at).copied()) {
        for include in &role.includes {
            let Some(included) = declared.roles.get(&include.name).filter(|_| speaking.contains(&include.name)) else {
                continue;
            };
            speaking.insert(name.name.clone());
            let family = |role: &Role| role.family.as_ref().map(|family| family.name.clone());
            if (role.rank, family(role)) != (included.rank, family(included)) {
                let message = format!(
                    "`{}` includes `{}`, whose rank and family would count for its holders",
                    name.name, include.name
                );
                let help = "some of its cells speak of the role's rank or family; name the cells here instead";
                problems.push(include.at.error("foreign-rank", message).with_help(help.to_owned()));
            }
        }
    }
}

/// Roles that grant nothing, neither by themselves nor by what they include. A role with a cell that is wrong meant to.
fn idle(declared: &Declared, roles: &[catalog::Role], order: &[usize]) -> Vec<Named> {
    let items: Vec<_> = declared.roles.iter().collect();
    let mut busy: FxHashSet<&str> = FxHashSet::default();
    let mut idle = Vec::new();
    for &at in order {
        let (Some((name, role)), Some(resolved)) = (items.get(at), roles.get(at)) else { continue };
        let meant = role.rights.is_some()
            || role.grants.iter().any(|(_, cells)| cells.is_empty() || cells.iter().any(|cell| !grants_none(cell)));
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

pub(super) struct Resolver<'r> {
    pub(super) declared: &'r Declared,
    pub(super) catalog: &'r Catalog,
    levels: FxHashMap<&'r str, &'r catalog::Level>,
    pub(super) modules: FxHashMap<&'r str, usize>,
    pub(super) problems: &'r mut Diagnostics,
    rules: Vec<Rule>,
    /// How many cells the role at hand has on each module.
    numbers: FxHashMap<usize, usize>,
    /// Roles with a cell that speaks of their rank or family.
    speaking: FxHashSet<String>,
}

impl<'r> Resolver<'r> {
    fn role(&mut self, name: &Named, role: &'r Role) -> catalog::Role {
        for include in &role.includes {
            let _found = self.declared.roles.find(include, self.problems);
        }
        if let Some(family) = &role.family {
            let _found = self.declared.families.find(family, self.problems);
        }
        let mut cells = Vec::new();
        self.numbers.clear();
        for (module, declared) in &role.grants {
            if module.name == EVERY_MODULE {
                self.every_module((name, role), declared, &mut cells);
            } else if self.declared.modules.find(module, self.problems).is_some() {
                let Some(&at) = self.modules.get(module.name.as_str()) else { continue };
                for cell in declared {
                    self.cell((name, role), at, cell, &mut cells);
                }
            }
        }
        self.rights(name, role, &mut cells);
        catalog::Role {
            id: name.name.clone(),
            label: role.label.clone(),
            rank: role.rank,
            family: role.family.as_ref().map(|family| family.name.clone()),
            includes: role.includes.iter().map(|include| include.name.clone()).collect(),
            cells,
        }
    }

    /// `"*"`: every module that the role does not name.
    fn every_module(&mut self, (name, role): (&Named, &Role), declared: &[Cell], cells: &mut Vec<catalog::Cell>) {
        let mut conditions = Vec::new();
        for cell in declared {
            if let Some(area) = cell.areas.first() {
                let message = "areas belong to one module and cannot be named for all";
                self.problems.push(area.at.error("unknown-area", message));
                return;
            }
            if let What::Actions(actions) = &cell.what {
                self.anywhere(actions);
            }
            self.level(cell);
            conditions.push(conditions::apply((name, role), &cell.when, self.declared, self.problems));
        }
        let named: FxHashSet<&str> = role.grants.iter().map(|(module, _)| module.name.as_str()).collect();
        let catalog: &'r Catalog = self.catalog;
        for (at, module) in catalog.modules.iter().enumerate().filter(|(_, module)| !named.contains(module.id.as_str()))
        {
            for (cell, when) in declared.iter().zip(&conditions) {
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
                if let (Some(when), false) = (when, granted.actions.is_empty()) {
                    let target = Target { role: name, module: at, named: false, at: &cell.at, areas: &[] };
                    cells.extend(self.rule(&target, when.clone(), granted));
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

    /// Reports a level that is not declared.
    fn level(&mut self, cell: &Cell) -> bool {
        let What::Level(level) = &cell.what else { return true };
        let known = self.levels.contains_key(level.name.as_str()) || level.name == NO_LEVEL;
        known || self.declared.levels.find(level, self.problems).is_some()
    }

    fn cell(&mut self, (name, role): (&Named, &Role), at: usize, cell: &Cell, cells: &mut Vec<catalog::Cell>) {
        let catalog: &'r Catalog = self.catalog;
        let Some(module) = catalog.modules.get(at) else { return };
        let sound = self.level(cell) & self.areas(module, cell);
        let when = conditions::apply((name, role), &cell.when, self.declared, self.problems);
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
        if let (Some(when), true, false) = (when, sound, granted.actions.is_empty()) {
            let target = Target { role: name, module: at, named: true, at: &cell.at, areas: &cell.areas };
            cells.extend(self.rule(&target, when, granted));
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
    pub(super) fn rule(&mut self, target: &Target<'_>, when: Vec<Applied>, granted: Granted) -> Option<catalog::Cell> {
        let module = self.catalog.modules.get(target.module)?;
        let role = &target.role.name;
        let number = self.numbers.entry(target.module).or_default();
        *number += 1;
        let suffix = if *number > 1 { format!("/{number}") } else { String::new() };
        let id = format!("role/{role}/{}{suffix}", module.id);
        if when.iter().any(|applied| applied.speaks_of_role) {
            self.speaking.insert(role.clone());
        }
        let mut areas = Vec::new();
        add(&mut areas, target.areas.iter().map(|area| area.name.as_str()));
        let shown: Vec<String> = when.iter().map(|applied| applied.shown.clone()).collect();
        let what = granted.level.clone().unwrap_or_else(|| granted.actions.join(", "));
        let limit = if areas.is_empty() { String::new() } else { format!(" ({})", areas.join(", ")) };
        let only = if shown.is_empty() { String::new() } else { format!(" when {}", shown.join(" and ")) };
        self.rules.push(Rule {
            id: id.as_str().into(),
            summary: format!("{role} grants {what} on {}{limit}{only}", module.id).into(),
            at: target.at.clone(),
            module: target.module,
            effect: Effect::Permit {
                holder: ("Role", role.clone()),
                actions: granted.actions.clone(),
                areas: areas.clone(),
                when,
                named: target.named,
            },
        });
        let Granted { level, actions } = granted;
        Some(catalog::Cell { module: module.id.clone(), level, actions, when: shown, areas, policy: id })
    }
}

/// What a rule is about, and where it comes from.
pub(super) struct Target<'p> {
    pub(super) role: &'p Named,
    pub(super) module: usize,
    /// Whether the module was named, and not meant by a wildcard.
    pub(super) named: bool,
    pub(super) at: &'p Spot,
    pub(super) areas: &'p [Named],
}

/// What a cell grants.
pub(super) struct Granted {
    pub(super) level: Option<String>,
    pub(super) actions: Vec<String>,
}
