//! What a policy set declares, with every name looked up: what a matrix, a menu or a list of roles shows.

use super::Delegation;
use crate::model::{Assignment, AssignmentKind};
use std::collections::BTreeSet;

/// The name of a configuration that equals no preset.
pub const CUSTOM: &str = "custom";

/// What a policy set declares, each section in the order of the files.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Named sets of actions.
    pub levels: Vec<Level>,
    /// Parts of the application.
    pub modules: Vec<Module>,
    /// Roles with their cells.
    pub roles: Vec<Role>,
    /// Conditions that cells name.
    pub conditions: Vec<Condition>,
    /// Named rights.
    pub rights: Vec<Right>,
    /// The families that users belong to.
    pub families: Vec<Family>,
    /// Switches that modules sit behind.
    pub gates: Vec<Gate>,
    /// Types whose values are listed, such as sales channels.
    pub values: Vec<Values>,
    /// The actions that only look. Empty where the set does not tell them apart.
    pub read_actions: Vec<String>,
    /// Named configurations.
    pub presets: Vec<Preset>,
    /// Items of the menu.
    pub menu: Vec<MenuItem>,
    /// Who may administer users. `None`: nobody but operators.
    pub delegation: Option<Delegation>,
}

/// What people are shown of a thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label {
    /// The name to show.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

/// A named set of actions.
#[derive(Debug, Clone)]
pub struct Level {
    /// Its name.
    pub name: String,
    /// Its actions, those of the levels it includes among them.
    pub actions: Vec<String>,
    /// Whether it also has the actions that a module declares of its own.
    pub module_actions: bool,
}

/// A part of the application.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its id.
    pub id: String,
    /// How it is shown.
    pub label: Label,
    /// All its actions.
    pub actions: Vec<String>,
    /// Those of its actions that no level names.
    pub own_actions: Vec<String>,
    /// The resource types that belong to it.
    pub resource_types: Vec<String>,
    /// Its areas.
    pub areas: Vec<String>,
    /// The gates in front of it; one open gate is enough.
    pub gates: Vec<String>,
}

/// What its holders may do.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its id.
    pub id: String,
    /// How it is shown.
    pub label: Label,
    /// Its rank, where ranks matter; 0 is the highest.
    pub rank: Option<i64>,
    /// The family of users that it belongs to.
    pub family: Option<String>,
    /// Roles whose cells count for it too.
    pub includes: Vec<String>,
    /// Its own cells.
    pub cells: Vec<Cell>,
}

/// What a role grants on one module.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The module's id.
    pub module: String,
    /// The level, where the cell names one.
    pub level: Option<String>,
    /// The actions.
    pub actions: Vec<String>,
    /// The conditions that must all hold.
    pub when: Vec<String>,
    /// The areas it is limited to; none means the whole module.
    pub areas: Vec<String>,
    /// The id of the policy that it became.
    pub policy: String,
}

/// A condition that cells name.
#[derive(Debug, Clone)]
pub struct Condition {
    /// Its name.
    pub name: String,
    /// What it asks for, in words.
    pub description: Option<String>,
}

/// An action on a module, under a name of its own.
#[derive(Debug, Clone)]
pub struct Right {
    /// Its name.
    pub name: String,
    /// How it is shown.
    pub label: Label,
    /// The module's id.
    pub module: String,
    /// The action.
    pub action: String,
    /// The conditions that must all hold.
    pub when: Vec<String>,
}

/// A family of users.
#[derive(Debug, Clone)]
pub struct Family {
    /// Its id.
    pub id: String,
    /// How it is shown.
    pub label: Label,
}

/// A type whose values are listed.
#[derive(Debug, Clone)]
pub struct Values {
    /// Its name: an entity type in Cedar.
    pub name: String,
    /// Its values, in the order of the file.
    pub values: Vec<String>,
}

/// How much of a module somebody has, where a set tells which actions only look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Something beyond looking.
    Full,
    /// Nothing but looking.
    ReadOnly,
    /// Nothing.
    None,
}

/// A switch that modules sit behind.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Its id.
    pub id: String,
    /// How it is shown.
    pub label: Label,
}

/// A named configuration of gates and levels.
#[derive(Debug, Clone)]
pub struct Preset {
    /// Its id.
    pub id: String,
    /// How it is shown.
    pub label: Label,
    /// The gates that are open.
    pub gates: Vec<String>,
    /// Module and level, `*` resolved.
    pub levels: Vec<(String, String)>,
}

/// An item of the menu.
#[derive(Debug, Clone)]
pub struct MenuItem {
    /// Its id.
    pub id: String,
    /// How it is shown.
    pub label: Label,
    /// The gate that must be open.
    pub gate: Option<String>,
    /// The modules of which some action must be granted, on each.
    pub modules: Vec<String>,
}

impl Access {
    /// `full`, `read-only` or `none`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::ReadOnly => "read-only",
            Self::None => "none",
        }
    }
}

impl Catalog {
    /// The module with this id.
    #[must_use]
    pub fn module(&self, id: &str) -> Option<&Module> {
        self.modules.iter().find(|module| module.id == id)
    }

    /// The module at a place of the vocabulary. Behind those of the files stands the directory's own, where there is a delegation:
    /// people are not shown it, since nobody is given anything on it.
    pub(super) fn module_at(&self, place: usize) -> Option<&Module> {
        self.compiled_modules().nth(place)
    }

    /// The modules of the files, and the directory's own.
    pub(super) fn compiled_modules(&self) -> impl Iterator<Item = &Module> {
        self.modules.iter().chain(self.delegation.as_ref().map(Delegation::module))
    }

    /// Whether some role has a rank.
    pub(super) fn has_ranks(&self) -> bool {
        self.roles.iter().any(|role| role.rank.is_some())
    }

    /// The role with this id.
    #[must_use]
    pub fn role(&self, id: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.id == id)
    }

    /// A level on every module that has an action of it, as the names of direct grants: `pricing/editor`.
    pub fn grants_of_level<'a>(&'a self, level: &'a str) -> impl Iterator<Item = (&'a Module, String)> {
        let found = self.levels.iter().find(|known| known.name == level);
        let modules = found.into_iter().flat_map(|level| self.modules.iter().map(move |module| (module, level)));
        let modules = modules.filter(|(module, level)| !module.actions_of(level).is_empty());
        modules.map(|(module, level)| (module, format!("{}/{}", module.id, level.name)))
    }

    /// How much these actions are of a module. `None` where the set does not say which actions only look.
    #[must_use]
    pub fn access<'a>(&self, actions: impl IntoIterator<Item = &'a str>) -> Option<Access> {
        if self.read_actions.is_empty() {
            return None;
        }
        let mut access = Access::None;
        for action in actions {
            if !self.read_actions.iter().any(|reads| reads == action) {
                return Some(Access::Full);
            }
            access = Access::ReadOnly;
        }
        Some(access)
    }

    /// The preset that a configuration equals: the same open gates, and the same level on every module. Roles do not matter. `None`
    /// is what people call a custom configuration.
    #[must_use]
    pub fn preset_of<'a>(&self, given: impl IntoIterator<Item = &'a Assignment>) -> Option<&Preset> {
        let (mut gates, mut grants) = (BTreeSet::new(), BTreeSet::new());
        for assignment in given {
            match assignment.kind {
                AssignmentKind::Gate => drop(gates.insert(assignment.name.as_str())),
                AssignmentKind::Grant => drop(grants.insert(assignment.name.clone())),
                AssignmentKind::Role => {}
            }
        }
        self.presets.iter().find(|preset| {
            preset.gates.iter().map(String::as_str).collect::<BTreeSet<_>>() == gates
                && preset.grants().collect::<BTreeSet<_>>() == grants
        })
    }
}

impl Preset {
    /// Its levels as the names of direct grants: `pricing/editor`.
    pub fn grants(&self) -> impl Iterator<Item = String> {
        self.levels.iter().map(|(module, level)| format!("{module}/{level}"))
    }
}

impl Module {
    /// The actions that a level gives on this module.
    #[must_use]
    pub fn actions_of(&self, level: &Level) -> Vec<String> {
        let own: &[String] = if level.module_actions { &self.own_actions } else { &[] };
        let mut actions: Vec<String> = Vec::new();
        for action in level.actions.iter().filter(|action| self.actions.contains(action)).chain(own) {
            if !actions.contains(action) {
                actions.push(action.clone());
            }
        }
        actions
    }
}
