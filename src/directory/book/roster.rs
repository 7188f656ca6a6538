//! The book, shared by those who change it and those who bind what is in it.

use super::{Book, KeptLens};
use crate::{
    directory::{Subjects, member},
    engine::{Binder, BoundUser},
    model::Timestamp,
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
        let (accounts, lens, sessions, version) = {
            let book = self.lock();
            let sessions: HashMap<String, Timestamp> =
                book.sessions_of.keys().filter_map(|user| Some((user.clone(), book.in_session_until(user)?))).collect();
            let lens = KeptLens::new(snapshot, &book.roles).map(Arc::new);
            (book.users().cloned().collect::<Vec<_>>(), lens, sessions, book.version)
        };
        let mut binder = Binder::new(&snapshot.program);
        let in_session = |user: BoundUser| {
            let until = sessions.get(user.id()).copied();
            Arc::new(user.with_session(until))
        };
        let declared: Vec<_> = snapshot.users.iter().map(|user| in_session(binder.bind(user))).collect();
        let others = lens.iter().flat_map(|lens| accounts.iter().map(move |account| (account, lens)));
        let others = others.map(|(account, lens)| in_session(member::bind(&mut binder, account, lens)));
        Bound { subjects: Subjects::of(declared, others), version }
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
