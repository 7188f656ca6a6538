//! The one way in which the directory changes: decided, committed, published, recorded, in this order and one change at a time.

mod plan;

pub(super) use plan::{About, Also, Plan};

use super::{
    book::{Audience, Book, Roster, Step},
    call::{Call, Refusal},
    event::{Event, Witness},
    link::{self, Key},
    scene::{Pending, Scene},
    store::{self, Embedded, Row, Store, StoreError},
    subjects::Subjects,
};
use crate::{mail::Bell, model::Timestamp, policy::Snapshot, storage::files};
use std::{
    fmt::Debug,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

/// Its place in the data directory.
pub const FOLDER: &str = "directory";

/// What the directory is told of by its operator.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its files are.
    pub directory: PathBuf,
    /// The form of invitation links: an address with `{token}` in it.
    pub link: String,
    /// How long an invitation's link counts.
    pub invitation_expiry: Duration,
    /// How long invitations are kept after they were accepted or revoked.
    pub invitation_keep: Duration,
    /// The language of users who have named none.
    pub language: String,
    /// How long a session lives without a sign of life; `None` for ever.
    pub session_idle: Option<Duration>,
    /// How long sessions are kept after their end.
    pub session_keep: Duration,
}

impl Options {
    /// The defaults, in a directory.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            link: "http://localhost:8080/invitations/accept?token={token}".to_owned(),
            invitation_expiry: Duration::from_hours(7 * 24),
            invitation_keep: Duration::from_hours(365 * 24),
            language: "en".to_owned(),
            session_idle: None,
            session_keep: Duration::from_hours(90 * 24),
        }
    }
}

/// What decides at this moment.
pub trait Policies: Debug + Send + Sync {
    /// The live snapshot and its users.
    fn current(&self) -> (Arc<Snapshot>, Arc<Subjects>);
}

/// The directory. Cheap to clone. Its methods block: they wait for the disk.
#[derive(Debug, Clone)]
pub struct Directory(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) roster: Roster,
    pub(super) store: Box<dyn Store>,
    pub(super) options: Options,
    pub(super) key: Key,
    turn: Mutex<Turn>,
    witness: Arc<dyn Witness>,
    policies: OnceLock<Arc<dyn Policies>>,
    audiences: OnceLock<Vec<Arc<dyn Audience>>>,
    /// Rung when a letter may be due.
    pub(super) bell: Bell,
}

/// Who holds it changes the directory.
#[derive(Debug, Default)]
struct Turn {
    /// Events that are in the audit log and in the store: the next change removes them from the store.
    recorded: Vec<String>,
    /// Events that the audit log has not taken yet, the oldest first. Those of changes are in the store until it has.
    unrecorded: Vec<Event>,
}

impl Turn {
    /// Hands events to the audit log, behind those that it has not taken.
    fn tell(&mut self, witness: &dyn Witness, mut events: Vec<Event>) {
        let taken = if self.unrecorded.is_empty() { witness.record_all(&events) } else { 0 };
        let left = events.split_off(taken.min(events.len()));
        self.recorded.extend(events.into_iter().map(|event| event.id));
        self.unrecorded.extend(left);
    }

    /// Tries once more with what the audit log has not taken, as far as it takes it now.
    fn tell_again(&mut self, witness: &dyn Witness) {
        let waiting = std::mem::take(&mut self.unrecorded);
        self.tell(witness, waiting);
    }

    /// Leaves nothing in the store that is in the audit log.
    fn forget(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        store.commit(&store::batch(&[], &[], &self.recorded)?)?;
        self.recorded.clear();
        Ok(())
    }
}

impl Directory {
    /// Opens the directory's files, and records what a crash may have kept out of the audit log.
    ///
    /// # Errors
    /// Fails where the files are in use, damaged, or cannot be read or written.
    pub fn open(options: Options, witness: Arc<dyn Witness>) -> Result<Self, StoreError> {
        let io = |source| StoreError::Io { path: options.directory.clone(), source };
        files::create_directory(&options.directory).map_err(io)?;
        let store = Embedded::open(&options.directory.join("store"))?;
        let key = Key::open(&options.directory.join("link.key")).map_err(io)?;
        Self::with(Box::new(store), key, options, witness)
    }

    /// Opens the files of a process that does not run, so that a backup can come back. Where the store is damaged it is put aside, and
    /// where that is told.
    ///
    /// # Errors
    /// Fails where the files are in use, or cannot be read or written.
    pub fn open_to_restore(
        options: Options,
        witness: Arc<dyn Witness>,
        now: Timestamp,
    ) -> Result<(Self, Option<PathBuf>), StoreError> {
        match Self::open(options.clone(), Arc::clone(&witness)) {
            Err(StoreError::Damaged { .. }) => {}
            opened => return Ok((opened?, None)),
        }
        let store = options.directory.join("store");
        let aside = options.directory.join(format!("store.damaged-{}", link::new_id(now)));
        let io = |source| StoreError::Io { path: store.clone(), source };
        std::fs::rename(&store, &aside).map_err(io)?;
        files::sync_directory(&options.directory).map_err(io)?;
        Ok((Self::open(options, witness)?, Some(aside)))
    }

    fn with(
        mut store: Box<dyn Store>,
        key: Key,
        options: Options,
        witness: Arc<dyn Witness>,
    ) -> Result<Self, StoreError> {
        let mut turn = Turn::default();
        let steps = store::load(&*store)?;
        let there = store::left(&*store, &*witness, &mut |events| turn.tell(&*witness, events))?;
        turn.recorded.extend(there);
        turn.forget(&*store)?;
        // What is read now stands in memory a second time.
        store.release()?;
        let roster = Roster::new(options.session_idle);
        roster.lock().apply(steps);
        let turn = Mutex::new(turn);
        Ok(Self(Arc::new(Inner {
            roster,
            store,
            options,
            key,
            turn,
            witness,
            policies: OnceLock::new(),
            audiences: OnceLock::new(),
            bell: Bell::new(),
        })))
    }

    /// The users, for those who bind them to policies.
    #[must_use]
    pub fn roster(&self) -> Roster {
        self.0.roster.clone()
    }

    /// Names who decides, and who is told of changes. To be called once, before the first call.
    pub fn attach(&self, policies: Arc<dyn Policies>, audiences: Vec<Arc<dyn Audience>>) {
        drop(self.0.policies.set(policies));
        drop(self.0.audiences.set(audiences));
    }

    /// Leaves nothing for the next start to record. To be called once nothing changes any more, and before the audit log is closed.
    ///
    /// # Errors
    /// Fails where the store does; the next start then finds out what is recorded.
    pub fn close(&self) -> Result<(), StoreError> {
        let mut turn = self.0.turn();
        turn.tell_again(&*self.0.witness);
        turn.forget(&*self.0.store)
    }

    /// Bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.store.bytes()
    }

    /// Why no change can be made any more; `None` where one can. Decisions go on either way.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.0.store.failure()
    }

    /// Plans a change with nobody else changing anything, makes it, and records it. What was refused is recorded too.
    pub(super) fn change<T>(
        &self,
        call: &Call<'_>,
        about: About<'_>,
        plan: impl FnOnce(&Scene<'_>) -> Result<Plan<T>, Refusal>,
    ) -> Result<T, Refusal> {
        let inner = &*self.0;
        let (mut turn, call) = inner.turn_of(call);
        let (event, plan) = self.planned(&call, about, plan)?;
        inner.carry_out(&mut turn, event, plan)
    }

    /// A change of many users, planned a stretch at a time: nobody else changes anything meanwhile, and between two stretches whoever only
    /// looks has a turn. Those who decide are not waited for and do not wait.
    pub(super) fn change_many<S, T>(
        &self,
        call: &Call<'_>,
        about: About<'_>,
        mut state: S,
        mut stretch: impl FnMut(&Scene<'_>, &mut S) -> Result<ControlFlow<()>, Refusal>,
        plan: impl FnOnce(S) -> Result<Plan<T>, Refusal>,
    ) -> Result<T, Refusal> {
        let inner = &*self.0;
        let (mut turn, call) = inner.turn_of(call);
        let (snapshot, subjects) = inner.ready()?.current();
        let (mut pending, mut home) = (Pending::default(), None);
        let mut stretches = || -> Result<(), Refusal> {
            loop {
                let book = inner.roster.lock();
                let scene = Scene::new(&book, &snapshot, &subjects, &call).after(std::mem::take(&mut pending));
                home = scene.home().map(str::to_owned);
                if stretch(&scene, &mut state)?.is_break() {
                    return Ok(());
                }
                pending = scene.into_pending();
            }
        };
        let looked = about.admits(&call).and_then(|()| stretches());
        let event = about.event(&call, home.as_deref(), snapshot.revision.short());
        let (event, plan) = self.recorded(event, looked.and_then(|()| plan(state)))?;
        inner.carry_out(&mut turn, event, plan)
    }

    /// Answers a question, and records it. Waits for no change that is being made.
    pub(super) fn ask<T>(
        &self,
        call: &Call<'_>,
        about: About<'_>,
        answer: impl FnOnce(&Scene<'_>) -> Result<Plan<T>, Refusal>,
    ) -> Result<T, Refusal> {
        let (mut event, plan) = self.planned(call, about, answer)?;
        event.tell(&plan);
        self.0.record(&event)?;
        Ok(plan.value)
    }

    /// Plans what a call comes down to. What was refused is recorded.
    fn planned<T>(
        &self,
        call: &Call<'_>,
        about: About<'_>,
        plan: impl FnOnce(&Scene<'_>) -> Result<Plan<T>, Refusal>,
    ) -> Result<(Event, Plan<T>), Refusal> {
        let (event, planned) = self.seen(|book, snapshot, subjects| {
            let scene = Scene::new(book, snapshot, subjects, call);
            let planned = about.admits(call).and_then(|()| plan(&scene));
            let mut event = about.event(call, scene.home(), snapshot.revision.short());
            if let Some((user, id)) = scene.concerned() {
                (event.user, event.resource_id) = (user, id);
            }
            (event, planned)
        })?;
        self.recorded(event, planned)
    }

    /// Records a call that is refused.
    fn recorded<T>(&self, mut event: Event, planned: Result<Plan<T>, Refusal>) -> Result<(Event, Plan<T>), Refusal> {
        match planned {
            Ok(plan) => Ok((event, plan)),
            Err(refusal) => {
                event.refused(&refusal);
                self.0.record(&event)?;
                Err(refusal)
            }
        }
    }

    /// Looks at everything as it is at one moment. Leaves no record: for what goes on with a recorded call.
    pub(super) fn look<T>(
        &self,
        call: &Call<'_>,
        look: impl FnOnce(&Scene<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.seen(|book, snapshot, subjects| look(&Scene::new(book, snapshot, subjects, call)))?
    }

    /// The book with what decides at the same moment: whoever publishes either of them holds the book.
    fn seen<T>(&self, see: impl FnOnce(&Book, &Snapshot, &Subjects) -> T) -> Result<T, Refusal> {
        let policies = self.0.ready()?;
        let book = self.0.roster.lock();
        let (snapshot, subjects) = policies.current();
        Ok(see(&book, &snapshot, &subjects))
    }

    /// Puts something in the place of everything, where nobody decides about it: the process that owns the files does not run.
    pub(super) fn impose(&self, steps: Vec<Step>, event: Event) -> Result<(), StoreError> {
        self.0.make(&mut self.0.turn(), steps, true, vec![event])
    }

    /// Makes a change that nobody asked for and nobody has to allow: a letter went out, a session idled away. Tells whether there was one;
    /// what has to be recorded waits until it can be.
    pub(super) fn note(&self, change: impl FnOnce(&Book) -> (Vec<Step>, Vec<Event>)) -> Result<bool, StoreError> {
        let inner = &*self.0;
        let mut turn = inner.turn();
        turn.tell_again(&*inner.witness);
        let (steps, events) = change(&inner.roster.lock());
        if steps.is_empty() || !events.is_empty() && !inner.witness.is_ready() {
            return Ok(false);
        }
        inner.make(&mut turn, steps, false, events)?;
        Ok(true)
    }

    /// Removes rows that nothing in memory stands for.
    pub(super) fn forget(
        &self,
        find: impl FnOnce(&dyn Store) -> Result<Vec<Row>, StoreError>,
    ) -> Result<(), StoreError> {
        let _turn = self.0.turn();
        self.0.store.commit(&find(&*self.0.store)?)
    }
}

impl Inner {
    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn of a call, and the call as of then: what has run out while it waited counts no longer.
    fn turn_of<'c>(&self, call: &Call<'c>) -> (MutexGuard<'_, Turn>, Call<'c>) {
        let came = Instant::now();
        let turn = self.turn();
        let waited = i64::try_from(came.elapsed().as_micros()).unwrap_or(i64::MAX);
        (turn, Call { now: Timestamp::from_micros(call.now.as_micros().saturating_add(waited)), ..*call })
    }

    /// Who decides, once the process runs.
    pub(super) fn policies(&self) -> Option<&dyn Policies> {
        self.policies.get().map(|policies| &**policies)
    }

    /// Who decides, where whatever is done can be recorded.
    fn ready(&self) -> Result<&dyn Policies, Refusal> {
        self.policies().filter(|_| self.witness.is_ready()).ok_or(Refusal::Unrecorded)
    }

    /// Records what changes nothing: where that cannot be, nobody is answered, and it can be asked again.
    fn record(&self, event: &Event) -> Result<(), Refusal> {
        if self.witness.record(event) { Ok(()) } else { Err(Refusal::Unrecorded) }
    }

    /// Makes what was planned, and records it.
    fn carry_out<T>(&self, turn: &mut Turn, mut event: Event, plan: Plan<T>) -> Result<T, Refusal> {
        event.tell(&plan);
        if plan.steps.is_empty() {
            self.record(&event)?;
            return Ok(plan.value);
        }
        let failed = event.failed(&Refusal::Store(StoreError::Failed));
        let beside: Vec<Event> = plan.also.into_iter().map(|also| event.beside(also)).collect();
        let events = std::iter::once(event).chain(beside).collect();
        match self.make(turn, plan.steps, plan.instead, events) {
            Ok(()) => Ok(plan.value),
            Err(error) => {
                turn.tell(&*self.witness, vec![failed]);
                Err(error.into())
            }
        }
    }

    /// Commits, publishes and records a change, in this order.
    fn make(&self, turn: &mut Turn, steps: Vec<Step>, instead: bool, events: Vec<Event>) -> Result<(), StoreError> {
        turn.tell_again(&*self.witness);
        let mut rows = store::batch(&steps, &events, &turn.recorded)?;
        if instead {
            rows.extend(store::others(&*self.store, &rows)?);
        }
        self.store.commit(&rows)?;
        turn.recorded.clear();
        self.publish(steps, instead);
        // A crash before this leaves the events in the store, and the next start records them.
        turn.tell(&*self.witness, events);
        Ok(())
    }

    /// Deciders know of it before anybody is answered.
    fn publish(&self, steps: Vec<Step>, instead: bool) {
        let mut book = self.roster.lock();
        let users = if instead { book.replace(steps) } else { book.apply(steps) };
        for audience in self.audiences.get().into_iter().flatten() {
            audience.changed(&book, &users);
        }
    }
}
