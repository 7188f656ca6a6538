//! One page of a list, found a stretch at a time: what can be told of a user as it is filed is asked first, what has to be judged last.

use super::{
    Cursor, Listed, UserPage, UserQuery,
    marks::{Marks, Wanted},
    merge::{self, Own},
};
use crate::{
    directory::{Account, Found, GivenKind, Refusal, book::Filed, scene::Scene},
    engine::{BoundUser, Likeness, Subject, decide},
    model::{AssignmentKind, ReasonCode, Request, Resource, User},
    policy,
};
use rustc_hash::FxHashMap;
use std::{
    cmp::Ordering,
    collections::{HashMap, VecDeque},
    ops::ControlFlow,
    sync::Arc,
};

/// What one stretch may cost, in users that are passed by.
const STRETCH: usize = if cfg!(test) { 16 } else { 4096 };
/// What a user costs that policies are asked about.
const JUDGED: usize = 16;

/// A page in the making.
#[derive(Debug)]
pub(super) struct Search<'q> {
    query: &'q UserQuery,
    wanted: Wanted,
    /// Who may be in it: found once a stretch in order has not given the page, so that few fit.
    marks: Option<Marks>,
    /// Declared users that are still to come; `None` before the first stretch.
    declared: Option<VecDeque<Listed>>,
    /// Where the next stretch begins among the users of the directory.
    after: Option<Cursor>,
    page: UserPage,
    /// Whether the actor sees users of a standing, where that is all it depends on.
    seen: HashMap<Box<str>, bool>,
    by_standing: Option<bool>,
}

impl<'q> Search<'q> {
    pub(super) fn new(query: &'q UserQuery) -> Self {
        Self {
            query,
            wanted: Wanted::of(query),
            marks: None,
            declared: None,
            after: query.after.clone(),
            page: UserPage::default(),
            seen: HashMap::new(),
            by_standing: None,
        }
    }

    /// The page, once no stretch is left.
    pub(super) fn page(self) -> UserPage {
        self.page
    }

    /// Looks at some users; says whether any are left.
    pub(super) fn stretch(&mut self, scene: &Scene<'_>) -> Result<ControlFlow<()>, Refusal> {
        let query = self.query;
        let knows = |module: &String| scene.snapshot.catalog.modules.iter().any(|known| known.id == *module);
        if query.module.as_ref().is_some_and(|module| !knows(module)) {
            return Ok(ControlFlow::Break(()));
        }
        if self.declared.is_some() && self.mark(scene).is_continue() {
            return Ok(ControlFlow::Continue(()));
        }
        let marks = self.marks.take();
        let mut declared = match self.declared.take() {
            Some(declared) => declared,
            None if query.declared == Some(false) => VecDeque::new(),
            None => merge::declared(scene, query).into(),
        };
        let after = self.after.take();
        let own = if query.declared == Some(true) {
            None
        } else {
            Some(merge::own(scene.book, query, after.as_ref(), marks.as_ref()))
        };
        let mut own = own.into_iter().flatten().peekable();
        let mut reached = query.module.as_deref().map(|module| Reached { module, known: Vec::new() });
        let mut cost = 0;
        let mut last: Option<Own<'_>> = None;
        loop {
            // Two orders are merged into one.
            let is_declared = match (declared.front(), own.peek()) {
                (None, None) => return Ok(ControlFlow::Break(())),
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some(one), Some(other)) => (other.order(&one.cursor) == Ordering::Greater) != query.descending,
            };
            if cost >= STRETCH {
                self.after = last.map(|own| own.cursor()).or(after);
                self.declared = Some(declared);
                drop(own);
                self.marks = marks;
                return Ok(ControlFlow::Continue(()));
            }
            cost += 1;
            let (found, cursor) = if is_declared {
                let listed = declared.pop_front().filter(|listed| self.fits_declared(scene, listed));
                let listed = listed.filter(|listed| {
                    cost += JUDGED;
                    sees_declared(scene, &listed.found)
                });
                listed.map(|Listed { found, cursor }| (found, cursor)).unzip()
            } else {
                last = own.next();
                let fits = |own: &Own<'_>| {
                    self.fits_filed(scene, own.filed)
                        && reached.as_mut().is_none_or(|reached| reached.anywhere(scene, &own.filed.account.id))
                        // What git declares counts.
                        && !scene.subjects.is_declared(&own.filed.account.id)
                };
                match last.filter(fits) {
                    Some(own) if self.sees(scene, own.filed, &mut cost)? => {
                        (Some(Found::Account(Arc::clone(own.filed.account))), None)
                    }
                    _ => (None, None),
                }
            };
            let tenant = query.tenant.as_deref();
            // What is not shown is not told by the match either.
            let found = found.map(|found| scene.shown(found)).filter(|found| {
                self.fits_shown(scene, found) && reached.as_mut().is_none_or(|reached| reached.by(scene, found, tenant))
            });
            let Some(found) = found else { continue };
            let Some(cursor) = cursor.or_else(|| Some(last?.cursor())) else { continue };
            let listed = Listed { found, cursor };
            if self.page.users.len() == query.limit {
                self.page.next = self.page.users.last().map(|last| last.cursor.clone());
                return Ok(ControlFlow::Break(()));
            }
            cost += JUDGED;
            self.page.users.push(listed);
        }
    }

    /// Marks some users more; says whether any are left.
    fn mark(&mut self, scene: &Scene<'_>) -> ControlFlow<()> {
        if !self.wanted.is_any() {
            return ControlFlow::Break(());
        }
        let known = self.marks.take().filter(|marks| marks.count_in(scene.book));
        let marks = self.marks.insert(known.unwrap_or_else(|| Marks::new(scene.book)));
        marks.add(scene.book, &self.wanted, STRETCH)
    }

    /// What can be told of a user of the directory before policies come into it.
    fn fits_filed(&self, scene: &Scene<'_>, filed: Filed<'_>) -> bool {
        self.wanted.fits(filed) && (!filed.has_ends() || self.has_role(scene, filed.account))
    }

    /// Whether the role that is asked for still counts.
    fn has_role(&self, scene: &Scene<'_>, account: &Account) -> bool {
        let tenant = self.query.tenant.as_deref();
        let places = account.places.iter().filter(|place| tenant.is_none() || place.tenant.as_deref() == tenant);
        self.query.role.as_ref().is_none_or(|role| {
            let mut given = places.flat_map(|place| &place.given);
            given.any(|given| given.kind == GivenKind::Role && given.name == *role && given.counts(scene.now()))
        })
    }

    /// Whether what the actor is shown of a user is of the tenant and has the role that are asked for.
    fn fits_shown(&self, scene: &Scene<'_>, found: &Found) -> bool {
        let tenant = self.query.tenant.as_deref();
        match found {
            // Operators are shown all, which was looked at already.
            _ if scene.is_operator() => true,
            Found::Account(account) => {
                (tenant.is_none() || account.place(tenant).is_some()) && self.has_role(scene, account)
            }
            Found::Declared(user, _) => self.has_declared_role(scene, user),
        }
    }

    fn fits_declared(&self, scene: &Scene<'_>, listed: &Listed) -> bool {
        let Found::Declared(user, _) = &listed.found else { return false };
        let query = self.query;
        let searched =
            [Some(&user.id), user.name.as_ref(), user.email.as_ref()].map(|text| text.map_or("", String::as_str));
        let searched = crate::directory::book::fold(&searched.join("\n"));
        self.wanted.words.iter().all(|word| word.find(searched.as_bytes()).is_some())
            && query.status.is_none_or(|status| status == user.status)
            && query.family.as_ref().is_none_or(|family| user.family.as_ref() == Some(family))
            && self.has_declared_role(scene, user)
    }

    /// Whether a declared user belongs to the tenant and has the role that are asked for.
    fn has_declared_role(&self, scene: &Scene<'_>, user: &User) -> bool {
        let tenant = self.query.tenant.as_deref();
        let places = || user.memberships.iter().filter(|place| tenant.is_none() || place.tenant.as_deref() == tenant);
        (tenant.is_none() || places().next().is_some())
            && self.query.role.as_ref().is_none_or(|role| {
                let mut given = places().flat_map(|place| &place.assignments);
                given.any(|given| {
                    given.kind == AssignmentKind::Role
                        && given.name == *role
                        && given.until.is_none_or(|until| scene.now() < until)
                })
            })
    }

    /// Whether the actor may look at a user of the directory. Operators see everybody.
    fn sees(&mut self, scene: &Scene<'_>, filed: Filed<'_>, cost: &mut usize) -> Result<bool, Refusal> {
        if scene.is_operator() {
            return Ok(true);
        }
        let by_standing = *self.by_standing.get_or_insert_with(|| policy::is_seen_by_standing(scene.snapshot));
        if by_standing && let Some(seen) = self.seen.get(filed.standing()) {
            return Ok(*seen);
        }
        *cost += JUDGED;
        let seen = scene.sees(&filed.account.to_user(scene.lens()?));
        if by_standing {
            self.seen.insert(filed.standing().into(), seen);
        }
        Ok(seen)
    }
}

fn sees_declared(scene: &Scene<'_>, found: &Found) -> bool {
    scene.is_operator() || matches!(found, Found::Declared(user, _) if scene.sees(user))
}

/// Who reaches a module, found out once for all who are alike. It counts for one stretch: users may be others by the next.
#[derive(Debug)]
struct Reached<'q> {
    module: &'q str,
    known: Vec<(Option<String>, FxHashMap<Likeness, bool>)>,
}

impl Reached<'_> {
    fn by(&mut self, scene: &Scene<'_>, found: &Found, tenant: Option<&str>) -> bool {
        // A user reaches a module where the actor is shown that it belongs.
        let id = match found {
            Found::Declared(user, _) => &user.id,
            Found::Account(account) => &account.id,
        };
        let Some(bound) = scene.subjects.find(id) else { return false };
        let mut is_in =
            |place: Option<&str>| (tenant.is_none() || place == tenant) && self.in_tenant(scene, bound, place);
        match found {
            Found::Declared(user, _) => user.memberships.iter().any(|place| is_in(place.tenant.as_deref())),
            Found::Account(account) => account.places.iter().any(|place| is_in(place.tenant.as_deref())),
        }
    }

    /// Whether a user reaches the module in any tenant at all: before more of it is looked at, since most do not.
    fn anywhere(&mut self, scene: &Scene<'_>, id: &str) -> bool {
        let bound = scene.subjects.find(id);
        bound.is_some_and(|bound| bound.tenants().any(|tenant| self.in_tenant(scene, bound, tenant)))
    }

    fn in_tenant(&mut self, scene: &Scene<'_>, user: &BoundUser, tenant: Option<&str>) -> bool {
        let Some(likeness) = user.likeness(tenant, scene.now()) else {
            return reaches(scene, user, tenant, self.module);
        };
        let at = self.known.iter().position(|(known, _)| known.as_deref() == tenant);
        let at = at.unwrap_or_else(|| {
            self.known.push((tenant.map(str::to_owned), FxHashMap::default()));
            self.known.len() - 1
        });
        let Some((_, known)) = self.known.get_mut(at) else { return false };
        *known.entry(likeness).or_insert_with(|| reaches(scene, user, tenant, self.module))
    }
}

/// Whether a user may do anything in a module, whatever the resource.
fn reaches(scene: &Scene<'_>, user: &BoundUser, tenant: Option<&str>, module: &str) -> bool {
    let Some(declared) = scene.snapshot.catalog.modules.iter().find(|known| known.id == module) else { return false };
    declared.actions.iter().any(|action| {
        let resource = Resource { ty: &declared.id, id: "", attributes: &[] };
        let request = Request { action, resource, tenant, context: &[], subject_attributes: &[], time: scene.now() };
        let outcome = decide(&scene.snapshot.program, Subject::User(user), &request);
        // A condition speaks of a resource, and the module as a whole is none: who is granted something on a condition reaches it.
        outcome.decision.is_allow() || outcome.code == ReasonCode::ConditionNotMet
    })
}
