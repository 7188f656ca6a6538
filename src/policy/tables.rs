//! The fields of policy files and policy tests: one table for the check of keys and types, and for the JSON Schemas.

mod cases;
mod users;

pub(super) use cases::TESTS;
pub(super) use users::GRANTED;

use crate::document::{Field, Map, Shape, Table};
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
        Field::new("context", ATTRIBUTES, "What requests may say about their circumstances, with its types."),
        Field::new("user_attributes", ATTRIBUTES, "Attributes that users may have, with their types."),
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

static CONDITION: Table = Table {
    name: "condition",
    noun: "a condition",
    meaning: "What must hold for a cell to count.",
    fields: &[
        DESCRIPTION,
        Field::required(
            "cedar",
            Shape::text("a text in Cedar"),
            "A Cedar expression over principal, action, resource and context.",
        ),
    ],
};

static ROLE: Table = Table {
    name: "role",
    noun: "a role",
    meaning: "What its holders may do.",
    fields: &[
        NAME,
        DESCRIPTION,
        Field::new("rank", Shape::INT, "Its rank, where ranks matter; 0 is the highest."),
        Field::new("family", Shape::TEXT, "The family of users that it belongs to, where there are several."),
        Field::new("includes", ROLES, "Roles whose cells count for it too."),
        Field::new(
            "grants",
            Shape::map(&CELLS, "a mapping from modules to what is granted"),
            "Its cells, a module each. `\"*\"` stands for every module that has no cell of its own.",
        ),
    ],
};

/// What stands for one module in a role.
static CELLS: Shape = Shape::one_of(
    &[
        LEVEL,
        Shape::record(&CELL),
        Shape::list(
            &Shape::one_of(
                &[Shape::text("the name of an action"), Shape::record(&CELL)],
                "the name of an action, or a cell",
            ),
            "a list of action names, or of cells",
        ),
    ],
    "a level, a list of action names, or a cell with `level` or `actions`",
);

static CELL: Table = Table {
    name: "cell",
    noun: "a cell",
    meaning: "What a role grants on a module, and when.",
    fields: &[
        Field::new("level", LEVEL, "A level; `none` grants nothing."),
        Field::new("actions", ACTIONS, "Actions, instead of a level."),
        Field::new(
            "when",
            Shape::one_of(
                &[
                    Shape::text("the name of a condition"),
                    Shape::list(&Shape::text("the name of a condition"), "a list of condition names"),
                ],
                "the name of a condition, or a list of them",
            ),
            "The condition that must hold; of several, all.",
        ),
        Field::new("areas", AREAS, "The areas that it is limited to."),
    ],
};

/// Whether a mapping has no key that a cell has not.
pub(super) fn is_cell(map: &Map) -> bool {
    map.iter().all(|entry| CELL.fields.iter().any(|field| field.name == entry.key))
}

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
