//! `/v1/roles/{id}`: roles that are put together here.

use super::{
    By, CHANGING, Desk, ID, IF_MATCH, LOOKING, TENANT,
    by::InTenant,
    change::{Change, Deed, Shown},
    tag, tagged,
};
use crate::{
    config::Scope,
    directory::{Call, CustomRole, Directory},
    http::{
        admin::route::{Answer, Content, Facts, Route, Verb},
        management::Error,
    },
};
use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::on,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

const ROLE: &[Content] = &[Content::json::<CustomRoleView>()];

/// The routes.
pub(super) const ROUTES: &[Route<Desk>] = &[
    Route {
        facts: Facts {
            path: "/v1/roles/{id}",
            name: "getRole",
            summary: "A role that was put together here",
            scopes: &[Scope::Read, Scope::Directory],
            acts: true,
            parameters: &[ID, TENANT],
            answers: &[tagged(200, "The role", ROLE)],
            errors: LOOKING,
            ..Facts::BLANK
        },
        serve: |verb| on(verb, read),
    },
    Route {
        facts: Facts {
            verb: Verb::Put,
            path: "/v1/roles/{id}",
            name: "putRole",
            summary: "Put a role together, or change one",
            description: "Whoever has the role has the change with the next request, so it is judged for each of them.",
            scopes: &[Scope::Directory],
            acts: true,
            parameters: &[ID, TENANT, IF_MATCH],
            body: &[Content::json::<RoleShape>()],
            answers: &[tagged(200, "The role as it is now", ROLE), tagged(201, "The role is new", ROLE)],
            errors: CHANGING,
        },
        serve: |verb| on(verb, put),
    },
    Route {
        facts: Facts {
            verb: Verb::Delete,
            path: "/v1/roles/{id}",
            name: "deleteRole",
            summary: "Delete a role that nobody has",
            scopes: &[Scope::Directory],
            acts: true,
            parameters: &[ID, TENANT, IF_MATCH],
            answers: &[Answer::new(204, "It is gone", &[])],
            errors: CHANGING,
            ..Facts::BLANK
        },
        serve: |verb| on(verb, delete),
    },
];

/// A role to be put together: at least one grant or gate.
#[derive(JsonSchema)]
#[schemars(rename = "CustomRoleBody", deny_unknown_fields)]
#[expect(dead_code, reason = "tells what the directory takes; nothing is made of it")]
struct RoleShape {
    #[schemars(length(min = 1, max = 500))]
    name: Option<String>,
    #[schemars(length(min = 1, max = 500))]
    description: Option<String>,
    /// Levels by module.
    #[schemars(default, with = "BTreeMap<String, String>")]
    grants: Option<BTreeMap<String, String>>,
    #[schemars(default, with = "Vec<String>")]
    gates: Option<Vec<String>>,
}

/// A role that was put together here.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CustomRole")]
pub(super) struct CustomRoleView {
    id: String,
    name: Option<String>,
    description: Option<String>,
    /// The tenant whose administrators change it; none where operators alone do.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// Levels by module.
    grants: BTreeMap<String, String>,
    gates: Vec<String>,
    /// Whether the policy set declares a role of this name by now: then that one counts.
    shadowed: bool,
    /// Who put it together.
    by: String,
    created: String,
    updated: String,
    /// Grows with every change; the `ETag`.
    version: u64,
    /// How many users have it, in any tenant; told where one role is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    holders: Option<usize>,
}

impl CustomRoleView {
    pub(super) fn new(role: &CustomRole, shadowed: bool) -> Self {
        Self {
            id: role.id.clone(),
            name: role.name.clone(),
            description: role.description.clone(),
            tenant: role.tenant.clone(),
            grants: role.grants.clone(),
            gates: role.gates.clone(),
            shadowed,
            by: role.by.clone(),
            created: role.created.to_string(),
            updated: role.updated.to_string(),
            version: role.version,
            holders: None,
        }
    }
}

async fn read(
    State(desk): State<Desk>,
    by: By,
    Path(id): Path<String>,
    InTenant(tenant): InTenant,
) -> Result<Response, Error> {
    let listed = desk.look(by, tenant, move |directory, call| directory.read_role(call, &id)).await?;
    let view = CustomRoleView { holders: Some(listed.holders), ..CustomRoleView::new(&listed.role, listed.shadowed) };
    let mut response = Json(view).into_response();
    tag(&mut response, listed.role.version);
    Ok(response)
}

async fn put(State(desk): State<Desk>, Path(id): Path<String>, change: Change) -> Result<Response, Error> {
    let work = move |directory: &Directory, call: &Call<'_>, body: &Value| {
        let put = directory.put_role(call, &id, body)?;
        let shown = Shown::new(&CustomRoleView::new(&put.role, false)).version(put.role.version);
        Ok(if put.created { shown.created() } else { shown })
    };
    desk.answer(change, work).await
}

async fn delete(State(desk): State<Desk>, Path(id): Path<String>, Deed(deed): Deed) -> Result<Response, Error> {
    desk.answer(deed, move |directory, call, _| directory.delete_role(call, &id).map(|()| Shown::gone())).await
}
