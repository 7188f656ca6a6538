//! A user of the directory, as the store keeps it.

use super::role::{CustomRole, Lens};
use crate::{
    model::{Assignment, AssignmentKind, GivenValue, Membership, Status, Timestamp, User},
    policy,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A user of the directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Names the user in requests. Unique, fixed.
    pub id: String,
    /// Unique without regard to case, fixed once the user exists.
    pub email: String,
    /// Empty only until an invitation is accepted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub first_name: String,
    /// Names between the first and the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub middle_name: Option<String>,
    /// Empty only until an invitation is accepted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_name: String,
    /// As the user wants to be addressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<Gender>,
    /// A telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// What the user does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// A language tag such as `de` or `en-GB`.
    pub language: String,
    /// Whether the user may act.
    #[serde(with = "status")]
    pub status: Status,
    /// The family of users, where the policy set has families.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// Attributes that hold one value, by name. Those that hold sets are given value by value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Value>,
    /// What the user was given. At most one entry a tenant, sorted by tenant. One with nothing in it is that of a user who was created in
    /// the tenant and was given nothing yet, or who was taken out of it and is nowhere else: it says whose such a user is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// The first login that an application has reported.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::optional")]
    pub first_login: Option<Timestamp>,
    /// The last one.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::optional")]
    pub last_login: Option<Timestamp>,
    /// When the user was created.
    #[serde(with = "time")]
    pub created: Timestamp,
    /// When the user was last changed by anybody. A login is no change.
    #[serde(with = "time")]
    pub updated: Timestamp,
    /// Grows with every change; the `ETag`.
    pub version: u64,
}

/// How a user wants to be addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gender {
    /// Female.
    F,
    /// Male.
    M,
    /// Unspecified.
    U,
}

/// What a user was given in one tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The tenant; `None` in a policy set without tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Everything that was given there.
    pub given: Vec<Given>,
    /// The user was taken out of it, and has been nowhere since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
}

/// One thing that a user was given, and by whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// What sort of thing.
    pub kind: GivenKind,
    /// Its name: a role, a grant such as `pricing/editor`, a gate; for a value, the attribute.
    pub name: String,
    /// The value, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// From when on it no longer counts.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::optional")]
    pub until: Option<Timestamp>,
    /// Why it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Who gave it: a user's id, or an operator as `operator:<name>`.
    pub by: String,
    /// When.
    #[serde(with = "time")]
    pub at: Timestamp,
}

/// The sorts of things that a user can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GivenKind {
    /// A role.
    Role,
    /// A level on a module.
    Grant,
    /// An open gate.
    Gate,
    /// A value of an attribute that holds a set.
    Value,
}

impl GivenKind {
    /// `role`, `grant`, `gate` or `value`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Grant => "grant",
            Self::Gate => "gate",
            Self::Value => "value",
        }
    }

    /// What policies see it as; `None` for a value, which is part of an attribute.
    pub(super) const fn assigned(self) -> Option<AssignmentKind> {
        match self {
            Self::Role => Some(AssignmentKind::Role),
            Self::Grant => Some(AssignmentKind::Grant),
            Self::Gate => Some(AssignmentKind::Gate),
            Self::Value => None,
        }
    }
}

impl Given {
    /// Whether both are the same thing, whoever gave it and for how long.
    #[must_use]
    pub fn is_same_thing(&self, other: &Self) -> bool {
        (self.kind, &self.name, &self.value) == (other.kind, &other.name, &other.value)
    }

    /// Whether it counts at a time.
    #[must_use]
    pub fn counts(&self, at: Timestamp) -> bool {
        self.until.is_none_or(|until| at < until)
    }
}

impl Account {
    /// The name to show: first, middle and last, as far as there are any; the mail address where there are none.
    #[must_use]
    pub fn display_name(&self) -> String {
        let parts = [Some(&self.first_name), self.middle_name.as_ref(), Some(&self.last_name)];
        let name: Vec<&str> =
            parts.into_iter().flatten().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
        if name.is_empty() { self.email.clone() } else { name.join(" ") }
    }

    /// What the user was given in a tenant.
    #[must_use]
    pub fn place(&self, tenant: Option<&str>) -> Option<&Place> {
        self.places.iter().find(|place| place.tenant.as_deref() == tenant)
    }

    /// Gives back the room that its lists have been grown by: there are many users, and few of them change.
    pub(super) fn compact(&mut self) {
        self.places.iter_mut().for_each(|place| place.given.shrink_to_fit());
        self.places.shrink_to_fit();
    }

    /// Whether the user was given a role, in any tenant, whether it still counts or not.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        let is_role = |given: &Given| given.kind == GivenKind::Role && given.name == role;
        self.places.iter().any(|place| place.given.iter().any(is_role))
    }

    /// Puts what the user is given in a tenant in the place of what was.
    pub fn set_place(&mut self, tenant: Option<&str>, given: Vec<Given>) {
        let of_tenant = |place: &Place| place.tenant.as_deref() == tenant;
        let old = self.places.iter().position(of_tenant).map(|at| self.places.remove(at));
        if !given.is_empty() {
            self.places.retain(|place| !place.left);
            self.places.push(Place { tenant: tenant.map(str::to_owned), given, left: false });
            self.places.sort_by(|one, other| one.tenant.cmp(&other.tenant));
        } else if let Some(old) = old.filter(|old| old.tenant.is_some() && self.places.is_empty()) {
            // Nobody else gets to see whoever was taken out of the only tenant.
            let left = old.left || !old.given.is_empty();
            self.places.push(Place { given, left, ..old });
        }
    }

    /// Makes the user belong to a tenant, though there be nothing to have there. Where it was taken out of its only one, that ends.
    pub(super) fn join(&mut self, tenant: Option<&str>) {
        if tenant.is_none() || self.belongs_to(tenant) {
            return;
        }
        self.places.retain(|place| !place.left);
        self.places.push(Place { tenant: tenant.map(str::to_owned), ..Place::default() });
        self.places.sort_by(|one, other| one.tenant.cmp(&other.tenant));
    }

    /// Whether the user belongs to a tenant, though it may have nothing there yet.
    #[must_use]
    pub fn belongs_to(&self, tenant: Option<&str>) -> bool {
        self.place(tenant).is_some_and(|place| !place.left)
    }

    /// An account with nothing in it yet.
    #[must_use]
    pub(super) fn blank(email: &str, language: &str, now: Timestamp) -> Self {
        Self {
            id: String::new(),
            email: email.to_owned(),
            first_name: String::new(),
            middle_name: None,
            last_name: String::new(),
            gender: None,
            phone: None,
            job: None,
            language: language.to_owned(),
            status: Status::Invited,
            family: None,
            attributes: BTreeMap::new(),
            places: Vec::new(),
            first_login: None,
            last_login: None,
            created: now,
            updated: now,
            version: 1,
        }
    }

    /// The user as policies see it. What the policy set does not declare, or declares otherwise, no policy can see.
    #[must_use]
    pub fn to_user(&self, lens: Lens<'_>) -> User {
        let vocabulary = lens.vocabulary;
        let ty = |name: &str| vocabulary.user_attributes.iter().find(|(known, _)| known == name).map(|(_, ty)| ty);
        let attribute =
            |(name, value): (&String, &Value)| Some((name.clone(), policy::attribute_value(value, ty(name)?).ok()?));
        User {
            id: self.id.clone(),
            name: Some(self.display_name()),
            email: Some(self.email.clone()),
            status: self.status,
            until: None,
            family: self.family.clone(),
            attributes: self.attributes.iter().filter_map(attribute).collect(),
            memberships: self.places.iter().map(|place| membership(place, lens)).collect(),
        }
    }
}

fn membership(place: &Place, lens: Lens<'_>) -> Membership {
    let assignment = |given: &Given| {
        let kind = given.kind.assigned()?;
        Some(Assignment { kind, name: given.name.clone(), until: given.until, why: given.why.clone() })
    };
    let value = |given: &Given| {
        let (_, ty) = lens.vocabulary.user_attributes.iter().find(|(known, _)| *known == given.name)?;
        let value = policy::attribute_item(given.value.as_ref()?, ty).ok()?;
        Some(GivenValue { attribute: given.name.clone(), value, until: given.until, why: given.why.clone() })
    };
    let mut assignments: Vec<Assignment> = place.given.iter().filter_map(assignment).collect();
    for given in place.given.iter().filter(|given| given.kind == GivenKind::Role) {
        for (kind, name) in lens.custom_role(&given.name).into_iter().flat_map(CustomRole::parts) {
            add(&mut assignments, Assignment { kind, name, until: given.until, why: given.why.clone() });
        }
    }
    assignments.shrink_to_fit();
    Membership {
        tenant: place.tenant.clone(),
        assignments,
        values: place.given.iter().filter(|given| given.kind == GivenKind::Value).filter_map(value).collect(),
    }
}

/// Adds what a role that was put together here holds. Of the same thing given twice, the one that lasts longer counts.
fn add(assignments: &mut Vec<Assignment>, new: Assignment) {
    let known = assignments.iter_mut().find(|known| known.kind == new.kind && known.name == new.name);
    match known {
        None => assignments.push(new),
        Some(known) => {
            let lasts_longer = known.until.is_some_and(|until| new.until.is_none_or(|new| new > until));
            if lasts_longer {
                *known = new;
            }
        }
    }
}

/// Points in time as microseconds.
pub(super) mod time {
    use crate::model::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
    pub(in crate::directory) fn serialize<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(time.as_micros())
    }

    pub(in crate::directory) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(from).map(Timestamp::from_micros)
    }

    /// The same where there may be none.
    pub(in crate::directory) mod optional {
        use super::{Deserialize, Deserializer, Serializer, Timestamp};

        #[expect(clippy::ref_option, reason = "what serde calls it with")]
        pub(in crate::directory) fn serialize<S: Serializer>(
            time: &Option<Timestamp>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => to.serialize_some(&time.as_micros()),
                None => to.serialize_none(),
            }
        }

        pub(in crate::directory) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            Ok(Option::<i64>::deserialize(from)?.map(Timestamp::from_micros))
        }
    }
}

/// A status by its word.
mod status {
    use crate::model::Status;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls it with")]
    pub(super) fn serialize<S: Serializer>(status: &Status, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(status.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Status, D::Error> {
        let word = String::deserialize(from)?;
        let known = [Status::Invited, Status::Active, Status::Suspended];
        known.into_iter().find(|status| status.as_str() == word).ok_or_else(|| D::Error::custom("no status"))
    }
}
