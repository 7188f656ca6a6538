//! The directory in memory: users with their orders, invitations, open sessions. What stands here is in the store already.

use super::{
    Account, GivenKind, Invitation, Session, Subjects,
    role::{CustomRole, Lens, Roles},
};
use crate::{
    engine::{Binder, BoundUser},
    model::{Timestamp, User},
    policy::Snapshot,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Changes that are remembered, so that what was bound a little earlier can catch up.
const JOURNAL: usize = 8192;

/// Is told of changes while no other change can be published.
pub trait Audience: Debug + Send + Sync {
    /// These users have changed, are new or are gone.
    fn changed(&self, book: &Book, users: &[Arc<str>]);
}

/// What is known about users at this moment.
#[derive(Debug, Default)]
pub struct Book {
    // INVARIANT: `emails` and `orders` hold every user once.
    users: BTreeMap<Arc<str>, Arc<Account>>,
    emails: HashMap<String, Arc<str>>,
    orders: Orders,
    invitations: BTreeMap<String, Arc<Invitation>>,
    roles: Roles,
    sessions: BTreeMap<String, Arc<Session>>,
    sessions_of: HashMap<String, Vec<String>>,
    /// Logins of users whom the policy set declares: their accounts are in git.
    logins: HashMap<String, Logins>,
    idle: Option<Duration>,
    version: u64,
    journal: VecDeque<(u64, Arc<str>)>,
}

/// The first and the last login of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logins {
    /// The first that was reported.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
}

/// Users in the orders in which they can be listed. Each key ends with the id, so that none occurs twice.
#[derive(Debug, Default)]
pub(super) struct Orders {
    pub(super) name: BTreeSet<(String, Arc<str>)>,
    pub(super) created: BTreeSet<(Timestamp, Arc<str>)>,
    pub(super) updated: BTreeSet<(Timestamp, Arc<str>)>,
    pub(super) last_login: BTreeSet<(Timestamp, Arc<str>)>,
}

/// One step of a change, as it is applied here and stored.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A user is new or has changed.
    Account(Arc<Account>),
    /// A user is gone.
    NoAccount(String),
    /// An invitation is new or has changed.
    Invitation(Arc<Invitation>),
    /// An invitation is gone.
    NoInvitation(String),
    /// A session has begun, gone on or ended.
    Session(Arc<Session>),
    /// A declared user has logged in.
    Logins(String, Logins),
    /// A role is new or has changed, and with it whoever has it.
    Role(Arc<CustomRole>),
    /// A role is gone.
    NoRole(String),
}

impl Orders {
    fn insert(&mut self, account: &Account, id: &Arc<str>) {
        self.name.insert((fold(&account.display_name()), Arc::clone(id)));
        self.created.insert((account.created, Arc::clone(id)));
        self.updated.insert((account.updated, Arc::clone(id)));
        self.last_login.insert((login_key(account), Arc::clone(id)));
    }

    fn remove(&mut self, account: &Account, id: &Arc<str>) {
        self.name.remove(&(fold(&account.display_name()), Arc::clone(id)));
        self.created.remove(&(account.created, Arc::clone(id)));
        self.updated.remove(&(account.updated, Arc::clone(id)));
        self.last_login.remove(&(login_key(account), Arc::clone(id)));
    }
}

/// Who never logged in comes first.
pub(super) fn login_key(account: &Account) -> Timestamp {
    account.last_login.unwrap_or(Timestamp::from_micros(i64::MIN))
}

/// A text for comparing without regard to case.
pub(super) fn fold(text: &str) -> String {
    text.to_lowercase()
}

impl Book {
    /// A user of the directory.
    #[must_use]
    pub fn user(&self, id: &str) -> Option<&Arc<Account>> {
        self.users.get(id)
    }

    /// The user with a mail address, without regard to case.
    #[must_use]
    pub fn user_with_email(&self, email: &str) -> Option<&Arc<Account>> {
        self.users.get(self.emails.get(&fold(email))?)
    }

    /// All users, in order of their ids.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &Arc<Account>> {
        self.users.values()
    }

    pub(super) const fn orders(&self) -> &Orders {
        &self.orders
    }

    pub(super) const fn by_id(&self) -> &BTreeMap<Arc<str>, Arc<Account>> {
        &self.users
    }

    /// All invitations, the oldest first.
    pub fn invitations(&self) -> impl DoubleEndedIterator<Item = &Arc<Invitation>> {
        self.invitations.values()
    }

    /// An invitation.
    #[must_use]
    pub fn invitation(&self, id: &str) -> Option<&Arc<Invitation>> {
        self.invitations.get(id)
    }

    /// Roles that were put together here.
    #[must_use]
    pub const fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Who has a role, in any tenant, whether it still counts or not.
    pub fn holders<'b>(&'b self, role: &'b str) -> impl Iterator<Item = &'b Arc<Account>> {
        let is_role = move |given: &super::Given| given.kind == GivenKind::Role && given.name == role;
        self.users.values().filter(move |account| account.places.iter().any(|place| place.given.iter().any(is_role)))
    }

    /// A session that has not ended.
    #[must_use]
    pub fn session(&self, id: &str) -> Option<&Arc<Session>> {
        self.sessions.get(id)
    }

    /// Sessions that have not ended, the oldest first.
    pub fn sessions(&self) -> impl DoubleEndedIterator<Item = &Arc<Session>> {
        self.sessions.values()
    }

    /// A user's sessions that have not ended.
    pub fn sessions_of(&self, user: &str) -> impl Iterator<Item = &Arc<Session>> {
        self.sessions_of.get(user).into_iter().flatten().filter_map(|id| self.sessions.get(id))
    }

    /// The logins of a user, declared or not.
    #[must_use]
    pub fn logins(&self, user: &str) -> Option<Logins> {
        let of_account =
            |account: &Arc<Account>| Some(Logins { first: account.first_login?, last: account.last_login? });
        self.users.get(user).and_then(of_account).or_else(|| self.logins.get(user).copied())
    }

    pub(super) fn logins_of_declared(&self) -> impl Iterator<Item = (&String, &Logins)> {
        self.logins.iter()
    }

    /// Until when a user is in session; `None` where no session is open.
    #[must_use]
    pub fn in_session_until(&self, user: &str) -> Option<Timestamp> {
        self.sessions_of(user).map(|session| session.idle_end(self.idle)).max()
    }

    /// How long a session lives without a sign of life.
    #[must_use]
    pub const fn idle(&self) -> Option<Duration> {
        self.idle
    }

    /// Binds a user as it stands here to a policy set; `None` where it is not here.
    fn bound(&self, snapshot: &Snapshot, id: &str) -> Option<BoundUser> {
        let lens = Lens::new(snapshot, &self.roles)?;
        let user = Arc::new(self.users.get(id)?.to_user(lens));
        Some(bind(snapshot, &user, self.in_session_until(id)))
    }

    /// Brings bound users up to date.
    pub fn renew(&self, snapshot: &Snapshot, subjects: &mut Subjects, users: &[Arc<str>]) {
        for id in users {
            let declared = subjects.find(id).filter(|_| subjects.is_declared(id)).map(BoundUser::shared);
            let user = match declared {
                Some(declared) => Some(bind(snapshot, &declared, self.in_session_until(id))),
                None => self.bound(snapshot, id),
            };
            match user {
                Some(user) => subjects.put(user),
                None => subjects.remove(id),
            }
        }
    }

    /// Applies steps; tells which users they concern.
    pub(super) fn apply(&mut self, steps: Vec<Step>) -> Vec<Arc<str>> {
        let mut concerned: Vec<Arc<str>> = Vec::new();
        for step in steps {
            self.step(step, &mut concerned);
        }
        concerned.sort_unstable();
        concerned.dedup();
        for id in &concerned {
            self.version += 1;
            self.journal.push_back((self.version, Arc::clone(id)));
        }
        let too_many = self.journal.len().saturating_sub(JOURNAL);
        self.journal.drain(..too_many);
        concerned
    }

    /// Puts what steps say in the place of everything; tells which users that concerns.
    pub(super) fn replace(&mut self, steps: Vec<Step>) -> Vec<Arc<str>> {
        let before = Self {
            idle: self.idle,
            version: self.version,
            journal: std::mem::take(&mut self.journal),
            ..Self::default()
        };
        let before = std::mem::replace(self, before);
        let in_session = before.sessions_of.keys().map(|user| Arc::from(user.as_str()));
        let mut concerned: Vec<Arc<str>> = before.users.keys().cloned().chain(in_session).collect();
        for id in &concerned {
            self.version += 1;
            self.journal.push_back((self.version, Arc::clone(id)));
        }
        concerned.extend(self.apply(steps));
        concerned.sort_unstable();
        concerned.dedup();
        concerned
    }

    fn step(&mut self, step: Step, concerned: &mut Vec<Arc<str>>) {
        match step {
            Step::Account(account) => concerned.push(self.put(account)),
            Step::NoAccount(id) => concerned.extend(self.remove(&id)),
            Step::Invitation(invitation) => drop(self.invitations.insert(invitation.id.clone(), invitation)),
            Step::NoInvitation(id) => drop(self.invitations.remove(&id)),
            Step::Session(session) => concerned.push(self.put_session(session)),
            Step::Logins(user, logins) => drop(self.logins.insert(user, logins)),
            Step::Role(role) => {
                concerned.extend(self.holders(&role.id).map(|account| Arc::from(account.id.as_str())));
                self.roles.insert(role.id.clone(), role);
            }
            Step::NoRole(id) => {
                concerned.extend(self.holders(&id).map(|account| Arc::from(account.id.as_str())));
                self.roles.remove(&id);
            }
        }
    }

    fn put(&mut self, account: Arc<Account>) -> Arc<str> {
        let known = self.users.get_key_value(account.id.as_str()).map(|(id, old)| (Arc::clone(id), Arc::clone(old)));
        let id = match known {
            Some((id, old)) => {
                self.orders.remove(&old, &id);
                self.emails.remove(&fold(&old.email));
                id
            }
            None => account.id.as_str().into(),
        };
        self.orders.insert(&account, &id);
        self.emails.insert(fold(&account.email), Arc::clone(&id));
        self.users.insert(Arc::clone(&id), account);
        id
    }

    fn remove(&mut self, id: &str) -> Option<Arc<str>> {
        let (id, old) = self.users.remove_entry(id)?;
        self.orders.remove(&old, &id);
        self.emails.remove(&fold(&old.email));
        Some(id)
    }

    fn put_session(&mut self, session: Arc<Session>) -> Arc<str> {
        let user: Arc<str> = session.user.as_str().into();
        let ids = self.sessions_of.entry(session.user.clone()).or_default();
        ids.retain(|id| *id != session.id);
        if session.end.is_some() {
            if ids.is_empty() {
                self.sessions_of.remove(&session.user);
            }
            self.sessions.remove(&session.id);
        } else {
            ids.push(session.id.clone());
            self.sessions.insert(session.id.clone(), session);
        }
        user
    }

    /// The users that have changed since a version; `None` where that is too long ago to tell.
    fn changed_since(&self, version: u64) -> Option<Vec<Arc<str>>> {
        let first = self.journal.front().map_or(self.version + 1, |(first, _)| *first);
        if version + 1 < first {
            return None;
        }
        Some(self.journal.iter().filter(|(at, _)| *at > version).map(|(_, id)| Arc::clone(id)).collect())
    }
}

fn bind(snapshot: &Snapshot, user: &Arc<User>, in_session: Option<Timestamp>) -> BoundUser {
    BoundUser::new(&snapshot.program, user).with_session(in_session)
}

/// The book, shared by those who change it and those who bind what is in it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Roster(Arc<Mutex<Book>>);

/// Bound users, and up to which change of the book.
#[derive(Debug, Default)]
pub struct Bound {
    /// The users.
    pub subjects: Subjects,
    version: u64,
}

impl Roster {
    /// An empty book; sessions live so long without a sign of life.
    #[must_use]
    pub(super) fn new(idle: Option<Duration>) -> Self {
        Self(Arc::new(Mutex::new(Book { idle, ..Book::default() })))
    }

    /// The book. Hold it briefly: nobody can publish a change meanwhile.
    pub(super) fn lock(&self) -> MutexGuard<'_, Book> {
        // Steps are applied whole; a panic elsewhere leaves nothing half done in it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Binds all users to a policy set: those that it declares and those of the directory.
    #[must_use]
    pub fn bind(&self, snapshot: &Snapshot) -> Bound {
        let (accounts, roles, sessions, version) = {
            let book = self.lock();
            let sessions: HashMap<String, Timestamp> =
                book.sessions_of.keys().filter_map(|user| Some((user.clone(), book.in_session_until(user)?))).collect();
            (book.users.values().cloned().collect::<Vec<_>>(), book.roles.clone(), sessions, book.version)
        };
        let accounts: Vec<Arc<User>> = match Lens::new(snapshot, &roles) {
            Some(lens) => accounts.iter().map(|account| Arc::new(account.to_user(lens))).collect(),
            None => Vec::new(),
        };
        let mut binder = Binder::new(&snapshot.program);
        let mut bound: Vec<BoundUser> = Vec::with_capacity(snapshot.users.len() + accounts.len());
        for user in snapshot.users.iter().chain(&accounts) {
            bound.push(binder.bind(user).with_session(sessions.get(user.id.as_str()).copied()));
        }
        let others = bound.split_off(snapshot.users.len());
        Bound { subjects: Subjects::of(bound, others), version }
    }

    /// Brings bound users up to date and publishes them, while no change can come between.
    pub fn settle<T>(&self, snapshot: &Snapshot, mut bound: Bound, publish: impl FnOnce(Subjects) -> T) -> T {
        loop {
            {
                let book = self.lock();
                if let Some(changed) = book.changed_since(bound.version) {
                    book.renew(snapshot, &mut bound.subjects, &changed);
                    return publish(bound.subjects);
                }
            }
            bound = self.bind(snapshot);
        }
    }
}
