//! One request made ready for evaluation: names resolved, attributes typed, nothing copied.

use super::{
    store::{Store, Stored},
    uid::{Uid, UidIndex},
    vocabulary::AttributeType,
};
use crate::model::{Attributes, Value};

/// What policies see of one request.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) principal: Party<'a>,
    pub(super) action: Uid<'a>,
    pub(super) action_index: Option<UidIndex>,
    pub(super) resource: Party<'a>,
    pub(super) context: Fields<'a>,
}

/// The principal or the resource.
#[derive(Debug)]
pub(super) struct Party<'a> {
    pub(super) uid: Uid<'a>,
    pub(super) index: Option<UidIndex>,
    /// Sorted.
    pub(super) ancestors: &'a [UidIndex],
    /// Attributes that lie over the stored ones.
    pub(super) overlay: Fields<'a>,
    /// Whether the entity exists even without stored data and overlay. Cedar tells a missing entity from an empty one.
    pub(super) declared: bool,
}

/// Named values with the types that the policy set declares for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) given: &'a Attributes<'a>,
    /// `Some`: what is not declared is not there. `None`: everything is taken as it is.
    pub(super) declared: Option<&'a [(String, AttributeType)]>,
    /// The tenant, where the policy set has tenants.
    pub(super) tenant: Tenant<'a>,
}

/// How the name `tenant` is read among [`Fields`].
#[derive(Debug, Clone, Copy)]
pub(super) enum Tenant<'a> {
    /// Like any other name.
    Ordinary,
    /// As a declared text (the attribute of a resource).
    Declared,
    /// As this value whatever was given (the member of the context).
    Fixed(Option<&'a str>),
}

/// A value together with the type declared for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Typed<'a> {
    pub(super) value: TypedValue<'a>,
    pub(super) ty: Option<&'a AttributeType>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum TypedValue<'a> {
    Given(&'a Value<'a>),
    Text(&'a str),
}

impl<'a> Fields<'a> {
    /// Nothing.
    pub(super) const EMPTY: Self = Self { given: &[], declared: None, tenant: Tenant::Ordinary };

    /// The field of this name.
    pub(super) fn get(&self, name: &str) -> Option<Typed<'a>> {
        if name == "tenant" {
            match self.tenant {
                Tenant::Fixed(tenant) => return Some(Typed { value: TypedValue::Text(tenant?), ty: None }),
                Tenant::Declared => return self.given(name).map(|value| Typed::given(value, None)),
                Tenant::Ordinary => {}
            }
        }
        let ty = match self.declared {
            Some(declared) => Some(&declared.iter().find(|(known, _)| known == name)?.1),
            None => None,
        };
        self.given(name).map(|value| Typed::given(value, ty))
    }

    fn given(&self, name: &str) -> Option<&'a Value<'a>> {
        self.given.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// All fields that policies can see, each under its name.
    pub(super) fn visible(&self) -> impl Iterator<Item = (&'a str, Typed<'a>)> + '_ {
        let fixed = match self.tenant {
            Tenant::Fixed(Some(tenant)) => Some(("tenant", Typed { value: TypedValue::Text(tenant), ty: None })),
            _ => None,
        };
        let given = self.given.iter().filter_map(|(name, _)| match (self.tenant, name.as_ref()) {
            (Tenant::Fixed(_), "tenant") => None,
            (_, name) => Some((name, self.get(name)?)),
        });
        fixed.into_iter().chain(given)
    }
}

impl<'a> Typed<'a> {
    pub(super) const fn given(value: &'a Value<'a>, ty: Option<&'a AttributeType>) -> Self {
        Self { value: TypedValue::Given(value), ty }
    }
}

impl<'a> Question<'a> {
    /// An attribute of an entity: the request's lies over the stored one.
    pub(super) fn attribute(&self, store: &'a Store, uid: Uid<'_>, name: &str) -> Option<Typed<'a>> {
        let overlaid = |party: &Party<'a>| if party.uid == uid { party.overlay.get(name) } else { None };
        overlaid(&self.resource)
            .or_else(|| overlaid(&self.principal))
            .or_else(|| Some(Typed::given(self.stored(store, uid)?.attribute(name)?, None)))
    }

    /// The stored entity of this uid.
    pub(super) fn stored(&self, store: &'a Store, uid: Uid<'_>) -> Option<&'a Stored> {
        let known = [&self.resource, &self.principal].into_iter().find(|party| party.uid == uid);
        match known {
            Some(party) => store.at(party.index?),
            None => store.find(uid),
        }
    }

    /// The ancestors of an entity, sorted.
    pub(super) fn ancestors(&self, store: &'a Store, uid: Uid<'_>) -> &'a [UidIndex] {
        if self.principal.uid == uid {
            self.principal.ancestors
        } else if self.resource.uid == uid {
            self.resource.ancestors
        } else {
            store.find(uid).map_or(&[], |stored| &stored.ancestors)
        }
    }
}
