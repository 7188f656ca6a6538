//! `envoy/service/auth/v3/external_auth.proto`, and what it refers to.

use super::structure::Struct;
use bytes::Bytes;
use prost::{Message, Oneof};
use std::collections::BTreeMap;

/// `CheckRequest`
#[derive(Clone, PartialEq, Message)]
pub(in crate::http::grpc) struct CheckRequest {
    /// What the proxy knows about the request.
    #[prost(message, optional, tag = "1")]
    pub(in crate::http::grpc) attributes: Option<AttributeContext>,
}

/// `envoy/service/auth/v3/attribute_context.proto`: `AttributeContext`
#[derive(Clone, PartialEq, Message)]
pub(in crate::http::grpc) struct AttributeContext {
    /// The client.
    #[prost(message, optional, tag = "1")]
    pub(in crate::http::grpc) source: Option<Peer>,
    /// The request.
    #[prost(message, optional, tag = "4")]
    pub(in crate::http::grpc) request: Option<Request>,
    /// What filters before this one have found out.
    #[prost(message, optional, tag = "11")]
    pub(in crate::http::grpc) metadata_context: Option<Metadata>,
}

/// `AttributeContext.Peer`
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::http::grpc) struct Peer {
    /// Where it is.
    #[prost(message, optional, tag = "1")]
    pub(in crate::http::grpc) address: Option<Address>,
}

/// `envoy/config/core/v3/address.proto`: `Address`
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::http::grpc) struct Address {
    /// On a network.
    #[prost(message, optional, tag = "1")]
    pub(in crate::http::grpc) socket_address: Option<SocketAddress>,
}

/// `SocketAddress`
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::http::grpc) struct SocketAddress {
    /// The IP address.
    #[prost(string, tag = "2")]
    pub(in crate::http::grpc) address: String,
}

/// `AttributeContext.Request`
#[derive(Clone, PartialEq, Message)]
pub(in crate::http::grpc) struct Request {
    /// The request, where it is one of HTTP.
    #[prost(message, optional, tag = "2")]
    pub(in crate::http::grpc) http: Option<HttpRequest>,
}

/// `AttributeContext.HttpRequest`
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::http::grpc) struct HttpRequest {
    /// `X-Request-ID`
    #[prost(string, tag = "1")]
    pub(in crate::http::grpc) id: String,
    /// The method.
    #[prost(string, tag = "2")]
    pub(in crate::http::grpc) method: String,
    /// A map on paper; on the wire the same as a list of its entries.
    #[prost(message, repeated, tag = "3")]
    pub(in crate::http::grpc) headers: Vec<Header>,
    /// Path and query, not decoded.
    #[prost(bytes = "bytes", tag = "4")]
    pub(in crate::http::grpc) path: Bytes,
    /// `:authority` or `Host`.
    #[prost(string, tag = "5")]
    pub(in crate::http::grpc) host: String,
    /// `http` or `https`
    #[prost(string, tag = "6")]
    pub(in crate::http::grpc) scheme: String,
    /// In place of `headers` where the proxy is told to `encode_raw_headers`.
    #[prost(message, optional, tag = "13")]
    pub(in crate::http::grpc) header_map: Option<HeaderMap>,
}

/// `envoy/config/core/v3/base.proto`: `HeaderMap`
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::http::grpc) struct HeaderMap {
    /// The headers, in their order.
    #[prost(message, repeated, tag = "1")]
    pub(in crate::http::grpc) headers: Vec<Header>,
}

/// An entry of `HttpRequest.headers`, or a `HeaderValue` of `base.proto`, which has the same fields and one more.
///
/// Names and values are parts of the message that was read, not copies.
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::http::grpc) struct Header {
    /// The name.
    #[prost(bytes = "bytes", tag = "1")]
    pub(in crate::http::grpc) key: Bytes,
    /// The value.
    #[prost(bytes = "bytes", tag = "2")]
    pub(in crate::http::grpc) value: Bytes,
    /// The value as it came, where it is not `value`.
    #[prost(bytes = "bytes", tag = "3")]
    pub(in crate::http::grpc) raw_value: Bytes,
}

/// `base.proto`: `Metadata`
#[derive(Clone, PartialEq, Message)]
pub(in crate::http::grpc) struct Metadata {
    /// By the name of the filter that says it.
    #[prost(btree_map = "string, message", tag = "1")]
    pub(in crate::http::grpc) filter_metadata: BTreeMap<String, Struct>,
}

/// `CheckResponse`
#[derive(Clone, PartialEq, Message)]
pub(in crate::http::grpc) struct CheckResponse {
    /// `OK` lets the request pass.
    #[prost(message, optional, tag = "1")]
    pub(in crate::http::grpc) status: Option<RpcStatus>,
    /// What it means for the request, or for its answer.
    #[prost(oneof = "HttpResponse", tags = "2, 3")]
    pub(in crate::http::grpc) http_response: Option<HttpResponse>,
    /// What filters after this one, and logs, can see.
    #[prost(message, optional, tag = "4")]
    pub(in crate::http::grpc) dynamic_metadata: Option<Struct>,
}

/// `CheckResponse.http_response`
#[derive(Clone, PartialEq, Eq, Oneof)]
pub(in crate::http::grpc) enum HttpResponse {
    /// It does not pass.
    #[prost(message, tag = "2")]
    Denied(DeniedHttpResponse),
    /// It passes.
    #[prost(message, tag = "3")]
    Ok(OkHttpResponse),
}

/// `google/rpc/status.proto`: `Status`
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::http::grpc) struct RpcStatus {
    /// A code of gRPC.
    #[prost(int32, tag = "1")]
    pub(in crate::http::grpc) code: i32,
    /// For people.
    #[prost(string, tag = "2")]
    pub(in crate::http::grpc) message: String,
}

/// `DeniedHttpResponse`
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::http::grpc) struct DeniedHttpResponse {
    /// The status that the client sees.
    #[prost(message, optional, tag = "1")]
    pub(in crate::http::grpc) status: Option<HttpStatus>,
    /// Headers that the client sees.
    #[prost(message, repeated, tag = "2")]
    pub(in crate::http::grpc) headers: Vec<HeaderValueOption>,
    /// The body that the client sees.
    #[prost(string, tag = "3")]
    pub(in crate::http::grpc) body: String,
}

/// `OkHttpResponse`
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::http::grpc) struct OkHttpResponse {
    /// Headers that the application sees.
    #[prost(message, repeated, tag = "2")]
    pub(in crate::http::grpc) headers: Vec<HeaderValueOption>,
    /// Headers that the application does not see.
    #[prost(string, repeated, tag = "5")]
    pub(in crate::http::grpc) headers_to_remove: Vec<String>,
}

/// `envoy/type/v3/http_status.proto`: `HttpStatus`
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::http::grpc) struct HttpStatus {
    /// The status.
    #[prost(int32, tag = "1")]
    pub(in crate::http::grpc) code: i32,
}

/// `base.proto`: `HeaderValueOption`
#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::http::grpc) struct HeaderValueOption {
    /// The header.
    #[prost(message, optional, tag = "1")]
    pub(in crate::http::grpc) header: Option<Header>,
    /// Whether it is added to those of its name. Where it is absent, the meaning depends on Envoy's release.
    #[prost(message, optional, tag = "2")]
    pub(in crate::http::grpc) append: Option<BoolValue>,
    /// What newer releases look at: 2 takes the place of all of its name.
    #[prost(int32, tag = "3")]
    pub(in crate::http::grpc) append_action: i32,
}

/// `google/protobuf/wrappers.proto`: `BoolValue`
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(in crate::http::grpc) struct BoolValue {
    /// The value.
    #[prost(bool, tag = "1")]
    pub(in crate::http::grpc) value: bool,
}
