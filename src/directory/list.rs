//! Lists of users: searched, filtered, sorted, page by page.
//!
//! Users of the directory and declared ones stand in one list. The book is looked at a stretch at a time, so that nobody waits long; what
//! changes meanwhile may be in the list as it was or as it is.

mod marks;
mod merge;
mod search;

use super::{
    Directory, Found,
    call::{Call, Refusal},
    service::{About, Plan},
};
use crate::{
    model::{Status, Timestamp},
    policy::Operation,
};
use search::Search;

/// Which users are asked for.
#[derive(Debug, Clone, Default)]
pub struct UserQuery {
    /// Words that all occur in id, name, mail address, phone or job.
    pub search: Option<String>,
    /// Who have this role, declared or put together here.
    pub role: Option<String>,
    /// With this status.
    pub status: Option<Status>,
    /// With anything in this tenant.
    pub tenant: Option<String>,
    /// Who reach this module.
    pub module: Option<String>,
    /// Of this family.
    pub family: Option<String>,
    /// Declared ones, or those of the directory.
    pub declared: Option<bool>,
    /// In which order.
    pub sort: Sort,
    /// The last first.
    pub descending: bool,
    /// Behind this one, as the page before said.
    pub after: Option<Cursor>,
    /// So many at most.
    pub limit: usize,
}

/// In which order users are listed. Those that are equal are in order of their ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// By id.
    #[default]
    Id,
    /// By the name that is shown, without regard to case.
    Name,
    /// By the time of creation; declared users come first.
    Created,
    /// By the time of the last change; declared users come first.
    Updated,
    /// By the last login; who never logged in comes first.
    LastLogin,
}

/// Where a page ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// What it is sorted by.
    pub key: Key,
    /// The user's id.
    pub id: String,
}

/// What users are sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Nothing but the id.
    None,
    /// A folded name.
    Text(String),
    /// A time.
    Time(Timestamp),
}

/// A user in a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The user.
    pub found: Found,
    /// Where it stands.
    pub cursor: Cursor,
}

/// A page of users.
#[derive(Debug, Clone, Default)]
pub struct UserPage {
    /// In order.
    pub users: Vec<Listed>,
    /// Where the next page begins, where there is one.
    pub next: Option<Cursor>,
}

impl Directory {
    /// Users that the actor may see.
    ///
    /// # Errors
    /// Fails where the actor may not list any.
    pub fn list_users(&self, call: &Call<'_>, query: &UserQuery) -> Result<UserPage, Refusal> {
        let about = About { action: "list_users", resource_type: "user", id: "", user: "" };
        self.ask(call, about, |scene| Ok(Plan::look(scene.permit(Operation::List, None, None)?, ())))?;
        let mut search = Search::new(query);
        while self.look(call, |scene| search.stretch(scene))?.is_continue() {}
        Ok(search.page())
    }
}
