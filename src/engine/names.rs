//! The names that requests use, resolved against a program.

use super::{
    Dialect, ModuleIndex, Tenancy, Vocabulary,
    index::{Index, Key, Keys, Place},
    store::Store,
    uid::{Uid, UidIndex},
    vocabulary::AttributeType,
};
use crate::model::ReasonCode;
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;

/// All names of a program.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Declared actions. Plain Cedar sets have none: any action may be asked for.
    actions: FxHashMap<String, Option<UidIndex>>,
    targets: FxHashMap<String, Target>,
    tenants: Option<FxHashSet<String>>,
    qualified_actions: FxHashMap<String, (String, String)>,
}

/// What the `type` of a resource stands for.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) module: ModuleIndex,
    /// The module's number, as the ancestors of its entities.
    module_uid: Vec<UidIndex>,
    module_id: String,
    areas: FxHashMap<String, AreaTarget>,
    /// The keys of every resource of this type that is in no area, where none of them is named by a policy.
    keys: Option<Keys>,
    /// The attributes of a resource type; `None` where the name is a module's.
    pub(super) attributes: Option<Vec<(String, AttributeType)>>,
}

#[derive(Debug, Clone)]
struct AreaTarget {
    id: String,
    /// The area's and the module's numbers, sorted.
    within: Vec<UidIndex>,
}

/// A resource's uid, the entities above it and its keys.
#[derive(Debug)]
pub(super) struct Located<'a> {
    pub(super) uid: Uid<'a>,
    pub(super) index: Option<UidIndex>,
    pub(super) ancestors: &'a [UidIndex],
    pub(super) keys: Cow<'a, [Key]>,
}

impl Names {
    pub(super) fn new(dialect: &Dialect, store: &Store, index: &Index) -> Self {
        match dialect {
            Dialect::PlainCedar { .. } => Self { qualified_actions: qualified_actions(store), ..Self::default() },
            Dialect::Declared(vocabulary) => Self {
                actions: vocabulary
                    .actions
                    .iter()
                    .map(|action| (action.clone(), store.uids.find(Uid { ty: "Action", id: action })))
                    .collect(),
                targets: targets(vocabulary, store, index),
                tenants: tenants(vocabulary),
                qualified_actions: FxHashMap::default(),
            },
        }
    }

    /// The number of a declared action, which is `None` where no policy names it; `Err` for one that is not declared.
    pub(super) fn action(&self, action: &str) -> Result<Option<UidIndex>, ReasonCode> {
        self.actions.get(action).copied().ok_or(ReasonCode::ActionUnknown)
    }

    /// The actions of a plain Cedar set that have a name of their own, as requests write them.
    pub(super) fn qualified_actions(&self) -> impl Iterator<Item = &str> {
        self.qualified_actions.keys().map(String::as_str)
    }

    pub(super) fn target(&self, ty: &str) -> Option<&Target> {
        self.targets.get(ty)
    }

    /// Whether there is such a tenant; a set that does not list its tenants knows any.
    pub(super) fn knows_tenant(&self, tenant: &str) -> bool {
        self.tenants.as_ref().is_none_or(|tenants| tenants.contains(tenant))
    }

    /// The action of a plain Cedar set: `view` is `Action::"view"`, and `Shop::Action::"view"` is itself.
    pub(super) fn plain_action<'a>(&'a self, text: &'a str, store: &Store) -> (Uid<'a>, Option<UidIndex>) {
        let simple = Uid { ty: "Action", id: text };
        if let Some(index) = store.uids.find(simple) {
            return (simple, Some(index));
        }
        let known = self.qualified_actions.get(text).map(|(ty, id)| Uid { ty, id });
        let uid = known.or_else(|| split_qualified(text)).unwrap_or(simple);
        (uid, store.uids.find(uid))
    }
}

impl Target {
    /// The areas of the module, in no order.
    pub(super) fn areas(&self) -> impl Iterator<Item = &str> {
        self.areas.keys().map(String::as_str)
    }

    /// The module's number and, where there is one, the area's: what lies above a resource in it, sorted.
    pub(super) fn above(&self, area: Option<&str>) -> &[UidIndex] {
        area.and_then(|area| self.areas.get(area)).map_or(&self.module_uid, |area| &area.within)
    }

    /// Where a resource of this type and id stands. A resource whose id is an area is in that area; a question about a
    /// module is about the module, or about the area that its id names.
    pub(super) fn locate<'a>(&'a self, ty: &'a str, id: &'a str, store: &Store, index: &Index) -> Located<'a> {
        if let Some(keys) = &self.keys {
            let ancestors = &self.module_uid;
            return Located { uid: Uid { ty, id }, index: None, ancestors, keys: Cow::Borrowed(keys) };
        }
        let area = self.areas.get(id);
        let (uid, ancestors): (_, &[UidIndex]) = match (&self.attributes, area) {
            (Some(_), area) => (Uid { ty, id }, area.map_or(&self.module_uid, |area| &area.within)),
            (None, Some(area)) => (Uid { ty: "Area", id: &area.id }, &self.module_uid),
            (None, None) => (Uid { ty: "Module", id: &self.module_id }, &[]),
        };
        let own = store.uids.find(uid);
        let place = Place { ty: store.uids.find_type(uid.ty), own, ancestors };
        Located { uid, index: own, ancestors, keys: Cow::Owned(index.resources.keys_of(place).to_vec()) }
    }
}

fn targets(vocabulary: &Vocabulary, store: &Store, index: &Index) -> FxHashMap<String, Target> {
    let mut targets = FxHashMap::default();
    let target = |module: ModuleIndex, attributes| {
        let declared = vocabulary.modules.get(module)?;
        let module_uid: Vec<_> = store.uids.find(Uid { ty: "Module", id: &declared.id }).into_iter().collect();
        let area = |area: &String| {
            let id = format!("{}/{area}", declared.id);
            let mut within = module_uid.clone();
            within.extend(store.uids.find(Uid { ty: "Area", id: &id }));
            within.sort_unstable();
            (area.clone(), AreaTarget { id, within })
        };
        let areas = declared.areas.iter().map(area).collect();
        Some(Target {
            module,
            module_uid: module_uid.clone(),
            module_id: declared.id.clone(),
            areas,
            keys: None,
            attributes,
        })
    };
    for (index, module) in vocabulary.modules.iter().enumerate() {
        targets.extend(target(index, None).map(|target| (module.id.clone(), target)));
    }
    // A type shadows a module of the same name: it says more.
    for ty in &vocabulary.resource_types {
        targets.extend(target(ty.module, Some(ty.attributes.clone())).map(|mut target| {
            if target.areas.is_empty() && !store.uids.names_any(&ty.name) {
                let place = Place { ty: store.uids.find_type(&ty.name), own: None, ancestors: &target.module_uid };
                target.keys = Some(index.resources.keys_of(place));
            }
            (ty.name.clone(), target)
        }));
    }
    targets
}

fn tenants(vocabulary: &Vocabulary) -> Option<FxHashSet<String>> {
    match vocabulary.tenancy {
        Tenancy::Required => vocabulary.tenants.as_ref().map(|tenants| tenants.iter().cloned().collect()),
        Tenancy::None => None,
    }
}

fn qualified_actions(store: &Store) -> FxHashMap<String, (String, String)> {
    let actions = store.uids.iter().filter(|uid| uid.is_action());
    actions
        .map(|uid| {
            let id: &str = uid.eid().as_ref();
            (uid.to_string(), (uid.entity_type().to_string(), id.to_owned()))
        })
        .collect()
}

/// `Shop::Action::"view"` in its parts, where the id needs no unescaping.
fn split_qualified(text: &str) -> Option<Uid<'_>> {
    let (ty, id) = text.strip_suffix('"')?.split_once("::\"")?;
    let is_action = ty.rsplit("::").next() == Some("Action");
    (is_action && !id.contains(['\\', '"'])).then_some(Uid { ty, id })
}
