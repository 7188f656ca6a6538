//! The yardstick: a tonic server that reads the question and answers a constant, with no routing and no layers.

use super::ext_authz::{
    Allowed, CheckRequest, CheckResponse, HeaderValue, HeaderValueOption, Kind, Status, Struct, Value,
};
use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};
use tonic::{
    body::Body,
    codegen::{Service, http},
    server::Grpc,
    transport::{Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;

/// Serves until the process is killed.
pub fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        eprintln!(r#"{{"event":"listening","listener":"authorize","address":"{address}"}}"#);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder().serve_with_incoming(Constant, incoming).await.expect("it serves");
    });
}

#[derive(Debug, Clone, Copy)]
struct Constant;

/// What tonic's generator would write for one method.
impl Service<http::Request<Body>> for Constant {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            Ok(Grpc::new(ProstCodec::<CheckResponse, CheckRequest>::default()).unary(Self, request).await)
        })
    }
}

impl Service<tonic::Request<CheckRequest>> for Constant {
    type Response = tonic::Response<CheckResponse>;
    type Error = tonic::Status;
    type Future = Ready<Result<Self::Response, tonic::Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), tonic::Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<CheckRequest>) -> Self::Future {
        std::hint::black_box(request.into_inner());
        ready(Ok(tonic::Response::new(constant())))
    }
}

/// As long as an answer of the sidecar.
fn constant() -> CheckResponse {
    let header = HeaderValue { key: "sidegate-user".to_owned(), value: "u7".to_owned() };
    let texts = [
        ("decision", "allow"),
        ("reason", "granted"),
        ("route", "POST /orders/{id}"),
        ("revision", "3f9c01d2a7b4"),
        ("id", "01KAMZ1QHX4W0C0C6S1M2V7N5T"),
    ];
    let text = |(name, text): (&str, &str)| (name.to_owned(), Value { kind: Some(Kind::Text(text.to_owned())) });
    CheckResponse {
        status: Some(Status { code: 0, message: "granted".to_owned() }),
        denied_response: None,
        ok_response: Some(Allowed {
            headers: vec![HeaderValueOption { header: Some(header) }],
            headers_to_remove: vec!["sidegate-tenant".to_owned()],
        }),
        dynamic_metadata: Some(Struct { fields: texts.map(text).into() }),
    }
}
