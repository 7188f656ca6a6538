//! `/v1/roles` and `/v1/presets`: what the policy set has to give.

use super::{Desk, custom_roles::CustomRoleView};
use crate::{
    config::Scope,
    http::admin::route::{Answer, Content, Facts, Route},
    policy::Role,
};
use axum::{Json, extract::State, routing::on};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// The routes.
pub(super) const ROUTES: &[Route<Desk>] = &[
    Route {
        facts: Facts {
            path: "/v1/roles",
            name: "listRoles",
            summary: "The roles of the policy set, and those that were put together here",
            scopes: &[Scope::Read, Scope::Directory],
            answers: &[Answer::new(200, "All roles, in the order of the files", &[Content::json::<RolesView>()])],
            ..Facts::BLANK
        },
        serve: |verb| on(verb, roles),
    },
    Route {
        facts: Facts {
            path: "/v1/presets",
            name: "listPresets",
            summary: "The presets of the policy set",
            scopes: &[Scope::Read, Scope::Directory],
            answers: &[Answer::new(200, "All presets, in the order of the files", &[Content::json::<PresetsView>()])],
            ..Facts::BLANK
        },
        serve: |verb| on(verb, presets),
    },
];

/// The roles of the live policy set.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Roles")]
struct RolesView {
    items: Vec<RoleView>,
    /// Roles that were put together here, in order of their ids.
    custom: Vec<CustomRoleView>,
}

/// A role.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Role")]
struct RoleView {
    id: String,
    name: Option<String>,
    description: Option<String>,
    /// 0 is the highest; none where ranks do not matter.
    rank: Option<i64>,
    /// The family of users that the role belongs to.
    family: Option<String>,
    /// Roles whose grants count for it too.
    includes: Vec<String>,
    /// Its own grants.
    grants: Vec<CellView>,
}

/// What a role grants on one module.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RoleGrant")]
struct CellView {
    module: String,
    level: Option<String>,
    actions: Vec<String>,
    /// The conditions that must all hold.
    when: Vec<String>,
    /// The areas that it is limited to; none means the whole module.
    areas: Vec<String>,
}

/// The presets of the live policy set.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Presets")]
struct PresetsView {
    items: Vec<PresetView>,
}

/// A named configuration of gates and levels.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Preset")]
struct PresetView {
    id: String,
    name: Option<String>,
    description: Option<String>,
    gates: Vec<String>,
    /// Levels by module.
    grants: BTreeMap<String, String>,
}

async fn roles(State(desk): State<Desk>) -> Json<RolesView> {
    let current = desk.reader.load();
    let catalog = &current.snapshot.catalog;
    let custom = desk.directory.custom_roles();
    Json(RolesView {
        items: catalog.roles.iter().map(RoleView::from).collect(),
        custom: custom.iter().map(|role| CustomRoleView::new(role, catalog.role(&role.id).is_some())).collect(),
    })
}

async fn presets(State(desk): State<Desk>) -> Json<PresetsView> {
    let current = desk.reader.load();
    let presets = current.snapshot.catalog.presets.iter().map(|preset| PresetView {
        id: preset.id.clone(),
        name: preset.label.name.clone(),
        description: preset.label.description.clone(),
        gates: preset.gates.clone(),
        grants: preset.levels.iter().cloned().collect(),
    });
    Json(PresetsView { items: presets.collect() })
}

impl From<&Role> for RoleView {
    fn from(role: &Role) -> Self {
        let grants = role.cells.iter().map(|cell| CellView {
            module: cell.module.clone(),
            level: cell.level.clone(),
            actions: cell.actions.clone(),
            when: cell.when.clone(),
            areas: cell.areas.clone(),
        });
        Self {
            id: role.id.clone(),
            name: role.label.name.clone(),
            description: role.label.description.clone(),
            rank: role.rank,
            family: role.family.clone(),
            includes: role.includes.clone(),
            grants: grants.collect(),
        }
    }
}
