//! `grpc/health/v1/health.proto`.

use prost::{Enumeration, Message};

/// `HealthCheckRequest`
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::http::grpc) struct Request {
    /// The name of the service; empty for the server as a whole.
    #[prost(string, tag = "1")]
    pub(in crate::http::grpc) service: String,
}

/// `HealthCheckResponse`
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::http::grpc) struct Response {
    /// Whether it can be called.
    #[prost(enumeration = "Serving", tag = "1")]
    pub(in crate::http::grpc) status: i32,
}

/// `HealthCheckResponse.ServingStatus`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
pub(in crate::http::grpc) enum Serving {
    /// Not known.
    Unknown = 0,
    /// It can be called: `SERVING`.
    Ready = 1,
    /// It cannot be called now: `NOT_SERVING`.
    NotReady = 2,
}
