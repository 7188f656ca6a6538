//! The admin listener: policies and audit queries for administrators.

mod access;
pub mod activity;
pub mod audit;
mod policies;

use super::management::framed;
use crate::{
    config::{AdminAuth, AdminToken},
    reload::{Handle, Reader},
    telemetry::Metrics,
};
use access::Access;
use axum::{
    Router, middleware,
    routing::{get, post},
};
use std::sync::Arc;

/// The name in logs and metrics.
pub const LISTENER: &str = "admin";

/// What the listener serves.
#[derive(Debug, Clone)]
pub struct Services {
    /// Where requests are counted.
    pub metrics: Arc<Metrics>,
    /// The current snapshot.
    pub reader: Reader,
    /// Makes the files be looked at.
    pub reload: Handle,
}

/// All routes. `more` are those of other modules; whoever reaches them has been let in already.
pub fn router(services: Services, auth: AdminAuth, tokens: Vec<AdminToken>, more: Router) -> Router {
    let metrics = Arc::clone(&services.metrics);
    let access = Arc::new(Access::new(auth, tokens));
    let served = Router::new()
        .route("/v1/policies", get(policies::list))
        .route("/v1/policies/reload", post(policies::reload))
        .with_state(services)
        .merge(more)
        .layer(middleware::from_fn_with_state(access, access::check));
    let expected: [(&str, &[u16]); 6] = [
        ("/v1/activity", &[200, 400, 401, 413, 422, 503]),
        ("/v1/policies", &[200, 401]),
        ("/v1/policies/reload", &[200, 401, 422]),
        ("/v1/audit", &[200, 400, 401]),
        ("/v1/audit/export", &[200, 400, 401, 503]),
        ("/v1/audit/stats", &[200, 400, 401]),
    ];
    framed(served, LISTENER, &metrics, &expected)
}
