//! `GET /v1/audit`, `/v1/audit/stats` and `/v1/audit/export`: the audit log for administrators.
//!
//! Reading blocks, so it happens off the runtime's threads, a few queries at a time. An export is streamed: the reader waits for the
//! client, and what is in memory at any time is a few chunks, whatever the size of the log. A client that hangs up, or takes nothing for
//! a while, ends the reading; and only so many files are on their way at once, so that slow clients leave threads to others.

mod table;

use super::{
    actor, route,
    stream::{self, Chunks},
};
use crate::{
    audit::{Export, ExportError, Format, Log, Query, QueryError, ReadError, Reader},
    directory::{Actor, Call, Directory},
    http::{
        ApiError, ErrorCode,
        address::{decode, wrong},
        aside::Aside,
        management::{Error, framed},
        request_id::X_REQUEST_ID,
    },
    lifecycle::Clock,
    telemetry::{
        Metrics,
        trace::{current, within},
    },
};
use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderValue, header, request::Parts},
    response::Response,
};
use std::{borrow::Cow, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// Queries that run or wait at the most.
const QUERIES: usize = 64;

pub(super) use table::ROUTES;

/// What the routes share.
#[derive(Debug, Clone)]
pub(super) struct Services {
    log: Log,
    /// Who decides what an actor may read; none over a log alone.
    directory: Option<Directory>,
    /// For pages and figures.
    reads: Aside,
    /// For exports, and the files of others.
    files: Arc<Semaphore>,
    stalled: Duration,
}

/// The routes without a door, over a running log.
pub fn routes(log: Log) -> Router {
    framed_over(Services::new(log, None, Arc::new(Semaphore::new(stream::FILES))))
}

/// As the listener has them, with the frame that writes their errors.
fn framed_over(services: Services) -> Router {
    const UNMETERED: [(&str, [u16; 0]); 0] = [];
    framed(routes_over(services), "admin", &Metrics::new(), &UNMETERED)
}

fn routes_over(services: Services) -> Router {
    route::mount(ROUTES, services, None)
}

impl Services {
    pub(super) fn new(log: Log, directory: Option<Directory>, files: Arc<Semaphore>) -> Self {
        let reads = Aside::new(QUERIES, "too many queries of the audit log at once");
        Self { log, directory, reads, files, stalled: stream::STALLED }
    }

    /// Holds a query to what the actor may read who is named. Where nobody is, the token's scope is enough.
    async fn held(&self, query: Query, head: &Parts) -> Result<Query, ApiError> {
        let Some(actor) = actor::named(&head.headers)?.map(str::to_owned) else { return Ok(query) };
        let Some(directory) = self.directory.clone() else {
            return Err(ApiError::new(ErrorCode::NotAllowed, "nobody decides here what an actor may read"));
        };
        let request_id = head.headers.get(&X_REQUEST_ID).map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
        let trace_id = head.extensions.get().copied().unwrap_or_default();
        let asking = self.reads.run(move || {
            let call = Call {
                actor: Actor::User(&actor),
                tenant: query.tenant(),
                request_id: request_id.as_deref().unwrap_or_default(),
                trace_id,
                now: Clock::system().now(),
                if_match: None,
                barred: None,
            };
            let tenant = directory.begin_log(&call)?;
            Ok(match tenant {
                Some(tenant) => query.in_tenant(&tenant),
                None => query,
            })
        });
        asking.await
    }

    /// Begins an export.
    async fn send(&self, head: &Parts) -> Result<(Export, Body), ApiError> {
        let Asked { query, export } = parse(head.uri.query(), Route::Export)?;
        let query = self.held(query, head).await?;
        let place = stream::place(&self.files)?;
        let (chunks, body) = stream::begin(place, self.stalled);
        let log = self.log.clone();
        // Nobody waits for it: it ends when the export does or the client has gone, and a dropped channel tells it.
        let trace = current();
        drop(spawn_blocking(move || within(trace, || send(&log.reader(), &query, export, chunks))));
        Ok((export, body))
    }

    /// Reads on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let log = self.log.clone();
        self.reads.run(move || Ok(work(&log.reader()).inspect_err(read_failed)?)).await
    }
}

async fn list(State(services): State<Services>, head: Parts) -> Result<Response, Error> {
    let query = parse(head.uri.query(), Route::List)?.query.for_page().map_err(ApiError::from)?;
    let query = services.held(query, &head).await?;
    let page = services.read(move |reader| reader.page(&query)).await?;
    Ok(answer("application/json", page.into()))
}

async fn stats(State(services): State<Services>, head: Parts) -> Result<Response, Error> {
    let query = services.held(parse(head.uri.query(), Route::Stats)?.query, &head).await?;
    let figures = services.read(move |reader| reader.figures(&query)).await?;
    let figures = serde_json::to_vec(&figures)
        .map_err(|_| ApiError::new(ErrorCode::Internal, "the figures cannot be written"))?;
    Ok(answer("application/json", figures.into()))
}

async fn export(State(services): State<Services>, head: Parts) -> Result<Response, Error> {
    let (export, body) = services.send(&head).await?;
    let mut response = answer(export.format.content_type(), body);
    let name = match export.format {
        Format::Csv => "attachment; filename=\"audit.csv\"",
        Format::Ndjson => "attachment; filename=\"audit.ndjson\"",
    };
    response.headers_mut().insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(name));
    Ok(response)
}

/// The frame adds the request's id.
fn answer(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Which parameters a path takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    List,
    Stats,
    Export,
}

impl Route {
    /// Why a parameter of the others has no place here.
    fn refuses(self, name: &str) -> Option<&'static str> {
        match (self, name) {
            (Self::Export, "cursor") => Some("an export that broke off goes on with `after_seq`"),
            (Self::Stats, "order" | "limit" | "cursor") => Some("figures are of all records that match"),
            _ => None,
        }
    }
}

/// What an address asks for.
struct Asked {
    query: Query,
    export: Export,
}

/// Reads the address's query.
fn parse(query: Option<&str>, route: Route) -> Result<Asked, ApiError> {
    let mut parameters: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    let (mut format, mut after_seq) = (None, None);
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if let Some(why) = route.refuses(&name) {
            return Err(ApiError::malformed(format!("`{name}` is no parameter of this path: {why}")));
        }
        match name.as_ref() {
            "format" if route == Route::Export => {
                once("format", &mut format, Format::parse(&value), &value, "`csv` or `ndjson`")?;
            }
            "after_seq" if route == Route::Export => {
                once("after_seq", &mut after_seq, value.parse().ok(), &value, "the number of a record")?;
            }
            _ => parameters.push((name, value)),
        }
    }
    let query = Query::parse(parameters.iter().map(|(name, value)| (name.as_ref(), value.as_ref())))?;
    Ok(Asked { query, export: Export { format: format.unwrap_or_default(), after_seq } })
}

fn once<T>(name: &str, place: &mut Option<T>, read: Option<T>, value: &str, expected: &str) -> Result<(), ApiError> {
    let read = read.ok_or_else(|| wrong(name, value, expected))?;
    match place.replace(read) {
        None => Ok(()),
        Some(_) => Err(ApiError::malformed(format!("parameter `{name}` is given more than once"))),
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        Self::malformed(error.to_string())
    }
}

impl From<ReadError> for ApiError {
    fn from(_: ReadError) -> Self {
        Self::new(ErrorCode::Internal, "the audit log cannot be read")
    }
}

fn read_failed(error: &ReadError) {
    tracing::error!(event = "audit_read_failed", %error, "a query of the audit log failed");
}

/// Sends the export in chunks. What ends without the last word is cut off in mid-stream.
fn send(reader: &Reader, query: &Query, export: Export, mut chunks: Chunks) {
    match reader.export(query, export, &mut chunks) {
        Ok(_) => chunks.end(),
        Err(ExportError::Write(error)) => {
            tracing::debug!(event = "audit_export_abandoned", %error, "the client of an export has gone");
        }
        Err(ExportError::Read(error)) => read_failed(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::stream::{CHUNK, CHUNKS, STALLED},
        *,
    };
    use crate::audit::{Entry, Kind, Options};
    use axum::http::{Request, StatusCode};
    use http_body_util::BodyExt as _;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    #[tokio::test]
    async fn an_export_whose_client_takes_nothing_ends_and_frees_its_place() {
        let data = tempfile::tempdir().unwrap();
        let log = Log::open(Options::new(data.path())).unwrap();
        let large = "x".repeat(900);
        let now = crate::model::Timestamp::from_micros(1);
        // More than stands between the reader and the client.
        for _ in 0..2 * CHUNKS * CHUNK / large.len() {
            log.append(&Entry { user: &large, ..Entry::blank(Kind::Activity, now, [7; 16]) }).unwrap();
        }
        log.settle().unwrap();
        for (stalled, is_whole) in [(Duration::from_millis(20), false), (STALLED, true)] {
            let files = Arc::new(Semaphore::new(1));
            let services = Services { stalled, ..Services::new(log.clone(), None, Arc::clone(&files)) };
            let service = TowerToHyperService::new(framed_over(services));
            let answer = service.call(Request::get("/v1/audit/export").body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            if !is_whole {
                // It ends by itself, though nobody has taken a byte.
                drop(files.acquire().await.unwrap());
            }
            assert_eq!(answer.into_body().collect().await.is_ok(), is_whole, "{stalled:?}");
            drop(files.acquire().await.unwrap());
        }
    }

    #[tokio::test]
    async fn queries_on_top_of_those_that_run_and_wait_are_refused_and_take_no_thread() {
        let data = tempfile::tempdir().unwrap();
        let log = Log::open(Options::new(data.path())).unwrap();
        let files = Arc::new(Semaphore::new(1));
        let services = Services { reads: Aside::new(0, "too many"), ..Services::new(log, None, files) };
        let service = TowerToHyperService::new(framed_over(services));
        for path in ["/v1/audit", "/v1/audit/stats"] {
            let answer = service.call(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
            assert!(answer.headers().contains_key(header::RETRY_AFTER), "{path}");
        }
    }
}
