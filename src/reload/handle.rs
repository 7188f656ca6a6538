//! The handle by which others make the loop look, and learn what came of it.

use super::{Cause, Report, Status, cause::Slot};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// The loop is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("policies are no longer reloaded, since the process stops")]
pub struct Stopped;

/// Makes the loop look at the files. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) slot: Arc<Slot>,
    pub(super) status: Arc<ArcSwap<Status>>,
}

impl Handle {
    /// Asks for a look and waits for what comes of it.
    pub async fn reload(&self, cause: Cause) -> Result<Arc<Report>, Stopped> {
        self.slot.ask(cause).await.map_err(|_| Stopped)
    }

    /// Asks for a look.
    pub fn nudge(&self, cause: Cause) {
        self.slot.put(cause);
    }

    /// What is live, and how the last looks went.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        self.status.load_full()
    }
}
