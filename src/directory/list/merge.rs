//! Users of the directory and declared ones in one order, behind a cursor.

use super::{Cursor, Key, Listed, Sort, UserQuery};
use crate::{
    directory::{
        Account, Found,
        book::{Book, Filed, Order, fold},
        scene::Scene,
    },
    model::Timestamp,
};
use std::{cmp::Ordering, ops::Bound, sync::Arc};

/// A user of the directory where it stands in an order. Nothing of it is copied: most are passed by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own<'b> {
    key: Place<'b>,
    pub(super) filed: &'b Filed,
}

/// The key of an order.
#[derive(Debug, Clone, Copy)]
enum Place<'b> {
    Id,
    Text(&'b str),
    Time(Timestamp),
}

impl Own<'_> {
    fn account(&self) -> &Account {
        &self.filed.account
    }

    /// Where it stands, to go on behind it.
    pub(super) fn cursor(&self) -> Cursor {
        let key = match self.key {
            Place::Id => Key::None,
            Place::Text(text) => Key::Text(text.to_owned()),
            Place::Time(time) => Key::Time(time),
        };
        Cursor { key, id: self.account().id.clone() }
    }

    /// Before or behind a cursor of the same order.
    pub(super) fn order(&self, cursor: &Cursor) -> Ordering {
        let keys = match (self.key, &cursor.key) {
            (Place::Text(own), Key::Text(other)) => own.cmp(other),
            (Place::Time(own), Key::Time(other)) => own.cmp(other),
            _ => Ordering::Equal,
        };
        keys.then_with(|| self.account().id.cmp(&cursor.id))
    }
}

/// Users of the directory in order, behind a cursor.
pub(super) fn own<'b>(
    book: &'b Book,
    query: &UserQuery,
    after: Option<&Cursor>,
) -> Box<dyn Iterator<Item = Own<'b>> + 'b> {
    let orders = book.orders();
    let descending = query.descending;
    let id = |cursor: &Cursor| Arc::<str>::from(cursor.id.as_str());
    let time = |cursor: &Cursor| match cursor.key {
        Key::Time(time) => time,
        Key::None | Key::Text(_) => Timestamp::from_micros(i64::MIN),
    };
    let by_time = |order: &'b Order<Timestamp>| {
        let start = after.map(|cursor| (time(cursor), id(cursor)));
        either(order.range(range(start, descending)), descending, |((time, _), filed)| Own {
            key: Place::Time(*time),
            filed,
        })
    };
    match query.sort {
        Sort::Id => {
            let users = book.by_id().range::<Arc<str>, _>(range(after.map(id), descending));
            either(users, descending, |(_, filed)| Own { key: Place::Id, filed })
        }
        Sort::Name => {
            let text = |cursor: &Cursor| match &cursor.key {
                Key::Text(text) => text.as_str().into(),
                Key::None | Key::Time(_) => "".into(),
            };
            let start = after.map(|cursor| (text(cursor), id(cursor)));
            let users = orders.name.range::<(Box<str>, Arc<str>), _>(range(start, descending));
            either(users, descending, |((name, _), filed)| Own { key: Place::Text(name), filed })
        }
        Sort::Created => by_time(&orders.created),
        Sort::Updated => by_time(&orders.updated),
        Sort::LastLogin => by_time(&orders.last_login),
    }
}

fn either<'b, T>(
    found: impl DoubleEndedIterator<Item = T> + 'b,
    descending: bool,
    own: impl Fn(T) -> Own<'b> + 'b,
) -> Box<dyn Iterator<Item = Own<'b>> + 'b> {
    if descending { Box::new(found.rev().map(own)) } else { Box::new(found.map(own)) }
}

fn range<T>(start: Option<T>, descending: bool) -> (Bound<T>, Bound<T>) {
    match start {
        None => (Bound::Unbounded, Bound::Unbounded),
        Some(start) if descending => (Bound::Unbounded, Bound::Excluded(start)),
        Some(start) => (Bound::Excluded(start), Bound::Unbounded),
    }
}

/// Declared users in order, behind the cursor of a query.
pub(super) fn declared(scene: &Scene<'_>, query: &UserQuery) -> Vec<Listed> {
    let nothing = Timestamp::from_micros(i64::MIN);
    let is_behind = |cursor: &Cursor| match &query.after {
        None => true,
        Some(after) if query.descending => cursor < after,
        Some(after) => cursor > after,
    };
    let users = scene.snapshot.users.iter().map(|user| {
        let logins = scene.book.logins(&user.id);
        let key = match query.sort {
            Sort::Id => Key::None,
            Sort::Name => Key::Text(fold(user.name.as_deref().or(user.email.as_deref()).unwrap_or(&user.id))),
            Sort::Created | Sort::Updated => Key::Time(nothing),
            Sort::LastLogin => Key::Time(logins.map_or(nothing, |logins| logins.last)),
        };
        let cursor = Cursor { key, id: user.id.clone() };
        Listed { found: Found::Declared(Arc::clone(user), logins), cursor }
    });
    let mut users: Vec<Listed> = users.filter(|listed| is_behind(&listed.cursor)).collect();
    users.sort_by(|one, other| one.cursor.cmp(&other.cursor));
    if query.descending {
        users.reverse();
    }
    users
}
