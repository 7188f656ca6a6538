//! The keeper: a thread beside the writer for what takes its time and nobody waits for: checkpoints, retention, segments that are damaged
//! or were left open by a failure.

use super::{
    RecordError, Recorder, Ticket,
    chain::End,
    checkpoint::{self, Checkpoint, Checkpoints, Webhook},
    events,
    notes::Note,
    quarantine::{self, Gap},
    retention::Retention,
    shared::Shared,
};
use crate::{lifecycle::Pace, model::Timestamp, telemetry::events::Chain};
use std::{
    cell::RefCell,
    error::Error,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How often the keeper looks around.
const BEAT: Duration = Duration::from_millis(500);

/// What writer and keeper ask of each other.
#[derive(Debug, Default)]
pub(crate) struct Chores {
    state: Mutex<State>,
    changed: Condvar,
    wanted: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    // Of several, the last says it all.
    end: Option<End>,
    notes: Vec<Note>,
    stop: bool,
}

impl Chores {
    /// Whether the writer is to say where the log ends. Says so once.
    pub(crate) fn wants_checkpoint(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) && self.wanted.swap(false, Ordering::Relaxed)
    }

    /// The log ends here, and the disk has it.
    pub(crate) fn checkpoint(&self, end: End) {
        self.lock().end = Some(end);
        self.changed.notify_all();
    }

    /// Something happened that the log is to have a record of.
    pub(crate) fn note(&self, note: Note) {
        self.lock().notes.push(note);
        self.changed.notify_all();
    }

    /// There will be nothing more to do.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_all();
    }

    fn wait(&self) -> (Option<End>, Vec<Note>, bool) {
        let idle = |state: &mut State| state.end.is_none() && state.notes.is_empty() && !state.stop;
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, BEAT, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (state.end.take(), std::mem::take(&mut state.notes), state.stop)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Figures of what the keeper does.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) checkpoint_seq: AtomicU64,
    /// Microseconds; 0 before the first.
    pub(crate) checkpoint_time: AtomicI64,
    pub(crate) file_failures: AtomicU64,
    pub(crate) webhook_failures: AtomicU64,
    /// Whether the newest checkpoint did not get there.
    pub(crate) file_undelivered: AtomicBool,
    pub(crate) webhook_undelivered: AtomicBool,
    /// Bytes on disk and the time of the oldest record, as they were last measured.
    pub(crate) sizes: Mutex<(u64, Option<Timestamp>)>,
    /// Records from this number on stay, whatever their age: no checkpoint that vouches for them has been delivered yet.
    pub(crate) keep_from: AtomicU64,
    /// Runs of numbers that the log does not have.
    pub(crate) gaps: Mutex<Vec<Gap>>,
    /// What is removed; may change while the log is open.
    pub(crate) retention: Mutex<Retention>,
}

/// The thread's own.
pub(crate) struct Keeper {
    pub(crate) shared: Arc<Shared>,
    pub(crate) common: Arc<Mutex<Recorder>>,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) webhook: Option<Webhook>,
    /// Where the log ended before anything was written.
    pub(crate) begun_at: u64,
    /// What was told of last.
    pub(crate) told: RefCell<String>,
    /// Whether the clock can be believed; there once the thread runs.
    pub(crate) pace: RefCell<Option<Pace>>,
}

impl Keeper {
    /// Runs until it is told to stop.
    pub(crate) fn run(&self) {
        let mut checkpointed = self.begun_at;
        let mut next_checkpoint = Instant::now() + self.checkpoints.interval;
        // Nothing that was found damaged may end the thread.
        let guarded = |chore: &dyn Fn()| drop(catch_unwind(AssertUnwindSafe(chore)));
        guarded(&|| self.begin_to_watch_the_clock());
        guarded(&|| self.look_around());
        loop {
            let (end, notes, stop) = self.shared.chores.wait();
            for note in &notes {
                self.record(note);
            }
            if let Some(end) = end.filter(|end| end.seq != checkpointed) {
                guarded(&|| self.checkpoint(end));
                checkpointed = end.seq;
                next_checkpoint = Instant::now() + self.checkpoints.interval;
            }
            if stop {
                return;
            }
            guarded(&|| self.watch_the_clock());
            guarded(&|| self.look_around());
            if Instant::now() >= next_checkpoint && self.shared.is_running() {
                if self.shared.durable.get() != checkpointed {
                    self.shared.chores.wanted.store(true, Ordering::Relaxed);
                    self.shared.wake_writer();
                }
                next_checkpoint = Instant::now() + self.checkpoints.interval;
            }
        }
    }

    fn checkpoint(&self, end: End) {
        let shared = &self.shared;
        let time = shared.store.now();
        let line = shared.store.state(&Checkpoint { seq: end.seq, hash: end.hash, time });
        events::checkpoint(end.seq, &line);
        shared.kept.checkpoint_seq.store(end.seq, Ordering::Relaxed);
        shared.kept.checkpoint_time.store(time.as_micros(), Ordering::Relaxed);
        let file = self.checkpoints.file.as_ref().map(|file| checkpoint::append(file, &line));
        if let Some(Err(error)) = &file {
            failed_to("file", &shared.kept.file_failures, error);
        }
        let webhook = self.webhook.as_ref().map(|webhook| webhook.post(&line));
        if let Some(Err(error)) = &webhook {
            failed_to("webhook", &shared.kept.webhook_failures, error);
        }
        let (file_failed, webhook_failed) = (matches!(file, Some(Err(_))), matches!(webhook, Some(Err(_))));
        shared.kept.file_undelivered.store(file_failed, Ordering::Relaxed);
        shared.kept.webhook_undelivered.store(webhook_failed, Ordering::Relaxed);
        if self.checkpoints.leave_the_machine() && !file_failed && !webhook_failed {
            shared.kept.keep_from.store(end.seq.saturating_add(1), Ordering::Release);
        }
    }

    fn look_around(&self) {
        let store = &self.shared.store;
        if !self.shared.is_running() {
            return;
        }
        // Files that are gone can be written to as long as they are open, and nobody would notice before the next segment.
        if let Err(error) = self.shared.check_place().and_then(|()| store.check_place()) {
            return self.shared.displace(error);
        }
        if let Err(error) = store.seal_closed() {
            self.trouble("close segments", &error);
        }
        if store.has_damage() {
            self.put_damaged_aside();
        }
        let keep_from = self.shared.kept.keep_from.load(Ordering::Acquire);
        let mut retention = self.shared.kept.retention.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if self.pace.borrow().as_ref().is_none_or(Pace::is_doubted) {
            // By a clock that is ahead everything is old.
            retention.age = None;
        }
        match store.retain(&retention, keep_from) {
            Ok(None) => {}
            Ok(Some(tombstone)) => {
                events::removed(tombstone.last_seq, tombstone.records);
                self.record(&Note::Removed { first_seq: tombstone.first_seq, last_seq: tombstone.last_seq });
            }
            Err(error) => self.trouble("remove old segments", &error),
        }
        // Last: where there is no room, the others have made some.
        match store.summarise() {
            Ok(None) => {}
            Ok(Some(first_seq)) => events::summarised_anew(first_seq),
            Err(error) => self.trouble("write the summaries of a segment side by side", &error),
        }
    }

    fn begin_to_watch_the_clock(&self) {
        let pace = Pace::begin(self.shared.store.now(), Instant::now(), self.shared.reader().newest(self.begun_at));
        let has_age = self.shared.kept.retention.lock().unwrap_or_else(PoisonError::into_inner).age.is_some();
        if pace.is_doubted() && has_age {
            events::clock_doubted(pace.ahead_seconds());
        }
        *self.pace.borrow_mut() = Some(pace);
    }

    fn watch_the_clock(&self) {
        let look = |pace: &mut Pace| Some((pace.look(self.shared.store.now(), Instant::now())?, pace.is_doubted()));
        let jump = self.pace.borrow_mut().as_mut().and_then(look);
        if let Some((jump, is_doubted)) = jump {
            events::clock_set(jump.seconds(), is_doubted);
            self.record(&Note::ClockSet { seconds: jump.seconds() });
        }
    }

    fn put_damaged_aside(&self) {
        let store = &self.shared.store;
        match store.put_damaged_aside() {
            Ok(aside) => {
                aside.iter().for_each(events::quarantined);
                let gaps = super::open::gaps(store, &aside);
                self.record_gaps(&gaps);
                *self.shared.kept.gaps.lock().unwrap_or_else(PoisonError::into_inner) = gaps;
            }
            Err(error) => self.trouble("put damaged segments aside", &error),
        }
    }

    /// Of a gap whose record is not kept, the next start makes one.
    pub(super) fn record_gaps(&self, gaps: &[Gap]) {
        let directory = self.shared.store.directory();
        let known = quarantine::recorded(directory);
        let mut recorded = Vec::with_capacity(gaps.len());
        for gap in gaps {
            let is_known = known.iter().any(|known| known.covers(gap));
            if !is_known {
                events::gap(gap);
            }
            if is_known || self.record(&Note::Gap(gap.clone())) {
                recorded.push(gap.clone());
            }
        }
        if let Err(error) = quarantine::note_recorded(directory, &recorded) {
            self.trouble("note gaps", &error);
        }
    }

    /// Something failed and is tried again with the next look: told once, not with each look.
    fn trouble(&self, what: &str, error: &(dyn Error + 'static)) {
        let text = format!("{what}: {}", Chain(error));
        if *self.told.borrow() != text {
            events::chore_failed(what, error);
            *self.told.borrow_mut() = text;
        }
    }

    /// Answers whether the record is kept: one that found no room may be counted only.
    fn record(&self, note: &Note) -> bool {
        let done = note.record(self.shared.store.now(), |entry| -> Result<Ticket, RecordError> {
            let common = self.common.lock().unwrap_or_else(PoisonError::into_inner);
            common.waiter().block_until(Shared::admits)?;
            common.record(entry)
        });
        done.inspect_err(|error| self.trouble("record what happened", error)).is_ok_and(|ticket| ticket != Ticket::NONE)
    }
}

fn failed_to(to: &'static str, failures: &AtomicU64, error: &(dyn Error + 'static)) {
    failures.fetch_add(1, Ordering::Relaxed);
    events::checkpoint_failed(to, &Chain(error).to_string());
}
