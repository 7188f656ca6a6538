//! Entity types that could change places in a schema without anybody noticing.

use cedar_policy_core::{
    ast::{EntityType, EntityUID},
    validator::{
        ValidatorEntityType, ValidatorEntityTypeKind, ValidatorSchema,
        types::{Attributes, EntityKind, OpenTag, Type},
    },
};
use rustc_hash::{FxHashMap, FxHashSet};

/// Types in families of twins.
///
/// Twins have the same attributes, are in the same types, are what the same actions apply to, and nothing refers to them or is
/// in them. To change the places of twins is therefore an automorphism of the schema: what the checker says of a policy, it says
/// of the policy that names one twin for another throughout.
pub(super) struct Twins<'s> {
    families: FxHashMap<&'s EntityType, usize>,
}

/// What twins have in common.
#[derive(PartialEq, Eq, Hash)]
struct Likeness<'s> {
    attributes: &'s Attributes,
    open: OpenTag,
    tags: Option<&'s Type>,
    within: Vec<&'s EntityType>,
    principal_of: Vec<&'s EntityUID>,
    resource_of: Vec<&'s EntityUID>,
}

impl<'s> Twins<'s> {
    /// The families of a schema.
    pub(super) fn of(schema: &'s ValidatorSchema) -> Self {
        let mentioned = mentioned(schema);
        let is_alone = |ty: &&ValidatorEntityType| {
            // Names with other letters are held against each other by the checker.
            let is_plain = matches!(ty.kind, ValidatorEntityTypeKind::Standard(_)) && ty.name().to_string().is_ascii();
            is_plain && ty.descendants.is_empty() && !mentioned.contains(ty.name())
        };
        let mut numbers: FxHashMap<Likeness<'_>, usize> = FxHashMap::default();
        let mut families = FxHashMap::default();
        for ty in schema.entity_types().filter(is_alone) {
            let next = numbers.len();
            families.insert(ty.name(), *numbers.entry(likeness(schema, ty)).or_insert(next));
        }
        Self { families }
    }

    /// The number of a type's family; `None` where it has none.
    pub(super) fn family(&self, ty: &EntityType) -> Option<usize> {
        self.families.get(ty).copied()
    }
}

fn likeness<'s>(schema: &'s ValidatorSchema, ty: &'s ValidatorEntityType) -> Likeness<'s> {
    let name = ty.name();
    let mut within: Vec<_> = schema.entity_types().filter(|other| other.descendants.contains(name)).collect();
    within.sort_by_key(|other| other.name());
    let actions = |applies: &dyn Fn(&EntityUID) -> bool| {
        let mut actions: Vec<_> = schema
            .action_ids()
            .map(cedar_policy_core::validator::ValidatorActionId::name)
            .filter(|id| applies(id))
            .collect();
        actions.sort();
        actions
    };
    let applies = |id: &EntityUID, principals: bool| {
        schema.get_action_id(id).is_some_and(|action| {
            if principals {
                action.is_applicable_principal_type(name)
            } else {
                action.is_applicable_resource_type(name)
            }
        })
    };
    Likeness {
        attributes: ty.attributes(),
        open: ty.open_attributes(),
        tags: ty.tag_type(),
        within: within.into_iter().map(ValidatorEntityType::name).collect(),
        principal_of: actions(&|id| applies(id, true)),
        resource_of: actions(&|id| applies(id, false)),
    }
}

/// The types that attributes, tags and contexts refer to.
fn mentioned(schema: &ValidatorSchema) -> FxHashSet<&EntityType> {
    let mut found = FxHashSet::default();
    for ty in schema.entity_types() {
        of_attributes(ty.attributes(), &mut found);
        of_type(ty.tag_type(), &mut found);
    }
    for action in schema.action_ids() {
        of_type(action.context_type(), &mut found);
    }
    found
}

fn of_attributes<'s>(attributes: &'s Attributes, found: &mut FxHashSet<&'s EntityType>) {
    for (_, attribute) in attributes.iter() {
        of_type(Some(&attribute.attr_type), found);
    }
}

fn of_type<'s>(ty: Option<&'s Type>, found: &mut FxHashSet<&'s EntityType>) {
    match ty {
        // A schema names one type at each place; several come together only while something is checked.
        Some(Type::Entity(EntityKind::Entity(types))) => found.extend(types.get_single_entity()),
        Some(Type::Set { element_type }) => of_type(element_type.as_deref(), found),
        Some(Type::Record { attrs, .. }) => of_attributes(attrs, found),
        _ => {}
    }
}
