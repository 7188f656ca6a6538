//! Envoy's side of `envoy.service.auth.v3`: what it asks and what it understands.
//!
//! Written from the published API and not shared with the product, so that a wrong number does not agree with itself.

use prost::{Message, Oneof};
use std::collections::HashMap;

pub const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

#[derive(Clone, PartialEq, Message)]
pub struct CheckRequest {
    #[prost(message, optional, tag = "1")]
    pub attributes: Option<Attributes>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Attributes {
    #[prost(message, optional, tag = "1")]
    pub source: Option<Peer>,
    #[prost(message, optional, tag = "2")]
    pub destination: Option<Peer>,
    #[prost(message, optional, tag = "4")]
    pub request: Option<AttributesRequest>,
    #[prost(map = "string, string", tag = "10")]
    pub context_extensions: HashMap<String, String>,
    #[prost(message, optional, tag = "11")]
    pub metadata_context: Option<Metadata>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Peer {
    #[prost(message, optional, tag = "1")]
    pub address: Option<Address>,
    #[prost(string, tag = "4")]
    pub principal: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Address {
    #[prost(message, optional, tag = "1")]
    pub socket_address: Option<SocketAddress>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SocketAddress {
    #[prost(string, tag = "2")]
    pub address: String,
    #[prost(uint32, tag = "3")]
    pub port_value: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct AttributesRequest {
    #[prost(message, optional, tag = "2")]
    pub http: Option<Http>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Http {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(string, tag = "2")]
    pub method: String,
    #[prost(map = "string, string", tag = "3")]
    pub headers: HashMap<String, String>,
    #[prost(string, tag = "4")]
    pub path: String,
    #[prost(string, tag = "5")]
    pub host: String,
    #[prost(string, tag = "6")]
    pub scheme: String,
    #[prost(int64, tag = "9")]
    pub size: i64,
    #[prost(string, tag = "10")]
    pub protocol: String,
    #[prost(string, tag = "11")]
    pub body: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Metadata {
    #[prost(map = "string, message", tag = "1")]
    pub filter_metadata: HashMap<String, Struct>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Struct {
    #[prost(map = "string, message", tag = "1")]
    pub fields: HashMap<String, Value>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Value {
    #[prost(oneof = "Kind", tags = "3, 5")]
    pub kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Kind {
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(message, tag = "5")]
    Object(Struct),
}

#[derive(Clone, PartialEq, Message)]
pub struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    pub status: Option<Status>,
    #[prost(message, optional, tag = "2")]
    pub denied_response: Option<Denied>,
    #[prost(message, optional, tag = "3")]
    pub ok_response: Option<Allowed>,
    #[prost(message, optional, tag = "4")]
    pub dynamic_metadata: Option<Struct>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Status {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Denied {
    #[prost(message, optional, tag = "1")]
    pub status: Option<HttpStatus>,
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    #[prost(string, tag = "3")]
    pub body: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Allowed {
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    #[prost(string, repeated, tag = "5")]
    pub headers_to_remove: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct HttpStatus {
    #[prost(int32, tag = "1")]
    pub code: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct HeaderValueOption {
    #[prost(message, optional, tag = "1")]
    pub header: Option<HeaderValue>,
}

#[derive(Clone, PartialEq, Message)]
pub struct HeaderValue {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct HealthRequest {
    #[prost(string, tag = "1")]
    pub service: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct HealthResponse {
    #[prost(int32, tag = "1")]
    pub status: i32,
}

impl CheckRequest {
    /// What Envoy asks about a request of HTTP.
    pub fn about(method: &str, target: &str, headers: &[(&str, &str)]) -> Self {
        // Envoy hands its own names of method, path and host over among the headers.
        let pseudo = [(":method", method), (":path", target), (":authority", "shop.example"), (":scheme", "https")];
        let address = SocketAddress { address: "192.0.2.7".to_owned(), port_value: 40_000 };
        let source = Peer { address: Some(Address { socket_address: Some(address) }), principal: String::new() };
        let http = Http {
            id: "r-envoy".to_owned(),
            method: method.to_owned(),
            headers: pseudo.iter().chain(headers).map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            path: target.to_owned(),
            host: "shop.example".to_owned(),
            scheme: "https".to_owned(),
            size: -1,
            protocol: "HTTP/1.1".to_owned(),
            body: String::new(),
        };
        Self {
            attributes: Some(Attributes {
                source: Some(source),
                request: Some(AttributesRequest { http: Some(http) }),
                ..Attributes::default()
            }),
        }
    }

    /// The same, with the payload of a token that Envoy's filter has verified.
    #[must_use]
    pub fn with_claims(mut self, claims: &[(&str, &str)]) -> Self {
        let text = |text: &str| Value { kind: Some(Kind::Text(text.to_owned())) };
        let fields = claims.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
        let payload = Value { kind: Some(Kind::Object(Struct { fields })) };
        let filter = Struct { fields: [("jwt_payload".to_owned(), payload)].into() };
        let metadata = Metadata { filter_metadata: [("envoy.filters.http.jwt_authn".to_owned(), filter)].into() };
        self.attributes.get_or_insert_default().metadata_context = Some(metadata);
        self
    }
}

impl CheckResponse {
    /// One text of the dynamic metadata; empty where it is absent.
    pub fn metadata(&self, name: &str) -> &str {
        let value = self.dynamic_metadata.as_ref().and_then(|metadata| metadata.fields.get(name));
        match value.and_then(|value| value.kind.as_ref()) {
            Some(Kind::Text(text)) => text,
            _ => "",
        }
    }

    /// The headers of the answer, whichever it is.
    pub fn headers(&self) -> Vec<(&str, &str)> {
        let allowed = self.ok_response.iter().flat_map(|response| &response.headers);
        let denied = self.denied_response.iter().flat_map(|response| &response.headers);
        let headers = allowed.chain(denied).filter_map(|option| option.header.as_ref());
        headers.map(|header| (header.key.as_str(), header.value.as_str())).collect()
    }
}
