//! What the files of a policy set declare, with the place of every name, before names are looked up.

use super::{
    catalog::Label,
    delegation,
    section::{Named, Section, Spot},
};
use crate::{
    document::{Node, Text},
    engine::{AttributeType, Sessions, Tenancy},
    model::{Status, Timestamp},
};

/// All YAML files of a set, put together.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) name: Option<Named>,
    pub(super) description: Option<Named>,
    pub(super) tenancy: Option<(Tenancy, Spot)>,
    pub(super) sessions: Option<(Sessions, Spot)>,
    /// The place of the first `tenants` section, where there is one: an empty list is a list.
    pub(super) tenants_at: Option<Spot>,
    pub(super) tenants: Section<()>,
    pub(super) levels: Section<Level>,
    pub(super) modules: Section<Module>,
    pub(super) conditions: Section<Condition>,
    pub(super) roles: Section<Role>,
    pub(super) rights: Section<Right>,
    pub(super) families: Section<Label>,
    pub(super) gates: Section<Label>,
    pub(super) presets: Section<Preset>,
    pub(super) menu: Section<MenuItem>,
    pub(super) users: Section<User>,
    pub(super) values: Section<Vec<Named>>,
    pub(super) read_actions: Vec<Named>,
    pub(super) context: Section<Attribute>,
    pub(super) user_attributes: Section<Attribute>,
    pub(super) delegation: Option<Delegation>,
    pub(super) routes: Vec<Route>,
}

impl Default for Declared {
    fn default() -> Self {
        Self {
            name: None,
            description: None,
            tenancy: None,
            sessions: None,
            delegation: None,
            routes: Vec::new(),
            tenants_at: None,
            tenants: Section::new("tenant", "unknown-tenant"),
            levels: Section::new("level", "unknown-level"),
            modules: Section::new("module", "unknown-module"),
            conditions: Section::new("condition", "unknown-condition"),
            roles: Section::new("role", "unknown-role"),
            rights: Section::new("right", "unknown-right"),
            families: Section::new("family", "unknown-family"),
            gates: Section::new("gate", "unknown-gate"),
            presets: Section::new("preset", "unknown-preset"),
            menu: Section::new("menu item", "unknown-menu-item"),
            users: no_users(),
            values: Section::new("type", "unknown-type"),
            read_actions: Vec::new(),
            context: Section::new("context attribute", "unknown-attribute"),
            user_attributes: Section::new("user attribute", "unknown-attribute"),
        }
    }
}

fn no_users() -> Section<User> {
    Section::new("user", "unknown-user")
}

impl Declared {
    /// The users, which are then no longer here.
    pub(super) fn take_users(&mut self) -> Section<User> {
        std::mem::replace(&mut self.users, no_users())
    }

    /// Whether the set knows tenants; `none` unless said otherwise.
    pub(super) fn tenancy(&self) -> Tenancy {
        self.tenancy.as_ref().map_or(Tenancy::None, |(tenancy, _)| *tenancy)
    }
}

/// The declared type of an attribute; `None` where it has been reported.
pub(super) type Attribute = Option<(AttributeType, Spot)>;

#[derive(Debug)]
pub(super) struct Level {
    pub(super) includes: Vec<Named>,
    pub(super) actions: Vec<Named>,
    pub(super) module_actions: bool,
}

#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) label: Label,
    pub(super) resources: Vec<(Named, Vec<(Named, Attribute)>)>,
    pub(super) actions: Vec<Named>,
    pub(super) only: Option<Vec<Named>>,
    pub(super) areas: Vec<Named>,
    pub(super) gates: Vec<Named>,
}

/// The Cedar text is kept as the node, so that what Cedar says about it can be found in the file.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) description: Option<String>,
    pub(super) text: Text,
    pub(super) cedar: Option<Node>,
    pub(super) parameters: Vec<(Named, Attribute)>,
}

/// A condition in use, with its arguments.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub(super) name: Named,
    pub(super) arguments: Vec<(Named, Node)>,
}

/// A named right.
#[derive(Debug)]
pub(super) struct Right {
    pub(super) label: Label,
    /// `orders:read`; `None` where it has been reported.
    pub(super) action: Option<Named>,
    pub(super) when: Vec<Use>,
}

/// The rights of a role.
#[derive(Debug)]
pub(super) enum Rights {
    /// Those of the list, by name or as `module:action`.
    Listed(Vec<Named>),
    /// All that have a name, but for these; with the place of the whole.
    AllBut(Spot, Vec<Named>),
}

#[derive(Debug)]
pub(super) struct Role {
    pub(super) label: Label,
    pub(super) rank: Option<i64>,
    pub(super) family: Option<Named>,
    pub(super) includes: Vec<Named>,
    /// Module id, or `*`, with its cells.
    pub(super) grants: Vec<(Named, Vec<Cell>)>,
    pub(super) rights: Option<Rights>,
}

#[derive(Debug)]
pub(super) struct Cell {
    pub(super) at: Spot,
    pub(super) what: What,
    pub(super) when: Vec<Use>,
    pub(super) areas: Vec<Named>,
}

#[derive(Debug)]
pub(super) enum What {
    Level(Named),
    Actions(Vec<Named>),
}

#[derive(Debug)]
pub(super) struct Preset {
    pub(super) label: Label,
    pub(super) gates: Vec<Named>,
    pub(super) modules: Vec<(Named, Named)>,
}

#[derive(Debug, Default)]
pub(super) struct MenuItem {
    pub(super) label: Label,
    pub(super) gate: Option<Named>,
    pub(super) modules: Vec<Named>,
}

#[derive(Debug)]
pub(super) struct User {
    pub(super) name: Option<String>,
    pub(super) email: Option<Named>,
    pub(super) status: Status,
    pub(super) until: Option<Timestamp>,
    pub(super) family: Option<Named>,
    pub(super) attributes: Vec<(Named, Node)>,
    pub(super) roles: Assigned,
    pub(super) grants: Assigned,
    pub(super) gates: Assigned,
    /// At most one for each tenant.
    pub(super) preset: Assigned,
}

/// What a user was given of one kind.
#[derive(Debug, Default)]
pub(super) struct Assigned {
    /// Without a tenant, with the place of the whole.
    pub(super) plain: Option<(Spot, Vec<Assignment>)>,
    /// By tenant.
    pub(super) by_tenant: Vec<(Named, Vec<Assignment>)>,
}

#[derive(Debug)]
pub(super) struct Assignment {
    /// A role, a gate, a preset, or the module of a grant.
    pub(super) name: Named,
    /// The level of a grant.
    pub(super) level: Option<Named>,
    pub(super) until: Option<Timestamp>,
    pub(super) why: Option<String>,
}

/// Who may administer whom.
#[derive(Debug)]
pub(super) struct Delegation {
    pub(super) at: Spot,
    /// Roles and grants that make an administrator.
    pub(super) administrators: Option<Vec<Named>>,
    /// What holds for users of every family.
    pub(super) of_all: Delegated,
    /// What holds for the users of one.
    pub(super) families: Vec<(Named, Delegated)>,
    pub(super) has_families: bool,
    /// Rules that are switched off.
    pub(super) off: Vec<delegation::Rule>,
}

/// What the operations on some users ask.
#[derive(Debug)]
pub(super) struct Delegated {
    pub(super) at: Spot,
    pub(super) user: Option<Named>,
    pub(super) assignment: Option<Named>,
    pub(super) invitation: Option<Named>,
    pub(super) session: Option<Named>,
    pub(super) log: Option<Named>,
    pub(super) actions: Needed,
}

/// The actions that operations need.
#[derive(Debug)]
pub(super) enum Needed {
    /// One for all.
    Always(Named),
    /// By the names of the operations.
    Each(Vec<(String, Named)>),
}

/// A route, with what the groups around it say.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) at: Spot,
    pub(super) name: Option<Named>,
    pub(super) hosts: Vec<Named>,
    pub(super) methods: Vec<Named>,
    /// The whole path, where some part of it is said.
    pub(super) path: Option<Named>,
    /// The place that says whether it is public.
    pub(super) public: Option<(bool, Spot)>,
    pub(super) action: Option<Named>,
    pub(super) resource: Option<Named>,
    pub(super) tenant: Option<Named>,
    /// Each with the file of its value.
    pub(super) attributes: Vec<(Named, Text, Node)>,
    pub(super) context: Vec<(Named, Text, Node)>,
}
