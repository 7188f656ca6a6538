//! The admin listener: policies and audit queries for administrators.

mod access;
pub mod activity;
mod actor;
pub mod audit;
mod content;
mod directory;
mod matrix;
mod openapi;
mod policies;
mod route;
mod stream;

pub use directory::LoggedUses;
pub use openapi::{document as openapi, reference};

use super::{aside::Aside, management::framed};
use crate::{
    audit::Log,
    config::Live,
    directory::Directory,
    reload::{Handle, Reader},
    telemetry::Metrics,
};
use access::Door;
use axum::Router;
use route::{Facts, Route, expected, mount};
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
    /// The audit log.
    pub log: Log,
    /// The directory.
    pub directory: Directory,
}

/// All routes.
pub fn router(services: Services, settings: &Live) -> Router {
    let metrics = Arc::clone(&services.metrics);
    let door = Arc::new(Door::new(settings.clone()));
    let served = mount(policies::ROUTES, services.clone(), Some(&door))
        .merge(directory::routes(&services, settings.clone(), &door))
        .merge(mount(activity::ROUTES, services.log.clone(), Some(&door)))
        .merge(mount(audit::ROUTES, audit::Services::new(services.log.clone()), Some(&door)))
        .merge(mount(matrix::ROUTES, (services, Aside::default()), Some(&door)))
        .merge(mount(openapi::ROUTES, (), Some(&door)));
    framed(served, LISTENER, &metrics, &expected(all_facts()))
}

/// What every route is, in the order of the documents.
fn all_facts() -> impl Iterator<Item = &'static Facts> {
    fn facts<S>(routes: &'static [Route<S>]) -> impl Iterator<Item = &'static Facts> {
        routes.iter().map(|route| &route.facts)
    }
    directory::facts()
        .chain(facts(policies::ROUTES))
        .chain(facts(matrix::ROUTES))
        .chain(facts(activity::ROUTES))
        .chain(facts(audit::ROUTES))
        .chain(facts(openapi::ROUTES))
}
