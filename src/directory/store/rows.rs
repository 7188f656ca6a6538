//! The directory's rows: which keys there are, and what stands under them.
//!
//! ```text
//! u/<id>             a user
//! i/<id>             an invitation
//! r/<id>             a role that was put together here
//! s/<id>             a session; ids sort by the time of the login
//! o/<id>             the same, while it is open
//! t/<user>/<id>      the same session, found by its user
//! l/<user>           first and last login of a user whom the policy set declares
//! e/<id>             an event that may not be in the audit log yet
//! ```

use super::{Row, Store, StoreError};
use crate::{
    directory::{
        Account, CustomRole, Invitation, Logins, Session,
        book::Step,
        event::{Event, Witness},
    },
    model::Timestamp,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::HashSet,
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver},
    },
    thread,
};

/// Reads what has to be in memory: everything but sessions that have ended, and events.
pub(in crate::directory) fn load(store: &dyn Store) -> Result<Vec<Step>, StoreError> {
    let mut steps = Vec::new();
    store.each("r/", &mut |key, value| {
        steps.push(Step::Role(Arc::new(read::<CustomRole>(key, value)?)));
        Ok(ControlFlow::Continue(()))
    })?;
    steps.extend(accounts(store)?.into_iter().map(Step::Account));
    store.each("i/", &mut |key, value| {
        steps.push(Step::Invitation(Arc::new(read::<Invitation>(key, value)?)));
        Ok(ControlFlow::Continue(()))
    })?;
    store.each("l/", &mut |key, value| {
        let (first, last): (i64, i64) = read(key, value)?;
        let [first, last] = [first, last].map(Timestamp::from_micros);
        let user = key.strip_prefix("l/").unwrap_or_default();
        steps.push(Step::Logins(user.to_owned(), Logins { first, last }));
        Ok(ControlFlow::Continue(()))
    })?;
    store.each("o/", &mut |key, value| {
        steps.push(Step::Session(Arc::new(read::<Session>(key, value)?)));
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(steps)
}

/// Tells of the events that a crash may have kept out of the audit log, some at a time: an import leaves as many as it had users. Gives the
/// ids of those that are there.
pub(in crate::directory) fn left(
    store: &dyn Store,
    witness: &dyn Witness,
    tell: &mut dyn FnMut(Vec<Event>),
) -> Result<Vec<String>, StoreError> {
    let mut first: Option<Timestamp> = None;
    store.each("e/", &mut |key, value| {
        let at = read::<Event>(key, value)?.at;
        first = Some(first.map_or(at, |first| first.min(at)));
        Ok(ControlFlow::Continue(()))
    })?;
    let Some(first) = first else { return Ok(Vec::new()) };
    let known = witness.known_since(first);
    let (mut batch, mut there) = (Vec::new(), Vec::new());
    store.each("e/", &mut |key, value| {
        let event: Event = read(key, value)?;
        if known.contains(&event.id) {
            there.push(event.id);
        } else {
            batch.push(event);
        }
        if batch.len() == BATCH {
            tell(std::mem::take(&mut batch));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    tell(batch);
    Ok(there)
}

/// Rows that are handed on together.
const BATCH: usize = 256;
/// Threads at the most that make accounts of rows.
const MOST_THREADS: usize = 4;

type Batch = (usize, Vec<(String, Vec<u8>)>);

/// The accounts of such a batch, with its number.
type Made = (usize, Vec<Arc<Account>>);

/// The users, in order of their ids. They are many, so a row is made into an account on another thread while the next ones are read.
fn accounts(store: &dyn Store) -> Result<Vec<Arc<Account>>, StoreError> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let (hand_on, take) = mpsc::sync_channel::<Batch>(2 * threads);
    let take = Mutex::new(take);
    let made = thread::scope(|scope| {
        let makers: Vec<_> = (0..threads).map(|_| scope.spawn(|| make(&take))).collect();
        let (mut number, mut batch) = (0, Vec::with_capacity(BATCH));
        let mut pass = |batch: Vec<(String, Vec<u8>)>| {
            number += 1;
            // Whoever takes goes on to the end.
            hand_on.send((number, batch)).map_err(|_| unfinished())
        };
        let read = store.each("u/", &mut |key, value| {
            batch.push((key.to_owned(), value.to_vec()));
            if batch.len() == BATCH {
                pass(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)))?;
            }
            Ok(ControlFlow::Continue(()))
        });
        let read = read.and_then(|()| pass(batch));
        drop(hand_on);
        let made: Vec<_> = makers.into_iter().map(|maker| maker.join().unwrap_or_else(|_| Err(unfinished()))).collect();
        read.map(|()| made)
    })?;
    let mut batches = Vec::new();
    for made in made {
        batches.extend(made?);
    }
    batches.sort_unstable_by_key(|(number, _)| *number);
    Ok(batches.into_iter().flat_map(|(_, accounts)| accounts).collect())
}

/// Makes accounts until no rows come any more; where one cannot be read, the others are taken all the same, so that nobody waits.
fn make(take: &Mutex<Receiver<Batch>>) -> Result<Vec<Made>, StoreError> {
    let next = || take.lock().unwrap_or_else(PoisonError::into_inner).recv();
    let mut made: Result<Vec<Made>, StoreError> = Ok(Vec::new());
    while let Ok((number, rows)) = next() {
        let account = |key: &str, value: &[u8]| {
            let mut account = read::<Account>(key, value)?;
            account.compact();
            Ok(Arc::new(account))
        };
        let accounts = rows.iter().map(|(key, value)| account(key, value));
        if let Ok(batches) = &mut made {
            match accounts.collect::<Result<_, StoreError>>() {
                Ok(accounts) => batches.push((number, accounts)),
                Err(error) => made = Err(error),
            }
        }
    }
    made
}

fn unfinished() -> StoreError {
    StoreError::Damaged { path: PathBuf::from("u/"), what: "the users cannot be read to the end".to_owned() }
}

/// The rows of a change.
pub(in crate::directory) fn batch(
    steps: &[Step],
    events: &[Event],
    recorded: &[String],
) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    for step in steps {
        match step {
            Step::Account(account) => rows.push((format!("u/{}", account.id), Some(write(&**account)?))),
            Step::NoAccount(id) => rows.push((format!("u/{id}"), None)),
            Step::Invitation(invitation) => {
                rows.push((format!("i/{}", invitation.id), Some(write(&**invitation)?)));
            }
            Step::NoInvitation(id) => rows.push((format!("i/{id}"), None)),
            Step::Session(session) => {
                let value = write(&**session)?;
                let Session { id, user, end, .. } = &**session;
                // Open ones stand apart too, so that a start need not look through all that there ever were.
                rows.push((format!("o/{id}"), end.is_none().then(|| value.clone())));
                rows.push((format!("t/{user}/{id}"), Some(Vec::new())));
                rows.push((format!("s/{id}"), Some(value)));
            }
            Step::Role(role) => rows.push((format!("r/{}", role.id), Some(write(&**role)?))),
            Step::NoRole(id) => rows.push((format!("r/{id}"), None)),
            Step::Logins(user, Logins { first, last }) => {
                rows.push((format!("l/{user}"), Some(write(&(first.as_micros(), last.as_micros()))?)));
            }
        }
    }
    for event in events {
        rows.push((format!("e/{}", event.id), Some(write(event)?)));
    }
    rows.extend(recorded.iter().map(|id| (format!("e/{id}"), None)));
    Ok(rows)
}

/// The removal of every row that is not among these, but for events: they have happened.
pub(in crate::directory) fn others(store: &dyn Store, rows: &[Row]) -> Result<Vec<Row>, StoreError> {
    let kept: HashSet<&str> = rows.iter().map(|(key, _)| key.as_str()).collect();
    let mut others = Vec::new();
    store.each("", &mut |key, _| {
        if !key.starts_with("e/") && !kept.contains(key) {
            others.push((key.to_owned(), None));
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(others)
}

/// Reads the value of a row.
pub(in crate::directory) fn read<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| StoreError::Damaged {
        path: PathBuf::from(key),
        what: format!("the row cannot be read: {error}"),
    })
}

fn write(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|error| StoreError::Damaged {
        path: PathBuf::new(),
        what: format!("a row cannot be written: {error}"),
    })
}
