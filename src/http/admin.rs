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

use super::{
    aside::{AT_ONCE, Aside},
    management::framed,
};
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
use tokio::sync::Semaphore;

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

/// Threads that may block which all who ask can keep busy at once, however slow they are.
pub const BLOCKING: usize = stream::FILES + PLACES * AT_ONCE;
/// Places beside the runtime's threads: queries, reports of applications, looks at the directory, changes of it, the matrix.
const PLACES: usize = 5;

/// All routes.
pub fn router(services: Services, settings: &Live) -> Router {
    let metrics = Arc::clone(&services.metrics);
    let door = Arc::new(Door::new(settings.clone()));
    let files = Arc::new(Semaphore::new(stream::FILES));
    let served = mount(policies::ROUTES, services.clone(), Some(&door))
        .merge(directory::routes(&services, settings.clone(), &files, &door))
        .merge(mount(
            activity::ROUTES,
            activity::Services::new(services.log.clone(), Some(services.directory.clone())),
            Some(&door),
        ))
        .merge(mount(
            audit::ROUTES,
            audit::Services::new(services.log.clone(), Some(services.directory.clone()), files),
            Some(&door),
        ))
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
