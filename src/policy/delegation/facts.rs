//! What the directory tells the policies about a step: the attributes of the types that questions are about.

use super::Target;
use crate::{
    model::{AssignmentKind, Resource, Timestamp, User, Value},
    policy::Catalog,
};
use std::borrow::Cow;

/// The facts about a step. What is not known is not told.
#[expect(clippy::struct_excessive_bools, reason = "attributes of one question, each a yes or no of its own")]
#[derive(Debug, Clone, Default)]
pub(super) struct Facts<'f> {
    /// Whose account it is about.
    pub(super) user: Option<&'f str>,
    pub(super) tenant: Option<&'f str>,
    pub(super) status: Option<&'static str>,
    /// What is given or taken.
    pub(super) kind: Option<&'static str>,
    pub(super) name: Option<String>,
    pub(super) family: Option<&'f str>,
    /// The rank of the role that is given or taken, or of the highest role of the user concerned.
    pub(super) rank: Option<i64>,
    pub(super) own_family: Option<&'f str>,
    pub(super) own_rank: Option<i64>,
    pub(super) granted: bool,
    pub(super) held: bool,
    pub(super) elsewhere: bool,
    pub(super) last_administrator: bool,
}

/// Attributes as a question carries them.
pub(super) type Attributes<'f> = Vec<(Cow<'f, str>, Value<'f>)>;

impl Facts<'_> {
    /// All of them, for the directory's own types.
    pub(super) fn all(&self) -> Attributes<'_> {
        let text = |name: &'static str, value: Option<&'_ str>| {
            value.map(|value| (Cow::Borrowed(name), Value::String(Cow::Owned(value.to_owned()))))
        };
        let number =
            |name: &'static str, value: Option<i64>| value.map(|value| (Cow::Borrowed(name), Value::Long(value)));
        let flag = |name: &'static str, value: bool| Some((Cow::Borrowed(name), Value::Bool(value)));
        let all = [
            text("user", self.user),
            text("tenant", self.tenant),
            text("status", self.status),
            text("kind", self.kind),
            text("name", self.name.as_deref()),
            text("family", self.family),
            text("own_family", self.own_family),
            number("rank", self.rank),
            number("own_rank", self.own_rank),
            flag("granted", self.granted),
            flag("held", self.held),
            flag("elsewhere", self.elsewhere),
            flag("last_administrator", self.last_administrator),
        ];
        all.into_iter().flatten().collect()
    }

    /// Those that a type of the set declares.
    pub(super) fn declared(&self, target: &Target) -> Attributes<'_> {
        self.all().into_iter().filter(|(name, _)| target.attributes.iter().any(|known| known == name)).collect()
    }
}

impl Target {
    /// The resource that a question is about.
    pub(super) fn resource<'r>(&'r self, attributes: &'r [(Cow<'r, str>, Value<'r>)]) -> Resource<'r> {
        Resource { ty: &self.ty, id: &self.id, attributes }
    }

    /// The same for the module as a whole, or the area of it.
    pub(super) fn whole(&self) -> Resource<'_> {
        Resource { ty: &self.module, id: &self.id, attributes: &[] }
    }
}

/// The rank of somebody without any rank, where there are ranks: below all others.
const LOWEST: i64 = i64::MAX;

/// The highest rank of a user in a tenant; `None` for one without any.
pub(super) fn own_rank(catalog: &Catalog, user: &User, tenant: Option<&str>, time: Timestamp) -> Option<i64> {
    let roles = user.assignments(tenant, time).filter(|given| given.kind == AssignmentKind::Role);
    roles.filter_map(|given| catalog.role(&given.name)?.rank).min()
}

/// The highest rank that a user has or will have in a tenant, as others have to respect it. `None` where there are no ranks.
pub(super) fn rank_of(catalog: &Catalog, user: Option<&User>, tenant: Option<&str>) -> Option<i64> {
    let memberships = user.map_or(&[][..], |user| user.memberships.as_slice()).iter();
    let given = memberships.filter(|one| one.tenant.as_deref() == tenant).flat_map(|one| &one.assignments);
    let ranks =
        given.filter(|given| given.kind == AssignmentKind::Role).filter_map(|given| catalog.role(&given.name)?.rank);
    catalog.has_ranks().then(|| ranks.min().unwrap_or(LOWEST))
}

/// The rank of a role; the lowest for one without. `None` where there are no ranks.
pub(super) fn rank_of_role(catalog: &Catalog, role: &str) -> Option<i64> {
    catalog.has_ranks().then(|| catalog.role(role).and_then(|role| role.rank).unwrap_or(LOWEST))
}
