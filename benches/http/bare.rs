//! The yardstick: a hyper server that parses the same body and answers a constant.
//!
//! It has the layout of the sidecar, one thread and one runtime for each core with connections handed out in turn, and the
//! same protections of hyper, a limit on the time and the length of a head. It knows no policies, writes no records, counts
//! nothing and reads its body without limits.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use std::{borrow::Cow, convert::Infallible, net::TcpListener, thread, time::Duration};
use tokio::{net::TcpStream, sync::mpsc, task::LocalSet};

/// As long as an answer of the sidecar.
const ANSWER: &[u8] = br#"{"decision":"allow","reason":{"code":"granted","message":"own-7 grants edit on order","policies":["own-7"]},"revision":"3f9c01d2a7b4","id":"01KAMZ1QHX4W0C0C6S1M2V7N5T"}"#;

/// Every field of both bodies; those of the other one stay empty.
#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    #[serde(borrow)]
    user: Option<Cow<'a, str>>,
    #[serde(borrow)]
    subject: Option<Subject<'a>>,
    #[serde(borrow)]
    resource: Resource<'a>,
    #[serde(borrow)]
    tenant: Option<Cow<'a, str>>,
    #[serde(borrow)]
    context: Context<'a>,
}

#[derive(Deserialize)]
struct Subject<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow, rename = "type")]
    ty: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, alias = "properties")]
    attributes: Attributes<'a>,
}

#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(borrow)]
    account_manager: Reference<'a>,
    #[serde(borrow)]
    status: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Reference<'a> {
    #[serde(borrow, rename = "__entity")]
    entity: Entity<'a>,
}

#[derive(Deserialize)]
struct Entity<'a> {
    #[serde(borrow, rename = "type")]
    ty: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Context<'a> {
    #[serde(borrow)]
    ip: Cow<'a, str>,
}

/// Serves until the process is killed.
pub fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    eprintln!(
        r#"{{"event":"listening","listener":"authorize","address":"{}"}}"#,
        listener.local_addr().expect("an address")
    );
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let workers: Vec<_> = (0..cores)
        .map(|_| {
            let (give, mut take) = mpsc::unbounded_channel();
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                LocalSet::new().block_on(&runtime, async {
                    while let Some(stream) = take.recv().await {
                        tokio::task::spawn_local(connection(stream));
                    }
                });
            });
            give
        })
        .collect();
    for (stream, worker) in listener.incoming().zip(workers.iter().cycle()) {
        worker.send(stream.expect("a connection")).expect("the worker runs");
    }
}

async fn connection(stream: std::net::TcpStream) {
    stream.set_nonblocking(true).expect("nonblocking");
    stream.set_nodelay(true).expect("nodelay");
    let stream = TcpStream::from_std(stream).expect("a socket");
    let ended = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_mins(1))
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .await;
    // Clients of a benchmark just go.
    drop(ended);
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.expect("a body").to_bytes();
    let body: Body<'_> = serde_json::from_slice(&body).expect("the body that was asked for");
    let parsed = body.user.as_ref().map(|user| user.len()).or(body.subject.as_ref().map(|subject| subject.id.len()));
    let attributes = &body.resource.attributes;
    let entity = &attributes.account_manager.entity;
    std::hint::black_box((parsed, body.resource.ty.len(), body.resource.id.len(), body.tenant.is_some()));
    std::hint::black_box((entity.ty.len(), entity.id.len(), attributes.status.len(), body.context.ip.len()));
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
