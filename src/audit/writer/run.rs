//! The writer's thread.

use super::{STEP, Storage, WriteError, Writer};
use crate::{
    audit::{Mode, events, ring::Mapping, shared::Shared},
    telemetry::events::Chain,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// How long a record may wait until the store has it and queries see it.
const BEAT: Duration = Duration::from_millis(50);
/// How often `HEAD` is handed to the disk in `synced`.
const ANCHOR_EVERY: Duration = Duration::from_millis(100);

/// Runs until it is told to stop, or the store fails. Returns once no more records are taken.
pub(crate) fn run<S: Storage>(shared: &Shared, writer: Writer<S, Mapping>) {
    shared.enter_writer();
    // sled panics on some damaged files; that must deny decisions, not leave them waiting.
    let end = catch_unwind(AssertUnwindSafe(|| Loop::new(shared, writer).run()));
    let why = match end {
        Ok(Ok(())) => return shared.close(),
        Ok(Err(error)) => Chain(&error).to_string(),
        Err(_) => "the store panicked".to_owned(),
    };
    events::store_failed(&why);
    shared.fail(why);
}

struct Loop<'s, S> {
    shared: &'s Shared,
    writer: Writer<S, Mapping>,
    anchored: Instant,
    sync: bool,
}

impl<'s, S: Storage> Loop<'s, S> {
    fn new(shared: &'s Shared, writer: Writer<S, Mapping>) -> Self {
        Self { shared, writer, anchored: Instant::now(), sync: shared.mode == Mode::Synced }
    }

    fn run(&mut self) -> Result<(), WriteError> {
        // The moment by which what a step has left over is stored.
        let mut settle_at = Instant::now() + BEAT;
        loop {
            let stopping = self.shared.is_stopping();
            self.attach_new();
            let begun = Instant::now();
            let more = self.writer.take()? >= STEP / self.writer.attached().max(1);
            if self.sync || stopping || begun >= settle_at {
                self.writer.store_rest()?;
                settle_at = begun + BEAT;
                if !more {
                    self.shared.caught_up(begun);
                }
            }
            self.commit()?;
            if more {
                continue;
            }
            if stopping && !self.writer.has_work() {
                return self.finish();
            }
            let writer = &self.writer;
            let rest = settle_at.saturating_duration_since(Instant::now());
            self.shared.sleep(rest, || self.shared.is_stopping() || (self.sync && writer.has_work()));
        }
    }

    fn attach_new(&mut self) {
        for lane in self.shared.lanes().iter().skip(self.writer.attached()) {
            self.writer.attach(lane.number, Arc::clone(&lane.ring));
        }
    }

    fn commit(&mut self) -> Result<(), WriteError> {
        let begun = Instant::now();
        if !self.writer.commit(self.sync)? {
            return Ok(());
        }
        self.publish(begun);
        let begun = Instant::now();
        if self.writer.rotate_if_full(self.sync)? {
            // A segment ends with a block, so that what was not due yet has been stored as well.
            self.publish(begun);
        }
        self.anchor_if_due()
    }

    /// Tells everyone up to where the log is durable.
    fn publish(&self, begun: Instant) {
        let before = self.shared.durable.get();
        let end = self.writer.end();
        // Readable first, then free: whoever finds its record committed finds it in a query as well.
        self.shared.durable.set(end.seq);
        self.shared.written.fetch_add(end.seq - before, Ordering::Relaxed);
        for lane in self.shared.lanes().iter().take(self.writer.attached()) {
            lane.ring.advance(self.writer.stored().of(lane.number));
        }
        self.count_stored();
        self.shared.tell_commit(begun.elapsed());
    }

    fn count_stored(&self) {
        for (lane, stored) in self.shared.lanes().iter().zip(self.writer.stored_counts()) {
            lane.stored.store(stored, Ordering::Release);
        }
    }

    fn anchor_if_due(&mut self) -> Result<(), WriteError> {
        if self.sync && self.anchored.elapsed() >= ANCHOR_EVERY {
            self.writer.anchor()?;
            self.anchored = Instant::now();
        }
        Ok(())
    }

    /// The end: the log is as durable as it can be, whatever the mode.
    fn finish(&mut self) -> Result<(), WriteError> {
        self.writer.sync_all()?;
        Ok(())
    }
}
