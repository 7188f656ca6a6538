//! The one way in which the directory changes: decided, committed, published, recorded, in this order and one change at a time.

use super::{
    book::{Audience, Book, Roster, Step},
    call::{Call, Refusal},
    event::{Event, Witness},
    link::{self, Key},
    scene::Scene,
    store::{self, Embedded, Store, StoreError},
    subjects::Subjects,
};
use crate::{mail::Bell, model::Timestamp, policy::Snapshot, storage::files};
use serde_json::Value;
use std::{
    fmt::Debug,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
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
}

/// What a call is about, for its record.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    /// What is done.
    pub(super) action: &'a str,
    /// `user`, `invitation`, `session`, `role`.
    pub(super) resource_type: &'a str,
    /// Its id, as far as it is known before.
    pub(super) id: &'a str,
    /// The user concerned, as far as it is known before.
    pub(super) user: &'a str,
}

/// What a call comes down to.
#[derive(Debug)]
pub(super) struct Plan<T> {
    /// What changes. Nothing for a look.
    pub(super) steps: Vec<Step>,
    /// The policies that allowed it.
    pub(super) policies: Vec<String>,
    /// For the record.
    pub(super) before: Option<Value>,
    /// For the record.
    pub(super) after: Option<Value>,
    /// For the record.
    pub(super) context: Option<Value>,
    /// The user concerned and the id of what was acted on, where they were not known before.
    pub(super) made: Option<(String, String)>,
    /// Further users that are changed, each with a record of its own.
    pub(super) also: Vec<Also>,
    /// The steps take the place of everything that there is.
    pub(super) instead: bool,
    /// The answer.
    pub(super) value: T,
}

/// One of several users that a call changes.
#[derive(Debug)]
pub(super) struct Also {
    /// What is done.
    pub(super) action: &'static str,
    /// The user.
    pub(super) user: String,
    /// For the record.
    pub(super) before: Option<Value>,
    /// For the record.
    pub(super) after: Option<Value>,
}

impl<T> Plan<T> {
    /// A look that changes nothing.
    pub(super) const fn look(policies: Vec<String>, value: T) -> Self {
        Self {
            steps: Vec::new(),
            policies,
            before: None,
            after: None,
            context: None,
            made: None,
            also: Vec::new(),
            instead: false,
            value,
        }
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

    fn with(store: Box<dyn Store>, key: Key, options: Options, witness: Arc<dyn Witness>) -> Result<Self, StoreError> {
        let loaded = store::load(&*store)?;
        let roster = Roster::new(options.session_idle);
        roster.lock().apply(loaded.steps);
        let recorded = loaded.events.iter().filter(|event| witness.record(event)).map(|event| event.id.clone());
        let turn = Mutex::new(Turn { recorded: recorded.collect() });
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

    /// Bytes on disk.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.store.bytes()
    }

    /// Plans a change with nobody else changing anything, makes it, and records it. What was refused is recorded too.
    pub(super) fn change<T>(
        &self,
        call: &Call<'_>,
        about: About<'_>,
        plan: impl FnOnce(&Scene<'_>) -> Result<Plan<T>, Refusal>,
    ) -> Result<T, Refusal> {
        let inner = &*self.0;
        if !inner.witness.is_ready() {
            return Err(Refusal::Unrecorded);
        }
        let mut turn = inner.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (snapshot, subjects) = inner.policies.get().ok_or(Refusal::Unrecorded)?.current();
        let planned = {
            let book = inner.roster.lock();
            plan(&Scene::new(&book, &snapshot, &subjects, call))
        };
        let mut event = about.event(call, snapshot.revision.short());
        let plan = match planned {
            Ok(plan) => plan,
            Err(refusal) => {
                event.refused(&refusal);
                inner.witness.record(&event);
                return Err(refusal);
            }
        };
        event.tell(&plan);
        if plan.steps.is_empty() {
            inner.witness.record(&event);
            return Ok(plan.value);
        }
        let beside: Vec<Event> = plan.also.into_iter().map(|also| event.beside(also)).collect();
        let events = std::iter::once(event).chain(beside).collect();
        inner.make(&mut turn, plan.steps, plan.instead, events)?;
        Ok(plan.value)
    }

    /// Looks at everything, with nobody changing anything meanwhile. Leaves no record: for what goes on with a recorded call.
    pub(super) fn look<T>(
        &self,
        call: &Call<'_>,
        look: impl FnOnce(&Scene<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let inner = &*self.0;
        let _turn = inner.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (snapshot, subjects) = inner.policies.get().ok_or(Refusal::Unrecorded)?.current();
        let book = inner.roster.lock();
        look(&Scene::new(&book, &snapshot, &subjects, call))
    }

    /// Puts something in the place of everything, where nobody decides about it: the process that owns the files does not run.
    pub(super) fn impose(&self, steps: Vec<Step>, event: Event) -> Result<(), StoreError> {
        let mut turn = self.0.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.make(&mut turn, steps, true, vec![event])
    }

    /// Makes a change that nobody asked for and nobody has to allow: a letter went out, a session idled away.
    pub(super) fn note(&self, steps: impl FnOnce(&Book) -> Vec<Step>, events: Vec<Event>) -> Result<(), StoreError> {
        let inner = &*self.0;
        let _turn = inner.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let steps = steps(&inner.roster.lock());
        inner.store.commit(&store::batch(&steps, &[], &[])?)?;
        inner.publish(steps, false);
        for event in events {
            inner.witness.record(&event);
        }
        Ok(())
    }
}

impl Inner {
    /// Who decides, once the process runs.
    pub(super) fn policies(&self) -> Option<&dyn Policies> {
        self.policies.get().map(|policies| &**policies)
    }

    /// Commits, publishes and records a change, in this order.
    fn make(&self, turn: &mut Turn, steps: Vec<Step>, instead: bool, events: Vec<Event>) -> Result<(), StoreError> {
        let mut rows = store::batch(&steps, &events, &turn.recorded)?;
        if instead {
            rows.extend(store::others(&*self.store, &rows)?);
        }
        self.store.commit(&rows)?;
        turn.recorded.clear();
        self.publish(steps, instead);
        // A crash before this leaves the events in the store, and the next start records them.
        let recorded = events.into_iter().filter(|event| self.witness.record(event)).map(|event| event.id);
        turn.recorded.extend(recorded);
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

impl About<'_> {
    /// The record of a call that is allowed, under the revision that decides.
    pub(super) fn event(&self, call: &Call<'_>, revision: &str) -> Event {
        Event {
            id: link::new_id(call.now),
            of_session: self.resource_type == "session",
            at: call.now,
            actor: call.actor.name(),
            action: self.action.to_owned(),
            user: self.user.to_owned(),
            tenant: call.tenant.unwrap_or_default().to_owned(),
            resource_type: self.resource_type.to_owned(),
            resource_id: self.id.to_owned(),
            allowed: true,
            reason: "granted".to_owned(),
            policies: Vec::new(),
            revision: revision.to_owned(),
            before: None,
            after: None,
            context: None,
            request_id: call.request_id.to_owned(),
        }
    }
}

impl Event {
    /// The record of one of several users that are changed.
    fn beside(&self, also: Also) -> Self {
        Self {
            id: link::new_id(self.at),
            action: also.action.to_owned(),
            resource_type: "user".to_owned(),
            resource_id: also.user.clone(),
            user: also.user,
            before: also.before,
            after: also.after,
            context: None,
            ..self.clone()
        }
    }

    fn refused(&mut self, refusal: &Refusal) {
        self.allowed = false;
        refusal.code().clone_into(&mut self.reason);
        if let Refusal::Forbidden { policies, .. } = refusal {
            self.policies.clone_from(policies);
        }
        let mut context = serde_json::Map::new();
        context.insert("refused".to_owned(), refusal.to_string().into());
        if let Refusal::Invalid(problems) = refusal {
            let problems = problems.iter().map(|problem| format!("{}: {}", problem.pointer, problem.message));
            context.insert("problems".to_owned(), problems.take(16).collect());
        }
        self.context = Some(context.into());
    }

    fn tell<T>(&mut self, plan: &Plan<T>) {
        self.policies.clone_from(&plan.policies);
        (self.before, self.after) = (plan.before.clone(), plan.after.clone());
        self.context.clone_from(&plan.context);
        if let Some((user, id)) = &plan.made {
            self.user.clone_from(user);
            self.resource_id.clone_from(id);
        }
    }
}
