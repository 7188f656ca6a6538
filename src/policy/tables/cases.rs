//! Policy tests.

use super::{ACTIONS, ATTRIBUTE_VALUES, DESCRIPTION, NAME};
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
        Field::required("cases", Shape::list(&Shape::record(&CASE), "a list of cases"), "The questions."),
    ],
};

static CASE: Table = Table {
    name: "case",
    noun: "a case",
    meaning: "A question with the expected answer; where it lists users, actions or resources, one for each combination.",
    fields: &[
        NAME,
        Field::new(
            "rule",
            Shape::one_of(
                &[Shape::text("the id of a rule"), Shape::list(&Shape::TEXT, "a list of rule ids")],
                "the id of a rule, or a list of them",
            ),
            "The documented rules that the case holds.",
        ),
        Field::required(
            "user",
            Shape::one_of(
                &[Shape::text("the id of a user"), Shape::list(&Shape::TEXT, "a list of user ids")],
                "the id of a user, or a list of them",
            ),
            "Who asks.",
        ),
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
        Field::new("tenant", Shape::text("the id of a tenant"), "The tenant that the request names."),
        Field::new("attributes", ATTRIBUTE_VALUES, "The resource's attributes."),
        Field::new("context", ATTRIBUTE_VALUES, "The request's context."),
        Field::new("at", Shape::TIME, "When it is asked."),
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
