//! Roles, their cells and rights, and the conditions of both.

use super::{ACTIONS, AREAS, ATTRIBUTES, DESCRIPTION, LEVEL, NAME, ROLES};
use crate::document::{Field, Map, Shape, Table};

pub(super) static CONDITION: Table = Table {
    name: "condition",
    noun: "a condition",
    meaning: "What must hold for a cell to count.",
    fields: &[
        DESCRIPTION,
        Field::new(
            "parameters",
            ATTRIBUTES,
            "What each use of it has to say, with the types; `?limit` stands for it in the expression.",
        ),
        Field::required(
            "cedar",
            Shape::text("a text in Cedar"),
            "A Cedar expression over principal, action, resource and context. `?rank` and `?family` are those of the \
             role that uses it.",
        ),
    ],
};

pub(super) static RIGHT: Table = Table {
    name: "right",
    noun: "a right",
    meaning: "An action on a module, under a name of its own.",
    fields: &[
        NAME,
        DESCRIPTION,
        Field::required("action", Shape::text("a right such as `orders:read`"), "The module and the action."),
        Field::new("when", WHEN, "The condition that must hold; of several, all."),
    ],
};

pub(super) static ROLE: Table = Table {
    name: "role",
    noun: "a role",
    meaning: "What its holders may do.",
    fields: &[
        NAME,
        DESCRIPTION,
        Field::new("rank", Shape::INT, "Its rank, where ranks matter; 0 is the highest."),
        Field::new("family", Shape::text("the id of a family"), "The family of users that it belongs to."),
        Field::new("includes", ROLES, "Roles whose cells count for it too."),
        Field::new(
            "grants",
            Shape::map(&CELLS, "a mapping from modules to what is granted"),
            "Its cells, a module each. `\"*\"` stands for every module that has no cell of its own.",
        ),
        Field::new(
            "rights",
            Shape::one_of(
                &[
                    Shape::choice(&["all"], "`all`"),
                    Shape::list(&Shape::text("a right"), "a list of rights"),
                    Shape::record(&ALL_BUT),
                ],
                "a list of rights, `all`, or `all_but`",
            ),
            "Its rights: names of `rights`, or `module:action`. `all` stands for all that have a name.",
        ),
    ],
};

static ALL_BUT: Table = Table {
    name: "all-but",
    noun: "a mapping with `all_but`",
    meaning: "All rights that have a name, but for a few.",
    fields: &[Field::required(
        "all_but",
        Shape::list(&Shape::text("the name of a right"), "a list of rights"),
        "The rights that the role does not have.",
    )],
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
        Field::new("when", WHEN, "The condition that must hold; of several, all."),
        Field::new("areas", AREAS, "The areas that it is limited to."),
    ],
};

/// Conditions in use: by name, and with arguments where they have parameters.
const WHEN: Shape = Shape::one_of(
    &[
        CONDITION_NAME,
        Shape::list(&Shape::one_of(&[CONDITION_NAME, WITH_ARGUMENTS], USE), "a list of conditions"),
        WITH_ARGUMENTS,
    ],
    "the name of a condition, one with arguments, or a list of them",
);
const CONDITION_NAME: Shape = Shape::text("the name of a condition");
const USE: &str = "the name of a condition, or one with arguments";
const WITH_ARGUMENTS: Shape = Shape::map(
    &Shape::map(&Shape::ANY, "a mapping from parameters to values"),
    "a condition with arguments, such as `{ up-to: { limit: 100 } }`",
);

/// Whether a mapping has no key that a cell has not.
pub(in crate::policy) fn is_cell(map: &Map) -> bool {
    map.iter().all(|entry| CELL.fields.iter().any(|field| field.name == entry.key))
}
