//! `/v1/users/import` and `/v1/users/export`: users in files.

use super::{By, CHANGING, Desk, LOOKING, TENANT, page};
use crate::{
    config::Scope,
    directory::{Form, Imported},
    http::{
        ApiError, address,
        admin::{
            content::whole_within,
            route::{Answer, Content, Facts, Parameter, Route, Shape, Verb},
        },
        management::Error,
    },
};
use axum::{
    Json,
    extract::{RawQuery, Request, State},
    response::{IntoResponse as _, Response},
    routing::on,
};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

/// Time to send a file.
const PATIENCE: Duration = Duration::from_mins(2);

const FORM: Parameter =
    Parameter::query("format", "the form of the file; without it `json`", Shape::Choice(&["json", "yaml", "csv"]));
const FILE: &[Content] = &[
    Content::json::<serde_json::Value>(),
    Content::data(Form::Yaml.content_type()),
    Content::text(Form::Csv.content_type()),
];

/// The routes.
pub(super) const ROUTES: &[Route<Desk>] = &[
    Route {
        facts: Facts {
            verb: Verb::Post,
            path: "/v1/users/import",
            name: "importUsers",
            summary: "Create and change users as a file says, all or none",
            description: "A user is found by its id, or else by its mail address. Every problem is told at once. The file may have \
                          `directory.import.bytes`.",
            scopes: &[Scope::Directory],
            acts: true,
            parameters: &[
                &[FORM, Parameter::query("dry_run", "only say what would happen", Shape::Choice(&["true", "false"]))],
                TENANT,
            ],
            body: FILE,
            answers: &[Answer::new(200, "What has happened, or would", &[Content::json::<ImportedView>()])],
            errors: CHANGING,
        },
        serve: |verb| on(verb, import),
    },
    Route {
        facts: Facts {
            path: "/v1/users/export",
            name: "exportUsers",
            summary: "Users as one file that an import reads",
            description: "Users whom the policy set declares are in git and not in the file. A stream that breaks off is not whole.",
            scopes: &[Scope::Read, Scope::Directory],
            acts: true,
            parameters: &[&[FORM], TENANT],
            answers: &[Answer::new(200, "The users that the actor may see", FILE)],
            errors: LOOKING,
            ..Facts::BLANK
        },
        serve: |verb| on(verb, export),
    },
];

/// What an import has done, or would do.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Imported")]
struct ImportedView {
    dry_run: bool,
    created: usize,
    updated: usize,
    unchanged: usize,
    /// Users of those that are new who are asked in by mail.
    invited: usize,
}

fn form(given: Option<&str>) -> Result<Form, ApiError> {
    let Some(given) = given else { return Ok(Form::Json) };
    Form::parse(given).ok_or_else(|| page::wrong("format", given, "`json`, `yaml` or `csv`"))
}

async fn import(
    State(desk): State<Desk>,
    by: By,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<Response, Error> {
    let [given, dry_run, tenant] = address::parameters(query.as_deref(), ["format", "dry_run", "tenant"])?;
    let form = form(given.as_deref())?;
    let dry_run = page::switch("dry_run", dry_run.as_deref())?.unwrap_or(false);
    let tenant = tenant.map(std::borrow::Cow::into_owned);
    let (head, body) = request.into_parts();
    let most = desk.settings.load().directory.import_bytes;
    let body = whole_within(&head.headers, body, most, PATIENCE).await?;
    let work = move |directory: &crate::directory::Directory, call: &crate::directory::Call<'_>| {
        directory.import_file(call, form, &body, dry_run)
    };
    let Imported { created, updated, unchanged, invited } = desk.change(by, tenant, work).await?;
    Ok(Json(ImportedView { dry_run, created, updated, unchanged, invited }).into_response())
}

async fn export(State(desk): State<Desk>, by: By, RawQuery(query): RawQuery) -> Result<Response, Error> {
    let [given, tenant] = address::parameters(query.as_deref(), ["format", "tenant"])?;
    let form = form(given.as_deref())?;
    let tenant = tenant.map(std::borrow::Cow::into_owned);
    desk.look(by.clone(), tenant.clone(), move |directory, call| directory.begin_export(call, form)).await?;
    let directory = desk.directory.clone();
    let name = match form {
        Form::Json => "attachment; filename=\"users.json\"",
        Form::Yaml => "attachment; filename=\"users.yaml\"",
        Form::Csv => "attachment; filename=\"users.csv\"",
    };
    desk.file(by, tenant, (form.content_type(), name), move |call, out| {
        directory.export(call, form, out).map(drop).map_err(|error| error.to_string())
    })
}
