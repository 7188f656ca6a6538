//! What a policy set declares, with every name looked up: what a matrix, a menu or a list of roles shows.

/// The levels, modules, roles, gates, presets and menu items of a policy set, each in the order of the files.
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
    /// Switches that modules sit behind.
    pub gates: Vec<Gate>,
    /// Named configurations.
    pub presets: Vec<Preset>,
    /// Items of the menu.
    pub menu: Vec<MenuItem>,
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
