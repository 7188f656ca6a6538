//! Users and what they are given.

use super::{ATTRIBUTE_VALUES, LEVEL};
use crate::document::{Field, Shape, Table};

pub(super) static USER: Table = Table {
    name: "user",
    noun: "a user",
    meaning: "A declared user.",
    fields: &[
        Field::new("name", Shape::TEXT, "The name to show."),
        Field::new("email", Shape::TEXT, "The mail address."),
        Field::new(
            "status",
            Shape::choice(&["active", "invited", "suspended"], "`active`, `invited` or `suspended`"),
            "Whether the user may act. `active` unless said otherwise.",
        ),
        Field::new("until", Shape::TIME, "From when on the user is denied everything."),
        Field::new(
            "family",
            Shape::text("the id of a family"),
            "The family that the user belongs to, where no role says it.",
        ),
        Field::new("attributes", ATTRIBUTE_VALUES, "Values of `user_attributes`."),
        Field::new("roles", ROLES_BY_TENANT, "The roles; with tenants, a list for each tenant."),
        Field::new(
            "grants",
            Shape::map(
                &Shape::one_of(
                    &[LEVEL, Shape::map(&Shape::ANY, "a mapping from modules to levels")],
                    "the name of a level, or a mapping from modules to levels",
                ),
                "a mapping from modules to levels, or from tenants to such mappings",
            ),
            "Levels on modules, given to this user directly; with tenants, a mapping for each tenant. `\"*\"` stands for \
             every module that is not named.",
        ),
        Field::new(
            "preset",
            PRESET_BY_TENANT,
            "The preset that gates and grants are those of; with tenants, one for each.",
        ),
        Field::new("gates", GATES_BY_TENANT, "The open gates; with tenants, a list for each tenant."),
    ],
};

static ASSIGNED_ROLES: Shape = Shape::list(
    &Shape::one_of(
        &[Shape::text("the id of a role"), Shape::record(&ASSIGNED_ROLE)],
        "the id of a role, or a role with `until` or `why`",
    ),
    "a list of roles",
);
static ASSIGNED_GATES: Shape = Shape::list(
    &Shape::one_of(
        &[Shape::text("the id of a gate"), Shape::record(&ASSIGNED_GATE)],
        "the id of a gate, or a gate with `until` or `why`",
    ),
    "a list of gates",
);
static ROLES_BY_TENANT: Shape = Shape::one_of(
    &[ASSIGNED_ROLES, Shape::map(&ASSIGNED_ROLES, "a mapping from tenants to lists of roles")],
    "a list of roles, or a mapping from tenants to lists of roles",
);
static GATES_BY_TENANT: Shape = Shape::one_of(
    &[ASSIGNED_GATES, Shape::map(&ASSIGNED_GATES, "a mapping from tenants to lists of gates")],
    "a list of gates, or a mapping from tenants to lists of gates",
);
static PRESET_BY_TENANT: Shape = Shape::one_of(
    &[
        Shape::text("the id of a preset"),
        Shape::map(&Shape::ANY, "a preset with `until` or `why`, or one for each tenant"),
    ],
    "the id of a preset, one with `until` or `why`, or one for each tenant",
);
const UNTIL: Field = Field::new("until", Shape::TIME, "From when on it no longer counts.");
const WHY: Field = Field::new("why", Shape::TEXT, "Why it was given.");

static ASSIGNED_ROLE: Table = Table {
    name: "assigned-role",
    noun: "an assigned role",
    meaning: "A role that a user was given.",
    fields: &[Field::required("role", Shape::text("the id of a role"), "The role."), UNTIL, WHY],
};
static ASSIGNED_GATE: Table = Table {
    name: "open-gate",
    noun: "an open gate",
    meaning: "A gate that is open for a user.",
    fields: &[Field::required("gate", Shape::text("the id of a gate"), "The gate."), UNTIL, WHY],
};
static ASSIGNED_PRESET: Table = Table {
    name: "assigned-preset",
    noun: "an assigned preset",
    meaning: "A preset that a user was given.",
    fields: &[Field::required("preset", Shape::text("the id of a preset"), "The preset."), UNTIL, WHY],
};
static ASSIGNED_LEVEL: Table = Table {
    name: "granted-level",
    noun: "a granted level",
    meaning: "A level on a module that a user was given.",
    fields: &[Field::required("level", LEVEL, "The level."), UNTIL, WHY],
};

/// The preset of a user, or of a user in one tenant.
pub(in crate::policy) static GIVEN_PRESET: Shape = Shape::one_of(
    &[Shape::text("the id of a preset"), Shape::record(&ASSIGNED_PRESET)],
    "the id of a preset, or a preset with `until` or `why`",
);

/// What a user has on one module.
pub(in crate::policy) static GRANTED: Shape =
    Shape::one_of(&[LEVEL, Shape::record(&ASSIGNED_LEVEL)], "the name of a level, or a level with `until` or `why`");
