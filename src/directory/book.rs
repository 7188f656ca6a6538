//! The directory in memory: users with their orders, invitations, open sessions. What stands here is in the store already.

mod filed;
mod order;
mod roster;
mod shelf;

pub use roster::{Bound, Roster};

pub(super) use filed::{Filed, family_fact, fold, role_fact, search_of, status_fact, tenant_fact};
pub(super) use order::{By, Spot, spot};
pub(super) use shelf::{BLOCK, Shelf, Slot, parts};

use super::{
    Account, Invitation, Outcome, Session, Sort, Subjects, member,
    role::{CustomRole, KeptLens, Roles},
};
use crate::{engine::Binder, model::Timestamp, policy::Snapshot};
use filed::facts_of;
use hashbrown::HashTable;
use order::Orders;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    fmt::Debug,
    hash::{BuildHasher, RandomState},
    sync::Arc,
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
    // INVARIANT: `emails` and each of `orders` hold the slot of every user once.
    shelf: Shelf,
    orders: Orders,
    emails: HashTable<Slot>,
    /// Mail addresses come from requests: nobody may choose them so that many fall together.
    hasher: RandomState,
    /// How often everything was replaced. A slot of another era may be somebody else's.
    era: u64,
    invitations: BTreeMap<String, Arc<Invitation>>,
    // INVARIANT: the ids of all invitations, by user.
    invitations_of: HashMap<String, BTreeSet<String>>,
    // INVARIANT: the invitations whose letters wait.
    letters: BTreeSet<String>,
    roles: Arc<Roles>,
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

impl Book {
    /// A user of the directory.
    #[must_use]
    pub fn user(&self, id: &str) -> Option<&Arc<Account>> {
        Some(self.shelf.get(self.slot(id)?)?.account)
    }

    /// The user with a mail address, without regard to case.
    #[must_use]
    pub fn user_with_email(&self, email: &str) -> Option<&Arc<Account>> {
        let email = fold(email);
        let has = |slot: &Slot| self.shelf.get(*slot).is_some_and(|filed| fold(&filed.account.email) == email);
        let slot = self.emails.find(self.hasher.hash_one(&email), has)?;
        Some(self.shelf.get(*slot)?.account)
    }

    /// All users, in order of their ids.
    pub fn users(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.users_behind(None)
    }

    /// The users behind an id, in order of their ids.
    pub(super) fn users_behind(&self, id: Option<&str>) -> impl Iterator<Item = &Arc<Account>> {
        let is_before = |slot| id.is_some_and(|id| self.shelf.get(slot).is_some_and(|one| *one.account.id <= *id));
        let slots = self.orders.by(Sort::Id).behind(&is_before);
        slots.filter_map(|slot| Some(self.shelf.get(slot)?.account))
    }

    fn slot(&self, id: &str) -> Option<Slot> {
        let account = |slot| Some(self.shelf.get(slot)?.account);
        let is_before = |slot| account(slot).is_some_and(|account| *account.id < *id);
        let found = self.orders.by(Sort::Id).first(&is_before)?;
        (account(found)?.id == id).then_some(found)
    }

    pub(super) const fn orders(&self) -> &Orders {
        &self.orders
    }

    pub(super) const fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// Changes where everything is replaced, slots and all.
    pub(super) const fn era(&self) -> u64 {
        self.era
    }

    /// All invitations, the oldest first.
    pub fn invitations(&self) -> impl DoubleEndedIterator<Item = &Arc<Invitation>> {
        self.invitations.values()
    }

    /// A user's invitations, the oldest first.
    pub fn invitations_of(&self, user: &str) -> impl Iterator<Item = &Arc<Invitation>> {
        self.invitations_of.get(user).into_iter().flatten().filter_map(|id| self.invitations.get(id))
    }

    /// An invitation.
    #[must_use]
    pub fn invitation(&self, id: &str) -> Option<&Arc<Invitation>> {
        self.invitations.get(id)
    }

    /// Invitations whose letters wait to go out.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Arc<Invitation>> {
        self.letters.iter().filter_map(|id| self.invitations.get(id))
    }

    /// How many letters wait.
    pub(super) fn letters(&self) -> usize {
        self.letters.len()
    }

    /// Roles that were put together here.
    #[must_use]
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Who has a role, in any tenant, whether it still counts or not.
    pub fn holders<'b>(&'b self, role: &'b str) -> impl Iterator<Item = &'b Arc<Account>> {
        let fact = role_fact(None, role);
        let filed = self.orders.by(Sort::Id).iter().filter_map(|slot| self.shelf.get(slot));
        filed.filter(move |filed| filed.says(&fact) && filed.account.has_role(role)).map(|filed| filed.account)
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
        self.user(user).and_then(of_account).or_else(|| self.logins.get(user).copied())
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

    /// Brings bound users up to date.
    pub fn renew(&self, snapshot: &Snapshot, subjects: &mut Subjects, users: &[Arc<str>]) {
        let lens = KeptLens::new(snapshot, &self.roles).map(Arc::new);
        let mut binder = Binder::new(&snapshot.program);
        for id in users {
            let user = match subjects.find(id).filter(|_| subjects.is_declared(id)) {
                Some(declared) => Some(declared.again(&snapshot.program)),
                None => lens.as_ref().and_then(|lens| Some(member::bind(&mut binder, self.user(id)?, lens))),
            };
            match user {
                Some(user) => subjects.put(user.with_session(self.in_session_until(id))),
                None => subjects.remove(id),
            }
        }
    }

    /// Applies steps; tells which users they concern.
    pub(super) fn apply(&mut self, mut steps: Vec<Step>) -> Vec<Arc<str>> {
        let mut concerned: Vec<Arc<str>> =
            if self.orders.by(Sort::Id).len() == 0 { self.fill(&mut steps) } else { Vec::new() };
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
            era: self.era + 1,
            journal: std::mem::take(&mut self.journal),
            ..Self::default()
        };
        let before = std::mem::replace(self, before);
        let in_session = before.sessions_of.keys().map(|user| Arc::from(user.as_str()));
        let mut concerned: Vec<Arc<str>> = before.users().map(id_of).chain(in_session).collect();
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
            Step::Invitation(invitation) => self.put_invitation(invitation),
            Step::NoInvitation(id) => self.remove_invitation(&id),
            Step::Session(session) => concerned.push(self.put_session(session)),
            Step::Logins(user, logins) => drop(self.logins.insert(user, logins)),
            Step::Role(role) => {
                concerned.extend(self.holders(&role.id).map(id_of));
                Arc::make_mut(&mut self.roles).insert(role.id.clone(), role);
            }
            Step::NoRole(id) => {
                concerned.extend(self.holders(&id).map(id_of));
                Arc::make_mut(&mut self.roles).remove(&id);
            }
        }
    }

    /// Takes the accounts out of steps, into a book that has none: many at once are sorted in a fraction of the time.
    fn fill(&mut self, steps: &mut Vec<Step>) -> Vec<Arc<str>> {
        let (accounts, others): (Vec<Step>, _) =
            std::mem::take(steps).into_iter().partition(|step| matches!(step, Step::Account(_)));
        *steps = others;
        let mut accounts: Vec<Arc<Account>> = accounts
            .into_iter()
            .rev()
            .filter_map(|step| match step {
                Step::Account(account) => Some(account),
                _ => None,
            })
            .collect();
        // Of two of the same id the later counts, which comes first here.
        accounts.sort_by(|one, other| one.id.cmp(&other.id));
        accounts.dedup_by(|later, earlier| later.id == earlier.id);
        let concerned = accounts.iter().map(id_of).collect();
        self.shelf = Shelf::of(accounts.into_iter().map(|account| {
            let facts = facts_of(&account);
            (account, facts)
        }));
        self.orders = Orders::of(&self.shelf);
        self.emails = HashTable::new();
        for slot in self.shelf.slots() {
            self.put_email(slot);
        }
        concerned
    }

    fn put(&mut self, account: Arc<Account>) -> Arc<str> {
        let (id, facts) = (id_of(&account), facts_of(&account));
        let Some(slot) = self.slot(&id) else {
            let slot = self.shelf.add(account, &facts);
            self.orders.insert(&self.shelf, slot, None);
            self.put_email(slot);
            return id;
        };
        let old = self.shelf.get(slot).map(|old| (Arc::clone(old.account), old.facts.to_owned()));
        self.remove_email(slot);
        self.orders.remove(&self.shelf, slot, Some(Filed { account: &account, facts: &facts }));
        self.shelf.replace(slot, account, &facts);
        let old = old.as_ref().map(|(account, facts)| Filed { account, facts });
        self.orders.insert(&self.shelf, slot, old);
        self.put_email(slot);
        id
    }

    fn remove(&mut self, id: &str) -> Option<Arc<str>> {
        let slot = self.slot(id)?;
        self.remove_email(slot);
        self.orders.remove(&self.shelf, slot, None);
        self.shelf.remove(slot);
        Some(id.into())
    }

    fn put_email(&mut self, slot: Slot) {
        let Self { shelf, emails, hasher, .. } = self;
        let hash = |slot: &Slot| hash_of_email(shelf, hasher, *slot);
        emails.insert_unique(hash(&slot), slot, hash);
    }

    fn remove_email(&mut self, slot: Slot) {
        let hash = hash_of_email(&self.shelf, &self.hasher, slot);
        if let Ok(entry) = self.emails.find_entry(hash, |known| *known == slot) {
            entry.remove();
        }
    }

    fn put_invitation(&mut self, invitation: Arc<Invitation>) {
        let waits =
            invitation.outcome == Outcome::Open && invitation.letter.as_ref().is_some_and(|letter| !letter.given_up);
        if waits {
            self.letters.insert(invitation.id.clone());
        } else {
            self.letters.remove(&invitation.id);
        }
        self.invitations_of.entry(invitation.user.clone()).or_default().insert(invitation.id.clone());
        self.invitations.insert(invitation.id.clone(), invitation);
    }

    fn remove_invitation(&mut self, id: &str) {
        self.letters.remove(id);
        let Some(gone) = self.invitations.remove(id) else { return };
        if let Some(of_user) = self.invitations_of.get_mut(&gone.user) {
            of_user.remove(id);
            if of_user.is_empty() {
                self.invitations_of.remove(&gone.user);
            }
        }
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

fn id_of(account: &Arc<Account>) -> Arc<str> {
    account.id.as_str().into()
}

fn hash_of_email(shelf: &Shelf, hasher: &RandomState, slot: Slot) -> u64 {
    hasher.hash_one(shelf.get(slot).map(|filed| fold(&filed.account.email)).unwrap_or_default())
}
