//! Whether anything moves on a connection.

use std::{cell::Cell, rc::Rc, time::Duration};
use tokio::time::{Instant, sleep_until};

/// How many requests are being answered, and when one began or ended last.
#[derive(Debug)]
pub(super) struct Activity {
    answering: Cell<usize>,
    last: Cell<Instant>,
}

/// A request that is being answered; counts as such until it is dropped.
#[derive(Debug)]
pub(super) struct Moving(Rc<Activity>);

impl Activity {
    /// A connection that has just begun.
    pub(super) fn begin() -> Rc<Self> {
        Rc::new(Self { answering: Cell::new(0), last: Cell::new(Instant::now()) })
    }

    /// A request begins.
    pub(super) fn moving(self: &Rc<Self>) -> Moving {
        self.answering.set(self.answering.get().saturating_add(1));
        Moving(Rc::clone(self))
    }

    /// Something has moved.
    pub(super) fn touch(&self) {
        self.last.set(Instant::now());
    }

    /// Resolves once no request has been answered for as long as `patience`, and none is being answered.
    ///
    /// Frames that are no requests do not count, nor does an answer that is not taken: both would keep a place for ever.
    pub(super) async fn rested(&self, patience: Duration) {
        loop {
            let since = if self.answering.get() > 0 { Instant::now() } else { self.last.get() };
            let due = since + patience;
            if due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        self.0.answering.set(self.0.answering.get().saturating_sub(1));
        self.0.touch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_millis(40);

    #[tokio::test]
    async fn a_connection_rests_once_its_last_request_is_answered_and_long_enough_ago() {
        let activity = Activity::begin();
        let begun = Instant::now();
        let moving = activity.moving();
        let held = tokio::time::timeout(3 * PATIENCE, activity.rested(PATIENCE)).await;
        assert!(held.is_err(), "a request is being answered");
        drop(moving);
        let ended = Instant::now();
        activity.rested(PATIENCE).await;
        assert!(ended.elapsed() >= PATIENCE && begun.elapsed() >= 4 * PATIENCE);
        activity.rested(PATIENCE).await;
        activity.touch();
        let touched = Instant::now();
        activity.rested(PATIENCE).await;
        assert!(touched.elapsed() >= PATIENCE);
    }
}
