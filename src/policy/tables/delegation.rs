//! Who may administer whom.

use crate::document::{Field, Shape, Table};

const TARGET: Shape = Shape::text("a resource type or module, such as `user` or `setting:users`");
const ACTION: Shape = Shape::text("the name of an action");

static ONE_OR_EACH: [Shape; 2] = [ACTION, Shape::record(&OPERATIONS)];
const NEEDED: Shape = Shape::one_of(&ONE_OR_EACH, "the name of an action, or one for each operation");

const USER: Field = Field::new("user", TARGET, "What the question is about where a user is concerned.");
const ASSIGNMENT: Field = Field::new(
    "assignment",
    TARGET,
    "What it is about besides, where something is given or taken. As `user` unless said otherwise.",
);
const INVITATION: Field = Field::new(
    "invitation",
    TARGET,
    "What it is about where an invitation is concerned. As `user` unless said otherwise.",
);
const SESSION: Field =
    Field::new("session", TARGET, "What it is about where a session is concerned. As `user` unless said otherwise.");
const LOG: Field =
    Field::new("log", TARGET, "What it is about where the records of changes are. As `user` unless said otherwise.");
const ACTIONS: Field = Field::new(
    "actions",
    NEEDED,
    "The action that each operation of the directory needs. What is left out is not allowed to anybody.",
);

/// The section `delegation`.
pub(super) static DELEGATION: Table = Table {
    name: "delegation",
    noun: "a delegation",
    meaning: "Who may do what to whom in the directory of users: which question of the set each operation is.",
    fields: &[
        Field::new(
            "administrators",
            Shape::list(
                &Shape::text("the id of a role, or a grant such as `users/owner`"),
                "a list of roles and grants",
            ),
            "The roles and grants that make an administrator. The last one of a tenant stays one.",
        ),
        USER,
        ASSIGNMENT,
        INVITATION,
        SESSION,
        LOG,
        ACTIONS,
        Field::new(
            "families",
            Shape::map(&Shape::record(&OF_FAMILY), "a mapping from families to delegations"),
            "The same for each family of users, where there are several. A family that is left out is administered by nobody.",
        ),
        Field::new(
            "rules",
            Shape::record(&RULES),
            "Rules that hold beside what is granted. All of them do unless they are switched off.",
        ),
    ],
};

static OF_FAMILY: Table = Table {
    name: "delegation-of-family",
    noun: "a delegation",
    meaning: "Who may do what to the users of one family.",
    fields: &[USER, ASSIGNMENT, INVITATION, SESSION, LOG, ACTIONS],
};

/// The operations, with the one whose action each has where it is not named.
static OPERATIONS: Table = Table {
    name: "delegated-actions",
    noun: "a mapping of operations",
    meaning: "The action that each operation of the directory needs.",
    fields: &[
        Field::new("view", ACTION, "To list users and to see what they have."),
        Field::new("create", ACTION, "To create a user."),
        Field::new("change", ACTION, "To change a user's profile."),
        Field::new("delete", ACTION, "To delete a user."),
        Field::new("suspend", ACTION, "To suspend a user; as `change` unless said otherwise."),
        Field::new("reactivate", ACTION, "To end a suspension; as `suspend` unless said otherwise."),
        Field::new(
            "assign",
            ACTION,
            "To give and to take roles, grants, gates and values; as `change` unless said otherwise.",
        ),
        Field::new("invite", ACTION, "To invite, and to change an invitation; as `create` unless said otherwise."),
        Field::new("revoke", ACTION, "To revoke an invitation; as `invite` unless said otherwise."),
        Field::new("invitations", ACTION, "To list invitations; as `view` unless said otherwise."),
        Field::new("sessions", ACTION, "To list sessions; as `view` unless said otherwise."),
        Field::new("end_session", ACTION, "To end a session; as `suspend` unless said otherwise."),
        Field::new("log", ACTION, "To see the records of changes; as `view` unless said otherwise."),
        Field::new("review", ACTION, "To see who has what, and why; as `view` unless said otherwise."),
        Field::new("export", ACTION, "To export users; as `view` unless said otherwise."),
        Field::new("import", ACTION, "To create users by import; as `create` unless said otherwise."),
    ],
};

static RULES: Table = Table {
    name: "delegation-rules",
    noun: "a mapping of rules",
    meaning: "Rules that are switched off. All hold unless `false` stands here.",
    fields: &[
        Field::new("own_account", Shape::BOOL, "Nobody changes what the own account has, its status, or deletes it."),
        Field::new(
            "rank",
            Shape::BOOL,
            "Nobody gives or takes a role of a higher rank, or touches a user who has one.",
        ),
        Field::new("family", Shape::BOOL, "Nobody touches users of another family."),
        Field::new(
            "tenant",
            Shape::BOOL,
            "Users of several tenants are changed in person by those alone who may do so in all of them.",
        ),
        Field::new("only_held", Shape::BOOL, "Nobody gives what goes beyond the own access."),
        Field::new("last_administrator", Shape::BOOL, "The last administrator of a tenant stays one."),
    ],
};
