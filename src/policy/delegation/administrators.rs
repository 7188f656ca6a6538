//! The last administrator of a tenant stays one.

use super::{Ask, Deed, Delegation, Rule, Verdict, difference::is_later, judge::Others};
use crate::{
    model::{AssignmentKind, Status, Timestamp, User},
    policy::Snapshot,
};

/// Whether a user is an active administrator of a tenant at a time: one of those of whom the last one stays.
#[must_use]
pub fn is_administrator(snapshot: &Snapshot, user: &User, tenant: Option<&str>, time: Timestamp) -> bool {
    let delegation = snapshot.catalog.delegation.as_ref();
    delegation.is_some_and(|delegation| is_active(administers(delegation, user, tenant), time))
}

/// The same of one who goes on to be an administrator up to an end at least: for good where there is none.
#[must_use]
pub fn is_administrator_until(
    snapshot: &Snapshot,
    user: &User,
    tenant: Option<&str>,
    time: Timestamp,
    end: Option<Timestamp>,
) -> bool {
    let delegation = snapshot.catalog.delegation.as_ref();
    let term = delegation.and_then(|delegation| administers(delegation, user, tenant));
    is_active(term, time) && term.is_some_and(|Term(own)| !is_later(end, own))
}

/// Whether whoever is given this is an administrator.
#[must_use]
pub fn makes_administrator(snapshot: &Snapshot, kind: AssignmentKind, name: &str) -> bool {
    snapshot.catalog.delegation.as_ref().is_some_and(|delegation| delegation.makes_administrator(kind, name))
}

/// The refusal of a deed that would leave a tenant without an administrator. It holds for operators too, who are bound by nothing else.
#[must_use]
pub fn last_administrator(snapshot: &Snapshot, deed: &Deed<'_>, others: &Others<'_>) -> Option<Verdict> {
    let delegation = snapshot.catalog.delegation.as_ref().filter(|known| known.has(Rule::LastAdministrator))?;
    let before = deed.before?;
    let mut tenants = before.memberships.iter().map(|one| one.tenant.as_deref());
    let tenant = tenants.find(|tenant| is_last(delegation, deed, *tenant, others))?;
    let rule = Rule::LastAdministrator;
    Some(Verdict::refused(rule.code(), last_words(&before.id, tenant), vec![rule.policy().to_owned()]))
}

/// How long somebody is an administrator: up to a time, or for good.
#[derive(Clone, Copy)]
struct Term(Option<Timestamp>);

/// How long an active user is an administrator of a tenant; `None` for one who is not.
fn administers(delegation: &Delegation, user: &User, tenant: Option<&str>) -> Option<Term> {
    if user.status != Status::Active {
        return None;
    }
    let memberships = user.memberships.iter().filter(|one| one.tenant.as_deref() == tenant);
    let making = memberships
        .flat_map(|one| &one.assignments)
        .filter(|given| delegation.makes_administrator(given.kind, &given.name));
    let end = making.map(|given| given.until).reduce(|one, other| if is_later(other, one) { other } else { one })?;
    Some(Term(if is_later(end, user.until) { user.until } else { end }))
}

fn is_active(term: Option<Term>, time: Timestamp) -> bool {
    term.is_some_and(|Term(end)| end.is_none_or(|end| time < end))
}

/// Whether a deed would take an administrator from a tenant, at once or sooner than without it, that has no other for as long.
pub(super) fn is_last(delegation: &Delegation, deed: &Deed<'_>, tenant: Option<&str>, others: &Others<'_>) -> bool {
    let ask = deed.operation.ask();
    if deed.after.is_none() && (ask.looks() || matches!(ask, Ask::Revoke | Ask::EndSession)) {
        return false;
    }
    let was = deed.before.and_then(|before| administers(delegation, before, tenant));
    let is = deed.after.and_then(|after| administers(delegation, after, tenant));
    let sooner = match (was, is) {
        (Some(Term(was)), Some(Term(is))) => is_later(was, is),
        (Some(_), None) => true,
        (None, _) => false,
    };
    // Others who are administrators for less long leave the tenant without one later.
    let end = was.and_then(|Term(end)| end);
    is_active(was, deed.time) && sooner && others(tenant, end) == 0
}

pub(super) fn last_words(user: &str, tenant: Option<&str>) -> String {
    let of = tenant.map_or_else(String::new, |tenant| format!(" of `{tenant}`"));
    format!("`{user}` is the last administrator{of}")
}
