//! `GET /v1/review`: who has what, why, and when it was last used.

use super::{By, Desk, LOOKING, PAGE, page};
use crate::{
    audit::Usage,
    config::{Scope, read_duration},
    directory::{Directory, Refusal, ReviewForm, ReviewPage, ReviewQuery, Used, Uses, write_review},
    http::{
        ApiError, address,
        admin::route::{Answer, Content, Facts, Parameter, Route, Shape},
        management::Error,
    },
    model::Timestamp,
};
use axum::{
    Json,
    extract::{RawQuery, State},
    response::{IntoResponse as _, Response},
    routing::on,
};
use std::{
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

/// The route.
pub(super) const ROUTES: &[Route<Desk>] = &[Route {
    facts: Facts {
        path: "/v1/review",
        name: "reviewAccess",
        summary: "Who has what, since when, by whom and why, until when, and when it was last used",
        description: "A role or a grant was used when one of its policies allowed its holder something in the tenant, a gate when \
                      something in a module behind it was allowed. The entries of one user are not torn apart, so a page may be \
                      longer than its limit; it may also be empty and have a `next_cursor`.",
        scopes: &[Scope::Read, Scope::Directory],
        acts: true,
        parameters: &[FILTERS, PAGE],
        answers: &[Answer::new(
            200,
            "Entries in order of the users; CSV and Markdown hold all of them",
            &[
                Content::json::<ReviewPage>(),
                Content::text(ReviewForm::Csv.content_type()),
                Content::text(ReviewForm::Markdown.content_type()),
            ],
        )],
        errors: LOOKING,
        ..Facts::BLANK
    },
    serve: |verb| on(verb, review),
}];

const FILTERS: &[Parameter] = &[
    Parameter::query("user", "of this user", Shape::Text),
    Parameter::query("tenant", "in this tenant", Shape::Text),
    Parameter::query("role", "of this role", Shape::Text),
    Parameter::query("unused_for", "not used for so long, such as `90d`; what is younger is not unused", Shape::Text),
    Parameter::query("expired", "what has run out", Shape::Choice(&["true", "false"])),
    Parameter::query("expiring_within", "what runs out within so long, such as `30d`", Shape::Text),
    Parameter::query("never_logged_in", "of users who never did", Shape::Choice(&["true", "false"])),
    Parameter::query("no_login_for", "of users who have not logged in for so long, such as `90d`", Shape::Text),
    Parameter::query("format", "without it `json`", Shape::Choice(&["json", "csv", "markdown"])),
];

const NAMES: [&str; 11] = [
    "user",
    "tenant",
    "role",
    "unused_for",
    "expired",
    "expiring_within",
    "never_logged_in",
    "no_login_for",
    "format",
    "limit",
    "cursor",
];

/// Uses as the audit log tells them.
#[derive(Debug)]
pub struct LoggedUses<'u> {
    /// What was read.
    pub usage: &'u Usage,
    /// The oldest record.
    pub since: Option<Timestamp>,
}

impl Uses for LoggedUses<'_> {
    fn last(&self, user: &str, tenant: &str, what: Used<'_>) -> Option<Timestamp> {
        match what {
            Used::Policy(policy) => self.usage.by_policy(user, tenant, policy),
            Used::Module(module) => self.usage.in_module(user, tenant, module),
        }
    }

    fn since(&self) -> Option<Timestamp> {
        self.since
    }

    fn are_complete(&self) -> bool {
        self.usage.is_complete()
    }
}

fn span(name: &str, given: Option<&str>) -> Result<Option<Duration>, ApiError> {
    let read =
        |given| read_duration(given).ok_or_else(|| page::wrong(name, given, "a duration such as `90d` or `24h`"));
    given.map(read).transpose()
}

async fn review(State(desk): State<Desk>, by: By, RawQuery(query): RawQuery) -> Result<Response, Error> {
    let given = address::parameters(query.as_deref(), NAMES)?.map(|text| text.map(std::borrow::Cow::into_owned));
    let [user, tenant, role, unused, expired, expiring, never, no_login, format, limit, cursor] = given;
    let asked = ReviewQuery {
        user,
        role,
        unused_for: span("unused_for", unused.as_deref())?,
        expired: page::switch("expired", expired.as_deref())?.unwrap_or(false),
        expiring_within: span("expiring_within", expiring.as_deref())?,
        never_logged_in: page::switch("never_logged_in", never.as_deref())?.unwrap_or(false),
        no_login_for: span("no_login_for", no_login.as_deref())?,
        after: cursor,
        limit: page::limit(limit.as_deref())?,
    };
    let (form, name) = match format.as_deref() {
        None | Some("json") => {
            let desk_of_work = desk.clone();
            let page = desk.look(by, tenant, move |directory, call| {
                directory.begin_review(call)?;
                let (usage, since) = desk_of_work.caught_up()?;
                directory.review(call, &asked, &LoggedUses { usage: &usage, since })
            });
            return Ok(Json(page.await?).into_response());
        }
        Some("csv") => (ReviewForm::Csv, "attachment; filename=\"review.csv\""),
        Some("markdown") => (ReviewForm::Markdown, "attachment; filename=\"review.md\""),
        Some(given) => return Err(page::wrong("format", given, "`json`, `csv` or `markdown`").into()),
    };
    if limit.is_some() || asked.after.is_some() {
        return Err(ApiError::malformed("`limit` and `cursor` are of pages; a file holds everything").into());
    }
    desk.look(by.clone(), tenant.clone(), Directory::begin_review).await?;
    let desk_of_work = desk.clone();
    desk.file(by, tenant, (form.content_type(), name), move |call, out| {
        let next = |asked: &ReviewQuery| -> Result<ReviewPage, Refusal> {
            let (usage, since) = desk_of_work.caught_up()?;
            desk_of_work.directory.review(call, asked, &LoggedUses { usage: &usage, since })
        };
        write_review(form, asked, next, out).map_err(|error| error.to_string())
    })
}

impl Desk {
    /// What was used, as far as the log tells now.
    fn caught_up(&self) -> Result<(MutexGuard<'_, Usage>, Option<Timestamp>), Refusal> {
        // What was decided a moment ago counts too; where the log has failed, what it has is all that there is.
        let _settled = self.log.settle();
        let reader = self.log.reader();
        let mut usage = self.usage.lock().unwrap_or_else(PoisonError::into_inner);
        let directory: &Directory = &self.directory;
        if let Err(error) = usage.catch_up(&reader, |user| directory.knows(user)) {
            tracing::error!(event = "audit_read_failed", %error, "a review could not read the audit log");
            return Err(Refusal::Unread);
        }
        Ok((usage, reader.oldest()))
    }
}
