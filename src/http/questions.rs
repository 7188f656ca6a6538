//! Questions beyond yes and no: access and menus of users, and of configurations that are not saved.
//!
//! They are answered from the same snapshot as decisions, by the same engine, beside the threads that decide. They are
//! no decisions, and leave no record in the audit log.

use super::{ApiError, ErrorCode, address, authorize::SubjectBody, claim::Claim, desk::Desk, json, service::Answer};
use crate::{
    document,
    engine::BoundUser,
    model::Timestamp,
    policy::{Configuration, MOST_PROBLEMS, Overview, Problem, Unknown},
    reload::Current,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{borrow::Cow, sync::Arc};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// Modules, actions, conditions, gates.
    Access,
    /// The menu.
    Menu,
}

/// Answers about a user of the directory or the policy set. `id` and `query` are as the address has them.
pub(super) async fn of_user(desk: &Desk, about: About, id: &str, query: Option<&str>) -> Result<Answer, ApiError> {
    let id = address::segment(id)?.into_owned();
    let [tenant] = address::parameters(query, ["tenant"])?;
    let tenant = tenant.map(std::borrow::Cow::into_owned);
    answer(desk, move |current, time| {
        let user = current.subjects.find(&id).ok_or(Unknown::User(id))?;
        report(current, about, user, tenant.as_deref(), time)
    })
    .await
}

/// Answers about a configuration that is not saved, or about a subject of whom a token or the caller says more than a name.
pub(super) async fn of_configuration(desk: &Desk, about: About, body: Bytes) -> Result<Answer, ApiError> {
    // Of a member that is given twice another reader may take the other one.
    let given = document::json_once(json::check(&body)?.as_bytes())?;
    if given.get("subject").is_some() {
        return of_subject(desk, about, body).await;
    }
    answer(desk, move |current, time| {
        let Configuration { user, tenant } = Configuration::read(&current.snapshot, &given)?;
        let user = BoundUser::new(&current.snapshot.program, &Arc::new(user));
        report(current, about, &user, tenant.as_deref(), time)
    })
    .await
}

/// Answers about a subject, as a question names it.
async fn of_subject(desk: &Desk, about: About, body: Bytes) -> Result<Answer, ApiError> {
    let claims = desk.claims().clone();
    answer(desk, move |current, time| {
        let SubjectQuestion { subject, tenant } = serde_json::from_slice(&body)?;
        let subject: SubjectBody<'_> = serde_json::from_str(subject.get())?;
        let tenant = tenant.as_deref();
        let trusts_roles = || claims.trusts_roles(current.snapshot.program.dialect());
        let claimed = subject.claimed(tenant, trusts_roles)?;
        match claims.find(current, &claimed, time) {
            Claim::Nothing => {
                let user =
                    current.subjects.find(claimed.named).ok_or_else(|| Unknown::User(claimed.named.to_owned()))?;
                report(current, about, user, tenant, time)
            }
            Claim::Asserted(asserted) => {
                let unknown = || Unknown::User(asserted.assertion.user.clone());
                report(current, about, asserted.user.as_ref().ok_or_else(unknown)?, tenant, time)
            }
            Claim::Refused(code) => {
                let message = format!("the token is refused: `{code}`");
                Err(ApiError::named(ErrorCode::InvalidConfiguration, code.as_str(), message))
            }
        }
    })
    .await
}

/// The body of a question about a subject.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubjectQuestion<'a> {
    #[serde(borrow)]
    subject: &'a RawValue,
    #[serde(borrow)]
    tenant: Option<Cow<'a, str>>,
}

async fn answer(
    desk: &Desk,
    work: impl FnOnce(&Current, Timestamp) -> Result<String, ApiError> + Send + 'static,
) -> Result<Answer, ApiError> {
    let current = arc_swap::Guard::into_inner(desk.current());
    let revision = desk.revision_header(current.snapshot.revision);
    let time = desk.now();
    let body = desk.aside().run(move || work(&current, time)).await?;
    Ok(Answer { body, revision })
}

fn report(
    current: &Current,
    about: About,
    user: &BoundUser,
    tenant: Option<&str>,
    time: Timestamp,
) -> Result<String, ApiError> {
    let overview = Overview::new(&current.snapshot);
    match about {
        About::Access => to_json(&overview.access(user, tenant, time)?),
        About::Menu => to_json(&overview.menu(user, tenant, time)?),
    }
}

/// A report as JSON.
pub(super) fn to_json(report: &impl Serialize) -> Result<String, ApiError> {
    serde_json::to_string(report).map_err(|_| ApiError::new(ErrorCode::Internal, "internal error"))
}

impl From<Unknown> for ApiError {
    fn from(unknown: Unknown) -> Self {
        Self::new(ErrorCode::NotFound, unknown.to_string())
    }
}

impl From<Vec<Problem>> for ApiError {
    fn from(problems: Vec<Problem>) -> Self {
        let message = match problems.as_slice() {
            [one] => one.message.clone(),
            most if most.len() >= MOST_PROBLEMS => format!("at least {MOST_PROBLEMS} problems with the configuration"),
            several => format!("{} problems with the configuration", several.len()),
        };
        Self { problems, ..Self::new(ErrorCode::InvalidConfiguration, message) }
    }
}
