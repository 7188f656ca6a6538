//! Lists of users: searched, filtered, sorted, page by page.
//!
//! Users of the directory and declared ones stand in one list. The book is looked at a stretch at a time, so that nobody waits long; what
//! changes meanwhile may be in the list as it was or as it is.

use super::{
    Account, Directory, Found,
    book::{Book, fold, login_key},
    call::{Call, Refusal},
    scene::Scene,
    service::{About, Plan},
};
use crate::{
    engine::BoundUser,
    model::{AssignmentKind, Status, Timestamp, User},
    policy::Operation,
};
use std::{ops::Bound, sync::Arc};

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
        self.change(call, about, |scene| {
            let policies = scene.permit(Operation::List, None, None)?;
            Ok(Plan::look(policies, query.page(scene)?))
        })
    }
}

impl UserQuery {
    fn page(&self, scene: &Scene<'_>) -> Result<UserPage, Refusal> {
        let words: Vec<String> = self.search.iter().flat_map(|search| search.split_whitespace()).map(fold).collect();
        let mut declared = self.declared_users(scene);
        let mut own = self.accounts(scene.book);
        let mut page = UserPage::default();
        let (mut next_declared, mut next_own) = (declared.next(), own.next());
        loop {
            // Two orders are merged into one.
            let first_is_declared = match (&next_declared, &next_own) {
                (None, None) => return Ok(page),
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some(one), Some(other)) => (one.cursor < other.cursor) != self.descending,
            };
            let listed = if first_is_declared {
                std::mem::replace(&mut next_declared, declared.next())
            } else {
                std::mem::replace(&mut next_own, own.next())
            };
            let Some(listed) = listed else { return Ok(page) };
            let user = match &listed.found {
                Found::Declared(user, _) => Arc::clone(user),
                // What git declares counts.
                Found::Account(account) if scene.subjects.is_declared(&account.id) => continue,
                Found::Account(account) if !self.fits_account(account, &words) => continue,
                Found::Account(account) => Arc::new(account.to_user(scene.lens()?)),
            };
            if !self.fits(scene, &user, &listed.found, &words) || !scene.sees(&user) {
                continue;
            }
            if page.users.len() == self.limit {
                page.next = page.users.last().map(|last| last.cursor.clone());
                return Ok(page);
            }
            page.users.push(listed);
        }
    }

    /// What can be told of an account as it stands, before policies come into it.
    fn fits_account(&self, account: &Account, words: &[String]) -> bool {
        if self.status.is_some_and(|status| status != account.status) {
            return false;
        }
        if words.is_empty() {
            return true;
        }
        let optional = |text: &Option<String>| text.as_deref().map(fold).unwrap_or_default();
        let texts = [
            fold(&account.id),
            fold(&account.display_name()),
            fold(&account.email),
            optional(&account.phone),
            optional(&account.job),
        ];
        words.iter().all(|word| texts.iter().any(|text| text.contains(word)))
    }

    fn fits(&self, scene: &Scene<'_>, user: &User, found: &Found, words: &[String]) -> bool {
        let declared = matches!(found, Found::Declared(..));
        if self.declared.is_some_and(|wanted| wanted != declared)
            || self.status.is_some_and(|status| status != user.status)
        {
            return false;
        }
        if declared && !words.is_empty() {
            let texts =
                [Some(&user.id), user.name.as_ref(), user.email.as_ref()].map(|text| text.map(|text| fold(text)));
            if !words.iter().all(|word| texts.iter().flatten().any(|text| text.contains(word))) {
                return false;
            }
        }
        if self.family.as_ref().is_some_and(|family| user.family.as_ref() != Some(family)) {
            return false;
        }
        let tenant = self.tenant.as_deref();
        let mut places = user.memberships.iter().filter(|place| tenant.is_none() || place.tenant.as_deref() == tenant);
        if tenant.is_some() && places.clone().next().is_none() {
            return false;
        }
        let has_role = |role: &String| {
            let mut given = places.clone().flat_map(|place| &place.assignments);
            given.any(|given| {
                given.kind == AssignmentKind::Role
                    && given.name == *role
                    && given.until.is_none_or(|until| scene.now() < until)
            })
        };
        if self.role.as_ref().is_some_and(|role| !has_role(role)) {
            return false;
        }
        self.module.as_ref().is_none_or(|module| {
            let bound = scene.subjects.find(&user.id);
            bound.is_some_and(|bound| places.any(|place| reaches(scene, bound, place.tenant.as_deref(), module)))
        })
    }

    fn key_of(&self, account: &Account) -> Key {
        match self.sort {
            Sort::Id => Key::None,
            Sort::Name => Key::Text(fold(&account.display_name())),
            Sort::Created => Key::Time(account.created),
            Sort::Updated => Key::Time(account.updated),
            Sort::LastLogin => Key::Time(login_key(account)),
        }
    }

    /// Declared users in order, behind the cursor.
    fn declared_users<'s>(&self, scene: &Scene<'s>) -> impl Iterator<Item = Listed> + use<'s> {
        let nothing = Timestamp::from_micros(i64::MIN);
        let book = scene.book;
        let mut users: Vec<Listed> = scene
            .snapshot
            .users
            .iter()
            .map(|user| {
                let logins = book.logins(&user.id);
                let key = match self.sort {
                    Sort::Id => Key::None,
                    Sort::Name => Key::Text(fold(user.name.as_deref().or(user.email.as_deref()).unwrap_or(&user.id))),
                    Sort::Created | Sort::Updated => Key::Time(nothing),
                    Sort::LastLogin => Key::Time(logins.map_or(nothing, |logins| logins.last)),
                };
                let cursor = Cursor { key, id: user.id.clone() };
                Listed { found: Found::Declared(Arc::clone(user), logins), cursor }
            })
            .filter(|listed| self.is_behind(&listed.cursor))
            .collect();
        users.sort_by(|one, other| one.cursor.cmp(&other.cursor));
        if self.descending {
            users.reverse();
        }
        users.into_iter()
    }

    fn is_behind(&self, cursor: &Cursor) -> bool {
        let Some(after) = &self.after else { return true };
        if self.descending { cursor < after } else { cursor > after }
    }

    /// Accounts in order, behind the cursor.
    fn accounts<'b>(&'b self, book: &'b Book) -> Box<dyn Iterator<Item = Listed> + 'b> {
        let after = self.after.as_ref();
        let text = |cursor: &Cursor| match &cursor.key {
            Key::Text(text) => text.clone(),
            Key::None | Key::Time(_) => String::new(),
        };
        let time = |cursor: &Cursor| match cursor.key {
            Key::Time(time) => time,
            Key::None | Key::Text(_) => Timestamp::from_micros(i64::MIN),
        };
        let id = |cursor: &Cursor| Arc::<str>::from(cursor.id.as_str());
        let orders = book.orders();
        let names = |start: Option<(String, Arc<str>)>| ordered(&orders.name, start, self.descending).map(|(_, id)| id);
        let ids: Box<dyn Iterator<Item = &Arc<str>>> = match self.sort {
            Sort::Id => {
                let start = after.map(id);
                let bounds = range(start, self.descending);
                let ids = book.by_id().range::<Arc<str>, _>(bounds).map(|(id, _)| id);
                if self.descending { Box::new(ids.rev()) } else { Box::new(ids) }
            }
            Sort::Name => Box::new(names(after.map(|cursor| (text(cursor), id(cursor))))),
            Sort::Created | Sort::Updated | Sort::LastLogin => {
                let order = match self.sort {
                    Sort::Created => &orders.created,
                    Sort::Updated => &orders.updated,
                    _ => &orders.last_login,
                };
                let start = after.map(|cursor| (time(cursor), id(cursor)));
                Box::new(ordered(order, start, self.descending).map(|(_, id)| id))
            }
        };
        Box::new(ids.filter_map(|id| book.user(id)).map(|account| {
            let cursor = Cursor { key: self.key_of(account), id: account.id.clone() };
            Listed { found: Found::Account(Arc::clone(account)), cursor }
        }))
    }
}

fn range<T>(start: Option<T>, descending: bool) -> (Bound<T>, Bound<T>) {
    match start {
        None => (Bound::Unbounded, Bound::Unbounded),
        Some(start) if descending => (Bound::Unbounded, Bound::Excluded(start)),
        Some(start) => (Bound::Excluded(start), Bound::Unbounded),
    }
}

fn ordered<T: Ord>(
    order: &std::collections::BTreeSet<T>,
    start: Option<T>,
    descending: bool,
) -> Box<dyn Iterator<Item = &T> + '_> {
    let found = order.range(range(start, descending));
    if descending { Box::new(found.rev()) } else { Box::new(found) }
}

/// Whether a user may do anything in a module, whatever the resource.
fn reaches(scene: &Scene<'_>, user: &BoundUser, tenant: Option<&str>, module: &str) -> bool {
    use crate::engine::{Subject, decide};
    let Some(declared) = scene.snapshot.catalog.modules.iter().find(|known| known.id == module) else { return false };
    declared.actions.iter().any(|action| {
        let resource = crate::model::Resource { ty: &declared.id, id: "", attributes: &[] };
        let request = crate::model::Request {
            action,
            resource,
            tenant,
            context: &[],
            subject_attributes: &[],
            time: scene.now(),
        };
        let outcome = decide(&scene.snapshot.program, Subject::User(user), &request);
        // A condition speaks of a resource, and the module as a whole is none: who is granted something on a condition reaches it.
        outcome.decision.is_allow() || outcome.code == crate::model::ReasonCode::ConditionNotMet
    })
}
