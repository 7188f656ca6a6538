//! The entities of a program: attributes in the engine's own form beside Cedar's.

use super::uid::{Uid, UidIndex, UidTable};
use crate::model::Value;
use cedar_policy_core::{
    ast::{self, Literal, PartialValue, ValueKind},
    entities::Entities,
};
use std::{borrow::Cow, sync::Arc};

/// The stored entities, by the number of their uid.
#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) uids: UidTable,
    entities: Vec<Option<Stored>>,
}

/// One stored entity.
#[derive(Debug)]
pub(super) struct Stored {
    // INVARIANT: sorted by name.
    attributes: Vec<(Cow<'static, str>, Value<'static>)>,
    // INVARIANT: sorted by name.
    tags: Vec<(Cow<'static, str>, Value<'static>)>,
    /// All ancestors, sorted; never the entity itself.
    pub(super) ancestors: Box<[UidIndex]>,
    /// Entities that its attributes and tags refer to.
    pub(super) references: Box<[UidIndex]>,
    /// The entity as Cedar's evaluator takes it.
    pub(super) cedar: Arc<ast::Entity>,
}

impl Store {
    /// Takes over all entities.
    pub(super) fn new(entities: Entities) -> Self {
        let mut store = Self::default();
        for entity in entities {
            let index = store.uids.intern(entity.uid()) as usize;
            let stored = Stored::new(entity, &mut store.uids);
            if store.entities.len() <= index {
                store.entities.resize_with(index + 1, || None);
            }
            if let Some(slot) = store.entities.get_mut(index) {
                *slot = Some(stored);
            }
        }
        store
    }

    /// A stored entity by number.
    pub(super) fn at(&self, index: UidIndex) -> Option<&Stored> {
        self.entities.get(index as usize)?.as_ref()
    }

    /// A stored entity by uid.
    pub(super) fn find(&self, uid: Uid<'_>) -> Option<&Stored> {
        self.at(self.uids.find(uid)?)
    }

    /// All stored entities.
    pub(super) fn iter(&self) -> impl Iterator<Item = (UidIndex, &Stored)> {
        (0..).zip(&self.entities).filter_map(|(index, stored)| Some((index, stored.as_ref()?)))
    }
}

impl Stored {
    fn new(entity: ast::Entity, uids: &mut UidTable) -> Self {
        let mut ancestors: Vec<_> = entity.ancestors().map(|ancestor| uids.intern(ancestor)).collect();
        ancestors.sort_unstable();
        let mut references = Vec::new();
        let mut convert = |(name, value): (&smol_str::SmolStr, &PartialValue)| {
            let value = match value {
                PartialValue::Value(value) => convert_value(value, uids, &mut references),
                PartialValue::Residual(_) => Value::Unrepresentable("an unknown value"),
            };
            (Cow::Owned(name.to_string()), value)
        };
        // Cedar keeps both in maps ordered by name.
        let attributes = entity.attrs().map(&mut convert).collect();
        let tags = entity.tags().map(&mut convert).collect();
        references.sort_unstable();
        references.dedup();
        Self { attributes, tags, ancestors: ancestors.into(), references: references.into(), cedar: Arc::new(entity) }
    }

    /// The value of an attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<&Value<'static>> {
        lookup(&self.attributes, name)
    }

    /// The value of a tag.
    pub(super) fn tag(&self, name: &str) -> Option<&Value<'static>> {
        lookup(&self.tags, name)
    }
}

fn lookup<'s>(fields: &'s [(Cow<'static, str>, Value<'static>)], name: &str) -> Option<&'s Value<'static>> {
    let index = fields.binary_search_by(|(key, _)| key.as_ref().cmp(name)).ok()?;
    fields.get(index).map(|(_, value)| value)
}

/// The engine's form of one of Cedar's values. Notes the entities that it refers to.
pub(super) fn convert_value(value: &ast::Value, uids: &mut UidTable, references: &mut Vec<UidIndex>) -> Value<'static> {
    match value.value_kind() {
        ValueKind::Lit(Literal::Bool(b)) => Value::Bool(*b),
        ValueKind::Lit(Literal::Long(n)) => Value::Long(*n),
        ValueKind::Lit(Literal::String(text)) => Value::String(Cow::Owned(text.to_string())),
        ValueKind::Lit(Literal::EntityUID(uid)) => {
            references.push(uids.intern(uid));
            let id: &str = uid.eid().as_ref();
            Value::Entity { ty: Cow::Owned(uid.entity_type().to_string()), id: Cow::Owned(id.to_owned()) }
        }
        ValueKind::Set(set) => Value::Set(set.iter().map(|item| convert_value(item, uids, references)).collect()),
        ValueKind::Record(fields) => Value::Record(
            fields
                .iter()
                .map(|(name, value)| (Cow::Owned(name.to_string()), convert_value(value, uids, references)))
                .collect(),
        ),
        // The evaluator of conditions leaves these to Cedar, which has the value itself.
        ValueKind::ExtensionValue(_) => Value::Unrepresentable("a stored extension value"),
    }
}
