//! Entity uids as small numbers: every uid that occurs in a program has one, and equal uids have the same.

use cedar_policy_core::ast;
use rustc_hash::FxHashMap;
use std::sync::{Arc, OnceLock};

/// A uid that borrows its texts. `ty` is in Cedar's normal form, `id` is unescaped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uid<'a> {
    pub(super) ty: &'a str,
    pub(super) id: &'a str,
}

impl PartialEq for Uid<'_> {
    fn eq(&self, other: &Self) -> bool {
        // Mostly a copy is compared with its original: the same texts at the same place.
        let same = |a: &str, b: &str| std::ptr::eq(a, b) || a == b;
        same(self.id, other.id) && same(self.ty, other.ty)
    }
}

/// The number of a uid in its [`UidTable`].
pub(super) type UidIndex = u32;
/// The number of an entity type in its [`UidTable`].
pub(super) type TypeIndex = u32;

/// All uids and entity types of a program.
#[derive(Debug, Default)]
pub(super) struct UidTable {
    types: FxHashMap<Arc<str>, TypeEntry>,
    // The key in `types`, so that writing out a type is done once and not for each uid.
    texts: FxHashMap<ast::EntityType, Arc<str>>,
    uids: Vec<ast::EntityUID>,
}

#[derive(Debug)]
struct TypeEntry {
    index: TypeIndex,
    cedar: ast::EntityType,
    ids: FxHashMap<Box<str>, UidIndex>,
    /// The ids of `ids`, sorted; made when they are first asked for.
    sorted: OnceLock<Box<[Box<str>]>>,
}

impl UidTable {
    /// The number of a uid; a new one where it has none yet.
    pub(super) fn intern(&mut self, uid: &ast::EntityUID) -> UidIndex {
        let id: &str = uid.eid().as_ref();
        let next = UidIndex::try_from(self.uids.len()).unwrap_or(UidIndex::MAX);
        let ids = &mut self.entry(uid.entity_type()).ids;
        if let Some(&index) = ids.get(id) {
            return index;
        }
        ids.insert(id.into(), next);
        self.uids.push(uid.clone());
        next
    }

    /// The number of an entity type; a new one where it has none yet.
    pub(super) fn intern_type(&mut self, ty: &ast::EntityType) -> TypeIndex {
        self.entry(ty).index
    }

    fn entry(&mut self, ty: &ast::EntityType) -> &mut TypeEntry {
        let text = Arc::clone(self.texts.entry(ty.clone()).or_insert_with(|| ty.to_string().into()));
        let index = TypeIndex::try_from(self.types.len()).unwrap_or(TypeIndex::MAX);
        self.types.entry(text).or_insert_with(|| TypeEntry {
            index,
            cedar: ty.clone(),
            ids: FxHashMap::default(),
            sorted: OnceLock::new(),
        })
    }

    /// The number of a uid, where it occurs in the program.
    pub(super) fn find(&self, uid: Uid<'_>) -> Option<UidIndex> {
        self.types.get(uid.ty)?.ids.get(uid.id).copied()
    }

    /// The ids of all uids of a type, sorted. To be asked once the table is whole.
    pub(super) fn sorted(&self, ty: &str) -> &[Box<str>] {
        let Some(entry) = self.types.get(ty) else { return &[] };
        entry.sorted.get_or_init(|| {
            let mut ids: Vec<_> = entry.ids.keys().cloned().collect();
            ids.sort_unstable();
            ids.into()
        })
    }

    /// Whether some uid of this type occurs in the program.
    pub(super) fn names_any(&self, ty: &str) -> bool {
        self.types.get(ty).is_some_and(|entry| !entry.ids.is_empty())
    }

    /// The number of an entity type, where it occurs in the program.
    pub(super) fn find_type(&self, ty: &str) -> Option<TypeIndex> {
        self.types.get(ty).map(|entry| entry.index)
    }

    /// Whether the text is an entity type in normal form.
    pub(super) fn is_type(&self, ty: &str) -> bool {
        self.types.contains_key(ty) || ast::EntityType::from_normalized_str(ty).is_ok()
    }

    /// Cedar's form of an entity type; `None` where the text is not an entity type in normal form.
    pub(super) fn cedar_type(&self, ty: &str) -> Option<ast::EntityType> {
        match self.types.get(ty) {
            Some(entry) => Some(entry.cedar.clone()),
            None => ast::EntityType::from_normalized_str(ty).ok(),
        }
    }

    /// Cedar's form of a uid; `None` where its type is not an entity type in normal form.
    pub(super) fn cedar_uid(&self, uid: Uid<'_>) -> Option<ast::EntityUID> {
        let ty = self.cedar_type(uid.ty)?;
        Some(ast::EntityUID::from_components(ty, ast::Eid::new(uid.id), None))
    }

    /// Cedar's form of a numbered uid.
    pub(super) fn get(&self, index: UidIndex) -> Option<&ast::EntityUID> {
        self.uids.get(index as usize)
    }

    /// All uids.
    pub(super) fn iter(&self) -> impl Iterator<Item = &ast::EntityUID> {
        self.uids.iter()
    }
}
