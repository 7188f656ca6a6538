//! The shape of every change: read what is asked for, make it, show what is there now with its version, once for each key.

use super::{
    By, Desk, MOST_BYTES,
    by::{InTenant, Reported},
    kept::{Asked, Once},
};
use crate::{
    directory::{Call, Directory, Refusal},
    http::{ApiError, ErrorCode, admin::content::whole_json, management::Error},
    lifecycle::Clock,
};
use axum::{
    body::Body,
    extract::{FromRequest, FromRequestParts, Request},
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, ETAG, LOCATION},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

/// Says that an answer was given before.
static IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A change that somebody asks for, with a body.
#[derive(Debug)]
pub(super) struct Change {
    by: By,
    tenant: Option<String>,
    body: Value,
    asked: Asked,
}

/// One whose address says all.
#[derive(Debug)]
pub(super) struct Deed(pub(super) Change);

/// One with a body that an application may report by itself.
#[derive(Debug)]
pub(super) struct Report(pub(super) Change);

/// What a change is answered with.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    status: StatusCode,
    version: Option<u64>,
    place: Option<HeaderValue>,
    body: Bytes,
}

impl Change {
    async fn read(by: By, mut head: Parts, body: Body) -> Result<Self, Error> {
        let tenant = InTenant::from_request_parts(&mut head, &()).await?.0;
        let body = whole_json(&head.headers, body, MOST_BYTES).await?;
        let asked = Asked::of(&head, &body);
        Ok(Self { by, tenant, body, asked })
    }

    /// Makes it one in no tenant, whatever the address says.
    pub(super) fn leave_tenant(&mut self) {
        self.tenant = None;
    }
}

impl<S: Sync> FromRequest<S> for Change {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let (mut head, body) = request.into_parts();
        let by = By::from_request_parts(&mut head, state).await?;
        Self::read(by, head, body).await
    }
}

impl<S: Sync> FromRequest<S> for Report {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let (mut head, body) = request.into_parts();
        let Reported(by) = Reported::from_request_parts(&mut head, state).await?;
        Change::read(by, head, body).await.map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for Deed {
    type Rejection = Error;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Error> {
        let by = By::from_request_parts(head, state).await?;
        let tenant = InTenant::from_request_parts(head, state).await?.0;
        let asked = Asked::of(head, &Value::Null);
        Ok(Self(Change { by, tenant, body: Value::Null, asked }))
    }
}

impl Desk {
    /// Makes a change beside the runtime's threads, and answers with what comes of it. Asked for again by the same key, it is not made again.
    pub(super) async fn answer(
        &self,
        change: Change,
        work: impl FnOnce(&Directory, &Call<'_>, &Value) -> Result<Shown, Refusal> + Send + 'static,
    ) -> Result<Response, Error> {
        let (directory, kept) = (self.directory.clone(), self.kept.clone());
        let done = self.changes.run(move || {
            let Change { by, tenant, body, asked } = change;
            let now = Clock::system().now();
            let call = by.call(tenant.as_deref(), now);
            let make = |call: &Call<'_>| work(&directory, call, &body).map_err(ApiError::from);
            let Some(key) = by.key() else { return make(&call).map(|shown| (shown, false)) };
            // It goes on to its end though the client has gone, so that whoever asks again hears what came of it.
            match kept.begin(key, &asked, now) {
                Ok(Once::Again(answer)) => answer.map(|shown| (shown, true)),
                Ok(Once::First(place)) => place.end(make(&call)).map(|shown| (shown, false)),
                // On record as the call that it would have been. Without a record nobody is told anything.
                Err(unfit) => match make(&Call { barred: Some(unfit.code()), ..call }) {
                    Err(error) if error.code == ErrorCode::AuditUnavailable => Err(error),
                    Ok(_) | Err(_) => Err(unfit.into()),
                },
            }
        });
        let (shown, again) = done.await?;
        let mut response = shown.into_response();
        if again {
            response.headers_mut().insert(IDEMPOTENT_REPLAYED.clone(), HeaderValue::from_static("true"));
        }
        Ok(response)
    }
}

impl Shown {
    /// What is there now.
    pub(super) fn new(view: &impl Serialize) -> Self {
        // Texts, numbers, lists and objects: they can be written.
        let body = serde_json::to_vec(view).unwrap_or_default().into();
        Self { status: StatusCode::OK, version: None, place: None, body }
    }

    /// Nothing is there any more.
    pub(super) const fn gone() -> Self {
        Self { status: StatusCode::NO_CONTENT, version: None, place: None, body: Bytes::new() }
    }

    /// In a version, for `If-Match`.
    pub(super) fn version(self, version: u64) -> Self {
        Self { version: Some(version), ..self }
    }

    /// It is new.
    pub(super) fn created(self) -> Self {
        Self { status: StatusCode::CREATED, ..self }
    }

    /// It is new, and stands under a path.
    pub(super) fn made(self, path: &str, id: &str) -> Self {
        Self { place: HeaderValue::from_str(&format!("{path}/{}", escaped(id))).ok(), ..self.created() }
    }

    /// Bytes that it takes to keep it.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.body.len() + self.place.as_ref().map_or(0, HeaderValue::len)
    }
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.status != StatusCode::NO_CONTENT {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let tag = self.version.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok());
        for (name, value) in [(ETAG, tag), (LOCATION, self.place)] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        response
    }
}

/// An id as a part of a path.
fn escaped(id: &str) -> String {
    let escaped = id.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    escaped.collect()
}
