//! The deciders' side: a record goes into the ring of its thread in the same poll as the decision.

use super::{
    Entry, Intake, Mode, RecordError, Ticket, WhenFailed, WhenFull,
    record::{MAX_RECORD, Marks, encode},
    ring::{Mapping, Producer},
    shared::{Lane, Shared},
};
use std::{
    cell::RefCell,
    fmt,
    sync::{Arc, atomic::Ordering},
};

/// The producer of one thread: it alone writes to its ring. Shared by the tasks of its thread; when it is dropped, its ring is
/// free for another thread.
pub struct Recorder {
    waiter: Waiter,
    // Borrowed within `record` only, which calls nothing that could come back here.
    desk: RefCell<Desk>,
}

/// Where records are put together.
struct Desk {
    producer: Producer<Mapping>,
    // One record at a time is put together here. As long as the largest, so recording does not allocate.
    scratch: Vec<u8>,
    // The position at which the writer is woken.
    wake_at: u64,
    wake_every: u64,
}

/// Waits for what happens to a recorder's ring, without borrowing the recorder: for tasks that share the one of their thread.
#[derive(Clone)]
pub struct Waiter {
    shared: Arc<Shared>,
    lane: Arc<Lane>,
}

impl Recorder {
    pub(super) fn new(shared: Arc<Shared>, lane: Arc<Lane>) -> Self {
        let producer = Producer::new(Arc::clone(&lane.ring));
        // Often enough that the writer keeps ahead, seldom enough that waking costs the decider nothing.
        let wake_every = (shared.ring_capacity() / 8).min(512 * 1024);
        let wake_at = producer.produced() + wake_every;
        let scratch = vec![0; MAX_RECORD];
        let desk = RefCell::new(Desk { producer, scratch, wake_at, wake_every });
        Self { waiter: Waiter { shared, lane }, desk }
    }

    /// Waits until one more record of any size fits (`Block`), or says at once that it does not.
    /// After `Ok`, the next [`Recorder::record`] of this thread cannot fail for want of room.
    pub async fn room(&self) -> Result<(), RecordError> {
        self.waiter.room().await
    }

    /// Publishes a record. Synchronous, and without allocation where nothing is redacted: to be called in the same poll as the
    /// decision.
    ///
    /// A record that sampling leaves out is counted, and the answer is `Ok`.
    /// In `DropAndCount`, and in `AllowAndCount` while the store fails, a record that finds no room is counted and the answer is
    /// `Ok`. While the store fails, records that do find room wait in the ring for the next start.
    pub fn record(&self, entry: &Entry<'_>) -> Result<Ticket, RecordError> {
        let shared = &self.waiter.shared;
        let runs = shared.is_running();
        if !runs && shared.when_failed == WhenFailed::Deny {
            return Err(RecordError::Failed);
        }
        match &shared.intake {
            None => self.publish(entry, Marks::default(), runs),
            Some(intake) => {
                intake.admit(entry, |entry, marks| self.publish(entry, marks, runs)).unwrap_or(Ok(Ticket::NONE))
            }
        }
    }

    fn publish(&self, entry: &Entry<'_>, marks: Marks<'_>, runs: bool) -> Result<Ticket, RecordError> {
        let shared = &self.waiter.shared;
        let mut desk = self.desk.borrow_mut();
        let desk = &mut *desk;
        let bytes = encode(entry, marks, &mut desk.scratch);
        let Some(position) = desk.producer.push(bytes) else {
            return self.no_room(runs);
        };
        if shared.mode == Mode::Synced {
            shared.wake_sleeping_writer();
        } else if position >= desk.wake_at {
            desk.wake_at = position + desk.wake_every;
            shared.wake_writer();
        } else {
            shared.rouse_writer();
        }
        Ok(Ticket(position))
    }

    /// Resolves once the record is as durable as the mode demands: at once in `durable`, after `fdatasync` in `synced`.
    pub async fn committed(&self, ticket: Ticket) -> Result<(), RecordError> {
        self.waiter.committed(ticket).await
    }

    /// What happens to records before they are written.
    pub fn intake(&self) -> Option<Arc<Intake>> {
        self.waiter.shared.intake.clone()
    }

    /// Waits for this recorder's ring without borrowing the recorder.
    pub fn waiter(&self) -> Waiter {
        self.waiter.clone()
    }

    #[cold]
    fn no_room(&self, runs: bool) -> Result<Ticket, RecordError> {
        let shared = &self.waiter.shared;
        shared.wake_writer();
        if !runs {
            shared.failed.fetch_add(1, Ordering::Relaxed);
            return Ok(Ticket::NONE);
        }
        if shared.when_full == WhenFull::DropAndCount {
            shared.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(Ticket::NONE);
        }
        Err(RecordError::Full)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.waiter.shared.give_lane_back(Arc::clone(&self.waiter.lane));
    }
}

impl Waiter {
    /// As [`Recorder::room`]. Holds for the poll in which it resolves: whoever records then is first.
    pub async fn room(&self) -> Result<(), RecordError> {
        if let Some(answer) = self.shared.admits(&self.lane) {
            return answer;
        }
        self.until(|| self.shared.admits(&self.lane)).await
    }

    /// As [`Recorder::committed`].
    pub async fn committed(&self, ticket: Ticket) -> Result<(), RecordError> {
        if let Some(answer) = self.shared.is_committed(&self.lane, ticket) {
            return answer;
        }
        self.until(|| self.shared.is_committed(&self.lane, ticket)).await
    }

    /// The same for a thread that may block.
    pub(super) fn block_until<T>(&self, check: impl Fn(&Shared, &Lane) -> Option<T>) -> T {
        loop {
            let commits = self.shared.commits();
            if let Some(answer) = check(&self.shared, &self.lane) {
                return answer;
            }
            self.shared.wait_for_commit(commits);
        }
    }

    async fn until<T>(&self, check: impl Fn() -> Option<T>) -> T {
        loop {
            let changed = self.lane.changed.notified();
            tokio::pin!(changed);
            // Listening begins before the look, so that a change in between is not missed.
            changed.as_mut().enable();
            if let Some(answer) = check() {
                return answer;
            }
            changed.await;
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("ring", &self.waiter.lane.number).finish_non_exhaustive()
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").field("ring", &self.lane.number).finish_non_exhaustive()
    }
}
