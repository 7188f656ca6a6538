//! `grpc.health.v1.Health/Check` (<https://github.com/grpc/grpc/blob/master/doc/health-checking.md>).

use super::{
    message,
    status::{Code, Status},
    wire::health::{Request, Response, Serving},
};
use crate::http::desk::Desk;
use bytes::Bytes;

/// What can be asked about; the empty name stands for the server as a whole.
const SERVICES: [&str; 3] = ["", "envoy.service.auth.v3.Authorization", "grpc.health.v1.Health"];

/// Says whether a service can be called: it cannot while the policies are too old to decide.
pub(super) fn answer(desk: &Desk, message: Bytes) -> Result<Bytes, Status> {
    let asked: Request = message::decode(message, "`HealthCheckRequest`")?;
    if !SERVICES.contains(&&*asked.service) {
        return Err(Status::new(Code::NotFound, format!("there is no service `{}`", asked.service)));
    }
    let status = if desk.is_expired() { Serving::NotReady } else { Serving::Ready };
    message::framed(&Response { status: status.into() })
}
