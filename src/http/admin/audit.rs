//! `GET /v1/audit` and `GET /v1/audit/export`: the audit log for administrators.
//!
//! Reading blocks, so it happens off the runtime's threads. An export is streamed: the reader waits for the client, and what is in
//! memory at any time is a few chunks, whatever the size of the log. A client that hangs up ends the reading.

use crate::{
    audit::{Format, Log, Query, QueryError, ReadError, Reader},
    http::{ApiError, ErrorCode, address::decode},
};
use axum::{
    Router,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header},
    routing::get,
};
use bytes::Bytes;
use hyper::body::Frame;
use std::{
    borrow::Cow,
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{sync::mpsc, task::spawn_blocking};

/// Bytes of one chunk of an export.
const CHUNK: usize = 64 * 1024;
/// Chunks between the reader and the client.
const CHUNKS: usize = 4;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The routes, over a running log.
pub fn routes(log: Log) -> Router {
    Router::new().route("/v1/audit", get(list)).route("/v1/audit/export", get(export)).with_state(log)
}

async fn list(State(log): State<Log>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response<Body> {
    let request_id = RequestId::of(&headers);
    let page = match parse(query.as_deref(), &[]).and_then(|asked| Ok(asked.query.for_page()?)) {
        Ok(query) => read(move || log.reader().page(&query)).await,
        Err(error) => Err(error),
    };
    match page {
        Ok(page) => request_id.answer(StatusCode::OK, "application/json", page.into()),
        Err(error) => request_id.refuse(&error),
    }
}

async fn export(State(log): State<Log>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response<Body> {
    let request_id = RequestId::of(&headers);
    let Asked { query, format } = match parse(query.as_deref(), &["format"]) {
        Ok(asked) => asked,
        Err(error) => return request_id.refuse(&error),
    };
    let (sender, receiver) = mpsc::channel(CHUNKS);
    // Nobody waits for it: it ends when the export does or the client has gone, and a dropped channel tells it.
    drop(spawn_blocking(move || stream(&log.reader(), &query, format, sender)));
    let mut response = request_id.answer(StatusCode::OK, format.content_type(), Body::new(Stream { receiver }));
    let name = match format {
        Format::Csv => "attachment; filename=\"audit.csv\"",
        Format::Ndjson => "attachment; filename=\"audit.ndjson\"",
    };
    response.headers_mut().insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(name));
    response
}

/// What an address asks for.
struct Asked {
    query: Query,
    format: Format,
}

/// Reads the address's query; `format` is a parameter only where it is among `beside`.
fn parse(query: Option<&str>, beside: &[&str]) -> Result<Asked, ApiError> {
    let mut parameters: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    let mut format = None;
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if !beside.contains(&name.as_ref()) {
            parameters.push((name, value));
            continue;
        }
        let known = Format::parse(&value)
            .ok_or_else(|| ApiError::malformed(format!("`{value}` is no value of `format`: `csv` or `ndjson`")))?;
        if format.replace(known).is_some() {
            return Err(ApiError::malformed("parameter `format` is given more than once"));
        }
    }
    let query = Query::parse(parameters.iter().map(|(name, value)| (name.as_ref(), value.as_ref())))?;
    Ok(Asked { query, format: format.unwrap_or_default() })
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

/// Reads on a thread that may block.
async fn read<T: Send + 'static>(work: impl FnOnce() -> Result<T, ReadError> + Send + 'static) -> Result<T, ApiError> {
    match spawn_blocking(work).await {
        Ok(done) => Ok(done.inspect_err(read_failed)?),
        Err(_) => Err(ApiError::new(ErrorCode::Internal, "the audit log cannot be read")),
    }
}

fn read_failed(error: &ReadError) {
    tracing::error!(event = "audit_read_failed", %error, "a query of the audit log failed");
}

/// Sends the export in chunks.
fn stream(reader: &Reader, query: &Query, format: Format, sender: mpsc::Sender<io::Result<Bytes>>) {
    let mut chunks = Chunks { chunk: Vec::with_capacity(CHUNK), sender };
    match reader.export(query, format, &mut chunks) {
        Ok(_) => {}
        Err(crate::audit::ExportError::Write(_)) => {
            tracing::debug!(event = "audit_export_abandoned", "the client of an export has hung up");
        }
        Err(crate::audit::ExportError::Read(error)) => {
            read_failed(&error);
            // Cuts the answer off in mid-stream, so that the client does not take a part for the whole.
            drop(chunks.sender.blocking_send(Err(io::Error::other("the audit log cannot be read"))));
        }
    }
}

/// Collects what is written into chunks.
struct Chunks {
    chunk: Vec<u8>,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        self.sender.blocking_send(Ok(chunk.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// The body of an export.
struct Stream {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
}

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.receiver.poll_recv(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

/// `X-Request-ID`, returned as it came or made up.
struct RequestId(HeaderValue);

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let made_up = || {
            let mut buffer = [0; ulid::ULID_LEN];
            let now = crate::lifecycle::Clock::system().now().as_micros() / 1000;
            let id = ulid::Ulid::from_parts(u64::try_from(now).unwrap_or_default(), fastrand::u128(..));
            // A ULID is letters and digits.
            HeaderValue::from_str(id.array_to_str(&mut buffer)).unwrap_or_else(|_| HeaderValue::from_static(""))
        };
        Self(headers.get(&X_REQUEST_ID).cloned().unwrap_or_else(made_up))
    }

    fn answer(self, status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.headers_mut().insert(X_REQUEST_ID.clone(), self.0);
        response
    }

    fn refuse(self, error: &ApiError) -> Response<Body> {
        let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = error.body(&String::from_utf8_lossy(self.0.as_bytes()));
        self.answer(status, "application/json", body.into())
    }
}
