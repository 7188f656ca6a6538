//! Listeners, routes, wire shapes, limits. The decision path is plain hyper.
//!
//! A request of the authorize listener comes in through [`authorize_listener`], is matched against `routes`, read by `body`,
//! parsed by `authorize`, `authzen` or `proxy`, decided and recorded by `desk`, and answered by `service`. Between the parsed request
//! and the answer nothing waits: a decision and its record cannot be separated by a client that hangs up.

pub mod admin;
pub mod authorize_listener;
pub mod management;
pub mod ops;

mod sample;
mod self_check;
mod service;
mod shadow;

mod address;
mod aside;
mod body;
mod callers;
mod claim;
mod credentials;
mod last_call;
mod outgoing;
mod peer;
mod request_id;
mod routes;
pub mod tls;
mod trace;

mod authorize;
mod authzen;
mod grpc;
mod proxy;
mod questions;

mod desk;

mod error;
mod json;
mod views;

#[cfg(test)]
mod testing;

pub use authorize::{AuthorizeBody, read_authorize};
pub use error::{ApiError, ErrorCode};
pub(crate) use grpc::CHECK_BYTES;
