//! The directory over HTTP: users, what they were given, invitations, sessions.
//!
//! Thin: a route reads the address and the body, calls the directory for whoever acts, and shows what comes back. What is allowed, what
//! is wrong with a body and what happens is the directory's to say.

mod assignments;
mod backup;
mod by;
mod catalog;
mod change;
mod custom_roles;
mod invitations;
mod kept;
mod page;
mod refusal;
mod review;
mod sessions;
mod shapes;
#[cfg(test)]
mod tests;
mod transfer;
mod users;
mod views;

pub use review::LoggedUses;

use super::{
    Services,
    access::Door,
    route::{Answer, Content, Facts, Parameter, Route, Shape, mount},
    stream::{self, Chunks},
};
use crate::{
    audit::{Log, Usage},
    config::Live,
    directory::{Call, Directory, Refusal},
    http::{ApiError, ErrorCode, aside::Aside, management::Error},
    lifecycle::Clock,
    reload::Reader,
    telemetry::trace::{current, within},
};
use axum::{
    Router,
    http::{
        HeaderValue,
        header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::Response,
};
use by::By;
use kept::Kept;
use std::sync::{Arc, Mutex};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// What the routes share.
#[derive(Debug, Clone)]
pub(in crate::http::admin) struct Desk {
    directory: Directory,
    reader: Reader,
    /// For calls that look: at many users, some of them.
    looks: Aside,
    /// For calls that change something: they wait for each other and for the disk, and those that look do not.
    changes: Aside,
    settings: Live,
    log: Log,
    /// When what users have was last used, as far as it was asked for.
    usage: Arc<Mutex<Usage>>,
    /// Answers for whoever asks again by the same key.
    kept: Kept,
    /// Files that can be on their way at once: each keeps a thread.
    files: Arc<Semaphore>,
    /// Backups that can come back at once: each is in memory as a whole.
    restores: Arc<Semaphore>,
}

/// Every table of routes.
const TABLES: [&[Route<Desk>]; 9] = [
    users::ROUTES,
    transfer::ROUTES,
    assignments::ROUTES,
    invitations::ROUTES,
    sessions::ROUTES,
    catalog::ROUTES,
    custom_roles::ROUTES,
    review::ROUTES,
    backup::ROUTES,
];

/// What every route is.
pub(super) fn facts() -> impl Iterator<Item = &'static Facts> {
    TABLES.iter().copied().flatten().map(|route| &route.facts)
}

/// All routes.
pub(super) fn routes(services: &Services, settings: Live, files: &Arc<Semaphore>, door: &Arc<Door>) -> Router {
    let desk = Desk {
        directory: services.directory.clone(),
        reader: services.reader.clone(),
        looks: Aside::default(),
        changes: Aside::new(CHANGES, "too many changes of the directory at once"),
        settings,
        log: services.log.clone(),
        usage: Arc::default(),
        kept: Kept::default(),
        files: Arc::clone(files),
        restores: Arc::new(Semaphore::new(1)),
    };
    TABLES.into_iter().fold(Router::new(), |router, table| router.merge(mount(table, desk.clone(), Some(door))))
}

impl Desk {
    /// Looks at the directory beside the runtime's threads.
    async fn look<T: Send + 'static>(
        &self,
        by: By,
        tenant: Option<String>,
        work: impl FnOnce(&Directory, &Call<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Error> {
        self.run(&self.looks, by, tenant, work).await
    }

    /// Changes the directory beside the runtime's threads.
    async fn change<T: Send + 'static>(
        &self,
        by: By,
        tenant: Option<String>,
        work: impl FnOnce(&Directory, &Call<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Error> {
        self.run(&self.changes, by, tenant, work).await
    }

    async fn run<T: Send + 'static>(
        &self,
        aside: &Aside,
        by: By,
        tenant: Option<String>,
        work: impl FnOnce(&Directory, &Call<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Error> {
        let directory = self.directory.clone();
        let done = aside.run(move || {
            let call = by.call(tenant.as_deref(), Clock::system().now());
            work(&directory, &call).map_err(ApiError::from)
        });
        Ok(done.await?)
    }

    /// Answers with a file that is written as the client takes it. One that breaks off does not end well, so that nobody takes a part
    /// for the whole.
    fn file(
        &self,
        by: By,
        tenant: Option<String>,
        (content_type, name): (&'static str, &'static str),
        write: impl FnOnce(&Call<'_>, &mut Chunks) -> Result<(), String> + Send + 'static,
    ) -> Result<Response, Error> {
        let place = stream::place(&self.files)?;
        let (mut chunks, body) = stream::begin(place, stream::STALLED);
        // Nobody waits for it: it ends when the file does or the client has gone, and a dropped channel tells it.
        let trace = current();
        let send = move || {
            let call = by.call(tenant.as_deref(), Clock::system().now());
            match write(&call, &mut chunks) {
                Ok(()) => chunks.end(),
                Err(error) => tracing::debug!(event = "directory_file_abandoned", %error, "a file was not finished"),
            }
        };
        drop(spawn_blocking(move || within(trace, send)));
        let mut response = Response::new(body);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert(CONTENT_DISPOSITION, HeaderValue::from_static(name));
        Ok(response)
    }
}

/// Changes that are made or wait at the most.
const CHANGES: usize = 256;
/// The bytes that a body of one object may have.
const MOST_BYTES: usize = 64 * 1024;
/// Items of one page where the call does not say how many.
const USUAL: usize = 100;
/// Items of one page at the most.
const MOST: usize = 1000;

/// The `{id}` of a path.
const ID: &[Parameter] = &[Parameter::path("id", "the id")];
/// The tenant of a call.
const TENANT: &[Parameter] = &[Parameter::query(
    "tenant",
    "the tenant in which the call is made; where there are tenants, what is given counts in one of them",
    Shape::Text,
)];
/// A page of a list.
const PAGE: &[Parameter] = &[
    Parameter::query("limit", "items of one page at the most; without it 100", Shape::Whole(1, MOST as u64)),
    Parameter::query("cursor", "`next_cursor` of the page before", Shape::Text),
];
/// The version that the caller has seen.
const IF_MATCH: &[Parameter] = &[Parameter::header(
    "If-Match",
    "the `ETag` that was seen; where another counts by now, nothing is changed",
    Shape::Like("^(\"[0-9]{1,18}\"|\\*)$"),
)];
/// The key by which a call can be repeated.
const KEY: &[Parameter] = &[Parameter::header(
    "Idempotency-Key",
    "any text that the caller has not used before: a call that is repeated with it is made once, and answered as it was, for a day",
    Shape::Like("^[!-~]{1,255}$"),
)];
const ETAG: (&str, &str) = ("ETag", "the version, for `If-Match`");
const LOCATION: (&str, &str) = ("Location", "where it is");

/// What every change may be refused for.
const CHANGING: &[ErrorCode] = &[
    ErrorCode::NotAllowed,
    ErrorCode::NotFound,
    ErrorCode::Conflict,
    ErrorCode::VersionMismatch,
    ErrorCode::Invalid,
    ErrorCode::Overloaded,
    ErrorCode::AuditUnavailable,
    ErrorCode::DirectoryUnavailable,
];

/// What every look may be refused for.
const LOOKING: &[ErrorCode] = &[
    ErrorCode::NotAllowed,
    ErrorCode::NotFound,
    ErrorCode::Conflict,
    ErrorCode::Invalid,
    ErrorCode::Overloaded,
    ErrorCode::AuditUnavailable,
    ErrorCode::DirectoryUnavailable,
];

/// An answer with what is there now, and its version.
const fn tagged(status: u16, about: &'static str, content: &'static [Content]) -> Answer {
    Answer { status, about, content, headers: &[ETAG] }
}

/// An answer with something new.
const fn made(about: &'static str, content: &'static [Content]) -> Answer {
    Answer { status: 201, about, content, headers: &[ETAG, LOCATION] }
}

/// Puts the version of something into an answer.
fn tag(response: &mut Response, version: u64) {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(axum::http::header::ETAG, tag);
    }
}
