//! `/v1/policies`: what decides, and a look at the files on demand.

use super::{
    Services,
    route::{Answer, Content, Facts, Route, Verb},
};
use crate::{
    config::Scope,
    http::{ApiError, ErrorCode, management::Error, views::DiagnosticView},
    reload::{Cause, Report},
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::on,
};
use schemars::JsonSchema;
use serde::Serialize;

/// The routes.
pub(super) const ROUTES: &[Route<Services>] = &[
    Route {
        facts: Facts {
            path: "/v1/policies",
            name: "listPolicies",
            summary: "What decides",
            scopes: &[Scope::Read, Scope::Policies],
            answers: &[Answer::new(200, "The policies that decide", &[Content::json::<PoliciesView>()])],
            ..Facts::BLANK
        },
        serve: |verb| on(verb, list),
    },
    Route {
        facts: Facts {
            verb: Verb::Post,
            path: "/v1/policies/reload",
            name: "reloadPolicies",
            summary: "Look at the policy files now",
            description: "Answers once the look is done.",
            scopes: &[Scope::Policies],
            answers: &[
                Answer::new(200, "The files decide, or did before", &[Content::json::<ReloadView>()]),
                Answer::new(
                    422,
                    "The files are refused; the last good ones decide on",
                    &[Content::json::<ReloadView>()],
                ),
            ],
            errors: &[ErrorCode::Overloaded],
            ..Facts::BLANK
        },
        serve: |verb| on(verb, reload),
    },
];

/// What decides.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Policies")]
struct PoliciesView {
    policy_set: String,
    revision: String,
    loaded_at: String,
    policies: Vec<PolicyView>,
}

/// One policy.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Policy")]
struct PolicyView {
    id: String,
    summary: String,
    source: Option<String>,
}

/// What came of a look.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Reload")]
struct ReloadView {
    outcome: &'static str,
    policy_set: String,
    revision: String,
    seen: Option<String>,
    took_ms: f64,
    commit: Option<String>,
    author: Option<String>,
    diagnostics: Vec<DiagnosticView>,
}

async fn list(State(services): State<Services>) -> Response {
    let current = services.reader.load();
    let snapshot = &current.snapshot;
    let policies = snapshot.program.policies().iter().map(|facts| PolicyView {
        id: facts.id.to_string(),
        summary: facts.summary.to_string(),
        source: facts.location.as_ref().map(ToString::to_string),
    });
    Json(PoliciesView {
        policy_set: snapshot.name.clone(),
        revision: snapshot.revision.to_string(),
        loaded_at: services.reload.status().loaded_at.to_string(),
        policies: policies.collect(),
    })
    .into_response()
}

async fn reload(State(services): State<Services>) -> Result<Response, Error> {
    let report = services.reload.reload(Cause::Admin).await;
    let report = report.map_err(|stopped| ApiError::new(ErrorCode::Overloaded, stopped.to_string()))?;
    let status = if report.outcome.is_success() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok((status, Json(ReloadView::from(&*report))).into_response())
}

impl From<&Report> for ReloadView {
    fn from(report: &Report) -> Self {
        Self {
            outcome: report.outcome.as_str(),
            policy_set: report.policy_set.to_string(),
            revision: report.revision.to_string(),
            seen: report.seen.map(|seen| seen.to_string()),
            took_ms: report.took.as_secs_f64() * 1000.0,
            commit: report.checkout.as_ref().map(|checkout| checkout.commit.clone()),
            author: report.checkout.as_ref().and_then(|checkout| checkout.author.clone()),
            diagnostics: report.problem.iter().flat_map(|problem| problem.iter()).map(DiagnosticView::from).collect(),
        }
    }
}
