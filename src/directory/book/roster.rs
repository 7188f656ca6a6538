//! The book, shared by those who change it and those who bind what is in it.

use super::{Book, Lens};
use crate::{
    directory::Subjects,
    engine::{Binder, BoundUser},
    model::{Timestamp, User},
    policy::Snapshot,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

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
    pub(in crate::directory) fn new(idle: Option<Duration>) -> Self {
        Self(Arc::new(Mutex::new(Book { idle, ..Book::default() })))
    }

    /// The book. Hold it briefly: nobody can publish a change meanwhile.
    pub(in crate::directory) fn lock(&self) -> MutexGuard<'_, Book> {
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
            (book.users().cloned().collect::<Vec<_>>(), book.roles.clone(), sessions, book.version)
        };
        let accounts: Vec<Arc<User>> = match Lens::new(snapshot, &roles) {
            Some(lens) => accounts.iter().map(|account| Arc::new(account.to_user(lens))).collect(),
            None => Vec::new(),
        };
        let mut binder = Binder::new(&snapshot.program);
        let mut bound: Vec<Arc<BoundUser>> = Vec::with_capacity(snapshot.users.len() + accounts.len());
        for user in snapshot.users.iter().chain(&accounts) {
            bound.push(Arc::new(binder.bind(user).with_session(sessions.get(user.id.as_str()).copied())));
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
