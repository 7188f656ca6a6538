//! `/v1/sessions`: what applications report about logins, and what administrators see of it.

use super::{
    By, Desk, ID, KEY, LOOKING, PAGE, TENANT,
    by::{InTenant, Reported},
    change::{Report, Shown},
    page,
    views::{SessionPageView, SessionView},
};
use crate::{
    config::Scope,
    directory::{Call, Directory, Login, Refusal, Session, SessionQuery},
    http::{
        ErrorCode, address,
        admin::{
            actor::USER_ID,
            route::{Answer, Content, Facts, Parameter, Route, Shape, Verb},
        },
        management::Error,
    },
    lifecycle::Clock,
    policy::Problem,
};
use axum::{
    Json,
    extract::{Path, RawQuery, State},
    response::{IntoResponse as _, Response},
    routing::on,
};
use schemars::JsonSchema;
use serde_json::Value;

const SESSION: &[Content] = &[Content::json::<SessionView>()];

/// What the routes have in common.
const BASE: Facts = Facts { scopes: &[Scope::Directory], errors: LOOKING, ..Facts::BLANK };

/// The routes.
pub(super) const ROUTES: &[Route<Desk>] = &[
    Route {
        facts: Facts {
            path: "/v1/sessions",
            name: "listSessions",
            summary: "Sessions, the newest first",
            scopes: &[Scope::Read, Scope::Directory],
            acts: true,
            parameters: &[FILTERS, TENANT, PAGE],
            answers: &[Answer::new(200, "A page of sessions", &[Content::json::<SessionPageView>()])],
            ..BASE
        },
        serve: |verb| on(verb, list),
    },
    Route {
        facts: Facts {
            verb: Verb::Post,
            path: "/v1/sessions",
            name: "reportLogin",
            summary: "Report a login",
            parameters: &[TENANT, KEY],
            body: &[Content::json::<LoginBody>()],
            answers: &[Answer { status: 201, about: "The session", content: SESSION, headers: &[super::LOCATION] }],
            ..BASE
        },
        serve: |verb| on(verb, login),
    },
    Route {
        facts: Facts {
            verb: Verb::Post,
            path: "/v1/sessions/{id}/heartbeat",
            name: "reportHeartbeat",
            summary: "Report a sign of life",
            parameters: &[ID],
            answers: &[Answer::new(200, "The session as it is now", SESSION)],
            errors: &[ErrorCode::NotFound, ErrorCode::Overloaded, ErrorCode::DirectoryUnavailable],
            ..BASE
        },
        serve: |verb| on(verb, heartbeat),
    },
    Route {
        facts: Facts {
            verb: Verb::Delete,
            path: "/v1/sessions/{id}",
            name: "endSession",
            summary: "Report a logout, or end somebody's session",
            description: "Without `Sidegate-Actor` it is the application's report of a logout; with it, the doing of that user.",
            parameters: &[ID, TENANT, &[ENDING]],
            answers: &[Answer::new(200, "The session, which has ended", SESSION)],
            ..BASE
        },
        serve: |verb| on(verb, end),
    },
];

/// The header where it is not wanted.
const ENDING: Parameter = Parameter::header("Sidegate-Actor", "the administrator who ends the session", USER_ID);

const FILTERS: &[Parameter] = &[
    Parameter::query("user", "of this user", Shape::Text),
    Parameter::query("open", "open ones, or those that have ended", Shape::Choice(&["true", "false"])),
    Parameter::query("from", "that began at this time or later", Shape::Time),
    Parameter::query("to", "that began before this time", Shape::Time),
];

/// A login.
#[derive(JsonSchema)]
#[schemars(rename = "Login", deny_unknown_fields)]
#[expect(dead_code, reason = "tells what `read_login` takes")]
struct LoginBody {
    /// Who logged in.
    #[schemars(length(min = 1, max = 256))]
    user: String,
    /// The address that the user came from.
    #[schemars(length(min = 1, max = 256))]
    address: Option<String>,
    /// The user agent.
    #[schemars(length(min = 1, max = 1024))]
    agent: Option<String>,
}

/// The members of a login, each with the characters that it may have.
const LOGIN: [(&str, usize); 3] = [("user", 256), ("address", 256), ("agent", 1024)];

/// Reads a login; tells every problem with its place.
fn read_login(body: &Value) -> Result<Login, Refusal> {
    let mut problems = Vec::new();
    let mut report = |pointer: String, message: String, help| problems.push(Problem { pointer, message, help });
    let Value::Object(members) = body else {
        report(String::new(), "must be an object".to_owned(), None);
        return Err(Refusal::Invalid(problems));
    };
    let mut read = |name: &str, most: usize| match members.get(name) {
        None | Some(Value::Null) => {
            if name == "user" {
                report("/user".to_owned(), "is required".to_owned(), None);
            }
            None
        }
        Some(Value::String(text)) if (1..=most).contains(&text.chars().count()) => Some(text.clone()),
        Some(_) => {
            report(format!("/{name}"), format!("must be a text of 1 to {most} characters"), None);
            None
        }
    };
    let [user, address, agent] = LOGIN.map(|(name, most)| read(name, most));
    for name in members.keys().filter(|name| LOGIN.iter().all(|(known, _)| known != name)) {
        let help = crate::document::hint(name, LOGIN.map(|(known, _)| known));
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        report(pointer, format!("there is no member `{name}` here"), help);
    }
    match user {
        Some(user) if problems.is_empty() => Ok(Login { user, address, agent }),
        _ => Err(Refusal::Invalid(problems)),
    }
}

async fn list(State(desk): State<Desk>, by: By, RawQuery(query): RawQuery) -> Result<Response, Error> {
    let [user, open, from, to, tenant, limit, cursor] =
        address::parameters(query.as_deref(), ["user", "open", "from", "to", "tenant", "limit", "cursor"])?
            .map(|text| text.map(std::borrow::Cow::into_owned));
    let query = SessionQuery {
        user,
        open: page::switch("open", open.as_deref())?,
        from: page::time("from", from.as_deref())?,
        to: page::time("to", to.as_deref())?,
        before: cursor,
        limit: page::limit(limit.as_deref())?,
    };
    let found = desk.look(by, tenant, move |directory, call| directory.list_sessions(call, &query)).await?;
    let now = Clock::system().now();
    Ok(Json(SessionPageView {
        items: found.sessions.iter().map(|session| SessionView::new(session, now)).collect(),
        next_cursor: found.next,
    })
    .into_response())
}

async fn login(State(desk): State<Desk>, Report(report): Report) -> Result<Response, Error> {
    let work = |directory: &Directory, call: &Call<'_>, body: &Value| {
        let session = directory.report_login(call, read_login(body))?;
        Ok(Shown::new(&SessionView::new(&session, call.now)).made("/v1/sessions", &session.id))
    };
    desk.answer(report, work).await
}

async fn heartbeat(
    State(desk): State<Desk>,
    Reported(by): Reported,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let session = desk.change(by, None, move |directory, call| directory.heartbeat(call.now, &id)).await?;
    Ok(shown(&session).into_response())
}

async fn end(
    State(desk): State<Desk>,
    Reported(by): Reported,
    InTenant(tenant): InTenant,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    let session = desk.change(by, tenant, move |directory, call| directory.end_session(call, &id)).await?;
    Ok(shown(&session).into_response())
}

fn shown(session: &Session) -> Json<SessionView> {
    Json(SessionView::new(session, Clock::system().now()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::ApiError;
    use serde_json::json;

    #[test]
    fn every_problem_of_a_login_is_told_with_its_place() {
        let refused = |body| ApiError::from(read_login(&body).unwrap_err());
        let found = refused(json!({ "address": 7, "agent": "", "usr": "x" }));
        let places: Vec<&str> = found.problems.iter().map(|problem| problem.pointer.as_str()).collect();
        assert_eq!(places, ["/user", "/address", "/agent", "/usr"]);
        assert_eq!(found.code, ErrorCode::Invalid);
        assert_eq!(refused(json!([])).problems.len(), 1);
        let login = read_login(&json!({ "user": "sam", "address": null, "agent": "curl" })).unwrap();
        assert_eq!((login.user.as_str(), login.address, login.agent.as_deref()), ("sam", None, Some("curl")));
    }
}
