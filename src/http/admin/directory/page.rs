//! The parts of an address that lists share: how many, behind what, in which order.

use super::{MOST, USUAL};
pub(super) use crate::http::address::wrong;
use crate::{
    directory::{Cursor, Key, Sort},
    http::ApiError,
    model::{Timestamp, from_hex, to_hex},
};
use serde_json::{Value, json};

/// How many items.
pub(super) fn limit(given: Option<&str>) -> Result<usize, ApiError> {
    let Some(given) = given else { return Ok(USUAL) };
    let limit = given.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    limit.ok_or_else(|| wrong("limit", given, "a number from 1 to 1000"))
}

/// `true` or `false`.
pub(super) fn switch(name: &str, given: Option<&str>) -> Result<Option<bool>, ApiError> {
    given.map(|given| given.parse().map_err(|_| wrong(name, given, "`true` or `false`"))).transpose()
}

/// A time.
pub(super) fn time(name: &str, given: Option<&str>) -> Result<Option<Timestamp>, ApiError> {
    let read =
        |given| Timestamp::parse(given).ok_or_else(|| wrong(name, given, "a time such as `2027-01-31T08:00:00Z`"));
    given.map(read).transpose()
}

/// Whether the last come first.
pub(super) fn descending(given: Option<&str>) -> Result<bool, ApiError> {
    match given {
        None | Some("asc") => Ok(false),
        Some("desc") => Ok(true),
        Some(given) => Err(wrong("order", given, "`asc` or `desc`")),
    }
}

/// The orders of users.
pub(super) const SORTS: [&str; 5] = ["id", "name", "created", "updated", "last_login"];

/// In which order.
pub(super) fn sort(given: Option<&str>) -> Result<Sort, ApiError> {
    match given {
        None | Some("id") => Ok(Sort::Id),
        Some("name") => Ok(Sort::Name),
        Some("created") => Ok(Sort::Created),
        Some("updated") => Ok(Sort::Updated),
        Some("last_login") => Ok(Sort::LastLogin),
        Some(given) => Err(wrong("sort", given, "`id`, `name`, `created`, `updated` or `last_login`")),
    }
}

/// A cursor of users as text. It holds the order too, since in another one it would lead nowhere.
pub(super) fn cursor_text(cursor: &Cursor, sort: Sort, descending: bool) -> String {
    let key = match &cursor.key {
        Key::None => Value::Null,
        Key::Text(text) => text.as_str().into(),
        Key::Time(time) => time.as_micros().into(),
    };
    to_hex(json!([order(sort), descending, key, cursor.id]).to_string().as_bytes())
}

/// Reads it back.
pub(super) fn cursor(given: Option<&str>, sort: Sort, descending: bool) -> Result<Option<Cursor>, ApiError> {
    let Some(given) = given else { return Ok(None) };
    let (wanted, found) = ((order(sort), descending), decode(given));
    match found {
        Some((order, direction, cursor)) if (order.as_str(), direction) == wanted => Ok(Some(cursor)),
        Some(_) => Err(wrong("cursor", given, "it is of a list in another order")),
        None => Err(wrong("cursor", given, "the `next_cursor` of the page before")),
    }
}

fn decode(given: &str) -> Option<(String, bool, Cursor)> {
    let (order, descending, key, id): (String, bool, Value, String) = serde_json::from_slice(&from_hex(given)?).ok()?;
    let key = match (order.as_str(), key) {
        ("id", Value::Null) => Key::None,
        ("name", Value::String(text)) => Key::Text(text),
        ("created" | "updated" | "last_login", Value::Number(time)) => {
            Key::Time(Timestamp::from_micros(time.as_i64()?))
        }
        _ => return None,
    };
    Some((order, descending, Cursor { key, id }))
}

const fn order(sort: Sort) -> &'static str {
    match sort {
        Sort::Id => "id",
        Sort::Name => "name",
        Sort::Created => "created",
        Sort::Updated => "updated",
        Sort::LastLogin => "last_login",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_in_its_own_order_alone() {
        for (order, key) in [
            (Sort::Id, Key::None),
            (Sort::Name, Key::Text("zoë".to_owned())),
            (Sort::LastLogin, Key::Time(Timestamp::from_micros(i64::MIN))),
        ] {
            let there = Cursor { key, id: "é/1".to_owned() };
            let text = cursor_text(&there, order, true);
            assert_eq!(cursor(Some(&text), order, true).unwrap(), Some(there));
            assert!(cursor(Some(&text), order, false).is_err());
            assert!(cursor(Some(&text), Sort::Created, true).is_err());
        }
        for odd in ["", "x", "5b5d", "zz", "5b226964222c747275652c226b222c2269225d"] {
            assert!(cursor(Some(odd), Sort::Id, true).is_err(), "{odd}");
        }
        assert_eq!(cursor(None, Sort::Id, true), Ok(None));
    }

    #[test]
    fn every_order_that_is_told_is_one() {
        for name in SORTS {
            assert_eq!(order(sort(Some(name)).unwrap()), name);
        }
    }
}
