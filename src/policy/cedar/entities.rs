//! The entities of a compiled set: actions, roles, grants, gates, modules and areas. Users are bound one by one, by the engine.

use super::area_id;
use crate::policy::{
    catalog::Catalog,
    resolve::{Effect, Rule},
};
use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid, Schema, entities_errors::EntitiesError};
use std::collections::HashSet;

/// Builds all entities of a compiled set.
///
/// # Errors
/// Fails where roles include each other in a circle; which has been reported before.
#[expect(clippy::result_large_err, reason = "Cedar's own error, met once a compilation")]
pub(in crate::policy) fn build(catalog: &Catalog, rules: &[Rule], schema: &Schema) -> Result<Entities, EntitiesError> {
    let mut list: Vec<Entity> = schema.action_entities()?.into_iter().collect();
    let mut add = |uid: Option<EntityUid>, parents: Vec<Option<EntityUid>>| {
        let parents: HashSet<_> = parents.into_iter().flatten().collect();
        list.extend(uid.map(|uid| Entity::new_no_attrs(uid, parents)));
    };
    for role in &catalog.roles {
        add(uid("Role", &role.id), role.includes.iter().map(|include| uid("Role", include)).collect());
    }
    for rule in rules {
        if let Effect::Permit { holder: ("Grant", id), .. } = &rule.effect {
            add(uid("Grant", id), Vec::new());
        }
    }
    for gate in &catalog.gates {
        add(uid("Gate", &gate.id), Vec::new());
    }
    for module in catalog.compiled_modules() {
        add(uid("Module", &module.id), Vec::new());
        for area in &module.areas {
            add(uid("Area", &area_id(&module.id, area)), vec![uid("Module", &module.id)]);
        }
    }
    Entities::from_entities(list, None)
}

fn uid(ty: &str, id: &str) -> Option<EntityUid> {
    Some(EntityUid::from_type_name_and_id(ty.parse::<EntityTypeName>().ok()?, EntityId::new(id)))
}

/// Entities as JSON, in Cedar's own format, in order of their names.
pub(in crate::policy) fn to_json(entities: &Entities) -> String {
    let mut list: Vec<_> = entities.iter().collect();
    list.sort_by_key(|entity| entity.uid().to_string());
    // Entities that came from JSON or have no attributes can be written as JSON.
    let values: Vec<_> = list.iter().filter_map(|entity| entity.to_json_value().ok()).collect();
    format!("{:#}", serde_json::Value::Array(values))
}
