//! One look at files: they are read once they rest, and what was read is one generation.

use super::{
    Cause,
    cause::Slot,
    workshop::{Broken, Workshop},
};
use crate::{document::Text, model::Revision, policy::Files};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How many times the debounce time changes may rain before the files are compared instead of awaiting quiet.
const MOST_WAITS: u32 = 10;

/// Comparisons of files that do not come to rest, before the next event or the poll takes over.
const MOST_COMPARISONS: usize = 20;

/// What can be looked at: equal content has an equal digest.
pub(super) trait Content: Send + 'static {
    /// Names the content.
    fn digest(&self) -> Revision;
}

impl Content for Files {
    fn digest(&self) -> Revision {
        self.revision()
    }
}

impl Content for Text {
    fn digest(&self) -> Revision {
        Revision::new(Sha256::digest(self.content().as_bytes()).into())
    }
}

/// What one look has found.
#[derive(Debug)]
pub(super) enum Found<T, E> {
    /// Files at rest.
    Files(T),
    /// Files that cannot be read.
    Unreadable(E),
    /// Files that do not come to rest.
    Unsettled,
}

/// Looks at files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'l> {
    pub(super) slot: &'l Slot,
    pub(super) workshop: &'l Workshop,
    /// How long files must rest before they are read.
    pub(super) debounce: Duration,
}

impl Look<'_> {
    /// Reads the files, once they rest where nobody has said that they are complete. `is_known` tells of content that needs no
    /// more looking at.
    pub(super) async fn find<T: Content, E: Send + 'static>(
        self,
        cause: Cause,
        read: impl Fn() -> Result<T, E> + Clone + Send + 'static,
        is_known: impl Fn(Revision) -> bool,
    ) -> Result<Found<T, E>, Broken> {
        let calm = match cause {
            Cause::FileEvent => self.quiet().await,
            // Without an event nobody knows how long the files have rested.
            Cause::Poll => false,
            Cause::Start | Cause::Signal | Cause::Admin => true,
        };
        let changes = self.slot.changes();
        self.slot.forget_hint();
        let mut files = match self.workshop.ask(read.clone()).await? {
            Ok(files) => files,
            Err(error) => return Ok(Found::Unreadable(error)),
        };
        if cause.is_word() || is_known(files.digest()) || (calm && changes == self.slot.changes()) {
            return Ok(Found::Files(files));
        }
        for _ in 0..MOST_COMPARISONS {
            sleep(self.debounce).await;
            let before = files.digest();
            files = match self.workshop.ask(read.clone()).await? {
                Ok(files) => files,
                Err(error) => return Ok(Found::Unreadable(error)),
            };
            if files.digest() == before || self.slot.has_word() {
                return Ok(Found::Files(files));
            }
        }
        Ok(Found::Unsettled)
    }

    /// Waits until the files have rested for the debounce time. False where they do not come to rest.
    async fn quiet(&self) -> bool {
        for _ in 0..MOST_WAITS {
            let changes = self.slot.changes();
            let word = async {
                while !self.slot.has_word() {
                    self.slot.filled().await;
                }
            };
            if timeout(self.debounce, word).await.is_ok() || changes == self.slot.changes() {
                return true;
            }
        }
        false
    }
}
