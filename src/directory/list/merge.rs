//! Users of the directory and declared ones in one order, behind a cursor.

use super::{Cursor, Key, Listed, Sort, UserQuery, marks::Marks};
use crate::{
    directory::{
        Found,
        book::{Book, By, Filed, Slot, Spot, fold, spot},
        scene::Scene,
    },
    model::Timestamp,
};
use std::{cmp::Ordering, sync::Arc};

/// A user of the directory where it stands in an order. Nothing of it is copied: most are passed by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own<'b> {
    pub(super) filed: Filed<'b>,
    sort: Sort,
}

impl Own<'_> {
    /// Where it stands, to go on behind it.
    pub(super) fn cursor(&self) -> Cursor {
        let (by, id) = spot(self.filed, self.sort);
        let key = match by {
            By::None => Key::None,
            By::Text(text) => Key::Text(text.to_owned()),
            By::Time(time) => Key::Time(time),
        };
        Cursor { key, id: id.to_owned() }
    }

    /// Before or behind a cursor of the same order.
    pub(super) fn order(&self, cursor: &Cursor) -> Ordering {
        spot(self.filed, self.sort).cmp(&spot_of(cursor, self.sort))
    }
}

fn spot_of(cursor: &Cursor, sort: Sort) -> Spot<'_> {
    let by = match (sort, &cursor.key) {
        (Sort::Id, _) => By::None,
        (Sort::Name, Key::Text(text)) => By::Text(text),
        (Sort::Name, Key::None | Key::Time(_)) => By::Text(""),
        (Sort::Created | Sort::Updated | Sort::LastLogin, Key::Time(time)) => By::Time(*time),
        (Sort::Created | Sort::Updated | Sort::LastLogin, Key::None | Key::Text(_)) => By::Time(NEVER),
    };
    (by, &cursor.id)
}

/// Before all times.
const NEVER: Timestamp = Timestamp::from_micros(i64::MIN);

/// Users of the directory in order, behind a cursor; those that are marked, where there are marks.
pub(super) fn own<'b>(
    book: &'b Book,
    query: &UserQuery,
    after: Option<&Cursor>,
    marks: Option<&'b Marks>,
) -> Box<dyn Iterator<Item = Own<'b>> + 'b> {
    let sort = query.sort;
    let after = after.map(|cursor| spot_of(cursor, sort));
    let compared = |slot| book.shelf().get(slot).zip(after).map(|(filed, after)| spot(filed, sort).cmp(&after));
    let order = book.orders().by(sort);
    let slots: Box<dyn Iterator<Item = Slot> + 'b> = match (query.descending, after) {
        (false, _) => Box::new(order.behind(&|slot| compared(slot).is_some_and(Ordering::is_le))),
        (true, Some(_)) => Box::new(order.before(&|slot| compared(slot).is_some_and(Ordering::is_lt))),
        (true, None) => Box::new(order.before(&|_| true)),
    };
    // To pass by one that is not marked takes next to nothing.
    let slots = slots.filter(move |slot| marks.is_none_or(|marks| marks.has(*slot)));
    Box::new(slots.filter_map(move |slot| Some(Own { filed: book.shelf().get(slot)?, sort })))
}

/// Declared users in order, behind the cursor of a query.
pub(super) fn declared(scene: &Scene<'_>, query: &UserQuery) -> Vec<Listed> {
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
            Sort::Created | Sort::Updated => Key::Time(NEVER),
            Sort::LastLogin => Key::Time(logins.map_or(NEVER, |logins| logins.last)),
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
