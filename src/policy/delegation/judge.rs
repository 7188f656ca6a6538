//! The judge: all steps of a deed must be allowed.

use super::{Deed, Verdict, case::Case, difference::steps, held::Scales};
use crate::{
    engine::{BoundUser, Dialect, Tenancy},
    model::{ReasonCode, Timestamp},
    policy::Snapshot,
};
use std::cell::OnceCell;

/// How many other active administrators a tenant has beside the user concerned, who go on to be so up to an end; for good where there is
/// none.
pub(super) type Others<'o> = dyn Fn(Option<&str>, Option<Timestamp>) -> usize + 'o;

/// Judges deeds under one snapshot. To be made once for many.
#[derive(Debug)]
pub struct Judge<'s> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) has_tenants: bool,
    scales: OnceCell<Scales<'s>>,
}

/// Judges one deed.
#[must_use]
pub fn judge(snapshot: &Snapshot, actor: &BoundUser, deed: &Deed<'_>, others: &Others<'_>) -> Verdict {
    Judge::new(snapshot).judge(actor, deed, others)
}

impl<'s> Judge<'s> {
    /// Prepares for deeds.
    #[must_use]
    pub fn new(snapshot: &'s Snapshot) -> Self {
        let has_tenants = match snapshot.program.dialect() {
            Dialect::Declared(vocabulary) => vocabulary.tenancy == Tenancy::Required,
            Dialect::PlainCedar { .. } => false,
        };
        Self { snapshot, has_tenants, scales: OnceCell::new() }
    }

    /// Judges one deed: all of its steps must be allowed; the first that is not is told.
    ///
    /// `others` says how many other active administrators a tenant has up to an end, as
    /// [`is_administrator_until`](crate::policy::is_administrator_until) tells them.
    #[must_use]
    pub fn judge(&self, actor: &BoundUser, deed: &Deed<'_>, others: &Others<'_>) -> Verdict {
        let Some(delegation) = &self.snapshot.catalog.delegation else {
            let message = "the policy set has no `delegation`, so only operators administer users";
            return Verdict::refused(NOT_DELEGATED, message.to_owned(), Vec::new());
        };
        let own = match actor.user().memberships.as_slice() {
            [only] if self.has_tenants => only.tenant.as_deref(),
            _ => None,
        };
        let home = deed.tenant.or(own);
        let case = Case { judge: self, delegation, actor, deed, home, others };
        let mut policies: Vec<String> = Vec::new();
        for step in steps(deed, home) {
            let verdict = case.step(&step);
            if !verdict.allowed {
                return verdict;
            }
            policies
                .extend(verdict.policies.into_iter().filter(|policy| !policies.contains(policy)).collect::<Vec<_>>());
        }
        case.growth().unwrap_or_else(|| Verdict::allowed(policies))
    }

    /// What compares what users have.
    pub(super) fn scales(&self) -> &Scales<'s> {
        self.scales.get_or_init(|| Scales::new(self.snapshot))
    }
}

/// The code where a set delegates an operation to nobody.
pub(super) const NOT_DELEGATED: &str = "not_delegated";

impl Verdict {
    pub(super) fn allowed(policies: Vec<String>) -> Self {
        let message = "the policies allow it".to_owned();
        Self { allowed: true, code: ReasonCode::Granted.as_str(), message, policies, what: None }
    }

    pub(super) fn refused(code: &'static str, message: String, policies: Vec<String>) -> Self {
        Self { allowed: false, code, message, policies, what: None }
    }
}
