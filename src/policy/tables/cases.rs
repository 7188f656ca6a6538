//! Policy tests.

use super::{ACTIONS, ATTRIBUTE_VALUES, DESCRIPTION, NAME, users::USER};
use crate::{
    document::{Field, Shape, Table},
    model::ReasonCode,
};

/// The codes of all reasons, as tests may expect them.
const REASONS: [&str; ReasonCode::ALL.len()] = {
    let mut codes = [""; ReasonCode::ALL.len()];
    let mut at = 0;
    while at < codes.len() {
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler, which would refuse an index beyond the end"
        )]
        {
            codes[at] = ReasonCode::ALL[at].as_str();
        }
        at += 1;
    }
    codes
};

/// Any `*.yaml` under `tests/`.
pub(in crate::policy) static TESTS: Table = Table {
    name: "policy-tests",
    noun: "a file of policy tests",
    meaning: "Questions with the expected answers. They run against the declared users of the policy set.",
    fields: &[
        Field::new("policy_tests", Shape::TEXT, "What the tests are about."),
        DESCRIPTION,
        Field::new(
            "at",
            Shape::TIME,
            "When the questions are asked, unless a case says otherwise. Without it nothing has expired.",
        ),
        Field::new(
            "users",
            Shape::map(&Shape::optional(&Shape::record(&USER)), "a mapping from ids to users"),
            "Users that there are for the tests alone, as the policy set declares others.",
        ),
        Field::new("cases", Shape::list(&Shape::record(&CASE), "a list of cases"), "Questions with their answers."),
        Field::new("tables", Shape::list(&Shape::record(&TABLE), "a list of tables"), "Tables of users and resources."),
        Field::new("menus", Shape::list(&Shape::record(&MENU), "a list of menus"), "What users see of the menu."),
        Field::new(
            "presets",
            Shape::list(&Shape::record(&PRESET), "a list of presets"),
            "The names of the users' configurations.",
        ),
        Field::new(
            "routes",
            Shape::list(&Shape::record(&ROUTE), "a list of requests"),
            "HTTP requests with the questions that they are, and their answers.",
        ),
    ],
};

const RULE: Field = Field::new(
    "rule",
    Shape::one_of(
        &[Shape::text("the id of a rule"), Shape::list(&Shape::TEXT, "a list of rule ids")],
        "the id of a rule, or a list of them",
    ),
    "The documented rules that it holds.",
);
const USERS: Field = Field::required(
    "user",
    Shape::one_of(
        &[Shape::text("the id of a user"), Shape::list(&Shape::TEXT, "a list of user ids")],
        "the id of a user, or a list of them",
    ),
    "Who asks.",
);
const TENANT: Field = Field::new("tenant", Shape::text("the id of a tenant"), "The tenant that the request names.");
const AT: Field = Field::new("at", Shape::TIME, "When it is asked.");
const SESSION: Field = Field::new(
    "session",
    Shape::choice(&["open", "none"], "`open` or `none`"),
    "Whether the user is logged in. `open` unless said otherwise; it matters where the set demands sessions.",
);
const RESOURCE_ATTRIBUTES: Field = Field::new("attributes", ATTRIBUTE_VALUES, "The resource's attributes.");
const CONTEXT: Field = Field::new("context", ATTRIBUTE_VALUES, "The request's context.");

static TABLE: Table = Table {
    name: "table",
    noun: "a table",
    meaning: "Users and resources: each cell says all that is allowed there, and every other action of the module is denied.",
    fields: &[
        NAME,
        RULE,
        TENANT,
        SESSION,
        AT,
        RESOURCE_ATTRIBUTES,
        CONTEXT,
        Field::new("reason", Shape::choice(&REASONS, "a reason code"), "The reason code of everything that is denied."),
        Field::required(
            "columns",
            Shape::list(
                &Shape::one_of(&[RESOURCE_TEXT, Shape::record(&RESOURCE)], "a resource"),
                "a list of resources",
            ),
            "The resources, as in `resource` of a case.",
        ),
        Field::required(
            "rows",
            Shape::map(
                &Shape::list(
                    &Shape::one_of(
                        &[Shape::text("a level, `all` or `none`"), ACTIONS],
                        "a level, `all`, `none`, or a list of action names",
                    ),
                    "a list of cells",
                ),
                "a mapping from users to lists of cells",
            ),
            "The users, each with a cell for each column.",
        ),
    ],
};

static MENU: Table = Table {
    name: "menu-test",
    noun: "a menu",
    meaning: "What users see of the menu.",
    fields: &[
        NAME,
        RULE,
        USERS,
        TENANT,
        AT,
        Field::new(
            "visible",
            Shape::list(&Shape::text("the id of a menu item"), "a list of menu items"),
            "Exactly the visible items.",
        ),
        Field::new(
            "missing",
            Shape::map(
                &Shape::list(&Shape::text("what is missing"), "a list such as `[\"gate:backoffice\"]`"),
                "a mapping from menu items to what is missing",
            ),
            "What is missing for hidden items: `gate:` or `module:` with an id.",
        ),
    ],
};

static PRESET: Table = Table {
    name: "preset-test",
    noun: "a preset",
    meaning: "The name of a configuration.",
    fields: &[
        NAME,
        RULE,
        USERS,
        TENANT,
        AT,
        Field::required("preset", Shape::text("the id of a preset, or `custom`"), "The preset, or `custom`."),
    ],
};

static ROUTE: Table = Table {
    name: "route-test",
    noun: "a request",
    meaning: "An HTTP request with the question that it is, and the answer; where it lists requests or users, one for each combination.",
    fields: &[
        NAME,
        RULE,
        Field::required(
            "request",
            Shape::one_of(
                &[
                    Shape::text("a request line"),
                    Shape::list(&Shape::text("a request line"), "a list of request lines"),
                ],
                "a request line such as `GET /orders/o-1`, or a list of them",
            ),
            "The request line, `GET /orders/o-1`; with the host where it matters, `GET https://api.example.com/orders/o-1`.",
        ),
        Field::new(USERS.name, USERS.shape, "Who asks. Without it nobody says who."),
        Field::new("headers", Shape::map(&Shape::TEXT, "a mapping from names to texts"), "The headers of the request."),
        Field::new("claims", ATTRIBUTE_VALUES, "The claims of the token that says who asks."),
        Field::new("ip", Shape::text("an IP address"), "The address of the client."),
        SESSION,
        AT,
        Field::required("expect", Shape::choice(&["allow", "deny"], "`allow` or `deny`"), "The expected decision."),
        Field::new("reason", Shape::choice(&REASONS, "a reason code"), "The expected reason code."),
        Field::new("route", Shape::text("the name of a route"), "The name of the expected route, `GET /orders/{id}`."),
        Field::new("action", Shape::text("the name of an action"), "The expected action."),
        Field::new("resource", RESOURCE_TEXT, "The expected resource, with its id."),
        Field::new("tenant", Shape::text("the id of a tenant"), "The expected tenant."),
    ],
};

static CASE: Table = Table {
    name: "case",
    noun: "a case",
    meaning: "A question with the expected answer; where it lists users, actions or resources, one for each combination.",
    fields: &[
        NAME,
        RULE,
        USERS,
        Field::required(
            "action",
            Shape::one_of(&[Shape::text("the name of an action"), ACTIONS], "the name of an action, or a list of them"),
            "What is to be done.",
        ),
        Field::required(
            "resource",
            Shape::one_of(
                &[
                    RESOURCE_TEXT,
                    Shape::record(&RESOURCE),
                    Shape::list(
                        &Shape::one_of(&[RESOURCE_TEXT, Shape::record(&RESOURCE)], "a resource"),
                        "a list of resources",
                    ),
                ],
                "a resource such as `order` or `order:o-1`, or a list of them",
            ),
            "What it is to be done to: a resource type or a module, with `:id` where the id matters.",
        ),
        TENANT,
        SESSION,
        RESOURCE_ATTRIBUTES,
        CONTEXT,
        AT,
        Field::required("expect", Shape::choice(&["allow", "deny"], "`allow` or `deny`"), "The expected decision."),
        Field::new("reason", Shape::choice(&REASONS, "a reason code"), "The expected reason code."),
        Field::new(
            "policies",
            Shape::list(&Shape::text("the id of a policy"), "a list of policy ids"),
            "The expected determining policies, in the order of the set.",
        ),
    ],
};

const RESOURCE_TEXT: Shape = Shape::text("a resource such as `order` or `order:o-1`");

static RESOURCE: Table = Table {
    name: "resource",
    noun: "a resource",
    meaning: "A resource by type and id.",
    fields: &[
        Field::required("type", Shape::text("a resource type or module"), "Its type, or a module."),
        Field::new("id", Shape::TEXT, "Its id."),
    ],
};
