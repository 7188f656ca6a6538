//! Every question that a set knows, asked for one user by plain decisions.

use sidegate::{
    engine::{AttributeType, BoundUser, Dialect, Subject, decide},
    model::{Assignment, AssignmentKind, Request, Resource, Timestamp, User, Value},
    policy::Snapshot,
};
use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

/// What is allowed: action, type, id, and which of the attributes below were given.
pub type Grid = BTreeSet<(String, String, String, usize)>;

/// Which gates are open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Gates {
    AsTheyAre,
    Open,
}

/// The directory's own module, which nobody is given anything on.
const OWN: [&str; 3] = ["directory", "directory_user", "directory_assignment"];

/// What a user is allowed in a tenant. Where a resource has an owner it is the asker, or somebody else.
pub fn reached(snapshot: &Snapshot, user: &User, tenant: Option<&str>, gates: Gates, time: Timestamp) -> Grid {
    let Dialect::Declared(vocabulary) = snapshot.program.dialect() else { panic!("a set with modules") };
    let mut user = user.clone();
    if !user.memberships.iter().any(|one| one.tenant.as_deref() == tenant) {
        if tenant.is_some() {
            return Grid::new();
        }
        // Where there are no tenants, whoever has nothing is asked like everybody.
        user = user.given(None, Vec::new());
    }
    for membership in user.memberships.iter_mut().filter(|one| gates == Gates::Open && one.tenant.as_deref() == tenant)
    {
        let open = |gate: &sidegate::policy::Gate| Assignment {
            kind: AssignmentKind::Gate,
            name: gate.id.clone(),
            until: None,
            why: None,
        };
        // Behind the others, so that one that runs out does not close it.
        membership.assignments.retain(|given| given.kind != AssignmentKind::Gate);
        membership.assignments.extend(snapshot.catalog.gates.iter().map(open));
    }
    let bound = BoundUser::new(&snapshot.program, &Arc::new(user.clone()));
    let mut grid = Grid::new();
    let types = vocabulary.resource_types.iter().map(|ty| (ty.name.as_str(), ty.module, ty.attributes.as_slice()));
    let modules = vocabulary.modules.iter().enumerate().map(|(at, module)| (module.id.as_str(), at, &[][..]));
    for (ty, module, declared) in types.chain(modules).filter(|(ty, ..)| !OWN.contains(ty)) {
        let Some(catalog) = snapshot.catalog.modules.get(module) else { continue };
        let ids = ["", "x-1"].into_iter().chain(catalog.areas.iter().map(String::as_str));
        let variants = variants(declared, &user.id, snapshot);
        for id in ids {
            for action in &catalog.actions {
                for (number, attributes) in variants.iter().enumerate() {
                    let resource = Resource { ty, id, attributes };
                    let request = Request { action, resource, tenant, context: &[], subject_attributes: &[], time };
                    if decide(&snapshot.program, Subject::User(&bound), &request).decision.is_allow() {
                        grid.insert((action.clone(), ty.to_owned(), id.to_owned(), number));
                    }
                }
            }
        }
    }
    grid
}

/// The attributes that a resource is given: every combination of a few values of each.
fn variants(
    declared: &[(String, AttributeType)],
    asker: &str,
    snapshot: &Snapshot,
) -> Vec<Vec<(Cow<'static, str>, Value<'static>)>> {
    let mut variants = vec![Vec::new()];
    for (name, ty) in declared.iter().filter(|(name, _)| name != "tenant") {
        let text = |text: &str| Value::String(Cow::Owned(text.to_owned()));
        let values: Vec<Value<'static>> = match ty {
            AttributeType::Entity(ty) if ty == "User" => vec![text(asker), text("somebody else")],
            AttributeType::Entity(ty) => {
                let listed = snapshot.catalog.values.iter().find(|values| values.name == *ty);
                listed.into_iter().flat_map(|listed| &listed.values).map(|value| text(value)).collect()
            }
            AttributeType::Long => [0, 3, 5, 50, 500].map(Value::Long).to_vec(),
            AttributeType::String => {
                let families = snapshot.catalog.families.iter().map(|family| text(&family.id));
                families.collect()
            }
            _ => Vec::new(),
        };
        let with = |variant: &Vec<(Cow<'static, str>, Value<'static>)>, value: &Value<'static>| {
            variant.iter().cloned().chain([(Cow::Owned(name.clone()), value.clone())]).collect::<Vec<_>>()
        };
        let more: Vec<_> =
            variants.iter().flat_map(|variant| values.iter().map(|value| with(variant, value))).collect();
        variants.extend(more);
    }
    variants
}

/// The values of attributes that count for a user in a tenant.
pub fn values(snapshot: &Snapshot, user: &User, tenant: Option<&str>, time: Timestamp) -> BTreeSet<String> {
    let bound = BoundUser::new(&snapshot.program, &Arc::new(user.clone()));
    let all = bound.attributes_in(tenant, time).iter().flat_map(|(name, value)| match value {
        Value::Set(items) => items.iter().map(|item| format!("{name}: {item:?}")).collect(),
        one => vec![format!("{name}: {one:?}")],
    });
    all.collect()
}
