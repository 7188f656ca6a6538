//! `/v1/directory/backup` and `/v1/directory/restore`: the whole directory in one file.

use super::{By, CHANGING, Desk, LOOKING};
use crate::{
    config::Scope,
    directory::{Directory, Restored},
    http::{
        ApiError, ErrorCode,
        admin::{
            content::{leave_unread, whole_within},
            route::{Answer, Content, Facts, Route, Verb},
        },
        management::Error,
    },
};
use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::on,
};
use schemars::JsonSchema;
use serde::Serialize;
use std::{io::Cursor, time::Duration};

/// Bytes of a backup that a running instance takes. A longer one is restored while it is stopped.
const MOST_BYTES: usize = 512 << 20;
/// Time to send it.
const PATIENCE: Duration = Duration::from_mins(10);
const NDJSON: &str = "application/x-ndjson";
const FILE: &[Content] = &[Content::text(NDJSON)];

/// The routes.
pub(super) const ROUTES: &[Route<Desk>] = &[
    Route {
        facts: Facts {
            path: "/v1/directory/backup",
            name: "backUpDirectory",
            summary: "The whole directory as one file; for operators",
            description: "A stream that breaks off is not whole, and a restore refuses it.",
            scopes: &[Scope::Directory],
            acts: true,
            answers: &[Answer::new(200, "The backup", FILE)],
            errors: LOOKING,
            ..Facts::BLANK
        },
        serve: |verb| on(verb, backup),
    },
    Route {
        facts: Facts {
            verb: Verb::Post,
            path: "/v1/directory/restore",
            name: "restoreDirectory",
            summary: "Put a backup in the place of the whole directory; for operators",
            description: "A file that is not whole is refused before anything changes. Deciders have it before the answer.",
            scopes: &[Scope::Directory],
            acts: true,
            body: FILE,
            answers: &[Answer::new(200, "What has come back", &[Content::json::<RestoredView>()])],
            errors: CHANGING,
            ..Facts::BLANK
        },
        serve: |verb| on(verb, restore),
    },
];

/// What has come back.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Restored")]
struct RestoredView {
    users: usize,
    roles: usize,
    invitations: usize,
    sessions: usize,
}

async fn backup(State(desk): State<Desk>, by: By) -> Result<Response, Error> {
    let backup = desk.look(by.clone(), None, Directory::backup).await?;
    let name = "attachment; filename=\"directory.ndjson\"";
    desk.file(by, None, (NDJSON, name), move |_, out| backup.write(out).map(drop).map_err(|error| error.to_string()))
}

async fn restore(State(desk): State<Desk>, by: By, request: Request) -> Result<Response, Error> {
    let (head, body) = request.into_parts();
    // Whoever may not, and whoever comes while another is at it, does not get to fill the memory.
    if let Err(refused) = desk.look(by.clone(), None, Directory::begin_restore).await {
        leave_unread(body).await;
        return Err(refused);
    }
    let Ok(_place) = desk.restores.try_acquire() else {
        leave_unread(body).await;
        return Err(ApiError::new(ErrorCode::Overloaded, "a backup is being restored already").into());
    };
    let body = whole_within(&head.headers, body, MOST_BYTES, PATIENCE).await?;
    let restored =
        desk.change(by, None, move |directory, call| directory.restore(call, &mut Cursor::new(body))).await?;
    let Restored { users, roles, invitations, sessions } = restored;
    Ok(Json(RestoredView { users, roles, invitations, sessions }).into_response())
}
