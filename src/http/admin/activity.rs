//! `POST /v1/activity`: what applications report goes into the same log as decisions.
//!
//! One object, an array of them, or one a line (NDJSON). A batch is taken as a whole or not at all: every problem of every item is in one
//! answer. The answer with the ids leaves once all records are as durable as `audit.mode` demands.

mod read;
mod shape;
#[cfg(test)]
mod tests;

use super::{
    actor, content,
    route::{self, Answer, Content, Facts, Route, Verb},
};
use crate::{
    audit::{Entry, Kind, Log, Origin, RecordError, Ticket},
    config::Scope,
    directory::{Actor, Call, Directory},
    http::{ApiError, ErrorCode, aside::Aside, management::Error, request_id::X_REQUEST_ID},
    lifecycle::Clock,
    model::TraceId,
    policy::Problem,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderMap, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::on,
};
use read::{Activity, Form, Refused};
use ulid::Ulid;

/// Longest body.
const MOST_BYTES: usize = 1024 * 1024;

/// Batches that are read or wait at the most.
const BATCHES: usize = 256;

/// What the route works with.
#[derive(Debug, Clone)]
pub(super) struct Services {
    log: Log,
    /// Who knows the users; none over a log alone.
    directory: Option<Directory>,
    /// Reading takes its time, and writing waits where the ring is full.
    batches: Aside,
}

impl Services {
    pub(super) fn new(log: Log, directory: Option<Directory>) -> Self {
        Self { log, directory, batches: Aside::new(BATCHES, "too many batches of activities at once") }
    }
}

/// The route without a door, over a running log.
pub fn routes(log: Log) -> Router {
    route::mount(ROUTES, Services::new(log, None), None)
}

/// The route as data.
pub(super) const ROUTES: &[Route<Services>] = &[Route {
    facts: Facts {
        verb: Verb::Post,
        path: "/v1/activity",
        name: "reportActivity",
        summary: "Report what an application did",
        description: "One activity, an array of them, or one a line. All are taken, or none. The answer leaves once the records are \
                      as durable as `audit.mode` demands. `Sidegate-Actor` names who acted through the application, a user whom the directory or the policy set knows.",
        scopes: &[Scope::Directory],
        parameters: &[&[actor::NAMED]],
        body: &[Content::json::<shape::Reported>(), Content::text("application/x-ndjson")],
        answers: &[Answer::new(
            200,
            "The ids of the records, in the order of the activities",
            &[Content::json::<shape::Ids>()],
        )],
        errors: &[
            ErrorCode::NotAllowed,
            ErrorCode::InvalidActivity,
            ErrorCode::Overloaded,
            ErrorCode::AuditUnavailable,
        ],
        ..Facts::BLANK
    },
    serve: |verb| on(verb, report),
}];

async fn report(
    State(Services { log, directory, batches }): State<Services>,
    request: Request,
) -> Result<Response, Error> {
    let (head, body) = request.into_parts();
    let form = form(&head.headers)?;
    // The frame has made one up where there was none; the record cuts what is too long.
    let request_id = head.headers.get(&X_REQUEST_ID).map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let request_id = request_id.unwrap_or_default();
    let trace_id = head.extensions.get().copied().unwrap_or_default();
    let actor = actor::named(&head.headers)?.unwrap_or_default().to_owned();
    let body = content::whole(&head.headers, body, MOST_BYTES).await?;
    let writer = log.clone();
    let kept = batches.run(move || {
        if let Some(directory) = directory.filter(|_| !actor.is_empty()) {
            let now = Clock::system().now();
            let actor = Actor::User(&actor);
            directory.knows_actor(&Call {
                actor,
                tenant: None,
                request_id: &request_id,
                trace_id,
                now,
                if_match: None,
                barred: None,
            })?;
        }
        match read::read(&body, form) {
            Ok(activities) => keep(&writer, &activities, &actor, (&request_id, trace_id)),
            Err(Refused::Malformed(error)) => Err(error),
            Err(Refused::Problems(problems)) => Err(refusal(problems)),
        }
    });
    let (ids, last) = kept.await?;
    // All come from one ring, so the last one is durable last.
    log.committed(last).await.map_err(|_| {
        let all = ids.len();
        unavailable(format!("the audit log has failed; {all} of {all} records were taken, and may be kept"))
    })?;
    Ok(Json(shape::Ids { ids }).into_response())
}

/// Writes the records, one after the other; waits where the ring is full.
fn keep(
    log: &Log,
    activities: &[Activity],
    actor: &str,
    (request_id, trace_id): (&str, TraceId),
) -> Result<(Vec<String>, Ticket), ApiError> {
    let mut ids = Vec::with_capacity(activities.len());
    let mut last = Ticket::NONE;
    for activity in activities {
        let now = Clock::system().now();
        let id = Ulid::from_parts(u64::try_from(now.as_micros() / 1000).unwrap_or_default(), fastrand::u128(..));
        let entry = Entry {
            request_id,
            tenant: &activity.tenant,
            user: &activity.user,
            action: &activity.action,
            module: &activity.module,
            resource_type: &activity.resource_type,
            resource_id: &activity.resource_id,
            origin: Origin::Admin,
            actor,
            before: &activity.before,
            after: &activity.after,
            context: &activity.context,
            trace_id,
            ..Entry::blank(Kind::Activity, now, id.to_bytes())
        };
        let why = match log.append_kept(&entry) {
            Err(RecordError::Full) => "the audit queue is full",
            Err(RecordError::Failed) => "the audit log has failed",
            Ok(ticket) => {
                last = ticket;
                ids.push(id.to_string());
                continue;
            }
        };
        let (taken, all) = (ids.len(), activities.len());
        return Err(unavailable(format!("{why}; {taken} of {all} records were taken")));
    }
    Ok((ids, last))
}

fn unavailable(why: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(ErrorCode::AuditUnavailable, why)
}

fn form(headers: &HeaderMap) -> Result<Form, ApiError> {
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let essence = content_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(b"application/json") {
        return Ok(Form::Json);
    }
    if essence.eq_ignore_ascii_case(b"application/x-ndjson") {
        return Ok(Form::Ndjson);
    }
    let given = String::from_utf8_lossy(content_type);
    let message = format!("the content type must be `application/json` or `application/x-ndjson`, it is `{given}`");
    Err(ApiError::new(ErrorCode::UnsupportedContentType, message))
}

fn refusal(problems: Vec<read::Problem>) -> ApiError {
    let message = match problems.as_slice() {
        [one] => one.to_string(),
        [first, ..] => format!("{first}, and {} more problems; nothing was taken", problems.len() - 1),
        [] => String::new(),
    };
    let listed =
        problems.into_iter().map(|read::Problem { pointer, message }| Problem { pointer, message, help: None });
    ApiError { problems: listed.collect(), ..ApiError::new(ErrorCode::InvalidActivity, message) }
}
