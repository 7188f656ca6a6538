//! The fields of policy files and policy tests: one table for the check of keys and types, and for the JSON Schemas.

mod cases;
mod delegation;
mod roles;
mod routes;
mod users;

pub(super) use cases::TESTS;
pub(super) use roles::is_cell;
pub(super) use users::{GIVEN_PRESET, GRANTED};

use crate::document::{Field, Shape, Table};
use delegation::DELEGATION;
use roles::{CONDITION, RIGHT, ROLE};
use routes::ROUTES;
use users::USER;

const NAME: Field = Field::new("name", Shape::TEXT, "The name to show.");
const DESCRIPTION: Field = Field::new("description", Shape::TEXT, "What it is for.");

const ACTIONS: Shape = Shape::list(&Shape::text("the name of an action"), "a list of action names");
const LEVELS: Shape = Shape::list(&Shape::text("the name of a level"), "a list of level names");
const MODULES: Shape = Shape::list(&Shape::text("the id of a module"), "a list of module ids");
const AREAS: Shape = Shape::list(&Shape::text("the id of an area"), "a list of area ids");
const GATES: Shape = Shape::list(&Shape::text("the id of a gate"), "a list of gate ids");
const ROLES: Shape = Shape::list(&Shape::text("the id of a role"), "a list of role ids");
const ATTRIBUTE_VALUES: Shape = Shape::map(&Shape::ANY, "a mapping from names to values");
const LEVEL: Shape = Shape::text("the name of a level");

/// A type is a name such as `String`, `User`, `Set<String>`, or a mapping: a record.
const TYPE: Shape = Shape::one_of(
    &[Shape::text("the name of a type"), Shape::map(&Shape::ANY, "a mapping from names to types")],
    "a type such as `String`, `User` or `Set<String>`",
);
const ATTRIBUTES: Shape = Shape::map(&TYPE, "a mapping from attribute names to types");

/// Any `*.yaml` of a policy set outside `tests/`.
pub(super) static SET: Table = Table {
    name: "policy-set",
    noun: "a policy file",
    meaning: "A part of a Sidegate policy set. Every file may hold any of the sections; a name may be defined once.",
    fields: &[
        Field::new("policy_set", Shape::TEXT, "The name of the policy set."),
        Field::new("description", Shape::TEXT, "What the policy set is for."),
        Field::new(
            "tenancy",
            Shape::choice(&["required", "none"], "`required` or `none`"),
            "Whether roles are given per tenant (`required`) or there are no tenants (`none`, the default).",
        ),
        Field::new(
            "sessions",
            Shape::choice(&["required", "none"], "`required` or `none`"),
            "Whether users with no open session are denied everything (`required`) or sessions do not matter (`none`, the default).",
        ),
        Field::new("tenants", TENANTS, "The tenants, where the set knows them: a list of ids, or a mapping from ids."),
        Field::new(
            "levels",
            Shape::map(
                &Shape::one_of(&[ACTIONS, Shape::record(&LEVEL_TABLE)], "a list of action names, or a level"),
                "a mapping from names to levels",
            ),
            "Named sets of actions.",
        ),
        Field::new(
            "modules",
            Shape::map(&Shape::optional(&Shape::record(&MODULE)), "a mapping from ids to modules"),
            "The parts of the application, with the resources that belong to them.",
        ),
        Field::new(
            "conditions",
            Shape::map(&Shape::record(&CONDITION), "a mapping from names to conditions"),
            "Named conditions for cells.",
        ),
        Field::new(
            "roles",
            Shape::map(&Shape::record(&ROLE), "a mapping from ids to roles"),
            "Roles: what each may do on each module.",
        ),
        Field::new(
            "rights",
            Shape::map(
                &Shape::one_of(
                    &[Shape::text("a right such as `orders:read`"), Shape::record(&RIGHT)],
                    "a right such as `orders:read`",
                ),
                "a mapping from names to rights",
            ),
            "Named rights: an action on a module each.",
        ),
        Field::new(
            "families",
            Shape::map(&Shape::optional(&Shape::record(&FAMILY)), "a mapping from ids to families"),
            "The families that users belong to, where there are several. A user has roles of one family alone.",
        ),
        Field::new(
            "gates",
            Shape::map(&Shape::optional(&Shape::record(&GATE)), "a mapping from ids to gates"),
            "Switches that modules sit behind.",
        ),
        Field::new(
            "presets",
            Shape::map(&Shape::record(&PRESET), "a mapping from ids to presets"),
            "Named configurations of gates and levels.",
        ),
        Field::new(
            "menu",
            Shape::map(&Shape::optional(&Shape::record(&MENU_ITEM)), "a mapping from ids to menu items"),
            "Menu items with the gate and the modules that they need.",
        ),
        Field::new(
            "users",
            Shape::map(&Shape::optional(&Shape::record(&USER)), "a mapping from ids to users"),
            "Declared users. They are read-only at run time; the directory holds the others.",
        ),
        Field::new(
            "values",
            Shape::map(
                &Shape::list(&Shape::text("a value"), "a list of values"),
                "a mapping from names to lists of values",
            ),
            "Types whose values are listed, such as sales channels; attributes may have them.",
        ),
        Field::new(
            "read_actions",
            ACTIONS,
            "The actions that only look. Whoever has no other on a module has it read-only, else in full.",
        ),
        Field::new("context", ATTRIBUTES, "What requests may say about their circumstances, with its types."),
        Field::new("user_attributes", ATTRIBUTES, "Attributes that users may have, with their types."),
        Field::new(
            "delegation",
            Shape::record(&DELEGATION),
            "Who may administer users in the directory. Without it nobody may but operators.",
        ),
        Field::new(
            "routes",
            ROUTES,
            "Which question an HTTP request is that a proxy asks about. Without a route it is denied.",
        ),
    ],
};

static TENANTS: Shape = Shape::one_of(
    &[
        Shape::list(&Shape::text("the id of a tenant"), "a list of tenant ids"),
        Shape::map(&Shape::optional(&Shape::record(&TENANT)), "a mapping from ids to tenants"),
    ],
    "a list of tenant ids, or a mapping from ids to tenants",
);

static TENANT: Table = Table {
    name: "tenant",
    noun: "a tenant",
    meaning: "A supplier, an organization or a shop.",
    fields: &[NAME, DESCRIPTION],
};

static LEVEL_TABLE: Table = Table {
    name: "level",
    noun: "a level",
    meaning: "A named set of actions.",
    fields: &[
        DESCRIPTION,
        Field::new("includes", LEVELS, "Levels whose actions belong to it too."),
        Field::new("actions", ACTIONS, "Its own actions."),
        Field::new(
            "module_actions",
            Shape::BOOL,
            "Whether it also has the actions that a module declares of its own, such as `update_status`.",
        ),
    ],
};

static MODULE: Table = Table {
    name: "module",
    noun: "a module",
    meaning: "A part of the application.",
    fields: &[
        NAME,
        DESCRIPTION,
        Field::new(
            "resources",
            Shape::one_of(
                &[
                    Shape::list(&Shape::text("the name of a resource type"), "a list of resource types"),
                    Shape::map(&Shape::optional(&ATTRIBUTES), "a mapping from resource types to attributes"),
                ],
                "a list of resource types, or a mapping from resource types to attributes",
            ),
            "The resource types that belong to it, with the attributes that requests may give.",
        ),
        Field::new("actions", ACTIONS, "Its own actions, beyond those of the levels."),
        Field::new(
            "only",
            ACTIONS,
            "Exactly its actions, where it lacks some of those of the levels. Instead of `actions`.",
        ),
        Field::new(
            "areas",
            AREAS,
            "Parts of it that roles may be limited to. A resource belongs to the area of its id.",
        ),
        Field::new("gates", GATES, "It is reached only by users for whom one of these gates is open."),
    ],
};

static FAMILY: Table = Table {
    name: "family",
    noun: "a family",
    meaning: "A family of users, such as those of a store's app.",
    fields: &[NAME, DESCRIPTION],
};

static GATE: Table =
    Table { name: "gate", noun: "a gate", meaning: "A switch that modules sit behind.", fields: &[NAME, DESCRIPTION] };

static PRESET: Table = Table {
    name: "preset",
    noun: "a preset",
    meaning: "A named configuration of gates and levels.",
    fields: &[
        NAME,
        DESCRIPTION,
        Field::new("gates", GATES, "The gates that are open."),
        Field::new(
            "modules",
            Shape::map(&LEVEL, "a mapping from modules to levels"),
            "The level on each module. `\"*\"` stands for every module that is not named.",
        ),
    ],
};

static MENU_ITEM: Table = Table {
    name: "menu-item",
    noun: "a menu item",
    meaning: "An item of the application's menu.",
    fields: &[
        NAME,
        DESCRIPTION,
        Field::new("gate", Shape::text("the id of a gate"), "The gate that must be open."),
        Field::new("modules", MODULES, "The modules of which some action must be granted, on each."),
    ],
};
