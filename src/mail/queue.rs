//! The seam to whoever keeps letters: what is due, and what became of it.

use super::{Kind, Letter};
use crate::model::Timestamp;
use std::{error::Error, sync::Arc};
use tokio::sync::Notify;

/// Where letters wait. Its implementor keeps them durably; the worker alone takes from it.
///
/// A letter stays until [`Queue::sent`] or a [`Queue::failed`] without a next attempt has returned. A process that ends between the
/// mail server's answer and that call sends the letter again: once at least, and with the same `Message-ID`.
///
/// All methods but [`Queue::depth`] and [`Queue::bell`] may block on a disk: they are called where that is allowed.
pub trait Queue: Send + Sync + 'static {
    /// Letters whose time has come, those that have waited longest first, at most so many. A link is made here and now.
    ///
    /// # Errors
    /// Fails where the queue cannot be read; it is asked again.
    fn due(&self, now: Timestamp, most: usize) -> Result<Vec<Due>, QueueError>;

    /// When the next letter is due, if there is one; it may be in the past.
    ///
    /// # Errors
    /// Fails where the queue cannot be read; it is asked again.
    fn next(&self) -> Result<Option<Timestamp>, QueueError>;

    /// The letter was sent and leaves the queue. Nothing happens where it is gone already.
    ///
    /// # Errors
    /// Fails where that cannot be kept; it is said again, and the letter is not sent meanwhile.
    fn sent(&self, id: &str, at: Timestamp) -> Result<(), QueueError>;

    /// The letter was not sent. It is due again at `next`, or leaves the queue where there is no `next`. Nothing happens where it is gone
    /// already. `why` holds neither address nor link.
    ///
    /// # Errors
    /// Fails where that cannot be kept; it is said again, and the letter is not sent meanwhile.
    fn failed(&self, id: &str, at: Timestamp, why: &str, next: Option<Timestamp>) -> Result<(), QueueError>;

    /// How many letters wait, for the metric. Neither blocks nor fails.
    fn depth(&self) -> u64;

    /// What is rung whenever a letter was queued, so that it need not wait for the worker's next look.
    fn bell(&self) -> Bell;
}

/// A letter whose time has come.
#[derive(Debug, Clone)]
pub struct Due {
    /// The letter, or why it cannot be written: then it is given up.
    pub letter: Result<Letter, Unwritten>,
    /// How often it was tried in vain.
    pub failures: u32,
    /// When it was queued.
    pub queued: Timestamp,
}

impl Due {
    /// The letter's kind, id and recipient.
    pub(super) fn names(&self) -> (&'static str, &str, &str) {
        match &self.letter {
            Ok(Letter { kind, id, recipient, .. }) | Err(Unwritten { kind, id, recipient, .. }) => {
                (kind.as_str(), id, recipient)
            }
        }
    }
}

/// A letter that waits and that nobody can write: what it is about is gone.
#[derive(Debug, Clone)]
pub struct Unwritten {
    /// Its id.
    pub id: String,
    /// What it was to be about.
    pub kind: Kind,
    /// The recipient's id.
    pub recipient: String,
    /// Why, in words that hold neither address nor link.
    pub why: &'static str,
}

/// The queue cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the queue of letters cannot be used")]
pub struct QueueError(#[source] pub Box<dyn Error + Send + Sync>);

/// Tells the worker to look at the queue. Cheap to clone; a ring before the worker listens is not lost.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<Notify>);

impl Bell {
    /// A bell that was not rung.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// There is something new.
    pub fn ring(&self) {
        self.0.notify_one();
    }

    /// Resolves when it was rung since the last time.
    pub(super) async fn rung(&self) {
        self.0.notified().await;
    }
}
