//! Who may be asked about at all, and what there is to ask about: the index read backwards, for search.

use super::{
    BoundUser, Dialect, PolicyIndex, Program,
    index::{Key, Place},
    uid::Uid,
};
use crate::model::Request;
use rustc_hash::FxHashSet;

/// The users whom some permit could allow a request. Whoever is not among them is denied it; whoever is may be.
#[derive(Debug)]
pub struct Prospects {
    keys: FxHashSet<Key>,
}

impl Prospects {
    /// Looks up which keys of users lead to a permit for the request.
    #[must_use]
    pub fn of(program: &Program, request: &Request<'_>) -> Self {
        let nobody = Self { keys: FxHashSet::default() };
        let Some(target) = program.names().target(request.resource.ty) else { return nobody };
        let Ok(action) = program.names().action(request.action) else { return nobody };
        let resource = target.locate(request.resource.ty, request.resource.id, program.store(), program.index());
        Self { keys: program.index().permitted_principals(action, &resource.keys) }
    }

    /// Whether a user is among them, in whatever tenant and at whatever time.
    #[must_use]
    pub fn include(&self, user: &BoundUser) -> bool {
        user.standings().any(|standing| standing.keys.iter().any(|key| self.keys.contains(key)))
    }
}

/// The permits that fit what a request is about, whoever asks, in policy order.
#[must_use]
pub fn permits_for(program: &Program, request: &Request<'_>) -> Vec<PolicyIndex> {
    let (store, index) = (program.store(), program.index());
    let mut found = match program.dialect() {
        Dialect::Declared(_) => {
            let Some(target) = program.names().target(request.resource.ty) else { return Vec::new() };
            let Ok(action) = program.names().action(request.action) else { return Vec::new() };
            let resource = target.locate(request.resource.ty, request.resource.id, store, index);
            index.permits(action, &resource.keys)
        }
        Dialect::PlainCedar { .. } => {
            let uid = Uid { ty: request.resource.ty, id: request.resource.id };
            let own = store.uids.find(uid);
            let ancestors = own.and_then(|own| store.at(own)).map_or(&[][..], |stored| &stored.ancestors);
            let place = Place { ty: store.uids.find_type(uid.ty), own, ancestors };
            let (_, action) = program.names().plain_action(request.action, store);
            index.permits(action, &index.resources.keys_of(place))
        }
    };
    found.sort_unstable();
    found.dedup();
    found
}

impl Program {
    /// The actions that can be asked about, each as a request names it: the declared ones in their order, or those that a
    /// set of plain Cedar knows, sorted. Groups of actions are none.
    #[must_use]
    pub fn actions(&self) -> Vec<&str> {
        match self.dialect() {
            Dialect::Declared(vocabulary) => vocabulary.actions.iter().map(String::as_str).collect(),
            Dialect::PlainCedar { .. } => self.plain_actions(),
        }
    }

    fn plain_actions(&self) -> Vec<&str> {
        let store = self.store();
        let groups: FxHashSet<_> = store
            .iter()
            .filter(|(_, stored)| stored.cedar.uid().is_action())
            .flat_map(|(_, stored)| stored.ancestors.iter().copied())
            .collect();
        let single = (0..).zip(store.uids.iter()).filter(|(index, uid)| uid.is_action() && !groups.contains(index));
        let qualified = self.names().qualified_actions().filter(|name| !name.starts_with("Action::"));
        let simple = single.filter_map(|(_, uid)| {
            let id: &str = uid.eid().as_ref();
            (uid.entity_type().to_string() == "Action").then_some(id)
        });
        let is_single = |name: &&str| {
            let (uid, index) = self.names().plain_action(name, store);
            uid.ty != "Action" && index.is_none_or(|index| !groups.contains(&index))
        };
        let mut names: Vec<_> = simple.chain(qualified.filter(is_single)).collect();
        names.sort_unstable();
        names
    }

    /// The ids of all entities of a type that the program knows, sorted: stored ones, and those that policies name.
    #[must_use]
    pub fn entities_of(&self, ty: &str) -> &[Box<str>] {
        self.store().uids.sorted(ty)
    }

    /// The areas of the module that a resource type or module id stands for, as ids of its resources, sorted.
    #[must_use]
    pub fn areas_of(&self, ty: &str) -> Vec<&str> {
        let mut areas: Vec<_> = self.names().target(ty).into_iter().flat_map(super::names::Target::areas).collect();
        areas.sort_unstable();
        areas
    }
}
