//! `/v1/users`: the users of the directory, and those that the policy set declares.

use super::{
    By, CHANGING, Desk, ID, IF_MATCH, KEY, LOOKING, PAGE, TENANT,
    by::InTenant,
    change::{Change, Deed, Shown},
    made, page, shapes, tag, tagged,
    views::{UserPageView, UserView},
};
use crate::{
    config::Scope,
    directory::{Account, Call, Directory, Found, UserQuery},
    http::{
        address,
        admin::route::{Answer, Content, Facts, Parameter, Route, Shape, Verb},
        management::Error,
    },
    model::Status,
};
use axum::{
    Json,
    extract::{Path, RawQuery, State},
    response::{IntoResponse as _, Response},
    routing::on,
};
use serde_json::Value;
use std::sync::Arc;

const USER: &[Content] = &[Content::json::<UserView>()];

/// What every route of users has in common.
const BASE: Facts = Facts { scopes: &[Scope::Directory], acts: true, errors: CHANGING, ..Facts::BLANK };

/// The routes.
pub(super) const ROUTES: &[Route<Desk>] = &[
    Route {
        facts: Facts {
            path: "/v1/users",
            name: "listUsers",
            summary: "Users, searched, filtered and sorted, page by page",
            scopes: &[Scope::Read, Scope::Directory],
            parameters: &[FILTERS, PAGE],
            answers: &[Answer::new(200, "A page of users", &[Content::json::<UserPageView>()])],
            errors: LOOKING,
            ..BASE
        },
        serve: |verb| on(verb, list),
    },
    Route {
        facts: Facts {
            verb: Verb::Post,
            path: "/v1/users",
            name: "createUser",
            summary: "Create a user, who gets a mail with an activation link",
            description: "Roles are given once the user exists.",
            parameters: &[TENANT, KEY],
            body: &[Content::json::<shapes::NewUser>()],
            answers: &[made("The user", USER)],
            ..BASE
        },
        serve: |verb| on(verb, create),
    },
    Route {
        facts: Facts {
            path: "/v1/users/{id}",
            name: "getUser",
            summary: "A user",
            scopes: &[Scope::Read, Scope::Directory],
            parameters: &[ID, TENANT],
            answers: &[tagged(200, "The user", USER)],
            errors: LOOKING,
            ..BASE
        },
        serve: |verb| on(verb, read),
    },
    Route {
        facts: Facts {
            verb: Verb::Patch,
            path: "/v1/users/{id}",
            name: "changeUser",
            summary: "Change fields of a user; the mail address is fixed",
            parameters: &[ID, TENANT, IF_MATCH],
            body: &[Content::json::<shapes::UserChange>()],
            answers: &[tagged(200, "The user as it is now", USER)],
            ..BASE
        },
        serve: |verb| on(verb, change),
    },
    Route {
        facts: Facts {
            verb: Verb::Delete,
            path: "/v1/users/{id}",
            name: "deleteUser",
            summary: "Delete a user for good; its sessions and invitations end",
            parameters: &[ID, TENANT, IF_MATCH],
            answers: &[Answer::new(204, "The user is gone", &[])],
            ..BASE
        },
        serve: |verb| on(verb, delete),
    },
    Route {
        facts: Facts {
            verb: Verb::Post,
            path: "/v1/users/{id}/suspend",
            name: "suspendUser",
            summary: "Suspend a user: denied from the next request on; its sessions end",
            parameters: &[ID, TENANT, IF_MATCH, KEY],
            answers: &[tagged(200, "The user as it is now", USER)],
            ..BASE
        },
        serve: |verb| on(verb, suspend),
    },
    Route {
        facts: Facts {
            verb: Verb::Post,
            path: "/v1/users/{id}/reactivate",
            name: "reactivateUser",
            summary: "End a suspension",
            parameters: &[ID, TENANT, IF_MATCH, KEY],
            answers: &[tagged(200, "The user as it is now", USER)],
            ..BASE
        },
        serve: |verb| on(verb, reactivate),
    },
];

const FILTERS: &[Parameter] = &[
    Parameter::query("search", "words that all occur in id, name, mail address, phone or job", Shape::Text),
    Parameter::query("role", "who have this role", Shape::Text),
    Parameter::query("status", "with this status", Shape::Choice(&["invited", "active", "suspended"])),
    Parameter::query("tenant", "with anything in this tenant", Shape::Text),
    Parameter::query("module", "who reach this module", Shape::Text),
    Parameter::query("family", "of this family", Shape::Text),
    Parameter::query(
        "declared",
        "those that the policy set declares, or the others",
        Shape::Choice(&["true", "false"]),
    ),
    Parameter::query("sort", "in which order; without it `id`", Shape::Choice(&page::SORTS)),
    Parameter::query("order", "without it `asc`", Shape::Choice(&["asc", "desc"])),
];

async fn list(State(desk): State<Desk>, by: By, RawQuery(query): RawQuery) -> Result<Response, Error> {
    let names =
        ["search", "role", "status", "tenant", "module", "family", "declared", "sort", "order", "limit", "cursor"];
    let [search, role, status, tenant, module, family, declared, sort, order, limit, cursor] =
        address::parameters(query.as_deref(), names)?.map(|text| text.map(std::borrow::Cow::into_owned));
    let status = match status.as_deref() {
        None => None,
        Some("invited") => Some(Status::Invited),
        Some("active") => Some(Status::Active),
        Some("suspended") => Some(Status::Suspended),
        Some(given) => return Err(page::wrong("status", given, "`invited`, `active` or `suspended`").into()),
    };
    let (sort, descending) = (page::sort(sort.as_deref())?, page::descending(order.as_deref())?);
    let query = UserQuery {
        search,
        role,
        status,
        tenant: tenant.clone(),
        module,
        family,
        declared: page::switch("declared", declared.as_deref())?,
        sort,
        descending,
        after: page::cursor(cursor.as_deref(), sort, descending)?,
        limit: page::limit(limit.as_deref())?,
    };
    let found = desk.look(by, tenant, move |directory, call| directory.list_users(call, &query)).await?;
    Ok(Json(UserPageView {
        items: found.users.iter().map(|listed| UserView::from(&listed.found)).collect(),
        next_cursor: found.next.map(|cursor| page::cursor_text(&cursor, sort, descending)),
    })
    .into_response())
}

async fn create(State(desk): State<Desk>, change: Change) -> Result<Response, Error> {
    let work = |directory: &Directory, call: &Call<'_>, fields: &Value| {
        let account = directory.create_user(call, fields)?;
        Ok(shown(&account).made("/v1/users", &account.id))
    };
    desk.answer(change, work).await
}

async fn read(
    State(desk): State<Desk>,
    by: By,
    InTenant(tenant): InTenant,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let found = desk.look(by, tenant, move |directory, call| directory.read_user(call, &id)).await?;
    let mut response = Json(UserView::from(&found)).into_response();
    if let Found::Account(account) = &found {
        tag(&mut response, account.version);
    }
    Ok(response)
}

async fn change(State(desk): State<Desk>, Path(id): Path<String>, change: Change) -> Result<Response, Error> {
    desk.answer(change, move |directory, call, fields| Ok(shown(&directory.change_user(call, &id, fields)?))).await
}

async fn delete(State(desk): State<Desk>, Path(id): Path<String>, Deed(deed): Deed) -> Result<Response, Error> {
    desk.answer(deed, move |directory, call, _| directory.delete_user(call, &id).map(|()| Shown::gone())).await
}

async fn suspend(State(desk): State<Desk>, Path(id): Path<String>, Deed(deed): Deed) -> Result<Response, Error> {
    desk.answer(deed, move |directory, call, _| Ok(shown(&directory.suspend_user(call, &id)?))).await
}

async fn reactivate(State(desk): State<Desk>, Path(id): Path<String>, Deed(deed): Deed) -> Result<Response, Error> {
    desk.answer(deed, move |directory, call, _| Ok(shown(&directory.reactivate_user(call, &id)?))).await
}

/// The user as it is now.
pub(super) fn shown(account: &Arc<Account>) -> Shown {
    Shown::new(&UserView::from(&**account)).version(account.version)
}
