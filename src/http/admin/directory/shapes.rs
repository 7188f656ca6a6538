//! What the directory's bodies look like, for the documents. The directory reads them itself, to tell every problem with its place.
#![expect(dead_code, reason = "these types tell what the directory takes; nothing is made of them")]

use schemars::JsonSchema;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A new user. Roles are given once the user exists.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct NewUser {
    /// Names the user in requests; made up where it is left out.
    #[schemars(length(min = 1, max = 128), extend("type" = "string"))]
    id: Option<String>,
    /// Unique, and fixed from now on.
    #[schemars(email)]
    email: String,
    #[schemars(length(min = 1, max = 100))]
    first_name: String,
    #[schemars(length(min = 1, max = 100))]
    middle_name: Option<String>,
    #[schemars(length(min = 1, max = 100))]
    last_name: String,
    gender: Option<Gender>,
    #[schemars(regex(pattern = PHONE), length(max = 32))]
    phone: Option<String>,
    #[schemars(length(min = 1, max = 100))]
    job: Option<String>,
    /// Without it the system's.
    #[schemars(regex(pattern = LANGUAGE), length(max = 35))]
    language: Option<String>,
    family: Option<String>,
    /// Attributes that the policy set declares and that hold one value.
    #[schemars(default, with = "Map<String, Value>")]
    attributes: Option<Map<String, Value>>,
    /// Without it `invited`.
    #[schemars(default, with = "NewStatus")]
    status: Option<NewStatus>,
    /// Whether an activation link goes out by mail (`mail`, as without it), or the user is active at once (`none`).
    #[schemars(default, with = "Activation")]
    activation: Option<Activation>,
}

/// A change of a user. What is left out stays, `null` takes away.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct UserChange {
    #[schemars(length(min = 1, max = 100), default, extend("type" = "string"))]
    first_name: Option<String>,
    #[schemars(length(min = 1, max = 100))]
    middle_name: Option<String>,
    #[schemars(length(min = 1, max = 100), default, extend("type" = "string"))]
    last_name: Option<String>,
    gender: Option<Gender>,
    #[schemars(regex(pattern = PHONE), length(max = 32))]
    phone: Option<String>,
    #[schemars(length(min = 1, max = 100))]
    job: Option<String>,
    #[schemars(regex(pattern = LANGUAGE), length(max = 35))]
    language: Option<String>,
    #[schemars(default, with = "Map<String, Value>")]
    attributes: Option<Map<String, Value>>,
    /// Cannot be changed; the one that the user has is taken.
    #[schemars(email, default, extend("type" = "string"))]
    email: Option<String>,
}

/// A telephone number, as far as a pattern can tell.
const PHONE: &str = r"^\+?[0-9 ./()-]*[0-9][0-9 ./()-]*[0-9][0-9 ./()-]*[0-9][0-9 ./()-]*$";
/// A language tag.
const LANGUAGE: &str = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$";

#[derive(JsonSchema)]
enum Gender {
    F,
    M,
    U,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum NewStatus {
    Invited,
    Active,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Activation {
    Mail,
    None,
}

/// What is given, or taken away.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Assigning {
    /// A preset: its gates and levels.
    preset: Option<String>,
    #[schemars(default, with = "Option<Vec<RoleOr>>")]
    roles: Option<Vec<RoleOr>>,
    /// Levels by module.
    grants: Option<BTreeMap<String, LevelOr>>,
    gates: Option<Vec<GateOr>>,
    /// Values of attributes that hold several, such as channels.
    attributes: Option<BTreeMap<String, Vec<Value>>>,
    /// For all that names no end of its own.
    #[schemars(extend("format" = "date-time"))]
    until: Option<String>,
    /// For all that names no reason of its own.
    #[schemars(length(max = 500))]
    why: Option<String>,
}

/// A role by its id, or with its end and reason.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum RoleOr {
    Id(String),
    Given {
        role: String,
        #[schemars(extend("format" = "date-time"))]
        until: Option<String>,
        #[schemars(length(max = 500))]
        why: Option<String>,
    },
}

/// A gate by its id, or with its end and reason.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum GateOr {
    Id(String),
    Given {
        gate: String,
        #[schemars(extend("format" = "date-time"))]
        until: Option<String>,
        #[schemars(length(max = 500))]
        why: Option<String>,
    },
}

/// A level by its name, or with its end and reason.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum LevelOr {
    Name(String),
    Given {
        level: String,
        #[schemars(extend("format" = "date-time"))]
        until: Option<String>,
        #[schemars(length(max = 500))]
        why: Option<String>,
    },
}

/// An invitation of somebody new, or of a user who is there already.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct NewInvitation {
    /// Where the letter goes.
    #[schemars(email)]
    email: String,
    /// The id of the new user; made up where it is left out.
    #[schemars(length(min = 1, max = 128))]
    user: Option<String>,
    /// What is given on accepting, in the tenant of the call.
    #[schemars(default, with = "Assigning")]
    assignments: Option<Assigning>,
    #[schemars(length(min = 1, max = 100), default, extend("type" = "string"))]
    first_name: Option<String>,
    #[schemars(length(min = 1, max = 100))]
    middle_name: Option<String>,
    #[schemars(length(min = 1, max = 100), default, extend("type" = "string"))]
    last_name: Option<String>,
    gender: Option<Gender>,
    #[schemars(regex(pattern = PHONE), length(max = 32))]
    phone: Option<String>,
    #[schemars(length(min = 1, max = 100))]
    job: Option<String>,
    /// In which the letter is written.
    #[schemars(regex(pattern = LANGUAGE), length(max = 35))]
    language: Option<String>,
    #[schemars(default, with = "Map<String, Value>")]
    attributes: Option<Map<String, Value>>,
}

/// A change of what an open invitation gives.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct InvitationChange {
    assignments: Assigning,
}

/// The token of a link, and who came.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Acceptance {
    /// The token of the link.
    token: String,
    #[schemars(length(min = 1, max = 100), default, extend("type" = "string"))]
    first_name: Option<String>,
    #[schemars(length(min = 1, max = 100))]
    middle_name: Option<String>,
    #[schemars(length(min = 1, max = 100), default, extend("type" = "string"))]
    last_name: Option<String>,
    gender: Option<Gender>,
    #[schemars(regex(pattern = PHONE), length(max = 32))]
    phone: Option<String>,
    #[schemars(length(min = 1, max = 100))]
    job: Option<String>,
    #[schemars(regex(pattern = LANGUAGE), length(max = 35))]
    language: Option<String>,
}
