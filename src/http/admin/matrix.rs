//! `GET /v1/matrix`: what roles, or users, may do in every module.
//!
//! Roles come in pages in the order of the files, users in order of their ids. The work is done beside the runtime's threads.

use super::{
    Services,
    route::{Answer, Content, Facts, Parameter, Route, Shape},
};
use crate::{
    config::Scope,
    http::{
        ApiError, ErrorCode,
        address::{self, wrong},
        aside::Aside,
        management::Error,
        questions,
    },
    lifecycle::Clock,
    model::Timestamp,
    policy::Matrix,
    reload::Current,
};
use axum::{
    extract::{RawQuery, State},
    http::{
        HeaderValue,
        header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::on,
};
use std::{borrow::Cow, sync::Arc};

/// The route.
pub(super) const ROUTES: &[Route<(Services, Aside)>] = &[Route {
    facts: Facts {
        path: "/v1/matrix",
        name: "getMatrix",
        summary: "What roles, or users, may do in every module",
        scopes: &[Scope::Read],
        parameters: &[&[
            Parameter::query("of", "who is in the rows; without it `roles`", Shape::Choice(&["roles", "users"])),
            Parameter::query("tenant", "the tenant that is asked about", Shape::Text),
            Parameter::query("format", "without it `json`", Shape::Choice(&["json", "csv", "markdown"])),
            Parameter::query("limit", "rows of one page at the most; without it 1000", Shape::Whole(1, MOST as u64)),
            Parameter::query("cursor", "`next_cursor` of the page before", Shape::Text),
        ]],
        answers: &[Answer::new(
            200,
            "The matrix",
            &[
                Content::json::<Matrix>(),
                Content::text(Format::Csv.content_type()),
                Content::text(Format::Markdown.content_type()),
            ],
        )],
        errors: &[ErrorCode::NotFound, ErrorCode::Overloaded],
        ..Facts::BLANK
    },
    serve: |verb| on(verb, matrix),
}];

/// Rows of one page, where the caller does not say how many.
const USUAL: usize = 1_000;
/// Rows of one page at the most.
const MOST: usize = 10_000;

/// What is asked for.
struct Asked {
    users: bool,
    tenant: Option<String>,
    format: Format,
    limit: usize,
    cursor: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Json,
    Csv,
    Markdown,
}

async fn matrix(
    State((services, aside)): State<(Services, Aside)>,
    RawQuery(query): RawQuery,
) -> Result<Response, Error> {
    let asked = Asked::read(query.as_deref())?;
    let current = Arc::clone(&services.reader.load());
    let time = Clock::system().now();
    let format = asked.format;
    let body = aside.run(move || asked.answer(&current, time)).await?;
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    if let Format::Csv = format {
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"matrix.csv\""));
    }
    Ok(response)
}

impl Asked {
    fn read(query: Option<&str>) -> Result<Self, ApiError> {
        let [of, tenant, format, limit, cursor] =
            address::parameters(query, ["of", "tenant", "format", "limit", "cursor"])?;
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        Ok(Self {
            users: match of.as_deref() {
                None | Some("roles") => false,
                Some("users") => true,
                Some(other) => return Err(wrong("of", other, "`roles` or `users`")),
            },
            tenant: owned(tenant),
            format: match format.as_deref() {
                None | Some("json") => Format::Json,
                Some("csv") => Format::Csv,
                Some("markdown") => Format::Markdown,
                Some(other) => return Err(wrong("format", other, "`json`, `csv` or `markdown`")),
            },
            limit: match limit.as_deref() {
                None => USUAL,
                Some(given) => {
                    let number = given.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                    number.ok_or_else(|| wrong("limit", given, "a number from 1 to 10000"))?
                }
            },
            cursor: owned(cursor),
        })
    }

    fn answer(&self, current: &Current, time: Timestamp) -> Result<String, ApiError> {
        let (snapshot, tenant) = (&current.snapshot, self.tenant.as_deref());
        let cursor = self.cursor.as_deref();
        let unknown = || ApiError::malformed("`cursor` is none of this matrix: begin anew without it");
        let mut matrix = if self.users {
            if cursor.is_some_and(|cursor| current.subjects.find(cursor).is_none()) {
                return Err(unknown());
            }
            Matrix::of_users(snapshot, current.subjects.after(cursor).take(self.limit + 1), tenant, time)?
        } else {
            let roles = &snapshot.catalog.roles;
            let start = match cursor {
                Some(cursor) => roles.iter().position(|role| role.id == cursor).ok_or_else(unknown)? + 1,
                None => 0,
            };
            Matrix::of_these_roles(snapshot, roles.iter().skip(start).take(self.limit + 1), tenant, time)?
        };
        if matrix.rows.len() > self.limit {
            matrix.rows.truncate(self.limit);
            matrix.next_cursor = matrix.rows.last().map(|row| row.id.clone());
        }
        match self.format {
            Format::Json => questions::to_json(&matrix),
            // A part would pass for the whole.
            _ if matrix.next_cursor.is_some() => Err(ApiError::new(
                ErrorCode::MalformedRequest,
                format!("there are more than {} rows: raise `limit`, or page through them as `json`", self.limit),
            )),
            Format::Csv => Ok(matrix.csv()),
            Format::Markdown => Ok(matrix.markdown()),
        }
    }
}

impl Format {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Markdown => "text/markdown; charset=utf-8",
        }
    }
}
