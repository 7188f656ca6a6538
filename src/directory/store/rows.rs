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
    directory::{Account, CustomRole, Invitation, Logins, Session, book::Step, event::Event},
    model::Timestamp,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::HashSet, path::PathBuf, sync::Arc};

/// Everything that is read at the start.
#[derive(Debug, Default)]
pub(in crate::directory) struct Loaded {
    pub(in crate::directory) steps: Vec<Step>,
    /// Events that may not be in the audit log.
    pub(in crate::directory) events: Vec<Event>,
}

/// Reads what has to be in memory: everything but sessions that have ended.
pub(in crate::directory) fn load(store: &dyn Store) -> Result<Loaded, StoreError> {
    let mut loaded = Loaded::default();
    let steps = &mut loaded.steps;
    store.each("r/", &mut |key, value| {
        steps.push(Step::Role(Arc::new(read::<CustomRole>(key, value)?)));
        Ok(())
    })?;
    store.each("u/", &mut |key, value| {
        steps.push(Step::Account(Arc::new(read::<Account>(key, value)?)));
        Ok(())
    })?;
    store.each("i/", &mut |key, value| {
        steps.push(Step::Invitation(Arc::new(read::<Invitation>(key, value)?)));
        Ok(())
    })?;
    store.each("l/", &mut |key, value| {
        let (first, last): (i64, i64) = read(key, value)?;
        let [first, last] = [first, last].map(Timestamp::from_micros);
        let user = key.strip_prefix("l/").unwrap_or_default();
        steps.push(Step::Logins(user.to_owned(), Logins { first, last }));
        Ok(())
    })?;
    store.each("o/", &mut |key, value| {
        steps.push(Step::Session(Arc::new(read::<Session>(key, value)?)));
        Ok(())
    })?;
    let events = &mut loaded.events;
    store.each("e/", &mut |key, value| {
        events.push(read(key, value)?);
        Ok(())
    })?;
    Ok(loaded)
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
        Ok(())
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
