//! `/v1/users/{id}/assignments`: what a user has in a tenant.

use super::{
    By, CHANGING, Desk, ID, IF_MATCH, KEY, LOOKING, TENANT,
    by::InTenant,
    change::Change,
    shapes, tag, tagged,
    users::shown,
    views::{PlacesView, UserView},
};
use crate::{
    config::Scope,
    directory::{Found, Manner},
    http::{
        admin::route::{Content, Facts, Route, Verb},
        management::Error,
    },
};
use axum::{
    Json,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::on,
};

/// What the routes that change have in common.
const BASE: Facts = Facts {
    scopes: &[Scope::Directory],
    acts: true,
    parameters: &[ID, TENANT, IF_MATCH, KEY],
    body: &[Content::json::<shapes::Assigning>()],
    answers: &[tagged(200, "The user as it is now", &[Content::json::<UserView>()])],
    errors: CHANGING,
    ..Facts::BLANK
};

/// The routes.
pub(super) const ROUTES: &[Route<Desk>] = &[
    Route {
        facts: Facts {
            path: "/v1/users/{id}/assignments",
            name: "getAssignments",
            summary: "What a user was given, tenant by tenant",
            scopes: &[Scope::Read, Scope::Directory],
            acts: true,
            parameters: &[ID, TENANT],
            answers: &[tagged(200, "What the user was given", &[Content::json::<PlacesView>()])],
            errors: LOOKING,
            ..Facts::BLANK
        },
        serve: |verb| on(verb, read),
    },
    Route {
        facts: Facts {
            verb: Verb::Put,
            path: "/v1/users/{id}/assignments",
            name: "setAssignments",
            summary: "Give a user all that it is to have in a tenant, and nothing else",
            parameters: &[ID, TENANT, IF_MATCH],
            ..BASE
        },
        serve: |verb| on(verb, replace),
    },
    Route {
        facts: Facts {
            verb: Verb::Post,
            path: "/v1/users/{id}/assignments/give",
            name: "giveAssignments",
            summary: "Give a user something more in a tenant",
            description: "What the user has already gets the new end and reason.",
            ..BASE
        },
        serve: |verb| on(verb, give),
    },
    Route {
        facts: Facts {
            verb: Verb::Post,
            path: "/v1/users/{id}/assignments/take",
            name: "takeAssignments",
            summary: "Take something from a user in a tenant",
            ..BASE
        },
        serve: |verb| on(verb, take),
    },
];

async fn read(
    State(desk): State<Desk>,
    by: By,
    Path(id): Path<String>,
    InTenant(tenant): InTenant,
) -> Result<Response, Error> {
    let found = desk.look(by, tenant.clone(), move |directory, call| directory.read_user(call, &id)).await?;
    let mut response = Json(PlacesView::from(&found).only(tenant.as_deref())).into_response();
    if let Found::Account(account) = &found {
        tag(&mut response, account.version);
    }
    Ok(response)
}

async fn replace(State(desk): State<Desk>, Path(id): Path<String>, change: Change) -> Result<Response, Error> {
    assign(&desk, id, change, Manner::Replace).await
}

async fn give(State(desk): State<Desk>, Path(id): Path<String>, change: Change) -> Result<Response, Error> {
    assign(&desk, id, change, Manner::Give).await
}

async fn take(State(desk): State<Desk>, Path(id): Path<String>, change: Change) -> Result<Response, Error> {
    assign(&desk, id, change, Manner::Take).await
}

async fn assign(desk: &Desk, id: String, change: Change, manner: Manner) -> Result<Response, Error> {
    desk.answer(change, move |directory, call, what| Ok(shown(&directory.assign(call, &id, manner, what)?))).await
}
