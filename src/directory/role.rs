//! Roles that are put together here: grants and gates under one name, given to users like the roles of the policy set.

use super::account::time;
use crate::{
    engine::{Dialect, Vocabulary},
    model::{AssignmentKind, Timestamp},
    policy::{Catalog, Snapshot},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// A role that was put together here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomRole {
    /// Names it in assignments. Fixed.
    pub id: String,
    /// The name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A level a module.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grants: BTreeMap<String, String>,
    /// The tenant whose administrators have put it together, and change it. `None` where operators alone do; and where there are no
    /// tenants, or were none to note when it was put together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Gates that it opens, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<String>,
    /// Who put it together: a user's id, or an operator as `operator:<name>`.
    pub by: String,
    /// When.
    #[serde(with = "time")]
    pub created: Timestamp,
    /// When it was last changed.
    #[serde(with = "time")]
    pub updated: Timestamp,
    /// Grows with every change; the `ETag`.
    pub version: u64,
}

/// Roles that were put together here, by id.
pub type Roles = BTreeMap<String, Arc<CustomRole>>;

impl CustomRole {
    /// What its holders are given: grants such as `pricing/editor`, and gates.
    pub fn parts(&self) -> impl Iterator<Item = (AssignmentKind, String)> {
        let grants = self.grants.iter().map(|(module, level)| (AssignmentKind::Grant, format!("{module}/{level}")));
        grants.chain(self.gates.iter().map(|gate| (AssignmentKind::Gate, gate.clone())))
    }
}

/// What an account is looked at through to see it as policies do.
#[derive(Debug, Clone, Copy)]
pub struct Lens<'l> {
    /// What the policy set declares.
    pub vocabulary: &'l Vocabulary,
    catalog: &'l Catalog,
    roles: &'l Roles,
}

/// The same, for whoever looks later.
#[derive(Debug)]
pub(super) struct KeptLens {
    vocabulary: Arc<Vocabulary>,
    catalog: Arc<Catalog>,
    roles: Arc<Roles>,
}

impl KeptLens {
    /// See [`Lens::new`].
    pub(super) fn new(snapshot: &Snapshot, roles: &Arc<Roles>) -> Option<Self> {
        let Dialect::Declared(vocabulary) = snapshot.program.dialect() else { return None };
        let (vocabulary, catalog) = (Arc::clone(vocabulary), Arc::clone(&snapshot.catalog));
        Some(Self { vocabulary, catalog, roles: Arc::clone(roles) })
    }

    pub(super) fn lens(&self) -> Lens<'_> {
        Lens { vocabulary: &self.vocabulary, catalog: &self.catalog, roles: &self.roles }
    }
}

impl<'l> Lens<'l> {
    /// A policy set with the roles that were put together beside it; `None` for one of plain Cedar.
    #[must_use]
    pub fn new(snapshot: &'l Snapshot, roles: &'l Roles) -> Option<Self> {
        match snapshot.program.dialect() {
            Dialect::Declared(vocabulary) => Some(Self { vocabulary, catalog: &snapshot.catalog, roles }),
            Dialect::PlainCedar { .. } => None,
        }
    }

    /// A role that was put together here. Where the policy set declares one of the same name, that one counts.
    #[must_use]
    pub fn custom_role(&self, id: &str) -> Option<&'l CustomRole> {
        let found = self.roles.get(id)?;
        self.catalog.role(id).is_none().then_some(&**found)
    }

    /// The same through other roles.
    #[must_use]
    pub const fn with<'o>(self, roles: &'o Roles) -> Lens<'o>
    where
        'l: 'o,
    {
        Lens { vocabulary: self.vocabulary, catalog: self.catalog, roles }
    }
}
