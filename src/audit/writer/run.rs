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
/// How long the writer sleeps once nothing was recorded for [`QUIET`]. The next record wakes it.
const DOZE: Duration = Duration::from_millis(500);
/// After how long without a record the writer no longer looks every [`BEAT`].
const QUIET: Duration = Duration::from_secs(1);
/// How often `HEAD` is handed to the disk in `synced`.
const ANCHOR_EVERY: Duration = Duration::from_millis(100);

/// How long the first and the longest pause before another attempt to go on after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A store that has worked for so long after a failure has recovered from it.
const STEADY: Duration = Duration::from_secs(10);

/// Runs until it is told to stop. When the store fails, no more records are taken until it goes on in a new segment, which is tried
/// with growing pauses. Returns once no more records are taken.
pub(crate) fn run<S: Storage>(shared: &Shared, mut writer: Writer<S, Mapping>) {
    shared.enter_writer();
    let mut pause = FIRST_PAUSE;
    loop {
        let begun = Instant::now();
        let failure = match guarded(|| Loop::new(shared, &mut writer).run()) {
            Ok(()) => return shared.close(),
            Err(failure) => failure,
        };
        if begun.elapsed() > STEADY {
            pause = FIRST_PAUSE;
        }
        shared.fail(failure.why.clone(), writer.committed(), writer.committed_end());
        // Now, so that whoever reads it finds readiness as the line says.
        events::store_failed(&failure.why);
        if !failure.may_pass || !recovered(shared, &mut writer, &mut pause) {
            // A failure stays one; what is in the rings waits for the next start.
            return shared.close();
        }
    }
}

/// Why the writer stopped.
struct Failure {
    why: String,
    // Whether a new segment may help.
    may_pass: bool,
}

/// sled panics on some damaged files; that must deny decisions, not leave them waiting.
fn guarded(work: impl FnOnce() -> Result<(), WriteError>) -> Result<(), Failure> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure { why: Chain(&error).to_string(), may_pass: error.is_of_the_store() }),
        Err(_) => Err(Failure { why: "the store panicked".to_owned(), may_pass: true }),
    }
}

/// Tries to go on in a new segment until that works. `false` where the log is to stop before.
fn recovered<S: Storage>(shared: &Shared, writer: &mut Writer<S, Mapping>, pause: &mut Duration) -> bool {
    let begun = Instant::now();
    loop {
        shared.pause(*pause);
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        let go_on = || {
            shared.check_place()?;
            writer.recover()?;
            Ok(shared.recover()?)
        };
        match guarded(go_on) {
            Ok(()) => {
                events::store_recovered(writer.end().seq + 1, begun.elapsed());
                return true;
            }
            Err(_) if shared.is_stopping() => return false,
            Err(failure) => shared.fails_on(failure.why),
        }
    }
}

struct Loop<'s, S> {
    shared: &'s Shared,
    writer: &'s mut Writer<S, Mapping>,
    anchored: Instant,
    sync: bool,
}

impl<'s, S: Storage> Loop<'s, S> {
    fn new(shared: &'s Shared, writer: &'s mut Writer<S, Mapping>) -> Self {
        Self { shared, writer, anchored: Instant::now(), sync: shared.mode == Mode::Synced }
    }

    fn run(&mut self) -> Result<(), WriteError> {
        // The moment by which what a step has left over is stored.
        let mut settle_at = Instant::now() + BEAT;
        let mut busy_at = Instant::now();
        loop {
            let stopping = self.shared.is_stopping();
            self.shared.displaced()?;
            self.attach_new();
            let begun = Instant::now();
            let taken = self.writer.take()?;
            let more = taken >= STEP / self.writer.attached().max(1);
            if taken > 0 {
                busy_at = begun;
            }
            if self.sync || stopping || begun >= settle_at {
                self.writer.store_rest()?;
                settle_at = begun + BEAT;
                if !more {
                    self.shared.caught_up(begun);
                }
            }
            self.commit()?;
            self.rotate()?;
            self.checkpoint()?;
            if more {
                continue;
            }
            if stopping && !self.writer.has_work() {
                return self.finish();
            }
            let writer = &*self.writer;
            if begun.duration_since(busy_at) >= QUIET {
                self.shared.doze(DOZE, || self.shared.is_stopping() || writer.has_work());
            } else {
                let rest = settle_at.saturating_duration_since(Instant::now());
                self.shared.sleep(rest, || self.shared.is_stopping() || (self.sync && writer.has_work()));
            }
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
        self.anchor_if_due()
    }

    /// Also without a commit: a segment comes of age while nothing happens.
    fn rotate(&mut self) -> Result<(), WriteError> {
        let begun = Instant::now();
        let before = self.writer.end().seq;
        let rotated = self.writer.rotate_if_due()?;
        if self.writer.end().seq > before {
            // A segment ends with a block, so that what was not due yet has been stored as well.
            self.publish(begun);
        }
        if rotated {
            self.shared.chores.checkpoint(self.writer.end());
        }
        Ok(())
    }

    /// Hands the log to the disk, and says up to where: a checkpoint never names what power loss may take.
    fn checkpoint(&mut self) -> Result<(), WriteError> {
        if self.shared.chores.wants_checkpoint() {
            let begun = Instant::now();
            self.writer.store_rest()?;
            if self.writer.commit(true)? {
                self.publish(begun);
            }
            self.writer.sync_all()?;
            self.shared.chores.checkpoint(self.writer.end());
        }
        Ok(())
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
        self.shared.chores.checkpoint(self.writer.end());
        Ok(())
    }
}
