//! Why the files are looked at, and the one slot in which causes wait.

use super::Report;
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::{Notify, oneshot};

/// Why the files are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The process starts.
    Start,
    /// The file system said that something changed.
    FileEvent,
    /// `SIGHUP`.
    Signal,
    /// An administrator asked.
    Admin,
    /// The slow timer, since file events can get lost.
    Poll,
}

impl Cause {
    /// The cause in logs, in `/status` and in the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::FileEvent => "file_event",
            Self::Signal => "sighup",
            Self::Admin => "admin",
            Self::Poll => "poll",
        }
    }

    /// Whether somebody says that the files are complete. They are read at once then.
    pub(super) const fn is_word(self) -> bool {
        matches!(self, Self::Start | Self::Signal | Self::Admin)
    }
}

/// The one slot: a cause that comes while another waits takes its place, and one look at the files serves all who asked.
#[derive(Debug, Default)]
pub(super) struct Slot {
    waiting: Mutex<Option<Pending>>,
    filled: Notify,
    changes: AtomicU64,
}

/// What waits in the slot.
#[derive(Debug)]
pub(super) struct Pending {
    /// The latest cause; a word is not displaced by a hint.
    pub(super) cause: Cause,
    /// Who wants to know what came of it.
    pub(super) asked: Vec<oneshot::Sender<Arc<Report>>>,
}

impl Slot {
    /// The file system said that something changed. Called from the watcher's thread.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.put(Cause::FileEvent);
    }

    /// How many changes the file system has told of. Two equal answers mean that it was quiet in between.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// Leaves a cause.
    pub(super) fn put(&self, cause: Cause) {
        self.fill(cause, None);
    }

    /// Leaves a cause and waits for what comes of it.
    pub(super) fn ask(&self, cause: Cause) -> oneshot::Receiver<Arc<Report>> {
        let (answer, answered) = oneshot::channel();
        self.fill(cause, Some(answer));
        answered
    }

    /// Whether a word waits: then there is no more waiting for files to rest.
    pub(super) fn has_word(&self) -> bool {
        self.lock().as_ref().is_some_and(|pending| pending.cause.is_word())
    }

    /// Forgets a hint that waits: the files are about to be read.
    pub(super) fn forget_hint(&self) {
        self.lock().take_if(|pending| !pending.cause.is_word());
    }

    /// Takes what waits, or what comes next. Cancel safe.
    pub(super) async fn take(&self) -> Pending {
        loop {
            if let Some(pending) = self.lock().take() {
                return pending;
            }
            // A permit is kept if the slot was filled in between.
            self.filled.notified().await;
        }
    }

    /// Resolves when the slot was filled since it was last waited for. Cancel safe.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    fn fill(&self, cause: Cause, answer: Option<oneshot::Sender<Arc<Report>>>) {
        let mut waiting = self.lock();
        let pending = waiting.get_or_insert_with(|| Pending { cause, asked: Vec::new() });
        if cause.is_word() || !pending.cause.is_word() {
            pending.cause = cause;
        }
        pending.asked.extend(answer);
        drop(waiting);
        self.filled.notify_one();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Pending>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_latest_cause_wins_but_a_hint_does_not_displace_a_word() {
        let slot = Slot::default();
        for (causes, wins) in [
            (&[Cause::Poll, Cause::FileEvent][..], Cause::FileEvent),
            (&[Cause::FileEvent, Cause::Admin, Cause::Poll], Cause::Admin),
            (&[Cause::Admin, Cause::Signal], Cause::Signal),
        ] {
            for cause in causes {
                slot.put(*cause);
            }
            assert_eq!(slot.take().await.cause, wins, "{causes:?}");
        }
    }

    #[tokio::test]
    async fn everybody_who_asks_while_it_waits_is_answered_by_one_look() {
        let slot = Slot::default();
        let _first = slot.ask(Cause::Admin);
        let _second = slot.ask(Cause::Admin);
        assert_eq!(slot.take().await.asked.len(), 2);
        assert!(slot.lock().is_none());
    }
}
