//! The review: who has what, since when, given by whom and why, until when, and when it was last used.
//!
//! "Used" is counted from decisions: a role or a grant was used when a policy that is for its holders, generated or written by hand, was
//! among those that allowed the user something in that tenant, a gate when the user was allowed something in a module behind it. What
//! conditions have looked at no decision tells: neither values such as channels, nor roles that a `when` asks for. Each entry says so.

mod rows;
mod write;

pub use write::{ReviewForm, write_review};

use super::{
    Directory, Found,
    call::{Call, Refusal},
    scene::Scene,
    service::{About, Plan},
};
use crate::{
    model::{Timestamp, User},
    policy::Operation,
};
use schemars::JsonSchema;
use serde::Serialize;
use std::{fmt::Debug, sync::Arc, time::Duration};

/// Users that are looked at for one page.
const MOST_LOOKED_AT: usize = 2000;

/// Which entries are asked for: all that is set must hold. The tenant is the call's.
#[derive(Debug, Clone, Default)]
pub struct ReviewQuery {
    /// Of this user.
    pub user: Option<String>,
    /// Of this role.
    pub role: Option<String>,
    /// Not used for so long; what was given later does not count as unused.
    pub unused_for: Option<Duration>,
    /// That have run out.
    pub expired: bool,
    /// That run out within so long.
    pub expiring_within: Option<Duration>,
    /// Of users who have never logged in.
    pub never_logged_in: bool,
    /// Of users who have not logged in for so long.
    pub no_login_for: Option<Duration>,
    /// Of users behind this one.
    pub after: Option<String>,
    /// So many at the most; the entries of one user are not torn apart.
    pub limit: usize,
}

/// One thing that a user has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ReviewEntry")]
pub struct ReviewRow {
    /// The user's id.
    pub user: String,
    /// The name to show.
    pub name: Option<String>,
    /// The mail address.
    pub email: Option<String>,
    /// `invited`, `active` or `suspended`.
    pub status: &'static str,
    /// Whether the policy set declares the user: then giver and time stand in git.
    pub declared: bool,
    /// The last login that was reported.
    pub last_login: Option<String>,
    /// The tenant.
    pub tenant: Option<String>,
    /// `role`, `grant`, `gate` or `value`; `nothing` for a user who has nothing.
    pub kind: &'static str,
    /// What it is: a role, a grant such as `pricing/editor`, a gate, a value such as `channels/web-fr`.
    pub what: Option<String>,
    /// For a role: `declared` by the policy set, `custom` where it was put together here, `shadowed` where both are, and the declared
    /// one counts; `unknown` where there is none by that name any more.
    pub role: Option<&'static str>,
    /// When it was given.
    pub since: Option<String>,
    /// By whom.
    pub by: Option<String>,
    /// Why.
    pub why: Option<String>,
    /// When it runs out.
    pub until: Option<String>,
    /// Whether it has run out.
    pub expired: bool,
    /// When it was last used, as far as the log goes back.
    pub last_used: Option<String>,
    /// Which uses are counted; absent for a user who has nothing.
    pub uses: Option<Counted>,
}

/// Which uses of something can be told from decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "CountedUses")]
pub enum Counted {
    /// All of them.
    All,
    /// Those by policies that are for its holders. Conditions of others ask for it too, and those uses are not told.
    Partly,
    /// None: conditions alone look at it.
    Not,
}

impl Counted {
    /// The word of the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Partly => "partly",
            Self::Not => "not",
        }
    }
}

/// A page of the review.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ReviewPage")]
pub struct ReviewPage {
    /// In order of the users.
    pub items: Vec<ReviewRow>,
    /// Where the next page begins; absent where nothing follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// How far back the log goes: what was used before is not known.
    pub log_since: Option<String>,
    /// Whether the log has every allowed decision since then. Where decisions are sampled, a use may be missing.
    pub uses_are_complete: bool,
}

/// What may have been used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Used<'u> {
    /// A policy.
    Policy(&'u str),
    /// A module.
    Module(&'u str),
}

/// What is known about uses.
pub trait Uses: Debug {
    /// When a user has last used something in a tenant; an empty tenant is that of requests that named none.
    fn last(&self, user: &str, tenant: &str, what: Used<'_>) -> Option<Timestamp>;

    /// How far back the log goes.
    fn since(&self) -> Option<Timestamp>;

    /// Whether no use since then is missing.
    fn are_complete(&self) -> bool;
}

impl Directory {
    /// Lets the review be looked at, or says why not. To be asked before [`Self::review`].
    ///
    /// # Errors
    /// Fails where the actor may not.
    pub fn begin_review(&self, call: &Call<'_>) -> Result<(), Refusal> {
        let about = About { action: "review", resource_type: "user", id: "", user: "" };
        self.ask(call, about, |scene| {
            let policies = scene.permit(Operation::Review, None, None)?;
            scene.shown_tenant()?;
            Ok(Plan::look(policies, ()))
        })
    }

    /// A page of what users have whom the actor may review.
    ///
    /// # Errors
    /// Fails where there is no such tenant, or a policy set has no users of this kind.
    pub fn review(&self, call: &Call<'_>, query: &ReviewQuery, log: &dyn Uses) -> Result<ReviewPage, Refusal> {
        self.look(call, |scene| {
            let mut page = ReviewPage {
                log_since: log.since().map(|since| since.to_string()),
                uses_are_complete: log.are_complete(),
                ..ReviewPage::default()
            };
            let tenant = scene.shown_tenant()?;
            let mut bearings = rows::Bearings::of(&scene.snapshot.program);
            for (looked_at, id) in ids_behind(scene, query).into_iter().enumerate() {
                if page.items.len() >= query.limit || looked_at >= MOST_LOOKED_AT {
                    return Ok(page);
                }
                // A page that ends here goes on behind this user.
                page.next_cursor = Some(id.to_string());
                let (found, user) = scene.find(&id)?;
                if query.fits_user(scene, &found, &user) && may_see(scene, &user) {
                    rows::of(scene, query, tenant, (&found, &user), (log, &mut bearings), &mut page.items)?;
                }
            }
            page.next_cursor = None;
            Ok(page)
        })
    }

    /// Whether somebody is a user, declared or not: what others have used is of no interest.
    #[must_use]
    pub fn knows(&self, user: &str) -> bool {
        let known = self.0.policies().is_some_and(|policies| policies.current().1.find(user).is_some());
        known || self.0.roster.lock().user(user).is_some()
    }
}

/// Users in order of their ids, declared ones among them.
fn ids_behind(scene: &Scene<'_>, query: &ReviewQuery) -> Vec<Arc<str>> {
    if let Some(user) = &query.user {
        let there = scene.find(user).is_ok() && query.after.is_none();
        return there.then(|| Arc::from(user.as_str())).into_iter().collect();
    }
    let declared = scene.snapshot.users.iter().map(|user| Arc::<str>::from(user.id.as_str()));
    let declared = declared.filter(|id| query.after.as_deref().is_none_or(|after| &**id > after));
    let own = scene.book.users_behind(query.after.as_deref()).map(|account| Arc::from(account.id.as_str()));
    // One more than is looked at tells that there is more.
    let mut ids: Vec<Arc<str>> = declared.chain(own.take(MOST_LOOKED_AT + 1)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn may_see(scene: &Scene<'_>, user: &User) -> bool {
    scene.permit_users(Operation::Review, Some(user), None).is_ok()
}

impl ReviewQuery {
    fn fits_user(&self, scene: &Scene<'_>, found: &Found, user: &User) -> bool {
        let last = scene.book.logins(&user.id).map(|logins| logins.last);
        let created = match found {
            Found::Account(account) => Some(account.created),
            Found::Declared(..) => None,
        };
        let is_idle = |span| last.or(created).is_none_or(|time| time <= ago(scene.now(), span));
        (!self.never_logged_in || last.is_none()) && self.no_login_for.is_none_or(is_idle)
    }
}

/// A point in time so long ago.
fn ago(now: Timestamp, span: Duration) -> Timestamp {
    let span = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(now.as_micros().saturating_sub(span))
}
